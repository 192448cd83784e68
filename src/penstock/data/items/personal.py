"""A hint when an item holds personal data: it is kept as it is, since that was asked for, and what was seen is said and recorded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.data.items.names import ENDINGS, is_table
from penstock.errors import PenstockError

if TYPE_CHECKING:
    from penstock.data.privacy.detect import PersonalColumn

TABLES, TEXTS = 5, 50
"""Files that are looked into, the first ones by name: more would make an add slow, and the hint no surer."""
ROWS = 2_000
TEXT_BYTES = 64 * 1024
TEXT_ENDINGS = (".txt", ".md", ".eml")


@dataclass(frozen=True)
class Hint:
    """Personal data in a file of an item. It quotes no value.

    Attributes
    ----------
    file : its path in the item; "" where the texts of the item were looked at together. column : "" of texts.
    """

    file: str
    column: str
    kind: str
    confidence: str

    def to_json(self) -> dict[str, Any]:
        return {"file": self.file, "column": self.column, "kind": self.kind, "confidence": self.confidence}


def hints(root: Path, files: Iterable[str], *, off: Collection[str] = ()) -> list[Hint]:
    """What the first rows of the first tables, and the beginnings of the first texts, hold of personal data.

    Parameters
    ----------
    root : the item. files : paths in it; the item itself is a file where it has no path of its own below `root`.
    off : kinds that are not looked for (`[privacy] off`).
    """
    names = sorted(files)
    all_names = "\n".join(
        (*names, "")
    ).lower()  # most folders of many files have no such name: they are looked at all at once
    tables = texts = names
    if not any(f"{ending}\n" in all_names for ending in ENDINGS):
        tables = []
    if not any(f"{ending}\n" in all_names for ending in TEXT_ENDINGS):
        texts = []
    tables = list(islice(filter(is_table, tables), TABLES))
    texts = list(islice((name for name in texts if name.lower().endswith(TEXT_ENDINGS)), TEXTS))
    found = [hint for name in tables for hint in _of_table(name, _place(root, name), off)]
    return [*found, *_of_texts([_place(root, name) for name in texts], off)]


def told(found: Iterable[Hint]) -> tuple[str, ...]:
    """One sentence for each file."""
    by_file: dict[str, list[Hint]] = {}
    for hint in found:
        by_file.setdefault(hint.file, []).append(hint)
    return tuple(
        f"{file or 'texts in it'}: what looks like personal data ("
        + ", ".join(f"{hint.column}: {hint.kind}" if hint.column else hint.kind for hint in ones)
        + "); an item is kept as it is, in the clear: `penstock data privacy --file` says more, "
        "`penstock data remove` and `gc` take it away again"
        for file, ones in by_file.items()
    )


def _place(root: Path, name: str) -> Path:
    return root if root.is_file() else root / name


def _of_table(name: str, path: Path, off: Collection[str]) -> Iterator[Hint]:
    from penstock.data.privacy.survey import survey_batches
    from penstock.data.sources.file import FileSource

    try:
        source = FileSource(path)
        first = islice(source.batches(ROWS), 1)
        found = survey_batches(source.names, first, off=off)
    except PenstockError:  # whatever its name says, it is no table: any bytes may be an item
        return
    yield from (_hint(name, one.name, one) for one in found if one.is_sure)


def _of_texts(paths: list[Path], off: Collection[str]) -> Iterator[Hint]:
    texts = []
    for path in paths:
        with path.open("rb") as file:
            texts.append(file.read(TEXT_BYTES).decode("utf-8", "replace"))
    if not texts:
        return
    from penstock.data.privacy.detect import detect_column

    found = detect_column("text", [text for text in texts if text.strip()], off=off)
    if found is not None and found.is_sure:
        yield _hint("", "", found)


def _hint(file: str, column: str, found: PersonalColumn) -> Hint:
    return Hint(file, column, found.kind, found.confidence)

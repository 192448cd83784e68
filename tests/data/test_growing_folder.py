"""A folder that has only grown: new files alone are read, and what comes of it is what reading everything gives."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from penstock.data.ingest import ingest
from penstock.data.result import IngestResult
from penstock.data.sources.declared import DeclaredSource
from penstock.data.sources.kind import Around, SourceSettings
from penstock.data.sources.opening import open_source
from penstock.data.split import SplitSettings
from penstock.ledger.ledger import Ledger
from penstock.objects.local import LocalStore
from penstock.objects.tabular import ReadOptions

if TYPE_CHECKING:
    from tests.data.conftest import Stores

Read = list[str]


def lines(rows: range, *, seed: int = 0, job: str = "", outcome: str = "") -> str:
    """Rows with something of everything; every twelfth is one that is there already, every twentieth has no outcome."""
    text = "id,age,job,member,note,y\n"
    for i in rows:
        dice = random.Random(i // 12 * 12 if i % 12 == 5 else i + 7919 * seed)
        age = "" if dice.random() < 0.1 else f"{dice.uniform(18, 90):.2f}"
        y = "" if dice.random() < 0.05 else outcome or dice.choice(["no", "yes", "no"])
        words = " ".join(dice.choice(["red", "green", "call", "later"]) for _ in range(5))
        text += f"{dice.randrange(10**6)},{age},{job or dice.choice('abc')},{dice.choice(['t', 'f', ''])},{words},{y}\n"
    return text


class Folder:
    """A project on a folder of files, and what is read of them."""

    def __init__(self, stores: Stores, read: Read, **how: Any) -> None:
        self.stores, self.read, self.how = stores, read, how
        self.files: dict[str, Mapping[str, str]] = {}
        (stores.folder / "in").mkdir()

    def source(self) -> DeclaredSource:
        return open_source(SourceSettings("in", ReadOptions()), Around(root=self.stores.folder))

    def write(self, name: str, text: str) -> None:
        (self.stores.folder / "in" / name).write_text(text, encoding="utf-8")

    def ingest(self, **more: Any) -> IngestResult:
        self.read.clear()
        source = self.source()
        found = self.stores.ingest(source, files_of=self.files.get, project="p", **self.how, **more)  # type: ignore[arg-type]
        self.files[found.version.digest] = source.contents
        return found

    def whole(self, copy: Path) -> str:
        """Digest of what reading everything gives, in a copy of the stores as they are."""
        shutil.copytree(self.stores.folder / "state", copy)
        objects = LocalStore(copy / "objects")
        with Ledger.open(copy / "ledger.db", objects) as ledger:
            source = self.source()
            return ingest(ledger, objects, source=source, target="y", project="p", **self.how).version.digest


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:
    """Names of the files of which rows are read."""
    from penstock.objects import text_rows

    names: Read = []
    real: Callable[..., Any] = text_rows.text_batches

    def noting(path: Path, *args: Any, **more: Any) -> Any:
        names.append(path.name)
        return real(path, *args, **more)

    monkeypatch.setattr(text_rows, "text_batches", noting)
    return names


@pytest.mark.parametrize(
    "how",
    [
        {"key": "id", "drop": ("note",)},
        {"split": SplitSettings(valid=0.3, test=0.3, envelopes=2, seed=4), "missing": ("c",)},
    ],
)
def test_new_files_alone_are_read_and_the_version_is_the_same(
    stores: Stores, read: Read, tmp_path: Path, how: dict[str, Any]
) -> None:
    """To the digest, step by step, with rows that come again and rows without an outcome; made again it is the same, too."""
    folder = Folder(stores, read, **how)
    for name, rows in (("a.csv", range(400)), ("b.csv", range(400, 600))):
        folder.write(name, lines(rows))
    folder.ingest()
    for step, rows in enumerate((range(600, 640), range(640, 1700), range(1700, 1701))):
        folder.write(f"c{step}.csv", lines(rows, seed=step))
        expected = folder.whole(tmp_path / f"copy{step}")
        found = folder.ingest()
        assert set(folder.read) == {f"c{step}.csv"}
        assert found.version.digest == expected
        assert found.diff is not None
        assert found.diff["rows"]["removed"] == 0
        assert folder.ingest(again=True).version.digest == expected


@pytest.mark.parametrize(
    "change",
    ["before", "changed", "gone", "column", "class", "third", "empty", "lost"],
)
def test_where_that_is_not_certain_everything_is_read(stores: Stores, read: Read, tmp_path: Path, change: str) -> None:
    """A file before the others, one that changed or went, a column, an outcome or a value that makes a column another one."""
    folder = Folder(stores, read)
    folder.write("b.csv", lines(range(240)))
    folder.write("c.csv", lines(range(240, 280)))
    first = folder.ingest()
    new = lines(range(280, 320))
    if change == "before":
        folder.write("a.csv", new)
    elif change == "changed":
        folder.write("c.csv", lines(range(240, 281)))
        folder.write("d.csv", new)
    elif change == "gone":
        (stores.folder / "in" / "c.csv").unlink()
        folder.write("d.csv", new)
    elif change == "column":
        folder.write("d.csv", new.replace("note", "remark", 1))
    elif change == "class":
        folder.write("d.csv", lines(range(280, 320), outcome="perhaps"))
    elif change == "third":
        folder.write("d.csv", new.replace(",t,", ",maybe,"))
    elif change == "empty":
        folder.write("d.csv", new.partition("\n")[0] + "\n")
    else:
        stores.objects.delete(first.version.manifest["parts"]["train"][0]["object"])
        folder.write("d.csv", new)
    expected = folder.whole(tmp_path / "copy")
    assert folder.ingest().version.digest == expected
    there = {path.name for path in (stores.folder / "in").iterdir()}
    assert set(folder.read) >= there - {"d.csv"}


def test_the_same_for_numbers_as_outcomes(stores: Stores, read: Read, tmp_path: Path) -> None:
    """Few new rows fill no envelopes of their own, so that nothing depends on the outcomes of all."""
    folder = Folder(stores, read)
    numbers = [f"{i % 97 / 7:.3f},{'xy'[i % 2]},{i * 37 % 1009}\n" for i in range(1400)]
    folder.write("a.csv", "a,b,y\n" + "".join(numbers[:1000]))
    folder.ingest()
    folder.write("b.csv", "a,b,y\n" + "".join(numbers[1000:]))
    expected = folder.whole(tmp_path / "copy")
    assert folder.ingest().version.digest == expected
    assert set(folder.read) == {"b.csv"}

"""The files of a folder or a glob, in one order on every machine, and what the names of their folders say."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

from penstock.errors import SourceError

TABLES = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json", ".parquet", ".pq")
TEXTS = (".txt", ".md", ".text")
IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
_MAGIC = re.compile(r"[*?\[]")
_PARTITION = re.compile(r"([^=/]+)=([^/]*)")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def is_glob(place: str) -> bool:
    """Whether a place has wildcards.

    >>> is_glob("data/*.csv"), is_glob("data/a.csv")
    (True, False)
    """
    return _MAGIC.search(place) is not None


def suffix_of(name: str) -> str:
    """The end of a file's name that tells its form, without that of gzip.

    >>> suffix_of("a/b.CSV.gz")
    '.csv'
    """
    lower = name.lower().removesuffix(".gz")
    dot = lower.rfind(".")
    return lower[dot:] if dot > lower.rfind("/") else ""


def files_below(folder: Path) -> Iterator[str]:
    """Files below a folder, relative and with ``/``; not hidden ones, nor those of hidden folders, nor behind linked folders."""
    for at, folders, files in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith((".", "_")) and not (Path(at) / name).is_symlink()
        )
        within = Path(at).relative_to(folder).as_posix()
        for name in sorted(files):
            if not name.startswith((".", "_")):
                yield name if within == "." else f"{within}/{name}"


def folder_form(folder: Path) -> str:
    """What a folder holds, by the names of its files: ``"tables"``, else ``"texts"`` or ``"images"`` in folders of their classes.

    ``""`` where it holds none of these. A table anywhere makes it tables; of texts and images it is what most files are.
    """
    count = {"texts": 0, "images": 0}
    for name in files_below(folder):
        suffix = suffix_of(name)
        if suffix in TABLES:
            return "tables"
        for form, suffixes in (("texts", TEXTS), ("images", IMAGES)):
            count[form] += "/" in name and suffix in suffixes
    return max(count, key=lambda form: count[form]) if any(count.values()) else ""


def files_of_glob(root: Path, pattern: str) -> list[Path]:
    """Files that a glob names, sorted; ``**`` is any number of folders. Hidden ones only where the glob says so."""
    import glob

    found = sorted(glob.glob(str(root / pattern), recursive=True))
    return [path for path in map(Path, found) if path.is_file()]


def partitions_of(name: str) -> Mapping[str, str | None]:
    """What the folders of a file's name say in Hive's form: column -> value.

    >>> partitions_of("year=2024/town=S%C3%A3o/part-0.parquet")
    {'year': '2024', 'town': 'São'}
    """
    found: dict[str, str | None] = {}
    for folder in name.split("/")[:-1]:
        match = _PARTITION.fullmatch(folder)
        if match is not None:
            value = unquote(match[2])
            found[unquote(match[1])] = None if value == _NO_VALUE else value
    return found


class NothingThere(SourceError):
    """A glob, a folder or a prefix without files that could be read."""


def nothing_there(place: str, way_out: str) -> NothingThere:
    """The error of a glob or folder without files."""
    return NothingThere(
        f"{place} names no file", why="no file lies there, or none whose form is known", way_out=way_out
    )

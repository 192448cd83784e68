"""Paths and globs of a step: how they are written, which files they name, and whether two of them can name the same file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from penstock.errors import StepError

PASSED_OVER = frozenset({".penstock", ".git", "__pycache__", ".ipynb_checkpoints", ".DS_Store"})
"""Names that no folder or glob takes in: they change without anybody having changed anything."""
_WILD = re.compile(r"[*?\[]")


def normal(path: str, *, step: str, root: Path) -> str:
    """A path in the one way in which it is compared: from `root` where it lies below it, without ``./`` and ``..``.

    >>> normal("./data//raw/../clean.csv", step="prepare", root=Path("/shop"))
    'data/clean.csv'
    >>> normal("/shop/models/", step="train", root=Path("/shop")), normal("../x.csv", step="train", root=Path("/shop"))
    ('models/', '../x.csv')
    """
    if not path.strip():
        raise StepError(
            f"step {step!r} has an empty path",
            why="one of its inputs or outputs is empty",
            way_out="remove it, or write a file, a folder or a glob",
        )
    text = path.replace(os.sep, "/")
    folder = text.endswith("/") and text.strip("/") != ""
    tidy = os.path.normpath(text)
    place = os.path.normpath(root / tidy)
    if Path(place).is_relative_to(root):
        tidy = os.path.relpath(place, root)
    tidy = tidy.replace(os.sep, "/")
    return tidy + "/" if folder else tidy


def parts_of(path: str) -> tuple[str, ...]:
    """Its components, the root of an absolute path as the first.

    >>> parts_of("data/*.csv"), parts_of("/mnt/big"), parts_of(".")
    (('data', '*.csv'), ('/', 'mnt', 'big'), ())
    """
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    return ("/", *parts) if path.startswith("/") else parts


def is_glob(path: str) -> bool:
    """Whether a path has wildcards: ``*``, ``?``, ``[abc]``, and ``**`` for any depth of folders."""
    return _WILD.search(path) is not None


def matches(part: str, pattern: str) -> bool:
    """Whether one component of a path fits one of a pattern. A wildcard at its beginning does not take hidden files.

    >>> matches("a.csv", "*.csv"), matches(".env", "*"), matches(".env", ".e*"), matches("a[1]", "a[1]")
    (True, False, True, True)
    """
    if part == pattern:
        return True
    if not _WILD.search(pattern) or (part.startswith(".") and not pattern.startswith(".")):
        return False
    return _compiled(pattern).fullmatch(part) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    import fnmatch

    return re.compile(fnmatch.translate(pattern))


def takes(pattern: Sequence[str], path: Sequence[str]) -> bool:
    """Whether a pattern takes in a file: it names the file, or a folder that the file is in.

    >>> takes(parts_of("data"), parts_of("data/a/b.csv")), takes(parts_of("**/*.csv"), parts_of("data/a/b.csv"))
    (True, True)
    """
    if not pattern:
        return True
    if pattern[0] == "**":
        if len(pattern) == 1:
            return len(path) > 0
        return any(takes(pattern[1:], path[skip:]) for skip in range(len(path)))
    return bool(path) and matches(path[0], pattern[0]) and takes(pattern[1:], path[1:])


def meets(pattern: Sequence[str], output: Sequence[str], *, folder: bool) -> bool:
    """Whether an input can name something of an output.

    Parameters
    ----------
    pattern : an input. output : a path without wildcards.
    folder : whether the output is, or may be, a folder with files below it. Where the input names the output's own
        folder letter by letter, it is one, whatever this says.

    >>> meets(parts_of("data/*.csv"), parts_of("data/clean.csv"), folder=False)
    True
    >>> meets(parts_of("**/*.csv"), parts_of("model.bin"), folder=False)
    False
    >>> meets(parts_of("models/a.bin"), parts_of("models"), folder=False)
    True
    """
    if takes(pattern, output):
        return True
    literal = len(pattern) > len(output) and all(
        given == made for given, made in zip(pattern[: len(output)], output, strict=True)
    )
    return literal or (folder and _reaches_into(pattern, output))


def _reaches_into(pattern: Sequence[str], folder: Sequence[str]) -> bool:
    """Whether something below a folder could fit a pattern."""
    if not folder:
        return len(pattern) > 0
    if not pattern:
        return True
    if pattern[0] == "**":
        return True
    return matches(folder[0], pattern[0]) and _reaches_into(pattern[1:], folder[1:])


def files_of(root: Path, pattern: str, *, beside: Mapping[str, str] | None = None) -> list[str]:
    """The files that a path or a glob names, sorted, as they are written from `root`.

    A folder stands for all files in it but those in `PASSED_OVER`; links to folders are followed, each once.

    Parameters
    ----------
    beside : files that are not on disk but count as if they were (outputs that will be put back).
    """
    found = {path for path in beside or () if takes(parts_of(pattern), parts_of(path))}
    if not is_glob(pattern):
        found.update(_walk(root, pattern.rstrip("/") or "/"))
        return sorted(found)
    wanted = parts_of(pattern)
    fixed = next(index for index, part in enumerate(wanted) if _WILD.search(part))
    start = "/".join(wanted[:fixed]).replace("//", "/")
    found.update(path for path in _walk(root, start or ".") if takes(wanted, parts_of(path)))
    return sorted(found)


def _walk(root: Path, start: str) -> Iterator[str]:
    place = root / start
    if place.is_file():
        yield start
        return
    seen: set[tuple[int, int]] = set()

    def below(folder: Path, name: str) -> Iterator[str]:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in seen:
            return
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
        for entry in listed:
            if entry.name in PASSED_OVER or entry.name.endswith(".pyc"):
                continue
            path = f"{name}/{entry.name}" if name not in ("", ".", "/") else name.strip(".") + entry.name
            if entry.is_dir():
                yield from below(Path(entry.path), path)
            elif entry.is_file():
                yield path

    if place.is_dir():
        yield from below(place, start)

"""What files hold: one digest for a file, and one for all files of a folder or a glob."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from penstock.experiments.steps.patterns import files_of, is_glob
from penstock.objects.digests import canonical_json, digest_of
from penstock.objects.files import sha256_file

REMEMBERED_BYTES = 2**18
"""Files from this size on are read again only when their size, time or inode has changed; to look that up for a smaller one
takes longer than to read it."""

Digests = Callable[[Path], str]


class Remembers(Protocol):
    """What of a ledger's memory of files is needed here."""

    def of(self, path: Path) -> str: ...


def digests(remembered: Remembers) -> Digests:
    """The digest of a file, large ones through the ledger's memory."""

    def digest(path: Path) -> str:
        return remembered.of(path) if path.stat().st_size >= REMEMBERED_BYTES else sha256_file(path)

    return digest


@dataclass(frozen=True)
class Content:
    """What a path or a glob names at one moment.

    Attributes
    ----------
    files : path -> digest. A path that names one file has just that.
    single : whether it is one file, named by its path.
    there : whether it is there at all; an empty folder is, a glob that nothing fits is not.
    """

    files: dict[str, str]
    single: bool
    there: bool

    @property
    def digest(self) -> str:
        """Of one file, that of its bytes; else that of the listing, which has each file's name and digest."""
        if self.single:
            return next(iter(self.files.values()))
        return digest_of(self.listing)

    @property
    def listing(self) -> bytes:
        """Names and digests of all files, as they are stored. A name that is not UTF-8 has escapes in it."""
        named = {name.encode("utf-8", "backslashreplace").decode(): digest for name, digest in self.files.items()}
        return canonical_json(named)


def content(root: Path, path: str, digest: Digests, *, beside: Mapping[str, str] | None = None) -> Content:
    """What a path or a glob names now.

    Parameters
    ----------
    beside : path -> digest of files that are not on disk but count as if they were.
    """
    beside = beside or {}
    files = {name: _digest(root / name, digest) if (root / name).is_file() else beside[name]
             for name in files_of(root, path, beside=beside)}  # fmt: skip
    single = not is_glob(path) and list(files) == [path]
    there = bool(files) or (not is_glob(path) and (root / path).is_dir())
    return Content(files, single, there)


def _digest(path: Path, digest: Digests) -> str:
    from penstock.errors import StepError

    try:
        return digest(path)
    except OSError as error:
        raise StepError(
            f"{path} cannot be read",
            why=error.strerror or str(error),
            way_out="check who may read it, and that no other program is replacing it just now",
        ) from error


def changes(before: Mapping[str, str], now: Mapping[str, str], most: int = 3) -> str:
    """How two listings differ, for people: ``a.csv is new; b.csv was changed; c.csv is gone``.

    >>> changes({"a": "1", "b": "1", "c": "1"}, {"b": "2", "c": "1", "d": "1"})
    'b was changed; d is new; a is gone'
    """
    told = [f"{path} was changed" for path in now if path in before and before[path] != now[path]]
    told += [f"{path} is new" for path in now if path not in before]
    told += [f"{path} is gone" for path in before if path not in now]
    more = len(told) - most
    return "; ".join(told[:most]) + (f"; and {more} more" if more > 0 else "")

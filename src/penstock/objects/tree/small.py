"""Small files are read many at a time, and most lots of them by a second process.

Opening, reading and hashing a small file is a few microseconds of Python around a few of the system: the work of 20,000 of them is halved
where two processors do it. What comes of it is the same, in the same order, whoever has read it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple, final

from penstock.objects.tree.files import Entry

SMALL_BYTES = 256 * 2**10
"""Files below this size are packed."""
LOT_FILES, LOT_BYTES = 256, 2**19
"""A lot has so many files at most, and so many bytes: what the second process has read ahead fits its pipe."""
SHARED_LOTS = 4
"""From so many lots on the second process is worth its start."""
READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
"""How a file is opened; without waiting, should it be a pipe by now."""


class Lot(NamedTuple):
    """Files one after the other: small ones that must be read, or one of another kind."""

    entries: list[Entry]
    small: bool


class Contents(NamedTuple):
    """What a lot holds.

    Attributes
    ----------
    read : of each file 1 where it had the size that it was seen with; others are looked at again, each by itself.
    digests : of those. data : their bytes, one file after the other.
    """

    read: bytes
    digests: list[str]
    data: bytes

    def of_each(self, entries: Sequence[Entry]) -> Iterator[tuple[Entry, tuple[str, bytes] | None]]:
        """Each file with its digest and bytes, where it was read."""
        digests, at = iter(self.digests), 0
        for entry, read in zip(entries, self.read, strict=True):
            if read and entry.size is not None:
                yield entry, (next(digests), self.data[at : at + entry.size])
                at += entry.size
            else:
                yield entry, None


def lots(entries: Iterable[Entry]) -> Iterator[Lot]:
    """Files in their order, lot by lot."""
    waiting: list[Entry] = []
    size_bytes = 0
    for entry in entries:
        size = entry.size
        if size is None or size >= SMALL_BYTES or entry.digest is not None or entry.executable is None:
            if waiting:
                yield Lot(waiting, True)
                waiting, size_bytes = [], 0
            yield Lot([entry], False)
            continue
        if len(waiting) == LOT_FILES or (waiting and size_bytes + size > LOT_BYTES):
            yield Lot(waiting, True)
            waiting, size_bytes = [], 0
        waiting.append(entry)
        size_bytes += size
    if waiting:
        yield Lot(waiting, True)


@contextmanager
def reading(found: Sequence[Lot]) -> Iterator[Reader]:
    """Reads the small lots of these, which are asked for in their order."""
    small = [lot for lot in found if lot.small]
    if len(small) < SHARED_LOTS:
        yield Reader(None)
        return

    from penstock.objects.second import second

    def other_share(answer: BinaryIO) -> None:
        for lot in (lot for number, lot in enumerate(small) if _is_theirs(number)):
            read, digests, data = _read(lot.entries)
            answer.write(b"".join((read, digests, data)))
            answer.flush()

    with second(other_share) as answer:
        yield Reader(answer)


@final
class Reader:
    """See `reading`."""

    def __init__(self, answer: BinaryIO | None) -> None:
        self._answer = answer
        self._next = 0

    def read(self, entries: Sequence[Entry]) -> Contents:
        """The files of the next small lot."""
        theirs = _is_theirs(self._next)
        self._next += 1
        found = self._received(entries) if theirs and self._answer is not None else None
        read, digests, data = found or _read(entries)
        text = digests.hex()
        return Contents(read, ["sha256:" + text[at : at + 64] for at in range(0, len(text), 64)], data)

    def _received(self, entries: Sequence[Entry]) -> tuple[bytes, bytes, bytes] | None:
        """What the second process has read of a lot; None, then and from then on, where it says no more."""
        assert self._answer is not None
        read = self._answer.read(len(entries))
        digests = self._answer.read(32 * sum(read))
        size_bytes = sum(entry.size or 0 for entry, whole in zip(entries, read, strict=False) if whole)
        data = self._answer.read(size_bytes)
        if (len(read), len(digests), len(data)) == (len(entries), 32 * sum(read), size_bytes):
            return read, digests, data
        self._answer = None
        return None


def _is_theirs(number: int) -> bool:
    """Whether the second process reads a small lot: two of three, as the first one also puts all of them into packs."""
    return number % 3 != 0


def _read(entries: Sequence[Entry]) -> tuple[bytes, bytes, bytes]:
    """Of a lot: which files were read, their digests, 32 bytes each, and their bytes."""
    opened, read_from, close, new = (
        os.open,
        os.read,
        os.close,
        hashlib.sha256().copy,
    )  # a copy is made faster than a new one
    read, digests, parts = bytearray(len(entries)), [], []
    for number, (_, file, _, _, size) in enumerate(entries):
        assert size is not None
        try:
            descriptor = opened(file, READ)
        except OSError:  # whoever takes it by itself tells
            continue
        try:
            data = read_from(descriptor, size + 1)
        except OSError:
            continue
        finally:
            close(descriptor)
        if len(data) == size:
            sha256 = new()
            sha256.update(data)
            digests.append(sha256.digest())
            parts.append(data)
            read[number] = 1
    return bytes(read), b"".join(digests), b"".join(parts)

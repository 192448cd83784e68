"""The new packs of a tree: small files and pieces, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from itertools import accumulate, repeat
from typing import TYPE_CHECKING, final

from penstock.objects.digests import digest_of
from penstock.objects.store import ObjectStore

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

PACK_BYTES = 32 * 2**20


@final
class NewPacks:
    """Fills packs and stores each that is full, where there are threads while the next one fills."""

    def __init__(self, objects: ObjectStore, threads: ThreadPoolExecutor | None) -> None:
        self._objects = objects
        self._threads = threads
        self._places: dict[str, tuple[int, int]] = {}  # digest -> number of a pack, offset
        self._filling = BytesIO()
        self._size = 0
        self._begun = False  # something is in it, and be it nothing
        self._packs: list[Callable[[], str]] = []  # each gives the digest of a pack
        self._stored: list[Callable[[], str]] = []  # each ends when that is stored

    def __contains__(self, digest: str) -> bool:
        return digest in self._places

    def add(self, digest: str, data: bytes) -> None:
        """Take bytes in, unless they are there."""
        if digest in self._places:
            return
        size = len(data)
        if self._size and self._size + size > PACK_BYTES:
            self.flush()
        if not data and not self._begun and self._packs:  # nothing, which lies anywhere
            self._places[digest] = (len(self._packs) - 1, 0)
            return
        self._places[digest] = (len(self._packs), self._size)
        self._take(data)

    def add_all(self, digests: Sequence[str], sizes: Sequence[int], data: bytes) -> None:
        """As `add`, one after the other, of parts of `data`."""
        alone = len(set(digests)) == len(digests) and self._places.keys().isdisjoint(digests) and all(sizes)
        if alone and self._size + len(data) <= PACK_BYTES:
            offsets = accumulate(sizes[:-1], initial=self._size)
            self._places.update(zip(digests, zip(repeat(len(self._packs)), offsets), strict=False))
            self._take(data)
            return
        at = 0
        for digest, size in zip(digests, sizes, strict=True):
            self.add(digest, data[at : at + size])
            at += size

    def _take(self, data: bytes) -> None:
        self._filling.write(data)
        self._size += len(data)
        self._begun = True

    def flush(self, *, last: bool = False) -> None:
        """Store what has been taken in. `last`: no more comes, and its digest is wanted before it is stored."""
        if not self._begun:
            return
        data = self._filling.getvalue()
        self._filling, self._size, self._begun = BytesIO(), 0, False
        if self._threads is None:
            digest = self._objects.put(data)
            self._packs.append(lambda: digest)
            return
        if len(self._packs) > 1:  # two are held at most, beside the one that fills
            self._packs[-2]()
        named = self._threads.submit(digest_of, data).result if last else None
        stored = self._threads.submit(self._objects.put, data).result
        self._packs.append(named or stored)
        self._stored.append(stored)

    def places(self) -> dict[str, tuple[str, int]]:
        """Digest of what was taken in -> the pack that it is in, and its offset there. Not all is stored yet: see `wait`."""
        self.flush(last=True)
        made = [named() for named in self._packs]
        return {digest: (made[number], offset) for digest, (number, offset) in self._places.items()}

    def wait(self) -> None:
        """All is stored when this returns. StoreFull, StoreError : it could not be."""
        for stored in self._stored:
            stored()

"""The new packs of a tree: small files and pieces, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, final

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
        self._parts: list[bytes] = []
        self._size = 0
        self._packs: list[Callable[[], str]] = []  # each gives the digest of a pack, once it is stored

    def __contains__(self, digest: str) -> bool:
        return digest in self._places

    def add(self, digest: str, data: bytes) -> None:
        """Take bytes in, unless they are there."""
        if digest in self._places:
            return
        size = len(data)
        if self._size and self._size + size > PACK_BYTES:
            self.flush()
        if not data and not self._parts and self._packs:  # nothing, which lies anywhere
            self._places[digest] = (len(self._packs) - 1, 0)
            return
        self._places[digest] = (len(self._packs), self._size)
        self._parts.append(data)
        self._size += size

    def flush(self) -> None:
        """Store what has been taken in."""
        if not self._parts:
            return
        data, self._parts, self._size = b"".join(self._parts), [], 0
        if self._threads is None:
            digest = self._objects.put(data)
            self._packs.append(lambda: digest)
            return
        if len(self._packs) > 1:  # two are held at most, beside the one that fills
            self._packs[-2]()
        self._packs.append(self._threads.submit(self._objects.put, data).result)

    def places(self) -> dict[str, tuple[str, int]]:
        """Digest of what was taken in -> the pack that it is in, and its offset there. All is stored when this returns."""
        self.flush()
        made = [stored() for stored in self._packs]
        return {digest: (made[number], offset) for digest, (number, offset) in self._places.items()}

"""What a database answers while nobody knows yet whether it may be kept.

It lies in a file without a name, under a key that only this process has: when the process ends, however it ends, nobody can
read it any more, and the system takes the file away. Nothing has to be swept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, final

from penstock.data.sources.snapshots import Snapshot, Snapshots
from penstock.objects.digests import canonical_json, digest_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from penstock.ledger.ledger import Ledger


@final
class Scratch:
    """Bytes by name, on the disk, for as long as this object is there.

    Parameters
    ----------
    folder : on whose disk; made when the first bytes come. None: where the system has its temporary files.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._cipher: AESGCM | None = None
        self._places: dict[str, tuple[int, int]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._places))

    def __len__(self) -> int:
        return len(self._places)

    def put(self, name: str, data: bytes) -> None:
        """Hold some bytes; those of a name that is known stay as they are.

        Raises
        ------
        StoreFull : no space is left.
        """
        if name in self._places:
            return
        file, cipher = self._opened()
        start = file.seek(0, 2)
        body = cipher.encrypt(_nonce(start), data, None)
        with self._naming_full_disk():
            file.write(body)
            file.flush()
        self._places[name] = (start, len(body))

    def get(self, name: str) -> bytes:
        """The bytes of a name that is held."""
        start, size = self._places[name]
        file, cipher = self._opened()
        file.seek(start)
        return cipher.decrypt(_nonce(start), file.read(size), None)

    def close(self) -> None:
        """Let go of all of it."""
        self._places.clear()
        if self._file is not None:
            self._file.close()
        self._file = self._cipher = None

    def _opened(self) -> tuple[IO[bytes], AESGCM]:
        import tempfile

        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if self._file is None or self._cipher is None:
            with self._naming_full_disk():
                if self._folder is not None:
                    self._folder.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - for its owner alone, and without a name
            self._cipher = AESGCM(AESGCM.generate_key(256))
        return self._file, self._cipher

    @contextmanager
    def _naming_full_disk(self) -> Iterator[None]:
        from penstock.objects.files import naming_full_disk

        with naming_full_disk((self._folder or Path("temporary files")) / "what the database answers"):
            yield


@final
class PassingSnapshots(Snapshots):
    """Snapshots that are gone with the process: to look at what a database answers before there is a project."""

    def __init__(self) -> None:
        self._scratch = Scratch()

    def last(self, params: Mapping[str, Any]) -> str | None:
        return None

    def keep(self, snapshot: Snapshot, params: Mapping[str, Any], told: Mapping[str, Any]) -> str:
        return self._seal(canonical_json(snapshot.to_json()))

    def key_secret(self) -> bytes:
        return b""

    def _seal(self, plain: bytes) -> str:
        return self._put(plain)

    def _unseal(self, digest: str) -> bytes:
        return self._get(digest)

    def _put(self, body: bytes) -> str:
        digest = digest_of(body)
        self._scratch.put(digest, body)
        return digest

    def _get(self, digest: str) -> bytes:
        return self._scratch.get(digest)


@final
class HeldSnapshots(Snapshots):
    """Snapshots of a project that wait until they are settled. Those that are stored already are read as ever.

    They have the digests that they will have in the store, so that what is asked of them before and after is the same.

    Parameters
    ----------
    folder : on whose disk they wait.
    """

    def __init__(self, ledger: Ledger, project: str, folder: Path) -> None:
        super().__init__(ledger, project)
        self._scratch = Scratch(folder)
        self._fetches: list[tuple[Snapshot, Mapping[str, Any], Mapping[str, Any]]] = []

    @property
    def waiting(self) -> int:
        """How many fetches brought something that is not stored."""
        return len(self._fetches)

    def keep(self, snapshot: Snapshot, params: Mapping[str, Any], told: Mapping[str, Any]) -> str:
        digest = self._seal(canonical_json(snapshot.to_json()))
        self._fetches.append((snapshot, params, told))
        return digest

    def settle(self) -> None:
        """Store what waits, and let go of it here: first the rows, then the runs that name them.

        Raises
        ------
        StoreFull, StoreError : as `ObjectStore.put`; what was not stored waits on.
        """
        for digest in self._scratch:
            self._ledger.objects.put(self._scratch.get(digest))
        while self._fetches:
            super().keep(*self._fetches[0])
            del self._fetches[0]
        self._scratch.close()

    def close(self) -> None:
        """Let go of what waits: nothing of it is stored."""
        self._fetches.clear()
        self._scratch.close()

    def _put(self, body: bytes) -> str:
        digest = digest_of(body)
        self._scratch.put(digest, body)
        return digest

    def _get(self, digest: str) -> bytes:
        return self._scratch.get(digest) if digest in self._scratch else super()._get(digest)


def _nonce(start: int) -> bytes:
    """No two pieces of one file begin at the same place, and no key has two files."""
    return start.to_bytes(12, "big")

"""What databases answered, kept under its digest: a query cannot be asked again. Encrypted, as test rows are among it."""

from __future__ import annotations

import io
import json
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

from penstock.data.sources.row_keys import from_bytes, to_bytes
from penstock.errors import NewerFormat
from penstock.objects.digests import canonical_json

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from penstock.data.source import Batch
    from penstock.ledger.ledger import Ledger

FORMAT = 1
CODE = "1"
OPERATION = "fetch"
CHUNK_ROWS = 65_536


def positions(rows: Iterable[int] = ()) -> array[int]:
    """Positions of rows of one chunk."""
    return array("I", rows)


@dataclass(frozen=True)
class Snapshot:
    """What one or several fetches brought together.

    Attributes
    ----------
    names : the columns. chunks : digests of the encrypted rows. rows : how many each holds.
    gone : for each chunk, positions of the rows that newer ones have taken the place of, ascending, in four bytes each.
    content : a number of the rows, whatever their order: the same rows give the same one.
    last : the highest value of the cursor; None without a cursor. edge : hashes of the rows that have it.
    keys : where rows have keys, which stand for so many chunks, one after the other: digest of their hashes, and number of chunks.
    """

    names: tuple[str, ...]
    chunks: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()
    gone: tuple[array[int], ...] = ()
    content: int = 0
    last: Any = None
    edge: tuple[str, ...] = field(default=())
    keys: tuple[tuple[str, int], ...] = ()

    @property
    def n_rows(self) -> int:
        return sum(self.rows) - sum(map(len, self.gone))

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT, "kind": "snapshot", "names": list(self.names), "chunks": list(self.chunks),
            "rows": list(self.rows), "gone": [rows.tolist() for rows in self.gone], "content": f"{self.content:032x}",
            "last": self.last, "edge": list(self.edge), **({"keys": [list(one) for one in self.keys]} if self.keys else {}),
        }  # fmt: skip

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Snapshot:
        if plain["format"] > FORMAT:
            raise NewerFormat(
                f"what a database answered is stored in format {plain['format']}",
                why=f"this release of Penstock knows formats up to {FORMAT}",
                way_out="upgrade Penstock",
            )
        return cls(
            tuple(plain["names"]), tuple(plain["chunks"]), tuple(plain["rows"]),
            tuple(map(positions, plain["gone"])), int(plain["content"], 16), plain["last"], tuple(plain["edge"]),
            tuple((str(digest), int(chunks)) for digest, chunks in plain.get("keys", ())),
        )  # fmt: skip


class Snapshots:
    """Snapshots in a ledger and its object store.

    Parameters
    ----------
    project : whose they are. Every fetch that brought something new is a run of the ledger.
    """

    def __init__(self, ledger: Ledger, project: str = "") -> None:
        self._ledger = ledger
        self._project = project

    def last(self, params: Mapping[str, Any]) -> str | None:
        """Digest of the snapshot that the same query gave last, if it is still stored."""
        record = self._ledger.find(OPERATION, self._ledger.key_of(OPERATION, {}, dict(params), CODE))
        digest = None if record is None else str(record.outputs["snapshot"])
        return digest if digest is not None and self._ledger.objects.has(digest) else None

    def load(self, digest: str) -> Snapshot:
        """A snapshot by its digest. Raises SealError, NotFound: as `unseal_bytes`."""
        return Snapshot.from_json(json.loads(self._unseal(digest)))

    def keep(self, snapshot: Snapshot, params: Mapping[str, Any], told: Mapping[str, Any]) -> str:
        """Store a snapshot as a run of its own, with what is told of it; its digest."""
        with self._ledger.run(OPERATION, inputs={}, params=dict(params), code=CODE, project=self._project) as run:
            digest = self._seal(canonical_json(snapshot.to_json()))
            run.output("snapshot", digest)
            run.output("rows", snapshot.n_rows)
            run.output("columns", list(snapshot.names))
            # digests alone: they say what must not be thrown away
            run.output("objects", [*snapshot.chunks, *(digest for digest, _ in snapshot.keys)])
            for name, value in told.items():
                run.output(name, value)
        return digest

    def seal_rows(self, names: tuple[str, ...], rows: list[list[str | None]]) -> str:
        """Store some rows, encrypted; the digest. Their plain form is never written anywhere."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = zip(*rows, strict=True) if rows else ([] for _ in names)
        table = pa.table(
            [pa.array(column, pa.string()) for column in columns], names=[f"c{i}" for i in range(len(names))]
        )
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd", compression_level=1, store_schema=False)
        return self._seal(buffer.getvalue())

    def rows(self, snapshot: Snapshot, chunk: int) -> pa.RecordBatch:
        """The rows of a chunk, also those that are gone."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pq.read_table(pa.BufferReader(self._unseal(snapshot.chunks[chunk])), use_threads=False)
        columns = [column.combine_chunks().cast(pa.string()) for column in table.columns]
        return pa.RecordBatch.from_arrays(columns, names=list(snapshot.names))

    def put_keys(self, keys: np.ndarray) -> str:
        """Store the keyed hashes of the keys of rows, see `row_keys`; the digest. Who has no secret learns nothing from them."""
        return self._put(to_bytes(keys))

    def keys(self, digest: str) -> np.ndarray:
        """What `put_keys` stored."""
        return from_bytes(self._get(digest))

    def key_secret(self) -> bytes:
        """Under which the keys of rows are hashed."""
        return self._ledger.secret("fingerprints")[:64]

    def _seal(self, plain: bytes) -> str:
        from penstock.data.sealed_bytes import sealed

        return self._put(sealed(self._ledger, plain))

    def _unseal(self, digest: str) -> bytes:
        from penstock.data.sealed_bytes import unsealed

        return unsealed(self._ledger, self._get(digest), digest)

    def _put(self, body: bytes) -> str:
        return self._ledger.objects.put(body)

    def _get(self, digest: str) -> bytes:
        return self._ledger.objects.get(digest)


@final
class SnapshotSource:
    """The rows of a snapshot, as a source. It cannot change: its digest is its name."""

    def __init__(
        self,
        snapshots: Snapshots,
        digest: str,
        *,
        options: Mapping[str, Any],
        origin: Mapping[str, Any],
        why: tuple[str, ...] = (),
        warnings: tuple[str, ...] = (),
    ) -> None:
        self._snapshots = snapshots
        self._digest = digest
        self._options = dict(options)
        self._origin = dict(origin)
        self.why = why
        self.warnings = warnings

    @cached_property
    def snapshot(self) -> Snapshot:
        return self._snapshots.load(self._digest)

    @property
    def names(self) -> tuple[str, ...]:
        return self.snapshot.names

    @property
    def options(self) -> dict[str, Any]:
        return dict(self._options)

    @property
    def origin(self) -> dict[str, Any]:
        return dict(self._origin)

    @property
    def contents(self) -> Mapping[str, str]:
        return {}

    @property
    def kept(self) -> str | None:
        return self._digest

    def digest(self) -> str:
        return self._digest

    def batches(self, rows: int | None = None) -> Iterator[Batch]:
        from penstock.data.source import in_batches
        from penstock.data.sources.file import some

        return some(in_batches(self._texts(), rows), str(self._origin.get("url", "the query")), self.names)

    def _texts(self) -> Iterator[pa.RecordBatch]:
        import numpy as np
        import pyarrow as pa

        for chunk in range(len(self.snapshot.chunks)):
            batch = self._snapshots.rows(self.snapshot, chunk)
            gone = self.snapshot.gone[chunk]
            if gone:
                stay = np.ones(batch.num_rows, dtype=bool)
                stay[np.frombuffer(gone, dtype=np.uintc)] = False
                batch = batch.filter(pa.array(stay))
            if batch.num_rows:
                yield batch

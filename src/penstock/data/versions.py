"""A version of a data set: a manifest under its digest, which names every chunk of rows, and what changed since another."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from penstock.bundle.decoder import Decoder, Frame, TargetSpec
from penstock.bundle.kinds import INPUT_KINDS, Kind
from penstock.data import chunks
from penstock.data.fingerprints import mix
from penstock.data.memory import RowMemory
from penstock.data.privacy.keyed import keyed
from penstock.data.split import SplitSettings
from penstock.errors import NewerFormat, NotFound
from penstock.ledger.ledger import Ledger
from penstock.objects.digests import canonical_json, digest_of
from penstock.objects.store import ObjectStore

FORMAT = 5
"""2: an envelope of more than a chunk of rows lies in several objects. 3: what is remembered of the rows lies in chunks, those that
stayed the same in those of the parent. 4: entries of a later chunk add to the counts of those before. 5: chunks of few rows are packed. A version is of the oldest format that says what it is."""


def own_inputs(decoder: Decoder) -> list[str]:
    """Names of the columns that a model may use and that the source itself has."""
    derived = decoder.history.names if decoder.history is not None else ()
    return [spec.name for spec in decoder.columns if spec.kind in INPUT_KINDS and spec.name not in derived]


def tells_parts(decoder: Decoder, split: SplitSettings) -> bool:
    """Whether decoded rows hold what they are dealt by: a time that is read as one, or a group that is kept as it came."""
    kept = {spec.name: spec for spec in decoder.columns}.get(split.column or "")
    if split.how == "time":
        return kept is not None and kept.kind in (Kind.NUMERIC, Kind.DATETIME)
    return split.how != "group" or (kept is not None and kept.privacy is None)


@dataclass(frozen=True, slots=True)
class Envelope:
    """Sealed test rows: `object` is the digest of their encrypted bytes, `more` those of the chunks that follow.

    `ends` : numbers of rows after which a chunk ends since an earlier version ended there. `packed` : numbers of the chunks that are
    packed.
    """

    index: int
    rows: int
    object: str
    more: tuple[str, ...] = ()
    ends: tuple[int, ...] = ()
    packed: tuple[int, ...] = ()

    @property
    def objects(self) -> tuple[str, ...]:
        """Digests of all that it lies in, in the order of its rows."""
        return (self.object, *self.more)

    def to_json(self) -> dict[str, Any]:
        plain: dict[str, Any] = {"index": self.index, "rows": self.rows, "object": self.object}
        if self.more:
            plain["more"] = list(self.more)
        if self.ends:
            plain["ends"] = list(self.ends)
        if self.packed:
            plain["packed"] = list(self.packed)
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Envelope:
        return cls(
            plain["index"],
            plain["rows"],
            plain["object"],
            tuple(plain.get("more", ())),
            tuple(plain.get("ends", ())),
            tuple(plain.get("packed", ())),
        )


def format_of(
    envelopes: Iterable[Envelope], memory: str | list[dict[str, Any]], parts: Mapping[str, Sequence[Mapping[str, Any]]]
) -> int:
    """The oldest format that says it."""
    envelopes = list(envelopes)
    if any(e.packed for e in envelopes) or any(chunk.get("packed") for part in parts.values() for chunk in part):
        return 5
    if isinstance(memory, list):
        return 4 if any(chunk.get("adds") for chunk in memory) else 3
    return 2 if any(envelope.more for envelope in envelopes) else 1


@dataclass(frozen=True)
class DatasetVersion:
    """One version. The manifest is all there is to it; equal content has an equal digest.

    Attributes
    ----------
    lineage : what all versions share whose rows keep their parts; envelopes are counted, keyed and spent within it.
    rows : rows of each part, and of those left out (without a target).
    fingerprint_columns : raw columns that make a row's fingerprint, chosen in the first version of the lineage.
    """

    manifest: dict[str, Any]

    @cached_property
    def digest(self) -> str:
        return digest_of(canonical_json(self.manifest))

    @cached_property
    def decoder(self) -> Decoder:
        return Decoder.from_json(self.manifest["decoder"])

    def keyed(self, ledger: Ledger) -> DatasetVersion:
        """The same with the privacy key in its decoder, where raw values need it."""
        version = DatasetVersion(self.manifest)
        version.__dict__["decoder"] = keyed(self.decoder, ledger)
        return version

    @property
    def target(self) -> TargetSpec:
        target = self.decoder.target
        assert target is not None  # `ingest` always declares one
        return target

    @property
    def inputs(self) -> list[str]:
        """Names of the columns that a model may use, but for those that look back: what makes two decoded rows the same row."""
        return own_inputs(self.decoder)

    @property
    def lineage(self) -> str:
        return str(self.manifest["lineage"])

    @property
    def parent(self) -> str | None:
        parent: str | None = self.manifest["parent"]
        return parent

    @property
    def rows(self) -> dict[str, int]:
        return dict(self.manifest["rows"])

    @property
    def split(self) -> SplitSettings:
        return SplitSettings(**self.manifest["split"])

    @property
    def fingerprint_columns(self) -> tuple[str, ...]:
        return tuple(self.manifest["fingerprint_columns"])

    @property
    def row_key(self) -> str | None:
        """The column that says which row is which; None where a row is what its columns hold."""
        key: str | None = self.manifest.get("row_key")
        return key

    @property
    def twins_apart(self) -> bool:
        """Whether rows that are written alike are dealt one by one: by a word in `[split]`, or as the columns have too few values to tell rows apart."""
        return self.manifest.get("twins") == "apart"

    @property
    def appended_rows(self) -> int:
        """Labelled rows that were added since the source was read, by `penstock.data.append`."""
        return int(self.manifest.get("appended", {}).get("rows", 0))

    @property
    def envelopes(self) -> tuple[Envelope, ...]:
        return tuple(Envelope.from_json(envelope) for envelope in self.manifest["envelopes"])

    def save(self, objects: ObjectStore) -> str:
        """Store the manifest and return the version's digest."""
        return objects.put(canonical_json(self.manifest))


def load_version(objects: ObjectStore, digest: str) -> DatasetVersion:
    """A version by its digest.

    Raises
    ------
    NotFound, DamagedStore : as `ObjectStore.get`; also where the object is no data set. NewerFormat : of a later release.
    """
    data = objects.get(digest)
    try:
        manifest = json.loads(data)
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict) or manifest.get("kind") != "dataset":
        raise NotFound(
            f"{digest} is no data set",
            why="the object under this digest is something else",
            way_out="list the versions with `penstock data log`",
        )
    if manifest["format"] > FORMAT:
        raise NewerFormat(
            f"data set {digest} has format {manifest['format']}",
            why=f"this release of Penstock knows formats up to {FORMAT}",
            way_out="upgrade Penstock",
        )
    return DatasetVersion(manifest)


def stored_objects(objects: ObjectStore, digest: str) -> set[str]:
    """Digests of all objects that a version needs: its manifest, its chunks of rows, its envelopes, what it remembers."""
    manifest = load_version(objects, digest).manifest
    return {
        digest,
        *(chunk["object"] for part in manifest["parts"].values() for chunk in part),
        *(digest for envelope in manifest["envelopes"] for digest in Envelope.from_json(envelope).objects),
        *memory_objects(manifest),
    }


def stays_of(objects: ObjectStore, digest: str) -> set[str]:
    """Digests of what stays of a version that is forgotten: its manifest, and keyed fingerprints of its rows, by which they are known again."""
    return {digest, *memory_objects(load_version(objects, digest).manifest)}


def memory_objects(manifest: dict[str, Any]) -> list[str]:
    """Digests of what a version remembers of its rows."""
    memory = manifest["fingerprints"]
    return [memory] if isinstance(memory, str) else [chunk["object"] for chunk in memory]


def load_part(
    objects: ObjectStore, version: DatasetVersion, part: str, *, limit: int | None = None
) -> tuple[Frame, np.ndarray]:
    """The rows of ``"train"`` or ``"valid"``: typed columns, and y as class numbers (int64) or numbers (float64).

    Test rows are in envelopes: see `penstock.data.seal`. `limit`: where there are more rows, so many of them, drawn evenly and
    for the same version always the same; no more than these and one chunk are in memory.
    """
    if part not in ("train", "valid"):
        raise NotFound(
            f"there is no part {part!r} to read",
            why="training and validation rows can be read; test rows are sealed",
            way_out='read "train" or "valid"',
        )
    specs, listed = version.decoder.columns, version.manifest["parts"][part]
    total = sum(chunk["rows"] for chunk in listed)
    drawn = None if limit is None or total <= limit else draw(total, limit)
    loaded = []
    start = 0
    for chunk in listed:
        frame, y = chunks.from_bytes(objects.get(chunk["object"]), specs)
        if drawn is not None:
            first, last = np.searchsorted(drawn, (start, start + len(y)))
            rows = drawn[first:last] - start
            start += len(y)
            frame, y = frame.take(rows), y[rows]
        loaded.append((frame, y))
    return join(loaded, version)


def load_target(objects: ObjectStore, version: DatasetVersion, part: str) -> np.ndarray:
    """The target alone of all rows of a part, as `load_part` gives it: eight bytes a row."""
    stored = [chunks.target_of(objects.get(chunk["object"])) for chunk in version.manifest["parts"][part]]
    return np.concatenate(stored) if stored else join([], version)[1]


def draw(total: int, count: int) -> np.ndarray:
    """Numbers of `count` of `total` rows, those with the smallest hashes: int64, rising, shape (count,).

    Rows that are appended later change little of it. A row's number decides, not what it holds: of rows that are repeated
    as many are drawn as of others.

    >>> draw(10, 3).tolist() == draw(10, 3).tolist(), len(draw(10, 10))
    (True, 10)
    """
    hashes = mix(np.arange(total, dtype=np.uint64))
    return np.sort(np.argpartition(hashes, count - 1)[:count]).astype(np.int64)


def join(loaded: list[tuple[Frame, np.ndarray]], version: DatasetVersion) -> tuple[Frame, np.ndarray]:
    """Chunks of rows one below the other; no rows where there are no chunks."""
    if not loaded:
        return chunks.empty(version.decoder.columns, classification=version.target.task.is_classification)
    return Frame.concat([frame for frame, _ in loaded]), np.concatenate([y for _, y in loaded])


def load_memory(objects: ObjectStore, version: DatasetVersion) -> RowMemory:
    """What the version remembers of its rows."""
    import pyarrow as pa

    stored = [chunks.bytes_table(objects.get(digest)) for digest in memory_objects(version.manifest)]
    memory = RowMemory.from_table(pa.concat_tables(stored))
    return memory.added_up() if version.manifest["format"] >= 4 else memory

"""The columns of a part of a version, read as they are asked for, so that a table need not be in memory as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import final

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.data import chunks
from penstock.data.versions import DatasetVersion
from penstock.objects.store import ObjectStore

HELD_BYTES = 512 * 1024 * 1024
"""Columns of numbers and times are read together while they stay under this; one of texts is read by itself."""


@final
class PartColumns(Mapping[str, np.ndarray]):
    """The decoded columns of a part by name, shape (n,) each, as `penstock.data.versions.load_part` gives them.

    In memory are a few columns at a time: whoever asks for them in the order of the decoder has each chunk read once for every
    group of columns. Raises NotFound, DamagedStore: as `ObjectStore.get`.
    """

    def __init__(self, objects: ObjectStore, version: DatasetVersion, part: str) -> None:
        self._objects = objects
        self._specs = version.decoder.columns
        self._chunks = version.manifest["parts"][part]
        self._rows = sum(chunk["rows"] for chunk in self._chunks)
        self._places = {spec.name: i for i, spec in enumerate(self._specs)}
        self._held: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._held:
            group = self._group(self._places[name])
            self._held.clear()
            self._held = self._read(group)
        return self._held[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def _group(self, first: int) -> list[int]:
        """Positions of the columns that are read together, from this one on."""
        count = max(1, HELD_BYTES // (8 * max(1, self._rows)))
        if count >= len(self._specs):
            return list(range(len(self._specs)))
        group = [first]
        for place in range(first + 1, min(first + count, len(self._specs))):
            if self._is_text(first) or self._is_text(place):
                break
            group.append(place)
        return group

    def _is_text(self, place: int) -> bool:
        return self._specs[place].kind not in (Kind.NUMERIC, Kind.DATETIME)

    def _read(self, places: list[int]) -> dict[str, np.ndarray]:
        specs = {place: self._specs[place] for place in places}
        parts = [chunks.columns_of(self._objects.get(chunk["object"]), specs) for chunk in self._chunks]
        empty, _ = chunks.empty(list(specs.values()), classification=True)
        return {
            spec.name: np.concatenate([part[spec.name] for part in parts]) if parts else empty[spec.name]
            for spec in specs.values()
        }

"""Packed inputs: the graph has one input per type, not one per column (a row of 20 columns: 4.6 us instead of 43)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from penstock.bundle.frame import Frame
from penstock.bundle.kinds import INPUT_KINDS, Kind
from penstock.bundle.preparing import Fetch, Prepared, prepare_columns
from penstock.bundle.specs import ColumnSpec
from penstock.bundle.words import packed_words
from penstock.errors import SchemaMismatch

FLOAT32_MAX = float(np.finfo(np.float32).max)
_LOWEST, _HIGHEST = np.array(-FLOAT32_MAX), np.array(FLOAT32_MAX)  # arrays: converting a float on each call costs more


@dataclass(frozen=True)
class Layout:
    """Which columns stand in which packed input, in order.

    Inputs, only those that hold a column: `numbers` float32 (n, N), NaN missing; `strings` (n, S), "" missing; `times`
    int64 (n, T) microseconds, MISSING_TIME missing. `texts` names the strings to which `packed_words` is applied. Behind
    the columns of `strings` stand the `prepared` ones: a name, and the tree of functions that makes them. `offsets` are what is
    subtracted of some numbers in float64, before they become float32, so that what differs little for its size stays different:
    names and numbers that float32 holds.
    """

    numbers: tuple[str, ...] = ()
    strings: tuple[str, ...] = ()
    texts: frozenset[str] = frozenset()
    times: tuple[str, ...] = ()
    prepared: tuple[tuple[str, Prepared], ...] = ()
    offsets: tuple[tuple[str, float], ...] = ()

    @staticmethod
    def of(columns_in_use: Iterable[ColumnSpec], prepared: Iterable[tuple[str, Prepared]] = ()) -> Layout:
        """The layout of these columns, in the order given, and of strings that are prepared from some of them.

        Raises
        ------
        SchemaMismatch : a column is an identifier or a constant, which is no input.
        """
        columns = list(columns_in_use)
        for spec in columns:
            if spec.kind not in INPUT_KINDS:
                raise SchemaMismatch(
                    f"column {spec.name!r} cannot be an input of the model",
                    why=f"its kind is {spec.kind}",
                    way_out="take it out of the recipe, or declare another kind for it",
                )
        strings = [c for c in columns if c.kind not in (Kind.NUMERIC, Kind.DATETIME)]
        return Layout(
            numbers=tuple(c.name for c in columns if c.kind is Kind.NUMERIC),
            strings=tuple(c.name for c in strings),
            texts=frozenset(c.name for c in strings if c.kind is Kind.TEXT),
            times=tuple(c.name for c in columns if c.kind is Kind.DATETIME),
            prepared=tuple(prepared),
        )

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the graph's inputs, in order."""
        return tuple(name for name in ("numbers", "strings", "times") if getattr(self, name))

    def slots(self, name: str) -> tuple[str, ...]:
        """Names of what stands in one of the inputs, in order: its columns, then what is prepared from them."""
        columns: tuple[str, ...] = getattr(self, name)
        return (*columns, *(slot for slot, _ in self.prepared)) if name == "strings" else columns

    def with_offsets(self, offsets: Mapping[str, float]) -> Layout:
        """The same, with what is subtracted of those of its numbers that are named."""
        return replace(self, offsets=tuple((name, offsets[name]) for name in self.numbers if name in offsets))

    @cached_property
    def subtracted(self) -> np.ndarray | None:
        """What is subtracted of the numbers, float64 (N,); None where nothing is."""
        if not self.offsets:
            return None
        offsets = dict(self.offsets)
        return np.array([offsets.get(name, 0.0) for name in self.numbers])

    def to_json(self) -> dict[str, Any]:
        plain: dict[str, Any] = {
            "numbers": list(self.numbers),
            "strings": list(self.strings),
            "texts": sorted(self.texts),
            "times": list(self.times),
        }
        if self.prepared:
            plain["prepared"] = [{"name": name, **tree.to_json()} for name, tree in self.prepared]
        if self.offsets:
            plain["offsets"] = dict(self.offsets)
        return plain

    @property
    def files(self) -> dict[str, bytes]:
        """The files that preparations read, by digest: they are kept beside the layout, whose stored form only names them."""
        return {digest: data for _, tree in self.prepared for digest, data in tree.files.items()}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any], fetch: Fetch | None = None) -> Layout:
        """The layout of its stored form; `fetch` finds the files that it names."""
        return cls(
            tuple(plain["numbers"]),
            tuple(plain["strings"]),
            frozenset(plain["texts"]),
            tuple(plain["times"]),
            tuple((tree["name"], Prepared.from_json(tree, fetch)) for tree in plain.get("prepared", ())),
        ).with_offsets({name: float(offset) for name, offset in plain.get("offsets", {}).items()})


def pack(frame: Frame, layout: Layout, *, order: Literal["C", "F"] = "C") -> dict[str, np.ndarray]:
    """The feeds of the graph, by input name.

    Parameters
    ----------
    order : how they lie in memory: "C" row after row, as the graph takes them; "F" column after column, for who reads columns.
    """
    feeds: dict[str, np.ndarray] = {}
    if layout.numbers:
        numbers = np.empty((len(frame), len(layout.numbers)), dtype=np.float32, order=order)
        offsets = dict(layout.offsets)
        for j, name in enumerate(layout.numbers):
            column = frame.columns[name]
            numbers[:, j] = to_float32(column - offsets[name] if name in offsets else column)
        feeds["numbers"] = numbers
    if layout.strings:
        strings = np.empty((len(frame), len(layout.slots("strings"))), dtype=object, order=order)
        for j, name in enumerate(layout.strings):
            column = frame.columns[name]
            strings[:, j] = _normalised(column) if name in layout.texts else column
            missing = frame.missing(name)
            if missing.any():
                strings[missing, j] = ""
        for j, (_, tree) in enumerate(layout.prepared, len(layout.strings)):
            strings[:, j] = prepare_columns(tree, {name: frame.columns[name].tolist() for name in tree.columns})
        feeds["strings"] = strings
    if layout.times:
        feeds["times"] = np.empty((len(frame), len(layout.times)), dtype=np.int64, order=order)
        for j, name in enumerate(layout.times):
            feeds["times"][:, j] = frame.columns[name]
    return feeds


def to_float32(numbers: np.ndarray) -> np.ndarray:
    """float64 as float32, clipped to its finite range; NaN stays NaN."""
    return np.minimum(np.maximum(numbers, _LOWEST), _HIGHEST).astype(np.float32)


def _normalised(column: np.ndarray) -> list[str | None]:
    """The words of each text; equal texts are taken apart once."""
    values = column.tolist()
    words = {value: value and packed_words(value) for value in set(values)}
    return [words[value] for value in values]

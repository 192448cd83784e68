"""How the data set will read a column, held against how the contract reads it: what one of both cannot read, nobody may lose unseen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from penstock.bundle.kinds import Kind
from penstock.bundle.specs import ColumnSpec
from penstock.data.contract.contract import ColumnRules
from penstock.data.contract.rewriting import data_lines

if TYPE_CHECKING:
    import numpy as np

    from penstock.bundle.specs import EncodedColumn
    from penstock.data.contract.values import Values

MOST_LOST = 0.05  # of the rows: more of them that the contract reads and the data set does not are a column lost


@dataclass(frozen=True)
class Reading:
    """How the data set will read a column. `said`: `[data]` says so; else the version before is followed."""

    spec: ColumnSpec
    said: bool

    def to_json(self) -> dict[str, Any]:
        return {"spec": self.spec.to_json(), "said": self.said}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Reading:
        return cls(ColumnSpec.from_json(plain["spec"]), plain["said"])

    def is_like(self, rules: ColumnRules) -> bool:
        """Whether nothing can come of it: the contract reads in the same way, or reads nothing."""
        return rules.kind is None or _way(rules.spec) == _way(self.spec)

    def lost(self, column: EncodedColumn, values: Values, rules: ColumnRules) -> np.ndarray:
        """Which distinct values the contract reads (`values`), and the data set cannot, or reads as another value: bool, shape (k,).

        Time zones are left alone: no value is lost by them. A contract is of the numbers themselves, also where the data set keeps them less an
        origin.
        """
        from penstock.data.contract.values import Values

        ours = Values.of(column, replace(self.spec, timezone=rules.timezone, origin=0))
        lost = ours.unreadable.copy()
        if ours.kind is values.kind and ours.kind in (Kind.NUMERIC, Kind.DATETIME):
            lost |= ours.present & (ours.typed != values.typed)
        return lost & values.present

    def differences(self, rules: ColumnRules) -> dict[str, tuple[Any, Any]]:
        """Key of the column's table -> (as the contract has it, as the data set has it), where they differ."""
        ours, its = self.spec, rules.spec
        if ours.kind is not its.kind:
            return {"kind": (str(its.kind), str(ours.kind))}
        pairs = {
            key: (_plain(getattr(its, key)), _plain(getattr(ours, key))) for key in ("decimal", "thousands", "formats")
        }
        return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}

    def edit(self, rules: ColumnRules) -> dict[str, Any]:
        """Keys with which the contract reads as the data set does, where `[data]` says how; nothing where that has to say it first."""
        return {key: ours for key, (_, ours) in self.differences(rules).items()} if self.said else {}

    def data(self, rules: ColumnRules) -> tuple[str, ...]:
        """The lines of `[data]` with which the data set reads as the contract does."""
        return (
            ()
            if self.said
            else tuple(data_lines(rules.name, {k: its for k, (its, _) in self.differences(rules).items()}))
        )


def told(rules: ColumnRules, reading: Reading) -> str:
    """What the data set does instead, behind the number of rows."""
    ways = " and ".join(f"{key} = {_shown(ours)}" for key, (_, ours) in reading.differences(rules).items())
    return f"would be lost, or read as another value: {'[data] has' if reading.said else 'the data set reads'} the column with {ways}"


def said(rules: ColumnRules, reading: Reading) -> str:
    """What the contract says."""
    return ", ".join(f"{key} = {_shown(its)}" for key, (its, _) in reading.differences(rules).items())


def unlike(columns: Mapping[str, ColumnRules], readings: Mapping[str, Reading]) -> dict[str, Reading]:
    """Those readings that are not the contract's."""
    return {name: one for name, one in readings.items() if name in columns and not one.is_like(columns[name])}


def _way(spec: ColumnSpec) -> tuple[Any, ...]:
    if spec.kind is Kind.NUMERIC:
        return (spec.kind, spec.decimal, spec.thousands)
    if spec.kind is Kind.DATETIME:
        return (spec.kind, spec.formats or ("iso",))
    return ("texts",)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _shown(value: Any) -> str:
    from penstock.data.contract.breach import literal

    return literal(value)

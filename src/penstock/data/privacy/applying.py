"""The decisions of a declaration, applied to a source: how each personal column is protected, and what is inferred after that."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from penstock.bundle.decoder import ColumnSpec, Decoder, EncodedColumn, Kind
from penstock.bundle.privacy.actions import DATES, parse_action
from penstock.bundle.privacy.protecting import Protector
from penstock.bundle.privacy.protection import Mask, Protection
from penstock.data.evidence import MISSING_MARKERS, Evidence, same_number_same_text
from penstock.data.formats import date_format, number_format
from penstock.data.infer import check_names
from penstock.data.privacy.detect import recognisers
from penstock.data.writing import NOT_SAID, Writing, Written
from penstock.errors import DeclarationError, SchemaMismatch


@dataclass(frozen=True)
class Decisions:
    """What is to become of personal columns.

    Attributes
    ----------
    actions : column -> action, of those that are not kept as they are.
    kept : columns that were decided to be kept. off : recognisers that are not asked.
    """

    actions: Mapping[str, str]
    kept: tuple[str, ...] = ()
    off: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        return frozenset((*self.actions, *self.kept))


NONE = Decisions({})


@dataclass(frozen=True)
class Protected(Mapping[str, EncodedColumn]):
    """Columns as everything behind the reading sees them: the personal ones are protected as they are asked for."""

    columns: Mapping[str, EncodedColumn]
    protector: Protector

    def __getitem__(self, name: str) -> EncodedColumn:
        return self.protector.column(name, self.columns)[0] if name in self.protector else self.columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)


def share_of(column: EncodedColumn) -> float:
    """Of the rows with a value, the share that differ."""
    return len(column.values) / max(1, int((np.asarray(column.codes) >= 0).sum()))


def check_decisions(names: Collection[str], target: str, decisions: Decisions) -> None:
    """Refuse decisions about columns that are not there, and about the target, which can only be kept.

    Raises
    ------
    SchemaMismatch, DeclarationError
    """
    check_names(names, target, decisions.names, where="[privacy.columns]")
    if target in decisions.actions:
        raise DeclarationError(
            f"[privacy.columns] {target} = {decisions.actions[target]!r} would change what is predicted",
            why="the target has to stay what it is",
            way_out=f'write {target} = "keep: REASON", or predict another column',
        )


def protections(
    columns: Mapping[str, EncodedColumn],
    decisions: Decisions,
    train: np.ndarray,
    *,
    missing: tuple[str, ...] | None,
    known: Mapping[str, ColumnSpec],
    writing: Writing = NOT_SAID,
) -> dict[str, Protection]:
    """How each personal column is protected: formats from training rows, as those of any column.

    Parameters
    ----------
    missing : the user's missing markers; by default all that are usual, whether they occur or not.
    known : declarations of an earlier version, kept for the columns of that name.
    writing : what the user says of how dates and numbers are written.
    """
    markers = tuple(sorted(MISSING_MARKERS if missing is None else missing))
    found: dict[str, Protection] = {}
    for name, written in decisions.actions.items():
        before = known[name].privacy if name in known else None
        found[name] = before or _protection(name, written, columns, train, markers, decisions.off, writing.of(name))
    return found


def stubs(of: Mapping[str, Protection]) -> list[ColumnSpec]:
    """Declarations that say no more than how columns are protected."""
    return [ColumnSpec(name, Kind.CATEGORICAL, privacy=protection) for name, protection in of.items()]


def with_protections(decoder: Decoder, of: Mapping[str, Protection], key: bytes | None) -> Decoder:
    """A decoder of protected values as one of raw values."""
    if not of:
        return decoder
    specs = tuple(replace(spec, privacy=of.get(spec.name)) for spec in decoder.columns)
    return replace(decoder, columns=specs).with_key(key)


def masks(off: tuple[str, ...] = ()) -> tuple[Mask, ...]:
    """What `mask:hits` takes out of texts: all kinds that are sought there, telephone numbers last, as they take any number."""
    asked = [one for one in recognisers() if one.mask and one.name not in off]
    asked.sort(key=lambda one: (_LAST.get(one.name, 0), one.name))
    return tuple(Mask(one.name, one.needs, one.mask) for one in asked)


_LAST = {"email": -1, "card": 1, "phone": 2}


def _protection(
    name: str,
    written: str,
    columns: Mapping[str, EncodedColumn],
    train: np.ndarray,
    markers: tuple[str, ...],
    off: tuple[str, ...],
    said: Written,
) -> Protection:
    action = parse_action(written)
    plain = Protection(action.text, missing=markers)
    if action.name == "drop":
        return Protection(action.text)
    if action.name == "mask" and action.argument:
        return replace(plain, masks=masks(off))
    if action.name == "shift" and action.argument and action.argument not in columns:
        raise SchemaMismatch(
            f"there is no column {action.argument!r}",
            why=f"[privacy.columns] shifts {name!r} by it, and the source does not have it",
            way_out='write "shift" for one shift of all rows, or name another column',
        )
    if action.name in ("hash", "prefix"):
        return replace(plain, numeric_text=_numeric_text(columns[name], train, markers))
    if action.name == "shift" and action.argument:
        plain = replace(plain, numeric_text=_numeric_text(columns[action.argument], train, markers))
    if action.name != "band" and action.name not in DATES:
        return plain
    evidence = Evidence.of(columns[name], train).without(markers)
    if action.name == "band":
        numbers = number_format(evidence.texts, said) if evidence.texts else None
        return plain if numbers is None else replace(plain, decimal=numbers.decimal, thousands=numbers.thousands)
    dates = date_format(evidence, f"{name} date", said) if evidence.texts else None
    if dates is None and evidence.texts:
        raise SchemaMismatch(
            f"[privacy.columns] {name} = {written!r} is for dates, and its values are none that are known",
            why="they are personal, and not shown",
            way_out='write dates as 2026-11-20 in the source, or choose another action, such as "drop"',
        )
    return replace(plain, formats=dates.formats if dates else ())


def _numeric_text(column: EncodedColumn, train: np.ndarray, markers: tuple[str, ...]) -> bool:
    """Whether 1, "1" and "1.0" are one value: a table writes whole numbers as 1.0 where some are missing, a request as 1."""
    texts = Evidence.of(column, train).without(markers).texts
    return bool(texts) and same_number_same_text(texts)

"""A file held against a contract, in one stream: a batch at a time, each distinct value judged once.

Memory holds one batch, a few counts and, for each column that must be unique, 8 bytes a row.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import ceil
from typing import Any

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.data.contract import whole_rules as whole
from penstock.data.contract.breach import EXAMPLES, MAX_NEW_VALUES, Breach, Edit, Tally, literal, rounded_up
from penstock.data.contract.contract import ColumnRules, Comparison, Contract, microseconds_of
from penstock.data.contract.personal import NOBODY, Personal
from penstock.data.contract.reading import MOST_LOST, Reading, said, told, unlike
from penstock.data.contract.rewriting import data_lines
from penstock.data.contract.rules import VALUE_RULES, KindRule, ValueRule
from penstock.data.contract.seen import SeenValues
from penstock.data.contract.unsealed import MayShow, Sight
from penstock.data.contract.values import Values
from penstock.data.source import Batch, Source
from penstock.errors import NotFound, SourceError
from penstock.project.split_settings import FILE_COLUMN

SHOWN_CHARACTERS = 60
MASK = "***"
RULES: tuple[Any, ...] = (*(type(rule) for rule in VALUE_RULES), *whole.WHOLE_RULES)
"""All rules, as classes with an `id` and their documentation."""

_COMPARE = {
    "<": np.greater_equal, "<=": np.greater, "==": np.not_equal, "!=": np.equal, ">=": np.less, ">": np.less_equal,
}  # fmt: skip
"""Operator -> what breaks it."""


@dataclass(frozen=True)
class Checked:
    """What a contract says of rows.

    Attributes
    ----------
    rows : that were looked at. rules : that were asked about. breaches : those that do not hold; one for each new column, which
        all break one rule.
    """

    rows: int
    rules: int
    breaches: tuple[Breach, ...]

    @property
    def passed(self) -> bool:
        return not self.breaches


def broken_rules(breaches: Iterable[Breach]) -> int:
    """How many rules these are: all new columns break one."""
    return len({(b.id, "" if b.id == whole.NewColumn.id else b.about) for b in breaches})


@dataclass
class Checker:
    """Holds batches against a contract; `add` each, then ask for `result`.

    Parameters
    ----------
    names : columns of the rows.
    may_show : which rows may be shown. personal : what of the file is personal: judged as it is kept, and never shown.
    now : the instant at which freshness is judged.
    part_of_file : the rows are no whole file: they may be few, old, and need no value of their own.
    without : columns of the contract that these rows need not have (the target, when it is asked for).
    readings : how the data set will read columns, where that is settled; those of personal columns are not looked at.

    Raises
    ------
    SourceError : none of the contract's columns is there, as where the first line is a row and no header.
    """

    contract: Contract
    names: Sequence[str]
    may_show: MayShow
    personal: Personal = NOBODY
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    part_of_file: bool = False
    without: frozenset[str] = frozenset()
    readings: Mapping[str, Reading] = field(default_factory=dict)
    rows: int = 0

    def __post_init__(self) -> None:
        self.names = [name for name in self.names if name != FILE_COLUMN]  # made on the way, not a column of the file
        self._refuse_strange_names()
        unasked = self.without | self.personal.unlike
        held = [rules for name, rules in self.contract.columns.items() if name in self.names and name not in unasked]
        self.columns = {rules.name: _Column(rules, self.part_of_file) for rules in held}
        self.lost = {
            name: (reading, Tally())
            for name, reading in unlike(self.contract.columns, self.readings).items()
            if name in self.columns and name not in self.personal.names
        }
        self.compared = {
            rule: Tally()
            for rule in self.contract.comparisons
            if {rule.left, rule.right} - set(self.columns)
            <= {side for side in (rule.right,) if not isinstance(side, str)}
        }

    def _refuse_strange_names(self) -> None:
        """Where no name is known, names are mostly values: none of them is shown, recorded, or proposed as a column."""
        wanted = [name for name in self.contract.columns if name not in self.without]
        if len(wanted) < 2 or any(name in self.contract.columns for name in self.names):
            return
        listed = ", ".join(wanted[:3]) + (", ..." if len(wanted) > 3 else "")
        raise SourceError(
            f"the file has none of the {len(wanted)} columns of the contract ({listed})",
            why="its first line is no header, or it is divided otherwise, or it is another table",
            way_out="--no-header with --columns NAMES, if its first line is a row; or another --delimiter; else ask for the right file",
        )

    def add(self, batch: Batch) -> None:
        """Look at more rows."""
        columns, n_rows = batch.columns, len(batch)
        sight = Sight(batch, self.may_show)
        kept: dict[str, Values] = {}
        needed = {side for rule in self.compared for side in (rule.left, rule.right)}
        for name, column in self.columns.items():
            values, unread = self.personal.read(column.rules.spec, columns)
            of = _Batch(self.rows, sight, name in self.personal.names, self.personal.conceal)
            column.add(values, of, unread)
            if name in self.lost:
                reading, tally = self.lost[name]
                lost = np.flatnonzero(values.rows_with(reading.lost(columns[name], values, column.rules)))
                if len(lost):
                    of.count(tally, lost, values, None)
            if name in needed:
                kept[name] = values
        for rule, tally in self.compared.items():
            self._compare(rule, tally, kept, sight)
        self.rows += n_rows

    def _compare(self, rule: Comparison, tally: Tally, kept: Mapping[str, Values], sight: Sight) -> None:
        left = kept[rule.left].numbers
        right = kept[rule.right].numbers if isinstance(rule.right, str) else np.full(len(left), rule.right)
        rows = np.flatnonzero(_COMPARE[rule.op](left, right) & ~np.isnan(left) & ~np.isnan(right))
        if not len(rows):
            return
        seen = sight.of(rows)
        tally.rows += len(rows)
        tally.hidden += int((~seen).sum())
        sides = [side for side in (rule.left, rule.right) if isinstance(side, str)]
        for row in rows[seen][: EXAMPLES - len(tally.examples)].tolist():
            told = (
                f"{side} {_shown(kept[side], row, side in self.personal.names, self.personal.conceal)}"
                for side in sides
            )
            tally.examples.append((self.rows + row + 1, ", ".join(told)))

    def result(self) -> Checked:
        """What broke, of all rows so far; columns in the order of the contract."""
        found = list(self._of_table())
        for column in self.columns.values():
            found += (self._with_rules(breach) for breach in column.breaches(self.rows, self.now))
            found += self._lost(column.rules)
        for rule, tally in self.compared.items():
            if tally.rows > rule.exceptions * self.rows:
                edit: Edit = {("rules", rule.id, "exceptions"): rounded_up(tally.rows / self.rows)}
                found.append(
                    _breach(
                        whole.Compared.id,
                        rule.id,
                        f'that = "{rule}"',
                        "do not keep it",
                        tally,
                        self.rows,
                        edit,
                        rule.exceptions,
                    )
                )
        absent = len(self.contract.columns)
        asked = sum(column.asked for column in self.columns.values()) + len(self.compared) + absent
        asked += len(self.lost)
        return Checked(self.rows, asked + (not self.contract.new_columns) + self._asks_rows(), tuple(found))

    def _lost(self, rules: ColumnRules) -> Iterable[Breach]:
        """What the data set would not read."""
        reading, tally = self.lost.get(rules.name, (None, Tally()))
        if reading is None or tally.rows <= max(MOST_LOST, rules.exceptions) * self.rows:
            return
        edit: Edit = {("columns", rules.name, key): value for key, value in reading.edit(rules).items()}
        breach = _breach(
            whole.OtherReading.id, rules.name, said(rules, reading), told(rules, reading), tally, self.rows, edit, 0.0
        )
        yield replace(breach, data=reading.data(rules))

    def _with_rules(self, breach: Breach) -> Breach:
        """A column that gets another kind can be compared no more: what accepts that takes the rules out that speak of it."""
        if breach.edit is None or ("columns", breach.about, "kind") not in breach.edit:
            return breach
        gone = [rule.id for rule in self.contract.comparisons if breach.about in (rule.left, rule.right)]
        return replace(breach, edit={**breach.edit, **{("rules", rule): None for rule in gone}})

    def _asks_rows(self) -> int:
        bounds = (self.contract.rows_at_least, self.contract.rows_at_most)
        return 0 if self.part_of_file else sum(bound is not None for bound in bounds)

    def _of_table(self) -> Iterable[Breach]:
        contract = self.contract
        for name, rules in contract.columns.items():
            if name not in self.names and name not in self.without and not rules.optional:
                alike = [
                    other for other in self.names if other not in contract.columns and _folded(other) == _folded(name)
                ]
                why = f"the column is not there; {alike[0]!r} is" if alike else "the column is not there"
                yield Breach(
                    whole.AbsentColumn.id, name, f"[columns] {name}", why, self.rows, self.rows,
                    edit={("columns", name, "optional"): True},
                )  # fmt: skip
        for name in self.names:
            if name not in contract.columns and not contract.new_columns:
                yield Breach(
                    whole.NewColumn.id, name, 'new_columns = "refuse"', "the column is new", self.rows, self.rows,
                    edit={("columns", name): {}},
                )  # fmt: skip
        if self.part_of_file:
            return
        for key, bound, broken in (
            (
                "rows_at_least",
                contract.rows_at_least,
                contract.rows_at_least is not None and self.rows < contract.rows_at_least,
            ),
            (
                "rows_at_most",
                contract.rows_at_most,
                contract.rows_at_most is not None and self.rows > contract.rows_at_most,
            ),
        ):
            if broken:
                yield Breach(
                    whole.RowCount.id, "", f"{key} = {bound}", f"the file has {self.rows} rows", self.rows, self.rows,
                    edit={("table", key): self.rows},
                )  # fmt: skip


def _folded(name: str) -> str:
    """A name without what is easily written otherwise: capitals, and all but letters and digits."""
    return "".join(c for c in name.casefold() if c.isalnum()) or name


@dataclass(frozen=True)
class _Batch:
    """Where the rows of a batch stand in the file, and which may be shown."""

    first: int
    sight: Sight
    masked: bool
    conceal: Callable[[str], str]

    def count(self, tally: Tally, rows: np.ndarray, values: Values, measure: np.ndarray | None) -> None:
        """Add rows (positions) to a tally."""
        seen = self.sight.of(rows)
        tally.rows += len(rows)
        tally.hidden += int((~seen).sum())
        if not seen.all():
            codes, counts = np.unique(values.codes[rows[~seen]], return_counts=True)
            for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
                secret: str | float = values.texts[code].strip() if measure is None else float(measure[code])
                if secret in tally.secret or len(tally.secret) < MAX_NEW_VALUES:
                    tally.secret[secret] += count
        shown = rows[seen]
        if not len(shown):
            return
        self._example(tally, shown, values)
        if self.masked:
            tally.hidden += len(shown)
            return
        codes, counts = np.unique(values.codes[shown], return_counts=True)
        if measure is not None:
            found = measure[codes].astype(np.float64)
            found = found[~np.isnan(found)]
            if len(found):
                tally.low = float(found.min()) if tally.low is None else min(tally.low, float(found.min()))
                tally.high = float(found.max()) if tally.high is None else max(tally.high, float(found.max()))
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
            text = values.texts[code]
            if _concealed(values, code, self.conceal) != text:  # what must not be shown cannot be put into the contract
                tally.hidden += count
                continue
            if text in tally.texts or len(tally.texts) < MAX_NEW_VALUES:
                tally.texts[text] += count

    def count_missing(self, tally: Tally, rows: np.ndarray, values: Values) -> None:
        """As `count`, of rows that may be many and say nothing: no more are looked at than are shown."""
        tally.rows += len(rows)
        if len(tally.examples) < EXAMPLES:
            few = rows[: 10 * EXAMPLES]
            self._example(tally, few[self.sight.of(few)], values)

    def _example(self, tally: Tally, rows: np.ndarray, values: Values) -> None:
        for row in rows[: EXAMPLES - len(tally.examples)].tolist():
            tally.examples.append((self.first + row + 1, _shown(values, row, self.masked, self.conceal)))

    def count_unread(self, tally: Tally, rows: np.ndarray) -> None:
        """As `count`, of raw values of a personal column that cannot be read: nothing is known of them but where they are."""
        tally.rows += len(rows)
        tally.hidden += len(rows)
        for row in rows[self.sight.of(rows)][: EXAMPLES - len(tally.examples)].tolist():
            tally.examples.append((self.first + row + 1, MASK))


class _Column:
    """One column through all batches."""

    def __init__(self, rules: ColumnRules, part_of_file: bool) -> None:
        self.rules = rules
        self.tallies: dict[ValueRule, Tally] = {rule: Tally() for rule in VALUE_RULES if rule.asks(rules)}
        self.missing = Tally()
        self.repeated = Tally()
        self.seen = SeenValues() if rules.unique and not part_of_file else None
        self.fresh = rules.newest_within_s is not None and not part_of_file
        self.newest: float | None = None

    @property
    def asked(self) -> int:
        return len(self.tallies) + (self.rules.missing_at_most is not None) + (self.seen is not None) + self.fresh

    def add(self, values: Values, batch: _Batch, unread: np.ndarray) -> None:
        """More rows; `unread`: those whose raw value could not be protected."""
        for rule, tally in self.tallies.items():
            if rule.id == KindRule.id and len(unread):
                batch.count_unread(tally, unread)
            bad = rule.broken(self.rules, values)
            if rule.id == KindRule.id and len(tally.read) < MAX_NEW_VALUES:
                few = np.flatnonzero(values.present)[: MAX_NEW_VALUES - len(tally.read)]
                tally.read += [values.texts[at].strip() for at in few.tolist()]
            if bad.any():
                measure = _measured(rule, values)
                batch.count(tally, np.flatnonzero(values.rows_with(bad)), values, measure)
        if self.rules.missing_at_most is not None:
            rows = np.setdiff1d(np.flatnonzero(values.rows_with(values.missing, null=True)), unread, assume_unique=True)
            if len(rows):
                batch.count_missing(self.missing, rows, values)
        if self.seen is not None:
            rows = np.flatnonzero(self.seen.repeated(values))
            if len(rows):
                batch.count(self.repeated, rows, values, None)
        if self.fresh and values.present.any():
            newest = float(values.typed[values.present].max())
            self.newest = newest if self.newest is None else max(self.newest, newest)

    def breaches(self, of: int, now: datetime) -> Iterable[Breach]:
        rules, key = self.rules, ("columns", self.rules.name)
        for rule, tally in self.tallies.items():
            if tally.rows > rules.exceptions * of:
                made = rule.edit(rules, tally, of)
                edit: Edit = {(*key, name): value for name, value in made.items()}
                breach = _breach(
                    rule.id, rules.name, rule.said(rules), rule.found(rules, tally), tally, of, edit, rules.exceptions
                )
                yield replace(breach, data=tuple(data_lines(rules.name, made)))
        if rules.missing_at_most is not None and self.missing.rows > rules.missing_at_most * of:
            edit = {(*key, "missing_at_most"): rounded_up(self.missing.rows / of)}
            said = f"missing_at_most = {literal(rules.missing_at_most)}"
            self.missing.examples = [(row, "missing") for row, _ in self.missing.examples]
            yield _breach(whole.Missing.id, rules.name, said, "have no value", self.missing, of, edit, 0.0)
        if self.seen is not None and self.repeated.rows > rules.exceptions * of:
            yield _breach(
                whole.Unique.id, rules.name, "unique = true", "say what an earlier row says", self.repeated, of,
                {(*key, "unique"): False}, rules.exceptions,
            )  # fmt: skip
        if self.fresh:
            yield from self._stale(of, now)

    def _stale(self, of: int, now: datetime) -> Iterable[Breach]:
        within = self.rules.newest_within_s or 0.0
        said = f'newest_within = "{_time(within)}"'
        if self.newest is None:
            yield Breach(whole.Fresh.id, self.rules.name, said, "no row has an instant", of, of)
            return
        age = microseconds_of(now) / 1e6 - self.newest / 1e6
        if age > within:
            days = ceil(age / 86_400)
            yield Breach(
                whole.Fresh.id, self.rules.name, said, f"the newest row is {days} days old", of, of,
                edit={("columns", self.rules.name, "newest_within"): f"{days}d"},
            )  # fmt: skip


def _breach(
    id_: str,
    about: str,
    rule: str,
    found: str,
    tally: Tally,
    of: int,
    edit: Edit,
    allowed: float,
) -> Breach:
    share = f"{tally.rows / of:.2%}" if tally.rows / of >= 0.0001 else f"{tally.rows / of:.1g} of all"
    why = f"{tally.rows} {'row' if tally.rows == 1 else 'rows'} ({share}) {found}"
    said = rule + (f", exceptions = {literal(allowed)}" if allowed else "")
    return Breach(id_, about, said, why, tally.rows, of, tally.hidden, tuple(tally.examples), edit or None)


def _measured(rule: ValueRule, values: Values) -> np.ndarray | None:
    """The measure of each value that a rule judges; None where it is the text."""
    if rule.id == "contract-length":
        return _lengths(values)
    return values.typed if values.kind in (Kind.NUMERIC, Kind.DATETIME) and rule.id != KindRule.id else None


def _lengths(values: Values) -> np.ndarray:
    return np.fromiter((len(text.strip()) for text in values.texts), np.int64, len(values.texts))


def _shown(values: Values, row: int, masked: bool, conceal: Callable[[str], str]) -> str:
    code = int(values.codes[row])
    if code < 0:
        return "missing"
    if masked:
        return MASK
    text = _concealed(values, code, conceal)
    return repr(text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "...")


def _concealed(values: Values, code: int, conceal: Callable[[str], str]) -> str:
    """A value as it may be shown; numbers and instants, where they are read as such, as they are."""
    text = values.texts[code]
    return text if values.kind in (Kind.NUMERIC, Kind.DATETIME) and values.present[code] else conceal(text)


def _time(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return f"{seconds:g}s"


def check_source(contract: Contract, source: Source, may_show: MayShow, **how: Any) -> Checked:
    """Hold a source against a contract; `how` as the parameters of `Checker`.

    Raises
    ------
    SourceError : it cannot be read.
    """
    checker = Checker(contract, source.names, may_show, **how)
    for batch in source.batches():
        checker.add(batch)
    return checker.result()


def explain_rule(rule_id: str) -> str:
    """The documentation of a rule of contracts.

    Raises
    ------
    NotFound : there is no such rule; lists those that there are.

    >>> print(explain_rule("contract-range").splitlines()[0])
    Numbers or instants beyond `at_least` or `at_most`.
    """
    for rule in RULES:
        if rule.id == rule_id:
            return inspect.cleandoc(rule.__doc__ or "")
    ids = ", ".join(rule.id for rule in RULES)
    raise NotFound(f"there is no rule {rule_id!r}", why=f"there are: {ids}", way_out="write one of these")

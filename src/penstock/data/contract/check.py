"""A file held against a contract, in one stream: a batch at a time, each distinct value judged once.

Memory holds one batch, a few counts and, for each column that must be unique, 8 bytes a row.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from penstock.data.contract import whole_rules as whole
from penstock.data.contract.breach import EXAMPLES, Breach, Edit, Tally, rounded_up
from penstock.data.contract.column import Column, Place, breach_of, shown
from penstock.data.contract.contract import ColumnRules, Comparison, Contract
from penstock.data.contract.personal import NOBODY, Personal
from penstock.data.contract.reading import MOST_LOST, Reading, said, told, unlike
from penstock.data.contract.rules import VALUE_RULES
from penstock.data.contract.unsealed import MayShow, Sight
from penstock.data.contract.values import Values
from penstock.data.source import Batch, OfFiles, Source
from penstock.errors import NotFound, SourceError
from penstock.project.split_settings import FILE_COLUMN

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
    key : of the hashes of values that must be unique, where they are kept (`known`).

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
    key: bytes = b""
    rows: int = 0

    def __post_init__(self) -> None:
        self.names = [name for name in self.names if name != FILE_COLUMN]  # made on the way, not a column of the file
        self._refuse_strange_names()
        unasked = self.without | self.personal.unlike
        held = [rules for name, rules in self.contract.columns.items() if name in self.names and name not in unasked]
        self.columns = {rules.name: Column(rules, self.part_of_file, self.key) for rules in held}
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
            of = Place(self.rows, sight, name in self.personal.names, self.personal.conceal)
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
                f"{side} {shown(kept[side], row, side in self.personal.names, self.personal.conceal)}" for side in sides
            )
            tally.examples.append((self.rows + row + 1, ", ".join(told)))

    def counts(self) -> dict[str, Any]:
        """JSON: what `result` says of the rows so far depends on this and on `seen`, but for the rows that it shows."""
        return {
            "rows": self.rows,
            "columns": {name: column.counts() for name, column in self.columns.items()},
            "lost": {name: tally.rows for name, (_, tally) in self.lost.items()},
            "compared": {rule.id: tally.rows for rule, tally in self.compared.items()},
        }

    @property
    def seen(self) -> dict[str, np.ndarray]:
        """Of each column that must be unique the keyed hashes of its values so far, rising: uint64."""
        return {name: column.seen.hashes for name, column in self.columns.items() if column.seen is not None}

    def go_on(self, counts: Mapping[str, Any], seen: Mapping[str, np.ndarray]) -> None:
        """Go on, before any batch, from what `counts` and `seen` gave of other rows, which were held against the same with the same key."""
        self.rows = counts["rows"]
        for name, column in self.columns.items():
            column.go_on(counts["columns"][name], seen.get(name))
        for name, (_, tally) in self.lost.items():
            tally.rows = counts["lost"][name]
        for rule, tally in self.compared.items():
            tally.rows = counts["compared"][rule.id]

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
                    breach_of(
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
        breach = breach_of(
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


def check_source(contract: Contract, source: Source, may_show: MayShow, **how: Any) -> Checked:
    """Hold a source against a contract; `how` as the parameters of `Checker`.

    Raises
    ------
    SourceError : it cannot be read.
    """
    return check_all(Checker(contract, source.names, may_show, **how), source)


def check_all(checker: Checker, source: Source) -> Checked:
    """All rows of a source, by a new checker. Raises SourceError: it cannot be read."""
    for batch in source.batches():
        checker.add(batch)
    found = checker.result()
    return replace(found, breaches=tuple(_with_files(breach, source) for breach in found.breaches))


def _with_files(breach: Breach, source: Source) -> Breach:
    """A breach that says in which files its examples stand, where there may be several."""
    files = [source.file_of_row(row - 1) for row, _ in breach.examples] if isinstance(source, OfFiles) else []
    known = [(name, row + 1) for name, row in filter(None, files)]
    return replace(breach, files=tuple(known)) if len(known) == len(breach.examples) else breach


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

"""One column of a file held against its rules, batch by batch: counts of what breaks them, and the first rows that may be shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil
from typing import Any

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.data.contract import whole_rules as whole
from penstock.data.contract.breach import EXAMPLES, MAX_NEW_VALUES, Breach, Edit, Tally, literal, rounded_up
from penstock.data.contract.contract import ColumnRules, microseconds_of
from penstock.data.contract.rewriting import data_lines
from penstock.data.contract.rules import VALUE_RULES, KindRule, ValueRule
from penstock.data.contract.seen import SeenValues
from penstock.data.contract.unsealed import Sight
from penstock.data.contract.values import Values
from penstock.data.fingerprints import key_for

SHOWN_CHARACTERS = 60
MASK = "***"


@dataclass(frozen=True)
class Place:
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
            tally.examples.append((self.first + row + 1, shown(values, row, self.masked, self.conceal)))

    def count_unread(self, tally: Tally, rows: np.ndarray) -> None:
        """As `count`, of raw values of a personal column that cannot be read: nothing is known of them but where they are."""
        tally.rows += len(rows)
        tally.hidden += len(rows)
        for row in rows[self.sight.of(rows)][: EXAMPLES - len(tally.examples)].tolist():
            tally.examples.append((self.first + row + 1, MASK))


class Column:
    """One column through all batches."""

    def __init__(self, rules: ColumnRules, part_of_file: bool, key: bytes = b"") -> None:
        self.rules = rules
        self.tallies: dict[ValueRule, Tally] = {rule: Tally() for rule in VALUE_RULES if rule.asks(rules)}
        self.missing = Tally()
        self.repeated = Tally()
        own = key_for(
            key, b"contract " + rules.name.encode("utf-8", "surrogatepass")
        )  # no value is known by its hash in another column
        self.seen = SeenValues(own) if rules.unique and not part_of_file else None
        self.fresh = rules.newest_within_s is not None and not part_of_file
        self.newest: float | None = None

    @property
    def asked(self) -> int:
        return len(self.tallies) + (self.rules.missing_at_most is not None) + (self.seen is not None) + self.fresh

    def add(self, values: Values, batch: Place, unread: np.ndarray) -> None:
        """More rows; `unread`: those whose raw value could not be protected."""
        for rule, tally in self.tallies.items():
            if rule.id == KindRule.id and len(unread):
                batch.count_unread(tally, unread)
            bad = rule.broken(self.rules, values)
            if rule.id == KindRule.id and self.rules.kind in (Kind.NUMERIC, Kind.DATETIME):
                for at in np.flatnonzero(values.present).tolist():
                    if len(tally.read) >= MAX_NEW_VALUES:
                        break
                    tally.read[values.texts[at].strip()] = None
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

    def counts(self) -> dict[str, Any]:
        """JSON: what the result depends on of the rows so far, but for values that came before and for what is shown of rows."""
        return {
            "broken": {rule.id: tally.rows for rule, tally in self.tallies.items()},
            "missing": self.missing.rows,
            "repeated": self.repeated.rows,
            "newest": self.newest,
        }

    def go_on(self, counts: Mapping[str, Any], hashes: np.ndarray | None) -> None:
        """Go on, before any row is added, from what `counts` gave of other rows, and the hashes of their values where those must be unique."""
        for rule, tally in self.tallies.items():
            tally.rows = counts["broken"][rule.id]
        self.missing.rows, self.repeated.rows, self.newest = counts["missing"], counts["repeated"], counts["newest"]
        if self.seen is not None and hashes is not None:
            self.seen.learn(hashes)

    def breaches(self, of: int, now: datetime) -> Iterable[Breach]:
        rules, key = self.rules, ("columns", self.rules.name)
        for rule, tally in self.tallies.items():
            if tally.rows > rules.exceptions * of:
                made = rule.edit(rules, tally, of)
                if "missing" in made and rules.missing_at_most is not None:  # these rows have no value then
                    without = self.missing.rows + tally.rows
                    made |= (
                        {"missing_at_most": rounded_up(without / of)} if without > rules.missing_at_most * of else {}
                    )
                edit: Edit = {(*key, name): value for name, value in made.items()}
                breach = breach_of(
                    rule.id, rules.name, rule.said(rules), rule.found(rules, tally), tally, of, edit, rules.exceptions
                )
                yield replace(breach, data=tuple(data_lines(rules.name, made)))
        if rules.missing_at_most is not None and self.missing.rows > rules.missing_at_most * of:
            edit = {(*key, "missing_at_most"): rounded_up(self.missing.rows / of)}
            said = f"missing_at_most = {literal(rules.missing_at_most)}"
            self.missing.examples = [(row, "missing") for row, _ in self.missing.examples]
            yield breach_of(whole.Missing.id, rules.name, said, "have no value", self.missing, of, edit, 0.0)
        if self.seen is not None and self.repeated.rows > rules.exceptions * of:
            yield breach_of(
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


def breach_of(
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


def shown(values: Values, row: int, masked: bool, conceal: Callable[[str], str]) -> str:
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

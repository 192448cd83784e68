"""The rules on values: each judges the distinct values of a column. Ids are permanent; each docstring is its documentation."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.data.contract.breach import Instant, Tally, literal, rounded_up
from penstock.data.contract.contract import ColumnRules
from penstock.data.contract.rewriting import are_of_its_kind, rewritten
from penstock.data.contract.values import Values
from penstock.data.evidence import MISSING_MARKERS

NOT_FOR_TEXTS = ("at_least", "at_most", "whole", "decimal", "thousands", "formats", "timezone", "newest_within")
MOST = 0.05  # of the rows: more than that are no exceptions
MAX_LISTED = 50  # values more than these are not worth a list


class ValueRule(Protocol):
    """A rule on single values of a column.

    The docstring of an implementation is shown to users (`explain_rule`) and stands in the order: what it does, why it
    matters, an example that fails, what to do, reference.
    """

    id: str

    def asks(self, rules: ColumnRules) -> bool:
        """Whether the contract says anything of it."""
        ...

    def broken(self, rules: ColumnRules, values: Values) -> np.ndarray:
        """Which distinct values break it: bool, shape (k,)."""
        ...

    def said(self, rules: ColumnRules) -> str:
        """What the contract says, as it stands there."""
        ...

    def found(self, rules: ColumnRules, tally: Tally) -> str:
        """What was found instead, behind the number of rows; from rows alone that may be shown."""
        ...

    def edit(self, rules: ColumnRules, tally: Tally, of: int) -> dict[str, Any]:
        """Key of the column's table -> the value with which the rows pass; None: the key goes."""
        ...


class KindRule:
    """Values that cannot be read as the kind that the contract declares.

    What it does
        Reads every value with the declared kind, marks and formats, and counts those that are neither a value of that kind
        nor missing. It breaks where they are a larger share of the rows than `exceptions`.
    Why it matters
        A value that cannot be read counts as missing. A supplier who changes the decimal mark so empties a column, and a
        model trained on it learns nothing from it, without an error.
    Example that fails
        `amount` held 12.50 and now holds 12,50.
    What to do
        Have the file written as before. Where the new form is right, correct `decimal`, `thousands` or `formats` here and in
        `[data]`: both lines are told. A column that holds texts from now on gets another `kind` in both. Where a text stands for
        nothing, add it to `missing`.
    Reference
        Polyzotis et al. (2019), Data validation for machine learning, MLSys.
    """

    id = "contract-kind"

    def asks(self, rules: ColumnRules) -> bool:
        return rules.kind is not None

    def broken(self, rules: ColumnRules, values: Values) -> np.ndarray:
        return values.unreadable

    def said(self, rules: ColumnRules) -> str:
        return f'kind = "{rules.kind}"'

    def found(self, rules: ColumnRules, tally: Tally) -> str:
        if rewritten(rules, unread := tally.known_texts, [*tally.read]) is not None:
            return f"are written in another way, and cannot be read as {rules.kind} as the contract says"
        if are_of_its_kind(rules, unread):
            return f"cannot be read as {rules.kind}: the numbers are written in several ways, which no one line reads"
        return f"cannot be read as {rules.kind}"

    def edit(self, rules: ColumnRules, tally: Tally, of: int) -> dict[str, Any]:
        texts = {text.strip() for text in tally.texts}
        if texts and texts <= MISSING_MARKERS and not tally.beyond(lambda text: str(text).strip() in texts):
            return {"missing": [*rules.missing, *sorted(texts)]}
        otherwise = rewritten(rules, unread := tally.known_texts, [*tally.read])
        if otherwise is not None:
            return otherwise
        if tally.rows <= MOST * of:
            return {"exceptions": _exceptions(rules, tally.rows, of)}
        if are_of_its_kind(rules, unread):
            return {}
        return {"kind": str(Kind.CATEGORICAL), **dict.fromkeys(NOT_FOR_TEXTS)}


class RangeRule:
    """Numbers or instants beyond `at_least` or `at_most`.

    What it does
        Counts values below `at_least` and above `at_most`. It breaks where they are a larger share of the rows than
        `exceptions`.
    Why it matters
        A value far outside of all that was seen is mostly another unit, a typing error or a marker for "missing"; one such
        value moves means, scales and linear models.
    Example that fails
        `age` lies between 0 and 120, and 41 rows say 999.
    What to do
        Ask the source. Where 999 stands for nothing, say so under `missing`, here and in `[data]`; where such values are
        right, widen the range.
    Reference
        Schelter et al. (2018), Automating large-scale data quality verification, VLDB 11(12).
    """

    id = "contract-range"

    def asks(self, rules: ColumnRules) -> bool:
        return rules.at_least is not None or rules.at_most is not None

    def broken(self, rules: ColumnRules, values: Values) -> np.ndarray:
        bad = np.zeros(len(values.texts), dtype=bool)
        if rules.at_least is not None:
            bad |= values.typed < rules.at_least
        if rules.at_most is not None:
            bad |= values.typed > rules.at_most
        return bad & values.present

    def said(self, rules: ColumnRules) -> str:
        bounds = (("at_least", rules.at_least), ("at_most", rules.at_most))
        return ", ".join(f"{key} = {literal(_bound(rules, value))}" for key, value in bounds if value is not None)

    def found(self, rules: ColumnRules, tally: Tally) -> str:
        if tally.low is None or tally.high is None:
            return "out of range"
        low, high = literal(_bound(rules, tally.low)), literal(_bound(rules, tally.high))
        return f"out of range, {low}" if low == high else f"out of range, from {low} to {high}"

    def edit(self, rules: ColumnRules, tally: Tally, of: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if tally.low is not None and rules.at_least is not None and tally.low < rules.at_least:
            made["at_least"] = _bound(rules, tally.low)
        if tally.high is not None and rules.at_most is not None and tally.high > rules.at_most:
            made["at_most"] = _bound(rules, tally.high)
        low, high = made.get("at_least", rules.at_least), made.get("at_most", rules.at_most)
        return made | _for_hidden(rules, tally.beyond(_between(low, high)), of)


class WholeRule:
    """Numbers with a fraction where whole ones are declared.

    What it does
        Counts numbers that are not whole. It breaks where they are a larger share of the rows than `exceptions`.
    Why it matters
        Counts that become fractions were averaged, scaled or read with another decimal mark on the way.
    Example that fails
        `children` says 1.5 since the supplier sends means of households.
    What to do
        Ask the source what the number is now. Where a fraction is right, write `whole = false`.
    Reference
        Schelter et al. (2018), Automating large-scale data quality verification, VLDB 11(12).
    """

    id = "contract-whole"

    def asks(self, rules: ColumnRules) -> bool:
        return rules.whole

    def broken(self, rules: ColumnRules, values: Values) -> np.ndarray:
        return values.present & (np.floor(values.typed) != values.typed)

    def said(self, rules: ColumnRules) -> str:
        return "whole = true"

    def found(self, rules: ColumnRules, tally: Tally) -> str:
        return "no whole numbers"

    def edit(self, rules: ColumnRules, tally: Tally, of: int) -> dict[str, Any]:
        return {"whole": False}


class ValuesRule:
    """Values that are not among those that the contract lists.

    What it does
        Counts values that are not in `values`. It breaks where they are a larger share of the rows than `exceptions`.
    Why it matters
        A model treats a value that it never saw like one that is rare or missing. A new spelling of an old value splits a
        category in two.
    Example that fails
        `country` lists 12 values; 300 rows say "Germany" where it was "DE" before.
    What to do
        Have spellings put right at the source. Add what is really new to `values`, or allow some `exceptions`.
    Reference
        Good (1953), The population frequencies of species, Biometrika 40: how large a share of unseen values is no surprise.
    """

    id = "contract-values"

    def asks(self, rules: ColumnRules) -> bool:
        return rules.values is not None

    def broken(self, rules: ColumnRules, values: Values) -> np.ndarray:
        allowed = rules.value_texts
        known = np.fromiter((value in allowed for value in values.typed), bool, len(values.typed))
        return values.present & ~known

    def said(self, rules: ColumnRules) -> str:
        listed = rules.values or ()
        shown = ", ".join(literal(value) for value in listed[:6])
        return f"values = [{shown}{f', ... {len(listed)} in all' if len(listed) > 6 else ''}]"

    def found(self, rules: ColumnRules, tally: Tally) -> str:
        if not tally.texts:
            return "say something else"
        most = sorted(tally.texts.items(), key=lambda item: (-item[1], item[0]))
        top = ", ".join(f"{text[:40]!r} ({rows})" for text, rows in most[:3])
        return f"say something else: {top}{', ...' if len(tally.texts) > 3 else ''}"

    def edit(self, rules: ColumnRules, tally: Tally, of: int) -> dict[str, Any]:
        listed = rules.values or ()
        if len(tally.texts) > MAX_LISTED:
            return {"values": None} if tally.rows > MOST * of else {"exceptions": _exceptions(rules, tally.rows, of)}
        made: dict[str, Any] = {}
        if tally.texts:
            made["values"] = [
                *listed,
                *(_as_label(text, listed) for text in sorted({text.strip() for text in tally.texts})),
            ]
        known = {text.strip() for text in tally.texts}
        return made | _for_hidden(rules, tally.beyond(known.__contains__), of)


class LengthRule:
    """Texts that are shorter or longer than declared.

    What it does
        Counts values with fewer characters than `length_at_least` or more than `length_at_most`. It breaks where they are a
        larger share of the rows than `exceptions`.
    Why it matters
        Cut texts and texts that run together are signs of a broken export: a field that is cut at 255 characters, quotes
        that are not closed.
    Example that fails
        `note` has at most 900 characters; one row holds 48,000, with line ends in it.
    What to do
        Look at the rows that are named; write the file again with proper quotes. Where such texts are right, widen the bound.
    Reference
        Polyzotis et al. (2019), Data validation for machine learning, MLSys.
    """

    id = "contract-length"

    def asks(self, rules: ColumnRules) -> bool:
        return rules.length_at_least is not None or rules.length_at_most is not None

    def broken(self, rules: ColumnRules, values: Values) -> np.ndarray:
        lengths = np.fromiter((len(text.strip()) for text in values.texts), np.int64, len(values.texts))
        bad = np.zeros(len(lengths), dtype=bool)
        if rules.length_at_least is not None:
            bad |= lengths < rules.length_at_least
        if rules.length_at_most is not None:
            bad |= lengths > rules.length_at_most
        return bad & values.present

    def said(self, rules: ColumnRules) -> str:
        bounds = (("length_at_least", rules.length_at_least), ("length_at_most", rules.length_at_most))
        return ", ".join(f"{key} = {value}" for key, value in bounds if value is not None)

    def found(self, rules: ColumnRules, tally: Tally) -> str:
        return "have another length"

    def edit(self, rules: ColumnRules, tally: Tally, of: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if tally.low is not None and rules.length_at_least is not None and tally.low < rules.length_at_least:
            made["length_at_least"] = int(tally.low)
        if tally.high is not None and rules.length_at_most is not None and tally.high > rules.length_at_most:
            made["length_at_most"] = int(tally.high)
        low, high = made.get("length_at_least", rules.length_at_least), made.get("length_at_most", rules.length_at_most)
        return made | _for_hidden(rules, tally.beyond(_between(low, high)), of)


class PatternRule:
    """Texts that do not match the declared pattern.

    What it does
        Matches each whole value with `pattern`, a regular expression of Python. It breaks where values that do not match are
        a larger share of the rows than `exceptions`.
    Why it matters
        Codes have a form. Where it changes, joins find nothing and groups fall apart.
    Example that fails
        `invoice` matches "R[0-9]{6}", and 80 rows say "R-00123".
    What to do
        Have the codes written as before, or declare the new form.
    Reference
        Schelter et al. (2018), Automating large-scale data quality verification, VLDB 11(12).
    """

    id = "contract-pattern"

    def asks(self, rules: ColumnRules) -> bool:
        return rules.pattern is not None

    def broken(self, rules: ColumnRules, values: Values) -> np.ndarray:
        matches = re.compile(rules.pattern or "", re.DOTALL).fullmatch
        bad = np.fromiter((matches(text.strip()) is None for text in values.texts), bool, len(values.texts))
        return bad & values.present

    def said(self, rules: ColumnRules) -> str:
        return f"pattern = {literal(rules.pattern)}"

    def found(self, rules: ColumnRules, tally: Tally) -> str:
        return "have another form"

    def edit(self, rules: ColumnRules, tally: Tally, of: int) -> dict[str, Any]:
        return {"pattern": None} if tally.rows > MOST * of else {"exceptions": _exceptions(rules, tally.rows, of)}


VALUE_RULES: tuple[ValueRule, ...] = (KindRule(), RangeRule(), WholeRule(), ValuesRule(), LengthRule(), PatternRule())


def _bound(rules: ColumnRules, value: float) -> float:
    return Instant(value) if rules.kind is Kind.DATETIME else float(value)


def _exceptions(rules: ColumnRules, rows: int, of: int) -> float:
    return max(rules.exceptions, rounded_up(rows / of))


def _for_hidden(rules: ColumnRules, rows: int, of: int) -> dict[str, Any]:
    """What lets so many rows pass whose values must not show in the contract."""
    return {"exceptions": _exceptions(rules, rows, of)} if rows > rules.exceptions * of else {}


def _between(low: float | None, high: float | None) -> Callable[[Any], bool]:
    return lambda value: (low is None or value >= low) and (high is None or value <= high)


def _as_label(text: str, listed: tuple[Any, ...]) -> Any:
    """A value as the others are written."""
    if listed and all(type(value) in (int, float) for value in listed):
        try:
            number = float(text)
        except ValueError:
            return text
        return int(number) if number.is_integer() else number
    return text

"""A contract proposed from the training rows of a version: each line with the reason, and room for what chance may bring.

How much room: a value of a new row lies beyond all of n others with a chance of 1/(n + 1) on each side, but how far beyond
depends on the tail. Light tails get half of the range on either side, heavy ones a factor of ten; and as no tail is known for
sure, 3/n of new rows may lie beyond even that. Values that no row showed are as frequent as those that one row showed
(Good-Turing), and the upper bound of what none of n rows showed is 3/n (the rule of three).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import log, sqrt
from typing import Any

import numpy as np

from penstock.bundle.decoder import Frame, TargetSpec
from penstock.bundle.kinds import MISSING_TIME, Kind
from penstock.bundle.specs import ColumnSpec
from penstock.data.contract.breach import Instant, header, literal, rounded_up
from penstock.data.origins import themselves

MAX_VALUES = 60  # more are no list that a person keeps
MIN_ROWS = 20  # fewer say nothing of what is usual
SURE_ROWS = 300  # so many rows without a missing value: by the rule of three at most 1 % are
RARE = 30  # rows of the rarest value, below which there may be others as rare
SKEWED = 1.5  # the upper quarter about the median against the lower one, from which on 0 is taken for a wall
LONGER = 1.3  # so many times the reach of a normal tail, from which on a tail is longer than that
HEAVY = 20.0  # the largest number against the spread of the middle half, beyond which a tail is heavy
BEYOND = "one row in so many may lie beyond all others by chance (3/n)"
DAY = 86_400_000_000

_ENDS = re.compile(
    r"(?P<low>min|minimum|start|begin|from|low|lower|first|opened|created|issued|ordered)", re.IGNORECASE
)
_OTHER_END = {
    "min": "max", "minimum": "maximum", "start": "end", "begin": "end", "from": "to", "low": "high", "lower": "upper",
    "first": "last", "opened": "closed", "created": "updated", "issued": "due", "ordered": "delivered",
}  # fmt: skip


@dataclass
class _Table:
    """Lines of one table of the text: key, value, and why."""

    path: tuple[str, ...]
    lines: list[tuple[str, str]] = field(default_factory=list)

    def put(self, key: str, value: Any, why: str = "") -> None:
        self.lines.append((f"{key} = {literal(value)}", why))

    def suggest(self, key: str, value: Any, why: str) -> None:
        """A line that is there to be taken: commented out."""
        self.lines.append((f"# {key} = {literal(value)}", why))

    def text(self) -> str:
        width = min(48, max((len(line) for line, why in self.lines if why), default=0))
        body = (f"{line:<{width}}  # {_one_line(why)}" if why else line for line, why in self.lines)
        return "\n".join([f"[{header(self.path)}]", *body])


def infer_contract(
    columns: Sequence[ColumnSpec],
    target: TargetSpec,
    frame: Frame | Mapping[str, np.ndarray],
    y: np.ndarray,
    *,
    dropped: Sequence[str] = (),
    rows: int = 0,
    unreadable: Mapping[str, int] | None = None,
    unlisted: Sequence[str] = (),
) -> str:
    """The text of a contract.

    Parameters
    ----------
    frame, y : training rows; a column is asked for when its lines are written, and again where two are compared. dropped : columns of the file that are not kept; they may be there or not.
    rows : of the whole file. unreadable : column -> training rows whose value could not be read.
    unlisted : columns whose values are personal and kept: no line holds any of them, nor how far they reach.
    """
    tables = [
        _table(rows),
        *(
            _column(
                spec,
                themselves(frame[spec.name], spec.origin),  # a contract is of the numbers as a file has them
                (unreadable or {}).get(spec.name, 0),
                spec.name not in unlisted,
            )
            for spec in columns
        ),
    ]
    tables.append(_target(target, y))
    for name in dropped:
        table = _Table(("columns", name), [("optional = true", "[data] drop: whatever it holds is not kept")])
        tables.append(table)
    tables += _comparisons(columns, frame)
    head = [
        "# What a file must be before any row of it is taken in. Proposed from the training rows; now yours to keep.",
        "# A line that is taken out asks for nothing. Keys: docs/contract.md; what each rule means: penstock explain-check",
    ]
    return "\n".join(head) + "\n\n" + "\n\n".join(table.text() for table in tables) + "\n"


def _table(rows: int) -> _Table:
    table = _Table(("table",))
    table.put("new_columns", "refuse", 'a new column would be an input of the next model; or "allow"')
    if rows:
        table.suggest("rows_at_least", max(1, rows // 2), f"this file had {rows} rows: refuse one that was cut")
    return table


def _column(spec: ColumnSpec, values: np.ndarray, unreadable: int, listed: bool = True) -> _Table:
    table = _Table(("columns", spec.name))
    if spec.is_withheld:
        table.put("optional", True, "personal, [privacy.columns] drop: nothing of it is kept")
        return table
    table.put("kind", str(spec.kind))
    for key in ("missing", "decimal", "thousands", "formats", "timezone"):
        value = getattr(spec, key)
        if value != getattr(ColumnSpec(spec.name, spec.kind), key) and not _means_nothing(key, spec.kind):
            table.put(
                key,
                list(value) if isinstance(value, tuple) else value,
                "as [data] has it read" if key == "missing" else "",
            )
    absent = _absent(spec.kind, values)
    present = values[~absent]
    n = len(values)
    if n < MIN_ROWS:
        table.lines.append((f"# {n} training rows are too few to say what is usual", ""))
        return table
    _missing(table, int(absent.sum()) - unreadable, n)
    if unreadable:
        share = 2 * unreadable / n
        if spec.kind is Kind.NUMERIC and _measured(present):
            share = max(share, 3 / n)
        why = f"{unreadable} of {n} training rows cannot be read as {spec.kind}"
        table.put("exceptions", rounded_up(min(1.0, share)), why)
    elif spec.kind is Kind.NUMERIC and listed and _measured(present):
        table.put("exceptions", rounded_up(min(1.0, 3 / n)), BEYOND)
    if len(present) and listed:
        _OF_KIND[spec.kind](table, present)
    elif spec.kind is Kind.IDENTIFIER and len(set(_texts(present))) == len(present):
        table.put("unique", True, f"each of {len(present)} training rows has its own; no value is written here")
    return table


def _measured(x: np.ndarray) -> bool:
    """Whether numbers have fractions: of counts not one is let pass, as a fraction among them is a fault by itself."""
    return bool((np.floor(x) != x).any())


def _means_nothing(key: str, kind: Kind) -> bool:
    return key in ("decimal", "thousands") and kind in (Kind.TEXT, Kind.DATETIME)


def _absent(kind: Kind, values: np.ndarray) -> np.ndarray:
    if kind is Kind.NUMERIC:
        return np.isnan(values)
    if kind is Kind.DATETIME:
        return values == MISSING_TIME
    return np.fromiter((value is None for value in values), bool, len(values))


def _missing(table: _Table, missing: int, n: int) -> None:
    if missing <= 0:
        share = 0.0 if n >= SURE_ROWS else rounded_up(3 / n)
        table.put(
            "missing_at_most",
            share,
            f"none of {n} training rows" + ("" if n >= SURE_ROWS else ": up to 3/n may be chance"),
        )
    elif missing < n:
        share = missing / n
        room = min(1.0, max(2 * share, share + 0.05) + 3 * sqrt(share * (1 - share) / n))
        table.put(
            "missing_at_most",
            min(1.0, rounded_up(room)),
            f"{share:.1%} of the training rows" if share >= 0.001 else f"{missing} of {n} training rows",
        )


def _numeric(table: _Table, x: np.ndarray) -> None:
    low, high = float(x.min()), float(x.max())
    whole = bool((np.floor(x) == x).all())
    least, most, why = _room(x, low, high)
    if whole:
        least, most = float(np.floor(least)), float(np.ceil(most))
    reach = f"training rows reach from {low:g} to {high:g}"
    for key, value, up, said in (
        ("at_least", least, False, f"{reach}{', none below 0' if least == 0 <= low else ''}"),
        ("at_most", most, True, why),
    ):
        if np.isfinite(value) and np.isfinite(bound := _short(value, up=up)):  # beyond all numbers there is no bound
            table.put(key, bound, said)
    if whole and len(np.unique(x)) > 1:
        table.put("whole", True, "all are whole numbers")


def _room(x: np.ndarray, low: float, high: float) -> tuple[float, float, str]:
    """Bounds with room, and why there is so much of it."""
    if low >= 0 and high <= 1 and (low == 0 and high == 1) and (np.floor(x) != x).any():
        return 0.0, 1.0, "shares of 0 to 1"
    first, middle, third = np.quantile(x, [0.25, 0.5, 0.75])
    spread = float(third - first) or float(np.std(x))
    width = high - low or abs(high) or 1.0
    up, why = _beyond(high - middle, spread, width, len(x))
    down, _ = _beyond(middle - low, spread, width, len(x))
    wall = low == 0 or bool((np.floor(x) == x).all()) or third - middle > SKEWED * (middle - first)
    least = max(0.0, low - down) if low >= 0 and wall else low - down
    most = min(0.0, high + up) if high <= 0 < -low else high + up
    return least, most, why


def _beyond(reach: float, spread: float, width: float, n: int) -> tuple[float, str]:
    """How far beyond the training rows the bound lies, by how heavy the tail is, and why."""
    if reach > HEAVY * spread:
        return 9 * width, "ten times as far: a few training rows lie far above the others"
    normal = sqrt(2 * log(max(n, 2))) / 1.35  # the largest of n normal numbers, in interquartile ranges
    if reach > LONGER * normal * spread:
        return 2 * width, "three times as far: some training rows lie well above the others"
    return width / 2, "and half as far again"


def _short(value: float, *, up: bool) -> float:
    """A number with three digits, no narrower than it was."""
    if value == 0:
        return 0.0
    unit = 10.0 ** (np.floor(np.log10(abs(value))) - 2)
    return float(f"{float((np.ceil if up else np.floor)(value / unit)) * float(unit):.3g}")


def _datetime(table: _Table, x: np.ndarray) -> None:
    low, high = int(x.min()), int(x.max())
    span = max(high - low, DAY)
    reach = f"training rows reach from {literal(Instant(low // DAY * DAY))} to {literal(Instant(high // DAY * DAY))}"
    table.put("at_least", Instant((low - span) // DAY * DAY), f"{reach}; once as far back again")
    table.suggest("newest_within", "30d", "refuse a file whose newest row is older")


def _codes(table: _Table, values: np.ndarray) -> None:
    found, counts = np.unique(_texts(values), return_counts=True)
    n = len(values)
    if len(found) > MAX_VALUES:
        _lengths(table, found)
        return
    order = np.lexsort((found, -counts))
    once = int((counts == 1).sum())
    unseen = rounded_up((2 * (once + 1) + 3 * sqrt(2 * (once + 1)) + 3) / n)
    table.put("values", [_label(found[i], found) for i in order], f"all that {n} training rows say")
    if once or n < SURE_ROWS or counts.min() < RARE:
        seen_once = (
            f"{once} of them in one row alone: as many rows may say something new"
            if once
            else "up to 3/n may be chance"
        )
        table.put("exceptions", min(1.0, unseen), seen_once)


def _label(text: str, found: np.ndarray) -> Any:
    """Numbers as numbers where all are, so that 1 and 1.0 stay the same; truth values likewise."""
    if set(found.tolist()) <= {"true", "false"}:
        return str(text) == "true"
    if not _all_numbers(tuple(found.tolist())):
        return str(text)
    number = float(text)
    return int(number) if number.is_integer() else number


def _all_numbers(texts: tuple[str, ...]) -> bool:
    return all(re.fullmatch(r"-?(0|[1-9]\d{0,14})(\.\d*[1-9])?", text) for text in texts)


def _identifier(table: _Table, values: np.ndarray) -> None:
    texts = _texts(values)
    if len(set(texts)) == len(texts):
        table.put("unique", True, f"each of {len(texts)} training rows has its own")
    _lengths(table, texts)
    forms = {re.sub(r"[0-9]+", "0", text) for text in texts.tolist()[:50_000]}
    if len(forms) == 1 and not texts[0].isdecimal():
        parts = [part for part in re.split(r"([0-9]+)", texts[0]) if part]
        pattern = "".join("[0-9]+" if part.isdecimal() else re.escape(part) for part in parts)
        table.put("pattern", pattern, "the form of every training row; counters may grow by a digit")


def _texts(values: np.ndarray) -> np.ndarray:
    """As texts, each with room of its own: one long value among a million is one long value."""
    texts = np.empty(len(values), dtype=object)
    texts[:] = [str(value) for value in values.tolist()]
    return texts


def _lengths(table: _Table, texts: np.ndarray) -> None:
    lengths = np.fromiter((len(text.strip()) for text in texts.tolist()), np.int64, len(texts))
    most = int(lengths.max())
    room = max(10, 10 * most if most > HEAVY * np.quantile(lengths, 0.75) else 2 * most)
    table.put("length_at_most", room, f"training rows have {int(lengths.min())} to {most} characters")


def _text(table: _Table, values: np.ndarray) -> None:
    _lengths(table, values.astype(object))


def _constant(table: _Table, values: np.ndarray) -> None:
    """What said one thing may say another one tomorrow: that is worth knowing, and is listed."""
    _codes(table, values)


_OF_KIND = {
    Kind.NUMERIC: _numeric,
    Kind.DATETIME: _datetime,
    Kind.BINARY: _codes,
    Kind.CATEGORICAL: _codes,
    Kind.IDENTIFIER: _identifier,
    Kind.TEXT: _text,
    Kind.CONSTANT: _constant,
}


def _target(target: TargetSpec, y: np.ndarray) -> _Table:
    table = _Table(("columns", target.name))
    if not target.task.is_classification:
        table.put("kind", str(Kind.NUMERIC))
        for key in ("missing", "decimal", "thousands"):
            value = getattr(target, key)
            if value and value != ".":
                table.put(key, list(value) if isinstance(value, tuple) else value)
        _missing(table, 0, len(y))
        if len(y) >= MIN_ROWS:
            if _measured(y):
                table.put("exceptions", rounded_up(3 / len(y)), BEYOND)
            _numeric(table, y)
        return table
    kind = Kind.BINARY if len(target.classes) == 2 else Kind.CATEGORICAL
    table.put("kind", str(kind), "the target")
    if target.missing:
        table.put("missing", list(target.missing))
    table.put("values", list(target.classes), "the classes; another would be left out")
    counts = np.bincount(y[y >= 0], minlength=len(target.classes))
    once = int((counts <= 1).sum())
    if once:
        table.put(
            "exceptions",
            rounded_up((2 * once + 3 * sqrt(2 * once) + 3) / max(1, len(y))),
            f"{once} classes have one training row or none",
        )
    return table


def _comparisons(columns: Sequence[ColumnSpec], frame: Frame | Mapping[str, np.ndarray]) -> Iterator[_Table]:
    """Pairs of instants, and of numbers whose names are a beginning and an end, that never change their order."""
    for left in columns:
        for right in columns:
            if left is right or left.kind is not right.kind or left.kind not in (Kind.NUMERIC, Kind.DATETIME):
                continue
            if left.kind is Kind.NUMERIC and not _are_ends(left.name, right.name):
                continue
            a, b = themselves(frame[left.name], left.origin), themselves(frame[right.name], right.origin)
            both = ~(_absent(left.kind, a) | _absent(right.kind, b))
            if both.sum() < SURE_ROWS or not (a[both] <= b[both]).all() or (a[both] == b[both]).all():
                continue
            if not _plain(left.name) or not _plain(right.name):
                continue
            table = _Table(("rules", f"{left.name} before {right.name}"))
            table.put(
                "that",
                f"{left.name} <= {right.name}",
                f"so it is in all of {int(both.sum())} training rows that have both",
            )
            yield table


def _plain(name: str) -> bool:
    """Whether a comparison can name the column: no sign of a comparison in it."""
    return not re.search(r"[<>=!]", name) and name == name.strip()


def _are_ends(left: str, right: str) -> bool:
    """
    >>> _are_ends("price_min", "price_max"), _are_ends("age", "income")
    (True, False)
    """
    if not _ENDS.search(left):
        return False
    return _ENDS.sub(lambda found: _OTHER_END[found["low"].lower()], left, count=1).lower() == right.lower()


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())

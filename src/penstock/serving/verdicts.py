"""Whether a condition is shown to hold, by figures that are known within intervals.

An estimate of a few requests lies beside the truth, so a limit is not compared with it but with the interval about it: a comparison
holds where all of the interval says so, does not hold where none of it does, and is *not clear yet* between the two. Nothing follows
from what is not clear. So a guard ends a release on evidence only, and a promotion has shown what its condition asks: with
``quality >= live - 0.01``, that the candidate is no worse than that (non-inferiority), not that it looked so at one moment.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from penstock.logic import Not
from penstock.serving.conditions import Comparison, Condition, Part, Sum, Value
from penstock.serving.sequences import Interval


class Figure(NamedTuple):
    """A figure as it was found, and the interval of what it may be in truth. NaN: not known."""

    value: float
    low: float
    high: float

    @classmethod
    def exactly(cls, value: float) -> Figure:
        """What was counted or agreed on."""
        return cls(value, value, value)

    @classmethod
    def within(cls, value: float, interval: Interval) -> Figure:
        """What was estimated."""
        return cls(value, *interval)

    def plus(self, other: Figure) -> Figure:
        return Figure(self.value + other.value, self.low + other.low, self.high + other.high)

    def times(self, other: Figure) -> Figure:
        ends = [0.0 if a == 0 or b == 0 else a * b for a in self[1:] for b in other[1:]]
        if any(map(math.isnan, ends)):
            return UNKNOWN
        return Figure(self.value * other.value, min(ends), max(ends))


UNKNOWN = Figure(math.nan, math.nan, math.nan)
Figures = Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What both arms showed.

    Attributes
    ----------
    candidate, live : by the names of `penstock.serving.conditions`.
    gaps : candidate minus live, where that is known better than from the two alone: both answered the same rows.
    """

    candidate: Figures
    live: Figures
    gaps: Figures = field(default_factory=dict)

    def with_alarms(self, alarms: int) -> Evidence:
        """With what the monitor said of the candidate's rows."""
        return replace(self, candidate={**self.candidate, "alarms": Figure.exactly(alarms)})


@dataclass(frozen=True, slots=True)
class Finding:
    """What one comparison showed.

    Attributes
    ----------
    left, right : both sides as they were found.
    margin : left minus right, with its interval.
    holds : None where that is not clear yet, or a figure is not known.
    so_far : whether it holds for the figures as they were found; None where they are not known.
    """

    text: str
    left: float
    right: float
    margin: Figure
    holds: bool | None
    so_far: bool | None = None

    @property
    def times_as_much(self) -> float | None:
        """About how many times as much traffic would make it clear if figures stay what they are; None where that cannot be said."""
        value, low, high = self.margin
        width = value - low if value > 0 else high - value
        if self.holds is not None or self.so_far is None or not value or not math.isfinite(width):
            return None
        return max(1.0, (width / value) ** 2)

    def __str__(self) -> str:
        """The comparison beside its figures, and what follows."""
        if math.isnan(self.margin.value):
            return f"{self.text}: not known yet"
        told = f"{self.text}: {self.left:.4g} against {self.right:.4g}"
        value, low, high = self.margin
        if (low, high) != (value, value):
            told += f", {value:+.3g} ({_end(low)} to {_end(high)})"
        if low == high:
            return f"{told}: {'yes' if self.holds else 'no'}"
        if self.holds is not None:
            return f"{told}: {'shown' if self.holds else 'shown that not'}"
        more = self.times_as_much
        needs = (
            ""
            if more is None or more > 1e4
            else f"; if it stays so, about {math.ceil(10 * more) / 10:.3g} times as many show it"
        )
        return f"{told}: not clear yet, so far {'yes' if self.so_far else 'no'}{needs}"

    def to_json(self) -> dict[str, Any]:
        numbers = (self.left, self.right, *self.margin)
        names = ("left", "right", "margin", "low", "high")
        plain = {name: number if math.isfinite(number) else None for name, number in zip(names, numbers, strict=True)}
        return {"comparison": self.text, **plain, "holds": self.holds, "times_as_much": self.times_as_much}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a condition holds (None: not clear yet), and what each of its comparisons showed."""

    holds: bool | None
    findings: tuple[Finding, ...]


def judge(condition: Condition, evidence: Evidence) -> Verdict:
    """Hold a condition against what both arms showed; a figure that is absent or NaN is unknown.

    >>> from penstock.serving.conditions import parse
    >>> errors = Figure(0.005, 0.001, 0.02)
    >>> judge(parse("errors < 3%"), Evidence({"errors": errors}, {})).holds
    True
    >>> judge(parse("errors < 1%"), Evidence({"errors": errors}, {})).holds is None
    True
    """
    findings: list[Finding] = []
    return Verdict(_holds(condition.root, evidence, findings), tuple(findings))


def shown(findings: Iterable[Finding]) -> str:
    """Why a condition holds, in words: its comparisons that do, and by how much at least."""
    return "; ".join(
        f"{one.text} ({one.left:.4g} against {one.right:.4g}"
        + (")" if one.margin.low == one.margin.high else f", apart by {_least(one.margin):.2g} or more)")
        for one in findings
        if one.holds
    )


def _end(of: float) -> str:
    return f"{of:+.3g}" if math.isfinite(of) else "?"


def _least(margin: Figure) -> float:
    return min(abs(margin.low), abs(margin.high))


def _holds(part: Part, evidence: Evidence, findings: list[Finding]) -> bool | None:
    """Kleene's logic of three values: what is unknown decides nothing, and what is decided without it stays so."""
    if isinstance(part, Comparison):
        found = _found(part, evidence)
        findings.append(found)
        return found.holds
    if isinstance(part, Not):
        inner = _holds(part.part, evidence, findings)
        return None if inner is None else not inner
    verdicts = [_holds(one, evidence, findings) for one in part.parts]
    decisive = part.how == "or"
    if decisive in verdicts:
        return decisive
    return None if None in verdicts else not decisive


def _found(one: Comparison, evidence: Evidence) -> Finding:
    left, right = (_total(_terms(side, 1), evidence, {}).value for side in (one.left, one.right))
    margin = _total([*_terms(one.left, 1), *_terms(one.right, -1)], evidence, evidence.gaps)
    if math.isnan(margin.value):
        return Finding(one.text, left, right, UNKNOWN, None)
    so_far = _decided(one.operator, Figure.exactly(margin.value))
    return Finding(one.text, left, right, margin, _decided(one.operator, margin), so_far)


def _decided(operator: str, margin: Figure) -> bool | None:
    _, low, high = margin
    if operator in ("=", "==", "!="):
        same = True if low == high == 0 else False if low > 0 or high < 0 else None
        return same if operator != "!=" or same is None else not same
    if operator in (">", ">="):
        low, high = -high, -low
    if operator in ("<", ">"):
        return True if high < 0 else False if low >= 0 else None
    return True if high <= 0 else False if low > 0 else None


Named = tuple[str, bool]
"""A figure, and whether it is that of the live version."""


def _terms(side: Sum, sign: int) -> list[tuple[float, tuple[Named, ...]]]:
    """Numbers, each times figures."""
    return [
        (sign * own * math.prod(v.number for v in product if not v.name), tuple(sorted(_named(product))))
        for own, product in side.products
    ]


def _named(product: Iterable[Value]) -> list[Named]:
    return [(value.name, value.of_live) for value in product if value.name]


def _total(terms: Iterable[tuple[float, tuple[Named, ...]]], evidence: Evidence, gaps: Figures) -> Figure:
    """The sum of terms. A figure that stands in several has one truth in all of them; one that stands against the same figure of the
    live version is their gap, where that is known."""
    factors: dict[tuple[Named, ...], float] = {}
    for factor, names in terms:
        factors[names] = factors.get(names, 0.0) + factor
    total = Figure.exactly(0.0)
    for names, factor in factors.items():
        total = total.plus(Figure.exactly(factor).times(_figure(names, factors, evidence, gaps)))
    return total


def _figure(
    names: tuple[Named, ...], factors: Mapping[tuple[Named, ...], float], evidence: Evidence, gaps: Figures
) -> Figure:
    if len(names) == 1:
        [(name, of_live)] = names
        if name in gaps and factors.get(((name, not of_live),)) == -factors[names]:
            return Figure.exactly(0.0) if of_live else gaps[name]
    product = Figure.exactly(1.0)
    for name, of_live in names:
        product = product.times((evidence.live if of_live else evidence.candidate).get(name, UNKNOWN))
    return product

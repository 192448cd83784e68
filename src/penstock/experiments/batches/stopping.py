"""When a trial is hopeless: rules on the metric that it logs while it runs, compared at equal steps.

A rule is told every value of every trial and may answer with a reason to stop that one. Steps are those that the script
logs; where it logs none, the values are counted. Both rules look at the *best* value so far, so that noise from one step
to the next condemns nobody, and neither stops a trial before `warm_up` of its values, or while too few others came so far.

What they cannot see: a trial that starts slowly and ends best. With `median` it must be in the better half of what the
others had reached at the same step, at every step after the warm-up.
"""

from __future__ import annotations

import math
import statistics
import threading
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Protocol, final

from penstock.errors import FlagError

RULES = ("median", "halving")
WARM_UP = 3
"""Values of a trial that are always waited for."""
WARM_UP_SHARE = 0.25
"""Of the values of the longest trial that ended by itself: so many are waited for, where that is more."""
FEWEST_OTHERS = 4
"""Other trials that must have come as far."""
DIVERGED_AFTER = 5
"""Values in a row that are no numbers (NaN or infinite)."""
FACTOR = 3
"""Of successive halving: one in so many goes on from each rung to the next, which is so many times as far."""


class StoppingRule(Protocol):
    """Told by the threads of all trials; safe for that."""

    def judge(self, trial: int, step: float | None, value: float) -> str | None:
        """Take in one value of a running trial; a text is the reason to stop it now."""
        ...

    def ended(self, trial: int) -> None:
        """A trial has ended by itself: its length tells how long trials are."""
        ...


def make_rule(name: str, *, maximise: bool) -> StoppingRule:
    """
    Raises
    ------
    FlagError : there is no such rule.
    """
    if name == "median":
        return MedianRule(maximise=maximise)
    if name == "halving":
        return SuccessiveHalving(maximise=maximise)
    raise FlagError(
        f"there is no rule {name!r} to stop trials early",
        why=f"known are: {', '.join(RULES)}",
        way_out="write --stop-early median, which suits most scripts",
    )


@dataclass
class _Curve:
    """What one trial has logged: its best value so far, smaller being better. Only improvements are kept."""

    steps: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    last: float = -math.inf
    """The step that it has reached."""
    count: int = 0
    lost: int = 0
    """Values in a row, at the end, that are no numbers."""

    @property
    def best(self) -> float:
        return self.values[-1]

    def add(self, step: float | None, value: float) -> float:
        """Take in a value; gives the step that the trial has reached."""
        self.count += 1
        at = float(self.count) if step is None or not math.isfinite(step) else float(step)
        self.last = max(self.last, at)  # steps that go back, as when a script counts anew, are taken as none
        finite = math.isfinite(value)
        self.lost = 0 if finite else self.lost + 1
        known = value if finite else math.inf
        if not self.values or known < self.best:
            if self.steps and self.steps[-1] == self.last:
                self.values[-1] = known
            else:
                self.steps.append(self.last)
                self.values.append(known)
        return self.last

    def best_at(self, step: float) -> float | None:
        """The best value up to a step; None where the trial did not come so far."""
        place = bisect_right(self.steps, step)
        return self.values[place - 1] if place and self.last >= step else None


@final
class MedianRule:
    """Stops a trial whose best value is worse than the median of what the others had reached at the same step.

    The others are all that came as far, those that were stopped later included. Source: Golovin et al. (2017), Google
    Vizier, section 3.2.2, with the best instead of the running mean, as Optuna does.
    """

    def __init__(self, *, maximise: bool, warm_up: int = WARM_UP, fewest_others: int = FEWEST_OTHERS) -> None:
        self._sign = -1.0 if maximise else 1.0
        self._warm_up, self._fewest = warm_up, fewest_others
        self._curves: dict[int, _Curve] = {}
        self._longest = 0
        self._lock = threading.Lock()

    def judge(self, trial: int, step: float | None, value: float) -> str | None:
        with self._lock:
            curve = self._curves.setdefault(trial, _Curve())
            at = curve.add(step, value * self._sign)
            if curve.lost >= DIVERGED_AFTER:
                return _diverged(curve, at)
            if curve.count < max(self._warm_up, math.ceil(WARM_UP_SHARE * self._longest)):
                return None
            others = [
                best
                for number, other in self._curves.items()
                if number != trial and (best := other.best_at(at)) is not None
            ]
            if len(others) < self._fewest:
                return None
            median = statistics.median(others)
            if curve.best <= median:
                return None
            return (
                f"at step {at:g} its best is {curve.best * self._sign:.4g}, and the median of {len(others)} others "
                f"was {median * self._sign:.4g}"
            )

    def ended(self, trial: int) -> None:
        with self._lock:
            if trial in self._curves:
                self._longest = max(self._longest, self._curves[trial].count)


@final
class SuccessiveHalving:
    """Stops a trial that is not among the best third of those that reached the same rung: 3, 9, 27, 81 ... values.

    Harsher than the median where trials are long, and blind between rungs. Source: Li et al. (2020), A System for
    Massively Parallel Hyperparameter Tuning (ASHA), in the variant that stops instead of pausing.
    """

    def __init__(self, *, maximise: bool, first: int = WARM_UP, factor: int = FACTOR) -> None:
        self._sign = -1.0 if maximise else 1.0
        self._first, self._factor = first, factor
        self._curves: dict[int, _Curve] = {}
        self._rungs: dict[int, list[float]] = {}
        self._lock = threading.Lock()

    def judge(self, trial: int, step: float | None, value: float) -> str | None:
        with self._lock:
            curve = self._curves.setdefault(trial, _Curve())
            at = curve.add(step, value * self._sign)
            if curve.lost >= DIVERGED_AFTER:
                return _diverged(curve, at)
            if not self._is_rung(curve.count):
                return None
            rung = self._rungs.setdefault(curve.count, [])
            rung.append(curve.best)
            if len(rung) < self._factor:
                return None
            allowed = sorted(rung)[len(rung) // self._factor - 1]
            if curve.best <= allowed:
                return None
            return (
                f"after {curve.count} values its best is {curve.best * self._sign:.4g}, and the best "
                f"{len(rung) // self._factor} of {len(rung)} trials had {allowed * self._sign:.4g} by then"
            )

    def ended(self, trial: int) -> None:
        """How long trials are does not matter to the rungs."""

    def _is_rung(self, count: int) -> bool:
        rung = self._first
        while rung < count:
            rung *= self._factor
        return rung == count


def _diverged(curve: _Curve, at: float) -> str:
    return f"at step {at:g} the last {curve.lost} values are no numbers (NaN or infinite)"

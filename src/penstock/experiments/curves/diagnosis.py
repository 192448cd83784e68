"""What training curves say, each with its reason and its figures.

Every series is cut into at most 24 blocks of equal length, and their means are compared; the noise of a mean is taken from
how the blocks of the calmer part scatter about a line through their neighbours, which sees noise that hangs together over
steps too. A finding needs a change beyond that noise and a steady direction (Mann and Kendall's test), so that a noisy curve
is not taken for a rising one. False alarms and what is missed were counted on made curves: tests/experiments/curves/test_diagnosis.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import final

from penstock.experiments.curves.curves import Curve, Point
from penstock.experiments.curves.findings import ORDER, Finding
from penstock.experiments.curves.gradients import gradients
from penstock.experiments.curves.noise import BLOCKS, blocks, noise_of, steadiness
from penstock.experiments.curves.series_names import direction, is_gradient, pairs_of
from penstock.experiments.sheets import took

FEWEST = 5
"""Points below which a curve is not judged."""
SURE = 8
"""Blocks below which the noise of a curve is not known well enough to hide a slope in it."""
RISE = 4.5  # of the noise of a block: the least of 24 means alone lies 2 below the level
SURE_RISE = 6.5  # where nothing else speaks for it
STEADY = 1.5  # Mann and Kendall's z: three blocks in a row reach 1.57
CLEAR = 3.0


def diagnose(curves: Mapping[str, Curve], *, finished: bool = True) -> list[Finding]:
    """All findings, the gravest first.

    Parameters
    ----------
    finished : whether the run has ended; of one that goes on nothing is said about its end.
    """
    found = [finding for curve in curves.values() for finding in _not_finite(curve)]
    for pair in pairs_of(curves):
        train = _trend(curves, pair.train)
        valid = _trend(curves, pair.valid)
        found += _of_pair(train, valid, finished=finished)
    found += gradients([c for name, c in curves.items() if is_gradient(name)])
    return sorted(found, key=lambda f: ORDER.index(f.kind))


@final
class Trend:
    """A series in blocks, turned so that less is better."""

    def __init__(self, curve: Curve, sign: int) -> None:
        self.name, self.sign = curve.name, sign
        self.points = curve.points
        self.blocks = blocks(self.points)
        self.level = [b.value * sign for b in self.blocks]
        self.noise = noise_of(self.level, self.points, sign)
        self.best = min(range(len(self.level)), key=self.level.__getitem__)
        tail = max(1, len(self.level) // 8)
        self.end = sum(self.level[-tail:]) / tail

    @property
    def start(self) -> float:
        return self.level[0]

    @property
    def progress(self) -> float:
        """From the first block to the best."""
        return self.start - self.level[self.best]

    def shown(self, level: float) -> str:
        return f"{level * self.sign:.4g}"

    def after(self, step: float) -> float:
        """The level at a step."""
        return next((v for b, v in zip(self.blocks, self.level, strict=True) if b.step >= step), self.end)


def _trend(curves: Mapping[str, Curve], name: str | None) -> Trend | None:
    if name is None or len(curves[name].points) < FEWEST:
        return None
    return Trend(curves[name], -direction(name))


def _of_pair(train: Trend | None, valid: Trend | None, *, finished: bool) -> Iterable[Finding]:
    learning = train or valid
    if learning is None:
        return
    if (finding := _diverging(learning)) is not None:
        yield finding
        return
    if valid is not None and train is not None and (finding := _overfitting(train, valid)) is not None:
        yield finding
        return
    if valid is not None and train is not None and (finding := _diverging(valid)) is not None:
        yield finding
        return
    if not finished:
        return
    judged = valid or learning
    if (finding := _no_progress(learning)) is not None:
        yield finding
        return
    if (finding := _unfinished(learning)) is not None and _still_useful(learning, valid):
        yield finding
        return
    yield from _stairs(learning)
    if train is not None and valid is not None and (finding := _hardly_learned(train, valid)) is not None:
        yield finding
    if (finding := _converged(judged)) is not None:
        yield finding


def _not_finite(curve: Curve) -> Iterable[Finding]:
    if not curve.not_finite:
        return
    step = curve.first_bad_step
    end = "and it ended so" if curve.ends_bad else "and it came back"
    yield Finding(
        "not-finite",
        curve.name,
        f"{curve.name} was NaN or infinite in {curve.not_finite} of {curve.count} values, first at step {step:g}, {end}",
        step,
        None,
        {"not_finite": curve.not_finite, "count": curve.count},
    )


def _rise(trend: Trend) -> float | None:
    """By how much a series has risen above its best for good; None where it has not."""
    after = trend.level[trend.best :]
    if len(after) < 4 or steadiness(after) < STEADY:
        return None
    rise = trend.end - trend.level[trend.best]
    return rise if rise > RISE * trend.noise else None


def _diverging(trend: Trend) -> Finding | None:
    rise = _rise(trend)
    worse = rise is not None and trend.end > trend.start + CLEAR * trend.noise
    lost = rise is not None and trend.progress > 0 and rise > 0.5 * trend.progress
    if rise is None or not (worse or lost) or rise < 0.02 * abs(trend.level[trend.best]):
        return None
    best = trend.blocks[trend.best]
    said = (
        f"worse than at the start ({trend.shown(trend.start)})"
        if worse
        else "more than half of what was gained is lost"
    )
    return Finding(
        "diverging",
        trend.name,
        f"{trend.name} was best at step {best.step:g} ({trend.shown(trend.level[trend.best])}) and is {trend.shown(trend.end)} "
        f"at the end: {said}",
        best.step,
        best.elapsed_s,
        {"best": trend.level[trend.best] * trend.sign, "end": trend.end * trend.sign, "noise": trend.noise},
    )


def _overfitting(train: Trend, valid: Trend) -> Finding | None:
    rise = _rise(valid)
    if rise is None or rise < 0.05 * abs(valid.progress) or rise < 0.005 * abs(valid.level[valid.best]):
        return None
    best = valid.blocks[valid.best]
    then = train.after(best.step)
    if train.end > then + CLEAR * train.noise:  # both rise: that is another fault
        return None
    went_on = train.end < then - CLEAR * train.noise / 2
    if not went_on and rise < SURE_RISE * valid.noise:
        return None
    meanwhile = (
        f"went on from {train.shown(then)} to {train.shown(train.end)}" if went_on else f"stayed at {train.shown(then)}"
    )
    return Finding(
        "overfitting",
        valid.name,
        f"{valid.name} was best at step {best.step:g} ({valid.shown(valid.level[valid.best])}) and is "
        f"{valid.shown(valid.end)} at the end, while {train.name} {meanwhile}",
        best.step,
        best.elapsed_s,
        {
            "best": valid.level[valid.best] * valid.sign,
            "end": valid.end * valid.sign,
            "train_then": then * train.sign,
            "train_end": train.end * train.sign,
            "noise": valid.noise,
        },
    )


def _no_progress(trend: Trend) -> Finding | None:
    """Nothing was learned: neither a clear change from start to end, nor a steady direction."""
    n = len(trend.level)
    if n < SURE:
        return None
    third = n // 3
    gained = sum(trend.level[:third]) / third - sum(trend.level[-third:]) / third
    if abs(gained) > CLEAR * trend.noise * math.sqrt(2 / third) or abs(steadiness(trend.level)) > 2.5:
        return None
    spread = max(p.high for p in trend.blocks) - min(p.low for p in trend.blocks)
    middle = sum(trend.level) / n
    if trend.noise == 0.0 and spread > 0:
        return None
    return Finding(
        "plateau",
        trend.name,
        f"{trend.name} has not moved since the start: it stays at {trend.shown(middle)}, within its noise",
        trend.points[0].step,
        trend.points[0].elapsed_s,
        {"level": middle * trend.sign, "noise": trend.noise},
    )


def _unfinished(trend: Trend) -> Finding | None:
    """The last quarter still brought a good part of all progress."""
    n = len(trend.level)
    if n < SURE:
        return None
    at = n - n // 4
    last = trend.level[at - 1 :]
    gained = trend.level[at - 1] - trend.end
    if trend.progress <= 0 or gained < max(0.05 * trend.progress, CLEAR * trend.noise) or steadiness(last) > -STEADY:
        return None
    share = gained / trend.progress
    return Finding(
        "underfitting",
        trend.name,
        f"it ended too early: the last quarter of the steps still brought {share:.0%} of all progress of {trend.name} "
        f"(from {trend.shown(trend.level[at - 1])} to {trend.shown(trend.end)})",
        trend.blocks[at - 1].step,
        trend.blocks[at - 1].elapsed_s,
        {"share": share, "noise": trend.noise},
    )


def _still_useful(train: Trend, valid: Trend | None) -> bool:
    """Whether going on would help: the validation series, where there is one, went on too."""
    return valid is None or valid is train or _unfinished(valid) is not None


def _hardly_learned(train: Trend, valid: Trend) -> Finding | None:
    """Both series are flat, close together, and hardly below where they began. Losses only: they have a zero."""
    positive = train.sign == 1 and train.start > 0 and min(train.level) > 0 and valid.end > 0
    if not positive or train.progress > 0.1 * train.start or _converged(train) is None:
        return None
    gap = abs(valid.end - train.end) / train.end
    if gap > 0.1:
        return None
    return Finding(
        "underfitting",
        train.name,
        f"{train.name} fell by {train.progress / train.start:.0%} only, from {train.shown(train.start)} to "
        f"{train.shown(train.end)}, and {valid.name} is no further away than {gap:.0%}: a larger model, better features or "
        "another learning rate may help, unless the first value was that of a trained model",
        None,
        None,
        {"fell": train.progress / train.start, "gap": gap},
    )


def _stairs(trend: Trend) -> Iterable[Finding]:
    """A flat stretch of a quarter of the steps or more, with clear progress before and behind it."""
    n = len(trend.level)
    if n < 12 or trend.progress <= 0:
        return
    flat = max(0.02 * trend.progress, 2 * CLEAR * trend.noise)
    longest = (0, 0)
    for first in range(1, n):
        low = high = trend.level[first]
        for last in range(first, n):
            low, high = min(low, trend.level[last]), max(high, trend.level[last])
            if high - low > flat:
                break
            if last - first > longest[1] - longest[0]:
                longest = (first, last)
    first, last = longest
    level = sum(trend.level[first : last + 1]) / (last - first + 1)
    before, behind = trend.start - level, level - trend.end
    clear = max(0.15 * trend.progress, 2 * flat)
    if last - first + 1 < n / 4 or behind < clear or before < -flat:
        return
    began, ended = trend.blocks[first], trend.blocks[last]
    yield Finding(
        "plateau",
        trend.name,
        f"{trend.name} stood at {trend.shown(level)} from step {began.step:g} to {ended.step:g} and went on to "
        f"{trend.shown(trend.end)} afterwards",
        began.step,
        began.elapsed_s,
        {"level": level * trend.sign, "until": ended.step},
    )


def _converged(trend: Trend) -> Finding | None:
    """Since when the series stays where it ended."""
    n = len(trend.level)
    near = 0.02 * trend.progress
    if n >= SURE:  # of fewer, a slope cannot be told from noise
        near = max(near, CLEAR * trend.noise)
    if n < FEWEST or trend.progress < 2 * near:
        return None
    since = n
    while since > 0 and abs(trend.level[since - 1] - trend.end) <= near:
        since -= 1
    if n - since < max(3, n // 5) or since == 0:
        return None
    later = trend.level[since + (n - since) // 3 :]
    if near > 0.02 * trend.progress and steadiness(later) < -2.0:  # a slope may hide in so much noise
        return None
    point = _first_near(trend, trend.blocks[since - 1].step, near)
    rest = 1 - _share_of_steps(trend, point)
    within = "its noise" if near > 0.02 * trend.progress else "2 % of all its progress"
    return Finding(
        "converged",
        trend.name,
        f"{trend.name} stays at {trend.shown(trend.end)}, to within {within}, since step {point.step:g} "
        f"({took(point.elapsed_s)}): the last {rest:.0%} of the run brought no more",
        point.step,
        point.elapsed_s,
        {"level": trend.end * trend.sign, "rest": rest},
    )


def _first_near(trend: Trend, after: float, near: float) -> Point:
    """The first point, from the block before on, whose neighbourhood is near the end."""
    wide = max(1, len(trend.points) // (2 * BLOCKS))
    for i, point in enumerate(trend.points):
        part = trend.points[i : i + wide]
        if point.step >= after and abs(sum(p.value for p in part) / len(part) * trend.sign - trend.end) <= near:
            return point
    return trend.points[-1]


def _share_of_steps(trend: Trend, point: Point) -> float:
    first, last = trend.points[0].step, trend.points[-1].step
    return (point.step - first) / (last - first) if last > first else 1.0

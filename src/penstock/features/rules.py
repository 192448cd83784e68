"""What is suggested for a column of a kind, and why: each rule is a figure of the training rows and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from penstock.bundle.frame import Frame
from penstock.bundle.images import is_image_url
from penstock.bundle.kinds import MISSING_TIME, Kind, Task
from penstock.features.column_facts import MOST_VALUES, Facts
from penstock.features.embedding import PACKAGE
from penstock.features.held_out import LEAST_ROWS, is_better, losses
from penstock.features.number_forms import MOST_ROWS, NumberForm

IMAGE_SIDE = 16
"""Pixels of an image as the model sees it, on each side."""
MANY_VALUES = 50
"""Values from which the rare ones of a categorical column are put together."""
MOST_RARE = 0.2
"""Share of the rows in rare values up to which these are put together: beyond it they are most of what the column says."""
HASHED_VALUES = 10_000
"""Values from which a graph does not list them."""
BUCKETS = 4_096
ENCODED_CLASSES = 5
"""Classes up to which a value is told by their shares in it: there is an output for each."""
SHORT_TEXT = 1.2
"""Words on average below which a text is read by its characters."""
CYCLES = {"month": 12, "weekday": 7, "hour": 24}


@dataclass(frozen=True)
class Treatment:
    """What is done to a column.

    Attributes
    ----------
    steps : expressions with ``{}`` in the place of the column, one output line each.
    why : of this column, with the figure that decided.
    lines : why, of all columns with the same step, one for each of `steps`.
    group : what columns with these steps are called together.
    """

    steps: tuple[str, ...]
    why: str
    lines: tuple[str, ...]
    group: str


def treatment(fact: Facts, frame: Frame, y: np.ndarray | None, task: Task, form: NumberForm | None) -> Treatment:
    """What the rules say of a column that is used; `form` of one of numbers, which was held against the others'."""
    if form is not None:
        return _of_numbers(fact, form)
    if fact.kind is Kind.DATETIME:
        return _of_instants(frame[fact.name], y, task)
    if fact.kind is Kind.TEXT:
        return _of_images() if are_images(frame, fact.name) else _of_texts(fact, len(frame))
    return _of_categories(fact, len(frame), y, task)


def _of_numbers(fact: Facts, form: NumberForm) -> Treatment:
    why = f"numeric, {fact.distinct:,} values" + (f"; {form.why}" if form.why else "")
    if fact.names_of is not None:
        why += f"; its values go one to one with those of {fact.names_of!r}, but trees need their order"
    said = {
        "{}": "numbers as they are: trees split them anywhere, a linear model brings them to one scale",
        "log({})": "skewed to the right: the logarithm tells a linear model more, and trees see no difference",
        "power({})": "skewed: a power that evens them out tells a linear model more, and trees see no difference",
    }
    lines = tuple(
        said.get(step)
        or (
            "mostly 0: also whether it is above 0"
            if "by=value" in step
            else "a few extremes rule the scale: they are pulled in"
        )
        for step in form.steps
    )
    names = {"log": "skewed", "power": "bent", "clamp": "extreme", "{}": "numeric_columns"}
    first = form.steps[0].partition("(")[0]
    return Treatment(form.steps, why, lines, names[first] if len(form.steps) == 1 else "mostly_zero")


def _of_categories(fact: Facts, n_rows: int, y: np.ndarray | None, task: Task) -> Treatment:
    why, rare = f"{fact.kind}, {fact.distinct:,} values", 1 - fact.frequent
    if fact.kind is not Kind.CATEGORICAL or fact.distinct <= MANY_VALUES:
        line = "few values: a linear model gets one column of 0 and 1 for each, trees their numbers by frequency"
        return Treatment(("{}",), f"{why}: few enough for a column each", (line,), f"{fact.kind}_columns")
    least = least_rows(n_rows, 0.002)
    n_classes = int(y.max()) + 1 if y is not None and task.is_classification and len(y) else 1
    if rare <= MOST_RARE or n_classes > ENCODED_CLASSES:
        return Treatment(
            (f"one_hot({{}}, min_frequency={least}, max_categories={MOST_VALUES})",),
            f"{why}: the frequent ones one by one, the rare ones together ({rare:.0%} of the rows)",
            (
                f"many values, of which those in at least {least} rows hold nearly all rows: one by one, the others together",
            ),
            "many_values",
        )
    why += (
        f", {rare:.0%} of the rows in rare ones (fewer than {least} rows, or not among the {MOST_VALUES} most frequent)"
    )
    if y is None:
        return Treatment(
            ("counts({}, scale=log)",),
            f"{why}: by how often they occur",
            ("too many rare values: how often each occurs",),
            "many_values",
        )
    line = "too many rare values: what the target is on average in the rows of a value, learned from the other rows"
    if fact.distinct > HASHED_VALUES:
        why += f"; too many to list, so that they share {BUCKETS:,} buckets"
        return Treatment(
            (f"target_encode(hash({{}}, {BUCKETS}))",), why, (f"{line}, in {BUCKETS:,} buckets",), "very_many_values"
        )
    return Treatment(("target_encode({})",), why, (line,), "many_values")


def _of_texts(fact: Facts, n_rows: int) -> Treatment:
    why = f"text, {fact.words:.0f} words on average"
    least = least_rows(n_rows, 0.005 if fact.words < 8 else 0.0)
    also = ""
    if find_spec("tokenizers") is not None and find_spec(PACKAGE) is not None:
        also = "; embed({}) would also tell what they mean, at some milliseconds a text"
    if fact.words < SHORT_TEXT:
        why += f": by their characters, three together, of those in at least {least} rows{also}"
        line = "short texts, hardly two the same: groups of characters, weighed by how rare they are"
        return Treatment((f"tfidf(characters(lowercase({{}})), n=3, min_df={least})",), why, (line,), "short_texts")
    why += f": words and pairs of words, weighed by how rare they are, of those in at least {least} rows{also}"
    line = "words and pairs of words, weighed by how rare they are: what is in every text tells nothing"
    return Treatment((f"tfidf({{}}, n=2, min_df={least})",), why, (line,), "text_columns")


def _of_images() -> Treatment:
    why = f"images, by their pixels: {IMAGE_SIDE} x {IMAGE_SIDE} of them, in grey"
    return Treatment((f"pixels({{}}, {IMAGE_SIDE}, {IMAGE_SIDE})",), why, (why,), "image_columns")


def _of_instants(times: np.ndarray, y: np.ndarray | None, task: Task) -> Treatment:
    """By the parts in which the rows differ; as cycles too where the turn from the last to the first tells something."""
    parts = parts_of(times)
    differing = [part for part, values in parts.items() if len(np.unique(values)) > 1] or ["year"]
    round_ = _turning(times, {part: parts[part] for part in differing if part in CYCLES}, y, task)
    plain = [part for part in differing if part not in round_]
    why = f"datetime, by the parts that differ: {', '.join(differing)}"
    steps, lines = [], []
    if plain:
        steps.append(f"date_parts({{}}, '{' '.join(plain)}')")
        lines.append("instants, by the parts in which the rows differ")
    if round_:
        steps.append(f"date_parts({{}}, '{' '.join(round_)}', cycles=true)")
        lines.append("parts that come round and tell more so: their sine and cosine put the last beside the first")
        told = ", ".join(f"{part} ({new:.4f} for {old:.4f})" for part, (new, old) in round_.items())
        why += f"; as a cycle, too, which lowers the held-out loss of a linear model: {told}"
    return Treatment(tuple(steps), why, tuple(lines), "datetime_columns")


def _turning(
    times: np.ndarray, parts: dict[str, np.ndarray], y: np.ndarray | None, task: Task
) -> dict[str, tuple[float, float]]:
    """The parts whose cycle tells a linear model more than their number: its loss with the cycle, and without."""
    chosen = np.random.default_rng(0).permutation(len(times))[: 2 * MOST_ROWS]
    chosen = chosen[times[chosen] != MISSING_TIME][:MOST_ROWS]
    if y is None or len(chosen) < LEAST_ROWS:
        return {}
    place = np.cumsum(times != MISSING_TIME)[chosen] - 1
    found = {}
    for part, values in parts.items():
        number = values[place].astype(np.float64)
        angle = 2 * np.pi * number / CYCLES[part]
        without = losses(number[:, None], y[chosen], task)
        with_cycle = losses(np.column_stack([number, np.sin(angle), np.cos(angle)]), y[chosen], task)
        if is_better(with_cycle, without):
            found[part] = (float(with_cycle.mean()), float(without.mean()))
    return found


def parts_of(times: np.ndarray) -> dict[str, np.ndarray]:
    """Parts of the instants that are known, whole numbers."""
    known = times[times != MISSING_TIME].view("datetime64[us]")
    dates = known.astype("datetime64[D]")
    months = known.astype("datetime64[M]")
    return {
        "year": known.astype("datetime64[Y]").astype(np.int64),
        "month": months.astype(np.int64) % 12,
        "day": (dates - months).astype(np.int64),
        "weekday": dates.astype(np.int64) % 7,
        "hour": known.astype("datetime64[h]").astype(np.int64) % 24,
    }


def are_images(frame: Frame, name: str) -> bool:
    """Whether a text column holds images, by its first values."""
    values = [value for value in frame[name][:100].tolist() if value is not None]
    return bool(values) and all(map(is_image_url, values))


def least_rows(n_rows: int, share: float) -> int:
    """Rows in which something must occur: a share of all, at least 3, at most 50."""
    return min(50, max(3, round(share * n_rows)))

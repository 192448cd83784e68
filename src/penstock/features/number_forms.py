"""In which form a column of numbers suits a linear model, told by what it says of the target; trees see no difference in most."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from penstock.bundle.kinds import Task
from penstock.bundle.packing import FLOAT32_MAX
from penstock.features.held_out import LEAST_ROWS, is_better, losses

Change = Callable[[np.ndarray], np.ndarray]

SKEWED = 2.0
"""Skewness from which another form is tried."""
FAR = 10.0
"""Standard deviations from the mean from which the outermost values are tried without."""
OUTER = 0.001
"""Share of rows that is pulled in on each side where extremes rule a column."""
MANY_ZEROS = 0.3
FURTHER_ROWS = 2_000
"""Rows below which no further column is made of one: among few rows it costs more than it tells."""
MOST_TOGETHER = 100
"""Columns of a table up to which forms are also held against one another."""
TOGETHER_WORTH = 0.001
"""Share of the loss of all columns together that one of them must save."""
AS_IT_IS_SAID = "as it is: "
NO_DIFFERENCE = "; trees see no difference"
MOST_ROWS = 10_000
"""Rows, drawn at random, on which forms are compared."""


@dataclass(frozen=True)
class NumberForm:
    """What is done to a column of numbers, and why.

    Attributes
    ----------
    steps : expressions with ``{}`` in the place of the column; ("{}",) leaves it as it is.
    why : with the figure that decided; "" where there was nothing to decide.
    change : what the steps make of values, shape (n,) to (n, len(steps)); None for the column as it is.
    """

    steps: tuple[str, ...] = ("{}",)
    why: str = ""
    change: Change | None = field(default=None, compare=False, repr=False)


AS_IT_IS = NumberForm()


def forms_of(columns: Mapping[str, np.ndarray], y: np.ndarray | None, task: Task) -> dict[str, NumberForm]:
    """The form of each column of a table, by name.

    Each is chosen by itself first. What then tells a linear model of all columns together no more than the column as it is, is
    taken back: two columns may tell the same, and one of them in its own form may be what the other lacks.
    """
    from penstock.data.digits import offset_of

    forms = {
        name: NumberForm(why=f"{AS_IT_IS_SAID}it differs little for its size")
        if offset_of(values)
        else form_of(values, y, task)
        for name, values in columns.items()
    }
    changed = [name for name, form in forms.items() if form.change is not None]
    if y is None or not changed or len(columns) > MOST_TOGETHER or len(y) < LEAST_ROWS:
        return forms
    chosen = np.random.default_rng(1).permutation(len(y))[:MOST_ROWS]
    target = y[chosen]
    design = {name: _together(values[chosen]) for name, values in columns.items()}
    parts = {name: values[:, None] for name, values in design.items()}
    for name in changed:
        change = forms[name].change
        assert change is not None
        parts[name] = change(design[name])
    with_it = losses(np.column_stack(list(parts.values())), target, task)
    for name in changed:
        others = [design[n] if n == name else part for n, part in parts.items()]
        without = losses(np.column_stack(others), target, task)
        if not is_better(with_it, without, worth=TOGETHER_WORTH):
            told = f"but beside the other columns that is no sure gain ({with_it.mean():.4f}, {without.mean():.4f} without)"
            why = forms[name].why.removeprefix(AS_IT_IS_SAID).replace(NO_DIFFERENCE, "")
            forms[name] = NumberForm(why=f"{AS_IT_IS_SAID}{why}, {told}")
            parts[name], with_it = design[name][:, None], without
    return forms


def _together(values: np.ndarray) -> np.ndarray:
    """A column without gaps, within float32."""
    known = values[np.isfinite(values)]
    middle = float(np.median(known)) if len(known) else 0.0
    return np.clip(np.where(np.isnan(values), middle, values), -FLOAT32_MAX, FLOAT32_MAX)


def form_of(values: np.ndarray, y: np.ndarray | None, task: Task) -> NumberForm:
    """The form of a column.

    Parameters
    ----------
    values : training rows, float64, NaN where missing. y : their target; None where there is none: the shape alone decides then.
    """
    chosen = np.random.default_rng(0).permutation(len(values))[: 2 * MOST_ROWS]
    chosen = chosen[np.isfinite(values[chosen])][:MOST_ROWS]
    if len(chosen) < LEAST_ROWS:
        return AS_IT_IS
    seen = np.clip(values[chosen], -FLOAT32_MAX, FLOAT32_MAX)  # as the graph sees them; cubes of these are finite
    if len(np.unique(seen)) < 3:
        return AS_IT_IS
    skewed = skewness(seen)
    (shape, other), above_zero = _other(seen, skewed), _above_zero(seen)
    usual = f"{AS_IT_IS_SAID}{shape}"
    if (other is None and above_zero is None) or y is None:
        return NumberForm(why=usual) if other is None else NumberForm((other.step,), shape)
    target = y[chosen]
    form = NumberForm(why="" if other is not None else usual)
    as_it_is = best = losses(seen[:, None], target, task)
    if other is not None:
        losses_of_it = losses(other.change(seen), target, task)
        told = f"held-out loss of a linear model of it alone {losses_of_it.mean():.4f}, as it is {as_it_is.mean():.4f}"
        if is_better(losses_of_it, as_it_is):
            form, best = NumberForm((other.step,), f"{shape}: {told}{NO_DIFFERENCE}", other.change), losses_of_it
        else:
            form = NumberForm(why=f"{AS_IT_IS_SAID}{shape}, but that is no sure gain ({told})")
    if above_zero is None or len(target) < FURTHER_ROWS:
        return form
    least, zeros = above_zero
    beside = _with_flag(form.change or _alone, least)
    more = losses(beside(seen), target, task)
    if not is_better(more, best):
        return form
    told = f"{zeros:.0%} of the rows are 0: whether it is above 0 tells more ({more.mean():.4f} for {best.mean():.4f})"
    return NumberForm((*form.steps, f"clamp({{}}, 0, {np.float32(least)!s}, by=value)"), f"{form.why}; {told}", beside)


def _alone(values: np.ndarray) -> np.ndarray:
    return values[:, None]


def _with_flag(change: Change, least: float) -> Change:
    return lambda values: np.column_stack([change(values), np.minimum(values, least)])


@dataclass(frozen=True)
class _Other:
    step: str
    change: Change


def _other(values: np.ndarray, skewed: float) -> tuple[str, _Other | None]:
    """The shape of a column in words, and the form to try for it: a logarithm, a power, or without its extremes."""
    if abs(skewed) >= SKEWED:
        straight = skewness(np.log1p(np.abs(values)))
        if values.min() >= 0 and abs(straight) <= abs(skewed) / 2:
            shape = f"skewness {skewed:.1f}, {straight:.1f} as a logarithm"
            return shape, _Other("log({})", lambda x: np.log1p(np.maximum(x, 0))[:, None])
        from penstock.features.steps.power import likeliest_power, yeo_johnson

        power = likeliest_power(values)
        changed = yeo_johnson(values, power)
        if np.isfinite(changed).all() and abs(skewness(changed)) <= abs(skewed) / 2:
            least, most = values.min(), values.max()
            shape = f"skewness {skewed:.1f}, {skewness(changed):.1f} as a power"
            return shape, _Other("power({})", lambda x: yeo_johnson(np.clip(x, least, most), power)[:, None])
    spread = values.std()
    far = np.abs(values - values.mean()).max() / spread if spread > 0 else 0.0
    if far < FAR:
        return f"skewness {skewed:.1f}, nothing beyond {FAR:.0f} standard deviations", None
    low, high = np.quantile(values, [OUTER, 1 - OUTER])
    shape = f"values up to {far:.0f} standard deviations away"
    if high == low:
        return (
            f"skewness {skewed:.1f}, {shape}, but without the outer {2 * OUTER:.1%} of the rows there is one value",
            None,
        )
    shape += f", the outer {2 * OUTER:.1%} of the rows pulled in"
    return shape, _Other(f"clamp({{}}, {OUTER}, {1 - OUTER})", lambda x: np.clip(x, low, high)[:, None])


def _above_zero(values: np.ndarray) -> tuple[float, float] | None:
    """The least value above 0 and the share of zeros, where zeros are many and no value is below."""
    zeros = float((values == 0).mean())
    if values.min() < 0 or not MANY_ZEROS <= zeros < 1 or len(np.unique(values)) < 4:
        return None
    return float(np.float32(values[values > 0].min())), zeros


def skewness(values: np.ndarray) -> float:
    """Of a sample: the mean cube of its standardised values; 0 where they are all one."""
    spread = values.std()
    return float((((values - values.mean()) / spread) ** 3).mean()) if spread > 0 else 0.0

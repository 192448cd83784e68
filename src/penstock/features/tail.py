"""What a learner still wants of a recipe's outputs: strings as numbers, no missing values, one scale."""

from __future__ import annotations

from dataclasses import dataclass

BLOCK = "x"
"""The name under which the expressions of a tail speak of the columns that they finish."""


@dataclass(frozen=True, slots=True)
class Tail:
    """Expressions of the recipe language, applied to what the recipe left over, one block per form.

    Each entry is an expression over `x`, the block; the results of all entries stand side by side. An empty entry leaves
    the block as it is (numbers), or must not meet any column (the others). Strings, texts and times are finished first;
    numbers that come of them join the block of numbers, unless they are `ready` (one-hot, tf-idf, indicators), which
    nothing more is done to.

    Parameters
    ----------
    numbers : for numeric columns; () leaves them, with NaN where missing.
    strings : for categorical and binary columns.
    texts : for text columns.
    times : for instants.

    >>> Tail(numbers=("standardise(impute(x))", "missing_indicator(x)"), strings=("one_hot(x)",)).numbers[0]
    'standardise(impute(x))'
    """

    numbers: tuple[str, ...] = ()
    strings: tuple[str, ...] = ("ordinal(x)",)
    texts: tuple[str, ...] = ("tfidf(x)",)
    times: tuple[str, ...] = ("date_parts(x)",)


TREES = Tail()
"""For learners that split on thresholds and take missing values."""

LINEAR = Tail(
    numbers=("standardise(impute(x))", "missing_indicator(x)"),
    strings=("one_hot(x, min_frequency=10, max_categories=200)",),
)
"""For learners that add up weighted inputs."""

"""Powers and products of numbers up to a degree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import comb
from typing import TYPE_CHECKING, ClassVar, final

from penstock.bundle.kinds import Kind
from penstock.errors import RecipeError
from penstock.features.bounds import Bound, Whole
from penstock.features.doubles import double, narrowed
from penstock.features.kinds import NUMBERS
from penstock.features.ops import ints, op
from penstock.features.step import Columns, Target

if TYPE_CHECKING:
    from spox import Var

MOST_OUTPUTS = 20_000


@final
class Polynomial:
    """All products of up to `degree` columns, a column also with itself: of a and b, for degree 2: a, b, a^2, a * b, b^2.

    A sum of them is a polynomial: a linear learner then finds curves and interactions. Scale the columns first, since powers of
    large numbers are very large. A product with NaN is NaN. Results beyond float32 stop at its largest number. The order is
    that of scikit-learn's PolynomialFeatures, without its constant column.

    Parameters
    ----------
    degree : factors of a product, at most.

    The number of outputs grows fast: 20 columns have 230 of degree 2, 1,770 of degree 3 and 10,625 of degree 4. More than
    20,000 are refused.
    """

    name: ClassVar[str] = "polynomial"
    takes: ClassVar[frozenset[Kind]] = NUMBERS
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = False
    bounds: ClassVar[Mapping[str, Bound]] = {"degree": Whole(2, 4)}
    ready: ClassVar[bool] = False

    def __init__(self, degree: int = 2) -> None:
        self.degree = degree

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedPolynomial:
        (columns,) = inputs
        width = len(columns.names)
        n_outputs = comb(width + self.degree, self.degree) - 1
        if n_outputs > MOST_OUTPUTS:
            raise RecipeError(
                f"'polynomial' of {width} columns with degree {self.degree} has {n_outputs:,} outputs",
                why=f"more than {MOST_OUTPUTS:,} are neither learned from nor served in reasonable time",
                way_out="give it fewer columns, a lower degree, or pca(...) of them",
            )
        terms = [t for size in range(1, self.degree + 1) for t in combinations_with_replacement(range(width), size)]
        return FittedPolynomial(tuple(_named(columns.names, term) for term in terms), width, self.degree)


@dataclass(frozen=True)
class FittedPolynomial:
    """Attributes: width : columns of the input; degree : as in the step."""

    names: tuple[str, ...]
    width: int
    degree: int

    def emit(self, inputs: Sequence[Var]) -> Var:
        x = double(inputs[0])
        blocks = [x]
        before: list[tuple[int, ...]] = [(j,) for j in range(self.width)]
        for size in range(2, self.degree + 1):
            terms = list(combinations_with_replacement(range(self.width), size))
            place = {term: i for i, term in enumerate(before)}
            shorter = op.gather(blocks[-1], ints([place[term[:-1]] for term in terms]), axis=1)
            blocks.append(op.mul(shorter, op.gather(x, ints([term[-1] for term in terms]), axis=1)))
            before = terms
        return narrowed(op.concat(blocks, axis=1))


def _named(names: Sequence[str], term: tuple[int, ...]) -> str:
    factors = Counter(term)
    return " * ".join(names[j] if times == 1 else f"{names[j]}^{times}" for j, times in factors.items())

"""Products of two different columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar, final

from penstock.bundle.kinds import Kind
from penstock.errors import RecipeError
from penstock.features.bounds import Bound
from penstock.features.doubles import double, narrowed
from penstock.features.kinds import NUMBERS
from penstock.features.ops import ints, op
from penstock.features.step import Columns, Target
from penstock.features.steps.polynomial import MOST_OUTPUTS

if TYPE_CHECKING:
    from spox import Var


@final
class Products:
    """The product of each pair of different columns: of a, b and c: a * b, a * c, b * c. The columns themselves are not among them.

    One column alone has no product, and leaves no output. A product with NaN is NaN. Results beyond float32 stop at its largest
    number. More than 20,000 products (200 columns) are refused.
    """

    name: ClassVar[str] = "products"
    takes: ClassVar[frozenset[Kind]] = NUMBERS
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = False
    bounds: ClassVar[Mapping[str, Bound]] = {}
    ready: ClassVar[bool] = False

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedProducts:
        (columns,) = inputs
        pairs = tuple(combinations(range(len(columns.names)), 2))
        if len(pairs) > MOST_OUTPUTS:
            raise RecipeError(
                f"'products' of {len(columns.names)} columns has {len(pairs):,} outputs",
                why=f"more than {MOST_OUTPUTS:,} are neither learned from nor served in reasonable time",
                way_out="give it fewer columns, or pca(...) of them",
            )
        return FittedProducts(tuple(f"{columns.names[i]} * {columns.names[j]}" for i, j in pairs), pairs)


@dataclass(frozen=True)
class FittedProducts:
    """Attributes: pairs : the two columns of each output."""

    names: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...]

    def emit(self, inputs: Sequence[Var]) -> Var:
        x = double(inputs[0])
        left, right = (op.gather(x, ints([pair[side] for pair in self.pairs]), axis=1) for side in (0, 1))
        return narrowed(op.mul(left, right))

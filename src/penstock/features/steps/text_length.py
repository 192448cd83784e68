"""How long a text is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.features.bounds import Bound, OneOf
from penstock.features.kinds import TEXTS
from penstock.features.ops import floats, op, texts
from penstock.features.step import Columns, Target
from penstock.features.vocabulary import MISSING

if TYPE_CHECKING:
    from spox import Var


@final
class TextLength:
    """The number of words or characters of a text as it is written. A missing text has none: 0.

    Parameters
    ----------
    unit : "words" (what stands between whitespace) or "characters" (code points of NFC, with one space between words). Of
        a text that is prepared, such as `no_punct(note)`, the words or characters that are left.
    """

    name: ClassVar[str] = "text_length"
    takes: ClassVar[frozenset[Kind]] = TEXTS
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    bounds: ClassVar[Mapping[str, Bound]] = {"unit": OneOf(("words", "characters"))}
    ready: ClassVar[bool] = False

    def __init__(self, unit: str = "words") -> None:
        self.unit = unit

    @property
    def reading(self) -> str:
        """The form in which the decoder gives it the text: one token for each unit."""
        return "tokens" if self.unit == "words" else "characters"

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedTextLength:
        (columns,) = inputs
        return FittedTextLength(tuple(f"{name}: {self.unit}" for name in columns.names))


@dataclass(frozen=True)
class FittedTextLength:
    """Nothing is learned."""

    names: tuple[str, ...]

    def emit(self, inputs: Sequence[Var]) -> Var:
        (x,) = inputs
        _, counts = op.string_split(x, delimiter=" ")  # (n, k)
        return op.where(op.equal(x, texts([MISSING])), floats(0.0), op.cast(counts, to=np.float32))

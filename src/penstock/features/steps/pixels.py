"""The pixels of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from penstock.bundle.images import CHANNELS
from penstock.bundle.kinds import Kind
from penstock.features.bounds import Bound, OneOf, Whole
from penstock.features.kinds import TEXTS
from penstock.features.ops import ints, op, texts
from penstock.features.step import Columns, Target

if TYPE_CHECKING:
    from spox import Var


@final
class Pixels:
    """The pixels of an image that a text column holds in base64 or as a data URL: numbers from 0 to 255. Unpacked by the decoder.

    The image is brought to the size by the mean of the pixels that each new one covers. A missing image has missing
    pixels, and so has a text in a table that is no image; a request with one is refused. Needs Pillow:
    ``pip install "penstock[images]"``.

    Parameters
    ----------
    height : of the image as the model sees it, in pixels.
    width : of the same.
    colour : "grey", one number for each pixel, or "rgb", three.
    """

    name: ClassVar[str] = "pixels"
    takes: ClassVar[frozenset[Kind]] = TEXTS
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    bounds: ClassVar[Mapping[str, Bound]] = {
        "height": Whole(1, 256),
        "width": Whole(1, 256),
        "colour": OneOf(tuple(CHANNELS)),
    }
    ready: ClassVar[bool] = False

    def __init__(self, height: int = 16, width: int = 16, colour: str = "grey") -> None:
        self.height, self.width, self.colour = height, width, colour

    @property
    def reading(self) -> tuple[str, tuple[int, ...]]:
        """The form in which the decoder gives it the image: one token for each number."""
        return f"pixels_{self.colour}", (self.height, self.width)

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedPixels:
        (columns,) = inputs
        channels = ("",) if self.colour == "grey" else (" red", " green", " blue")
        places = [f"{y},{x}{c}" for y in range(self.height) for x in range(self.width) for c in channels]
        names = tuple(f"{name}: {place}" for name in columns.names for place in places)
        return FittedPixels(names, len(columns.names), len(places))


@dataclass(frozen=True)
class FittedPixels:
    """Nothing is learned. `columns` : how many. numbers : of each."""

    names: tuple[str, ...]
    columns: int
    numbers: int

    def emit(self, inputs: Sequence[Var]) -> Var:
        (x,) = inputs
        tokens, _ = op.string_split(x, delimiter=" ")  # (n, k, m): as many as the longest text of the batch has
        shape = op.concat([op.shape(x), ints([self.numbers])], axis=0)
        padded = op.concat([tokens, op.expand(texts("nan"), shape)], axis=2)
        kept = op.slice(padded, ints([0]), ints([self.numbers]), ints([2]))
        numbers = op.where(op.regex_full_match(kept, pattern="[0-9]+"), kept, texts("nan"))
        return op.reshape(op.cast(numbers, to=np.float32), ints([-1, self.columns * self.numbers]))

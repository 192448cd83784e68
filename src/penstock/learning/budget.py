"""How long a search may take: a time, or a number of trials."""

from __future__ import annotations

import re
from dataclasses import dataclass

from penstock.errors import DeclarationError

_TEXT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|m|h|trials?)\s*")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Budget:
    """Exactly one of the two is set.

    >>> Budget.parse("5m")
    Budget(seconds=300.0, trials=None)
    >>> str(Budget.parse("50 trials"))
    '50 trials'
    """

    seconds: float | None = None
    trials: int | None = None

    @classmethod
    def parse(cls, text: str) -> Budget:
        """From ``60s``, ``5m``, ``1.5h`` or ``50 trials``.

        Raises
        ------
        DeclarationError : the text is none of these, or nothing is left of it.
        """
        found = _TEXT.fullmatch(text)
        amount = float(found[1]) if found else 0.0
        if found is None or amount <= 0 or (found[2].startswith("trial") and amount != int(amount)):
            raise DeclarationError(
                f"{text!r} is no budget for a search",
                why="it is a time (s, m, h) or a whole number of trials, above 0",
                way_out="write '60s', '5m' or '50 trials'",
            )
        if found[2].startswith("trial"):
            return cls(trials=int(amount))
        return cls(seconds=amount * _SECONDS[found[2]])

    def __str__(self) -> str:
        return f"{self.trials} trials" if self.trials is not None else f"{self.seconds:g}s"

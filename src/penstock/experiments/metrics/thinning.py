"""Which of very many printed lines stay in the log of a run: a gigabyte of them is no curve that anyone looks at."""

from __future__ import annotations

from typing import Any, final


@final
class Thinning:
    """All of the first `most` lines; of as many again every second, of twice as many every fourth, and so on.

    Each kind of line is counted by itself, so that of two series that take turns both are kept. The same output is thinned in the
    same way.

    Attributes
    ----------
    seen : lines so far. left_out : those of them that the log does not have.
    """

    def __init__(self, most: int) -> None:
        self.most = max(1, most)
        self.seen = self.left_out = 0
        self._every = 1
        self._counts: dict[str, int] = {}

    def keeps(self, values: dict[str, Any]) -> bool:
        """Whether a line with these values (at least one) goes into the log."""
        self.seen += 1
        if self.seen > self.most * self._every:
            self._every *= 2
        if self._every == 1:
            return True
        kind = next(reversed(values))
        count = self._counts[kind] = self._counts.get(kind, -1) + 1
        if count % self._every == 0:
            return True
        self.left_out += 1
        return False

"""What a worker holds of requests that have not come whole yet, over all its connections.

Each body has a limit, and so has the number of connections; their product is far more than there is memory. A request that comes whole in
one piece is never counted here.
"""

from __future__ import annotations

from typing import Protocol, final


class Sender(Protocol):
    """A connection on which part of a request has come."""

    def give_way(self) -> None:
        """End it, and hold nothing of it any more."""
        ...


@final
class Unfinished:
    """Bounds it: where it is too much, those that have been silent for longest give way. So who sends at once is heard, while
    others hold what they never finish.

    Parameters
    ----------
    most : bytes.
    """

    def __init__(self, most: int) -> None:
        self.most, self.held = most, 0
        self._of: dict[Sender, int] = {}  # who has been silent for longest comes first

    def came(self, sender: Sender, size: int) -> None:
        """Something came of an unfinished request, of which `size` bytes are held now."""
        self.held += size - self._of.pop(sender, 0)
        self._of[sender] = size
        while self.held > self.most and self._of:
            silent = next(iter(self._of))
            self.gone(silent)
            silent.give_way()

    def gone(self, sender: Sender) -> None:
        """Of that request nothing is held any more."""
        self.held -= self._of.pop(sender, 0)

"""What a costly function said of a text, so that a process asks it once."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import numpy as np

from penstock.features.chunks import each

MOST_BYTES = 512 * 2**20
"""Of what is kept for one function. More than that (150,000 texts of 384 numbers) is worked out each time."""
AT_ONCE = 16
"""Texts of one call: a core has that many to do before it looks for more."""

Function = Callable[[np.ndarray], np.ndarray]
"""Texts, shape (n,), to float32 (n, d): each row from its text alone."""


@final
class Memory:
    """The answers of one function, by text.

    >>> asked = []
    >>> def length(texts):
    ...     asked.extend(texts)
    ...     return np.array([[len(text)] for text in texts], dtype=np.float32)
    >>> memory = Memory()
    >>> memory.of(np.array(["a", "bb", "a"]), lambda: length).tolist(), memory.of(np.array(["bb"]), lambda: length).tolist()
    ([[1.0], [2.0], [1.0]], [[2.0]])
    >>> asked
    ['a', 'bb']
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self._kept: dict[str, np.ndarray] = {}
        self._size = 0
        self._function: Function | None = None

    def of(self, texts: np.ndarray, function: Callable[[], Function]) -> np.ndarray:
        """What the function says of these texts, shape (n,): float32 (n, d). It is opened when there is a text that it was not asked of.

        At least one text has to be given, or have been given before: otherwise nobody knows how wide an answer is.
        """
        given = texts.tolist()
        place = {text: at for at, text in enumerate(dict.fromkeys(given))}
        known = {text: self._kept[text] for text in place if text in self._kept}
        new = [text for text in place if text not in known]
        if new:
            known.update(zip(new, self._asked(new, function), strict=True))
        answers = np.stack([known[text] for text in place])
        return answers[[place[text] for text in given]]

    def _asked(self, texts: list[str], function: Callable[[], Function]) -> list[np.ndarray]:
        if self._function is None:
            self._function = function()
        work, answers = self._function, [np.empty(0, np.float32)] * len(texts)

        def ask(chunk: tuple[int, int]) -> None:
            start, stop = chunk
            answers[start:stop] = [row.copy() for row in work(np.array(texts[start:stop], dtype=object))]

        each(ask, [(start, min(start + AT_ONCE, len(texts))) for start in range(0, len(texts), AT_ONCE)])
        for text, answer in zip(texts, answers, strict=True):
            size = answer.nbytes + len(text) + 250  # an array and an entry beside its numbers
            if self._size + size <= self.most_bytes:
                self._kept[text] = answer
                self._size += size
        return answers

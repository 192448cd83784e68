"""The keys of rows that are joined, as numbers: rows of the same number have the same key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from penstock.bundle.specs import EncodedColumn


@dataclass
class JoinKeys:
    """Those of the source that is joined, numbered from 0.

    The numbers of a key's first columns are made dense before those of the next one are put beside them, so that they are never
    larger than the square of the number of rows, however many columns there are.

    Attributes
    ----------
    numbers : for each column of the key, text as of `penstock.data.canonical.key_text` -> number.
    occurring : for each column but the first, what of it and those before it occurs, ascending: int64.
    """

    numbers: list[dict[str, int]]
    occurring: list[np.ndarray] = field(default_factory=list)

    @classmethod
    def of(cls, columns: Sequence[EncodedColumn]) -> tuple[JoinKeys, np.ndarray]:
        """Of the columns of the key, and the number of each row; see `codes`."""
        import numpy as np

        numbers: list[dict[str, int]] = []
        for column in columns:
            known: dict[str, int] = {}
            for value in column.values:
                known.setdefault(_plain(value), len(known))
            known.pop("", None)
            numbers.append(known)
        keys = cls(numbers)
        code = keys._of_column(columns[0], 0)
        for place in range(1, len(columns)):
            both = keys._beside(code, columns[place], place)
            keys.occurring.append(np.unique(both[both >= 0]))
            code = keys._dense(both, place)
        return keys, code

    def codes(self, columns: Sequence[EncodedColumn]) -> np.ndarray:
        """The number of each row's key, -1 where it does not occur or a part of it is missing: int64, shape (n,)."""
        code = self._of_column(columns[0], 0)
        for place in range(1, len(columns)):
            code = self._dense(self._beside(code, columns[place], place), place)
        return code

    def _of_column(self, column: EncodedColumn, place: int) -> np.ndarray:
        import numpy as np

        known = self.numbers[place]
        of_value = np.array([*(known.get(_plain(value), -1) for value in column.values), -1], dtype=np.int64)
        return of_value[column.codes]

    def _beside(self, code: np.ndarray, column: EncodedColumn, place: int) -> np.ndarray:
        """The numbers of a key with one more column."""
        import numpy as np

        own = self._of_column(column, place)
        return np.where((code < 0) | (own < 0), -1, code * (len(self.numbers[place]) + 1) + own)

    def _dense(self, code: np.ndarray, place: int) -> np.ndarray:
        import numpy as np

        occurring = self.occurring[place - 1]
        if not len(occurring):
            return np.full_like(code, -1)
        at = np.minimum(np.searchsorted(occurring, code), len(occurring) - 1)
        return np.where(occurring[at] == code, at, -1)


def _plain(value: str | None) -> str:
    from penstock.data.canonical import key_text

    return key_text(value) if value else ""

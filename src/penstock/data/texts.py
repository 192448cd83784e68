"""Many texts as Arrow holds them: what looks at a whole column works on its bytes, and Python's strings are made once somebody asks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, overload

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

MANY = 256  # texts from which on it pays to ask Arrow


@dataclass(frozen=True, eq=False)
class Texts(Sequence[str | None]):
    """Texts, some of them perhaps null.

    >>> import pyarrow as pa
    >>> texts = Texts(pa.array(["b", None, "a"]))
    >>> texts[0], texts, texts == ["b", None, "a"]
    ('b', ['b', None, 'a'], True)
    """

    array: pa.StringArray

    @cached_property
    def strings(self) -> list[str | None]:
        found: list[str | None] = self.array.to_pylist()
        return found

    def __len__(self) -> int:
        return len(self.array)

    @overload
    def __getitem__(self, at: int) -> str | None: ...

    @overload
    def __getitem__(self, at: slice) -> list[str | None]: ...

    def __getitem__(self, at: int | slice) -> str | list[str | None] | None:
        if "strings" in self.__dict__:
            return self.strings[at]
        if isinstance(at, slice):
            part: list[str | None] = self.array[at].to_pylist()
            return part
        one: str | None = self.array[at].as_py()
        return one

    def __iter__(self) -> Iterator[str | None]:
        return iter(self.strings)

    def __eq__(self, other: object) -> bool:
        return self.strings == (other.strings if isinstance(other, Texts) else other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self.strings)


def as_arrow(texts: Sequence[str | None]) -> pa.StringArray | None:
    """The texts as Arrow holds them; None where one is no Unicode."""
    if isinstance(texts, Texts):
        return texts.array
    import pyarrow as pa

    try:
        return pa.array(texts, type=pa.string())
    except UnicodeEncodeError:
        return None


def places_of(texts: Sequence[str | None], wanted: Collection[str]) -> np.ndarray:
    """Where the texts are that are wanted: int64, rising."""
    if isinstance(texts, Texts):
        import pyarrow as pa
        import pyarrow.compute as pc

        try:
            found = pc.is_in(texts.array, value_set=pa.array(list(wanted), type=pa.string()))
        except UnicodeEncodeError:  # the user's word, and no text of the file
            pass
        else:
            return np.flatnonzero(found.to_numpy(zero_copy_only=False))
    wanted = frozenset(wanted)
    return np.array([i for i, text in enumerate(texts) if text in wanted], dtype=np.int64)

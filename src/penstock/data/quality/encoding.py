"""Rows as numbers for the small models of the checks. It serves no model that is kept: those have recipes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from penstock.bundle.decoder import Frame, Kind
from penstock.bundle.frame import absent

MOST_VALUES = 250  # of a category; rarer ones share a number
TEXT_PARTS = 24  # directions that stand for the words of a text; of fewer texts than these, only lengths count
TEXT_CHARACTERS = 1000  # of a text that are read
_DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Encoder:
    """How columns become numbers, learned from some rows and applied to others.

    Numbers stay (infinite ones become missing), instants are days, a category is the rank of its frequency, a text its
    numbers of words and characters and `TEXT_PARTS` directions of hashed tf-idf. The width is the same for all rows.
    """

    columns: tuple[tuple[str, Kind], ...]
    ranks: dict[str, dict[str, int]] = field(default_factory=dict)
    words: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def fit(cls, frame: Frame, names: Sequence[str], *, seed: int = 0) -> Encoder:
        ranks: dict[str, dict[str, int]] = {}
        words: dict[str, Any] = {}
        for name in names:
            kind = frame.kinds[name]
            if kind is Kind.TEXT:
                words[name] = _Words(seed).fit(frame[name])
            elif kind not in (Kind.NUMERIC, Kind.DATETIME):
                values, counts = value_counts(frame[name])
                order = sorted(range(len(values)), key=lambda i: (-counts[i], values[i]))[:MOST_VALUES]
                ranks[name] = {values[i]: rank for rank, i in enumerate(order)}
        return cls(tuple((name, frame.kinds[name]) for name in names), ranks, words)

    def matrix(self, frame: Frame) -> np.ndarray:
        """float64, shape (n_rows, width), NaN where missing."""
        parts = [self._column(frame[name], name, kind) for name, kind in self.columns]
        return np.column_stack(parts) if parts else np.empty((frame.n_rows, 0))

    def width(self, name: str) -> int:
        """Numbers that stand for one value of a column."""
        return self.words[name].width if name in self.words else 1

    def _column(self, array: np.ndarray, name: str, kind: Kind) -> np.ndarray:
        if kind is Kind.NUMERIC:
            return np.where(np.isfinite(array), array, np.nan)
        if kind is Kind.DATETIME:
            return np.where(absent(array, kind), np.nan, array / _DAY_US)
        if kind is Kind.TEXT:
            return self.words[name].matrix(array)
        ranks = self.ranks[name]
        values, codes = coded(array)
        table = np.array([*(ranks.get(value, len(ranks)) for value in values), np.nan], dtype=np.float64)
        return table[codes]


class _Words:
    """Texts as a few numbers."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def fit(self, texts: np.ndarray) -> _Words:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

        self._hash = HashingVectorizer(n_features=2**14, alternate_sign=False, norm=None)
        self._idf = TfidfTransformer(sublinear_tf=True)
        counts = self._idf.fit_transform(self._hash.transform(_shortened(texts)))
        enough = counts.nnz and counts.shape[0] > TEXT_PARTS
        self._turn = TruncatedSVD(TEXT_PARTS, n_iter=2, random_state=self.seed) if enough else None
        if self._turn is not None:
            self._turn.fit(counts)
        return self

    @property
    def width(self) -> int:
        return 2 + (0 if self._turn is None else int(self._turn.n_components))

    def matrix(self, texts: np.ndarray) -> np.ndarray:
        given = _shortened(texts)
        lengths = np.array([[len(t.split()), len(t)] for t in given], dtype=np.float64).reshape(-1, 2)
        if self._turn is None or not given:
            return np.column_stack([lengths, np.zeros((len(given), self.width - 2))])
        turned = self._turn.transform(self._idf.transform(self._hash.transform(given)))
        return np.column_stack([lengths, turned])


def _shortened(texts: np.ndarray) -> list[str]:
    return [text[:TEXT_CHARACTERS] if text is not None else "" for text in texts]


def coded(array: np.ndarray) -> tuple[list[Any], np.ndarray]:
    """Distinct values of a column and the number of each row's, -1 where missing: NaN counts as missing too."""
    import pyarrow as pa

    encoded = pa.array(array, from_pandas=True).dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return encoded.dictionary.to_pylist(), codes


def value_counts(array: np.ndarray) -> tuple[list[Any], np.ndarray]:
    """Distinct values and their rows, missing ones left out."""
    values, codes = coded(array)
    return values, np.bincount(codes[codes >= 0], minlength=len(values))

"""Word sequences of texts: counted as arrays when a step learns, and by one operator in the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from penstock.features.ops import op

if TYPE_CHECKING:
    from spox import Var

Gram = tuple[str, ...]


def count_grams(documents: Sequence[str], n: int, least: float) -> dict[Gram, tuple[int, int]]:
    """n-grams of 1 to n words that occur in at least `least` documents: occurrences, and documents with it.

    Words are numbered and the grams counted as arrays: a loop over them in Python takes ten times as long.
    """
    numbers: dict[str, int] = {}
    words: list[int] = []
    lengths = []
    for document in documents:
        split = document.split(" ") if document else []
        words += [numbers.setdefault(word, len(numbers)) for word in split]
        lengths.append(len(split))
    vocabulary = list(numbers)
    word = np.array(words, dtype=np.int64)
    left = _left_in_document(lengths)  # words from each one to the end of its document
    home = np.repeat(np.arange(len(lengths)), lengths)  # the document of each word
    counted: dict[Gram, tuple[int, int]] = {}
    start: np.ndarray = np.arange(len(word))  # where each gram begins
    gram: np.ndarray = word  # its number
    grams: list[Gram] = [(text,) for text in vocabulary]
    for size in range(1, n + 1):
        total = np.bincount(gram, minlength=len(grams))
        pairs = np.sort(gram * len(lengths) + home[start])
        pairs = pairs[np.diff(pairs, prepend=-1) > 0]  # np.unique without more looks up hashes: six times as long here
        containing = np.bincount(pairs // max(len(lengths), 1), minlength=len(grams))
        frequent = containing >= least
        for i in np.flatnonzero(frequent).tolist():
            counted[grams[i]] = (int(total[i]), int(containing[i]))
        if size == n:
            break
        # a gram is no more frequent than the shorter one that it begins with
        longer = frequent[gram] & (left[start] > size)
        start, gram = start[longer], gram[longer]
        codes, gram = np.unique(gram * len(vocabulary) + word[start + size], return_inverse=True)
        grams = [(*grams[code // len(vocabulary)], vocabulary[code % len(vocabulary)]) for code in codes.tolist()]
    return counted


def _left_in_document(lengths: Sequence[int]) -> np.ndarray:
    """For each word, the words from it to the end of its document: [3, 2] -> [3, 2, 1, 2, 1]."""
    ends = np.repeat(np.cumsum(lengths, dtype=np.int64), lengths)
    return ends - np.arange(len(ends))


def keep_grams(documents: Sequence[str], n: int, min_df: float, most: int) -> tuple[list[Gram], np.ndarray]:
    """n-grams of 1 to n words that are kept, shorter ones first, then in alphabetical order, and the texts with each.

    Parameters
    ----------
    min_df : texts in which a gram must occur; below 1, the share of all texts.
    most : grams kept, at most: those that occur most often in all texts.
    """
    least = min_df * len(documents) if min_df < 1 else min_df
    counted = count_grams(documents, n, least)
    kept = sorted(counted, key=lambda gram: (-counted[gram][0], gram))[:most]
    kept.sort(key=lambda gram: (len(gram), gram))
    return kept, np.array([counted[gram][1] for gram in kept], dtype=np.float64)


def emit_counts(documents: Var, grams: Sequence[Gram], weights: Sequence[float] | None = None) -> Var:
    """(n,) texts -> float32 (n, grams): how often each gram occurs, times its weight.

    Parameters
    ----------
    grams : at least one, shorter ones first.
    """
    words, _ = op.string_split(documents, delimiter=" ")  # (n, most words), "" behind the last word
    lengths = [len(gram) for gram in grams]
    starts = [sum(length for length in lengths if length < size) for size in range(1, max(lengths) + 1)]
    return op.tf_idf_vectorizer(
        words,
        mode="TF" if weights is None else "TFIDF",
        min_gram_length=1,
        max_gram_length=max(lengths),
        max_skip_count=0,
        ngram_counts=starts,
        ngram_indexes=list(range(len(lengths))),
        pool_strings=[word for gram in grams for word in gram],
        weights=weights,
    )

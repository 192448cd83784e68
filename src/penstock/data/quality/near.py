"""Texts that are nearly the same: overlapping words and pairs of words, found by MinHash and then compared exactly.

Source: Broder (1997), On the resemblance and containment of documents; Leskovec, Rajaraman & Ullman (2020), Mining of
Massive Datasets, chapter 3, on bands of MinHash values.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

ALIKE = 0.8  # Jaccard similarity from which on two texts count as nearly the same
BANDS, HASHES = 8, 4  # texts of similarity 0.8 are missed with a chance of 1.5 %, of 0.9 of 0.02 %
WORDS = 300  # of a text that are looked at, so that long ones take no longer
_PAIR = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], dtype=np.uint64)


def nearly_same(texts: np.ndarray) -> np.ndarray:
    """For each text the place of an earlier one that is nearly the same, or -1: int64, shape (n,).

    Case, white space and punctuation at the ends of words do not count, nor does what comes after the first 300 words. Missing
    and empty texts are like no other. One changed word in 15, or one that is added to eight, leaves a text nearly the same.
    """
    starts, values = _shingles(texts)
    n = len(texts)
    earlier = np.full(n, -1, dtype=np.int64)
    rows = np.flatnonzero(np.diff(starts) > 0)
    if len(rows) < 2:
        return earlier
    heads = starts[:-1][rows]
    for band in range(BANDS):
        key = np.zeros(len(rows), dtype=np.uint64)
        for h in range(HASHES):
            mixed = _mix(values ^ _seed(band * HASHES + h))
            key = _mix(key ^ np.minimum.reduceat(mixed, heads))
        order = np.argsort(key, kind="stable")
        same = key[order][1:] == key[order][:-1]
        first = np.maximum.accumulate(np.where(np.r_[True, ~same], np.arange(len(rows)), 0))
        for other in (order[first], np.r_[order[0], order[:-1]]):  # the first of the bucket, and the one before
            candidate = np.r_[False, same] & (earlier[rows[order]] < 0)
            for i in np.flatnonzero(candidate):
                a, b = int(rows[order[i]]), int(rows[other[i]])
                if a != b and _jaccard(values[starts[a] : starts[a + 1]], values[starts[b] : starts[b + 1]]) >= ALIKE:
                    earlier[a] = b
    return earlier


def _shingles(texts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct hashed words and pairs of words of each text: starts (n + 1,) into values (total,), sorted within a text."""
    numbers: dict[str, int] = {}
    hashed: list[int] = []
    counts, words = [0], []
    for text in texts:
        found = [
            w for w in (word.strip(".,;:!?\"'()[]") for word in (text or "").lower().split(None, WORDS)[:WORDS]) if w
        ]
        for word in found:
            number = numbers.get(word)
            if number is None:
                number = numbers[word] = len(hashed)
                digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
                hashed.append(int.from_bytes(digest, "little"))
            words.append(number)
        counts.append(len(words))
    flat = np.array(hashed, dtype=np.uint64)[np.array(words, dtype=np.int64)] if words else np.empty(0, np.uint64)
    edges = np.array(counts)
    text_of = np.repeat(np.arange(len(edges) - 1), np.diff(edges))
    within = text_of[1:] == text_of[:-1]  # pairs do not reach into the next text
    pairs = _mix(flat[:-1] * _PAIR[0] + flat[1:] * _PAIR[1])[within]
    values, owner = np.r_[flat, pairs], np.r_[text_of, text_of[:-1][within]]
    order = np.lexsort((values, owner))
    values, owner = values[order], owner[order]
    new = np.r_[True, (values[1:] != values[:-1]) | (owner[1:] != owner[:-1])][: len(values)]
    return np.searchsorted(owner[new], np.arange(len(edges))), values[new]


def _jaccard(a: np.ndarray, b: np.ndarray) -> float:
    """Of two sets, each sorted and without repetition."""
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / (len(a) + len(b) - both)


def _seed(number: int) -> np.uint64:
    return np.uint64(int.from_bytes(blake2b(str(number).encode(), digest_size=8).digest(), "little"))


def _mix(x: np.ndarray) -> np.ndarray:
    """The finaliser of MurmurHash3."""
    x = (x ^ (x >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    x = (x ^ (x >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return x ^ (x >> np.uint64(33))

"""Texts that are nearly the same are found, whatever their length, and those that only share words are not."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from penstock.data.quality.near import ALIKE, nearly_same


def texts_of(*texts: str | None) -> np.ndarray:
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array


def test_case_space_and_punctuation_do_not_count() -> None:
    """Exactly the same words are the same text; missing and empty ones are like no other."""
    given_texts = texts_of("Call me back, now!", None, "", "call me  BACK now", "", None, "now back me call")
    assert nearly_same(given_texts).tolist() == [-1, -1, -1, 0, -1, -1, -1]


def test_short_texts_are_compared_by_words_and_pairs() -> None:
    """Of one or two words all are to be the same; one changed word in 15 is near, one in eight is not."""
    assert nearly_same(texts_of("yes", "no", "yes.", "oh yes", "yes oh", "Oh, yes")).tolist() == [-1, -1, 0, -1, -1, 3]
    fifteen = "we are glad to tell you that your order has left our house this morning"
    eight = "please call me back as soon as possible"
    changed = (fifteen.replace("order", "parcel"), eight.replace("soon", "early"))
    assert nearly_same(texts_of(fifteen, eight, *changed)).tolist() == [-1, -1, 0, -1]


def test_long_texts_are_compared_by_their_beginning() -> None:
    """What comes after 300 words changes nothing, so that a text of a million words takes no longer."""
    begin = [f"w{i}" for i in range(300)]
    assert nearly_same(texts_of(" ".join([*begin, *["a"] * 900]), " ".join([*begin, *["b"] * 900]))).tolist() == [-1, 0]


def test_nine_in_ten_words_are_enough_and_half_are_not() -> None:
    """Found among a thousand others."""
    dice = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(500)])
    texts = [list(dice.choice(words, 60)) for _ in range(1000)]
    for i in range(100):
        changed = list(texts[i])
        changed[20] = "other"
        half = [*texts[i][:30], *dice.choice(words, 30)]
        texts += [changed, half]
    found = nearly_same(texts_of(*(" ".join(text) for text in texts)))
    assert (found[:1000] < 0).all()
    assert (found[1000::2] == np.arange(100)).mean() >= 0.97
    assert (found[1001::2] < 0).all()


WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f"]), max_size=12).map(" ".join)


@given(st.lists(st.one_of(st.none(), WORDS), max_size=30))
def test_whatever_is_found_is_alike_and_earlier(texts: list[str | None]) -> None:
    """Held against sets of words and pairs."""
    found = nearly_same(texts_of(*texts))
    for place, earlier in enumerate(found.tolist()):
        assert earlier < place
        if earlier >= 0:
            a, b = (_shingles(texts[i] or "") for i in (place, earlier))
            assert len(a & b) / len(a | b) >= ALIKE
    for place, text in enumerate(texts):
        if text and text in texts[:place]:
            assert found[place] >= 0


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return {(word,) for word in words} | set(pairwise(words))

"""Shares hold, alike rows stay together, and a row's part follows from the row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.bundle.decoder import EncodedColumn
from penstock.data.fingerprints import row_hashes
from penstock.data.split import PARTS, TEST, TRAIN, VALID, SplitSettings, deal, distinct, envelopes_of, place
from penstock.errors import BadParameter


def prints_of(values: list[str]) -> np.ndarray:
    return row_hashes({"a": EncodedColumn.of(values)}, len(values))


def test_shares_are_exact_within_each_class() -> None:
    """A rare class is dealt as evenly as a common one."""
    strata = np.array([0] * 900 + [1] * 100)
    parts = deal(prints_of([str(i) for i in range(1000)]), SplitSettings(), strata=strata)
    for stratum, total in ((0, 900), (1, 100)):
        counts = [int((parts[strata == stratum] == part).sum()) for part in range(len(PARTS))]
        assert counts == [0.6 * total, 0.2 * total, 0.2 * total]


def test_a_class_of_one_row_trains() -> None:
    """It can be learned, if it cannot be measured."""
    strata = np.array([0] * 99 + [1])
    assert deal(prints_of([str(i) for i in range(100)]), SplitSettings(), strata=strata)[-1] == TRAIN


def test_another_seed_deals_another_way() -> None:
    """Five seeds are five splits."""
    prints = prints_of([str(i) for i in range(500)])
    dealt = [tuple(deal(prints, SplitSettings(seed=seed))) for seed in range(5)]
    assert len(set(dealt)) == 5


def test_a_row_repeated_so_often_that_it_would_fill_a_part_trains() -> None:
    """Else one repeated row could be the whole test."""
    values = ["same"] * 500 + [str(i) for i in range(500)]
    parts = deal(prints_of(values), SplitSettings())
    assert set(parts[:500]) == {TRAIN}
    assert (parts == TEST).sum() == 200


def test_by_time_the_oldest_train_and_the_newest_test() -> None:
    """And rows of one instant share a part."""
    times = np.arange(100) // 3
    parts = deal(prints_of([str(i) for i in range(100)]), SplitSettings(by="time:t"), times=times)
    assert times[parts == TRAIN].max() < times[parts == VALID].min()
    assert times[parts == VALID].max() < times[parts == TEST].min()
    assert len({(t, p) for t, p in zip(times.tolist(), parts.tolist(), strict=True)}) == len(set(times.tolist()))


def test_by_group_no_group_is_split() -> None:
    """Rows of one customer never lie on both sides."""
    groups = [f"g{i % 50}" for i in range(1000)]
    group_prints = prints_of(groups)
    parts = deal(prints_of([str(i) for i in range(1000)]), SplitSettings(by="group:g"), groups=group_prints)
    assert len(set(zip(groups, parts.tolist(), strict=True))) == 50
    assert set(parts.tolist()) == {TRAIN, VALID, TEST}


def test_later_rows_are_placed_in_the_declared_shares() -> None:
    """One by one, without a look at the others."""
    parts = place(prints_of([str(i) for i in range(10_000)]), SplitSettings(valid=0.1, test=0.3))
    shares = np.bincount(parts, minlength=3) / 10_000
    assert np.abs(shares - [0.6, 0.1, 0.3]).max() < 0.02


def test_envelopes_are_equal_in_size_and_class_shares() -> None:
    """Four envelopes of 250, each with its 25 rows of the rare class."""
    strata = np.array([0] * 900 + [1] * 100)
    envelope = envelopes_of(prints_of([str(i) for i in range(1000)]), SplitSettings(), strata=strata, first=3)
    for index in (3, 4, 5, 6):
        assert (envelope == index).sum() == 250
        assert strata[envelope == index].sum() == 25


@pytest.mark.parametrize(("rows", "count"), [(1, 1), (199, 1), (399, 1), (400, 2), (799, 3), (5000, 4)])
def test_fewer_envelopes_where_one_would_hold_under_200_rows(rows: int, count: int) -> None:
    """At least one."""
    envelope = envelopes_of(prints_of([str(i) for i in range(rows)]), SplitSettings())
    assert len(set(envelope.tolist())) == count


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=200), st.randoms(use_true_random=False))
def test_alike_rows_never_straddle_and_order_does_not_matter(values: list[int], dice) -> None:  # type: ignore[no-untyped-def]
    """For any multiset of rows, shuffled in any way."""
    texts = [str(v) for v in values]
    part_of = dict(zip(texts, deal(prints_of(texts), SplitSettings()).tolist(), strict=True))
    shuffled = dice.sample(texts, len(texts))
    again = deal(prints_of(shuffled), SplitSettings()).tolist()
    assert all(part_of[text] == part for text, part in zip(shuffled, again, strict=True))


@pytest.mark.parametrize("many", [False, True])
@settings(deadline=None, max_examples=5)
@given(seed=st.integers(0, 1000))
def test_classes_are_spread_evenly_over_groups_that_stay_whole(seed: int, many: bool) -> None:
    """Each group has a taste; shares of rows and of the rare class hold within a few hundredths, and better than by chance."""
    dice = np.random.default_rng(seed)
    n_groups = 6000 if many else 120
    sizes = dice.integers(1, 12 if many else 40, n_groups)
    codes = np.repeat(np.arange(n_groups), sizes)
    taste = dice.choice([0.02, 0.1, 0.9], n_groups, p=[0.5, 0.35, 0.15])
    y = (dice.random(len(codes)) < taste[codes]).astype(np.int64)
    groups = prints_of([f"g{seed}-{c}" for c in codes])
    rows = prints_of([str(i) for i in range(len(codes))])
    parts = deal(rows, SplitSettings(by="group:g"), strata=y, groups=groups)
    assert len(set(zip(codes.tolist(), parts.tolist(), strict=True))) == n_groups
    for part, share in ((TRAIN, 0.6), (VALID, 0.2), (TEST, 0.2)):
        assert abs((parts == part).mean() - share) < 0.03
        assert abs((parts[y == 1] == part).mean() - share) < 0.06
    order = dice.permutation(len(codes))
    again = deal(rows[order], SplitSettings(by="group:g"), strata=y[order], groups=groups[order])
    assert np.array_equal(again, parts[order])


@pytest.mark.parametrize("many", [False, True])
@settings(deadline=None, max_examples=5)
@given(seed=st.integers(0, 1000))
def test_groups_that_are_dealt_anew_keep_the_classes_even_and_no_seen_group_tests(seed: int, many: bool) -> None:
    """Two thirds of the groups were seen. The others are enough to test with, and the rare class has its share everywhere."""
    dice = np.random.default_rng(seed)
    n_groups = 6000 if many else 240
    codes = np.repeat(np.arange(n_groups), dice.integers(1, 12, n_groups))
    taste = dice.choice([0.02, 0.1, 0.9], n_groups, p=[0.5, 0.35, 0.15])
    y = (dice.random(len(codes)) < taste[codes]).astype(np.int64)
    seen = (dice.random(n_groups) < 2 / 3)[codes]
    groups, rows = prints_of([f"g{seed}-{c}" for c in codes]), prints_of([str(i) for i in range(len(codes))])
    parts = deal(rows, SplitSettings(by="group:g"), strata=y, groups=groups, seen=seen)
    assert len(set(zip(codes.tolist(), parts.tolist(), strict=True))) == n_groups
    assert not (seen & (parts == TEST)).any()
    for part, share in ((TRAIN, 0.6), (VALID, 0.2), (TEST, 0.2)):
        assert abs((parts == part).mean() - share) < 0.03
        assert abs((parts[y == 1] == part).mean() - share) < 0.06
    order = dice.permutation(len(codes))
    again = deal(rows[order], SplitSettings(by="group:g"), strata=y[order], groups=groups[order], seen=seen[order])
    assert np.array_equal(again, parts[order])


def test_groups_that_were_not_seen_test_as_far_as_they_go() -> None:
    """Four of a hundred are left: they test, all of them, and nothing is taken from what was seen."""
    codes = np.repeat(np.arange(100), 5)
    seen = codes >= 4
    parts = deal(
        prints_of([str(i) for i in range(500)]), SplitSettings(by="group:g"),
        strata=codes % 2, groups=prints_of([f"g{c}" for c in codes]), seen=seen,
    )  # fmt: skip
    assert np.array_equal(parts == TEST, ~seen)


@pytest.mark.parametrize(
    "wrong",
    [
        {"valid": -0.1},
        {"valid": 0.5, "test": 0.5},
        {"envelopes": 0},
        {"by": "time"},
        {"by": "luck:x"},
        {"gap": "soon", "by": "time:t"},
        {"gap": -1, "by": "time:t"},
        {"gap": "7d"},
        {"by": "files"},
        {"files": ("test",)},
        {"by": "files", "files": ("train",)},
        {"values": {"train": ["a"]}},
        {"by": "column:c", "values": {"test": ["a"]}},
        {"by": "column:c", "values": {"train": ["a"], "exam": ["b"]}},
        {"by": "column:c", "values": {"train": ["a"], "test": ["A "]}},
    ],
)
def test_settings_out_of_bounds_are_refused(wrong: dict[str, object]) -> None:
    """With a way out."""
    with pytest.raises(BadParameter):
        SplitSettings(**wrong)  # type: ignore[arg-type]


def test_settings_of_the_first_form_are_written_as_they_were() -> None:
    """So that versions of earlier releases keep their digests; what is set since comes back as it was."""
    assert set(SplitSettings().to_json()) == {"valid", "test", "envelopes", "by", "seed"}
    for one in (SplitSettings(by="time:t", gap="36h"), SplitSettings(by="column:c", values={"train": ["1"]})):
        assert SplitSettings(**one.to_json()) == one


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30))
def test_distinct_hashes_are_numbered_as_they_appear(pairs: list[tuple[int, int]]) -> None:
    """Also where two share one half of their bits; and of no rows."""
    hashes = np.array(pairs, dtype=np.uint64).reshape(-1, 2)
    first, codes, counts = distinct(hashes)
    known = list(dict.fromkeys(pairs))
    assert codes.tolist() == [known.index(pair) for pair in pairs]
    assert first.tolist() == [pairs.index(pair) for pair in known]
    assert counts.tolist() == [pairs.count(pair) for pair in known]

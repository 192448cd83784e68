"""Numbers that are one for the model are told."""

from __future__ import annotations

from unittest.mock import Mock

import numpy as np
import pytest

from penstock.bundle.decoder import EncodedColumn, Kind
from penstock.data import digits
from penstock.data.digits import kept, offset_of, origin_of
from penstock.data.evidence import Evidence
from penstock.data.kinds import infer_column

SECONDS = 1_700_000_000.0 + np.arange(3600.0)
NANOSECONDS = 1_700_000_000e9 + 5e12 * np.arange(1200.0).repeat(2)[:1200] + 1e3 * (np.arange(1200) % 2)
"""Pairs that are a microsecond apart, within two months."""


def warnings_of(values: np.ndarray, kind: Kind | None = None) -> tuple[str, ...]:
    column = EncodedColumn.of([str(int(value)) if value == int(value) else repr(value) for value in values.tolist()])
    evidence = Evidence.of(column, np.arange(len(values)))
    spec, found = infer_column("ts", evidence, total_rows=10 * len(values), kind=kind)
    assert spec.kind is Kind.NUMERIC
    return found.warnings


@pytest.mark.parametrize("kind", [None, Kind.NUMERIC])
def test_what_no_offset_keeps_is_told(kind: Kind | None) -> None:
    """Whether the kind is found or told; with the way out."""
    (told,) = warnings_of(np.repeat(NANOSECONDS, 4), kind)
    assert told.startswith("the model sees numbers as float32")
    assert "of 1200 different ones 600 are left" in told
    assert 'kinds.ts = "categorical"' in told


def test_a_column_is_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The share, the counts and the offset that a warning names are of one search."""
    search = Mock(side_effect=offset_of)
    monkeypatch.setattr(digits, "offset_of", search)
    assert warnings_of(np.repeat(NANOSECONDS, 4)) != ()
    assert search.call_count == 1


@pytest.mark.parametrize("kind", [None, Kind.NUMERIC])
def test_seconds_of_an_hour_are_no_longer_told_of(kind: Kind | None) -> None:
    """They are taken less an offset, which float32 holds."""
    assert warnings_of(np.repeat(SECONDS[:1200], 4), kind) == ()
    offset = offset_of(SECONDS)
    assert SECONDS[0] - 3600 <= offset <= SECONDS[-1] + 3600
    assert offset == np.float32(offset)
    assert kept(SECONDS, 0.0).told("ts") != ()  # of a recipe that was fitted on others


@pytest.mark.parametrize(
    "values",
    [
        16_777_216.0 + np.arange(100),
        -1_700_000_000.0 - np.arange(3),
        52.52 + np.arange(1000) * 1e-7,
        np.append(1_700_000_000.0 + np.arange(3000), 0.0),
        np.append(1_700_000_000.0 + np.arange(3000), [np.nan, np.inf, -np.inf]),
        2.0**60 + 256.0 * np.arange(60),
        np.array([1e9, 1e9 + 1]),
        1e-30 * (1 + 1e-9 * np.arange(50)),
    ],
    ids=["prices", "below 0", "degrees", "one far away", "infinite", "beyond 2^53", "two", "tiny"],
)
def test_an_offset_keeps_all_that_float64_holds(values: np.ndarray) -> None:
    """It is a float32, and differences to it are exact where numbers are whole."""
    seen = kept(values[np.isfinite(values)])
    assert seen.after == seen.before > kept(values[np.isfinite(values)], 0.0).after
    assert offset_of(values) == np.float32(offset_of(values)) != 0


@pytest.mark.parametrize("least", [2**53 + 1, 2**60, 2**63 - 99, -(2**60) - 7, 1_700_000_000_000_000_001, 10**30 + 1])
@pytest.mark.parametrize("span", [59, 10**12, 2**51])
def test_differences_to_an_origin_are_exact(least: int, span: int) -> None:
    """A float64 holds the origin, and what whole numbers differ from it by."""
    wholes = [least, least + 1, least + span // 2, least + span]
    origin = origin_of(wholes)
    assert int(float(origin)) == origin != 0
    assert [int(float(whole - origin)) + origin for whole in wholes] == wholes
    assert 0 <= least - origin < 2**52


@pytest.mark.parametrize(
    "wholes",
    [
        [],
        [0, 2**53],
        [2**60, 2**60 + 256],
        [1, 2**60 + 1],
        [-(2**62) - 1, 2**62 + 1],
        [10**60 + 1, 10**60 + 2],
        [10**400],
    ],
)
def test_whole_numbers_that_gain_nothing_have_no_origin(wholes: list[int]) -> None:
    """Float64 has each, or differences are as long, or the numbers are longer than any difference helps."""
    assert origin_of(wholes) == 0


@pytest.mark.parametrize("kind", [None, Kind.NUMERIC])
def test_whole_numbers_beyond_float64_are_kept_less_an_origin(kind: Kind | None) -> None:
    """Which is said; the numbers are told of as they are."""
    texts = [str(2**60 + i) for i in range(60)] * 4
    spec, found = infer_column("n", Evidence.of(EncodedColumn.of(texts), np.arange(240)), total_rows=240, kind=kind)
    assert (spec.kind, spec.origin, found.warnings) == (Kind.NUMERIC, 2**60, ())
    assert f"kept less {2**60}" in found.why
    if kind is None:
        assert f"60 different whole numbers from {2**60} to {2**60 + 59}" in found.why
    as_it_is, told = infer_column(
        "n", Evidence.of(EncodedColumn.of(texts), np.arange(240)), total_rows=240, kind=Kind.NUMERIC, exact=False
    )
    assert as_it_is.origin == 0
    assert "whole numbers beyond 2^53 are rounded" in told.warnings[0]


def test_whole_numbers_with_marks_are_kept_less_an_origin_too() -> None:
    """Points between three digits each."""
    texts = [f"{2**60 + i:,}".replace(",", ".") for i in range(60)] * 4
    spec, _ = infer_column("n", Evidence.of(EncodedColumn.of(texts), np.arange(240)), total_rows=240)
    assert (spec.thousands, spec.origin) == (".", 2**60)


def test_numbers_beyond_float32_have_no_offset() -> None:
    """It would be no float32, and they are told of."""
    beyond = 1e300 * (1 + 1e-12 * np.arange(20))
    assert offset_of(beyond) == 0
    assert kept(beyond).told("x") != ()


def test_an_offset_is_the_same_each_time_and_found_in_a_sample_of_many_rows() -> None:
    """Half a million rows cost milliseconds."""
    many = 1_700_000_000 + np.random.default_rng(0).integers(0, 10**6, 500_000).astype(np.float64)
    assert offset_of(many) == offset_of(many) != 0
    assert offset_of(np.append(many, np.full(10**6, np.nan))) == offset_of(many)


@pytest.mark.parametrize(
    "values",
    [
        np.arange(100_000.0),
        np.random.default_rng(0).normal(0, 1, 500_000),
        np.random.default_rng(0).lognormal(10, 2, 50_000),
        np.round(np.random.default_rng(0).uniform(0, 1e5, 50_000), 2),
        1_700_000_000 + np.random.default_rng(0).integers(0, 3 * 31_000_000, 50_000).astype(np.float64),
        np.array([0.3, 0.1 + 0.2, np.nan]),
        np.array([]),
    ],
    ids=["counts", "normal", "log-normal", "prices", "seconds of three years", "two by rounding", "none"],
)
def test_columns_that_keep_their_differences_are_not_told(values: np.ndarray) -> None:
    """That a few of many numbers share a float32 by chance is no loss."""
    assert offset_of(values) == 0
    assert kept(values).told("x") == ()

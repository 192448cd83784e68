"""date_parts, against Python's datetime."""

from __future__ import annotations

import datetime
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.bundle.kinds import MISSING_TIME
from penstock.features.step import Form
from penstock.features.steps.date_parts import PARTS, DateParts
from penstock.testing.step import apply, model

EPOCH = datetime.datetime(1970, 1, 1)
US = datetime.timedelta(microseconds=1)
INSTANTS = st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31, 23, 59, 59, 999_999))
BOUNDARIES = [
    datetime.datetime(year, month, day, *time)
    for year in (1, 4, 100, 400, 1600, 1900, 1969, 1970, 1999, 2000, 2004, 2100, 2200, 2300, 2400, 9999)
    for month, day in ((1, 1), (2, 28), (3, 1), (12, 31))
    for time in ((0, 0, 0), (23, 59, 59, 999_999))
] + [datetime.datetime(year, 2, 29) for year in (4, 400, 1600, 1996, 2000, 2004, 2400)]


def _parts(at: datetime.datetime) -> list[int]:
    day = [at.year, (at.month - 1) // 3 + 1, at.month, at.day, at.timetuple().tm_yday, at.weekday(), at.weekday() >= 5]
    return [*day, at.hour, at.minute, at.second]


@pytest.fixture(scope="module")
def fitted():
    """One fit for all instants: the step learns nothing from them but the columns."""
    from penstock.features.step import Columns

    return DateParts(" ".join(PARTS)).fit([Columns(np.zeros((1, 1), np.int64), ("at",), Form.TIMES)], None, seed=0)


@pytest.fixture(scope="module")
def session(fitted):
    """Its graph, opened once."""
    from penstock.bundle.graph import open_session
    from penstock.features.step import Columns

    return open_session(model(fitted, [Columns(np.zeros((1, 1), np.int64), ("at",), Form.TIMES)]))


def test_its_outputs_are_named_after_column_and_part(fitted):
    """In the order of PARTS."""
    assert fitted.names == tuple(f"at: {part.replace('_', ' ')}" for part in PARTS)


@settings(max_examples=60, deadline=None)
@given(st.lists(INSTANTS, min_size=1, max_size=20))
def test_every_instant_has_the_parts_of_pythons_calendar(session, instants):
    """Exactly, from year 1 to year 9999, before 1970 as after."""
    times = np.array([[(at - EPOCH) // US] for at in instants], dtype=np.int64)
    assert session.run(None, {"x0": times})[0].tolist() == [_parts(at) for at in instants]


def test_boundaries_of_years_centuries_and_leap_days_are_exact(session):
    """First and last microseconds of the days where calendars go wrong."""
    times = np.array([[(at - EPOCH) // US] for at in BOUNDARIES], dtype=np.int64)
    assert session.run(None, {"x0": times})[0].tolist() == [_parts(at) for at in BOUNDARIES]


def test_a_missing_instant_is_nan_in_all_parts(session):
    """Beside others that are not."""
    output = session.run(None, {"x0": np.array([[MISSING_TIME], [0]], dtype=np.int64)})[0]
    assert np.isnan(output[0]).all()
    assert output[1].tolist() == _parts(EPOCH)


def test_cycles_are_sines_and_cosines(block):
    """2 pi times the share of the round that has passed; behind the part itself."""
    instants = [datetime.datetime(2024, 2, 29, 18), datetime.datetime(2100, 12, 31, 5, 59, 17)]
    times = block(Form.TIMES, [(at - EPOCH) // US for at in instants])
    fitted = DateParts("month weekday hour day_of_year year quarter minute second weekend", cycles=True).fit(
        [times], None, seed=0
    )
    output = [dict(zip(fitted.names, row, strict=True)) for row in apply(fitted, times)]
    for at, row in zip(instants, output, strict=True):
        turns = {
            "month": (at.month - 1) / 12,
            "weekday": at.weekday() / 7,
            "quarter": (at.month - 1) // 3 / 4,
            "hour": at.hour / 24,
            "minute": at.minute / 60,
            "second": at.second / 60,
            "day of year": (at.timetuple().tm_yday - 1) / 365.25,
        }
        for part, turn in turns.items():
            assert row[f"a: sin of {part}"] == pytest.approx(math.sin(2 * math.pi * turn), abs=1e-6)
            assert row[f"a: cos of {part}"] == pytest.approx(math.cos(2 * math.pi * turn), abs=1e-6)
        assert row["a: year"] == at.year
        assert row["a: weekend"] == (at.weekday() >= 5)


@pytest.mark.parametrize("parts", ["hour", "weekday", "year", "day hour", "month", "weekend second", "quarter minute"])
def test_some_parts_alone_are_as_among_all(block, parts):
    """For two columns side by side."""
    times = block(Form.TIMES, *np.random.default_rng(5).integers(-(10**16), 10**17, (2, 30)))
    some, every = (DateParts(p).fit([times], None, seed=0) for p in (parts, " ".join(PARTS)))
    everything = dict(zip(every.names, apply(every, times).T.tolist(), strict=True))
    output = dict(zip(some.names, apply(some, times).T.tolist(), strict=True))
    assert len(output) == 2 * len(parts.split())
    assert output == {name: everything[name] for name in output}


def test_no_rows_give_no_rows(session):
    """An empty batch passes through."""
    assert session.run(None, {"x0": np.empty((0, 1), np.int64)})[0].shape == (0, len(PARTS))


def test_two_steps_of_a_graph_share_one_calendar(fitted):
    """The table of 400 years is written once, however many columns are taken apart on their own."""
    from spox import Tensor, argument

    from penstock.features.graph import model_of
    from penstock.features.ops import concat

    def size(n: int) -> int:
        columns = {f"at{i}": argument(Tensor(np.int64, ("n", 1))) for i in range(n)}
        return len(model_of(columns, concat([fitted.emit([one]) for one in columns.values()])).SerializeToString())

    assert size(2) - size(1) < 0.1 * size(1)

"""Columns that look back: against a direct formula, never the future or the same instant, and online as in a batch."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.bundle.decoder import Decoder
from penstock.bundle.frame import Frame, typed_array
from penstock.bundle.history import MOST_ROWS, TAKES, History, Past
from penstock.bundle.kinds import MISSING_TIME, Kind
from penstock.bundle.specs import ColumnSpec
from penstock.errors import RequestError

SPECS = (
    ColumnSpec("at", Kind.DATETIME),
    ColumnSpec("store", Kind.CATEGORICAL),
    ColumnSpec("price", Kind.NUMERIC),
)
KINDS = {spec.name: spec.kind for spec in SPECS}
DAY = 86_400_000_000


def _pasts(by: tuple[str, ...] = ("store",)) -> tuple[Past, ...]:
    """Each kind of column, by rows and by a window."""
    pasts = [Past("count w", "count", "at", by, window=2 * DAY), Past("count r", "count", "at", by, rows=2)]
    pasts += [Past("since", "since", "at", by), Past("lag", "lag", "at", by, "price", rows=1)]
    pasts.append(Past("lag 3", "lag", "at", by, "price", rows=3))
    for take in ("mean", "sum", "min", "max", "std"):
        pasts.append(Past(f"{take} w", take, "at", by, "price", window=2 * DAY))
        pasts.append(Past(f"{take} r", take, "at", by, "price", rows=3))
    return tuple(pasts)


ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(0, 8).map(lambda half: half * DAY // 2),
        st.sampled_from(["a", "b", None]),
        st.none() | st.floats(-1e9, 1e9),
    ),
    max_size=25,
)


def _frame(rows: list[tuple[Any, Any, Any]]) -> Frame:
    columns = {n: typed_array([row[i] for row in rows], kind) for i, (n, kind) in enumerate(KINDS.items())}
    return Frame(columns, dict(KINDS), len(rows))


def _by_hand(past: Past, rows: list[tuple[Any, Any, Any]], rank: list[int], i: int) -> float:
    """The definition, row against row."""
    at, store, _ = rows[i]
    if at is None or (past.by and store is None):
        return math.nan
    earlier = [
        (row[0], j, row[2])
        for j, row in enumerate(rows)
        if row[0] is not None and row[0] < at and 0 <= rank[j] <= rank[i] and (not past.by or row[1] == store)
    ]
    earlier.sort(key=lambda row: row[:2])
    if past.take == "since":
        return (at - earlier[-1][0]) / 1e6 if earlier else math.nan
    if past.take == "lag":
        value = earlier[-past.rows][2] if len(earlier) >= past.rows else None
        return math.nan if value is None else value
    seen = [row for row in earlier if row[0] >= at - past.window] if past.window is not None else earlier[-past.rows :]
    if past.take == "count":
        return len(seen)
    values = [row[2] for row in seen if row[2] is not None]
    if past.take == "sum":
        return math.fsum(values)
    if not values:
        return math.nan
    say = {"mean": statistics.fmean, "min": min, "max": max, "std": statistics.pstdev}[past.take]
    return say(values)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, by=st.sampled_from([("store",), ()]), data=st.data())
def test_each_column_is_its_definition(rows, by, data):
    """Row against row: strictly earlier, of the same key, of its own part and those before it."""
    rank = data.draw(st.lists(st.sampled_from([0, 1, 2, -1]), min_size=len(rows), max_size=len(rows)))
    history = History(_pasts(by), SPECS)
    found = history.values(_frame(rows), np.array(rank, np.int64))
    for past in history.columns:
        expected = [_by_hand(past, rows, rank, i) if rank[i] >= 0 else math.nan for i in range(len(rows))]
        assert np.allclose(found[past.name], expected, rtol=1e-9, atol=1e-5, equal_nan=True), past


def _raw(row: tuple[Any, Any, Any]) -> dict[str, Any]:
    at, store, price = row
    stamp = None if at is None else str(np.datetime64(at, "us")) + "Z"
    return {"at": stamp, "store": store, "price": price}


@settings(max_examples=40, deadline=None)
@given(rows=ROWS)
def test_a_request_with_its_history_gets_the_bits_of_the_batch(rows):
    """Each row alone, with all other rows sent along: what is not earlier does not count."""
    history = History(_pasts(), SPECS)
    batch = history.onto(_frame(rows))
    for i, row in enumerate(rows):
        (filled,) = history.fill([_raw(row)], [_raw(other) for other in rows])
        for name in history.names:
            value = batch[name][i]
            assert filled[name] == value or (filled[name] is None and np.isnan(value)), name


def test_the_future_and_the_same_instant_do_not_matter():
    """Whatever stands there, the row is answered alike."""
    history = History(_pasts(), SPECS)
    rows = [(0, "a", 1.0), (DAY, "a", 2.0), (DAY, "a", 3.0), (2 * DAY, "a", 4.0)]
    changed = [*rows[:2], (DAY, "a", 1e6), (2 * DAY, "a", -1e6)]
    before, after = history.onto(_frame(rows)), history.onto(_frame(changed))
    for name in history.names:
        assert np.array_equal(before[name][:3], after[name][:3], equal_nan=True)
    assert before["lag"][3] == 3.0
    assert after["lag"][3] == 1e6


def test_a_row_of_training_sees_no_row_of_a_later_part():
    """Earlier in time is not enough."""
    history = History((Past("sum", "sum", "at", (), "price", window=9 * DAY),), SPECS)
    rows = _frame([(0, "a", 1.0), (1, "a", 10.0), (2, "a", 100.0), (3, "a", 1000.0)])
    found = history.values(rows, np.array([2, 0, 1, 0]))  # test, training, validation, training
    assert found["sum"].tolist() == [0.0, 0.0, 10.0, 10.0]


def test_a_field_that_a_row_has_is_left_alone_and_files_keep_their_columns():
    """A feature store may know better."""
    history = History((Past("lag", "lag", "at", ("store",), "price", rows=1),), SPECS)
    row = {"at": "2026-01-02", "store": "a", "lag": 7.5}
    earlier = [{"at": "2026-01-01", "store": "a", "price": 3}]
    assert history.fill([row], earlier)[0]["lag"] == 7.5
    assert history.fill([{**row, "lag": None}], earlier)[0]["lag"] == 3.0
    frame = _frame([(0, "a", 1.0), (1, "a", 2.0)])
    frame = Frame({**frame.columns, "lag": np.array([5.0, np.nan])}, {**frame.kinds, "lag": Kind.NUMERIC})
    assert history.onto(frame)["lag"][0] == 5.0
    assert history.fill(["no row"], []) == ["no row"]


@pytest.mark.parametrize(
    ("history", "code", "path"),
    [
        ("all", "bad-row", "history"),
        ([3], "bad-row", "history"),
        ([{"at": "never", "store": "a"}], "wrong-type", "history[0].at"),
        ([{"at": "2026-01-01", "price": "dear"}], "wrong-type", "history[0].price"),
        ([{}] * (MOST_ROWS + 1), "too-large", "history"),
    ],
)
def test_a_history_that_cannot_be_read_is_refused(history, code, path):
    """With the code and the path of a request."""
    with pytest.raises(RequestError) as refused:
        History(_pasts(), SPECS).fill([{"at": "2026-01-02", "store": "a"}], history)
    assert (refused.value.code, refused.value.path) == (code, path)


def test_it_is_stored_with_the_decoder():
    """And a decoder without it is stored as before."""
    history = History(_pasts(), SPECS)
    decoder = Decoder(SPECS, None, history=history)
    assert Decoder.from_json(decoder.to_json()).history == history
    assert "history" not in Decoder(SPECS, None).to_json()
    assert set(TAKES) == {past.take for past in history.columns}


def test_extremes_end_in_numbers():
    """Sums beyond float64, no row at all, a table without a time."""
    past = (Past("sum", "sum", "at", (), "price", rows=9), Past("std", "std", "at", (), "price", rows=9))
    rows = _frame([(0, "a", 1.7e308), (1, "a", 1.7e308), (2, "a", 0.0)])
    found = History(past, SPECS).onto(rows)
    assert found["sum"][2] == math.inf  # the packed numbers stop at float32's largest
    assert len(History(past, SPECS).onto(_frame([]))["sum"]) == 0
    nowhere = Frame(
        {"at": np.array([MISSING_TIME]), "price": np.array([1.0])}, {"at": Kind.DATETIME, "price": Kind.NUMERIC}
    )
    assert np.isnan(History(past, SPECS).onto(nowhere)["sum"][0])

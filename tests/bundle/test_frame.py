"""The typed table keeps its columns together."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.bundle.frame import Frame, typed_array
from penstock.bundle.kinds import MISSING_TIME, Kind
from penstock.errors import SchemaMismatch


def small() -> Frame:
    """Three rows of each array type, the second one missing."""
    kinds = {"age": Kind.NUMERIC, "job": Kind.CATEGORICAL, "at": Kind.DATETIME}
    values = {"age": [1.0, None, 3.0], "job": ["a", None, "c"], "at": [1, None, 3]}
    return Frame({name: typed_array(values[name], kind) for name, kind in kinds.items()}, kinds)


def test_every_kind_has_its_array_type_and_its_way_to_be_missing() -> None:
    """float64 NaN, object None, int64 MISSING_TIME."""
    frame = small()
    assert [frame[name].dtype for name in ("age", "job", "at")] == [np.float64, np.dtype(object), np.int64]
    assert frame["at"].tolist() == [1, MISSING_TIME, 3]
    for name in frame.columns:
        assert frame.missing(name).tolist() == [False, True, False]
        assert frame.missing(name).dtype == bool


@pytest.mark.parametrize("index", [[2, 0], np.array([True, False, True])[::-1], slice(1, 3)])
def test_take_picks_rows_by_position_mask_or_slice(index: object) -> None:
    """In the order asked for."""
    frame = small()
    expected = np.arange(3)[index]  # type: ignore[index]
    taken = frame.take(index)
    assert len(taken) == len(expected)
    assert taken["job"].tolist() == [frame["job"][i] for i in expected]


def test_rows_are_counted_without_any_column() -> None:
    """A table of no columns still has rows."""
    frame = small().select([])
    assert len(frame) == 3
    assert len(frame.take([0, 0])) == 2


def test_select_takes_columns_in_the_order_asked_for() -> None:
    """And forgets the others."""
    frame = small().select(["at", "age"])
    assert list(frame.columns) == list(frame.kinds) == ["at", "age"]
    assert "job" not in frame


def test_concat_puts_rows_below_rows() -> None:
    """Also when a part is empty."""
    frame = small()
    joined = Frame.concat([frame, frame.take(slice(0, 0)), frame.take([1])])
    assert len(joined) == 4
    assert joined["job"].tolist() == ["a", None, "c", None]


def test_frames_of_other_kinds_are_not_joined() -> None:
    """The column that differs is named."""
    frame = small()
    other = Frame(dict(frame.columns), {**frame.kinds, "job": Kind.TEXT})
    with pytest.raises(SchemaMismatch, match="differ in job"):
        Frame.concat([frame, other])


def test_columns_of_different_lengths_are_refused() -> None:
    """At once, not when they are used."""
    with pytest.raises(SchemaMismatch, match="lengths are"):
        Frame({"a": np.zeros(2), "b": np.zeros(3)}, {"a": Kind.NUMERIC, "b": Kind.NUMERIC})

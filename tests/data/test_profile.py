"""What is said of columns is what is in them."""

from __future__ import annotations

import json

import numpy as np

from penstock.bundle.decoder import MISSING_TIME, Frame, Kind, TargetSpec
from penstock.bundle.kinds import Task
from penstock.data.profile import profile

FRAME = Frame(
    {
        "n": np.array([1.0, 2.0, 3.0, np.nan]),
        "c": np.array(["a", "b", "a", None], dtype=object),
        "t": np.array(["red green", "blue", None, "blue"], dtype=object),
        "d": np.array([0, 86_400_000_000, MISSING_TIME, 0]),
        "e": np.array([np.nan] * 4),
    },
    {"n": Kind.NUMERIC, "c": Kind.CATEGORICAL, "t": Kind.TEXT, "d": Kind.DATETIME, "e": Kind.NUMERIC},
    4,
)


def test_every_kind_of_column_is_described() -> None:
    """Counts, ends, means, top values."""
    found = profile(FRAME, np.array([0, 1, 1, -1]), TargetSpec("y", Task.BINARY, ("no", "yes")))
    n, c, t, d, e = (found[name] for name in "nctde")
    assert (n.count, n.missing, n.distinct, n.low, n.high, n.mean) == (3, 1, 3, 1.0, 3.0, 2.0)
    assert n.quantiles[3] == 2.0
    assert (c.count, c.distinct, c.top) == (3, 2, (("a", 2), ("b", 1)))
    assert c.missing_share == 0.25
    assert (t.distinct, t.mean_words, t.max_chars) == (2, 4 / 3, 9)
    assert (d.count, d.low, d.high) == (3, "1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z")
    assert (e.count, e.missing, e.distinct) == (0, 4, 0)
    assert found.classes == {"no": 1, "yes": 2}
    assert json.loads(json.dumps(found.to_json()))["rows"] == 4


def test_the_target_of_a_regression_is_described_as_a_column() -> None:
    """Its mean and spread."""
    found = profile(FRAME, np.array([1.0, 3.0, 1.0, 3.0]), TargetSpec("y", Task.REGRESSION))
    assert found.target is not None
    assert (found.target.mean, found.target.std) == (2.0, 1.0)


def test_a_table_without_rows_has_a_profile() -> None:
    """All zeros, no error."""
    empty = FRAME.take(np.zeros(4, dtype=bool))
    found = profile(empty, np.empty(0, dtype=np.int64), TargetSpec("y", Task.BINARY, ("no", "yes")))
    assert [column.count for column in found.columns] == [0] * 5

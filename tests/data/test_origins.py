"""Whole numbers beyond 2^53 come through ingest, append and back with all their digits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from penstock.bundle.decoder import EncodedColumn
from penstock.bundle.history import Past
from penstock.bundle.kinds import Kind
from penstock.data.append import append_rows
from penstock.data.evidence import Evidence
from penstock.data.kinds import infer_column
from penstock.data.split import SplitSettings
from penstock.data.versions import DatasetVersion, load_part
from penstock.lifecycle.visible import table_of
from penstock.packaging.examples import raw_value

LEAST = 2**60
BELOW = LEAST - 2**50 + 1
"""Rows from here on would give an origin of their own."""
BELOW_TEXTS = [str(BELOW + i) for i in range(60)]
NUMERIC = {"n": Kind.NUMERIC}


def text(rows: int = 600, first: int = 0, least: int = LEAST) -> str:
    """Numbers that float64 takes for one, their target, and a name for each row that is as long."""
    lines = ["n,day,x,who,y"]
    for i in range(first, first + rows):
        number = "" if i % 50 == 3 else str(least + i % 60)
        day = np.datetime64("2026-01-01") + i
        lines.append(f"{number},{day},{i * i % 97},{LEAST + i},{'ab'[i % 60 > 30]}")
    return "\n".join(lines) + "\n"


def test_stored_rows_keep_every_digit(stores: Any) -> None:
    """And go back to what they were, as JSON and as a table for a script."""
    version = stores.ingest(text()).version
    spec = version.decoder.spec("n")
    assert spec.origin == LEAST
    frame, y = load_part(stores.objects, version, "train")
    assert set(frame["n"][~np.isnan(frame["n"])].tolist()) == set(map(float, range(60)))
    raw = [raw_value(value, version.decoder, "n") for value in frame["n"]]
    assert {value for value in raw if value is not None} == {LEAST + i for i in range(60)}
    again, problems = version.decoder.decode_rows([{"n": value} for value in raw])
    assert problems == []
    np.testing.assert_array_equal(again["n"], frame["n"])
    shown = table_of(frame, y, version.decoder.target, version.decoder.columns)
    assert str(shown.schema.field("n").type) == "int64"
    assert shown.column("n").to_pylist() == raw


def test_what_is_added_is_read_like_what_was_there(stores: Any) -> None:
    """By the origin of the version before, where the new rows would give another one; from a longer file, and as labelled rows."""
    first = stores.ingest(text()).version
    longer = stores.ingest(text() + "\n".join(text(300, 600, BELOW).splitlines()[1:]) + "\n").version
    assert infer_column("n", Evidence.of(EncodedColumn.of(BELOW_TEXTS), np.arange(60)), total_rows=60)[0].origin < LEAST
    assert longer.decoder.spec("n").origin == first.decoder.spec("n").origin == LEAST
    assert numbers_of(stores, longer) == {LEAST + i for i in range(60)} | {BELOW + i for i in range(60)}
    rows = [
        {"n": BELOW + i % 60, "day": f"2029-{1 + i // 28:02}-{1 + i % 28:02}", "x": i, "who": str(i)}
        for i in range(300)
    ]
    frame, problems = first.decoder.decode_rows(rows)
    assert problems == []
    added = append_rows(stores.ledger, stores.objects, first.digest, frame, np.arange(300) % 2).version
    assert added.decoder.spec("n").origin == LEAST
    assert numbers_of(stores, added) == {LEAST + i for i in range(60)} | {BELOW + i for i in range(60)}


def numbers_of(stores: Any, version: DatasetVersion) -> set[int]:
    """The training numbers of `n`, as the source has them."""
    frame, _ = load_part(stores.objects, version, "train")
    return {raw_value(value, version.decoder, "n") for value in frame["n"] if not np.isnan(value)}


@pytest.mark.parametrize(
    ("how", "column"),
    [
        ({"key": "who", "kinds": {"who": Kind.NUMERIC}}, "who"),
        ({"split": SplitSettings(by="time:n"), "kinds": NUMERIC}, "n"),
        ({"split": SplitSettings(by="group:n"), "kinds": NUMERIC}, "n"),
        (
            {
                "history": (Past("sum before", "sum", "day", (), "n", rows=5),),
                "split": SplitSettings(by="time:day"),
                "kinds": NUMERIC,
            },
            "n",
        ),
    ],
    ids=["key", "time", "group", "history"],
)
def test_what_names_deals_or_adds_up_rows_stays_as_it_is(stores: Any, how: dict[str, Any], column: str) -> None:
    """It is compared with raw values elsewhere."""
    result = stores.ingest(text(), **how)
    assert result.version.decoder.spec(column).origin == 0
    assert all("kept less" not in finding.why for finding in result.columns if finding.name == column)

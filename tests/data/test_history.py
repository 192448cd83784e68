"""Columns that look back, as rows are read: by part, sealed with the others, and nothing new where none is declared."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.bundle.history import Past
from penstock.bundle.kinds import Kind, Task
from penstock.data.history import thin_past
from penstock.data.split import SplitSettings
from penstock.data.versions import load_part
from penstock.errors import DeclarationError

BY_DAY = SplitSettings(by="time:day", envelopes=1)
MEAN = Past("mean before", "mean", "day", ("shop",), "price", window=3 * 86_400_000_000)
LAG = Past("sold before", "lag", "day", ("shop",), "y", rows=1)


def _sales(days: int = 100) -> str:
    dice = np.random.default_rng(0)
    lines = ["day,shop,price,note,y"]
    for day in range(days):
        for shop in ("north", "south"):
            stamp = np.datetime64("2026-01-01") + day
            lines.append(f"{stamp},{shop},{dice.uniform(1, 9):.3f},note {dice.integers(9)},{dice.uniform(0, 50):.2f}")
    return "\n".join(lines) + "\n"


def test_each_part_sees_itself_and_what_was_before_it(stores):
    """Equal to the direct formula over all earlier rows, because parts follow each other in time."""
    text = _sales()
    version = stores.ingest(text, split=BY_DAY, history=(MEAN, LAG), task=Task.REGRESSION).version
    rows = [line.split(",") for line in text.splitlines()[1:]]
    by_day = {(np.datetime64(r[0]), r[1]): (float(r[2]), float(r[4])) for r in rows}
    assert version.decoder.spec("mean before").kind is Kind.NUMERIC
    assert version.inputs == [
        n for n in ("day", "shop", "price", "note") if version.decoder.spec(n).kind is not Kind.CONSTANT
    ]
    seen = 0
    for part in ("train", "valid"):
        frame, _ = load_part(stores.objects, version, part)
        for day, shop, mean, lag in zip(
            frame["day"].view("datetime64[us]").astype("datetime64[D]"), frame["shop"], frame["mean before"],
            frame["sold before"], strict=True,
        ):  # fmt: skip
            earlier = [by_day[day - back, shop] for back in (1, 2, 3) if (day - back, shop) in by_day]
            assert np.isnan(mean) if not earlier else mean == pytest.approx(np.mean([p for p, _ in earlier]), rel=1e-12)
            assert np.isnan(lag) if not earlier else lag == by_day[day - 1, shop][1]
            seen += 1
    assert seen > 100


def test_training_rows_see_training_rows_alone_however_rows_are_dealt(stores):
    """With a random split a training row does not see the outcome of a row that is sealed."""
    text = _sales()
    version = stores.ingest(text, history=(LAG,), task=Task.REGRESSION).version
    frame, y = load_part(stores.objects, version, "train")
    own = set(np.round(y, 6).tolist())
    lags = frame["sold before"]
    assert np.isfinite(lags).sum() > 20
    assert set(np.round(lags[np.isfinite(lags)], 6).tolist()) <= own


def test_the_history_is_part_of_what_was_asked_for(stores):
    """Another one makes another version, none at all the one there was; known rows keep their parts."""
    text = _sales()
    plain = stores.ingest(text, split=BY_DAY, task=Task.REGRESSION).version
    with_mean = stores.ingest(text, split=BY_DAY, task=Task.REGRESSION, history=(MEAN,)).version
    assert plain.digest != with_mean.digest
    assert stores.ingest(text, split=BY_DAY, task=Task.REGRESSION).version.digest == plain.digest
    a, _ = load_part(stores.objects, plain, "train")
    b, _ = load_part(stores.objects, with_mean, "train")
    assert a["price"].tolist() == b["price"].tolist()


@pytest.mark.parametrize(
    ("past", "said"),
    [
        (Past("m", "mean", "dya", (), "price", rows=2), "did you mean 'day'"),
        (Past("m", "mean", "day", ("chop",), "price", rows=2), "did you mean 'shop'"),
        (Past("m", "mean", "note", (), "price", rows=2), "not a time"),
        (Past("m", "mean", "day", (), "shop", rows=2), "not numeric"),
        (Past("price", "mean", "day", (), "price", rows=2), "has a column 'price'"),
    ],
)
def test_what_cannot_be_looked_at_is_refused(stores, past, said):
    """With the name of the table in the declaration, and the nearest column."""
    with pytest.raises(DeclarationError) as refused:
        stores.ingest(_sales(30), history=(past,), task=Task.REGRESSION)
    assert said in str(refused.value)
    assert f"[history.{past.name}]" in str(refused.value)


def test_a_class_or_a_dropped_column_is_refused(stores):
    """Outcomes that are words have no mean."""
    text = _sales(60).replace("y\n", "amount\n", 1)
    classes = "\n".join(
        [f"{text.splitlines()[0]},y", *(f"{x},{'ab'[i % 2]}" for i, x in enumerate(text.splitlines()[1:]))]
    )
    with pytest.raises(DeclarationError, match="is a class"):
        stores.ingest(classes, history=(Past("m", "lag", "day", (), "y", rows=1),))
    with pytest.raises(DeclarationError, match="is dropped"):
        stores.ingest(classes, history=(MEAN,), drop=("shop",))


@pytest.mark.parametrize(("by", "warned"), [("random", 1), ("time:day", 0), ("group:store", 0), ("column:part", 0)])
def test_a_random_split_is_told_to_thin_the_past(by: str, warned: int) -> None:
    """With the share of rows that training rows can look back at; a split by time shows them what served rows see."""
    past = Past("before", "lag", "day", (), "price", rows=1)
    parts = np.array([0, 0, 0, 1, 2, -1], np.int8)
    told = thin_past([past], by, parts)
    assert len(told) == warned
    assert all("60%" in warning and 'by = "time:day"' in warning for warning in told)
    assert thin_past([], by, parts) == []

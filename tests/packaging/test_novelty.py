"""Novelty: rows unlike the training rows are told from ordinary ones."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from penstock.bundle.frame import Frame
from penstock.bundle.kinds import MISSING_TIME, Kind
from penstock.bundle.packing import Layout, pack
from penstock.bundle.specs import ColumnSpec
from penstock.packaging.novelty import FittedNovelty, fit_novelty

DATA = Path(os.environ.get("PENSTOCK_DATA", Path(__file__).parents[3] / "shared" / "data"))


def strings(values: object) -> np.ndarray:
    """An object column, None where missing."""
    values = list(values)  # type: ignore[call-overload]
    column = np.empty(len(values), object)
    column[:] = values
    return column


def table(n: int, seed: int = 0) -> Frame:
    """Two numbers that go together, a category that follows them, a text and an instant."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n)
    b = a + rng.normal(scale=0.2, size=n)
    job = strings(np.where(a > 0, "clerk", np.where(b > -1, "smith", "baker")).tolist())
    job[rng.random(n) < 0.05] = None
    note = strings(" ".join(rng.choice(["the", "gate", "is", "open", "shut", "wet"], 6)) for _ in range(n))
    at = rng.integers(0, 10**15, n)
    at[rng.random(n) < 0.05] = MISSING_TIME
    kinds = {"a": Kind.NUMERIC, "b": Kind.NUMERIC, "note": Kind.TEXT, "job": Kind.CATEGORICAL, "at": Kind.DATETIME}
    return Frame({"a": a, "b": b, "note": note, "job": job, "at": at}, kinds)


def layout_of(frame: Frame) -> Layout:
    """All columns of a frame."""
    return Layout.of(ColumnSpec(name, kind) for name, kind in frame.kinds.items())


def shuffled(frame: Frame, seed: int = 1) -> Frame:
    """Each column in an order of its own."""
    rng = np.random.default_rng(seed)
    return Frame({n: c[rng.permutation(len(c))] for n, c in frame.columns.items()}, dict(frame.kinds))


def auc(low: np.ndarray, high: np.ndarray) -> float:
    """Share of pairs in which the second is higher."""
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(high, low).statistic / (len(low) * len(high)))


@pytest.fixture(scope="module")
def fitted() -> FittedNovelty:
    frame = table(2_000)
    return fit_novelty(frame, layout_of(frame), seed=0)


def test_ordinary_rows_are_rarely_flagged_and_shuffled_ones_score_higher(fitted: FittedNovelty) -> None:
    """At most 2 % of fresh rows lie above the limit; shuffled rows are told apart."""
    ordinary, _ = fitted.score(table(4_000, seed=5))
    odd, _ = fitted.score(shuffled(table(4_000, seed=5)))
    assert (ordinary > fitted.limit).mean() <= 0.02
    assert auc(ordinary, odd) > 0.8


def test_each_column_tells_whether_it_is_outside(fitted: FittedNovelty) -> None:
    """Out of range, unknown category, unknown words, an instant after the last one; and nothing else."""
    assert fitted.columns == ("a", "b", "job", "note", "at")
    frame = table(5, seed=3).take(np.zeros(5, int))
    frame.columns["a"][1] = 1e6
    frame.columns["job"][2] = "müller"
    frame.columns["note"][3] = "completely other words stand here"
    frame.columns["at"][4] = 10**17
    score, outside = fitted.score(frame)
    assert outside[0].sum() == 0
    assert [fitted.columns[int(np.flatnonzero(row)[0])] for row in outside[1:]] == ["a", "job", "note", "at"]
    assert (outside.sum(axis=1) <= 1).all()
    assert (score[1:4] > fitted.limit).all()


def test_missing_values_are_not_outside(fitted: FittedNovelty) -> None:
    """A missing value is missing, not new."""
    frame = table(3, seed=4)
    frame.columns["a"][:] = np.nan
    frame.columns["job"][:] = None
    frame.columns["note"][:] = None
    frame.columns["at"][:] = MISSING_TIME
    assert not fitted.score(frame)[1].any()


def test_a_row_alone_scores_as_within_a_batch(fitted: FittedNovelty) -> None:
    """Bit for bit."""
    frame = table(40, seed=7)
    together, _ = fitted.score(frame)
    alone = np.concatenate([fitted.score(frame.take([i]))[0] for i in range(40)])
    np.testing.assert_array_equal(together, alone)


def test_the_same_rows_give_the_same_bytes() -> None:
    """Fitting is deterministic."""
    frame = table(300)
    models = {fit_novelty(frame, layout_of(frame), seed=3).model() for _ in range(2)}
    assert len(models) == 1


@pytest.mark.parametrize("name", ["a", "note", "job", "at"])
def test_a_table_of_one_column_works(name: str) -> None:
    """Only the flags are left."""
    frame = table(400).select([name])
    fitted = fit_novelty(frame, layout_of(frame))
    score, outside = fitted.score(table(500, seed=2).select([name]))
    assert outside.shape == (500, 1)
    assert (score > fitted.limit).mean() <= 0.02


@pytest.mark.parametrize("n", [1, 2, 3, 10, 60])
def test_a_handful_of_rows_works(n: int) -> None:
    """No quantile exists yet: rows like them are not flagged, and absurd ones are."""
    frame = table(n)
    fitted = fit_novelty(frame, layout_of(frame))
    assert not (fitted.score(frame)[0] > fitted.limit).any()


def test_constant_data_work() -> None:
    """One value everywhere: any other value is outside."""
    frame = Frame({"x": np.full(200, 7.0), "c": strings(["only"] * 200)}, {"x": Kind.NUMERIC, "c": Kind.CATEGORICAL})
    fitted = fit_novelty(frame, layout_of(frame))
    other = Frame({"x": np.array([7.0, 8.0]), "c": strings(["only", "other"])}, frame.kinds)
    score, outside = fitted.score(other)
    assert outside.tolist() == [[False, False], [True, True]]
    assert (score > fitted.limit).tolist() == [False, True]


def test_columns_of_ever_new_values_do_not_count() -> None:
    """A ticket number is unknown in every fresh row; that is reported, and is no reason to abstain."""
    frame = table(600)
    frame.columns["job"] = strings(f"ticket {i}" for i in range(600))
    fitted = fit_novelty(frame, layout_of(frame))
    fresh = table(600, seed=8)
    fresh.columns["job"] = strings(f"ticket {i}" for i in range(1_000, 1_600))
    score, outside = fitted.score(fresh)
    assert outside[:, fitted.columns.index("job")].all()
    assert (score > fitted.limit).mean() <= 0.02


def test_packed_inputs_are_all_it_needs(fitted: FittedNovelty) -> None:
    """The graph's inputs are the layout's, by name."""
    feeds = pack(table(2), fitted.known.layout)
    assert set(feeds) == {"numbers", "strings", "times"}


@pytest.mark.real
@pytest.mark.parametrize(
    ("path", "target"), [("adult/adult.csv.gz", "income"), ("covertype_sample/covtype.csv.gz", "Cover_Type")]
)
def test_shuffled_rows_of_real_data_are_told_apart(path: str, target: str) -> None:
    """ROC-AUC of at least 0.8, and at most 2 % of fresh rows flagged."""
    if not (DATA / path).exists():
        pytest.skip(f"no {path} in {DATA}")
    import csv

    with gzip.open(DATA / path, "rt", encoding="utf-8-sig", newline="") as file:
        header, *rows = list(csv.reader(file))
    columns, kinds = {}, {}
    for j, name in enumerate(header):
        values = [row[j] for row in rows]
        if name == target:
            continue
        try:
            columns[name], kinds[name] = np.array(values, np.float64), Kind.NUMERIC
        except ValueError:
            columns[name], kinds[name] = strings(values), Kind.CATEGORICAL
    frame = Frame(columns, kinds)
    order = np.random.default_rng(0).permutation(len(frame))
    fitted = fit_novelty(frame.take(order[: len(frame) // 2]), layout_of(frame))
    fresh = frame.take(order[len(frame) // 2 :])
    ordinary, odd = fitted.score(fresh)[0], fitted.score(shuffled(fresh))[0]
    assert (ordinary > fitted.limit).mean() <= 0.02
    assert auc(ordinary, odd) >= 0.8

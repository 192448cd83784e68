"""The figures of the profile are held against direct formulas, and odd columns have some too."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from penstock.bundle.decoder import MISSING_TIME, Frame, Kind, TargetSpec
from penstock.bundle.kinds import Task
from penstock.data.profile import profile
from penstock.data.profiling.relations import associations, groups_of, missing_patterns, relation
from penstock.data.profiling.shapes import BINS, shape_of
from penstock.data.profiling.survey import survey

BINARY = TargetSpec("y", Task.BINARY, ("no", "yes"))
DAY = 86_400_000_000


def objects(values: Any) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def table(n: int = 800) -> tuple[Frame, np.ndarray]:
    """Something of every kind."""
    dice = np.random.default_rng(0)
    age = dice.normal(40, 12, n)
    age[::10] = np.nan
    job = dice.choice(np.array(["nurse", "pilot", "cook"], dtype=object), n)
    job[::20] = None
    columns = {
        "age": age,
        "double": age * 2 + 1,
        "job": job,
        "code": objects([None if j is None else j[0] for j in job]),
        "at": dice.integers(0, 1000, n) * DAY,
        "note": objects([" ".join(dice.choice(["red", "grün", "blue"], 1 + i % 7)) for i in range(n)]),
        "id": objects([f"k{i}" for i in range(n)]),
    }
    kinds = dict(
        zip(
            columns,
            [Kind.NUMERIC, Kind.NUMERIC, Kind.CATEGORICAL, Kind.CATEGORICAL, Kind.DATETIME, Kind.TEXT, Kind.IDENTIFIER],
            strict=True,
        )
    )
    y = (np.nan_to_num(age, nan=40.0) + dice.normal(0, 8, n) > 45).astype(np.int64)
    return Frame(columns, kinds, n), y


def test_the_survey_holds_the_profile_and_is_strict_json() -> None:
    """The same statistics as suggestions use; nothing that JSON has no word for."""
    frame, y = table()
    found = survey(frame, y, BINARY)
    assert found.profile == profile(frame, y, BINARY)
    body = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert [c["name"] for c in body["columns"]] == list(frame.columns)
    assert (found.shown, found.sampled) == ("yes", 800)
    assert found.relations[0].column in ("age", "double")
    assert "k1" not in json.dumps(body["relations"])
    assert body["columns"][-1]["shape"]["top"] == []  # values of identifiers name rows


@pytest.mark.parametrize("kind", ["normal", "skewed", "whole", "huge", "infinite", "constant"])
def test_every_number_is_in_one_bin(kind: str) -> None:
    """Whatever its size; the edges ascend."""
    dice = np.random.default_rng(1)
    values = {
        "normal": dice.normal(size=5000),
        "skewed": dice.lognormal(0, 3, 5000),
        "whole": dice.integers(0, 8, 5000).astype(np.float64),
        "huge": np.where(dice.random(5000) < 0.5, -1.7e308, 1.7e308),
        "infinite": np.where(dice.random(5000) < 0.1, np.inf, dice.normal(size=5000)),
        "constant": np.full(5000, 3.0),
    }[kind]
    shape = shape_of(values, Kind.NUMERIC)
    assert sum(shape.counts) == np.isfinite(values).sum()
    assert len(shape.edges) == len(shape.counts) + 1 <= BINS + 1
    assert (np.diff(shape.edges) > 0).all()
    if kind == "whole":
        assert shape.counts == tuple(np.bincount(values.astype(int)))
    if kind == "infinite":
        assert any("infinite" in note for note in shape.notes)


def test_outliers_lie_beyond_tukey_s_outer_fences() -> None:
    """Counted by the formula, and the extremes told."""
    dice = np.random.default_rng(2)
    values = np.r_[dice.normal(size=4000), [50.0, -60.0, 70.0]]
    ordered = np.sort(values)
    q1, q3 = ordered[len(values) // 4], ordered[3 * len(values) // 4]
    expected = int(((values < q1 - 3 * (q3 - q1)) | (values > q3 + 3 * (q3 - q1))).sum())
    shape = shape_of(values, Kind.NUMERIC)
    assert shape.outliers == expected >= 3
    assert shape.extremes[0] == -60.0
    assert shape.extremes[-1] == 70.0


def test_instants_tell_days_gaps_and_weekdays() -> None:
    """Days without a time, a gap of 20 days, all on a Thursday."""
    days = np.r_[np.arange(10), np.arange(13, 20)] * 7
    shape = shape_of(np.r_[days * DAY, MISSING_TIME], Kind.DATETIME)
    text = "; ".join(shape.notes)
    assert "17 different days" in text
    assert "most on Thursday (100%)" in text
    assert "without a time of day" in text
    assert "longest gap is 28 days, from 1970-03-05" in text
    assert sum(shape.counts) == 17


def test_texts_tell_lengths_and_words() -> None:
    """The commonest first."""
    shape = shape_of(objects(["red blue red", "Red", None, "", "größe"]), Kind.TEXT)
    assert shape.top[0] == ("red", 3)
    assert sum(shape.counts) == 4
    assert "1 without a word" in shape.notes
    assert any("ASCII" in note for note in shape.notes)


def test_associations_are_those_of_the_formulas() -> None:
    """Rank correlation where both are there; a copy is 1; independent ones are near 0."""
    frame, _ = table()
    names = ["age", "double", "job", "code", "at"]
    grouped = {name: groups_of(frame[name], frame.kinds[name]) for name in names}
    matrix = associations(frame, grouped, names)
    at = {name: i for i, name in enumerate(names)}
    assert matrix[at["age"], at["double"]] == pytest.approx(1.0)
    assert matrix[at["job"], at["code"]] == pytest.approx(1.0, abs=0.01)
    there = ~np.isnan(frame["age"])
    expected = abs(spearmanr(frame["age"][there], frame["at"][there]).statistic)
    assert matrix[at["age"], at["at"]] == pytest.approx(expected)  # ranks of these rows alone
    assert matrix[at["job"], at["age"]] < 0.15
    assert (matrix == matrix.T).all()


def test_cramers_v_and_the_correlation_ratio_of_known_tables() -> None:
    """A two-by-two table by hand; a number that its group decides."""
    one = objects(["a"] * 60 + ["b"] * 40)
    other = objects(["x"] * 50 + ["y"] * 10 + ["x"] * 10 + ["y"] * 30)
    frame = Frame(
        {"one": one, "other": other, "number": np.where(one == "a", 1.0, 2.0)},
        {"one": Kind.CATEGORICAL, "other": Kind.CATEGORICAL, "number": Kind.NUMERIC},
    )
    names = list(frame.columns)
    matrix = associations(frame, {n: groups_of(frame[n], frame.kinds[n]) for n in names}, names)
    phi = (50 * 30 - 10 * 10) ** 2 / (60 * 40 * 60 * 40)
    corrected = (phi - 1 / 99) / (2 - 1 / 99 - 1)
    assert matrix[0, 1] == pytest.approx(np.sqrt(corrected))
    assert matrix[0, 2] == pytest.approx(1.0)


def test_the_relation_of_a_class_is_its_share_by_group() -> None:
    """And the strength is the share of variance between the groups, less what three groups explain by chance."""
    group = np.array([0, 0, 1, 1, 1, 2] * 20)
    y = np.array([0, 1, 1, 1, 0, 0] * 20)
    found = relation("c", group, ["a", "b", "c", "never"], y, 1)
    assert found.labels == ("a", "b", "c")
    assert found.rows == (40, 60, 20)
    assert found.values == pytest.approx((1 / 2, 2 / 3, 0))
    means = np.array([0.5, 0.5, 2 / 3, 2 / 3, 2 / 3, 0] * 20)
    share = ((means - 0.5) ** 2).sum() / ((y - 0.5) ** 2).sum()
    assert found.strength == pytest.approx(1 - (1 - share) * 119 / 117)


def test_many_values_that_say_nothing_have_no_strength() -> None:
    """Two hundred values explain much of a few hundred rows, by chance."""
    dice = np.random.default_rng(0)
    told = [
        relation("c", dice.integers(0, 200, 500), [str(i) for i in range(200)], dice.normal(size=500), None).strength
        for _ in range(20)
    ]
    assert np.mean(told) < 0.05


def test_patterns_of_missing_values_are_counted() -> None:
    """All rows, the commonest first; complete rows are a pattern too."""
    frame, _ = table()
    gaps, patterns = missing_patterns(frame)
    assert gaps == ["age", "double", "code", "job"]
    assert dict(patterns) == {(): 720, ("age", "double"): 40, ("age", "double", "code", "job"): 40}
    assert missing_patterns(frame.select(["at"])) == ([], [])


EMPTY = {
    "n": (np.empty(0), Kind.NUMERIC),
    "t": (np.empty(0, dtype=np.int64), Kind.DATETIME),
    "c": (np.empty(0, dtype=object), Kind.CATEGORICAL),
    "w": (np.empty(0, dtype=object), Kind.TEXT),
}


@pytest.mark.parametrize("rows", [0, 1, 5])
@pytest.mark.parametrize("regression", [False, True])
def test_tables_with_hardly_a_row_or_a_value_are_surveyed(rows: int, regression: bool) -> None:
    """And give strict JSON and a page."""
    from penstock.evaluation.profile_page import to_html

    columns = {
        "n": np.full(rows, np.nan),
        "i": np.full(rows, np.inf),
        "t": np.full(rows, MISSING_TIME),
        "c": objects([None] * rows),
        "w": objects([None] * rows),
        "k": objects([f"<b>{i}</b>" for i in range(rows)]),
    }
    kinds = [Kind.NUMERIC, Kind.NUMERIC, Kind.DATETIME, Kind.CATEGORICAL, Kind.TEXT, Kind.CATEGORICAL]
    frame = Frame(columns, dict(zip(columns, kinds, strict=True)), rows)
    y = np.zeros(rows) if regression else np.zeros(rows, dtype=np.int64)
    found = survey(frame, y, TargetSpec("y", Task.REGRESSION) if regression else BINARY)
    page = to_html(found, name="<script>", target="y")
    assert "<script" not in page
    assert "<b>" not in page


def test_whole_numbers_with_few_values_are_grouped_by_them() -> None:
    """Other numbers, and whole ones with many values, by ranges; a value that is not there is a group of its own."""
    children = np.array([0, 2, 2, 7, np.nan, 0] * 20)
    group, names = groups_of(children, Kind.NUMERIC)
    assert names == ["0", "2", "7", "(missing)"]
    assert group[:6].tolist() == [0, 1, 1, 2, 3, 0]
    _, many = groups_of(np.arange(200) * 1000.0, Kind.NUMERIC)
    assert many[:2] == ["< 19,900", "19,900 to 39,800"]
    _, fractions = groups_of(np.array([0.5, 1.0, 2.0] * 20), Kind.NUMERIC)
    assert fractions[0] == "< 0.5"


def test_numbers_that_are_kept_less_an_origin_are_told_as_the_source_has_them() -> None:
    """All digits of them, and no zeros that are none; the bars are of what is kept, and say less what."""
    origin, n = 2**60, 600
    kept = (np.arange(n) % 60).astype(np.float64)
    columns = {"few": kept % 5, "n": kept}
    frame = Frame(columns, dict.fromkeys(columns, Kind.NUMERIC))
    found = survey(frame, np.arange(n) % 2, BINARY, origins=dict.fromkeys(columns, origin))
    one, shape = found.profile["n"], found.shapes["n"]
    assert (one.low, one.high, one.distinct) == (origin, origin + 59, 60)
    assert all(isinstance(q, int) and origin <= q <= origin + 59 for q in (*one.quantiles, one.mean))
    assert one.std == pytest.approx(kept.std())
    assert shape.extremes == (origin,) * 3 + (origin + 59,) * 3
    assert not any("zeros" in note for note in shape.notes)
    assert (shape.origin, shape.edges[0]) == (origin, 0.0)
    labels = {relation.column: relation.labels for relation in found.relations}
    assert labels["few"] == tuple(str(origin + i) for i in range(5))
    assert labels["n"][0] == f"< {origin + 6}"
    assert found.profile == profile(frame, np.arange(n) % 2, BINARY, dict.fromkeys(columns, origin))
    body = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert body["columns"][1]["low"] == origin
    assert body["columns"][1]["shape"]["origin"] == origin

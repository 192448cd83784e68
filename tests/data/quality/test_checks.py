"""Each check finds the fault that it is for, and says nothing of tables without it."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from penstock.bundle.decoder import MISSING_TIME, Kind
from penstock.data.quality.learning_curve import Curve
from penstock.data.quality.models import influences, strength
from penstock.data.quality.pairs import best_pair
from penstock.data.quality.report import QUALITY_CHECKS, explain_quality, judge
from penstock.data.quality.view import SealedCounts
from penstock.data.split import SplitSettings
from penstock.errors import NotFound
from penstock.project.quality import LIMITS

HOUR = 3_600_000_000


def sound(n: int = 1500, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Columns and classes without a fault."""
    dice = np.random.default_rng(seed)
    columns: dict[str, np.ndarray] = {
        "age": dice.normal(40, 12, n),
        "income": dice.lognormal(10, 0.5, n),
        "job": dice.choice(np.array(["nurse", "pilot", "cook"], dtype=object), n),
    }
    columns["age"][::17] = np.nan
    score = (np.nan_to_num(columns["age"], nan=40.0) - 40) / 12 + (columns["job"] == "pilot")
    return columns, (score + dice.normal(0, 0.7, n) > 0.4).astype(np.int64)


def numbers_of(columns: dict[str, np.ndarray], seed: int = 0) -> np.ndarray:
    """A regression's target."""
    noise = np.random.default_rng(seed + 1).normal(0, 20, len(columns["age"]))
    return np.nan_to_num(columns["age"], nan=40.0) * 2 + noise


def only(found: list[Any]) -> Any:
    (one,) = found
    return one


@pytest.mark.parametrize("regression", [False, True])
def test_nothing_is_found_in_a_sound_table(view: Any, regression: bool) -> None:
    """But, at most, that more rows would help."""
    columns, y = sound()
    failed = [f for f in judge(view(columns, numbers_of(columns) if regression else y)) if f.failed]
    assert {f.id for f in failed} <= {"enough-rows"}


def test_rows_that_repeat_are_counted_by_part(view: Any, judged: Any) -> None:
    """Also those of the test part, of which only fingerprints are known."""
    columns, y = sound(1000)
    part = np.repeat([0, 1, 2], [600, 200, 200])
    rows = np.r_[np.arange(1000), np.arange(30), np.arange(900, 910)]
    repeated = {name: column[rows] for name, column in columns.items()}
    one = only(judged("duplicate-rows", view(repeated, y[rows], part=part[rows])))
    assert one.failed
    assert one.value == pytest.approx(40 / 1040)
    assert "30 within train, 0 within valid, 10 within test" in one.why
    assert one.rows == tuple(range(600, 610))


def test_held_out_rows_that_were_trained_on_are_counted(view: Any, judged: Any) -> None:
    """By part, whatever their target."""
    columns, y = sound(1000)
    part = np.repeat([0, 1, 2, 1, 2], [600, 200, 200, 20, 40])
    rows = np.r_[np.arange(1000), np.arange(20), np.arange(40)]
    copied = {name: column[rows] for name, column in columns.items()}
    valid, test = judged("split-duplicates", view(copied, np.r_[y, 1 - y[:20], y[:40]], part=part))
    assert (valid.about, valid.value) == ("valid", pytest.approx(20 / 220))
    assert (test.about, test.value) == ("test", pytest.approx(40 / 240))
    assert valid.failed
    assert test.failed
    (coarse,) = judged("split-duplicates", replace(view(copied, np.r_[y, 1 - y[:20], y[:40]], part=part), coarse=True))
    assert "too coarse to tell rows apart" in coarse.why


def test_equal_inputs_with_different_classes_are_conflicts(view: Any, judged: Any) -> None:
    """The rows that are not of their group's most frequent class."""
    columns, y = sound(1000)
    rows = np.r_[np.arange(1000), np.arange(30), np.arange(30)]
    twice = {name: column[rows] for name, column in columns.items()}
    part = np.zeros(1060)
    one = only(judged("label-conflicts", view(twice, np.r_[y, 1 - y[:30], y[:30]], part=part)))
    assert one.failed
    assert one.value == pytest.approx(30 / 1060)
    assert set(one.rows[:3]) == {int(one.rows[0]), int(one.rows[1]), int(one.rows[2])}
    assert len({int(row) % 1000 if row < 1030 else int(row) - 1030 for row in one.rows[:3]}) == 1


def test_labels_that_were_exchanged_are_suspected(view: Any, judged: Any) -> None:
    """Nine in ten of the surest suspects were exchanged."""
    dice = np.random.default_rng(1)
    x = dice.normal(size=(3000, 3))
    true = (4 * x[:, 0] + 2 * x[:, 1] + dice.normal(size=3000) > 0).astype(np.int64)
    wrong = dice.random(3000) < 0.15
    columns = {f"x{i}": x[:, i] for i in range(3)}
    part = np.zeros(3000)
    one = only(judged("label-errors", view(columns, np.where(wrong, 1 - true, true), part=part)))
    assert one.failed
    assert wrong[list(one.rows)].mean() >= 0.9
    assert not only(judged("label-errors", view(columns, true, part=part))).failed


def test_numbers_far_from_their_prediction_are_suspected(view: Any, judged: Any) -> None:
    """A tenth that was written with another unit."""
    columns, _ = sound(2000)
    y = numbers_of(columns)
    wrong = np.arange(2000) % 10 == 0
    one = only(judged("label-errors", view(columns, np.where(wrong, y * 10, y), part=np.zeros(2000))))
    assert one.failed
    assert wrong[list(one.rows)].all()


def test_texts_with_another_name_in_them_are_near_duplicates(view: Any, judged: Any) -> None:
    """Within training rows and across the parts; of test rows the sealed count is added."""
    dice = np.random.default_rng(2)
    words = np.array([f"w{i}" for i in range(400)])
    texts = [" ".join(dice.choice(words, 30)) for _ in range(500)]
    texts[450:480] = [f"Dear N{i}, " + text for i, text in enumerate(texts[:30])]
    texts[100:110] = [text.upper() for text in texts[:10]]
    column = np.array(texts, dtype=object)
    y = dice.integers(0, 2, 500)
    table = {"note": column}
    one = only(judged("near-duplicate-texts", view(table, y, kinds={"note": Kind.TEXT})))
    assert one.failed
    assert "10 of 400 training rows, and 30 of 100 validation rows" in one.why
    assert one.rows == tuple(range(100, 110))
    counts = SealedCounts(100, {"note": 60})
    more = only(judged("near-duplicate-texts", view(table, y, kinds={"note": Kind.TEXT}, count=lambda _: counts)))
    assert more.value == pytest.approx(100 / 600)


def test_a_column_made_from_the_outcome_is_too_good(view: Any, judged: Any) -> None:
    """A number and a category; the sound columns beside them are not named."""
    columns, y = sound()
    dice = np.random.default_rng(3)
    columns["duration"] = y * 100 + dice.normal(0, 10, len(y))
    columns["duration"][::50] = np.nan
    columns["grade"] = np.where(y == 1, dice.choice(["a", "b"], len(y)), dice.choice(["c", "d"], len(y))).astype(object)
    found = judged("too-good-column", view(columns, y))
    assert {f.about for f in found} == {"duration", "grade"}
    assert all(f.failed for f in found)
    assert {f.about for f in judged("target-copy", view(columns, y))} == {"grade"}


def test_a_target_that_is_a_sum_of_columns_is_a_copy(view: Any, judged: Any) -> None:
    """The parts are named."""
    columns, _ = sound()
    columns = {name: np.nan_to_num(columns[name], nan=40.0) for name in ("age", "income")}
    columns["income"] = columns["income"] / 500
    columns["noise"] = np.random.default_rng(4).normal(size=len(columns["age"]))
    one = only(judged("target-copy", view(columns, columns["age"] + columns["income"])))
    assert one.failed
    assert one.about is None
    assert "age" in one.why
    assert "income" in one.why
    assert "noise" not in one.why


def test_a_target_that_is_a_product_or_a_ratio_is_a_copy(view: Any, judged: Any) -> None:
    """The columns are named; a target that two columns foretell as well as they can is none."""
    dice = np.random.default_rng(11)
    n = 600
    quantity, price, noise = dice.integers(1, 20, n).astype(float), dice.lognormal(3, 1, n), dice.normal(size=n)
    tax, missing = dice.uniform(1.05, 1.25, n), np.where(np.arange(n) % 9 == 0, np.nan, price)
    table = {"quantity": quantity, "price": price, "tax": tax, "noise": noise}
    one = only(judged("target-copy", view(table, quantity * price * tax)))
    assert (one.about, one.failed) == (None, True)
    assert "price^1, quantity^1, tax^1" in one.why
    signed = quantity - 10
    for target, other, says in (
        (signed * price, {}, "of quantity x price"),
        (price / (quantity + 1), {}, "quantity"),
        (signed * missing, {"price": missing}, "of quantity x price"),
    ):
        columns = {**table, "quantity": signed if "x" in says else quantity + 1, **other}
        kept = ~np.isnan(target)
        one = only(judged("target-copy", view({k: v[kept] for k, v in columns.items()}, target[kept])))
        assert one.failed
        assert says in one.why
    noisy = quantity * price * dice.lognormal(0, 0.4, n)
    assert not only(judged("target-copy", view(table, noisy))).failed


def test_a_target_that_is_the_time_between_two_instants_is_a_copy(view: Any, judged: Any) -> None:
    """Of numbers and of classes: neither instant alone says it."""
    dice = np.random.default_rng(12)
    n = 400
    invoiced = dice.integers(0, 700, n) * 24 * HOUR + HOUR
    days = dice.integers(1, 90, n)
    table = {"invoiced": invoiced, "paid": invoiced + days * 24 * HOUR, "other": dice.permutation(invoiced)}
    for y in (days.astype(float), (days > 30).astype(np.int64)):
        one = only(judged("target-copy", view(table, y)))
        assert one.failed
        assert "of the time from invoiced to paid" in one.why
        unpaid = {name: column for name, column in table.items() if name != "paid"}
        assert not only(judged("target-copy", view(unpaid, y))).failed


def test_a_field_that_is_filled_by_the_outcome_is_found(view: Any, judged: Any) -> None:
    """Its values say nothing, its being there does."""
    columns, y = sound()
    columns["left_at"] = np.where(y == 1, np.random.default_rng(5).integers(1, HOUR, len(y)), MISSING_TIME)
    one = only(judged("filled-by-outcome", view(columns, y)))
    assert (one.about, one.failed) == ("left_at", True)


def test_instants_after_the_row_s_own_time_are_found(view: Any, judged: Any) -> None:
    """Where rows are dealt by time, or the declaration names it; else the pair is named that is worth a look, and nothing fails."""
    columns, y = sound()
    asked = np.arange(len(y)) * HOUR + HOUR
    columns |= {"asked": asked, "paid": np.where(np.arange(len(y)) % 5 == 0, asked + HOUR, asked - HOUR)}
    one = only(judged("time-travel", view(columns, y, split=SplitSettings(by="time:asked"))))
    assert (one.about, one.failed) == ("paid", True)
    assert one.value == pytest.approx(0.2)
    named = only(judged("time-travel", view(columns, y, time="asked")))
    assert (named.about, named.failed) == ("paid", True)
    told = only(judged("time-travel", view(columns, y)))
    assert not told.judged
    assert "asked is later than paid in 80.0% of the rows: if the question is asked at paid" in told.why


def test_an_order_of_rows_that_knows_the_outcome_is_found(view: Any, judged: Any) -> None:
    """Sorted by outcome, and an identifier whose beginning names it."""
    columns, y = sound()
    order = np.argsort(y, kind="stable")
    sorted_rows = {name: column[order] for name, column in columns.items()}
    part = np.arange(len(y)) % 5 == 0
    assert only(judged("identifier-leak", view(sorted_rows, y[order], part=part))).failed
    columns["id"] = np.array([f"{'fra' if k else 'web'}-{i}" for i, k in enumerate(y)], dtype=object)
    one = only(judged("identifier-leak", view(columns, y, kinds={"id": Kind.IDENTIFIER}, part=part)))
    assert (one.about, one.failed) == ("id", True)


def test_columns_that_say_nothing_or_the_same_are_found(view: Any, judged: Any) -> None:
    """A constant, a copy of a number, and codes of a category."""
    columns, y = sound()
    columns["country"] = np.full(len(y), "DE", dtype=object)
    columns["pounds"] = columns["age"] * 2.2
    codes = {"nurse": "1", "pilot": "2", "cook": "3"}
    columns["job_code"] = np.array([codes[job] for job in columns["job"]], dtype=object)
    assert {f.about for f in judged("constant-columns", view(columns, y))} == {"country"}
    assert {f.about for f in judged("redundant-columns", view(columns, y))} == {"pounds", "job_code"}


def test_rare_classes_and_imbalance_are_told(view: Any, judged: Any) -> None:
    """Below the limit, which can be set."""
    columns, _ = sound(1000)
    y = np.zeros(1000, dtype=np.int64)
    y[::10], y[::100] = 1, 2
    one = only(judged("class-imbalance", view(columns, y)))
    assert one.failed
    assert one.value == pytest.approx(8 / 720)
    assert not only(judged("class-imbalance", view(columns, y), 0.01)).failed
    assert only(judged("rare-classes", view(columns, y))).about == "perhaps"


def test_a_changed_unit_is_a_jump_and_a_trend_is_none(view: Any, judged: Any) -> None:
    """With its place, in the order of the instants."""
    dice = np.random.default_rng(6)
    n = 1200
    weight = dice.normal(70, 8, n) * np.where(np.arange(n) >= 700, 22, 1)
    time = np.arange(n) * HOUR
    mixed = dice.permutation(n)
    columns = {"weight": weight[mixed], "grows": np.linspace(1, 9, n)[mixed], "at": time[mixed]}
    one = only(judged("scale-jumps", view(columns, dice.integers(0, 2, n), part=np.zeros(n))))
    assert (one.about, one.failed) == ("weight", True)
    assert one.value == pytest.approx(22, rel=0.1)
    assert abs(mixed[one.rows[0]] - 700) <= 50


def test_a_jump_in_the_source_is_seen_beside_a_column_of_instants(view: Any, judged: Any) -> None:
    """A date of birth orders people, not the rows of a file."""
    columns, y = sound(1500)
    columns["born"] = np.random.default_rng(4).integers(0, 10**15, 1500)
    columns["income"][900:] *= 100
    one = only(judged("scale-jumps", view(columns, y)))
    assert (one.failed, one.about) == (True, "income")
    assert "order of the source" in one.why


def test_parts_that_differ_are_told_apart(view: Any, judged: Any) -> None:
    """The column is named for validation rows, never for test rows."""
    columns, y = sound(2000)
    columns["income"] = columns["income"] * np.where(np.arange(2000) >= 1600, 3, 1)
    counts = SealedCounts(400, {}, told_apart=0.7 * 300 * 400, pairs=300 * 400, test_rows=400, train_rows=300)
    valid, test = judged("part-shift", view(columns, y, count=lambda _: counts))
    assert valid.failed
    assert "income" in valid.why
    assert (test.about, test.failed) == ("test", True)
    assert test.value == pytest.approx(0.7)
    assert "income" not in test.why


def test_a_curve_says_enough_more_or_that_it_cannot_tell(view: Any, judged: Any) -> None:
    """A rule of products wants more rows, a simple one has enough; of noise, and of few rows of a flat curve, nothing can be told."""
    dice = np.random.default_rng(0)
    x = dice.normal(size=(1000, 8))
    columns = {f"x{i}": x[:, i] for i in range(8)}
    product = (x[:, 0] * x[:, 1] + x[:, 2] * x[:, 3] + 0.3 * dice.normal(size=1000) > 0).astype(np.int64)
    more = only(judged("enough-rows", view(columns, product)))
    assert more.failed
    assert more.why.startswith("800 more rows would bring about 0.0")
    simple = (x[:, 0] > 0).astype(np.int64)
    enough = only(judged("enough-rows", view(columns, simple)))
    assert (enough.failed, enough.judged) == (False, True)
    noise = only(judged("enough-rows", view(columns, dice.integers(0, 2, 1000))))
    assert not noise.judged
    assert "nothing was learned yet" in noise.why
    half = (x[:, 0] + 0.3 * x[:, 1] * x[:, 2] + dice.normal(size=1000) > 0).astype(np.int64)
    unsure = only(judged("enough-rows", view(columns, half)))
    assert not unsure.judged
    assert "cannot tell: 800 more rows would bring about" in unsure.why


@pytest.mark.parametrize("confidence", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("slope", [0.15, 0.5, 0.85])
def test_an_interval_of_a_gain_holds_the_true_one_as_often_as_it_says(confidence: float, slope: float) -> None:
    """Of curves that follow a power law, steep or flat, with errors as large as they are said to be; and nothing wrong is said at 95 %."""
    dice = np.random.default_rng(0)
    rows, error = np.array([100, 200, 400, 800]), np.array([0.02, 0.014, 0.01, 0.007])
    weight = 0.4 / 100.0**-slope
    true = weight * (1200.0**-slope - 2400.0**-slope)
    held, wrong = 0, 0
    for seed in range(60):
        score = 0.9 - weight * rows.astype(np.float64) ** -slope + dice.normal(0, error)
        gains = Curve(rows, score, np.diag(error**2)).gains(1200, seed=seed)
        low, high = np.quantile(gains, [(1 - confidence) / 2, (1 + confidence) / 2])
        held += low <= true <= high
        wrong += high < LIMITS["enough-rows"] < true or low > LIMITS["enough-rows"] > true
    assert held >= (confidence - 0.1) * 60
    assert wrong <= (1 - confidence) * 60


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_how_far_rows_move_a_figure_is_what_drawing_them_again_shows(classes: int) -> None:
    """The same figure as `strength`, and the standard error of a bootstrap within a fifth."""
    dice = np.random.default_rng(1)
    y = dice.integers(0, classes, 400) if classes else dice.normal(size=400)
    answer = dice.random((400, max(1, classes)))
    if classes:
        answer[np.arange(400), y] += 0.3
    else:
        answer = y[:, None] + dice.normal(size=(400, 1)) * 0.7
    value, moved = influences(y, answer, classes)
    assert value == pytest.approx(strength(y, answer, classes))
    assert moved.mean() == pytest.approx(0, abs=1e-9)
    drawn = [influences(y[rows], answer[rows], classes)[0] for rows in dice.integers(0, 400, (300, 400))]
    assert np.sqrt((moved**2).sum()) / 400 == pytest.approx(np.std(drawn), rel=0.2)


def test_a_column_that_carries_a_very_good_model_is_named(view: Any, judged: Any) -> None:
    """Written down during what is to be foretold; a strong column among others as strong together is none."""
    dice = np.random.default_rng(0)
    x = dice.normal(size=(1000, 6))
    y = (x.sum(axis=1) / 3 + dice.normal(size=1000) > 0.5).astype(np.int64)
    columns = {f"x{i}": x[:, i] for i in range(6)}
    one = only(judged("dominant-column", view({**columns, "seconds": dice.gamma(2.0, np.where(y == 1, 8.0, 1.0))}, y)))
    assert (one.failed, one.about) == (True, "seconds")
    weak = only(judged("dominant-column", view(columns, y)))
    assert not weak.judged
    sure = (x @ np.array([1.5, 1, 1, 1, 1, 1]) + 0.5 * dice.normal(size=1000) > 0).astype(np.int64)
    assert not only(judged("dominant-column", view(columns, sure))).failed


def test_columns_that_hide_each_other_are_named_together(view: Any, judged: Any) -> None:
    """Four consequences of the outcome, each harmless beside the others; of many strong columns none is named."""
    dice = np.random.default_rng(0)
    x = dice.normal(size=(1500, 12))
    y = (x[:, :6].sum(axis=1) / 3 + dice.normal(size=1500) > 0.5).astype(np.int64)
    columns = {f"x{i}": x[:, i] for i in range(12)}
    after = {}
    for i, wrong in enumerate((0.03, 0.04, 0.05, 0.1)):
        after[f"after{i}"] = np.where(dice.random(1500) < wrong, 1 - y, y) * 1.0
    found = judged("dominant-column", view({**columns, **after}, y))
    assert {one.about for one in found if one.failed} == {"after0", "after1", "after2", "after3"}
    assert all("without the 4 columns that foretell most alone" in one.why for one in found)
    factor = dice.normal(size=1500)  # many measurements of one thing, as of cells under a microscope
    measured = {f"m{i}": factor + 0.5 * dice.normal(size=1500) for i in range(12)}
    honest = (factor + 0.3 * dice.normal(size=1500) > 0).astype(np.int64)
    assert not [one for one in judged("dominant-column", view(measured, honest)) if one.failed]


def test_rows_sorted_by_class_are_one_finding_on_their_order(view: Any, judged: Any) -> None:
    """Not one for each column that is the same within a class; a sensor that hung across the classes is named still."""
    dice = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 500)
    columns = {f"x{i}": np.where(y == i % 3, 0.0, dice.normal(size=1500)) for i in range(8)}
    columns["sensor"] = dice.normal(size=1500)
    columns["sensor"][300:800] = 7.0
    part = np.zeros(1500)
    found = {one.about: one for one in judged("standing-still", view(columns, y, part=part)) if one.failed}
    assert found.keys() == {None, "sensor"}
    assert "within one class 8 columns stand still (x0, x1, x2, x3, x4 and 3 more)" in found[None].why
    shuffled = dice.permutation(1500)
    mixed = {name: column[shuffled] for name, column in columns.items()}
    assert not [one for one in judged("standing-still", view(mixed, y[shuffled], part=part)) if one.failed]


def test_a_column_that_stands_still_and_then_moves_is_found(view: Any, judged: Any) -> None:
    """One value or none over a fifth of the rows; what seldom changes, or has one frequent value, does not stand still."""
    columns, y = sound()
    dice = np.random.default_rng(0)
    columns |= {"sensor": dice.normal(size=len(y)), "filled": dice.normal(size=len(y))}
    columns["sensor"][400:700] = 7.0
    columns["filled"][:300] = np.nan
    columns |= {
        "month": np.arange(len(y)) // 300 * 1.0,
        "rare": (dice.random(len(y)) < 0.02) * 1.0,
        "often": (dice.random(len(y)) < 0.3) * 1.0,
    }
    found = {one.about: one.why for one in judged("standing-still", view(columns, y)) if one.failed}
    assert found.keys() == {"sensor", "filled"}
    assert "is '7.0' in 300 rows from row 400 on" in found["sensor"]
    assert "has no value in 300 rows from row 0 on" in found["filled"]


ODD = {
    "no rows": {"a": np.empty(0), "b": np.empty(0, dtype=object), "t": np.empty(0, dtype=np.int64)},
    "one row": {"a": np.array([1.0]), "b": np.array(["x"], dtype=object), "t": np.array([0])},
    "all missing": {
        "a": np.full(300, np.nan),
        "b": np.full(300, None, dtype=object),
        "t": np.full(300, MISSING_TIME),
    },
    "infinite and huge": {
        "a": np.where(np.arange(300) % 2, np.inf, 1e308),
        "b": np.array([f"v{i}" for i in range(300)], dtype=object),
        "t": np.full(300, 2**62),
    },
}


@pytest.mark.parametrize("regression", [False, True])
@pytest.mark.parametrize("table", ODD)
def test_odd_tables_are_judged_or_told_to_be_too_small(view: Any, table: str, regression: bool) -> None:
    """Every check says something of each, and raises nothing."""
    columns = ODD[table]
    n = len(columns["a"])
    y = np.arange(n, dtype=np.float64) if regression else np.arange(n) % 2
    target = y if n else y.astype(np.float64 if regression else np.int64)
    made = view(columns, target) if n else _empty(view, columns, regression)
    assert {f.id for f in judge(made)} == set(LIMITS)


def test_a_table_without_inputs_is_judged(view: Any) -> None:
    """Identifiers alone."""
    column = np.array([f"k{i}" for i in range(300)], dtype=object)
    made = view({"k": column}, np.arange(300) % 2, kinds={"k": Kind.IDENTIFIER})
    assert {f.id for f in judge(made)} == set(LIMITS)


def test_the_order_of_checks_is_that_of_their_limits_and_each_explains_itself() -> None:
    """What it does, why it matters, an example, what to do, reference."""
    assert [check.id for check in QUALITY_CHECKS] == list(LIMITS)
    for check in QUALITY_CHECKS:
        text = explain_quality(check.id)
        titles = ["What it does", "Why it matters", "Example that fails", "What to do", "Reference"]
        assert [line for line in text.splitlines()[1:] if line and not line.startswith(" ")] == titles
    with pytest.raises(NotFound, match="label-errors"):
        explain_quality("labels")


def test_the_same_data_are_judged_alike(view: Any) -> None:
    """Whatever is drawn is drawn by the seed."""
    columns, y = sound(400)
    columns["note"] = np.array([f"word{i % 7} of {i % 31} and more" for i in range(400)], dtype=object)
    first, second = (judge(view(columns, y, kinds={"note": Kind.TEXT})) for _ in range(2))
    assert [f.to_json() for f in first] == [f.to_json() for f in second]


def test_checks_can_be_chosen_and_turned_off(view: Any) -> None:
    """Only those that are left are made."""
    columns, y = sound(300)
    assert {f.id for f in judge(view(columns, y), only=("rare-classes",))} == {"rare-classes"}
    few = judge(view(columns, y), {"rare-classes": 1e6}, only=("rare-classes",))
    assert all(f.failed for f in few)
    assert not judge(view(columns, y), only=("rare-classes",), off=("rare-classes",))


def _empty(view: Any, columns: dict[str, np.ndarray], regression: bool) -> Any:
    one = view(ODD["one row"], np.zeros(1) if regression else np.zeros(1, dtype=np.int64), part=np.full(1, 2))
    assert one.train.n_rows == len(columns["a"]) == 0
    return one


@pytest.mark.parametrize("share", [0.15, 0.2, 0.3])
def test_many_wrong_labels_are_found_as_few_are(view: Any, judged: Any, share: float) -> None:
    """They make a model less sure of all rows: a fixed probability would find none of them."""
    dice = np.random.default_rng(2)
    x = dice.normal(size=(2000, 3))
    true = (4 * x[:, 0] + 2 * x[:, 1] + dice.normal(size=2000) > 0).astype(np.int64)
    wrong = dice.random(2000) < share
    columns = {f"x{i}": x[:, i] for i in range(3)}
    assert only(judged("label-errors", view(columns, np.where(wrong, 1 - true, true), part=np.zeros(2000)))).failed


@pytest.mark.parametrize("kind", ["log-normal", "a product", "uneven"])
def test_sound_numbers_of_uneven_spread_are_not_suspect(view: Any, judged: Any, kind: str) -> None:
    """Dear things vary more than cheap ones."""
    dice = np.random.default_rng(3)
    a, b = dice.normal(size=(2, 1500))
    y = {
        "log-normal": np.exp(8 + 0.5 * a + dice.normal(size=1500)),
        "a product": np.exp(a) * np.exp(2 * b),
        "uneven": a + np.exp(b) * dice.normal(size=1500),
    }[kind]
    assert only(judged("label-errors", view({"a": a, "b": b}, y, part=np.zeros(1500)))).value < 0.01


def test_columns_that_are_filled_in_the_same_rows_need_not_say_the_same(view: Any, judged: Any) -> None:
    """Only rows in which both have a value are compared; there they may."""
    dice = np.random.default_rng(5)
    rare = dice.random(4000) < 0.05
    lab_a, lab_b = (np.where(rare, dice.normal(size=4000), np.nan) for _ in range(2))
    y = dice.integers(0, 2, 4000)
    assert not only(judged("redundant-columns", view({"lab_a": lab_a, "lab_b": lab_b}, y))).failed
    shorter = np.where(dice.random(4000) < 0.5, 3 * np.exp(lab_a), np.nan)
    one = only(judged("redundant-columns", view({"lab_a": lab_a, "lab_c": shorter}, y)))
    assert (one.about, one.failed, one.value) == ("lab_c", True, pytest.approx(1.0))


def test_models_of_checks_are_judged_on_other_groups(view: Any, judged: Any) -> None:
    """A customer's number knows the customer's rows, and nothing of those that are to come."""
    dice = np.random.default_rng(7)
    customer = dice.integers(0, 60, 1500)
    leaves = dice.integers(0, 2, 60)[customer]
    columns = {"cust": np.array([f"c{c}" for c in customer], dtype=object), "x": dice.normal(size=1500)}
    by_row = view(columns, leaves, part=np.zeros(1500))
    by_group = replace(by_row, split=SplitSettings(by="group:cust"))
    assert only(judged("too-good-column", by_row)).failed
    assert not only(judged("too-good-column", by_group)).failed


def test_columns_of_which_nothing_is_kept_are_not_judged(view: Any, judged: Any) -> None:
    """They are no constants: nothing is known of them."""
    nothing = {"mail": np.full(500, None, dtype=object), "x": np.random.default_rng(0).normal(size=500)}
    plain = view(nothing, np.arange(500) % 2)
    assert only(judged("constant-columns", plain)).about == "mail"
    assert not only(judged("constant-columns", replace(plain, withheld=frozenset({"mail"})))).failed


@pytest.mark.parametrize("unit", ["inches", "pounds", "cents beside zeros", "gallons"])
def test_a_changed_unit_is_found_though_both_sides_overlap(view: Any, judged: Any, unit: str) -> None:
    """All of a distribution is multiplied: that is seen in its quartiles."""
    dice, n = np.random.default_rng(0), 1500
    later = np.arange(n) >= 700
    values = {
        "inches": dice.normal(170, 10, n) / np.where(later, 2.54, 1),
        "pounds": dice.normal(75, 14, n) * np.where(later, 2.2046, 1),
        "cents beside zeros": np.where(dice.random(n) < 0.6, 0, dice.lognormal(3, 1, n)) * np.where(later, 100, 1),
        "gallons": dice.lognormal(2, 0.8, n) / np.where(later, 3.785, 1),
    }[unit]
    one = only(judged("scale-jumps", view({"x": values}, dice.integers(0, 2, n), part=np.zeros(n))))
    assert one.failed
    assert abs(one.rows[0] - 700) <= 190


def test_seasons_are_no_jump_and_a_unit_that_changes_within_them_is_one(view: Any, judged: Any) -> None:
    """Degrees and counts over two years go up and down; from one row on they are in Fahrenheit, or in dozens."""
    dice, n = np.random.default_rng(7), 2500
    year = np.arange(n) / 3 / 365 * 2 * np.pi
    degrees = dice.normal(0, 3, n) + 15 + 10 * np.sin(year)
    counts = dice.poisson(1 + 2 * (np.sin(year) > 0)).astype(float)
    y = dice.integers(0, 2, n)
    sound = judged("scale-jumps", view({"degrees": degrees, "counts": counts}, y, part=np.zeros(n)))
    assert not any(one.failed for one in sound)
    for at in (1010, 1290, 1700):
        changed = np.where(np.arange(n) < at, degrees + 273, (degrees + 273) * 9 / 5 * 2)
        assert only(judged("scale-jumps", view({"x": changed}, y, part=np.zeros(n)))).failed


@pytest.mark.parametrize("seed", range(3))
def test_numbers_that_vary_are_no_jump(view: Any, judged: Any, seed: int) -> None:
    """However skewed they are."""
    dice = np.random.default_rng(seed)
    columns = {"a": dice.pareto(1.1, 1200), "b": dice.lognormal(0, 1.5, 1200), "c": dice.poisson(1.5, 1200) * 1.0}
    columns["d"] = np.linspace(1, 9, 1200) * dice.lognormal(0, 0.3, 1200)
    assert not only(judged("scale-jumps", view(columns, dice.integers(0, 2, 1200), part=np.zeros(1200)))).failed


def test_sizes_and_products_are_those_of_the_numbers_themselves(view: Any, judged: Any) -> None:
    """Of numbers near 2^60, which are kept less an origin, the differences say nothing of either."""
    dice, n = np.random.default_rng(0), 1200
    kept = np.where(np.arange(n) < 600, dice.integers(1, 60, n), dice.integers(1000, 2000, n)).astype(np.float64)
    y = dice.integers(0, 2, n)
    for origins, size in (({}, 10.0), ({"n": 2**60}, 1.0)):
        one = only(judged("scale-jumps", view({"n": kept}, y, part=np.zeros(n), origins=origins)))
        assert one.value == 1.0 if size == 1.0 else one.value > size
    other = dice.permutation(kept)
    table = {"n": kept, "other": other}
    for origins, copied in (({}, True), (dict.fromkeys(table, 2**60), False)):
        one = only(judged("target-copy", view(table, kept * other, origins=origins)))
        assert one.failed is copied, one


def test_the_values_of_no_more_pairs_than_the_best_are_held(view: Any) -> None:
    """Of 40 columns there are 780 pairs, each with two or three columns of its own."""
    dice, n = np.random.default_rng(0), 4000
    columns = {f"c{i}": dice.normal(size=n) for i in range(10)}
    seen = view(columns, dice.normal(size=n), part=np.zeros(n))
    names = list(columns)
    best_pair(seen, names)  # imports, and what the view keeps
    tracemalloc.start()
    try:
        assert best_pair(seen, names) is not None
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 * 8 * n  # there are 135 columns of pairs

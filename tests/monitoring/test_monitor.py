"""The monitor keeps still about chance and speaks up about shifts, naming the column."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from penstock.bundle.decoder import Decoder
from penstock.bundle.frame import Frame
from penstock.bundle.kinds import Kind
from penstock.bundle.specs import ColumnSpec
from penstock.errors import BadParameter, NotFound
from penstock.evaluation.bootstrap import Estimate
from penstock.monitoring.monitor import CHECKS, explain_check
from penstock.monitoring.monitor import monitor as watch
from penstock.monitoring.reference import Reference, build_reference
from penstock.monitoring.render import to_html
from penstock.monitoring.view import MonitorSettings
from penstock.monitoring.window import Window


def alarms(report) -> set[tuple[str, str | None]]:
    return {(check.id, check.column) for check in report.alarms}


@pytest.mark.parametrize("kind", ["world", "regression_world"])
def test_of_100_unshifted_windows_at_most_5_alarm(kind, request):
    """500 rows each, all checks together."""
    world = request.getfixturevalue(kind)
    assert sum(world.watch(world.window(world.rows(500, seed))).alarm for seed in range(100)) <= 5


@pytest.mark.parametrize("column", ["age", "income", "gains", "children"])
def test_a_shift_of_half_a_standard_deviation_is_named_in_95_of_100_windows(world, column):
    """1,000 rows; 25 windows for each of four columns of different shape."""
    named = 0
    for seed in range(25):
        rows = world.rows(1000, seed)
        moved = world.frame[column][rows] + 0.5 * np.nanstd(world.frame[column])
        named += column in world.watch(world.window(rows, **{column: moved})).drifted
    assert named >= 24


def test_a_million_rows_do_not_alarm_on_trifles(world):
    """A shift of a fiftieth of a standard deviation is beyond chance there, and no matter."""
    rows = np.random.default_rng(0).choice(world.fresh, 1_000_000)
    age = world.frame["age"][rows] + np.random.default_rng(1).normal(0.2, 0.01, len(rows))
    frame = Frame({"age": age}, {"age": world.frame.kinds["age"]})
    report = world.watch(Window.of(frame, world.answers.take(rows)))
    assert ("drift", "age") not in alarms(report)


def test_a_field_that_is_no_longer_sent_is_named(world):
    """Missing in 4 of 10 rows."""
    rows = world.rows(500)
    income = np.where(np.arange(500) % 10 < 4, np.nan, world.frame["income"][rows])
    report = world.watch(world.window(rows, income=income))
    assert alarms(report) == {("missing-share", "income")}
    assert "in training" in report.alarms[0].why


def test_a_field_that_is_suddenly_always_there_is_named_too(world):
    """A new default value for what was missing in 10 %."""
    rows = world.rows(800)
    income = np.nan_to_num(world.frame["income"][rows], nan=22_000.0)
    assert ("missing-share", "income") in alarms(world.watch(world.window(rows, income=income)))


def test_a_new_category_is_unknown_and_a_known_one_that_grows_is_drift(world):
    """The why names the value."""
    rows = world.rows(500)
    new = np.where(np.arange(500) < 40, "administration", world.frame["job"][rows])
    report = world.watch(world.window(rows, job=new))
    assert ("unknown-values", "job") in alarms(report)
    assert "'administration' (40)" in next(c.why for c in report.alarms if c.id == "unknown-values")
    grown = np.where(np.arange(500) < 150, "pilot", world.frame["job"][rows])
    report = world.watch(world.window(rows, job=grown))
    assert alarms(report) == {("drift", "job")}
    assert "'pilot'" in report.alarms[0].why


def test_another_unit_is_out_of_range(world):
    """Some ages in months."""
    rows = world.rows(500)
    age = np.where(np.arange(500) < 30, world.frame["age"][rows] * 12, world.frame["age"][rows])
    assert ("out-of-range", "age") in alarms(world.watch(world.window(rows, age=age)))


def test_texts_in_another_language_have_unknown_words(world):
    """A third of the texts."""
    rows = world.rows(300)
    note = world.frame["note"][rows].copy()
    note[:100] = "por favor llame mañana"
    report = world.watch(world.window(rows, note=note))
    assert ("unknown-words", "note") in alarms(report)


def test_changed_answers_are_seen_without_any_drifted_column(world):
    """Prediction shares, confidence and novelty are of the window as a whole."""
    rows = world.rows(600)
    window = world.window(rows)
    sure = np.tile([0.02, 0.98], (600, 1))
    answered = replace(window.answered, novelty=np.r_[np.full(60, 1.5), np.zeros(540)], label=np.ones(600, np.int64), probabilities=sure)  # fmt: skip
    report = world.watch(replace(window, answered=answered))
    assert alarms(report) == {("prediction-share", None), ("confidence", None), ("novelty-share", None)}
    assert "'yes' is the answer to 100.0%" in report.alarms[0].why


def test_moved_predictions_of_a_regression_are_seen(regression_world):
    """Distance of predictions."""
    window = regression_world.window(regression_world.rows(400))
    moved = replace(window, answered=replace(window.answered, value=window.answered.value + 1))
    assert alarms(regression_world.watch(moved)) == {("prediction-share", None)}


def test_slow_answers_alarm_only_against_a_deadline(world):
    """And one slow request is none."""
    window = replace(
        world.window(world.rows(100)), requests=100, latencies_ms=np.r_[np.full(95, 2.0), np.full(5, 300.0)]
    )
    assert not world.watch(window).alarm
    report = world.watch(window, settings=MonitorSettings(deadline_ms=100))
    assert alarms(report) == {("latency-p99", None)}
    once = replace(window, latencies_ms=np.r_[np.full(99, 2.0), 900.0])
    assert not world.watch(once, settings=MonitorSettings(deadline_ms=100)).alarm


def test_refused_requests_alarm_with_their_codes(world):
    """One in ten refused."""
    report = world.watch(replace(world.window(world.rows(90)), requests=90, refused={"wrong-type": 9, "bad-json": 1}))
    assert alarms(report) == {("error-share", None)}
    assert "wrong-type (9)" in report.alarms[0].why


def test_live_quality_is_held_against_what_was_expected(world):
    """True outcomes are as expected; shuffled ones are not."""
    rows = world.rows(800)
    window = replace(world.window(rows), ids=np.array([f"p{i}" for i in range(800)], dtype=object))
    decoder = Decoder((), world.signature.target)
    names = np.array(["no", "yes"])
    good = {f"p{i}": str(names[label]) for i, label in enumerate(world.y[rows])}
    assert not world.watch(window, labels=good, decoder=decoder).alarm
    bad = dict(zip(good, np.random.default_rng(0).permutation(list(good.values())).tolist(), strict=True))
    report = world.watch(window, labels=bad, decoder=decoder)
    assert alarms(report) == {("live-quality", None)}
    assert "on 800 labelled rows; 0.77 was expected" in report.alarms[0].why
    lower = world.watch(window, labels=bad, decoder=decoder, quality=("roc_auc", Estimate(0.5, 0.45, 0.55)))
    assert not lower.alarm


def test_a_few_labels_are_not_judged(world):
    """And ids of other windows are left out."""
    window = replace(world.window(world.rows(100)), ids=np.array([f"p{i}" for i in range(100)], dtype=object))
    report = world.watch(window, labels={"p1": "yes", "other": "no"}, decoder=Decoder((), world.signature.target))
    check = next(c for c in report.checks if c.id == "live-quality")
    assert np.isnan(check.value)
    assert check.why == "1 labelled rows, 30 needed"


@pytest.mark.parametrize("n", [0, 1, 29])
def test_a_small_window_is_not_judged(world, n):
    """However odd its rows are."""
    rows = world.rows(n)
    report = world.watch(world.window(rows, age=np.full(n, 1e9)))
    assert not report.alarm
    assert all(f"too few rows: {n} of at least 30" == c.why for c in report.checks if c.column)
    assert report.to_text().startswith("nothing could be judged")


def test_an_empty_column_is_missing_and_nothing_else(world):
    """All values gone."""
    rows = world.rows(200)
    report = world.watch(world.window(rows, age=np.full(200, np.nan)))
    assert alarms(report) == {("missing-share", "age")}


def test_the_json_is_the_contract(world):
    """Plain values, null for what could not be judged."""
    body = json.loads(json.dumps(world.watch(world.window(world.rows(500))).to_json(), allow_nan=False))
    assert body["format"] == 1
    assert set(body["window"]) == {"from", "to", "rows"}
    assert {"id", "column", "value", "limit", "alarm"} <= set(body["checks"][0])
    assert body["alarm"] is False
    assert body["warnings"] == []


def test_the_text_names_the_columns_furthest_off_first(world):
    """The first line says it."""
    rows = world.rows(1000)
    age, income = world.frame["age"][rows] + 30, world.frame["income"][rows] * 1.6
    report = world.watch(world.window(rows, age=age, income=income))
    assert report.exit_code == 1
    first = report.to_text().splitlines()[0]
    assert first.startswith("ALARM")
    assert first.endswith(": age, income")


def test_text_and_page_say_that_every_look_has_the_chance_of_a_false_alarm(world):
    """Once each: a window is looked at again and again."""
    report = world.watch(world.window(world.rows(500)))
    assert report.to_text().count("false alarm is 0.01 for this look, and again for every further one") == 1
    assert to_html(report).count("every further look has that chance again") == 1


def test_a_reference_reads_back_as_it_was_written(world):
    """Canonical through JSON, and small."""
    text = json.dumps(world.reference, allow_nan=False)
    assert Reference.from_json(json.loads(text)).to_json() == world.reference
    assert len(text) < 300_000


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_every_check_documents_itself_in_the_agreed_order(check):
    """What, why, example, what to do, reference."""
    text = explain_check(check.id)
    heads = ["What it does", "Why it matters", "Example that fails", "What to do", "Reference"]
    places = [text.index(f"\n{head}\n") for head in heads]
    assert places == sorted(places)


def test_an_unknown_check_lists_those_that_there_are():
    """For `explain-check`."""
    with pytest.raises(NotFound, match="missing-share"):
        explain_check("drifty")


def test_settings_are_bounded():
    """A chance is below one half."""
    with pytest.raises(BadParameter, match="alpha is 0"):
        MonitorSettings(alpha=0)


def test_a_column_that_the_window_does_not_have_is_not_judged(world):
    """A file with fewer columns."""
    rows = world.rows(100)
    frame = world.frame.take(rows).select(["age"])
    report = watch(Window.of(frame, world.answers.take(rows)), world.reference, world.signature)
    assert {c.column for c in report.checks} <= {None, "age"}


def test_a_category_of_values_that_hardly_repeat_keeps_still(world):
    """Ticket numbers: each training row has its own or shares it with few, and most of a window were never seen."""
    rng = np.random.default_rng(5)
    tickets = np.array([f"t{i}" for i in rng.integers(0, 600, len(world.frame))], dtype=object)
    frame = Frame({"ticket": tickets}, {"ticket": Kind.CATEGORICAL})
    spec = [ColumnSpec("ticket", Kind.CATEGORICAL)]
    held = np.arange(500, 700)
    reference = build_reference(frame.take(slice(0, 500)), spec, world.answers.take(held), frame.take(held))
    alarmed = 0
    for first in range(700, 8700, 200):
        rows = np.arange(first, first + 200)
        alarmed += watch(Window.of(frame.take(rows), world.answers.take(rows)), reference, world.signature).alarm
    assert alarmed <= 2

"""A window is what the journal holds of one version between two instants."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from penstock.bundle.runtime import Bundle
from penstock.monitoring.answered import Answered
from penstock.monitoring.monitor import monitor
from penstock.monitoring.reference import build_reference
from penstock.monitoring.window import read_window
from penstock.serving.journal_writer import JournalWriter, origin_of
from penstock.testing.toy_bundle import ROWS, write_toy_bundle


@pytest.fixture(scope="module", params=["binary", "multiclass", "regression"])
def bundle(request, tmp_path_factory) -> Bundle:
    return Bundle.load(write_toy_bundle(tmp_path_factory.mktemp("toy") / "bundle", task=request.param))


def serve(journal, bundle, rows, *, version=1, times=1):
    with JournalWriter(journal) as writer:
        for _ in range(times):
            answers = bundle.predict(rows)
            writer.predictions(
                origin_of(bundle.signature.model, version, "blue"),
                json.dumps({"rows": list(rows)}).encode(),
                answers,
                at_ns=time.time_ns(),
                latency_ms=1.5,
            )
        writer.error(400, "wrong-type", origin=origin_of(bundle.signature.model, version, "blue"))


def window_of(journal, bundle, **options):
    return read_window(journal, bundle.decoder, bundle.signature, 1, **options)


def test_rows_and_answers_come_back_as_the_bundle_gives_them_in_bulk(bundle, tmp_path):
    """Withheld answers included; bit for bit."""
    serve(tmp_path, bundle, ROWS)
    window = window_of(tmp_path, bundle)
    frame, _ = bundle.decoder.decode_rows(ROWS)
    answers = bundle.predict_frame(frame)
    assert window.rows == len(ROWS)
    assert window.frame["age"].tolist()[:2] == [41.0, 33.0]
    for name in ("novelty", "label", "probabilities", "value"):
        there, here = getattr(answers, name), getattr(window.answered, name)
        assert (there is None) == (here is None)
        if there is not None:
            np.testing.assert_array_equal(np.asarray(there, dtype=here.dtype), here)
    assert (window.requests, window.latencies_ms.tolist(), window.refused) == (1, [1.5], {"wrong-type": 1})
    assert len(set(window.ids)) == len(ROWS)


def test_answers_of_another_version_are_left_out_and_noted(bundle, tmp_path):
    """The reference is of one version."""
    serve(tmp_path, bundle, ROWS[:2])
    serve(tmp_path, bundle, ROWS, version=2)
    window = window_of(tmp_path, bundle)
    assert window.rows == 2
    assert window.notes == (f"{len(ROWS)} rows were answered by toy 2 and are left out",)


def test_answers_of_a_fallback_are_noted_and_those_that_are_not_the_models_left_out(tmp_path):
    """Late ones say nothing of the model; those without a field are its own declared way, and stay."""
    policies = {"income": "fallback"}
    bundle = Bundle.load(write_toy_bundle(tmp_path / "bundle", late=True, missing=policies))
    with JournalWriter(tmp_path / "journal") as writer:
        for answers in (bundle.predict_late(ROWS[:2]), bundle.predict(ROWS[:2])):
            body = json.dumps({"rows": list(ROWS[:2])}).encode()
            writer.predictions(origin_of("toy", 1, "blue"), body, answers, at_ns=time.time_ns(), latency_ms=1.5)
    window = window_of(tmp_path / "journal", bundle)
    assert (window.rows, len(window.frame)) == (4, 2)
    late, missing = window.notes
    assert late.startswith("2 rows were answered by the fallback")
    assert missing.startswith("1 rows were answered by the model that does without a field")


def test_many_rows_are_sampled_evenly_and_the_window_says_so(bundle, tmp_path):
    """Memory stays bounded; all rows are counted."""
    many = [{"age": 20 + i % 50, "job": "pilot"} for i in range(300)]
    serve(tmp_path, bundle, many, times=10)
    window = window_of(tmp_path, bundle, cap=500)
    assert window.rows == 3000
    assert len(window.frame) == len(window.answered) == len(window.ids) == 500
    assert window.notes == ("of 3,000 rows a uniform sample of 500 is compared",)
    assert abs(window.frame["age"].mean() - 44.5) < 3
    assert window_of(tmp_path, bundle, cap=500).ids.tolist() == window.ids.tolist()


def test_a_window_without_traffic_is_empty(bundle, tmp_path):
    """Before the first request, and after the last."""
    assert window_of(tmp_path, bundle).rows == 0
    serve(tmp_path, bundle, ROWS)
    later = datetime.now(UTC) + timedelta(hours=1)
    window = window_of(tmp_path, bundle, since=later, until=later + timedelta(hours=1))
    assert (window.rows, window.requests, len(window.frame)) == (0, 0, 0)


def test_served_traffic_can_be_held_against_the_bundles_reference(bundle, tmp_path):
    """From journal to verdict, with the arrays of `predict_frame` as the reference's answers."""
    rng = np.random.default_rng(0)

    def rows(n, shift=0.0):
        ages = rng.normal(45 + shift, 8, n).clip(18, 90).round().tolist()
        return [
            {"age": age, "income": 50_000, "job": str(rng.choice(["nurse", "pilot"])), "member": True} for age in ages
        ]

    frame, _ = bundle.decoder.decode_rows(rows(2000))
    specs = [bundle.decoder.spec(column.name) for column in bundle.signature.columns]
    reference = build_reference(frame, specs, bundle.predict_frame(frame), frame, novelty_limit=0.75)
    serve(tmp_path / "calm", bundle, rows(400))
    assert not monitor(window_of(tmp_path / "calm", bundle), reference, bundle.signature).alarm
    serve(tmp_path / "moved", bundle, rows(400, shift=8.0))
    assert "age" in monitor(window_of(tmp_path / "moved", bundle), reference, bundle.signature).drifted


def test_no_answers_make_arrays_of_no_rows(bundle):
    """0 rows, the right shapes."""
    empty = Answered.of_journal([], bundle.signature)
    assert len(empty) == 0
    if empty.probabilities is not None:
        assert empty.probabilities.shape == (0, len(bundle.signature.target.classes))


def test_what_other_models_failed_at_is_not_held_against_the_version(bundle, tmp_path):
    """A damaged model of the shelf, an older version that was asked by its number; nor what was refused before it was known what it asks."""
    serve(tmp_path, bundle, ROWS)
    with JournalWriter(tmp_path) as writer:
        for model, version in (("fraud", 1), (bundle.signature.model, 7)):
            writer.error(503, "model-unavailable", origin=origin_of(model, version, "shelf"))
        writer.error(400, "bad-json")
        writer.error(500, "internal")
        writer.error(503, "too-late", origin=origin_of(bundle.signature.model, 1, "blue"))
    window = window_of(tmp_path, bundle)
    assert (window.failed, dict(window.refused)) == (1, {"wrong-type": 1, "too-late": 1})
    assert any(note.startswith("2 requests were refused before") for note in window.notes)

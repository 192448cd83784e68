"""Both arms from a journal: who belongs to which, pairs of a shadow, and intervals that say what is clear."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from penstock.bundle.runtime import Bundle
from penstock.monitoring.arms import ArmSide, compare_arms
from penstock.monitoring.comparison import Comparison
from penstock.serving.instants import iso_of
from penstock.serving.journal_writer import JournalWriter, origin_of
from penstock.serving.releases import Release
from penstock.testing.toy_bundle import write_toy_bundle

ARM = {"live": b',"arm":"live"', "candidate": b',"arm":"candidate"', "": b""}


class Traffic:
    """Answers of two versions, written as servers do."""

    def __init__(self, folder: Path, task: Any) -> None:
        self.journal = folder / "journal"
        self.bundles = {n: Bundle.load(write_toy_bundle(folder / str(n), task=task, version=n)) for n in (1, 2)}
        self.writer = JournalWriter(self.journal)
        self.began = datetime.now(UTC) - timedelta(hours=3)

    def origin(self, version: int, arm: str) -> bytes:
        return origin_of("toy", version, "blue" if version == 1 else "green") + ARM[arm]

    def predict(self, version: int, arm: str, rows: list[dict[str, Any]], latency_ms: float = 5.0) -> list[str]:
        """Journals one request; gives its ids."""
        import orjson

        answers = self.bundles[version].predict(rows)
        body, now = orjson.dumps({"rows": rows}), time.time_ns()
        told = self.writer.predictions(self.origin(version, arm), body, answers, at_ns=now, latency_ms=latency_ms)
        return [answer["id"] for answer in orjson.loads(told)]

    def shadow(self, rows: list[dict[str, Any]], ids: list[str]) -> None:
        answers = [{"id": i, **a} for i, a in zip(ids, self.bundles[2].predict(rows), strict=True)]
        self.writer.shadow(self.origin(2, "candidate"), answers, latency_ms=1.0)

    def compare(self, mode: Any = "ab", labels: dict[str, Any] | None = None) -> Comparison:
        self.writer.sync()
        release = Release(mode, 0.5, started_at=iso_of(self.began))
        sides = [ArmSide("toy", n, b.decoder, b.signature) for n, b in self.bundles.items()]
        return compare_arms(self.journal, release, *sides, labels or {}, until=datetime.now(UTC) + timedelta(seconds=1))


@pytest.fixture
def traffic(tmp_path: Path) -> Callable[..., Traffic]:
    return lambda task="binary": Traffic(tmp_path, task)


def row(n: int) -> dict[str, Any]:
    return {"age": 20 + n % 60, "income": 1000 * (n % 150), "job": ("pilot", "nurse")[n % 2], "member": n % 3 == 0}


def test_each_arm_has_its_own(traffic: Callable[..., Traffic]) -> None:
    """Requests that named a version belong to neither; failures of the candidate are its own, the server's those of the live arm, as far as it was known that it was asked."""
    there = traffic()
    for n in range(6):
        there.predict(1, "live", [row(n), row(n + 1)])
    for _ in range(4):
        there.predict(2, "candidate", [{"age": 150}])
    there.predict(1, "", [row(1)])
    there.predict(2, "", [row(1)])
    live_arm = there.origin(1, "live")
    there.writer.error(400, "wrong-type", origin=live_arm)
    there.writer.error(500, "internal", origin=live_arm)
    there.writer.error(500, "internal", origin=there.origin(1, ""))  # asked by its name
    there.writer.error(500, "internal")  # before it was known what was asked
    for code in ("overloaded", "too-late", "store-full"):  # of a server with too much to do
        there.writer.error(503, code, origin=live_arm)
    there.writer.error(500, "internal", origin=there.origin(2, "candidate"))
    there.writer.error(503, "model-unavailable", origin=origin_of("fraud", 7, "shelf"))  # of neither arm
    found = there.compare()
    live, candidate = ({n: f.value for n, f in arm.figures().items()} for arm in (found.live, found.candidate))
    assert (live["requests"], live["rows"], live["errors"]) == (7, 12, pytest.approx(1 / 7))
    assert (candidate["requests"], candidate["rows"], candidate["errors"]) == (5, 4, pytest.approx(1 / 5))
    assert candidate["abstentions"] == candidate["novelty"] == 1
    assert found.hours == pytest.approx(3, abs=0.01)
    assert found.evidence.candidate["hours"].value == found.hours
    assert {one.verdict for one in found.differences if one.name == "errors"} == {"not yet clear"}


def test_what_is_clear_is_told(traffic: Callable[..., Traffic]) -> None:
    """Abstains always against hardly ever, ten times slower: worse, each with an interval on one side of 0."""
    there = traffic()
    for n in range(80):
        there.predict(1, "live", [{"age": 40, "income": 150000, "job": "pilot", "member": True}], 2.0 + n / 100)
        there.predict(2, "candidate", [{"age": 150}], 20.0 + n / 100)
    found = there.compare()
    by_name = {one.name: one for one in found.differences}
    assert by_name["latency_p50"].verdict == "worse"
    assert by_name["latency_p50"].interval.low > 10
    assert by_name["novelty"].verdict == "higher"
    assert by_name["abstentions"].verdict in ("worse", "not yet clear")
    assert by_name["errors"].verdict == "not yet clear"
    text = found.to_text()
    assert "not yet clear" in text
    assert "+18 ms" in text


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_shadow_is_compared_row_by_row(traffic: Callable[..., Traffic], task: str) -> None:
    """Labels of the real answers count for both; the same rows make the difference surer than two samples would."""
    there = traffic(task)
    classes = list(there.bundles[1].signature.target.classes)
    labels: dict[str, Any] = {}
    for n in range(120):
        rows = [row(n)]
        [known] = there.predict(1, "live", rows)
        there.shadow(rows, [known])
        labels[known] = classes[(n * 7) % len(classes)] if classes else float(n % 11)
    found = there.compare("shadow", labels)
    assert (found.live.rows, found.candidate.rows, found.candidate.requests) == (120, 120, 120)
    assert (found.live.labels, found.candidate.labels) == (120, 120)
    assert 0 < found.agreement.value <= 1
    assert found.candidate.figures()["latency_p50"].value == 1.0
    quality = next(one for one in found.differences if one.name == found.metric)
    assert quality.interval.low <= quality.value <= quality.interval.high
    assert found.evidence.gaps["quality"].low == quality.interval.low
    alone = found.evidence.candidate["quality"]
    assert alone.high - alone.low > quality.interval.high - quality.interval.low or task == "regression"
    assert quality.live == pytest.approx(found.live.quality.value if found.live.quality else None)
    plain = found.to_json()
    assert plain["agreement"] == found.agreement.value
    assert len(plain["arms"][0]["scores"]) == 5


def test_nothing_yet_is_told_as_nothing(traffic: Callable[..., Traffic]) -> None:
    """No request at all, or no label: nothing is clear, nothing is made up."""
    found = traffic().compare()
    assert {one.verdict for one in found.differences} == {"not yet clear"}
    assert math.isnan(found.evidence.candidate["errors"].value)
    assert any("labelled rows" in note for note in found.notes)
    assert found.to_json()["arms"][1]["quality"] is None
    assert "?" in found.to_text()

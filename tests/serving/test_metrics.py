"""Metrics: counted per worker, told for all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families

from penstock.serving.metrics import PREDICTED, ROWS, Metrics, clear_metrics
from penstock.serving.settings import LatencyObjective, ObjectiveSettings
from penstock.serving.slots import SlotState
from penstock.testing.toy_bundle import ROWS as TOY_ROWS

if TYPE_CHECKING:
    from tests.serving.conftest import Client

Sample = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: str) -> Sample:
    """Every sample by name and labels."""
    families = text_string_to_metric_families(text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_what_a_client_causes_is_counted(deploy: Callable[..., SlotState], open_client: Callable[..., Client]) -> None:
    """Requests by route and status, rows, abstentions, novelty, missing, unknown, labels."""
    deploy(1)
    client = open_client()
    first, *_ = client.predict(TOY_ROWS[0], {"age": 150, "job": "astronaut"})
    client.post("/labels", {"labels": [{"id": first["id"], "label": "yes"}]})
    client.post("/predict", {"rows": [{"agee": 1}]})
    client.ask("POST", "/predict", content=b"{", headers={"content-type": "application/json"})
    client.get("/nowhere")
    got = samples(client.get("/metrics").text)
    assert got["penstock_requests_total", (("route", "predict"), ("status", "200"))] == 1
    assert got["penstock_requests_total", (("route", "predict"), ("status", "400"))] == 2
    assert got["penstock_requests_total", (("route", "other"), ("status", "404"))] == 1
    expected = {"rows": 2, "abstentions": 1, "novel_rows": 1, "missing_fields": 4, "unknown_values": 1, "labels": 1}
    for name, value in {**expected, "late": 0, "shed": 0}.items():
        assert got[f"penstock_{name}_total", ()] == value, name
    assert got["penstock_predict_seconds_count", ()] == 1
    assert got["penstock_predict_seconds_bucket", (("le", "+Inf"),)] == 1
    assert got["penstock_journal_bytes_total", ()] > 100
    assert got["penstock_live", (("model", "toy"), ("slot", "blue"), ("version", "1"))] == 1
    assert [value for (name, _), value in got.items() if name == "penstock_epoch"] == [1]


def test_what_came_too_late_is_counted(deploy: Callable[..., SlotState], open_client: Callable[..., Client]) -> None:
    """Answers after their deadline, and requests that were refused because no answer would have been in time."""
    deploy(1)
    client = open_client(deadline_ms=0.001)
    assert client.post("/predict", {"rows": [TOY_ROWS[0]]}).status_code == 503
    client.worker.metrics.prediction(0.2, is_late=True)
    got = samples(client.get("/metrics").text)
    assert (got["penstock_shed_total", ()], got["penstock_late_total", ()]) == (1, 1)
    assert got["penstock_requests_total", (("route", "predict"), ("status", "503"))] == 1


def test_workers_are_summed_also_dead_ones(tmp_path: Path) -> None:
    """A counter never goes down while the server runs; a new server starts from nothing."""
    one, other = Metrics(tmp_path, "1-1"), Metrics(tmp_path, "2-2")
    one.values[ROWS] += 3
    other.values[ROWS] += 4
    del one
    assert samples(other.render(None).decode())["penstock_rows_total", ()] == 7
    clear_metrics(tmp_path)
    assert samples(Metrics(tmp_path, "3-3").render(None).decode())["penstock_rows_total", ()] == 0


def test_a_second_server_of_a_folder_leaves_the_counts_of_the_first(
    deploy: Callable[..., SlotState], start_server: Any
) -> None:
    """They count together from then on; one that is alone again starts from nothing."""
    deploy(1)

    def rows(server: Any) -> float:
        return samples(server.ask_text("/metrics")[1])["penstock_rows_total", ()]

    first = start_server()
    assert first.ask("POST", "/predict", {"rows": TOY_ROWS[:1]})[0] == 200
    second = start_server()
    assert second.ask("POST", "/predict", {"rows": TOY_ROWS[:2]})[0] == 200
    assert first.ask("POST", "/predict", {"rows": TOY_ROWS[:1]})[0] == 200
    assert rows(first) == rows(second) == 4
    second.stop()
    assert rows(first) == 4
    first.stop()
    assert rows(start_server()) == 0


def test_promtool_takes_what_the_server_tells(
    deploy: Callable[..., SlotState], open_client: Callable[..., Client], promtool: Callable[..., str]
) -> None:
    """Names, units and help of every metric, by the linter of Prometheus itself."""
    deploy(1)
    client = open_client(objectives=ObjectiveSettings(0.9, LatencyObjective(0.5, 10), 0.5))
    assert client.post("/predict", {"rows": [TOY_ROWS[0]]}).status_code == 200
    promtool("check", "metrics", stdin=client.get("/metrics").text)


def test_the_place_of_the_first_counter_is_a_place(tmp_path: Path) -> None:
    """0 is no absence: an answered prediction was counted as of another status."""
    metrics = Metrics(tmp_path, "one")
    metrics.request("predict", 200)
    metrics.request("predict", 418)
    assert metrics.values[PREDICTED] == 1

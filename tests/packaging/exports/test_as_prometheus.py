"""Alert rules and dashboard: they follow the declared objectives, and name counters that the server has."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock.errors import ExportError
from penstock.packaging.exports.as_grafana import Grafana
from penstock.packaging.exports.as_prometheus import Prometheus
from penstock.packaging.exports.exporter import Shipment, export
from penstock.serving import metrics, objectives

OBJECTIVES = {"availability": 0.999, "latency": {"p": 0.99, "ms": 50.0}, "answered": 0.95}
KNOWN = {f"{name}_total" for name in metrics.COUNTERS} | {
    "penstock_requests_total",
    "penstock_consumer_requests_total",
    "penstock_predict_seconds_count",
    "penstock_predict_seconds_bucket",
    "penstock_live",
}


def rules_of(folder: Path) -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((folder / "rules.yaml").read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def is_well_formed(expression: str) -> bool:
    """Brackets close in their order, every counter is one of the server's, no place was left unfilled."""
    open_ones = []
    for sign in re.sub(r'"[^"]*"', "", expression):
        if sign in "([{":
            open_ones.append({"(": ")", "[": "]", "{": "}"}[sign])
        elif sign in ")]}" and (not open_ones or open_ones.pop() != sign):
            return False
    names = set(re.findall(r"penstock_\w+", expression))
    return not open_ones and bool(names) and names <= KNOWN and "$w" not in expression


def test_each_objective_has_its_alerts_with_the_limits_of_its_budget(
    shipment: Callable[..., Shipment], tmp_path: Path
) -> None:
    """Two that wake somebody, and one for a ticket; their limits are the burn rate times the budget."""
    done = export(Prometheus("shop:8000"), shipment(serving={"objectives": OBJECTIVES}), tmp_path / "p")
    rules = rules_of(done.folder)
    burning = [rule for rule in rules if rule["alert"].endswith("Burns")]
    assert [rule["labels"]["severity"] for rule in burning] == ["page", "page", "ticket"] * 3
    limits = [set(map(float, re.findall(r"> ([0-9.e-]+)", rule["expr"]))) for rule in burning[:3]]
    assert [limit for (limit,) in limits] == pytest.approx([0.0144, 0.006, 0.001])
    assert all(rule["expr"].count(" and ") == 1 for rule in burning)
    assert all(is_well_formed(rule["expr"]) for rule in rules), rules
    windows = {(severity, long, short, limit) for severity, long, short, limit, _ in _alerts()}
    assert set(objectives.ALERTS) <= windows
    (scrape,) = yaml.safe_load((done.folder / "scrape.yaml").read_text())
    assert (scrape["static_configs"][0]["targets"], scrape["scheme"]) == (["shop:8000"], "http")


def _alerts() -> tuple[tuple[str, str, str, float, str], ...]:
    from penstock.packaging.exports.as_prometheus import ALERTS

    return ALERTS


def test_only_what_is_declared_has_alerts(shipment: Callable[..., Shipment], tmp_path: Path) -> None:
    """And where nothing is, the export says what to declare."""
    serving = {
        "objectives": {"availability": None, "latency": None, "answered": 0.9},
        "tls": {"certificate": "a", "key": "b"},
    }
    done = export(Prometheus(), shipment(serving=serving), tmp_path / "p")
    assert {r["alert"] for r in rules_of(done.folder) if r["alert"].endswith("Burns")} == {"PenstockAnsweredBurns"}
    assert yaml.safe_load((done.folder / "scrape.yaml").read_text())[0]["scheme"] == "https"
    with pytest.raises(ExportError, match="no objective is declared"):
        export(Prometheus(), shipment(), tmp_path / "q")


def test_the_dashboard_shows_what_the_server_counts(shipment: Callable[..., Shipment], tmp_path: Path) -> None:
    """Each panel of its own place, with the objectives that are declared."""
    done = export(Grafana(), shipment(serving={"objectives": OBJECTIVES}), tmp_path / "g")
    board = json.loads((done.folder / "dashboard.json").read_text())
    panels = board["panels"]
    assert len({(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels}) == len(panels)
    assert sum("Error budget" in panel["title"] for panel in panels) == 3
    for panel in panels:
        for query in panel["targets"]:
            assert is_well_formed(query["expr"]), query
    plain = export(Grafana(), shipment(), tmp_path / "h")
    assert len(json.loads((plain.folder / "dashboard.json").read_text())["panels"]) == len(panels) - 3

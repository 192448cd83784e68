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
from penstock.packaging.exports.as_kubernetes import Kubernetes
from penstock.packaging.exports.as_prometheus import Prometheus
from penstock.packaging.exports.exporter import Shipment, export
from penstock.serving import metrics

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
    limits = [min(map(float, re.findall(r"> ([0-9.e-]+)", rule["expr"]))) for rule in burning[3:]]
    assert limits == pytest.approx(
        [0.144, 0.06, 0.01, 0.5, 0.3, 0.05]
    )  # of a share: none that more than all would have to reach
    (scrape,) = yaml.safe_load((done.folder / "scrape.yaml").read_text())
    assert (scrape["static_configs"][0]["targets"], scrape["scheme"]) == (["shop:8000"], "http")


def test_the_limits_follow_the_period(shipment: Callable[..., Shipment], tmp_path: Path) -> None:
    """Those of the server: of a day, an hour that burns at all is a 24th of it, and three days are none of its windows."""
    day = shipment(serving={"objectives": {"availability": 0.99, "period_s": 86_400.0}})
    burning = [
        rule for rule in rules_of(export(Prometheus(), day, tmp_path / "p").folder) if "window" in rule["labels"]
    ]
    assert [rule["labels"]["window"] for rule in burning] == ["1h", "6h"]
    assert all(rule["expr"].count("> 0.01") == 2 for rule in burning)


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


# ---------------------------------------------------------------- held against Prometheus itself


def test_promtool_takes_rules_and_configuration(
    shipment: Callable[..., Shipment], promtool: Callable[..., str], tmp_path: Path
) -> None:
    """As a whole `prometheus.yml`, put together as the export says."""
    done = export(Prometheus("shop:8000"), shipment(serving={"objectives": OBJECTIVES}), tmp_path / "p")
    assert "11 rules found" in promtool("check", "rules", str(done.folder / "rules.yaml"))
    whole = "rule_files: [rules.yaml]\nscrape_configs:\n" + (done.folder / "scrape.yaml").read_text()
    (done.folder / "prometheus.yml").write_text(whole)
    assert "SUCCESS" in promtool("check", "config", str(done.folder / "prometheus.yml"))


def test_promtool_takes_what_finds_the_pods_of_kubernetes(
    shipment: Callable[..., Shipment], promtool: Callable[..., str], tmp_path: Path
) -> None:
    """But for the words that ask Kubernetes itself, which the promtool of Debian is built without."""
    done = export(Kubernetes(), shipment(), tmp_path / "k")
    scrape = (done.folder / "prometheus/scrape.yaml").read_text()
    asks = "  kubernetes_sd_configs:\n    - role: pod\n"
    assert asks in scrape
    whole = "scrape_configs:\n" + scrape.replace(asks, "  static_configs: [{targets: ['pod:8000']}]\n")
    (tmp_path / "prometheus.yml").write_text(whole)
    assert "SUCCESS" in promtool("check", "config", str(tmp_path / "prometheus.yml"))


def test_promtool_takes_every_query_of_the_dashboard(
    shipment: Callable[..., Shipment], promtool: Callable[..., str], tmp_path: Path
) -> None:
    """As rules, with a window where Grafana puts one."""
    done = export(Grafana(), shipment(serving={"objectives": OBJECTIVES}), tmp_path / "g")
    board = json.loads((done.folder / "dashboard.json").read_text())
    queries = [
        query["expr"].replace("$__rate_interval", "1m") for panel in board["panels"] for query in panel["targets"]
    ]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    (tmp_path / "queries.yaml").write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    assert f"{len(queries)} rules found" in promtool("check", "rules", str(tmp_path / "queries.yaml"))


def _of(name: str, job: str, values: str, **labels: str) -> dict[str, str]:
    said = ",".join(f'{key}="{value}"' for key, value in {"job": job, **labels}.items())
    return {"series": f"{name}{{{said}}}", "values": values}


def test_the_alerts_come_when_prometheus_sees_the_budget_burn_and_not_for_a_neighbour(
    shipment: Callable[..., Shipment], promtool: Callable[..., str], tmp_path: Path
) -> None:
    """Prometheus's own simulation: two hours at 2 % of failures wake somebody where 0.1 % is wanted; another server's failures do not."""
    sent = shipment(serving={"objectives": {"availability": 0.999}})
    done = export(Prometheus(), sent, tmp_path / "p")

    def story(failures: str, job: str) -> dict[str, Any]:
        mine = f"penstock-{sent.name}"
        return {
            "interval": "1m",
            "input_series": [
                _of("penstock_requests_total", mine, "0+980x120", route="predict", status="200"),
                _of("penstock_requests_total", job, failures, route="predict", status="500"),
                _of("penstock_requests_total", mine, "0+500x120", route="predict", status="400"),
                _of("penstock_live", mine, "1+0x120"),
            ],
        }

    def alert(severity: str, burn: str, long: str, short: str) -> dict[str, Any]:
        text = f"the error budget of availability (objective 0.999) burns {burn} times too fast over {long} and {short}"
        labels = {"severity": severity, "model": sent.name, "window": long}
        return {"exp_labels": labels, "exp_annotations": {"summary": text}}

    burning = [alert("page", "14.4", "1h", "5m"), alert("page", "6", "6h", "30m"), alert("ticket", "1", "3d", "6h")]
    tests = [
        {**story("0+20x120", f"penstock-{sent.name}"), "alert_rule_test": [{"eval_time": "2h", "alertname": "PenstockAvailabilityBurns", "exp_alerts": burning}]},
        {**story("0+20x120", "penstock-neighbour"), "alert_rule_test": [{"eval_time": "2h", "alertname": "PenstockAvailabilityBurns"}]},
        {**story("0+0x120", f"penstock-{sent.name}"), "alert_rule_test": [{"eval_time": "2h", "alertname": "PenstockAvailabilityBurns"}]},
    ]  # fmt: skip
    (done.folder / "test.yaml").write_text(json.dumps({"rule_files": ["rules.yaml"], "tests": tests}))
    assert "SUCCESS" in promtool("test", "rules", str(done.folder / "test.yaml"))


def test_grafanas_own_model_of_a_dashboard_reads_all_of_it(shipment: Callable[..., Shipment], tmp_path: Path) -> None:
    """Read into Grafana's types and written again, nothing is lost or another; `__inputs` is of the import alone."""
    sdk = pytest.importorskip(
        "grafana_foundation_sdk.models.dashboard", reason="grafana-foundation-sdk is not installed"
    )
    from grafana_foundation_sdk.cog import plugins
    from grafana_foundation_sdk.cog.encoder import JSONEncoder

    plugins.register_default_plugins()
    done = export(Grafana(), shipment(serving={"objectives": OBJECTIVES}), tmp_path / "g")
    board = json.loads((done.folder / "dashboard.json").read_text())
    assert [asked["name"] for asked in board.pop("__inputs")] == ["DS_PROMETHEUS"]
    again = json.loads(JSONEncoder().encode(sdk.Dashboard.from_json(board)))
    assert _within(board, again)


def _within(part: Any, whole: Any) -> bool:
    """Whether all of a JSON value is in another one, which may say more."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(name in whole and _within(part[name], whole[name]) for name in part)
    if isinstance(part, list):
        return len(part) == len(whole) and all(_within(a, b) for a, b in zip(part, whole, strict=True))
    return bool(part == whole)

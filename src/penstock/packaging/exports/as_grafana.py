"""Export `grafana`: a dashboard of what the server counts, on data that Prometheus keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, final

from penstock.packaging.exports.as_prometheus import job_of, ratios
from penstock.packaging.exports.exporter import Shipment


@final
class Grafana:
    """One JSON file, to be imported in Grafana, which then asks for the Prometheus that it reads."""

    name: ClassVar[str] = "grafana"
    takes_key: ClassVar[bool] = False

    def write(self, shipment: Shipment, folder: Path) -> list[str]:
        job = job_of(shipment.name)

        def rate(counter: str) -> str:
            return f"sum(rate(penstock_{counter}_total{{{job}}}[$__rate_interval]))"

        panels = [
            ("Requests per second", "reqps", {"{{route}} {{status}}": f"sum by (route, status) (rate(penstock_requests_total{{{job}}}[$__rate_interval]))"}),
            ("Time to the answer", "s", {f"p{p}": f"histogram_quantile(0.{p}, sum by (le) (rate(penstock_predict_seconds_bucket{{{job}}}[$__rate_interval])))" for p in (50, 95, 99)}),
            ("Refused for lack of time, and late", "reqps", {"refused": rate("shed"), "late": rate("late")}),
            ("Abstained and novel, share of rows", "percentunit", {"abstained": f"{rate('abstentions')} / {rate('rows')}", "novel": f"{rate('novel_rows')} / {rate('rows')}"}),
            ("Missing fields and unknown values per row", "short", {"missing": f"{rate('missing_fields')} / {rate('rows')}", "unknown": f"{rate('unknown_values')} / {rate('rows')}"}),
            ("Requests by consumer", "reqps", {"{{consumer}} {{outcome}}": f"sum by (consumer, outcome) (rate(penstock_consumer_requests_total{{{job}}}[$__rate_interval]))"}),
            ("Live version", "short", {"{{model}} {{version}} in {{slot}}": f"max by (model, slot, version) (penstock_live{{{job}}})"}),
            ("Journal, bytes per second", "Bps", {"journal": rate("journal_bytes")}),
        ]  # fmt: skip
        for name, (target, ratio) in ratios(shipment.serving.get("objectives") or {}, job).items():
            burns = {window: f"{ratio.replace('$w', window)} / {1 - target:.10g}" for window in ("5m", "1h", "6h")}
            panels.append((f"Error budget of {name} burns (1: as fast as it may)", "short", burns))
        dashboard = {
            "title": f"Penstock: {shipment.model}",
            "uid": f"penstock-{shipment.name}"[:40],
            "tags": ["penstock"],
            "timezone": "utc",
            "schemaVersion": 39,
            "refresh": "30s",
            "time": {"from": "now-6h", "to": "now"},
            "__inputs": [
                {"name": "DS_PROMETHEUS", "label": "Prometheus", "type": "datasource", "pluginId": "prometheus"}
            ],
            "panels": [_panel(number, *panel) for number, panel in enumerate(panels)],
        }
        (folder / "dashboard.json").write_text(
            json.dumps(dashboard, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        return ["in Grafana: Dashboards, New, Import, {folder}/dashboard.json"]


def _panel(number: int, title: str, unit: str, queries: dict[str, str]) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "datasource": source,
        "gridPos": {"h": 8, "w": 12, "x": number % 2 * 12, "y": number // 2 * 8},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(65 + place), "datasource": source, "expr": expression, "legendFormat": legend}
            for place, (legend, expression) in enumerate(queries.items())
        ],
    }

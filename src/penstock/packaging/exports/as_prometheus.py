"""Export `prometheus`: alert rules from the declared objectives, and how Prometheus asks the server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, final

from penstock.errors import ExportError
from penstock.packaging.exports.exporter import Shipment
from penstock.serving.objectives import alerts_of
from penstock.serving.settings import ObjectiveSettings

_ROUTES = 'route=~"predict|open-inference|tensorflow|mlflow|grpc"'
_LASTING = {"1h": "2m", "6h": "15m", "3d": "1h"}
"""For how long an alert must hold, by its long window."""


@final
class Prometheus:
    """A file of rules, to be named under `rule_files`, and a part for `scrape_configs`.

    Parameters
    ----------
    target : where Prometheus finds the server, ``host:port``.
    """

    name: ClassVar[str] = "prometheus"
    takes_key: ClassVar[bool] = False

    def __init__(self, target: str = "localhost:8000") -> None:
        self.target = target

    def write(self, shipment: Shipment, folder: Path) -> list[str]:
        """
        Raises
        ------
        ExportError : no objective is declared.
        """
        wanted = ratios(shipment.serving.get("objectives") or {}, job_of(shipment.name))
        if not wanted:
            raise ExportError(
                "no objective is declared",
                why="alert rules say when an objective is at risk",
                way_out="write for example: [serving.objectives] availability = 0.999",
            )
        is_tls = shipment.serving.get("tls") is not None
        period_s = float((shipment.serving.get("objectives") or {}).get("period_s", ObjectiveSettings().period_s))
        (folder / "rules.yaml").write_text(_rules(shipment.name, wanted, period_s), encoding="utf-8")
        (folder / "scrape.yaml").write_text(_scrape(shipment.name, self.target, is_tls=is_tls), encoding="utf-8")
        return [
            "rule_files: [rules.yaml] in prometheus.yml, and what scrape.yaml holds under scrape_configs",
            "pods of `penstock export kubernetes` are found by what its folder prometheus/ holds, in place of scrape.yaml",
            "where the server asks for tokens: penstock tokens create prometheus --scope metrics, into the credentials_file",
        ]


def job_name(name: str) -> str:
    """By which Prometheus knows a project's servers."""
    return f"penstock-{name}"


def job_of(name: str) -> str:
    """The job of a project's server, as a condition of PromQL. Prometheus may ask the servers of other projects, too."""
    return f"job={json.dumps(job_name(name))}"


def ratios(objectives: Mapping[str, Any], job: str) -> dict[str, tuple[float, str]]:
    """Of each declared objective its target, and what did badly over all, as PromQL with ``$w`` for the window."""
    found: dict[str, tuple[float, str]] = {}
    if objectives.get("availability") is not None:
        bad = f'sum(rate(penstock_requests_total{{{job},{_ROUTES},status=~"500|503"}}[$w]))'
        every = f'sum(rate(penstock_requests_total{{{job},{_ROUTES},status=~"200|500|503"}}[$w]))'
        found["availability"] = (objectives["availability"], f"(({bad} or vector(0)) / {every})")
    latency = objectives.get("latency")
    if latency is not None:
        ratio = _share("penstock_slow_total", "penstock_predict_seconds_count", job)
        found["latency"] = (latency["p"], ratio)
    if objectives.get("answered") is not None:
        ratio = _share("penstock_abstentions_total", "penstock_rows_total", job)
        found["answered"] = (objectives["answered"], ratio)
    return found


def _share(some: str, of: str, job: str) -> str:
    return f"(sum(rate({some}{{{job}}}[$w])) / sum(rate({of}{{{job}}}[$w])))"


def _rules(name: str, wanted: Mapping[str, tuple[float, str]], period_s: float) -> str:
    lines = [f"# Alert rules of {name}, from [serving.objectives]: penstock export prometheus.", "groups:"]
    lines += [f"  - name: {json.dumps(f'penstock-{name}')}", "    rules:"]
    live, lost = f"penstock_live{{{job_of(name)}}}", f"penstock_not_journalled_total{{{job_of(name)}}}"
    for objective, (target, ratio) in wanted.items():
        lines += _of(name, objective, target, ratio, period_s)
    lines += _rule(
        "PenstockGone",
        f"absent({live}) or {live} == 0",
        "2m",
        "page",
        name,
        "no server of the model answers Prometheus",
    )
    lines += _rule("PenstockJournalFull", f"increase({lost}[10m]) > 0", "0m", "page", name, "answers leave that are not in the journal")  # fmt: skip
    return "\n".join(lines) + "\n"


def _of(name: str, objective: str, target: float, ratio: str, period_s: float) -> Iterator[str]:
    """The server's own alerts, on what Prometheus has counted."""
    for severity, long, short, burn in alerts_of(target, period_s):
        limit = f"{burn * (1 - target):.10g}"
        condition = " and ".join(f"{ratio.replace('$w', window)} > {limit}" for window in (long, short))
        text = f"the error budget of {objective} (objective {target:g}) burns {burn:g} times too fast over {long} and {short}"
        yield from _rule(
            f"Penstock{objective.capitalize()}Burns", condition, _LASTING[long], severity, name, text, window=long
        )


def _rule(
    alert: str, condition: str, lasting: str, severity: str, name: str, text: str, *, window: str | None = None
) -> list[str]:
    """A rule. Those of one name differ by `window`: Prometheus takes two alerts with the same labels for one."""
    return [
        f"      - alert: {alert}",
        f"        expr: {json.dumps(condition)}",
        f"        for: {lasting}",
        "        labels:",
        f"          severity: {severity}",
        f"          model: {json.dumps(name)}",
        *([] if window is None else [f"          window: {window}"]),
        "        annotations:",
        f"          summary: {json.dumps(text)}",
    ]


def _scrape(name: str, target: str, *, is_tls: bool) -> str:
    lines = [
        f"- job_name: {json.dumps(job_name(name))}  # by which rules and dashboard know the server",
        "  scrape_interval: 15s",
        f"  scheme: {'https' if is_tls else 'http'}",
        "  static_configs:",
        f"    - targets: [{json.dumps(target)}]",
        "  # Where the server asks for tokens; the file holds the token of a consumer with the scope `metrics`:",
        "  # authorization:",
        "  #   credentials_file: /etc/prometheus/penstock.token",
    ]
    return "\n".join(lines) + "\n"

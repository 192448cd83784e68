"""`penstock monitor`: a window of the journal against the reference of the version that is live."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from penstock.feedback.labels import record_label_events
from penstock.lifecycle.settle import settle_if_free
from penstock.lifecycle.spans import instant, start_of
from penstock.project.live import asked_bundle, objective_settings
from penstock.project.project import Project
from penstock.serving.instants import parse_instant
from penstock.serving.labels import read_labels
from penstock.serving.slots import SlotEntry

if TYPE_CHECKING:
    from penstock.evaluation.bootstrap import Estimate
    from penstock.monitoring.monitor import MonitorReport
    from penstock.monitoring.view import MonitorSettings


@dataclass(frozen=True)
class MonitorResult:
    """Outcome of `penstock monitor`."""

    report: MonitorReport
    run: str
    page: str

    @property
    def exit_code(self) -> int:
        return self.report.exit_code

    def to_json(self) -> dict[str, Any]:
        return {**self.report.to_json(), "run": self.run, "page": self.page}

    def to_text(self) -> str:
        return f"{self.report.to_text()}\n  page: {self.page}"


def monitor_project(
    project: Project, *, since: str | None = None, until: str | None = None, model: str | None = None
) -> MonitorResult:
    """Compare a window with what the live version, or another one that the server answers for, was trained and tested on.

    Parameters
    ----------
    model : ``MODEL[:VERSION]``, as it is asked; default: what is live.
    since : an instant (ISO 8601) or a length back from `until` (``"2h"``); default: the last deploy or the end of the last
        monitored window, whichever is later.
    until : an instant; default: now.

    Raises
    ------
    ServingError : nothing was deployed. BadParameter : an instant that cannot be read.
    """
    from penstock.monitoring.monitor import monitor
    from penstock.monitoring.render import to_html
    from penstock.monitoring.window import read_window
    from penstock.objects.files import write_atomic

    settle_if_free(project)
    name, _, version = (model or "").partition(":")
    entry, bundle = asked_bundle(project, name or None, version or None)
    end = instant(until, "--until") if until else datetime.now(UTC)
    start = _start(project, since, end, model)
    record_label_events(project)
    settings = monitor_settings(project)
    inputs = {"bundle": entry.bundle}
    params = {"since": None if start is None else start.isoformat(), "until": end.isoformat()}
    if model is not None:
        params["model"] = model
    with project.ledger.run("monitor", inputs=inputs, params=params, project=project.name) as run:
        window = read_window(
            project.journal_folder,
            bundle.decoder,
            bundle.signature,
            entry.version,
            since=start,
            until=end,
            model=entry.model,
        )
        report = monitor(
            window,
            bundle.reference,
            bundle.signature,
            settings=settings,
            labels={prediction: label.label for prediction, label in read_labels(project.journal_folder).items()},
            decoder=bundle.decoder,
            quality=_expected(entry, bundle.signature.goal_metric),
        )
        page = project.root / "reports" / f"monitor-{run.id}.html"
        html = to_html(report).encode()
        run.keep("page", html, media="text/html")
        page.parent.mkdir(exist_ok=True)
        write_atomic(page, html)
        run.output("alarm", report.alarm)
        run.output("window", report.to_json()["window"])
        run.output("drifted", report.drifted)
    return MonitorResult(replace(report), run.id, str(page.relative_to(project.root)))


def monitor_settings(project: Project) -> MonitorSettings:
    """What is declared of it."""
    from penstock.monitoring.view import MonitorSettings

    d = project.declaration
    return MonitorSettings(
        alpha=d.monitoring.false_alarms,
        minimum_rows=d.monitoring.minimum_rows,
        deadline_ms=d.serving.deadline_ms,
        objectives=objective_settings(d.serving),
        sample=d.serving.journal.sample,
    )


def _start(project: Project, since: str | None, end: datetime, model: str | None) -> datetime | None:
    """Where the window begins: of a model that is named, looks at that one count."""
    if since is not None:
        return start_of(since, end)
    ledger = project.ledger
    deploys = [r for r in ledger.runs("deploy", "done", limit=50, project=project.name) if r.outputs.get("deployed")]
    looks = ledger.runs("monitor", "done", limit=50, project=project.name)
    marks = [r.params["until"] for r in looks if r.params.get("model") == model][:1]
    if model is None:
        marks += [r.started_at for r in deploys[:1]]
    return max((parse_instant(mark) for mark in marks), default=None)


def _expected(entry: SlotEntry, metric: str) -> tuple[str, Estimate] | None:
    """What the deployed version scored on its envelope."""
    from penstock.evaluation.bootstrap import Estimate

    test = entry.deployment.get("test", {}).get(metric)
    return None if test is None or test["value"] is None else (metric, Estimate.from_json(test))

"""Service levels: what share of requests must do well, what error budget is left, and how fast it burns.

The burn rate of a window is the share that did badly, over the share that may: at 1 the budget lasts exactly as long as the time
that it is for, at 14.4 a month's budget is gone in two days. An alert needs a long window, so that it matters, and a short one, so that
it still goes on. Source: Beyer, Murphy, Rensin, Kawahara, Thorne (eds.), The Site Reliability Workbook (O'Reilly 2018), chapter 5,
"Alerting on SLOs", multiwindow, multi-burn-rate alerts, table 5-8. Its limits are those of a month and of targets near 1; `alerts_of` has those of any
period and any target.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.serving.instants import iso_of
from penstock.serving.settings import ObjectiveSettings
from penstock.serving.tallies import EVERY_S, Tallies, Tally

if TYPE_CHECKING:
    from prometheus_client import Metric

WINDOWS_S = {"5m": 300, "30m": 1800, "1h": 3600, "6h": 21_600, "3d": 259_200}
_SPENT = (("page", "1h", "5m", 0.02), ("page", "6h", "30m", 0.05), ("ticket", "3d", "6h", 0.1))
"""Severity; the long and the short window that must both burn; the share of the budget that is gone in the long one."""


class Alert(NamedTuple):
    """Somebody is told while both windows burn faster than `limit`."""

    severity: str
    long: str
    short: str
    limit: float


def alerts_of(target: float, period_s: float) -> tuple[Alert, ...]:
    """The alerts of an objective, the most urgent first.

    A limit is the burn rate that spends the alert's share of the budget within its long window. It is at least 1, at which no more
    is spent than may be, and at most what half of the requests doing badly come to: where everything fails there is an alert, whatever the
    target. Windows longer than the period have no meaning and no alert.

    >>> [(alert.severity, alert.long, round(alert.limit, 3)) for alert in alerts_of(0.999, 30 * 86_400)]
    [('page', '1h', 14.4), ('page', '6h', 6.0), ('ticket', '3d', 1.0)]
    >>> [(alert.long, round(alert.limit, 3)) for alert in alerts_of(0.8, 30 * 86_400)]  # all rows badly: 5
    [('1h', 2.5), ('6h', 2.5), ('3d', 1.0)]
    >>> [(alert.long, alert.limit) for alert in alerts_of(0.99, 3600)]
    [('1h', 1.0)]
    """
    half = 0.5 / (1 - target)
    return tuple(
        Alert(severity, long, short, max(1.0, min(share * period_s / WINDOWS_S[long], half)))
        for severity, long, short, share in _SPENT
        if WINDOWS_S[long] <= period_s
    )


@dataclass(frozen=True, slots=True)
class Objective:
    """One objective: its name, and the share that must do well."""

    name: str
    target: float
    words: str

    def bad_of(self, since: Tally, until: Tally) -> tuple[float, float]:
        """How many did badly between two instants, and how many there were."""
        if self.name == "availability":
            failed = until.failed - since.failed
            return failed, until.answered - since.answered + failed
        if self.name == "latency":
            return until.slow - since.slow, until.timed - since.timed
        return until.abstained - since.abstained, until.rows - since.rows

    def comparable(self, kept: Sequence[Tally], now: Tally) -> list[Tally]:
        """The tallies that counted what is counted now: what is slow may have been declared anew."""
        if self.name != "latency":
            return list(kept)
        other = max((place for place, tally in enumerate(kept) if tally.slow_ms != now.slow_ms), default=-1)
        return list(kept[other + 1 :])

    def burn(self, since: Tally, until: Tally) -> float | None:
        """How fast the budget burns; None where nothing was asked."""
        bad, all_of_them = self.bad_of(since, until)
        return None if all_of_them <= 0 else bad / all_of_them / (1 - self.target)


def objectives_of(settings: ObjectiveSettings) -> tuple[Objective, ...]:
    """Those that are declared."""
    found = []
    if settings.availability is not None:
        found.append(Objective("availability", settings.availability, "requests that the server answers"))
    if settings.latency is not None:
        found.append(Objective("latency", settings.latency.p, f"answers within {settings.latency.ms:g} ms"))
    if settings.answered is not None:
        found.append(Objective("answered", settings.answered, "rows for which the model does not abstain"))
    return tuple(found)


class Levels:
    """Watches the declared objectives of one server. Each worker has one; they share what was counted when, and it outlives them.

    Parameters
    ----------
    count : gives what the counters say now.
    """

    def __init__(self, state_dir: Path, settings: ObjectiveSettings, count: Callable[[], Tally]) -> None:
        self.objectives = objectives_of(settings)
        self._count, self._period_s = count, settings.period_s
        self._tallies = Tallies(state_dir) if self.objectives else None

    async def watch(self) -> None:
        """Note what is counted, again and again until cancelled."""
        if self._tallies is None:
            return
        while True:
            await asyncio.to_thread(self._tallies.note, self._count)
            await asyncio.sleep(EVERY_S)

    def to_json(self) -> list[dict[str, Any]]:
        """The answer of `/objectives`."""
        if self._tallies is None:
            return []
        now, kept = self._tallies.now(self._count()), self._tallies.all()
        body = []
        for objective in self.objectives:
            known = objective.comparable(kept, now)
            start = _at(known, now.at_s - self._period_s, known[0] if known else now)
            bad, all_of_them = objective.bad_of(start, now)
            burns = {name: objective.burn(_at(known, now.at_s - s, start), now) for name, s in WINDOWS_S.items()}
            total = objective.burn(start, now)
            body.append(
                {
                    "objective": objective.name,
                    "of": objective.words,
                    "target": objective.target,
                    "period_s": self._period_s,
                    "since": iso_of(datetime.fromtimestamp(start.at_s, UTC)),
                    "share": None if all_of_them <= 0 else 1 - bad / all_of_them,
                    "count": all_of_them,
                    "budget_left": None if total is None else 1 - total,
                    "burn": burns,
                    "alert": _alert(alerts_of(objective.target, self._period_s), burns, now.at_s - start.at_s),
                }
            )
        return body

    def collect(self) -> Iterator[Metric]:
        """For Prometheus."""
        from prometheus_client.core import GaugeMetricFamily

        if self._tallies is None:
            return
        targets = GaugeMetricFamily("penstock_objective", "The share that must do well.", labels=["objective"])
        left = GaugeMetricFamily(
            "penstock_error_budget_left", "Of the error budget of the period.", labels=["objective"]
        )
        burns = GaugeMetricFamily(
            "penstock_burn_rate", "How fast the error budget burns.", labels=["objective", "window"]
        )
        alerts = GaugeMetricFamily(
            "penstock_objective_alert", "1 while the budget burns too fast.", labels=["objective"]
        )
        for one in self.to_json():
            name = one["objective"]
            targets.add_metric([name], one["target"])
            alerts.add_metric([name], float(one["alert"] is not None))
            if one["budget_left"] is not None:
                left.add_metric([name], one["budget_left"])
            for window, burn in one["burn"].items():
                if burn is not None:
                    burns.add_metric([name, window], burn)
        yield from (targets, left, burns, alerts)


def _at(known: Sequence[Tally], at_s: float, start: Tally) -> Tally:
    """The last tally until an instant; the first one that there is, where that was later."""
    before = [tally for tally in known if tally.at_s <= at_s]
    return before[-1] if before else start


def _alert(alerts: Sequence[Alert], burns: dict[str, float | None], known_s: float) -> str | None:
    """The most urgent of those that hold; none of a short window that is not over yet: the first request that fails wakes nobody."""
    for severity, long, short, limit in alerts:
        if known_s >= WINDOWS_S[short] and (burns[long] or 0) > limit and (burns[short] or 0) > limit:
            return severity
    return None

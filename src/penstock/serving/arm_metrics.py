"""The arms of a release, for Prometheus: what they did since the release began, and how it stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.serving.arm_counts import COUNTED, read_counts
from penstock.serving.arm_figures import quantile
from penstock.serving.releases import CANDIDATE_ARM, LIVE_ARM

if TYPE_CHECKING:
    from prometheus_client import Metric

    from penstock.serving.follower import Serving

_TEXTS = {
    "requests": "Requests of an arm of the release, answered or failed.",
    "errors": "Requests that an arm could not answer.",
    "rows": "Rows that an arm answered.",
    "abstentions": "Rows in which an arm abstained.",
    "novel_rows": "Rows of an arm that are unlike its training data.",
    "compared_rows": "Rows that a shadow answered beside the live version.",
    "agreeing_rows": "Of these, rows with the same prediction.",
    "dropped": "Copies that a shadow was not given, as it was busy.",
    "fallback_rows": "Rows that an arm's own fallback answered.",
}


def collect_arms(state_dir: Path, serving: Serving | None) -> Iterator[Metric]:
    """Nothing, where no release goes on."""
    arms = None if serving is None else serving.arms
    if arms is None:
        return
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    counts = read_counts(state_dir, arms.release.number)
    of = {LIVE_ARM: arms.live, CANDIDATE_ARM: arms.candidate}
    names = {arm: [arm, str(loaded.entry.version)] for arm, loaded in of.items()}
    for place, name in enumerate(COUNTED):
        family = CounterMetricFamily(f"penstock_arm_{name}", _TEXTS[name], labels=["arm", "version"])
        for arm, told in names.items():
            family.add_metric(told, counts[arm][place])
        yield family
    times = GaugeMetricFamily(
        "penstock_arm_seconds",
        "Time from request to answer, since the release began.",
        labels=["arm", "version", "quantile"],
    )
    for arm, told in names.items():
        for share in (0.5, 0.99):
            times.add_metric([*told, f"{share:g}"], quantile(counts[arm], share))
    yield times
    release = GaugeMetricFamily("penstock_release", "Share of the candidate.", labels=["mode", "version", "sticky"])
    told = [arms.release.mode, str(arms.candidate.entry.version), arms.release.sticky or ""]
    release.add_metric(told, 0.0 if arms.closed else arms.release.share)
    yield release

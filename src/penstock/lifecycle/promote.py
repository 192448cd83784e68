"""`promote`: the candidate of a release goes live, by the same proof as any deploy, at once or when a condition holds."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

from penstock.errors import BadParameter
from penstock.lifecycle.arms import LookedAt, candidate_report, compare, looked_at, refuse_wrong_way
from penstock.lifecycle.deploy import deploy_version
from penstock.lifecycle.results import DeployResult
from penstock.lifecycle.settle import settle_if_free
from penstock.project.project import Project
from penstock.project.sections.serving import seconds_of
from penstock.serving.acknowledgements import Told, untold
from penstock.serving.conditions import Condition, parse
from penstock.serving.releases import Release
from penstock.serving.slots import read_slots
from penstock.serving.verdicts import Verdict, judge

LOOK_S = 5.0
"""Between two looks; longer where a look takes long, so that it takes at most a fifth of the time."""


@dataclass(frozen=True)
class PromoteResult:
    """Outcome of `penstock promote`.

    Attributes
    ----------
    verdict : what the condition showed at the last look; None where none was given.
    ended : why the release was over before it held; None where it goes on, or was promoted.
    deploy : of the envelope and the switch; None where it did not come to that.
    """

    model: str
    version: int
    looks: int
    verdict: Verdict | None
    ended: str | None
    deploy: DeployResult | None
    checked: bool = False

    @property
    def exit_code(self) -> int:
        """0: it is live (or would be, with --check); 1: not yet, or a gate said no."""
        if self.deploy is not None:
            return self.deploy.exit_code
        return 0 if self.checked and self.verdict is not None and self.verdict.holds else 1

    def to_json(self) -> dict[str, Any]:
        findings = () if self.verdict is None else self.verdict.findings
        return {
            "model": self.model,
            "version": self.version,
            "holds": None if self.verdict is None else self.verdict.holds,
            "findings": [finding.to_json() for finding in findings],
            "looks": self.looks,
            "ended": self.ended,
            "promoted": self.deploy is not None and self.deploy.deployed,
            "deploy": None if self.deploy is None else self.deploy.to_json(),
        }

    def to_text(self) -> str:
        lines = [] if self.verdict is None else [f"  {finding}" for finding in self.verdict.findings]
        if self.deploy is not None:
            return "\n".join([*lines, self.deploy.to_text()])
        if self.ended is not None:
            return "\n".join([f"version {self.version} is released no more: {self.ended}", *lines])
        if self.exit_code == 0:
            return "\n".join([f"version {self.version} may be promoted", *lines])
        return "\n".join([f"not yet: version {self.version} stays beside the live one", *lines])


def promote_release(
    project: Project,
    *,
    when: str | None = None,
    within: str | None = None,
    check: bool = False,
    override: str | None = None,
    accept_spent: str | None = None,
    told: Told | None = None,
) -> PromoteResult:
    """Put the candidate of the release live: opens an envelope and judges, as `deploy` does.

    Parameters
    ----------
    when : a condition (`penstock.serving.conditions`) on what both arms did since the release began; default: at once.
    within : a length such as ``2h``: look again and again for so long. Default: one look.
    check : look once and change nothing.
    override, accept_spent : as of a deploy.
    told : is given a line for each look that shows something new.

    Raises
    ------
    BadParameter : a condition or length that cannot be read, a figure that the release does not have, or one that promotes worse quality.
    ProjectError : no release goes on. Whatever `deploy_version` raises.
    """
    settle_if_free(project)
    released = looked_at(project, watch=False)
    condition = None if when is None else parse(when)
    if condition is not None:
        _refuse_what_cannot_be(condition, released.release)
    ends = time.monotonic() + _seconds(within)
    model, version, number = released.candidate.model, released.candidate.version, released.release.number
    looks, verdict, said = 0, None, ""
    while condition is not None:
        start = time.monotonic()
        now = read_slots(project.serving_state)
        if now.release is None or now.release.number != number:
            settle_if_free(project)
            return PromoteResult(model, version, looks, verdict, now.by or "it was ended", None)
        verdict = _look(project, condition, replace(released, release=now.release))
        looks += 1
        line = "; ".join(map(str, verdict.findings))
        if told is not None and within is not None and line != said:
            told(line)
            said = line
        if verdict.holds or check:
            break
        pause = max(LOOK_S, 4 * (time.monotonic() - start))
        if time.monotonic() + pause > ends:
            return PromoteResult(model, version, looks, verdict, None, None)
        time.sleep(pause)
    if check:
        return PromoteResult(model, version, looks, verdict, None, None, checked=True)
    done = deploy_version(
        project, version=version, override=override, accept_spent=accept_spent, release=number, told=told or untold
    )
    return PromoteResult(model, version, looks, verdict, None, done)


def _look(project: Project, condition: Condition, released: LookedAt) -> Verdict:
    comparison = compare(project, released)
    refuse_wrong_way(condition, comparison.metric, good=True)
    evidence = comparison.evidence
    if "alarms" in condition.names:
        evidence = evidence.with_alarms(len(candidate_report(project, released).alarms))
    return judge(condition, evidence)


def _refuse_what_cannot_be(condition: Condition, release: Release) -> None:
    """
    Raises
    ------
    BadParameter : a figure that a release of this mode never has; waiting for it would never end.
    """
    if "agreement" in condition.names and release.mode != "shadow":
        raise BadParameter(
            "the condition names 'agreement', which this release never has",
            why="only a shadow answers the same rows as the live version",
            way_out="leave it out, or release the version in another way",
        )


def _seconds(within: str | None) -> float:
    if within is None:
        return 0.0
    seconds = seconds_of(within)
    if seconds is None:
        raise BadParameter(
            f"--within {within!r} is no length of time", why="it is how long to look", way_out="write 2h"
        )
    return seconds

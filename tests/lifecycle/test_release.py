"""A version beside the live one: offered without an envelope, ended by hand or by a guard, and always in the audit trail."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.bundle.runtime import Bundle
from penstock.errors import BadParameter
from penstock.lifecycle.at import parse_when
from penstock.monitoring.monitor import CHECKS
from penstock.project.sections.serving import CANDIDATE_CHECKS
from penstock.serving.releases import Release
from penstock.serving.slots import read_slots
from penstock.serving.switching import end_release, end_watch, offer, return_from

Cli = Callable[..., Any]


@pytest.fixture
def project(penstock: Cli, project_at: Cli, set_line: Cli) -> Path:
    """Version 1 is live; version 2 is the same model with another decision rule."""
    folder: Path = project_at("live")
    set_line(folder, "serving", "abstain_below = 0.55")
    assert penstock(folder, "run").body["model"]["version"] == 2
    return folder


def state_of(project: Path) -> Any:
    return read_slots(project / ".penstock/serving")


def trail(penstock: Cli, project: Path) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = penstock(project, "doctor", "--trail").body["events"]
    return events


def test_a_canary_is_offered_without_an_envelope(penstock: Cli, project: Path) -> None:
    """The live slot is as it was; the trail says who answers what; a larger share goes on with the same release."""
    before = state_of(project)
    opened = [e["what"] for e in trail(penstock, project)].count("open envelope")
    done = penstock(project, "deploy", "--canary", "10%", "--sticky", "job")
    assert done.code == 0
    assert (done.body["version"], done.body["live"], done.body["slot"]) == (2, 1, "green")
    assert done.body["release"]["share"] == 0.1
    state = state_of(project)
    assert (state.live, state.live_entry) == (before.live, before.live_entry)
    event = trail(penstock, project)[-1]
    assert event["what"] == "release"
    assert {n: event["details"][n] for n in ("version", "mode", "share", "sticky", "epoch")} == {
        "version": 2, "mode": "canary", "share": 0.1, "sticky": "job", "epoch": state.epoch
    }  # fmt: skip
    more = penstock(project, "deploy", "--canary", "50%")
    assert more.body["release"]["number"] == done.body["release"]["number"]
    assert more.body["release"]["sticky"] == "job"
    assert [e["what"] for e in trail(penstock, project)].count("open envelope") == opened
    assert penstock(project, "models").body["versions"][0]["aliases"] == ["champion"]


def test_rollback_ends_a_release(penstock: Cli, project: Path) -> None:
    """The live version answers alone, the candidate's slot is as it was before."""
    before = state_of(project)
    penstock(project, "deploy", "--ab", "0.5")
    done = penstock(project, "rollback")
    assert done.code == 0
    assert (done.body["version"], done.body["ended"]) == (1, 2)
    state = state_of(project)
    assert (state.live, state.slots, state.release) == (before.live, before.slots, None)
    event = trail(penstock, project)[-1]
    assert (event["what"], event["details"]["version"], event["details"]["ended"]) == ("rollback", 1, 2)


def test_a_deploy_of_the_candidate_opens_its_envelope_and_ends_the_release(penstock: Cli, project: Path) -> None:
    """It is judged as any other; another version has to wait."""
    penstock(project, "deploy", "--shadow", "--version", "2")
    refused = penstock(project, "deploy", "--version", "1")
    assert refused.code == 2
    assert "released already" in refused.error["what"]
    done = penstock(project, "deploy")
    assert done.code == 0, done.err
    assert done.body["version"] == 2
    state = state_of(project)
    assert (state.live_entry.version, state.release) == (2, None)
    event = trail(penstock, project)[-1]
    assert (event["what"], event["details"]["promoted"]) == ("deploy", "shadow")


def test_what_a_guard_did_is_in_the_trail_after_the_next_command(penstock: Cli, project: Path) -> None:
    """In its own name, with its reason and its instant, though the server knows no ledger; also of a release that was killed."""
    penstock(project, "deploy", "--canary", "10%")
    state = end_release(project / ".penstock/serving", by="guard: errors > 0.01 (0.2 against 0.01)")
    assert state is not None
    penstock(project, "monitor")
    event = trail(penstock, project)[-1]
    assert (event["what"], event["who"]) == ("return", "guard")
    details = event["details"]
    assert (details["version"], details["epoch"], details["changed_at"]) == (1, state.epoch, state.changed_at)
    assert "errors > 0.01" in details["by"]
    penstock(project, "monitor")
    assert trail(penstock, project)[-1] == event
    bundle = project / "models/v2"
    digest = Bundle.load(bundle).digest
    release = Release("ab", 0.5, "job")  # as a command does that is killed before it writes into the ledger
    offer(project / ".penstock/serving", bundle, release, model="shop", version=2, digest=digest, by="release 1234")
    assert penstock(project, "rollback").body["ended"] == 2
    begun, ended = trail(penstock, project)[-2:]
    assert (begun["what"], begun["details"]["version"], begun["details"]["mode"]) == ("release", 2, "ab")
    assert begun["details"]["settled"] is True
    assert (ended["what"], ended["details"]["ended"]) == ("rollback", 2)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("--canary", "0"), "--canary is '0'"),
        (("--canary", ""), "--canary is ''"),
        (("--ab", "110%"), "--ab is '110%'"),
        (("--canary", "10%", "--sticky", "jbo"), "--sticky names 'jbo'"),
        (("--canary", "10%", "--version", "1"), "live already"),
        (("--canary", "10%", "--version", "9"), "has no version"),
        (("--canary", "10%", "--shadow"), ""),
        (("--shadow", "--sticky", "job"), ""),
        (("--canary", "10%", "--override", "why"), ""),
    ],
)
def test_what_cannot_be_released_is_refused(penstock: Cli, project: Path, line: tuple[str, ...], words: str) -> None:
    """Before anything changes."""
    before = state_of(project)
    done = penstock(project, "deploy", *line)
    assert done.code == 2
    assert words in done.error["what"]
    assert state_of(project) == before


def test_a_version_that_did_not_pass_is_only_shown_copies(penstock: Cli, project: Path) -> None:
    """A canary answers real requests, a shadow nobody."""
    with (project / "penstock.toml").open("a", encoding="utf-8") as file:
        file.write('\n[[gates]]\nmetric = "roc_auc"\nat_least = 0.9999\n')
    failed = penstock(project, "run").body["model"]["version"]
    refused = penstock(project, "deploy", "--canary", "10%", "--version", str(failed))
    assert refused.code == 2
    assert "did not pass" in refused.error["what"]
    assert penstock(project, "deploy", "--shadow", "--version", str(failed)).code == 0


def test_a_damaged_bundle_is_refused_and_the_live_slot_is_untouched(penstock: Cli, project: Path, serve: Cli) -> None:
    """Nothing is offered, neither as a canary nor as a shadow; a server answers on."""
    app = serve(project)
    before = state_of(project)
    graph = project / "models/v2/graph.onnx"
    digest = json.loads((project / "models/v2/manifest.json").read_bytes())["files"]["graph.onnx"]["digest"][7:]
    for path in (graph, project / ".penstock/objects" / digest[:2] / digest[2:]):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.chmod(0o600)
        path.write_bytes(data)
    for mode in (("--canary", "100%"), ("--shadow",)):
        done = penstock(project, "deploy", *mode)
        assert done.code == 2
        assert done.error["code"] == "damaged"
    assert state_of(project) == before
    assert app.ask("POST", "/predict", {"rows": [{}]})[1]["version"] == 1
    app.close()


def test_guards_are_declared(penstock: Cli, project: Path) -> None:
    """The release carries them to the servers; one that cannot be read is refused with the place."""
    text = (project / "penstock.toml").read_text(encoding="utf-8")
    guards = (
        '\n[serving.guards]\ntrip = ["errors > 2%", "latency_p99 > 2 * live"]\nwindow = "5m"\nminimum_requests = 7\n'
    )
    (project / "penstock.toml").write_text(text + guards, encoding="utf-8")
    told = penstock(project, "deploy", "--shadow").body["release"]["guards"]
    assert told == {
        "trip": ["errors > 2%", "latency_p99 > 2 * live"],
        "window_s": 300.0,
        "minimum_requests": 7,
        "checks": ["live-quality"],
        "watch_s": 3600.0,
    }
    written = json.loads((project / ".penstock/serving/slots.json").read_bytes())["release"]["guards"]
    assert written == told
    (project / "penstock.toml").write_text(text + guards.replace("errors", "eror"), encoding="utf-8")
    refused = penstock(project, "deploy", "--shadow")
    assert refused.code == 2
    assert refused.error["code"] == "bad-declaration"
    assert "errors" in refused.error["try"]


def test_which_version_answered_is_one_command(penstock: Cli, project: Path, serve: Cli, rows_of: Cli) -> None:
    """What was live, beside what, who put it there, and what the journal has; also what changed within that minute."""
    app = serve(project)
    before = datetime.now(UTC)
    app.predict(rows_of(3))
    app.close()
    time.sleep(1.0)
    penstock(project, "deploy", "--canary", "100%")
    app = serve(project)
    at = datetime.now(UTC)
    app.predict(rows_of(2))
    app.close()
    time.sleep(1.0)
    end_release(project / ".penstock/serving", by="guard: errors > 0.01 (1 against 0.01)")

    def answered(moment: datetime, form: str = "%Y-%m-%dT%H:%M:%SZ") -> dict[str, Any]:
        done = penstock(project, "models", "at", moment.strftime(form))
        assert done.code == 0
        body: dict[str, Any] = done.body
        return body

    seconds = [answered(before + timedelta(seconds=n)) for n in (0, 1)]
    assert seconds[0]["change"]["live"]["version"] == 1
    assert seconds[0]["change"]["release"] is None
    assert seconds[0]["event"]["what"] == "deploy"
    rows = [a["rows"] for second in seconds for a in second["answers"] if (a["version"], a["arm"]) == (1, "")]
    assert sum(rows) == 3
    later = answered(at + timedelta(seconds=1))
    assert later["change"]["release"]["version"] == 2
    assert later["event"]["what"] == "release"
    seconds = [answered(at + timedelta(seconds=n)) for n in (0, 1)]
    rows = [a["rows"] for second in seconds for a in second["answers"] if a["arm"] == "candidate"]
    assert sum(rows) == 2
    minute = answered(at, "%Y-%m-%d %H:%M")
    assert minute["until"] > minute["at"]
    told = penstock(project, "models", "at", "2001-01-01 10:00").body
    assert (told["change"], told["answers"]) == (None, [])
    for wrong in ("someday 14:03", "2026-13-01", "2999-01-01 10:00"):
        assert penstock(project, "models", "at", wrong).error["code"] == "bad-parameter"


def test_a_version_that_went_live_is_watched(penstock: Cli, project: Path) -> None:
    """The version before stands by for the declared time; what ends it is in the trail, and so is what was watched when."""
    done = penstock(project, "deploy")
    assert (done.body["version"], done.body["watch_s"]) == (2, 3600.0)
    state = state_of(project)
    assert (state.watch.mode, state.watch.guards.watch_s) == ("watch", 3600.0)
    assert trail(penstock, project)[-1]["details"]["watch_s"] == 3600.0
    now = penstock(project, "models", "at", datetime.now(UTC).isoformat()).body["change"]
    assert (now["live"]["version"], now["watch"]["version"], now["watch"]["slot"]) == (2, 1, "blue")
    ended = end_watch(
        project / ".penstock/serving", state.watch.number, by="watched: nothing was shown against it for 1 h"
    )
    assert ended is not None
    assert penstock(project, "monitor").code == 0
    event = trail(penstock, project)[-1]
    assert (event["what"], event["who"], event["details"]["version"]) == ("watched", "guard", 2)


def test_a_guard_puts_the_version_before_back(penstock: Cli, project: Path) -> None:
    """The registry knows of it with the next command."""
    penstock(project, "deploy")
    number = state_of(project).watch.number
    assert return_from(project / ".penstock/serving", number, by="guard: errors > 0.01 (1 against 0.01)") is not None
    versions = {one["version"]: one["aliases"] for one in penstock(project, "models").body["versions"]}
    assert (versions[1], versions[2]) == (["champion"], [])
    event = trail(penstock, project)[-1]
    assert (event["what"], event["who"], event["details"]["version"]) == ("return", "guard", 1)


@pytest.mark.parametrize("how", ["rollback", "guard", "canary"])
def test_what_was_put_back_goes_live_again_only_by_its_number(penstock: Cli, project: Path, how: str) -> None:
    """A pipeline that deploys what is new each day does not bring it back, on another envelope each time; who names it may."""
    serving = project / ".penstock/serving"
    if how == "canary":
        penstock(project, "deploy", "--canary", "10%")
        assert end_release(serving, by="guard: errors > 0.01 (0.2 against 0.01)") is not None
    else:
        penstock(project, "deploy")
        number = state_of(project).watch.number
        if how == "guard":
            assert return_from(serving, number, by="guard: errors > 0.01 (1 against 0.01)") is not None
        else:
            assert penstock(project, "rollback").body["version"] == 1
    versions = {one["version"]: one for one in penstock(project, "models").body["versions"]}
    assert versions[1]["put_back"] is None
    assert versions[2]["put_back"]["what"] == ("rollback" if how == "rollback" else "return")
    opened = [e["what"] for e in trail(penstock, project)].count("open envelope")
    assert penstock(project, "run").code == 0
    for line in (("deploy",), ("deploy", "--canary", "10%")):
        refused = penstock(project, *line)
        assert refused.code == 2
        assert "shop@2 was put back" in refused.error["what"]
        assert "--version 2" in refused.error["try"]
    assert [e["what"] for e in trail(penstock, project)].count("open envelope") == opened
    assert state_of(project).live_entry.version == 1
    assert penstock(project, "deploy", "--shadow").body["version"] == 2  # it answers nobody
    assert penstock(project, "rollback").code == 0
    assert penstock(project, "models").body["versions"][1]["put_back"] is not None
    assert penstock(project, "deploy", "--canary", "10%", "--version", "2").code == 0
    assert penstock(project, "models").body["versions"][1]["put_back"] is None


def test_rollback_ends_a_watch_by_going_back(penstock: Cli, project: Path) -> None:
    """As it does without one."""
    penstock(project, "deploy")
    done = penstock(project, "rollback")
    assert (done.code, done.body["version"], done.body["ended"]) == (0, 1, None)
    assert state_of(project).watch is None


def test_nothing_is_watched_where_none_is_declared(penstock: Cli, project: Path) -> None:
    """And a length that is none is refused."""
    text = (project / "penstock.toml").read_text(encoding="utf-8")
    (project / "penstock.toml").write_text(f'{text}\n[serving.guards]\nwatch = "soon"\n', encoding="utf-8")
    assert '"off"' in penstock(project, "deploy").error["try"]
    (project / "penstock.toml").write_text(f'{text}\n[serving.guards]\nwatch = "off"\n', encoding="utf-8")
    assert penstock(project, "deploy").body["watch_s"] == 0
    assert state_of(project).watch is None


NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)  # a Monday


@pytest.mark.parametrize(
    ("text", "at", "seconds"),
    [
        ("2026-11-24 14:03", "2026-11-24T14:03:00+00:00", 60),
        ("2026-11-24T14:03:05+02:00", "2026-11-24T12:03:05+00:00", 1),
        ("Tuesday 14:03", "2026-11-24T14:03:00+00:00", 60),
        ("mon 11:59", "2026-11-30T11:59:00+00:00", 60),
        ("monday 12:01", "2026-11-23T12:01:00+00:00", 60),
        ("11:00:30", "2026-11-30T11:00:30+00:00", 1),
        ("13:00", "2026-11-29T13:00:00+00:00", 60),
        ("yesterday 13:00", "2026-11-29T13:00:00+00:00", 60),
    ],
)
def test_an_instant_is_read_as_people_say_it(text: str, at: str, seconds: int) -> None:
    """A clock time is the last one, a day the last such day."""
    found, length = parse_when(text, NOON)
    assert (found.isoformat(), length.total_seconds()) == (at, seconds)


@given(st.text(max_size=30))
def test_whatever_is_no_instant_is_refused(text: str) -> None:
    """With a way out, and nothing worse."""
    with contextlib.suppress(BadParameter):
        parse_when(text, NOON)


def test_the_checks_of_guards_are_those_of_the_monitor() -> None:
    """The declaration keeps their names, so that reading it does not load them."""
    assert set(CANDIDATE_CHECKS) == {check.id for check in CHECKS}

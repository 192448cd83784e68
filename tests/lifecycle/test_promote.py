"""The arms of a release compared, watched and promoted, with labels that arrive meanwhile."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import BadParameter
from penstock.lifecycle import promote as promote_module
from penstock.lifecycle.arms import refuse_wrong_way
from penstock.serving.conditions import parse
from penstock.serving.slots import read_slots
from penstock.serving.switching import end_release

Cli = Callable[..., Any]
ROWS = 240


@pytest.fixture(scope="module")
def trafficked(
    penstock: Cli, projects: Any, set_line: Cli, serve: Cli, rows_of: Cli, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Version 2 in an A/B test beside version 1, asked and labelled. To be copied."""
    project: Path = projects.copy("binary", "live", tmp_path_factory.mktemp("traffic"))
    set_line(project, "serving", "abstain_below = 0.55")
    assert penstock(project, "run").body["model"]["version"] == 2
    assert penstock(project, "deploy", "--ab", "50%", "--sticky", "note").code == 0
    app = serve(project)
    rows = rows_of(ROWS, seed=5)
    answers = [answer for row in rows for answer in app.predict([row])]
    labels = [{"id": a["id"], "label": r["bought"]} for a, r in zip(answers, rows, strict=True)]
    assert app.ask("POST", "/labels", {"labels": labels})[1]["accepted"] == ROWS
    app.close()
    return project


@pytest.fixture
def project(trafficked: Path, tmp_path: Path) -> Path:
    import shutil

    return Path(shutil.copytree(trafficked, tmp_path / "shop"))


def events(penstock: Cli, project: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = penstock(project, "doctor", "--trail").body["events"]
    return found


def test_the_arms_are_compared(penstock: Cli, project: Path) -> None:
    """Counts, distributions and quality of each, their differences with an interval, and whether it is clear by now."""
    done = penstock(project, "monitor", "--arms")
    assert done.code == 0
    live, candidate = done.body["arms"]
    assert (live["version"], candidate["version"]) == (1, 2)
    assert live["rows"] + candidate["rows"] == ROWS
    assert min(live["rows"], candidate["rows"]) > ROWS / 4
    assert live["labels"] + candidate["labels"] == ROWS
    assert 0.5 < live["quality"] <= 1
    assert live["scores"] == sorted(live["scores"])
    by_name = {one["figure"]: one for one in done.body["differences"]}
    assert set(by_name) == {"errors", "abstentions", "novelty", "positive", "latency_p50", "latency_p99", "roc_auc"}
    errors = by_name["errors"]
    assert errors["low"] < 0 < errors["high"]
    assert errors["verdict"] == "not yet clear"
    abstentions = by_name["abstentions"]
    assert abstentions["difference"] == pytest.approx(abstentions["candidate"] - abstentions["live"])
    quality = by_name["roc_auc"]
    assert quality["low"] < quality["difference"] < quality["high"]
    assert quality["verdict"] == "not yet clear"


def test_what_is_printed_is_described(penstock: Cli, project: Path) -> None:
    """docs/json.md has each key of the verbs that look at a release."""
    page = (Path(__file__).parents[2] / "docs/json.md").read_text(encoding="utf-8")
    lines = {
        "monitor --arms": ("monitor", "--arms"),
        "promote": ("promote", "--when", "rows > 1e9"),
        "models at": ("models", "at", f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"),
        "deploy --canary": ("deploy", "--ab", "60%"),
    }
    for verb, line in lines.items():
        [row] = [row for row in page.splitlines() if row.startswith(f"| `{verb}`")]
        words = set(re.findall(r"`([^`]+)`", row))
        body = penstock(project, *line).body
        keys = {key for value in (body, *_inner(body)) for key in value}
        assert keys <= words | {"format", "warnings"}, verb


def _inner(value: Any) -> Iterator[dict[str, Any]]:
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(inner, dict):
            yield inner
        yield from _inner(inner)


def test_a_release_is_promoted_when_its_condition_holds(penstock: Cli, project: Path) -> None:
    """Not before; a look changes nothing; the envelope is opened once."""
    opened = [e["what"] for e in events(penstock, project)].count("open envelope")
    later = penstock(project, "promote", "--when", "rows >= 1e6 or errors > 20%")
    assert later.code == 1
    assert (later.body["holds"], later.body["promoted"], later.body["looks"]) == (False, False, 1)
    unclear = penstock(project, "promote", "--when", "errors < 1% and rows >= 50 and quality >= live", "--check")
    assert (unclear.code, unclear.body["holds"]) == (1, None)
    errors, rows, quality = unclear.body["findings"]
    assert (errors["holds"], rows["holds"], quality["holds"]) == (None, True, None)
    assert (errors["left"], errors["low"] < 0 < errors["high"]) == (
        0,
        True,
    )  # none so far, in too few requests to show it
    assert quality["low"] < quality["margin"] < quality["high"]
    good = "errors < 20% and latency_p50 < 60000 and rows >= 50 and quality >= live - 0.5 and labels > 30"
    looked = penstock(project, "promote", "--when", good, "--check")
    assert looked.code == 0
    assert (looked.body["holds"], looked.body["promoted"]) == (True, False)
    assert [e["what"] for e in events(penstock, project)].count("open envelope") == opened
    done = penstock(project, "promote", "--when", good)
    assert done.code == 0, done.out
    assert done.body["promoted"] is True
    assert [finding["holds"] for finding in done.body["findings"]] == [True] * 5
    state = read_slots(project / ".penstock/serving")
    assert state.live_entry is not None
    assert (state.live_entry.version, state.release) == (2, None)
    event = events(penstock, project)[-1]
    assert (event["what"], event["details"]["promoted"]) == ("deploy", "ab")
    assert penstock(project, "promote").error["code"] == "project"
    assert penstock(project, "rollback").body["version"] == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("--when", "qualty > 0.7"), "write 'quality'"),
        (("--when", "agreement > 0.9"), "leave it out"),
        (("--when", "rows > 1 and not quality > live"), "quality >= live - 0.01"),
        (("--when", "rows > 1", "--within", "soon"), "2h"),
        (("--within", "2h"), "--help"),
        (("--when", "rows > 1", "--within", "2h", "--check"), "--help"),
    ],
)
def test_what_cannot_be_waited_for_is_refused(penstock: Cli, project: Path, line: tuple[str, ...], words: str) -> None:
    """At once, with the nearest name."""
    done = penstock(project, "promote", *line)
    assert done.code == 2
    assert words in done.error["try"]


@pytest.mark.parametrize(
    ("condition", "metric", "good", "way_out"),
    [
        ("quality >= live - 1", "rmse", True, "quality <= live + 0.01"),
        ("quality < live - 1", "rmse", False, "quality > live + 0.01"),
        ("quality > live", "roc_auc", False, "quality < live - 0.01"),
        ("quality <= live + 1", "rmse", True, None),
        ("quality > live + 1", "rmse", False, None),
        ("quality >= live", "roc_auc", True, None),
    ],
)
def test_worse_quality_promotes_nothing(condition: str, metric: str, good: bool, way_out: str | None) -> None:
    """Of an error less is better, and a condition says what it asks for by its sign alone."""
    if way_out is None:
        refuse_wrong_way(parse(condition), metric, good=good)
        return
    with pytest.raises(BadParameter) as caught:
        refuse_wrong_way(parse(condition), metric, good=good)
    assert caught.value.way_out.endswith(way_out)


def test_waiting_ends_with_the_time_or_with_the_release(
    penstock: Cli, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guard that trips meanwhile is told, and nothing is promoted."""
    monkeypatch.setattr(promote_module, "LOOK_S", 0.05)
    done = penstock(project, "promote", "--when", "rows > 1e6", "--within", "1s")
    assert (done.code, done.body["ended"]) == (1, None)
    timer = threading.Timer(0.3, end_release, (project / ".penstock/serving",), {"by": "guard: errors > 0.01"})
    timer.start()
    done = penstock(project, "promote", "--when", "rows > 1e6", "--within", "2m")
    timer.join()
    assert (done.code, done.body["ended"], done.body["promoted"]) == (1, "guard: errors > 0.01", False)


def test_a_release_that_ended_during_the_exam_is_not_promoted(
    penstock: Cli, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the envelope says is one thing, what a guard saw another."""
    from penstock.lifecycle import deploy

    judged = deploy.examine

    def examine(*arguments: Any) -> Any:
        end_release(project / ".penstock/serving", by="guard: errors > 0.01")
        return judged(*arguments)

    monkeypatch.setattr(deploy, "examine", examine)
    done = penstock(project, "promote")
    assert done.code == 2
    assert "was not promoted" in done.error["what"]
    state = read_slots(project / ".penstock/serving")
    assert state.live_entry is not None
    assert state.live_entry.version == 1


@pytest.mark.parametrize(
    ("guards", "reason"),
    [
        ('trip = ["quality < 2"]', "quality < 2"),
        ('trip = []\nchecks = ["missing-share", "latency-p99"]', "latency-p99"),
    ],
)
def test_the_monitor_ends_a_release(penstock: Cli, project: Path, set_line: Cli, guards: str, reason: str) -> None:
    """By what a server cannot know: quality from labels, and its checks of the candidate's rows; exit 1, and in the trail."""
    text = (project / "penstock.toml").read_text(encoding="utf-8")
    (project / "penstock.toml").write_text(
        f"{text}\n[serving.guards]\nminimum_requests = 1\n{guards}\n", encoding="utf-8"
    )
    set_line(project, "serving", "deadline_ms = 0.001")
    set_line(project, "monitoring", "minimum_rows = 1")
    with_traffic = read_slots(project / ".penstock/serving").release
    assert penstock(project, "deploy", "--ab", "50%").code == 0
    again = read_slots(project / ".penstock/serving").release
    assert with_traffic is not None
    assert again is not None
    assert again.number == with_traffic.number
    done = penstock(project, "monitor", "--guard")
    assert done.code == 1
    assert reason in done.body["ended"]
    assert read_slots(project / ".penstock/serving").release is None
    event = events(penstock, project)[-1]
    assert (event["what"], event["who"]) == ("return", "monitor")
    assert reason in event["details"]["by"]


def test_the_monitor_puts_the_version_before_back(
    penstock: Cli, project: Path, set_line: Cli, serve: Cli, rows_of: Cli
) -> None:
    """While a version is watched, by what a server cannot know: here its quality; exit 1, and in the trail."""
    text = (project / "penstock.toml").read_text(encoding="utf-8")
    guards = '\n[serving.guards]\nminimum_requests = 1\ntrip = ["quality < 0.999"]\n'
    (project / "penstock.toml").write_text(f"{text}{guards}", encoding="utf-8")
    assert penstock(project, "promote").body["promoted"] is True
    app, rows = serve(project), rows_of(ROWS, seed=6)
    answers = [answer for row in rows for answer in app.predict([row])]
    labels = [{"id": a["id"], "label": r["bought"]} for a, r in zip(answers, rows, strict=True)]
    looked = penstock(project, "monitor", "--arms")
    assert looked.body["release"]["mode"] == "watch"
    before, live = looked.body["arms"]
    assert (before["version"], before["requests"], live["version"], live["requests"]) == (1, 0, 2, ROWS)
    assert penstock(project, "monitor", "--guard").code == 0
    app.ask("POST", "/labels", {"labels": labels})
    app.close()
    done = penstock(project, "monitor", "--guard")
    assert done.code == 1
    assert "quality < 0.999" in done.body["ended"]
    state = read_slots(project / ".penstock/serving")
    assert state.live_entry is not None
    assert (state.live_entry.version, state.watch) == (1, None)
    event = events(penstock, project)[-1]
    assert (event["what"], event["who"], event["details"]["ended"]) == ("return", "monitor", 2)
    assert penstock(project, "monitor", "--guard").code == 2


def test_a_shadow_is_held_against_its_reference(penstock: Cli, project: Path, serve: Cli, rows_of: Cli) -> None:
    """By the rows of the live version and its own answers to them: drift, and what else the monitor looks at; also as a condition."""
    assert penstock(project, "rollback").code == 0
    assert penstock(project, "deploy", "--shadow").code == 0
    app = serve(project)
    for row in rows_of(60, seed=7):
        app.predict([{**row, "age": 95}])

    def looked() -> dict[str, Any]:
        body: dict[str, Any] = penstock(project, "monitor", "--arms").body
        return body

    ends = time.monotonic() + 30
    while looked()["arms"][1]["rows"] < 60 and time.monotonic() < ends:
        time.sleep(0.2)
    app.close()
    alarms = {check["id"] for check in looked()["checks"] if check["alarm"]}
    assert "drift" in alarms
    assert penstock(project, "promote", "--check", "--when", "alarms = 0").body["holds"] is False


def test_each_look_of_a_guard_has_its_share_of_the_chance(penstock: Cli, project: Path) -> None:
    """However often it looks, its checks alarm by chance no more often than is declared."""
    limits = []
    for _ in range(3):
        checks = penstock(project, "monitor", "--guard").body["checks"]
        limits.append(next(one["limit"] for one in checks if one["id"] == "live-quality"))
    assert limits[0] != limits[1] != limits[2]


def test_the_monitor_lets_a_good_release_go_on(penstock: Cli, project: Path) -> None:
    """And has nothing to look at without one."""
    done = penstock(project, "monitor", "--guard")
    assert (done.code, done.body["ended"]) == (0, None)
    assert penstock(project, "rollback").code == 0
    refused = penstock(project, "monitor", "--arms")
    assert refused.code == 2
    assert "--canary" in refused.error["try"]

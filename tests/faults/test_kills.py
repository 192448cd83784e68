"""Processes that are killed, doubled, or out of space: nothing is half written, nothing acknowledged is lost."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


def start(where: Path, *arguments: str, before: str = "") -> subprocess.Popen[str]:
    """`penstock ARGUMENTS --json` as a process of its own; `before` is Python that runs first."""
    code = f"{before}\nimport sys\nfrom penstock.cli.app import run\nsys.exit(run(sys.argv[1:]))"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=where, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def stop_at(module: str, name: str) -> str:
    """Python that says "there" and waits where a function would be called."""
    return (
        f"import {module} as module, time\n"
        "def stop(*_, **__):\n    print('there', flush=True)\n    time.sleep(60)\n"
        f"module.{name} = stop\n"
    )


def kill_there(process: subprocess.Popen[str]) -> None:
    """`kill -9` once the process has said that it is there."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line == "there\n", (line, process.communicate())
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def until(true: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait for something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen")


@pytest.mark.parametrize("moment", ["penstock.data.store:encrypt", "penstock.lifecycle.new:suggest_recipe"])
def test_new_killed_in_the_middle_leaves_no_project_and_the_next_one_works(
    penstock: Cli, rows_of: Cli, write_rows: Cli, tmp_path: Path, moment: str
) -> None:
    """In ingest, and after it."""
    write_rows(tmp_path / "customers.csv", rows_of(300), "bought")
    arguments = ["new", "shop", "--data", "customers.csv", "--target", "bought"]
    module, _, name = moment.partition(":")
    kill_there(start(tmp_path, *arguments, before=stop_at(module, name)))
    assert not (tmp_path / "shop").exists()
    assert penstock(tmp_path, *arguments).code == 0


def test_a_search_that_was_killed_goes_on_from_the_trials_it_had(penstock: Cli, project_at: Cli, set_line: Cli) -> None:
    """The next run keeps what is in the ledger, byte for byte, and adds to it."""
    from penstock.lifecycle.search import trials_name
    from penstock.project.project import Project

    project = project_at("new")
    process = start(project, "run", "--budget", "300s", "--json")
    ledger = Project(project).ledger

    def trials() -> list[Any]:
        [*searches] = ledger.runs("search")
        if not searches or "folds" not in searches[0].outputs:
            return []
        search = searches[0]
        return ledger.trials.of(trials_name(search.inputs, search.params, search.outputs["folds"]["fingerprint"]))

    had = until(lambda: (found := trials()) and len(found) >= 3 and found)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    had = trials()
    done = penstock(project, "run", "--budget", f"{len(had) + 2} trials")
    assert done.code == 0, done
    now = trials()
    assert now[: len(had)] == had
    assert len(now) > len(had)
    assert {"interrupted", "done"} == {run.status for run in ledger.runs("search")}


def test_no_worker_survives_a_killed_search(project_at: Cli) -> None:
    """The processes that fit candidates end with the one that asked them to."""
    project = project_at("new")
    process = start(project, "run", "--budget", "300s", "--json")
    children = until(lambda: len(found := descendants(process.pid)) > 0 and found)
    time.sleep(1.0)
    children = descendants(process.pid) or children
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    until(lambda: not any(alive(pid) for pid in children), 20.0)


def test_a_deploy_that_was_killed_leaves_whole_slots_and_the_next_one_works(penstock: Cli, project_at: Cli) -> None:
    """Killed after the envelope was opened and the bundle copied, before the switch: it goes on with that envelope."""
    project = project_at("run")
    kill_there(start(project, "deploy", "--json", before=stop_at("penstock.serving.switching", "_write")))
    assert not (project / ".penstock/serving/slots.json").exists()
    done = penstock(project, "deploy")
    assert done.code == 0, done
    assert done.body["envelope"]["left"] == 1
    slots = json.loads((project / ".penstock/serving/slots.json").read_text(encoding="utf-8"))
    assert slots["slots"][slots["live"]]["version"] == 1
    assert penstock(project, "doctor").code == 0


def test_a_deploy_that_was_killed_after_its_switch_is_finished_by_the_next_command(
    penstock: Cli, project_at: Cli
) -> None:
    """The server answers with it; doctor says that the registry lags behind, and `deploy` brings it in line."""
    project = project_at("run")
    kill_there(start(project, "deploy", "--json", before=stop_at("penstock.lifecycle.deploy", "wait_for_epoch")))
    slots = json.loads((project / ".penstock/serving/slots.json").read_text(encoding="utf-8"))
    assert slots["slots"][slots["live"]]["version"] == 1
    assert [c["id"] for c in penstock(project, "doctor").body["checks"] if not c["passed"]] == ["aliases"]
    assert "live already" in penstock(project, "deploy").error["what"]
    assert penstock(project, "models").body["versions"][0]["aliases"] == ["champion"]
    assert penstock(project, "doctor").code == 0
    assert penstock(project, "monitor").code == 0


def test_two_runs_at_once_are_one_run_and_one_refusal(penstock: Cli, project_at: Cli) -> None:
    """The second is told who is at work, since when, and what to do."""
    project = project_at("new")
    first = start(project, "run", "--json", before=stop_at("penstock.lifecycle.pipeline", "train"))
    assert first.stdout is not None
    assert first.stdout.readline() == "there\n"
    try:
        second = penstock(project, "run")
        assert second.code == 2
        assert second.error["code"] == "project"
        assert "already at work" in second.error["what"]
        assert str(first.pid) in second.error["why"] + second.error["try"]
    finally:
        first.kill()
        first.communicate()
    assert penstock(project, "run", "--why").code == 0


def test_ctrl_c_ends_a_run_with_one_sentence(project_at: Cli) -> None:
    """Exit 130, no traceback; what was finished is kept."""
    project = project_at("new")
    process = start(project, "run", "--budget", "300s")
    until(lambda: len(descendants(process.pid)) > 0)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in out + err
    assert "stopped" in err


@contextlib.contextmanager
def serving(project: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`penstock serve` on a free port: the process and its address."""
    process = start(project, "serve", "--port", "0")
    assert process.stderr is not None
    lines = []
    try:
        for line in process.stderr:
            lines.append(line)
            if "http://" in line:
                yield process, "http://" + line.partition("http://")[2].split()[0].rstrip("/.,")
                return
        raise AssertionError(lines)
    finally:
        process.kill()
        process.communicate()


def ask(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """One POST."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return dict(json.load(answer))


def test_a_killed_server_has_lost_no_answer(penstock: Cli, project_at: Cli, rows_of: Cli) -> None:
    """Every id that a client has seen takes its label afterwards."""
    from penstock.serving.journal import read

    project = project_at("live")
    rows = [{"age": r["age"], "job": r["job"], "id": r["id"]} for r in rows_of(40, seed=60)]
    with serving(project) as (process, url):
        seen = [ask(f"{url}/predict", {"rows": [row]})["predictions"][0]["id"] for row in rows]
        os.kill(process.pid, signal.SIGKILL)
    journalled = {a["id"] for record in read(project / ".penstock/serving/journal") for a in record.answers}
    assert set(seen) == journalled
    assert penstock(project, "label", "status").body["predictions"] == 40
    with serving(project) as (_, url):
        assert len(ask(f"{url}/predict", {"rows": rows[:3]})["predictions"]) == 3


def test_a_server_refuses_a_bundle_with_a_flipped_bit(penstock: Cli, project_at: Cli) -> None:
    """It does not start; the message names the file."""
    project = project_at("live")
    graph = next((project / ".penstock/serving/bundles").rglob("graph.onnx"))
    data = bytearray(graph.read_bytes())
    data[len(data) // 2] ^= 1
    graph.chmod(0o644)
    graph.write_bytes(bytes(data))
    process = start(project, "serve", "--port", "0")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2, err
    assert "graph.onnx" in err
    assert "Traceback" not in err
    batch = penstock(project, "predict", "--input", "data/raw/customers.csv", "--output", "a.csv")
    assert batch.code == 2
    assert batch.error["code"] == "bundle"
    assert not (project / "a.csv").exists()


def test_a_ledger_from_a_newer_release_is_refused_by_every_command(penstock: Cli, project_at: Cli) -> None:
    """And left as it is."""
    import sqlite3

    project = project_at("live")
    ledger = project / ".penstock/ledger.db"
    with sqlite3.connect(ledger) as database:
        database.execute("insert into migrations values ('from_the_future', '2030-01-01T00:00:00.000000Z')")
    for verb in (["run"], ["deploy"], ["rollback"], ["runs"], ["models"], ["monitor"], ["retrain"]):
        done = penstock(project, *verb)
        assert done.code == 2, (verb, done)
        assert done.error["code"] == "newer-format"
        assert "pgrade" in done.error["try"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    place = tmp_path / "small"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_is_full_at_new_leaves_nothing(
    small_disk: Path, rows_of: Cli, write_rows: Cli, tmp_path: Path
) -> None:
    """Wherever it happens: exit 2, what is full, and the way out; no folder is left; with room it works."""
    source = write_rows(tmp_path / "customers.csv", rows_of(2000), "bought")
    filler = small_disk / "filler"
    total = 3 * 2**20
    for room in (60_000, 250_000, 500_000, 800_000):
        filler.write_bytes(bytes(total - room))
        process = start(small_disk, "new", "shop", "--data", str(source), "--target", "bought", "--json")
        out, err = process.communicate(timeout=120)
        if process.returncode == 0:
            break
        assert process.returncode == 2, (room, out, err)
        assert json.loads(out)["error"]["code"] == "store-full", (room, out)
        assert {path.name for path in small_disk.iterdir()} == {"filler"}
        filler.unlink()
    filler.unlink(missing_ok=True)
    if not (small_disk / "shop").exists():
        process = start(small_disk, "new", "shop", "--data", str(source), "--target", "bought")
        process.communicate(timeout=120)
        assert process.returncode == 0


def test_a_disk_that_is_full_at_run_stops_it_and_room_lets_it_go_on(
    small_disk: Path, penstock: Cli, projects: Any
) -> None:
    """Exit 2 with `store-full`; afterwards the same command ends well."""
    project = projects.copy("binary", "new", small_disk)
    filler = small_disk / "filler"
    fill(filler)
    size = filler.stat().st_size
    codes = []
    for room in (0, 40_000, 120_000, 300_000):
        os.truncate(filler, max(size - room, 0))
        process = start(project, "run", "--json")
        out, err = process.communicate(timeout=120)
        codes.append(process.returncode)
        if process.returncode == 0:
            break
        assert process.returncode == 2, (room, out, err)
        assert json.loads(out)["error"]["code"] == "store-full", (room, out)
    assert codes[0] == 2
    filler.unlink()
    assert penstock(project, "run").code == 0
    checks = penstock(project, "doctor").body["checks"]
    assert {check["id"] for check in checks if not check["passed"]} <= {"disk"}  # it is a small one


def test_a_disk_that_is_full_at_deploy_switches_nothing(small_disk: Path, penstock: Cli, projects: Any) -> None:
    """Exit 2; with room the next deploy works."""
    project = projects.copy("binary", "run", small_disk)
    filler = small_disk / "filler"
    fill(filler)
    process = start(project, "deploy", "--json")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 2, (out, err)
    assert json.loads(out)["error"]["code"] == "store-full"
    assert not (project / ".penstock/serving/slots.json").exists()
    filler.unlink()
    assert penstock(project, "deploy").code == 0


def fill(file: Path) -> None:
    """Take all the room that is left."""
    with file.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(bytes(4096)):
            pass


def descendants(pid: int) -> list[int]:
    """Process ids below a process."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in task.read_text(encoding="ascii").split():
                found += [int(child), *descendants(int(child))]
    return found


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_nested_folds_that_were_done_before_a_kill_are_known(penstock: Cli, project_at: Cli, set_line: Cli) -> None:
    """Killed within the second fold: the same command goes on with it, and says what it would have said."""
    project = project_at("run")
    set_line(project, "search", 'learners = ["linear"]')
    asked = ("evaluate", "--nested", "2", "--budget", "1 trials")
    at_the_second = (
        "import penstock.lifecycle.nested as module, time\n"
        "whole, begun = module.nested, []\n"
        "def nested(*arguments):\n"
        "    begun.append(1)\n"
        "    if len(begun) == 2:\n        print('there', flush=True)\n        time.sleep(60)\n"
        "    return whole(*arguments)\n"
        "module.nested = nested\n"
    )
    kill_there(start(project, *asked, before=at_the_second))
    done = penstock(project, *asked)
    assert done.code == 0, done
    assert [fold["known"] for fold in done.body["folds"]] == [True, False]
    again = penstock(project, *asked).body
    assert [fold["known"] for fold in again["folds"]] == [True, True]
    assert [fold["value"] for fold in again["folds"]] == [fold["value"] for fold in done.body["folds"]]
    assert penstock(project, "doctor").code == 0

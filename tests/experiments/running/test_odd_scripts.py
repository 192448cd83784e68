"""Scripts that do odd things to what Penstock relies on: they run as they would without it, and are recorded."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest


def test_a_script_that_closes_all_descriptors_finds_nothing_of_ours_in_its_files(place: Any) -> None:
    """As programs do that become daemons: no descriptor of ours may be taken for one of theirs."""
    place.write("a.csv", "1")
    text = (
        "import os, penstock\nos.closerange(3, 1000)\nout = open('out.txt', 'w')\nopen('a.csv').read()\n"
        "open('b.txt', 'w').close()\nout.write('mine')\nout.close()\nprint('loss: 1')\n"
    )
    run = place.run_text(text)
    assert (run.status, run.metrics) == ("done", {"loss": 1})
    assert (place.root / "out.txt").read_text() == "mine"
    assert "a.csv" in place.record(run).inputs["files"]


def test_a_script_that_removes_its_folders_is_recorded(place: Any) -> None:
    """What is gone is gone; the rest is kept."""
    run = place.run_text("import os, shutil\nshutil.rmtree(os.environ['PENSTOCK_OUTPUT'])\nprint('loss: 1')\n")
    assert (run.status, run.files, run.metrics) == ("done", 0, {"loss": 1})
    run = place.run_text("import os, shutil\nshutil.rmtree(os.environ['PENSTOCK_RUN_FOLDER'])\nprint('loss: 1')\n")
    assert run.status == "done"
    assert any("lost" in warning for warning in run.warnings)


def test_names_that_are_no_utf8_do_no_harm(place: Any) -> None:
    """Of files that it reads, and of files that it writes."""
    (place.root / os.fsdecode(b"in-\xff.csv")).write_text("1")
    run = place.run_text(
        "import os\nopen(b'in-\\xff.csv').read()\nopen(b'out-\\xfe', 'w').write('1')\n"
        "open(os.environb[b'PENSTOCK_OUTPUT'] + b'/kept-\\xfd', 'w').write('1')\nopen(os.environ['PENSTOCK_OUTPUT'] + '/fine', 'w')\n"
    )
    record = place.record(run)
    assert run.status == "done"
    assert list(place.tree(run).files) == ["fine"]
    assert "out-" in record.outputs["written_elsewhere"][0]
    assert "kept-" in record.outputs["files_left_out"][0]["path"]


def test_a_script_that_changes_its_folder_is_seen_where_it_goes(place: Any) -> None:
    """The same relative name is another file in another folder."""
    for name in ("one", "two"):
        place.write(f"{name}/a.csv", name)
    run = place.run_text(
        "import os\nfor name in ('one', 'two'):\n    os.chdir(name)\n    open('a.csv').read()\n    os.chdir('..')\n"
    )
    assert list(place.record(run).inputs["files"]) == ["one/a.csv", "two/a.csv"]


def test_files_that_are_only_looked_for_are_no_inputs(place: Any) -> None:
    """Libraries try many places."""
    run = place.run_text("for n in ('none.cfg', '/nowhere/x'):\n    try: open(n)\n    except OSError: pass\n")
    inputs = place.record(run).inputs
    assert "files" not in inputs
    assert "files_left_out" not in inputs


def test_a_file_that_is_read_and_changed_in_place_is_not_told_as_what_was_read(place: Any) -> None:
    """Its digest at the end is not that of what was read."""
    place.write("state.txt", "1")
    run = place.run_text(
        "with open('state.txt', 'r+') as f:\n    n = int(f.read())\n    f.seek(0)\n    f.write(str(n + 1))\n"
    )
    assert place.record(run).inputs["files_left_out"] == [{"path": "state.txt", "why": "it changed during the run"}]
    assert any("state.txt (it changed during the run)" in warning for warning in run.warnings)


def test_a_file_with_a_time_in_the_future_is_an_input(place: Any) -> None:
    """Archives and other machines set such times; also where it is only declared."""
    place.declare("[run]\ninputs = ['declared.csv']\n")
    for name in ("data.csv", "declared.csv"):
        os.utime(place.write(name, "1,2\n"), (2e9, 2e9))
    run = place.run_text("open('data.csv').read()\n")
    assert {"data.csv", "declared.csv"} <= set(place.record(run).inputs["files"])
    assert "files_left_out" not in place.record(run).inputs
    assert run.warnings == ()


def test_a_declared_input_that_changes_meanwhile_is_said(place: Any) -> None:
    """Nobody knows which of the two was read."""
    place.declare("[run]\ninputs = ['*.csv']\n")
    place.write("a.csv", "1")
    run = place.run_text("import subprocess\nsubprocess.run('echo 22 > a.csv; echo 3 > b.csv', shell=True)\n")
    assert [line["path"] for line in place.record(run).inputs["files_left_out"]] == ["a.csv", "b.csv"]
    assert "a.csv (it changed during the run), b.csv" in run.warnings[0]


def test_standard_streams_of_the_scripts_own_are_left_alone(place: Any) -> None:
    """It may replace, detach or close them."""
    run = place.run_text(
        "import sys, io\nprint('a: 1')\nsys.stdout.close()\nsys.stdout = io.StringIO()\nprint('b: 2')\nsys.stderr.close()\n"
    )
    assert (run.status, run.metrics) == ("done", {"a": 1})


def test_the_interpreter_of_the_declaration_begins_at_its_folder(place: Any) -> None:
    """`python = ".venv/bin/python"` from wherever the command is typed."""
    (place.root / "bin").mkdir()
    (place.root / "bin" / "python").symlink_to(sys.executable)
    place.declare('[run]\npython = "bin/python"\n')
    place.write("sub/train.py", "import sys\nprint(sys.executable)\n")
    run = place.run("train.py", cwd=place.root / "sub")
    assert place.console(run).decode().strip() == str(place.root / "bin" / "python")


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "import sys; sys.exit()", "raise SystemExit(0)"])
def test_a_script_with_nothing_to_do_is_done(place: Any, text: str) -> None:
    run = place.run_text(text)
    assert (run.status, run.exit_code, run.metrics) == ("done", 0, {})


def test_many_runs_at_once_in_one_process_keep_apart(place: Any) -> None:
    """As a batch with workers: each has its own output, cost, and processes."""
    from concurrent.futures import ThreadPoolExecutor

    place.write(
        "train.py",
        "import subprocess, sys, time\nseed = 0\nprint('seed_is:', seed)\n"
        "if seed % 2: subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\ntime.sleep(0.5)\n",
    )
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda seed: place.run("train.py", f"seed={seed}", echo=False), range(8)))
    assert [run.metrics for run in runs] == [{"seed_is": seed} for seed in range(8)]
    assert [any("left running" in w for w in run.warnings) for run in runs] == [bool(seed % 2) for seed in range(8)]
    assert all(run.seconds < 60 for run in runs)

"""Scripts run as they are, and what is recorded of them."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import ScriptError
from penstock.objects.tree import read_tree

HELLO = """
lr = 0.1
epochs = 3
for epoch in range(epochs):
    print(f"epoch: {epoch} loss: {lr / (epoch + 1)}")
"""


def test_a_script_that_knows_nothing_of_penstock_is_recorded_with_flags_metrics_and_output(place: Any) -> None:
    """The whole record of a plain script."""
    run = place.run_text(HELLO, "lr=0.5")
    record = place.record(run)
    assert (run.status, run.exit_code, record.status, record.operation) == ("done", 0, "done", "train.py")
    assert record.params == {"lr": 0.5, "epochs": 3}
    assert place.lines(run) == [{"step": 0, "loss": 0.5}, {"step": 1, "loss": 0.25}, {"step": 2, "loss": 0.5 / 3}]
    assert record.metrics["loss"]["value"] == run.metrics["loss"] == 0.5 / 3
    series = record.outputs["series"]["loss"]
    assert (series["count"], series["first"], series["min_step"], series["max_step"], series["last_step"]) == (
        3,
        0.5,
        2,
        0,
        2,
    )
    assert place.console(run).startswith(b"epoch: 0 loss: 0.5\n")
    assert record.inputs["target"] == {"kind": "script", "name": "train.py", "path": "train.py", "cwd": "."}
    assert record.outputs["exit_status"] == 0
    assert record.cost["wall_s"] > 0
    assert record.cost["cpu_s"] > 0
    assert record.cost["peak_memory_bytes"] > 2**20
    assert record.environment["executable"] == sys.executable
    assert "numpy" in record.environment["packages"]
    assert b"numpy==" in place.workspace.ledger.artifact(record, "packages")
    assert record.source["penstock"]
    assert record.project == "shop"
    assert record.who


def test_nothing_is_left_in_the_folder_of_a_run_that_is_recorded(place: Any) -> None:
    """All of it is in the store."""
    run = place.run_text("print('x')")
    assert not (place.workspace.runs_folder / run.id).exists()


def test_who_asks_is_told_how_far_the_keeping_of_files_is(place: Any) -> None:
    """Each file as it is kept, and as it is removed from the folder of the run."""
    told: list[tuple[str, int, int]] = []
    text = "import os\nfor i in range(3): open(f\"{os.environ['PENSTOCK_OUTPUT']}/{i}.txt\", 'w').write('x')\n"
    run = place.run_text(text, on_files=lambda *one: told.append(one))
    assert run.files == 3
    assert told == [(what, done, 3) for what in ("keeping", "removing") for done in (1, 2, 3)]


def test_the_source_is_recorded_as_it_was_when_the_run_began(place: Any) -> None:
    """A script that changes itself does not change its record."""
    run = place.run_text("import pathlib\npathlib.Path(__file__).write_text('changed')\n")
    source = read_tree(place.workspace.objects, place.record(run).inputs["source"])
    assert b"changed')" in source.read("train.py")
    assert place.root.joinpath("train.py").read_text() == "changed"


def test_output_reaches_the_terminal_while_the_script_still_runs(place: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """Line by line, on the stream on which it was printed."""
    seen: list[str] = []

    def look(_: dict[str, float]) -> None:
        seen.append(capfd.readouterr().out)

    text = "import sys, time\nprint('loss: 1')\nprint('oh', file=sys.stderr)\ntime.sleep(1)\nprint('loss: 2')\n"
    place.run_text(text, on_metrics=look)
    assert seen[0] == "loss: 1\n"
    rest = capfd.readouterr()
    assert seen[1] + rest.out == "loss: 2\n"


def test_both_streams_are_in_the_console_log_and_metrics_are_taken_from_stdout_only(place: Any) -> None:
    """stderr is for warnings and progress."""
    run = place.run_text("import sys\nprint('loss: 1')\nprint('acc: 2', file=sys.stderr)\n", echo=False)
    assert sorted(place.console(run).splitlines()) == [b"acc: 2", b"loss: 1"]
    assert run.metrics == {"loss": 1}


def test_echo_can_go_to_stderr_and_be_off(place: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """With --json, stdout is for one object only."""
    place.run_text("print('hello')", echo="stderr")
    assert capfd.readouterr() == ("", "hello\n")
    place.run_text("print('hello')", echo=False)
    assert capfd.readouterr() == ("", "")


def test_nan_and_infinity_are_kept_and_flagged(place: Any) -> None:
    """The last value stays NaN; least and most are of the finite ones."""
    run = place.run_text("for x in ('1', 'nan', 'inf', '-inf', 'nan'): print('loss:', x)")
    record = place.record(run)
    assert record.metrics["loss"]["value"] != record.metrics["loss"]["value"]
    assert record.outputs["series"]["loss"]["not_finite"] == 4
    assert (record.outputs["series"]["loss"]["last"], record.outputs["series"]["loss"]["max"]) == ("NaN", 1)
    assert any("NaN" in warning for warning in run.warnings)


def test_of_very_many_printed_lines_the_log_has_a_part_and_the_summary_all(place: Any) -> None:
    """It is said how many are left out; the last value is the last that was printed."""
    place.declare("[run]\nprinted_lines = 100\n")
    run = place.run_text("for i in range(1, 5001): print(f'step: {i} loss: {1 / i} acc: 1.0')")
    record = place.record(run)
    lines = place.lines(run)
    assert lines[:100] == [{"step": i, "loss": 1 / i, "acc": 1.0} for i in range(1, 101)]
    assert len(lines) < 500
    loss, acc = record.outputs["series"]["loss"], record.outputs["series"]["acc"]
    assert (loss["count"], loss["last"], loss["last_step"], loss["min_step"]) == (5000, 1 / 5000, 5000, 5000)
    assert acc["max_step"] == 1
    assert record.outputs["log_lines_left_out"] == 5000 - len(lines)
    assert f"{5000 - len(lines):,} of 5,000 printed lines" in run.warnings[0]


def test_files_that_it_writes_into_its_folder_are_kept(place: Any) -> None:
    """The folder is given in PENSTOCK_OUTPUT."""
    run = place.run_text(
        "import os, pathlib\nfolder = pathlib.Path(os.environ['PENSTOCK_OUTPUT'])\n"
        "(folder / 'sub').mkdir()\n(folder / 'sub' / 'model.bin').write_bytes(b'abc')\n"
    )
    assert run.files == 1
    assert place.tree(run).read("sub/model.bin") == b"abc"


def test_declared_outputs_are_kept_where_this_run_wrote_them_and_others_are_named(place: Any) -> None:
    """A file that was there before and is as it was is none of this run's."""
    place.declare('[run]\noutputs = ["*.pkl"]\n')
    place.write("old.pkl", "old")
    run = place.run_text("open('new.pkl', 'w').write('new')\nopen('other.txt', 'w').write('x')\n")
    assert list(place.tree(run).files) == ["new.pkl"]
    assert place.record(run).outputs["written_elsewhere"] == ["other.txt"]


def test_files_that_it_reads_are_inputs_by_digest_and_kept(place: Any) -> None:
    """Its own source is in the snapshot, and no input."""
    place.write("data/a.csv", "x\n1\n")
    place.write("helper.py", "value = 1\n")
    run = place.run_text("import helper\nprint(open('data/a.csv').read())\n")
    assert list(place.record(run).inputs["files"]) == ["data/a.csv"]
    assert place.tree(run, "inputs").read("data/a.csv") == b"x\n1\n"


def test_what_it_wrote_itself_and_read_again_is_no_input(place: Any) -> None:
    """A cache that the script makes is part of what it does."""
    run = place.run_text("open('cache.txt', 'w').write('1')\nprint(open('cache.txt').read())\n")
    assert "files" not in place.record(run).inputs


def test_files_that_its_child_processes_read_count_too(place: Any) -> None:
    """Pools and subprocesses of Python are part of the run."""
    place.write("a.csv", "1")
    text = (
        "import multiprocessing as mp, subprocess, sys\n"
        "def read(_): return open('a.csv').read()\n"
        "if __name__ == '__main__':\n"
        "    with mp.get_context('spawn').Pool(1) as pool: print(pool.map(read, [0]))\n"
    )
    assert list(place.record(place.run_text(text)).inputs["files"]) == ["a.csv"]


def test_a_failing_script_is_failed_with_its_own_last_words_and_its_exit_status(place: Any) -> None:
    """The error names the user's own line."""
    run = place.run_text("print('a: 1')\nraise ValueError('no good')\n", echo=False)
    record = place.record(run)
    assert (run.status, run.exit_code, record.status, record.outputs["exit_status"]) == ("failed", 1, "failed", 1)
    assert record.error is not None
    assert record.error["code"] == "script-failed"
    assert record.error["why"] == "ValueError: no good (train.py, line 2)"
    assert run.metrics == {"a": 1}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("print('loss: 1')\nsys.exit(3)", "it does not say why; the last line that it printed: loss: 1"),
        ("sys.exit(3)", "it does not say why"),
        ("print('loss: 1')\nprint('no such table', file=sys.stderr)\nsys.exit(3)", "no such table"),
        (
            "import traceback\ntry: 1 / 0\nexcept Exception: traceback.print_exc(file=sys.stdout)\nprint('bye')\nsys.exit(3)",
            "ZeroDivisionError: division by zero (train.py, line 3)",
        ),
    ],
)
def test_what_a_script_printed_last_is_no_reason_for_its_failure(place: Any, text: str, why: str) -> None:
    """Only what it said of errors is one; a line of its output is told as such."""
    record = place.record(place.run_text(f"import sys\n{text}\n", echo=False))
    assert record.error["what"] == "train.py ended with exit status 3"
    assert record.error["why"] == why


@pytest.mark.parametrize("status", [1, 3, 77, 255])
def test_the_exit_status_is_the_programs_own(place: Any, status: int) -> None:
    """A shell sees what it would see without Penstock."""
    assert place.run_text(f"import sys\nsys.exit({status})\n").exit_code == status


def test_the_working_folder_the_arguments_and_the_path_are_those_of_a_plain_run(place: Any) -> None:
    """A script cannot tell that it is looked at by what it sees of itself."""
    text = "import sys, os, json\nprint(json.dumps([sys.argv, sys.path, os.getcwd(), __name__, __file__]))\n"
    below = place.root / "sub"
    below.mkdir()
    place.write("sub/who.py", text)
    run = place.run("who.py", cwd=below)
    import json
    import subprocess

    plain = subprocess.run([sys.executable, "who.py"], cwd=below, capture_output=True, check=True).stdout
    assert json.loads(place.console(run)) == json.loads(plain)
    assert place.record(run).operation == "sub/who.py"
    assert place.record(run).inputs["target"]["cwd"] == "sub"


def test_a_sitecustomize_of_the_users_own_still_runs(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours comes first and hands over."""
    place.write("own/sitecustomize.py", "import builtins\nbuiltins.mine = 42\n")
    monkeypatch.setenv("PYTHONPATH", str(place.root / "own"))
    run = place.run_text("import sys, sitecustomize\nprint(mine, sitecustomize.__file__)\n")
    assert place.console(run).decode().split() == ["42", str(place.root / "own" / "sitecustomize.py")]


def test_a_command_of_another_language_runs_with_its_flags(place: Any) -> None:
    """Flags become --name value."""
    place.write("train.sh", 'echo "got $*"\necho "loss: 0.25"\n')
    run = place.run("lr=0.1", command=("sh", "train.sh"))
    assert place.console(run) == b"got --lr 0.1\nloss: 0.25\n"
    record = place.record(run)
    assert (record.operation, record.params, run.metrics) == ("sh", {"lr": 0.1}, {"loss": 0.25})
    assert record.inputs["target"]["argv"] == ["sh", "train.sh"]
    assert record.environment["packages"] == {}
    assert "packages" not in record.artifacts


def test_python_within_a_command_tells_of_its_packages(place: Any) -> None:
    """What `make train` runs is known too."""
    place.write("inner.py", "print(1)\n")
    run = place.run(command=(sys.executable, "inner.py"))
    assert "numpy" in place.record(run).environment["packages"]


def test_a_run_is_stopped_by_who_is_told_its_metrics(place: Any) -> None:
    """Early stopping, with the reason; what was logged until then is kept."""
    text = "import time\nfor i in range(1000):\n    print('loss:', i)\n    time.sleep(0.05)\n"
    run = place.run_text(text, echo=False, on_metrics=lambda m: "hopeless" if m.get("loss", 0) >= 3 else None)
    record = place.record(run)
    assert (run.status, run.reason, run.exit_code, record.status) == ("stopped", "hopeless", 0, "stopped")
    assert record.outputs["stopped"] == "hopeless"
    assert run.metrics["loss"] >= 3
    assert run.seconds < 20


def test_a_run_in_a_thread_is_cancelled_from_another(place: Any) -> None:
    """As a batch does when it is interrupted."""
    cancel = threading.Event()
    place.write("train.py", "import time\nprint('a: 1')\ntime.sleep(100)\n")
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(place.run("train.py", echo=False, cancel=cancel)))
    begun = time.monotonic()
    thread.start()
    time.sleep(1)
    cancel.set()
    thread.join()
    assert (found[0].status, place.record(found[0]).status) == ("interrupted", "interrupted")
    assert time.monotonic() - begun < 20


def test_tags_notes_parents_and_inputs_are_recorded(place: Any) -> None:
    """What options say of a run."""
    batch = place.workspace.ledger.begin("batch", owned=False)
    run = place.run_text("pass", tags={"team": "risk"}, note="first try", parent=batch, inputs={"batch": batch})
    record = place.record(run)
    assert record.tags == {"team": "risk"}
    assert record.parent == batch
    assert record.inputs["batch"] == batch
    assert [note["text"] for note in record.notes] == ["first try"]


def test_a_queued_run_is_taken_under_its_id(place: Any) -> None:
    """The queue hands over ids."""
    place.write("train.py", "pass")
    queued = place.workspace.ledger.enqueue("train.py", params={}, inputs={}, spec={})
    assert place.run("train.py", takes=queued).id == queued
    assert place.record(queued).status == "done"


def test_money_is_counted_where_an_hour_has_a_price(place: Any) -> None:
    """[cost] per_hour."""
    place.declare('[cost]\nper_hour = 3600.0\ncurrency = "EUR"\n')
    run = place.run_text("import time\ntime.sleep(0.2)\n")
    cost = place.record(run).cost
    assert cost["money"] == pytest.approx(cost["wall_s"])
    assert cost["currency"] == "EUR"


def test_cpu_and_memory_are_those_of_the_script_and_its_children(place: Any) -> None:
    """Not of Penstock, and not of other runs."""
    text = "import multiprocessing as mp\ndef f(_):\n    x = bytearray(150 * 2**20)\n    return sum(range(3 * 10**6))\nif __name__ == '__main__':\n    with mp.Pool(1) as p: p.map(f, [0])\n"
    cost = place.record(place.run_text(text)).cost
    assert cost["peak_memory_bytes"] > 150 * 2**20
    assert cost["cpu_s"] > 0.03
    small = place.record(place.run_text("pass")).cost
    assert small["peak_memory_bytes"] < 60 * 2**20


def test_a_program_that_is_not_there_is_a_failed_run_that_says_so(place: Any) -> None:
    """The interpreter of penstock.toml is missing."""
    place.declare('[run]\npython = "/nowhere/python"\n')
    with pytest.raises(ScriptError, match="cannot be run"):
        place.run_text("pass")
    assert place.workspace.ledger.runs()[0].status == "failed"


def test_a_script_that_is_run_within_a_run_is_a_run_of_its_own(place: Any) -> None:
    """The variables of the outer one do not leak into it."""
    place.write("inner.py", "import os\nprint('inner', os.environ['PENSTOCK_RUN'])\n")
    command = [sys.executable, "-m", "penstock", "run", "inner.py", "-y"]
    run = place.run_text(f"import subprocess\nsubprocess.run({command!r}, check=True)\n")
    assert run.status == "done", place.console(run)
    inner, outer = place.workspace.ledger.runs()
    assert {inner.operation, outer.operation} == {"inner.py", "train.py"}
    assert inner.id != outer.id


def test_the_environment_of_the_child_is_as_promised(place: Any) -> None:
    """Every variable that the docs name."""
    text = "import os, time\nfor n in ('RUN', 'RUN_FOLDER', 'OUTPUT', 'STARTED'): print(os.environ['PENSTOCK_' + n])\nprint(time.monotonic())\n"
    run = place.run_text(text)
    told, folder, output, started, now = place.console(run).decode().split()
    assert told == run.id
    assert Path(output).parent == Path(folder)
    assert 0 < float(now) - float(started) < 60
    assert not os.environ.get("PENSTOCK_RUN")


def test_the_text_of_a_result_names_what_a_person_looks_for(place: Any) -> None:
    """Status, metrics, files, and how to see more."""
    run = place.run_text("import os\nprint('loss: 0.5')\nopen(os.environ['PENSTOCK_OUTPUT'] + '/m', 'w').write('')\n")
    text = run.to_text()
    assert run.id in text
    assert "done" in text
    assert "loss 0.5" in text
    assert f"penstock ls {run.id}" in text
    assert run.to_json()["status"] == "done"


def test_what_a_script_writes_is_no_source_of_the_next_run(place: Any) -> None:
    """A result, a log that it extends; but a counter that was there before it, and that it reads, stays source."""
    place.write("counter.txt", "1")
    text = (
        "n = int(open('counter.txt').read())\nopen('counter.txt', 'w').write(str(n + 1))\n"
        "open('out.txt', 'w').write('token')\nopen('notes.md', 'a').write('again')\n"
    )
    place.run_text(text)
    again = place.record(place.run_text(text))
    source = read_tree(place.workspace.objects, again.inputs["source"])
    assert set(source.files) == {"train.py", "counter.txt"}
    assert source.read("counter.txt") == b"2"
    left = {line["path"]: line["why"] for line in again.inputs["source_left_out"]}
    assert left == {"out.txt": "written by a run", "notes.md": "written by a run"}
    place.write("out.txt", "by hand")
    edited = place.record(place.run_text(text))
    assert "out.txt" in read_tree(place.workspace.objects, edited.inputs["source"]).files

"""Scripts that misbehave, and what happens around them: nothing that was logged is lost, nothing is left running."""

from __future__ import annotations

import contextlib
import os
import pty
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from penstock.experiments.running.recover import recover
from penstock.objects.tree import read_tree

TELL_MEMORY = "import atexit, re\natexit.register(lambda: print(re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1], file=sys.stderr))"
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a subreaper is Linux's")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(true: Any, seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen")


def test_a_missing_script_names_the_nearest(shop: Any) -> None:
    shop.write("train.py", "pass")
    code, _, err = shop.run("trian.py")
    assert code == 2
    assert b"train.py" in err
    assert not shop.root.joinpath(".penstock", "ledger.db").exists()


def test_a_crashing_script_gives_its_own_exit_status_and_traceback(shop: Any) -> None:
    shop.write("train.py", "print('loss: 1')\n{}['x']\n")
    code, out, err = shop.run("train.py")
    assert code == 1
    assert b"loss: 1" in out
    assert b"Traceback" in err
    (record,) = shop.records()
    assert record.status == "failed"
    assert record.error["why"] == "KeyError: 'x' (train.py, line 2)"
    assert record.metrics["loss"]["value"] == 1


def test_a_script_that_is_killed_is_failed_with_the_signal(shop: Any) -> None:
    shop.write("train.py", "import os, signal\nprint('loss: 1')\nos.kill(os.getpid(), signal.SIGKILL)\n")
    code, _, _ = shop.run("train.py")
    (record,) = shop.records()
    assert code == 137
    assert record.status == "failed"
    assert "SIGKILL" in record.error["what"]
    assert record.metrics["loss"]["value"] == 1


def test_a_hanging_script_is_ended_by_its_timeout(shop: Any) -> None:
    shop.write("train.py", "import time\nprint('loss: 1')\ntime.sleep(100)\n")
    begun = time.monotonic()
    code, _, _ = shop.run("train.py", "--timeout", "1s")
    (record,) = shop.records()
    assert code == 143
    assert "longer than 1 s" in record.error["what"]
    assert time.monotonic() - begun < 30
    assert record.metrics["loss"]["value"] == 1


@LINUX
def test_forked_children_are_ended_with_it_and_it_is_said(shop: Any) -> None:
    shop.write(
        "train.py",
        "import subprocess\np = [subprocess.Popen(['sleep', '100'], start_new_session=True).pid for _ in range(3)]\nprint(*p)\n",
    )
    code, out, _ = shop.run("train.py")
    pids = out.splitlines()[0].split()
    assert code == 0
    assert len(pids) == 3
    assert not any(alive(int(pid)) for pid in pids)
    assert b"3 processes" in out


def _printing(shop: Any, megabytes: int) -> None:
    shop.write(
        "train.py",
        f"import sys\nline = b'what is printed again and again: without end\\n' * 22800\nfor _ in range({megabytes}): sys.stdout.buffer.write(line)\nprint('loss: 1')\n",
    )
    process = shop.start("train.py", before=TELL_MEMORY)
    assert process.stdout is not None
    assert process.stderr is not None
    size = 0
    while data := process.stdout.read(1 << 20):
        size += len(data)
    err = process.stderr.read()
    assert process.wait() == 0
    assert size > megabytes * 10**6
    assert int(err.split()[-1]) < 150 * 1024, "memory of Penstock, in KiB"
    (record,) = shop.records()
    assert record.metrics["loss"]["value"] == 1
    console = record.artifacts["console"]
    kept = shop.workspace.objects.get(console["digest"])
    assert kept.startswith(b"what is printed")
    assert kept.endswith(b"loss: 1\n")
    if megabytes > 105:
        assert console["size_bytes"] < 101 * 2**20
        assert b"left out here" in kept
        assert record.outputs["console_cut_bytes"] > 0


def test_printing_without_end_is_shown_whole_and_kept_in_part(shop: Any) -> None:
    """150 MB."""
    _printing(shop, 150)


@pytest.mark.slow
def test_printing_a_gigabyte_is_shown_whole_and_kept_in_part(shop: Any) -> None:
    _printing(shop, 1000)


def test_invalid_utf8_comes_out_as_it_went_in(shop: Any) -> None:
    shop.write("train.py", "import sys\nsys.stdout.buffer.write(b'\\xff\\xfe\\nloss: 1\\n\\x80')\n")
    code, out, _ = shop.run("train.py")
    (record,) = shop.records()
    assert code == 0
    assert out.startswith(b"\xff\xfe\nloss: 1\n\x80")
    assert shop.workspace.ledger.artifact(record, "console") == b"\xff\xfe\nloss: 1\n\x80"
    assert record.metrics["loss"]["value"] == 1


def test_fifty_thousand_files_are_few_objects(shop: Any) -> None:
    """And all of them are there again."""
    shop.write(
        "train.py",
        "import os\nos.chdir(os.environ['PENSTOCK_OUTPUT'])\nfor i in range(50000):\n    with open(f'{i}.txt', 'w') as f: f.write(str(i))\n",
    )
    code, _, _ = shop.run("train.py", timeout=280)
    (record,) = shop.records()
    assert code == 0
    assert record.outputs["files"] == 50000
    tree = read_tree(shop.workspace.objects, record.artifacts["files"]["digest"])
    assert len(tree.files) == 50000
    assert tree.read("49999.txt") == b"49999"
    assert len(list(shop.workspace.objects.digests())) < 50


def test_asking_for_input_where_nobody_is_says_so(shop: Any) -> None:
    shop.write("train.py", "name = input('name? ')\n")
    code, _, _ = shop.run("train.py")
    (record,) = shop.records()
    assert code == 1
    assert "asked for input" in record.error["what"]
    assert "answers.txt" in record.error["try"]


def test_answers_come_from_a_file_or_a_terminal(shop: Any) -> None:
    shop.write("train.py", "print('hello', input('name? '))\n")
    answers = shop.write("answers.txt", "Ada\n")
    with answers.open("rb") as file:
        _, out, _ = shop.run("train.py", stdin=file)
    assert b"name? hello Ada\n" in out
    ours, theirs = pty.openpty()
    process = shop.start("train.py", stdin=theirs)
    os.write(ours, b"Eva\n")
    assert b"hello Eva\n" in process.communicate(timeout=60)[0]
    os.close(ours)
    os.close(theirs)


def test_a_pipe_with_something_in_it_is_handed_on(shop: Any) -> None:
    """All that comes, also what comes later."""
    shop.write("train.py", "import sys\nprint('sum:', sum(map(int, sys.stdin)))\n")
    process = shop.start("train.py", stdin=subprocess.PIPE)
    process.stdin.write(b"1\n2\n")
    process.stdin.flush()
    until(lambda: list(shop.root.glob(".penstock/runs/*/files")))
    process.stdin.write(b"4\n")
    assert b"sum: 7\n" in process.communicate(timeout=60)[0]


def test_a_pipe_that_nobody_writes_to_holds_nothing_up_and_what_comes_late_is_said(shop: Any) -> None:
    """A scheduler keeps such pipes open; a closed one, and no stdin at all, are the end of the input."""
    shop.write("train.py", "import sys, time\nprint('got', sys.stdin.read().split(), flush=True)\ntime.sleep(1)\n")
    process = shop.start("train.py", stdin=subprocess.PIPE)
    line = process.stdout.readline()
    assert line == b"got []\n"
    process.stdin.write(b"late\n")
    process.stdin.flush()
    out, _ = process.communicate(timeout=60)
    assert b"what came on standard input after the start was not given" in out
    empty, end = os.pipe()
    os.close(end)
    for stdin in ({"stdin": empty}, {"preexec_fn": lambda: os.close(0)}):
        code, out, _ = shop.run("train.py", **stdin)
        assert (code, out.startswith(b"got []\n")) == (0, True)
        assert b"standard input" not in out
    os.close(empty)


@LINUX
def test_a_killed_keeper_is_said_and_what_nobody_counted_is_absent(shop: Any) -> None:
    """The record holds what is known: the time."""
    shop.write("train.py", "import os, time\nprint('keeper', os.getppid(), flush=True)\ntime.sleep(100)\n")
    process = shop.start("train.py")
    keeper = int(process.stdout.readline().split()[1])
    time.sleep(0.3)
    os.kill(keeper, signal.SIGKILL)
    process.communicate(timeout=60)
    (record,) = shop.records()
    assert (process.returncode, record.status) == (137, "failed")
    assert "together with the process that looks after it" in record.error["what"]
    assert record.cost["wall_s"] > 0.2
    assert not {"cpu_s", "peak_memory_bytes"} & record.cost.keys()


def test_secrets_are_nowhere(shop: Any) -> None:
    """In flags, in the environment, printed in pieces, in an error, in what is logged."""
    shop.write(
        "train.py",
        "import argparse, os, sys, time\np = argparse.ArgumentParser()\np.add_argument('--api-key', default='')\np.add_argument('--lr', type=float, default=0.1)\n"
        "a = p.parse_args()\nsys.stdout.write('key ' + a.api_key[:7]); sys.stdout.flush(); time.sleep(0.3); print(a.api_key[7:])\n"
        "print('db', os.environ['DB_PASSWORD'], file=sys.stderr)\nprint('token ghp_' + 'a1' * 18)\nraise ValueError('cannot use ' + a.api_key)\n",
    )
    key, password = "abcdefg" + "hijk-4711", "s3cr3t-of-the-db"
    code, out, err = shop.run("train.py", f"api-key={key}", env={**os.environ, "DB_PASSWORD": password})
    assert code == 1
    everything = shop.everything()
    for secret in (key, password, "ghp_" + "a1" * 18):
        for where in (out, err, everything):
            assert secret.encode() not in where
    (record,) = shop.records()
    assert "***" in str(record.params)
    assert b"key ***" in out
    assert "***" in record.error["why"]


def test_eight_processes_log_at_once_to_one_ledger(shop: Any) -> None:
    """Every value of every run is there."""
    shop.write("train.py", "import penstock\nseed = 0\nfor i in range(2000): penstock.log(step=i, loss=i + seed)\n")
    processes = [shop.start("train.py", f"seed={seed}") for seed in range(8)]
    assert [p.communicate(timeout=200)[0] and p.returncode for p in processes] == [0] * 8
    records = shop.records()
    assert {r.params["seed"] for r in records} == set(range(8))
    assert len(records) == 8
    for record in records:
        assert record.status == "done"
        assert record.outputs["series"]["loss"]["count"] == 2000
        assert record.metrics["loss"]["value"] == 1999 + record.params["seed"]
        assert len(list(shop.workspace.ledger.log_of(record))) == 2000


@LINUX
def test_penstock_killed_in_mid_run_takes_the_script_along_and_loses_nothing_that_was_logged(shop: Any) -> None:
    """The run is interrupted; the next one settles it: log, output and files are in the store."""
    shop.write(
        "train.py",
        "import os, time, penstock\nfor i in range(100): penstock.log(step=i, loss=i)\nopen(os.environ['PENSTOCK_OUTPUT'] + '/model', 'w').write('half')\n"
        "print('pid', os.getpid())\ntime.sleep(100)\n",
    )
    process = shop.start("train.py")
    assert process.stdout is not None
    pid = int(process.stdout.readline().split()[1])
    until(lambda: list(shop.root.glob(".penstock/runs/*/console.log")))
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    until(lambda: not alive(pid), 20)
    (record,) = shop.records()
    assert record.status == "interrupted"
    assert len(list(shop.workspace.ledger.log_of(record))) == 100
    shop.write("other.py", "pass")
    assert shop.run("other.py")[0] == 0
    record = shop.records()[1]
    assert record.status == "interrupted"
    assert record.error["code"] == "interrupted"
    assert record.ended_at
    assert record.metrics["loss"]["value"] == 99
    assert len(list(shop.workspace.ledger.log_of(record))) == 100
    assert read_tree(shop.workspace.objects, record.artifacts["files"]["digest"]).read("model") == b"half"
    assert b"pid" in shop.workspace.ledger.artifact(record, "console")
    assert not list((shop.root / ".penstock" / "runs").iterdir())
    assert recover(shop.workspace) == []


def test_a_run_that_goes_on_is_left_alone_by_recovery(shop: Any) -> None:
    shop.write("train.py", "import time\nprint('up')\ntime.sleep(2)\n")
    process = shop.start("train.py")
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    assert recover(shop.workspace) == []
    process.communicate()
    assert shop.records()[0].status == "done"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_penstock_told_to_end_ends_the_script_and_records_it(shop: Any, number: signal.Signals) -> None:
    """As a scheduler, a closed terminal or a person does."""
    shop.write("train.py", "import time\nprint('loss: 1')\ntime.sleep(100)\n")
    process = shop.start("train.py")
    assert process.stdout is not None
    process.stdout.readline()
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=60)
    (record,) = shop.records()
    assert process.returncode in (129, 130, 143), (out, err)
    assert (record.status, record.metrics["loss"]["value"]) == ("interrupted", 1)


def _in_terminal(shop: Any, script: str) -> tuple[subprocess.Popen[bytes], int]:
    """`penstock run` in a terminal of its own."""
    shop.write("train.py", script)
    ours, theirs = pty.openpty()
    code = "import fcntl, os, sys, termios\nos.setsid()\nfcntl.ioctl(0, termios.TIOCSCTTY, 0)\nos.execv(sys.executable, [sys.executable, '-m', 'penstock', 'run', 'train.py', '-y'])"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=shop.root, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    return process, ours


def _read_until(terminal: int, word: bytes, seen: bytes = b"") -> bytes:
    while word not in seen:
        try:
            seen += os.read(terminal, 4096)
        except OSError:
            break
    return seen


@LINUX
def test_ctrl_c_reaches_the_script_once(shop: Any) -> None:
    """It may clean up; the run is interrupted."""
    process, terminal = _in_terminal(
        shop,
        "import time\nprint('loss: 1')\nprint('up')\nn = 0\n"
        "while n < 1:\n    try: time.sleep(100)\n    except KeyboardInterrupt: n += 1\n"
        "try: time.sleep(1.5)\nexcept KeyboardInterrupt: print('twice')\nprint('cleaned up')\n",
    )
    _read_until(terminal, b"up\r\n")
    os.write(terminal, b"\x03")
    seen = _read_until(terminal, b"interrupted (")
    process.wait(60)
    os.close(terminal)
    (record,) = shop.records()
    assert b"cleaned up" in seen
    assert b"twice" not in seen
    assert process.returncode == 130
    assert record.status == "interrupted"
    assert record.metrics["loss"]["value"] == 1


@LINUX
def test_a_second_ctrl_c_kills(shop: Any) -> None:
    """A script that will not listen."""
    process, terminal = _in_terminal(
        shop,
        "import time\nprint('up')\nwhile True:\n    try: time.sleep(100)\n    except KeyboardInterrupt: print('no')\n",
    )
    _read_until(terminal, b"up\r\n")
    os.write(terminal, b"\x03")
    _read_until(terminal, b"no\r\n")
    os.write(terminal, b"\x03")
    _read_until(terminal, b"interrupted (")
    process.wait(60)
    os.close(terminal)
    assert shop.records()[0].status == "interrupted"


def test_a_full_disk_while_the_run_is_recorded_keeps_its_log_for_later(shop: Any) -> None:
    """The end cannot be recorded: it says so, and the next run settles it."""
    shop.write(
        "train.py", "import penstock\nfor i in range(2000): penstock.log(step=i, loss=i)\nprint('x' * 100_000)\n"
    )
    assert shop.run("train.py")[0] == 0  # the ledger is there
    before = (
        "import resource, penstock.experiments.running.collect as c\nreal = c.collect\n"
        "def full(left):\n    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, resource.RLIM_INFINITY))\n    return real(left)\n"
        "c.collect = full"
    )
    code, _, err = shop.run("train.py", before=before)
    assert code == 2
    assert b"penstock: " in err
    assert b"  try: " in err
    newest = shop.records()[0]
    assert newest.status in ("interrupted", "failed")
    assert len(list(shop.workspace.ledger.log_of(newest))) == 2000
    shop.write("other.py", "pass")
    assert shop.run("other.py")[0] == 0
    again = shop.workspace.ledger.get(newest.id)
    assert len(list(shop.workspace.ledger.log_of(again))) == 2000


def test_memory_of_penstock_is_flat_over_many_scalars(shop: Any) -> None:
    """200,000 lines of printed metrics."""
    shop.write("train.py", "for i in range(100_000): print(f'epoch: {i} loss: {i / 3}')\n")
    code, _, err = shop.run("train.py", before=TELL_MEMORY)
    (record,) = shop.records()
    assert code == 0
    assert record.outputs["series"]["loss"]["count"] == 100_000
    assert int(err.split()[-1]) < 120 * 1024


with contextlib.suppress(ValueError):  # core dumps of the crashes above are of no use
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))

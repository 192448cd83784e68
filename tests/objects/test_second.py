"""A second process does a share of the work."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from penstock.objects.second import second

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2,
    reason="no second process here: not Linux, or one processor",
)


def run(program: str, *arguments: str) -> str:
    """What a program of one thread prints; these tests have several."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    return done.stdout


def test_its_answer_comes_whole_and_it_leaves_nothing_behind() -> None:
    """Also one that is larger than a pipe; a process that fails, or is not heard out, is gone afterwards and has changed nothing."""
    assert (
        run("""
import os, time
from penstock.objects.second import second

seen = []
def large(answer):
    seen.append(1)
    answer.write(bytes(5_000_000))

def fails(answer):
    answer.write(b"some")
    raise ValueError("of no interest")

def hangs(answer):
    time.sleep(600)

with second(large) as answer:
    assert len(answer.read()) == 5_000_000
assert seen == [], "what it does to its memory is its own affair"
with second(fails) as answer:
    assert answer.read() in (b"", b"some")
began = time.monotonic()
try:
    with second(hangs) as answer:
        raise KeyError
except KeyError:
    assert time.monotonic() - began < 30
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    print("none is left")
""")
        == "none is left\n"
    )


def test_it_holds_nothing_open_that_others_wait_for() -> None:
    """The end of a pipe of the first process is the end, though the second one is still at work."""
    assert (
        run("""
import os, time
from penstock.objects.second import second

ours, theirs = os.pipe()
def waits(answer):
    answer.write(b"x")
    answer.flush()
    time.sleep(600)

with second(waits) as answer:
    assert answer.read(1) == b"x"
    os.close(theirs)
    print(os.read(ours, 1))
""")
        == "b''\n"
    )


def test_it_ends_when_the_first_one_is_killed(tmp_path: Path) -> None:
    """Nobody reads what it writes, so its next write is its last."""
    program = """
import os, signal, sys, time
from penstock.objects.second import second

def endless(answer):
    with open(sys.argv[1], "w") as file:
        file.write(str(os.getpid()))
    while True:
        answer.write(bytes(1000))
        answer.flush()

with second(endless) as answer:
    answer.read(10_000_000)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "pid")], check=False, timeout=60)
    other = Path("/proc", (tmp_path / "pid").read_text(), "cmdline")
    for _ in range(500):
        if not other.exists() or str(tmp_path).encode() not in other.read_bytes():
            return
        threading.Event().wait(0.02)
    pytest.fail("it is still there")


def test_a_process_with_threads_works_alone() -> None:
    """A fork of it would wait for locks that nobody is left to free."""
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        with second(lambda answer: None) as answer:
            assert answer is None
    finally:
        done.set()
        thread.join()


def test_a_process_whose_children_are_forgotten_works_alone() -> None:
    """The number of one that has ended may be another's by the time that it is to be ended."""
    assert (
        run("""
import signal
from penstock.objects.second import second

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
with second(lambda answer: None) as answer:
    print(answer)
""")
        == "None\n"
    )

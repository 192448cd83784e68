"""A program as a child process: nothing of it is left when it has ended, however it ended."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import ScriptError
from penstock.experiments.running.process import Ended, Process

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a subreaper is Linux's")


def run(
    *argv: str, act: Callable[[Process, bytes], None] | None = None, env: dict[str, str] | None = None, **how: Any
) -> tuple[Ended, bytes, bytes]:
    """Run a program to its end; `act` is told what came on stdout so far."""
    out, err = bytearray(), bytearray()
    with Process(interactive=False) as process:
        process.start(argv, env=env if env is not None else dict(os.environ), cwd=Path.cwd(), **how)

        def take(data: bytes) -> None:
            out.extend(data)
            if act is not None:
                act(process, bytes(out))

        ended = process.pump(take, err.extend, lambda: None)
    return ended, bytes(out), bytes(err)


def python(text: str, **how: Any) -> tuple[Ended, bytes, bytes]:
    return run(sys.executable, "-u", "-c", text, **how)


def alive(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


def test_status_and_both_streams_come_through() -> None:
    ended, out, err = run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert (ended.status, ended.signal, ended.why, ended.left) == (3, 0, "", 0)
    assert (out, err) == (b"out\n", b"err\n")


def test_a_signal_gives_the_status_that_a_shell_gives() -> None:
    ended, _, _ = run("sh", "-c", "kill -SEGV $$")
    assert (ended.status, ended.signal) == (128 + signal.SIGSEGV, signal.SIGSEGV)


@pytest.mark.parametrize("program", ["no-such-program", "/etc/hostname", "/etc"])
def test_what_cannot_be_run_says_so(program: str) -> None:
    with pytest.raises(ScriptError, match="cannot be run"):
        run(program)


def test_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with Process() as process, pytest.raises(ScriptError, match="no folder"):
        process.start(["true"], env={}, cwd=tmp_path / "none")


def test_the_program_starts_with_default_signals_and_no_descriptors_of_ours() -> None:
    """As a shell would start it."""
    text = (
        "import signal, os\nprint([signal.getsignal(n) == signal.SIG_DFL for n in (signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE, signal.SIGUSR1)])\n"
        "print(sorted(int(n) for n in os.listdir('/proc/self/fd')))\n"
    )
    _, out, _ = python(text)
    plain = subprocess.run(
        [sys.executable, "-u", "-c", text], stdin=subprocess.DEVNULL, capture_output=True, close_fds=False
    )
    assert out == plain.stdout
    assert out.startswith(b"[True, True, False, True]")


def test_there_is_no_input() -> None:
    ended, _, err = python("input()")
    assert ended.status == 1
    assert b"EOFError" in err


@LINUX
@pytest.mark.parametrize("how", ["plain", "session", "daemon", "ignoring"])
def test_children_that_it_leaves_are_ended_with_it(how: str) -> None:
    """In a session of their own, orphaned on purpose, or deaf to SIGTERM."""
    wait = (
        "import time, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(100)"
        if how == "ignoring"
        else "import time; time.sleep(100)"
    )
    text = (
        "import subprocess, sys, os, time\n"
        f"p = subprocess.Popen([sys.executable, '-c', {wait!r}], start_new_session={how == 'session'})\nprint(p.pid)\n"
        "time.sleep(0.3)\n"
    )
    if how == "daemon":
        text = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        print(os.getpid(), flush=True)\n        time.sleep(100)\n    os._exit(0)\nos.wait()\ntime.sleep(0.2)\n"
    begun = time.monotonic()
    ended, out, _ = python(text)
    assert not alive(int(out))
    assert ended.left == 1
    assert time.monotonic() - begun < 20


@LINUX
def test_children_that_end_by_themselves_are_let_to() -> None:
    """Pools and resource trackers clean up after the program; nobody is told that they were ended."""
    ended, out, _ = run("sh", "-c", "(sleep 0.2; echo late) & echo early")
    assert out == b"early\nlate\n"
    assert ended.left == 0


@LINUX
def test_a_process_that_makes_others_without_end_is_ended() -> None:
    """Each is replaced by another before it dies."""
    text = "import os, time\nfor _ in range(4):\n    if os.fork() == 0:\n        while True:\n            if os.fork(): os._exit(0)\n            time.sleep(0.01)\ntime.sleep(0.2)\n"
    begun = time.monotonic()
    python(text)
    assert time.monotonic() - begun < 25


def test_a_timeout_asks_first_and_kills_then() -> None:
    ended, out, _ = run("sh", "-c", "trap 'echo saving; exit 5' TERM; echo x; sleep 100 & wait", timeout_s=1.0)
    assert (ended.why, ended.status, out) == ("timeout", 5, b"x\nsaving\n")
    ended, _, _ = run("sh", "-c", "trap '' TERM; while true; do sleep 1; done", timeout_s=0.3, grace_s=0.5)
    assert (ended.why, ended.signal) == ("timeout", signal.SIGKILL)
    assert ended.seconds < 15


@LINUX
def test_a_timeout_ends_the_children_too() -> None:
    _, out, _ = run("sh", "-c", "sleep 100 & echo $!; wait", timeout_s=1.0)
    assert not alive(int(out))


def test_it_can_be_interrupted_stopped_and_killed() -> None:
    """As Ctrl-C does; SIGTERM; at once."""
    wait = "import time\nprint('up')\ntry: time.sleep(100)\nexcept KeyboardInterrupt: print('bye')\n"
    ended, out, _ = python(wait, act=lambda p, out: p.interrupt() if out == b"up\n" else None)
    assert (ended.why, ended.status, out) == ("interrupt", 0, b"up\nbye\n")
    ended, _, _ = python(wait, act=lambda p, out: p.stop())
    assert (ended.why, ended.signal) == ("stop", signal.SIGTERM)
    ended, _, _ = python(
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up')\ntime.sleep(100)",
        act=lambda p, out: p.kill(),
    )
    assert (ended.why, ended.signal) == ("kill", signal.SIGKILL)


@LINUX
@pytest.mark.parametrize("who", ["penstock", "keeper"])
def test_the_program_goes_when_its_guardians_are_killed(who: str, tmp_path: Path) -> None:
    """kill -9 of Penstock, or of the keeper: the program is not left alone."""
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom penstock.experiments.running.process import Process\n"
        "p = Process(interactive=False)\np.start(['sh', '-c', 'echo $$; exec sleep 100'], env=dict(os.environ), cwd=Path('.'))\n"
        "print(p.pid, p._keeper, flush=True)\np.pump(lambda d: None, lambda d: None, lambda: None)\n"
    )
    outer = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert outer.stdout is not None
    program, keeper = map(int, outer.stdout.readline().split())
    os.kill(outer.pid if who == "penstock" else keeper, signal.SIGKILL)
    outer.wait()
    end = time.monotonic() + 20
    while alive(program) and time.monotonic() < end:
        time.sleep(0.05)
    assert not alive(program)


@LINUX
def test_what_a_program_has_started_is_ended_where_the_keeper_was_killed() -> None:
    """Whatever session it is in, and though it prints on; nobody knows what it cost, but how long it took is known."""
    text = (
        "import os, subprocess, time\n"
        "p = subprocess.Popen(['sh', '-c', 'while :; do echo x; sleep 0.1; done'], start_new_session=True)\n"
        "os.write(1, b'child %d\\n' % p.pid)\ntime.sleep(100)\n"
    )

    def act(process: Process, out: bytes) -> None:
        if re.search(rb"child \d+\n", out) and out.count(b"x") >= 3:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process._keeper, signal.SIGKILL)

    ended, out, _ = python(text, act=act, env={**os.environ, "PENSTOCK_RUN": "r-lost-1"})
    assert not alive(int(out.partition(b"child ")[2].split()[0]))
    assert (ended.why, ended.status, ended.cpu_s, ended.peak_memory_bytes) == ("lost", 137, None, None)
    assert ended.seconds > 0.2
    assert ended.left >= 1


def test_much_output_on_both_streams_comes_in_full() -> None:
    """More than the pipes hold, at once."""
    _, out, err = python(
        "import sys, threading\nf = lambda s, c: [s.buffer.write(c * 65536) for _ in range(200)]\nt = threading.Thread(target=f, args=(sys.stdout, b'o'))\nt.start()\nf(sys.stderr, b'e')\nt.join()\n"
    )
    assert out == b"o" * 65536 * 200
    assert err == b"e" * 65536 * 200


def test_large_environments_and_arguments_pass() -> None:
    """The order goes through a pipe of its own."""
    ended, out, _ = run(
        "sh", "-c", 'printf %s "$0$BIG" | wc -c', "a" * 100_000, env={**os.environ, "BIG": "b" * 100_000}
    )
    assert ended.status == 0
    assert int(out) == 200_000


@LINUX
def test_the_cost_is_that_of_the_program_and_all_of_its_descendants() -> None:
    ended, _, _ = python(
        "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'x = bytearray(200 * 2**20); sum(range(5 * 10**6))'])"
    )
    assert ended.peak_memory_bytes > 200 * 2**20
    assert ended.cpu_s > 0.05

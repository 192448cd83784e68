"""A program as a child process: started through the keeper, its output handed on as it comes, ended with all that it started."""

from __future__ import annotations

import marshal
import os
import select
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from penstock.errors import ScriptError
from penstock.experiments.running.stdin import Stdin

GRACE_S = 5.0
"""After SIGTERM a program may save its work for so long."""

_KEEPER = Path(__file__).parent.parent / "inside" / "keeper.py"
_PIPE_BYTES = 1 << 20
_SILENT_S = 1.0  # after the end, an escaped process that holds the pipes open is waited for so long


@dataclass(frozen=True)
class Ended:
    """How a program ended.

    Attributes
    ----------
    status : its exit status; 128 + n where signal n ended it, as a shell tells it.
    signal : n, 0 where it ended by itself.
    why : what had been asked of it: "" nothing, "timeout", "interrupt", "stop" or "kill"; "lost" where its keeper was killed.
    seconds : from its start to its end.
    cpu_s, peak_memory_bytes : of it and its descendants; the largest of them alone. None where it was lost: nobody counted.
    left : processes that it had left running, and that were ended.
    """

    status: int
    signal: int
    why: str
    seconds: float
    cpu_s: float | None
    peak_memory_bytes: int | None
    left: int


@final
class Process:
    """A program that runs. One thread starts it and calls `pump` until it has ended; others may call `interrupt`, `stop`, `kill`.

    Making one already starts the keeper, which takes a while; `start` gives it the program.
    """

    def __init__(self, *, interactive: bool = True) -> None:
        if not hasattr(os, "posix_spawn") or not hasattr(os, "fork"):
            raise ScriptError(
                "programs cannot be run on this system",
                why="ending a program with all that it started needs POSIX processes (Linux or macOS)",
                way_out="use Linux, macOS, or Linux within Windows (WSL)",
            )
        self.pid = 0
        self._keeper, self._ended = 0, False
        self._run, self._started = "", 0.0
        self.stdin = Stdin() if interactive else None
        self._status = b""
        self._told: dict[str, object] = {}
        control_read, self._control = _pipe()
        self._news, status_write = _pipe()
        self._out, out_write = _pipe()
        self._err, err_write = _pipe()
        stdin = 0 if self.stdin is not None and self.stdin.answers else os.open(os.devnull, os.O_RDONLY)
        self.has_input = stdin == 0
        # Above the numbers that they get in the keeper: none overwrites another on the way.
        sources = [_above(fd) for fd in (out_write, err_write, control_read, status_write)]
        actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(sources, start=1)]
        if stdin:
            stdin = _above(stdin)
            actions.insert(0, (os.POSIX_SPAWN_DUP2, stdin, 0))
        try:
            python = sys.executable
            self._keeper = os.posix_spawn(
                python, [python, "-I", "-S", str(_KEEPER)], os.environ, file_actions=actions, setsigmask=[]
            )
        finally:
            for descriptor in (*sources, *([stdin] if stdin else ())):
                os.close(descriptor)

    def start(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        timeout_s: float | None = None,
        grace_s: float = GRACE_S,
    ) -> None:
        """Run the program; returns once it runs.

        Raises
        ------
        ScriptError : it is not there, or the system refuses to run it.
        """
        self._run, self._started = env.get("PENSTOCK_RUN", ""), time.monotonic()
        order = marshal.dumps(
            {"argv": list(argv), "env": dict(env), "cwd": str(cwd), "timeout_s": timeout_s, "grace_s": grace_s}
        )
        self._command(len(order).to_bytes(4, "big") + order)
        while not self._told and self._read_news():
            pass
        if "pid" in self._told:
            self.pid = int(str(self._told["pid"]))
            return
        self.close()
        text = self._told.get("text", "the process that looks after it ended")
        missing = self._told.get("failed") == 2
        raise ScriptError(
            f"{argv[0]!r} cannot be run",
            why=f"there is no such program on the PATH, or no folder {str(cwd)!r}"
            if missing
            else f"the system says: {text}",
            way_out="check its name, install it, or give its path"
            if missing
            else f"make it executable (chmod +x {argv[0]}), or name its interpreter",
        )

    def pump(
        self,
        out: Callable[[bytes], None],
        err: Callable[[bytes], None],
        tick: Callable[[], None],
        *,
        every_s: float = 0.2,
        also: Mapping[int, Callable[[], None]] | None = None,
    ) -> Ended:
        """Hand on what it prints, and call `tick` every so often, until it has ended.

        `also` : file descriptors to watch beside, and what to call when there is something to read.
        """
        also = also or {}
        poll = select.poll()
        sinks = {self._out: out, self._err: err}
        for descriptor in (*sinks, self._news, *also):
            poll.register(descriptor, select.POLLIN)
        next_tick, silent_since = time.monotonic() + every_s, 0.0
        while sinks or not self._ended:
            now = time.monotonic()
            if now >= next_tick:
                tick()
                next_tick = time.monotonic() + every_s
            wait_ms = max(0.0, next_tick - time.monotonic()) * 1000
            for descriptor, _ in poll.poll(wait_ms):
                silent_since = 0.0
                if descriptor == self._news:
                    if not self._read_news():
                        poll.unregister(descriptor)
                        self._ended = True
                        self._end_what_was_lost()
                elif descriptor in also:
                    also[descriptor]()
                elif data := os.read(descriptor, _PIPE_BYTES):
                    sinks[descriptor](data)
                else:
                    poll.unregister(descriptor)
                    del sinks[descriptor]
            if self._ended and sinks:
                silent_since = silent_since or time.monotonic()
                if time.monotonic() - silent_since > _SILENT_S:
                    break
        return self._how_it_ended()

    def interrupt(self) -> None:
        """As Ctrl-C."""
        self._command(b"I")

    def stop(self) -> None:
        """Ask it to end (SIGTERM); it is killed when it has not after the grace."""
        self._command(b"T")

    def kill(self) -> None:
        """End it at once."""
        self._command(b"K")

    def close(self) -> None:
        """Let go of the pipes; a program that still runs is ended by the keeper."""
        for name in ("_control", "_out", "_err", "_news"):
            if (descriptor := getattr(self, name)) >= 0:
                os.close(descriptor)
                setattr(self, name, -1)
        if self._keeper:
            os.waitpid(self._keeper, 0)
            self._keeper = 0

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _command(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._control, view) :]
        except OSError:  # the keeper has ended: nothing is left to be told
            return

    def _read_news(self) -> bool:
        """Read what the keeper says; False at the end."""
        data = os.read(self._news, 65536)
        self._status += data
        while len(self._status) >= 4 and len(self._status) >= (end := 4 + int.from_bytes(self._status[:4], "big")):
            self._told.update(marshal.loads(self._status[4:end]))
            self._status = self._status[end:]
        return bool(data)

    def _end_what_was_lost(self) -> None:
        """Where the keeper was killed, the program goes with it; what it has started is ended here."""
        if "status" not in self._told:
            from penstock.experiments.running.orphans import end_orphans

            self._told["orphans"] = end_orphans(self._run, self.pid)
            self._told["seconds"] = time.monotonic() - self._started

    def _how_it_ended(self) -> Ended:
        told = self._told
        if "orphans" in told:
            return Ended(137, 9, "lost", float(str(told["seconds"])), None, None, int(str(told["orphans"])))
        code = os.waitstatus_to_exitcode(int(str(told["status"])))
        return Ended(
            status=code if code >= 0 else 128 - code,
            signal=max(0, -code),
            why=str(told["why"]),
            seconds=float(str(told["seconds"])),
            cpu_s=float(str(told["cpu_s"])),
            peak_memory_bytes=int(str(told["peak_memory_bytes"])),
            left=int(str(told["left"])),
        )


def _pipe() -> tuple[int, int]:
    read_end, write_end = os.pipe()
    if sys.platform == "linux":
        import fcntl

        try:
            fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        except OSError:  # over the user's limit: the usual size serves, more slowly
            return read_end, write_end
    return read_end, write_end


def _above(descriptor: int) -> int:
    """The same under a number above those of the keeper's own."""
    import fcntl

    higher = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return int(higher)

"""The keeper: a small process between Penstock and a program that it runs. It starts the program, and ends all that is left.

Run as ``python -I -S keeper.py``, with what it needs on two pipes: file descriptor 3 brings the order and later commands, 4
takes what happened. It inherits the program's stdin, stdout and stderr, and stays in the terminal's foreground group, so that
the program may read from the terminal.

Why a process of its own: as the *subreaper* of the program (Linux) it becomes the parent of whatever the program leaves behind,
so that nothing escapes and nothing of another run is hit; it measures exactly this program and its descendants; and when
Penstock itself is killed, the pipe ends, and the keeper takes the program along. Where the system has no subreaper (macOS) the
program's process group serves instead.

It needs nothing but the standard library's fastest parts, as it starts with every run: about 10 ms.
"""

import _signal as signal  # `signal` itself would load `enum`, which takes longer than all the rest
import marshal
import os
import select
import sys
from time import monotonic

CONTROL, STATUS = 3, 4
INTERRUPT, TERMINATE, KILL = b"I", b"T", b"K"
LINUX = sys.platform.startswith("linux")
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LEAVE_S = 0.5  # what the program left behind may end by itself in this time: pools and resource trackers do
TERMINATE_S = 2.0  # and in this time after SIGTERM
GIVE_UP_S = 20.0  # a process that even SIGKILL does not end (it waits for a dead disk) is left


def prctl(option: int, value: int) -> bool:
    """The system call, without loading `ctypes` (10 ms). False where it is not to be had."""
    if not LINUX:
        return False
    try:
        import _ctypes

        library = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]
        function = _ctypes.dlsym(library, "prctl")
        return _ctypes.call_cdeclfunction(function, (option, value, 0, 0, 0)) == 0
    except Exception:  # another Python, or another C library: the process group serves
        return False


def send(message: dict[str, object]) -> None:
    """Tell Penstock; where it is gone, nobody is told."""
    data = marshal.dumps(message)
    try:
        os.write(STATUS, len(data).to_bytes(4, "big") + data)
    except OSError:
        pass


def receive_order() -> dict | None:
    """The order: a length, then what is to be run. None where Penstock went away before it gave one."""
    wanted, data = 4, b""
    while len(data) < wanted:
        piece = os.read(CONTROL, wanted - len(data))
        if not piece:
            return None
        data += piece
        if wanted == 4 and len(data) == 4:
            wanted += int.from_bytes(data, "big")
    return marshal.loads(data[4:])


def start(order: dict, ignored: set[int], reaper: bool) -> int | None:
    """Fork and exec the program; its process number, or None after telling why it could not be started."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            signal.set_wakeup_fd(-1)
            for number in (
                signal.SIGINT,
                signal.SIGTERM,
                signal.SIGHUP,
                signal.SIGCHLD,
                signal.SIGUSR1,
                signal.SIGPIPE,
                signal.SIGXFSZ,
            ):
                signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if not reaper and not os.isatty(0):
                os.setpgid(0, 0)
            os.chdir(order["cwd"])
            os.execvpe(order["argv"][0], order["argv"], order["env"])
        except OSError as error:
            os.write(
                write_end, marshal.dumps((error.errno or 0, error.filename if isinstance(error.filename, str) else ""))
            )
        finally:
            os._exit(127)
    os.close(write_end)
    failed = os.read(read_end, 65536)
    os.close(read_end)
    if failed:
        os.waitpid(pid, 0)
        number, name = marshal.loads(failed)
        send({"failed": number, "text": os.strerror(number), "file": name})
        return None
    send({"pid": pid})
    return pid


def descendants() -> list[int]:
    """The process numbers of all that came from this process, deepest last. (Linux)"""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if fields[0] != b"Z":
                children.setdefault(int(fields[1]), []).append(int(name))
    found, at = list(children.get(os.getpid(), ())), 0
    while at < len(found):
        found += children.get(found[at], ())
        at += 1
    return found


class Keeper:
    """Watches one program until neither it nor anything of it is left."""

    def __init__(self, order: dict, pid: int, wake: int, reaper: bool) -> None:
        self.pid, self.wake, self.reaper = pid, wake, reaper
        self.grace_s = order["grace_s"]
        self.began = monotonic()
        self.deadline = self.began + order["timeout_s"] if order["timeout_s"] else None
        self.kill_at: float | None = None  # when patience ends
        self.parent, self.parent_is_gone = os.getppid(), False
        self.status: int | None = None
        self.ended = self.began
        self.why = ""
        self.interrupted_at = 0.0
        self.interrupt_at: float | None = None
        self.cpu_s, self.peak = 0.0, 0

    def watch(self) -> None:
        """Until the program itself has ended."""
        while self.reap() and self.status is None:
            now = monotonic()
            if self.deadline is not None and now >= self.deadline:
                self.deadline, self.why = None, "timeout"
                self.terminate()
            if self.interrupt_at is not None and now >= self.interrupt_at:
                self.interrupt()
            if self.kill_at is not None and now >= self.kill_at:
                self.kill_at = None
                self.signal_all(signal.SIGKILL)
            moments = [m for m in (self.deadline, self.kill_at, self.interrupt_at) if m is not None]
            self.wait(max(0.0, min(moments) - now) if moments else None)

    def wait(self, seconds: float | None) -> None:
        """Until something happens: a signal, a command, or the time has come."""
        places = [self.wake] if self.parent_is_gone else [self.wake, CONTROL]
        ready = select.select(places, (), (), seconds)[0]
        if self.wake in ready:
            for number in os.read(self.wake, 512):
                if number == signal.SIGINT:  # from the terminal: the program, in the same group, has it too
                    self.interrupted_at = monotonic()
                elif number == signal.SIGTERM:
                    self.why = self.why or "stop"
                    self.terminate()
                elif number == signal.SIGUSR1 and os.getppid() != self.parent:
                    self.lose_parent()
        if CONTROL in ready:
            commands = os.read(CONTROL, 16)
            if not commands:
                self.lose_parent()
            for command in commands:
                self.obey(bytes((command,)))

    def obey(self, command: bytes) -> None:
        if command == INTERRUPT:
            self.why = self.why or "interrupt"
            self.interrupt_at = monotonic() + 0.05  # the terminal's own may still be on its way
        elif command == TERMINATE:
            self.why = self.why or "stop"
            self.terminate()
        elif command == KILL:
            self.why = self.why or "kill"
            self.kill_at = 0.0

    def interrupt(self) -> None:
        """Pass Ctrl-C on, unless the program has got it from the terminal itself."""
        self.interrupt_at = None
        from_terminal = monotonic() - self.interrupted_at < 1.0
        try:
            if not from_terminal or os.getpgid(self.pid) != os.getpgrp():
                os.kill(self.pid, signal.SIGINT)
        except ProcessLookupError:
            pass

    def terminate(self) -> None:
        """Ask the program to end; patience has an end."""
        try:
            os.kill(self.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
        if self.kill_at is None:
            self.kill_at = monotonic() + self.grace_s

    def lose_parent(self) -> None:
        if not self.parent_is_gone:
            self.parent_is_gone = True
            self.why = "orphaned"
            self.grace_s = min(self.grace_s, TERMINATE_S)
            self.terminate()

    def reap(self) -> bool:
        """Take note of all that have ended; whether any child is left."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            self.cpu_s += usage.ru_utime + usage.ru_stime
            self.peak = max(self.peak, usage.ru_maxrss)
            if pid == self.pid:
                self.status, self.ended = status, monotonic()

    def signal_all(self, number: int) -> int:
        """Signal everything that came from the program; how many there were."""
        if self.reaper:
            found = descendants()
        else:
            found = []
            try:
                if os.getpgid(self.pid) == self.pid:
                    os.killpg(self.pid, number)
            except (ProcessLookupError, PermissionError):
                pass
            if self.status is None:
                found = [self.pid]
        for pid in found:
            try:
                os.kill(pid, number)
            except (ProcessLookupError, PermissionError):
                pass
        return len(found)

    def end_the_rest(self) -> int:
        """After the program: what it left behind may end by itself, then is told to, then is killed. How many were told."""
        if not self.reaper:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
            return 0
        told, kept = 0, list[int]()
        killed = self.why in ("kill", "orphaned")
        for seconds, number in (
            (0.0 if killed else LEAVE_S, None),
            (0.0 if killed else TERMINATE_S, signal.SIGTERM),
            (GIVE_UP_S, signal.SIGKILL),
        ):
            end = monotonic() + seconds
            if number == signal.SIGTERM:
                told = self.signal_all(number)
            while True:
                if number == signal.SIGKILL:  # again and again: what is being killed may just have made another
                    kept = descendants()
                    told = max(told, self.signal_all(number))
                if not self.reap():
                    return told
                left = end - monotonic()
                if left <= 0:
                    break
                self.wait(min(left, 0.02))
                if number is None and self.why == "kill":
                    break
        send({"kept": kept})
        return told


def main() -> None:
    ignored = {signal.SIGHUP, signal.SIGINT} & {
        n for n in (signal.SIGHUP, signal.SIGINT) if signal.getsignal(n) == signal.SIG_IGN
    }
    for descriptor in (CONTROL, STATUS):
        os.set_inheritable(descriptor, False)
    parent = os.getppid()
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR1):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    reaper = prctl(PR_SET_CHILD_SUBREAPER, 1)
    prctl(PR_SET_PDEATHSIG, signal.SIGUSR1)
    order = receive_order()
    if order is None or os.getppid() != parent:
        return
    pid = start(order, ignored, reaper)
    if pid is None:
        return
    keeper = Keeper(order, pid, wake, reaper)
    keeper.watch()
    left = keeper.end_the_rest()
    unit = 1024 if sys.platform != "darwin" else 1
    send(
        {
            "status": keeper.status,
            "why": keeper.why,
            "seconds": keeper.ended - keeper.began,
            "cpu_s": keeper.cpu_s,
            "peak_memory_bytes": keeper.peak * unit,
            "left": left,
        }
    )


if __name__ == "__main__":
    main()

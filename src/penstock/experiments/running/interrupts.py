"""Ctrl-C, and being told to end, while a program runs: it is handed on, so that both end in good order."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self, final

from penstock.experiments.running.process import Process

_NUMBERS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


@final
class Interrupts:
    """While open, signals to this process go to the program: Ctrl-C as such (a second one kills it), SIGTERM and the loss of
    the terminal as a request to end. Only the main thread gets signals; in others this does nothing.

    Attributes
    ----------
    asked : "" or "interrupt" or "terminate", the first that came.
    """

    def __init__(self, process: Process) -> None:
        self.asked = ""
        self._process = process
        self._before: dict[int, Any] = {}
        self._times = 0

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _NUMBERS:
                if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            self.asked = self.asked or "interrupt"
            self._times += 1
            if self._times == 1:
                self._process.interrupt()
                _say(b"\npenstock: interrupted; the program ends what it is doing (Ctrl-C again kills it)\n")
            else:
                self._process.kill()
        else:
            self.asked = self.asked or "terminate"
            self._process.stop()


@contextmanager
def ended_in_good_order() -> Iterator[None]:
    """While open, being told to end (SIGTERM, or the terminal is lost) is as Ctrl-C: what runs is ended, and recorded so.

    Once is enough: while all that comes to its end, nothing more is heard of these signals.
    """
    before: dict[int, Any] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        for other in before:
            signal.signal(other, signal.SIG_IGN)
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        chosen = [number for number in _NUMBERS if number != signal.SIGINT]
        before |= {number: signal.getsignal(number) for number in chosen if signal.getsignal(number) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: bytes) -> None:
    """Within a signal handler, past Python's buffers, which may be in use."""
    try:
        os.write(2, text)
    except OSError:  # nobody reads it
        return

"""A shadow: the candidate answers copies of the requests, in a process of its own, and nobody waits for it.

A worker hands a copy over after the answer has left: one write to a socket that never blocks. What does not fit into the socket's buffer is
dropped and counted. The process of the shadow runs at the lowest priority, has its own segment of the journal, and may be slow,
stuck or dead without any effect on the worker, which not even shares Python's lock with it.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import msgspec
import orjson

from penstock.errors import NotWritable, PenstockError, RequestError, StoreFull
from penstock.serving.acknowledgements import process_start
from penstock.serving.arm_counts import ArmCounter, ArmFile
from penstock.serving.folder import ServingFolder
from penstock.serving.logs import configured
from penstock.serving.prediction_ids import NOT_JOURNALLED, parse_id
from penstock.serving.releases import CANDIDATE_ARM
from penstock.serving.settings import HistorySettings, JournalSettings, LogSettings, ServeSettings

if TYPE_CHECKING:
    from penstock.bundle.runtime import Bundle
    from penstock.serving.asked import Asked
    from penstock.serving.follower import Loaded

log = logging.getLogger("penstock.serving")

_LENGTH = struct.Struct("<I")
_BUFFER_BYTES = 8 * 2**20  # the system may grant less
_LARGEST_BYTES = 16 * 2**20
_LONGEST_PAUSE_S = 30.0
_NICE = 19
NEAR = 0.01
"""Of regressions: predictions that differ by less than this part of the live one agree."""


class ShadowSettings(msgspec.Struct, frozen=True):
    """What the process of a shadow is told."""

    state_dir: str
    release: int
    path: str
    model: str
    version: int
    slot: str
    novelty_limit: float
    journal: JournalSettings
    history: HistorySettings
    logs: LogSettings = LogSettings()


@final
class Shadow:
    """A worker's end: hands copies over, and starts the process again when it dies."""

    def __init__(self, settings: ShadowSettings, counter: ArmCounter) -> None:
        self.settings = settings
        self._counter = counter
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()
        self._pause_s, self._due = 0.5, 0.0
        self._closed = False
        self._start()

    @classmethod
    def of(
        cls,
        state_dir: Path,
        release: int,
        loaded: Loaded,
        counter: ArmCounter,
        serving: ServeSettings,
    ) -> Shadow:
        entry = loaded.entry
        settings = ShadowSettings(
            str(state_dir),
            release,
            entry.path,
            entry.model,
            entry.version,
            loaded.slot,
            loaded.novelty_limit,
            serving.journal,
            serving.history,
            serving.logs,
        )
        return cls(settings, counter)

    @property
    def pid(self) -> int | None:
        """Of the process that answers."""
        return None if self._process is None else self._process.pid

    def copy_later(self, asked: Asked, answers: bytes) -> None:
        """Hand a request and the live version's answers over, once the loop has sent the response."""
        asyncio.get_running_loop().call_soon(self._copy, asked, answers)

    def _copy(self, asked: Asked, answers: bytes) -> None:
        body = asked.body
        if body is None:
            history = {"history": asked.history} if asked.has_history else {}
            body = orjson.dumps({"rows": asked.rows, **history})
        ours = self._socket
        try:
            if ours is not None:
                ours.send(b"".join((_LENGTH.pack(len(body)), body, answers)))
                return
        except (BlockingIOError, InterruptedError):  # it is busy
            self._counter.dropped()
            return
        except OSError:  # larger than any message may be; or the process is gone
            pass
        self._counter.dropped()
        if self._is_gone and time.monotonic() >= self._due:
            threading.Thread(target=self._start_again, name="shadow-start", daemon=True).start()

    def close(self) -> None:
        """Let it answer what it has, and end."""
        with self._starting:
            self._closed = True
            if self._socket is not None:
                self._socket.close()
                self._socket = None
            if self._process is not None:
                try:
                    self._process.wait(5.0)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()

    def _start_again(self) -> None:
        """Not in the event loop: to start a process takes milliseconds."""
        with self._starting:
            if self._closed or not self._is_gone or time.monotonic() < self._due:
                return
            if self._process is not None:
                log.error("the shadow ended with code %d and is started again", self._process.returncode)
                self._counter.failed()
            self._due, self._pause_s = time.monotonic() + self._pause_s, min(2 * self._pause_s, _LONGEST_PAUSE_S)
            if self._socket is not None:
                self._socket.close()
            self._start()

    @property
    def _is_gone(self) -> bool:
        """Whether there is no process: it ended, or could not be started."""
        return self._process is None or self._process.poll() is not None

    def _start(self) -> None:
        """Where the system has no process or no socket to give, the next copies try again; nobody waits for a shadow."""
        self._socket = self._process = None
        try:
            ours, theirs = _pair()
            with theirs:
                ours.setblocking(False)
                ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
                fd = theirs.fileno()
                settings = msgspec.json.encode(self.settings).decode()
                command = [sys.executable, "-m", "penstock.serving.shadow", "--fd", str(fd), "--settings", settings]
                self._process = subprocess.Popen(
                    command, pass_fds=(fd,), stdin=subprocess.DEVNULL, start_new_session=True
                )
            self._socket = ours
        except OSError as error:
            log.error("the shadow cannot be started now: %s", error)


def _pair() -> tuple[socket.socket, socket.socket]:
    """Sockets that keep messages whole."""
    try:
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    except (
        OSError
    ):  # not on every system; datagrams keep them whole as well, but do not tell when the other end is gone
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)


@final
class _Answering:
    """The shadow's own process."""

    def __init__(self, settings: ShadowSettings) -> None:
        from penstock.bundle.runtime import Bundle
        from penstock.serving.journal_writer import JournalWriter, origin_of
        from penstock.serving.remembered import RememberedRows

        state_dir = Path(settings.state_dir)
        journal = ServingFolder(state_dir).journal
        self._bundle: Bundle = Bundle.load(state_dir / settings.path)
        self._bundle.decoder.require_key()
        self._novelty_limit, self._model = settings.novelty_limit, settings.model
        self._remembered = RememberedRows(journal, settings.history)
        self._remembered.prepare(self._bundle, settings.model)
        # Nobody waits for what it says: it goes on without the journal also where the worker does not.
        self._journal = JournalWriter(journal, msgspec.structs.replace(settings.journal, when_full="answer"))
        self._is_full = False
        self._origin = (
            origin_of(settings.model, settings.version, settings.slot) + b',"arm":"%b"' % CANDIDATE_ARM.encode()
        )
        name = f"{os.getpid()}-{process_start(os.getpid()) or 0}-shadow"
        self._counter = ArmFile(state_dir, settings.release, name).candidate

    def answer(self, body: bytes, live: Sequence[Mapping[str, Any]]) -> None:
        """Answer one request, journal and count it beside the answers of the live version."""
        from penstock.serving.asked import read_asked

        start_ns = time.perf_counter_ns()
        try:
            answers = self._predicted(read_asked(body))
        except Exception as error:  # the live version answered: it is the candidate's, and told to the log
            if not isinstance(error, PenstockError):
                log.exception("the shadow failed at a request", exc_info=error)
            self._counter.failed()
            status = error.status if isinstance(error, RequestError) else 500
            code = error.code if isinstance(error, PenstockError) else "internal"
            self._write(partial(self._journal.error, status, code, origin=self._origin))
            return
        seconds = (time.perf_counter_ns() - start_ns) / 1e9
        same = sum(_agree(a["prediction"], b["prediction"]) for a, b in zip(live, answers, strict=True))
        novel = sum(answer["novelty"] > self._novelty_limit for answer in answers)
        if live and is_journalled(live[0]["id"]):
            paired = [{"id": a["id"], **b} for a, b in zip(live, answers, strict=True)]
            self._write(partial(self._journal.shadow, self._origin, paired, latency_ms=seconds * 1000))
        abstentions, by_fallback = (
            sum(a["decision"] != "answer" for a in answers),
            sum("fallback" in a for a in answers),
        )
        self._counter.answered(len(answers), abstentions, novel, seconds, by_fallback)
        self._counter.compared(len(answers), same)

    def _write(self, record: Callable[[], None]) -> None:
        """Journal something; a full or broken disk is not the candidate's fault, and told once."""
        try:
            record()
        except (StoreFull, NotWritable) as failed:
            if not self._is_full:
                log.error("what the shadow says is not journalled: %s", failed)
            self._is_full = True
        else:
            self._is_full = False

    def close(self) -> None:
        self._journal.close()

    def _predicted(self, asked: Asked) -> list[dict[str, Any]]:
        bundle = self._bundle
        rows = self._remembered.for_request(bundle, asked, model=self._model)
        bundle.refuse_broken_images(rows)
        return bundle.predict(bundle.protect(rows) if bundle.is_private else rows)


def is_journalled(prediction_id: str) -> bool:
    """Whether the journal holds the prediction; with a sample below 1 it does not hold all."""
    parts = parse_id(prediction_id)
    return parts is not None and parts.segment != NOT_JOURNALLED


def _agree(live: Any, shadow: Any) -> bool:
    if isinstance(live, float) and isinstance(shadow, float):
        return abs(live - shadow) <= NEAR * abs(live)
    return bool(live == shadow)


def main(arguments: list[str] | None = None) -> int:
    """Answer copies until the worker closes its end, or is gone."""
    parser = argparse.ArgumentParser(prog="python -m penstock.serving.shadow")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--settings", required=True)
    options = parser.parse_args(arguments)
    worker = os.getppid()
    os.nice(_NICE)
    settings = msgspec.json.decode(options.settings, type=ShadowSettings)
    with configured(settings.logs):
        try:
            _answer_copies(settings, options.fd, worker)
        except Exception:  # told as the log is declared, which a traceback of Python's own is not
            log.critical("the shadow cannot go on, and ends", exc_info=True)
            return 1
    return 0


def _answer_copies(settings: ShadowSettings, fd: int, worker: int) -> None:
    answering = _Answering(settings)
    try:
        with socket.socket(fileno=fd) as copies:
            copies.settimeout(1.0)  # of datagrams nobody says when the other end is gone
            while os.getppid() == worker:
                try:
                    message = copies.recv(_LARGEST_BYTES)
                except TimeoutError:
                    continue
                if not message:
                    break
                (length,) = _LENGTH.unpack_from(message)
                end = _LENGTH.size + length
                answering.answer(message[_LENGTH.size : end], orjson.loads(message[end:]))
    finally:
        answering.close()


if __name__ == "__main__":
    sys.exit(main())

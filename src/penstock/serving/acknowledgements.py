"""Which epoch each worker serves: one file per worker, so that `rollback` can return when all have switched.

What takes a worker long (a large bundle, a journal of which it is to remember rows) it tells again and again while it lasts: it is waited for
then, and not taken for one that hangs."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from penstock.errors import PenstockError, ServingError
from penstock.serving.folder import ServingFolder
from penstock.serving.instants import iso_now

FORMAT = 1
STARTING = -1
RETURN_S = 20.0
"""How long a rollback waits for the workers: longer than the supervisor takes to replace one that hangs."""
_POLL_S = 0.005
_LOOK_S = 0.02  # of a worker, which has more to do
_AGAIN_S = 1.0
_TELL_S = 10.0

log = logging.getLogger("penstock.serving")


class NotFollowed(ServingError):
    """The time is over, and a worker neither serves the epoch nor refuses it: it is slow, or hangs."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What a worker says of itself. `epoch` is STARTING until it serves; `refused` is an epoch it did not follow; `loading` one that it
    has been loading for a while, 0 for none."""

    pid: int
    started: int  # start time of the process as the system counts it: a pid alone may be another process by now
    epoch: int = STARTING
    model: str = ""
    version: int = 0
    slot: str = ""
    refused: int = 0
    error: dict[str, str] | None = None
    at: str = ""
    shelf: int = 0  # the epoch of shelf.json that it follows
    loading: int = 0

    @property
    def name(self) -> str:
        return f"{self.pid}-{self.started}"

    @property
    def alive(self) -> bool:
        return process_start(self.pid) == self.started


class AcknowledgementFile:
    """Written by one worker, from its start to its end.

    A worker answers whether or not the disk has room for that: what could not be written is, once there is.
    """

    def __init__(self, state_dir: Path) -> None:
        self._folder = ServingFolder(state_dir).acks
        self._now = Acknowledgement(os.getpid(), process_start(os.getpid()) or 0)
        self._changing = threading.Lock()  # the slots and the shelf are followed side by side
        self._is_behind = False
        self.name = self._now.name
        self._write()

    def serves(self, epoch: int, model: str, version: int, slot: str) -> None:
        """This worker answers with this epoch from now on."""
        with self._changing:
            self._now = replace(
                self._now,
                epoch=epoch, model=model, version=version, slot=slot, refused=0, error=None, at=iso_now(), loading=0,
            )  # fmt: skip
            self._write()

    def refuses(self, epoch: int, error: PenstockError) -> None:
        """This worker could not follow to `epoch`, and answers as before."""
        with self._changing:
            self._now = replace(self._now, refused=epoch, error=error.to_json(), at=iso_now(), loading=0)
            self._write()

    def loads(self, epoch: int) -> None:
        """This worker is still at work on that epoch, and answers as before meanwhile. To be told again and again: it is a sign of life."""
        with self._changing:
            if epoch not in (self._now.epoch, self._now.refused):
                self._now = replace(self._now, at=iso_now(), loading=epoch)
                self._write()

    def loads_no_more(self) -> None:
        """What it loaded is not wanted any more."""
        with self._changing:
            if self._now.loading:
                self._now = replace(self._now, at=iso_now(), loading=0)
                self._write()

    def follows_shelf(self, epoch: int) -> None:
        """This worker offers what stands on the shelf with this epoch."""
        with self._changing:
            self._now = replace(self._now, shelf=epoch)
            self._write()

    async def catch_up(self) -> None:
        """Write what could not be written, again and again until cancelled."""
        while True:
            await asyncio.sleep(_AGAIN_S)
            if self._is_behind:
                await asyncio.to_thread(self._write_again)

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)

    @property
    def _path(self) -> Path:
        return self._folder / f"{self.name}.json"

    def _write_again(self) -> None:
        with self._changing:
            self._write()

    def _write(self) -> None:
        """Atomic, but not synced: it speaks of a living process, and a power loss leaves none."""
        unfinished = self._path.with_suffix(".unfinished")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(json.dumps({"format": FORMAT, **asdict(self._now)}), encoding="utf-8")
            unfinished.replace(self._path)
        except OSError as error:
            if not self._is_behind:
                log.error("what this worker serves cannot be written, and is once it can: %s", error)
            self._is_behind = True
        else:
            self._is_behind = False


def workers(state_dir: Path) -> list[Acknowledgement]:
    """The living workers on this machine. Files that dead ones left are removed."""
    found = []
    for path in sorted(ServingFolder(state_dir).acks.glob("*.json")):
        try:
            said = _parse(json.loads(path.read_bytes()))
        except FileNotFoundError:
            continue
        if said.alive:
            found.append(said)
        else:
            path.unlink(missing_ok=True)
    return found


Told = Callable[[str], None]


def untold(what: str) -> None:
    """Nobody listens."""


def wait_for_epoch(
    state_dir: Path, epoch: int, timeout_s: float = 10.0, *, told: Told = untold
) -> list[Acknowledgement]:
    """Wait until every living worker serves `epoch` or a later one. Without a server there is nothing to wait for.

    Parameters
    ----------
    timeout_s : for so long a worker may be late without a word. One that tells that it is loading is waited for.
    told : is told now and then what is waited for, where it takes long.

    Returns
    -------
    the workers, as they are now; empty where no server runs.

    Raises
    ------
    ServingError : a worker refused the epoch (the bundle did not load or failed its self-test).
    NotFollowed : the time is over.
    """
    began = time.monotonic()
    ends, tell, signs = began + timeout_s, began, set[tuple[str, str]]()
    while True:
        now = workers(state_dir)
        for worker in now:
            if worker.refused == epoch and worker.error is not None:
                raise ServingError(
                    f"the server (process {worker.pid}) refused what was deployed: {worker.error['what']}",
                    why=f"{worker.error['why']}; it still answers with version {worker.version}",
                    way_out=worker.error["try"],
                )
        late = [worker for worker in now if worker.epoch < epoch]
        if not late:
            return now
        alive = {(worker.name, worker.at) for worker in late if worker.loading}
        if alive - signs:
            signs, ends = alive, time.monotonic() + timeout_s
        if alive and time.monotonic() >= tell:
            tell = time.monotonic() + _TELL_S
            told(
                f"waiting for {len(alive)} of {len(now)} server processes, which are still loading "
                f"({time.monotonic() - began:.0f} s; they answer as before; Ctrl-C takes it back)"
            )
        if time.monotonic() >= ends:
            pids = ", ".join(str(worker.pid) for worker in late)
            raise NotFollowed(
                f"not every worker has switched within {timeout_s:g} s",
                why=f"waiting for process {pids}, which serves epoch {late[0].epoch} where {epoch} was set",
                way_out="look at the server's log on stderr; restart the server if it hangs",
            )
        time.sleep(_POLL_S)


def wait_for_return(state_dir: Path, epoch: int) -> tuple[list[Acknowledgement], NotFollowed | None]:
    """Wait until every living worker has gone back to `epoch`. One that hangs does not undo that for those that have: it is given back as
    an error, to be raised once what was done is written down.

    Raises
    ------
    ServingError : a worker refused the epoch.
    """
    try:
        return wait_for_epoch(state_dir, epoch, timeout_s=RETURN_S), None
    except NotFollowed as late:
        return workers(state_dir), NotFollowed(
            f"what was live before is live again, but {late.what}", why=late.why, way_out=late.way_out
        )


def wait_for_shelf(state_dir: Path, epoch: int, timeout_s: float = 30.0) -> list[Acknowledgement]:
    """Wait until every living worker that serves offers what stands on the shelf with `epoch` or a later one.

    Returns
    -------
    the workers, as they are now; empty where no server runs.

    Raises
    ------
    ServingError : the time is over.
    """
    ends = time.monotonic() + timeout_s
    while True:
        now = workers(state_dir)
        if not _behind_shelf(now, epoch, timeout_s, is_over=time.monotonic() >= ends):
            return now
        time.sleep(_POLL_S)


async def shelf_followed(state_dir: Path, epoch: int, timeout_s: float = 30.0) -> None:
    """As `wait_for_shelf`, within an event loop: no thread is held meanwhile, which the workers themselves need to follow."""
    ends = time.monotonic() + timeout_s
    while _behind_shelf(
        await asyncio.to_thread(workers, state_dir), epoch, timeout_s, is_over=time.monotonic() >= ends
    ):
        await asyncio.sleep(_LOOK_S)


def _behind_shelf(now: list[Acknowledgement], epoch: int, timeout_s: float, *, is_over: bool) -> bool:
    """Whether a worker that serves does not offer what stands on the shelf with `epoch`.

    Raises
    ------
    ServingError : so it is, and the time is over.
    """
    late = [worker.pid for worker in now if worker.epoch != STARTING and worker.shelf < epoch]
    if late and is_over:
        raise ServingError(
            f"not every worker offers what is on the shelf within {timeout_s:g} s",
            why=f"waiting for process {', '.join(map(str, late))}",
            way_out="look at the server's log on stderr; restart the server if it hangs",
        )
    return bool(late)


def process_start(pid: int) -> int | None:
    """When a process started (clock ticks since boot), or None where it is not running.

    Where the system has no /proc, 0 stands for every living process.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return None if fields[0] in (b"Z", b"X") else int(fields[19])
    except FileNotFoundError:
        if os.path.isdir("/proc/self"):
            return None
    except ProcessLookupError:
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return 0


def _parse(plain: dict[str, Any]) -> Acknowledgement:
    plain.pop("format")
    return Acknowledgement(**plain)

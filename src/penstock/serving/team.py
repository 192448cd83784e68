"""Worker processes of one socket: started, watched, and replaced when they crash, hang or are to be renewed."""

from __future__ import annotations

import logging
import math
import os
import socket
import subprocess
import sys
import time
from copy import copy
from pathlib import Path
from typing import BinaryIO

import msgspec

from penstock.errors import ServingError
from penstock.serving.draining import DRAIN, DRAIN_S, LEAVE_S, Flag
from penstock.serving.settings import ServeSettings

log = logging.getLogger("penstock.serving")

BEAT_S = 1.0
"""How often a worker says that it lives."""

STARTS, SERVES = b"0", b"1"
"""What it says."""

_LOOK_S = 0.02
_LONGEST_PAUSE_S = 5.0
_SILENT_S = 10.0  # without a word for so long, it hangs
_START_S = 60.0  # the same until it serves: it may be held up by what it loads
_TRIAL_S = 30.0  # so long a new worker has to last before the settings that it brought are taken for good ones


class Member:
    """A worker process. By one pipe it says each second that it starts, and then, out of its event loop, that it serves; by another one
    (its stdin) it hears when its supervisor is gone.

    Attributes
    ----------
    settings : those of its team that it is in step with.
    """

    def __init__(self, process: subprocess.Popen[bytes], said: BinaryIO, settings: ServeSettings) -> None:
        self.process, self.settings = process, settings
        self._said, self._serves = said, False
        self._silent_s = 0.0

    def serves(self) -> bool:
        """Whether it has come to answer requests. Not by a file: a worker also takes the place of another where the disk is full."""
        if not self._serves:
            self._silent_s = 0.0 if self._hears() else self._silent_s
        return self._serves

    def hangs_for_s(self, watched_s: float) -> float:
        """For how long it has said nothing while it was watched, where that is too long; else 0.

        Parameters
        ----------
        watched_s : since the last look.
        """
        self._silent_s = 0.0 if self._hears() else self._silent_s + watched_s
        return self._silent_s if self._silent_s > (_SILENT_S if self._serves else _START_S) else 0.0

    def _hears(self) -> bool:
        """Take what it has said since the last look; whether that was anything."""
        said = b"" if self._said.closed else self._said.read(4096) or b""
        self._serves = self._serves or SERVES in said
        return bool(said)

    def has_ended(self) -> bool:
        if self.process.poll() is None:
            return False
        self._said.close()
        return True

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._said.close()


class Team:
    """The workers of one socket, of which there are to be `count`. `look`, called again and again, sees to all of them and never waits."""

    def __init__(self, state_dir: Path, listening: socket.socket, settings: ServeSettings, count: int = 1) -> None:
        self._state_dir, self._listening, self._count = state_dir, listening, count
        self.settings = settings
        self._before: ServeSettings | None = None  # those to go back to
        self._trial_ends = 0.0
        self._members: list[Member] = []
        self._coming: Member | None = (
            None  # one more than there are to be, in whose favour another one leaves once it serves
        )
        self._leaving: Member | None = None
        self._ends = 0.0  # when whoever leaves has taken too long
        self._has_served = False
        self._pause, self._calm_at, self._start_at = _LOOK_S, 0.0, 0.0
        self._looked_at = 0.0

    def look(self) -> None:
        """End who hangs, put others in the place of those that have ended, and go on with replacing.

        Raises
        ------
        ServingError : a worker ended before any had served; it has said why on stderr.
        """
        self._end_silent()
        self._bury()
        while len(self._standing()) < self._count and time.monotonic() >= self._start_at:
            is_proven = self._before is None or self._trial_ends < math.inf
            self.start(self.settings if is_proven or self._before is None else self._before)
        self._replace()

    def start(self, settings: ServeSettings | None = None) -> Member:
        settings = self.settings if settings is None else settings
        fd = self._listening.fileno()
        said, saying = os.pipe()
        os.set_blocking(said, False)
        command = [sys.executable, "-m", "penstock.serving.server", str(self._state_dir)]
        command += ["--fd", str(fd), "--ready-fd", str(saying)]
        own = msgspec.structs.replace(settings, journal=settings.journal.of_each(self._count))
        command += ["--settings", msgspec.json.encode(own).decode()]
        try:
            # Its stdin is a pipe that nobody writes to: it ends when this process ends, however it ends.
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, pass_fds=(fd, saying), start_new_session=True, env=os.environ
            )
        finally:
            os.close(saying)
        member = Member(process, os.fdopen(said, "rb", buffering=0), settings)
        self._members.append(member)
        return member

    @property
    def is_ready(self) -> bool:
        """Whether requests are answered, and no more workers are waited for: all serve, or some do while others have to be replaced."""
        return self._has_served and (self._calm_at > 0 or all(member.serves() for member in self._members))

    @property
    def is_settled(self) -> bool:
        """Whether no member is being replaced."""
        return self._coming is None and self._leaving is None

    def renew(self, settings: ServeSettings) -> None:
        """Have each member replaced by a new process with `settings`, one after the other, each once the new one serves.

        Where a new one does not come to serve, those that are left go on as they were, and for those that were replaced already the
        settings before are taken again.
        """
        self._before, self.settings = self.settings, copy(settings)  # another object, also where they are the same
        self._trial_ends = math.inf

    def start_beside(self, stop: Flag) -> bool:
        """Start one more member and wait until it serves, as the only one; one that does not is ended, and the log says so."""
        self._coming = self.start()
        while self._coming is not None and not stop.wait(_LOOK_S):
            self._end_silent()
            self._bury()
            self._replace()
        return self._coming is None and bool(self._members)

    def close(self) -> None:
        """Refuse new connections, then stop the members: while one socket is open somewhere, the system accepts for those that are gone."""
        self._listening.close()
        self.stop()

    def stop(self) -> None:
        for member in self._members:
            member.process.terminate()
        ends = time.monotonic() + LEAVE_S + self.settings.stop_after_s + 5.0  # a worker gives up by itself before
        for member in self._members:
            try:
                member.process.wait(max(0.0, ends - time.monotonic()))
            except subprocess.TimeoutExpired:
                member.end()

    def _standing(self) -> list[Member]:
        """The members that count: not who leaves, nor who is still to come in another one's place."""
        return [member for member in self._members if member is not self._leaving and member is not self._coming]

    def _bury(self) -> None:
        """Forget the members that have ended."""
        self._has_served = any(member.serves() for member in self._members) or self._has_served
        for member in [member for member in self._members if member.has_ended()]:
            if member not in self._members:  # dropped on behalf of another one
                continue
            self._members.remove(member)
            if member is self._leaving:
                self._leaving = None
                if all(other.settings is self.settings for other in self._members):
                    log.info("all workers are replaced")
            elif member is self._coming:
                self._give_up()
            else:
                self._mourn(member)

    def _mourn(self, member: Member) -> None:
        """One has ended by itself: another one takes its place, ever more slowly where they go on doing so."""
        if not self._has_served:
            raise ServingError(
                "a worker ended before it could serve",
                why="its own message stands above, on stderr",
                way_out="start with --workers 1 to see it alone",
            )
        log.error("a worker ended with code %d and is replaced", member.process.returncode)
        now = time.monotonic()
        self._pause = _LOOK_S if now > self._calm_at else min(2 * self._pause, _LONGEST_PAUSE_S)
        self._calm_at, self._start_at = now + 10 * _LONGEST_PAUSE_S, now + self._pause
        is_of_new = member.settings is self.settings and self._before is not None and self._before != self.settings
        if is_of_new and now < self._trial_ends:
            log.error("that was soon after a reload, and the settings before are taken again")
            self._go_back()

    def _end_silent(self) -> None:
        """End members that hang: one that is stopped or stuck answers nobody, but its share of the new connections comes to it."""
        now = time.monotonic()
        gap = now - self._looked_at
        if gap < BEAT_S:
            return
        self._looked_at = now
        for member in self._members:
            # A long gap is one beat, too: then this process was held up itself, and perhaps the whole machine.
            hung_s = member.hangs_for_s(min(gap, 2 * BEAT_S))
            if hung_s:
                log.error("a worker (process %d) has hung for %.0f s and is ended", member.process.pid, hung_s)
                member.end()

    def _replace(self) -> None:
        """Go on with what `renew` has begun."""
        if self._leaving is not None:
            if time.monotonic() > self._ends:
                self._leaving.end()
        elif self._coming is None:
            if any(member.settings is not self.settings for member in self._members):
                self._coming = self.start()
        elif self._coming.serves():
            self._coming, self._has_served = None, True
            self._trial_ends = time.monotonic() + _TRIAL_S
            old = next((member for member in self._members if member.settings is not self.settings), None)
            if old is not None and len(self._members) > self._count:  # else one has ended meanwhile
                old.process.send_signal(DRAIN)
                self._leaving, self._ends = old, time.monotonic() + DRAIN_S + self.settings.stop_after_s + 5.0

    def _give_up(self) -> None:
        """Whoever was to come does not: go on as before."""
        log.error("a new worker does not come to serve, and nothing more is replaced; its own message stands above")
        self._drop_coming()
        self._go_back()

    def _drop_coming(self) -> None:
        coming, self._coming = self._coming, None
        if coming is not None:
            coming.end()
            self._members = [member for member in self._members if member is not coming]

    def _go_back(self) -> None:
        if self._before is None:  # these were those before, and are not to be had either: each goes on as it is
            for member in self._members:
                member.settings = self.settings
            return
        self.settings, self._before = self._before, None
        self._drop_coming()  # it has the settings that nobody wants

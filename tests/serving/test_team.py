"""The workers of one socket: who hangs is ended, who ends is replaced, whatever else is going on."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.errors import ServingError
from penstock.serving.acknowledgements import STARTING, workers
from penstock.serving.listening import listen
from penstock.serving.settings import ServeSettings
from penstock.serving.slots import SlotState
from penstock.serving.supervisor import starting
from penstock.serving.team import Member, Team


@pytest.fixture
def team(
    deploy: Callable[..., SlotState], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[int], Team]]:
    """Workers of the toy bundle, not yet started; who is silent for 3 s hangs."""
    monkeypatch.setattr("penstock.serving.team._SILENT_S", 3.0)
    deploy(1)
    teams = []
    with listen("127.0.0.1", 0) as listening:

        def make(count: int) -> Team:
            teams.append(Team(tmp_path / "serving", listening, ServeSettings(), count))
            return teams[-1]

        yield make
        for one in teams:
            for member in one._members:
                os.kill(member.process.pid, signal.SIGCONT)
            one.stop()


def look_until(team: Team, true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not true():
        assert time.monotonic() < ends, "it did not happen"
        team.look()
        time.sleep(0.02)


def started(team: Team) -> list[Member]:
    """A team all of whose members serve."""
    look_until(team, lambda: team.is_ready)
    return list(team._members)


def serving(state_dir: Path) -> set[int]:
    return {worker.pid for worker in workers(state_dir) if worker.epoch != STARTING}


def test_a_worker_that_hangs_is_ended_and_one_that_is_idle_is_not(team: Callable[[int], Team], tmp_path: Path) -> None:
    """A stopped process keeps its share of the connections, and answers none of them."""
    two = team(2)
    hanging, idle = started(two)
    os.kill(hanging.process.pid, signal.SIGSTOP)
    look_until(two, lambda: hanging.process.returncode is not None)
    assert hanging.process.returncode == -signal.SIGKILL
    look_until(two, lambda: len(serving(tmp_path / "serving")) == 2)
    assert idle.process.pid in serving(tmp_path / "serving")


def test_a_worker_that_hangs_before_it_serves_is_replaced(
    team: Callable[[int], Team], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one whose disk does not answer: it would be missing for ever, and nobody would know."""
    monkeypatch.setattr("penstock.serving.team._START_S", 3.0)
    two = team(2)
    two.look()
    hanging, other = two._members
    os.kill(hanging.process.pid, signal.SIGSTOP)
    look_until(two, lambda: hanging.process.returncode is not None)
    look_until(two, lambda: len(two._members) == 2 and all(member.serves() for member in two._members))
    assert other in two._members


def test_a_worker_that_takes_long_to_come_and_says_so_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long history takes more than a minute to read; whoever says nothing for that time hangs."""
    monkeypatch.setattr("penstock.serving.supervisor.BEAT_S", 0.01)
    heard, said = os.pipe()
    os.set_blocking(heard, False)
    process = subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL)
    member = Member(process, os.fdopen(heard, "rb", buffering=0), ServeSettings())
    try:
        with os.fdopen(said, "wb", buffering=0) as saying:
            with starting(saying):
                for _ in range(40):
                    time.sleep(0.02)
                    assert not member.hangs_for_s(2.0)
            assert not member.serves()
            assert [bool(member.hangs_for_s(2.0)) for _ in range(31)] == [False] * 30 + [True]
    finally:
        member.end()


def test_while_a_new_worker_is_waited_for_the_dead_and_the_hung_are_replaced(
    team: Callable[[int], Team], tmp_path: Path
) -> None:
    """A new process may take a minute to read a long history; the others are seen to all the same, and the reload goes on."""
    two = team(2)
    dead, hung = started(two)
    fresh = ServeSettings(max_rows=5)
    two.renew(fresh)
    look_until(two, lambda: not two.is_settled)
    coming = two._members[-1]
    os.kill(coming.process.pid, signal.SIGSTOP)  # it takes long
    os.kill(dead.process.pid, signal.SIGKILL)
    os.kill(hung.process.pid, signal.SIGSTOP)
    old = {dead.process.pid, hung.process.pid}
    look_until(two, lambda: len(serving(tmp_path / "serving") - old) == 2)
    assert coming.process.pid not in serving(tmp_path / "serving")
    os.kill(coming.process.pid, signal.SIGCONT)
    look_until(two, lambda: two.is_settled and {member.settings.max_rows for member in two._members} == {5})
    assert len(two._members) == 2
    assert coming in two._members


def test_a_worker_that_ends_before_it_serves_is_replaced_where_others_serve_already(
    team: Callable[[int], Team],
) -> None:
    """The server answers, so it does not end."""
    two = team(2)
    two.look()
    first, second = two._members
    os.kill(second.process.pid, signal.SIGSTOP)
    look_until(two, first.serves)
    assert not two.is_ready
    os.kill(second.process.pid, signal.SIGKILL)
    look_until(two, lambda: second not in two._members)
    assert two.is_ready  # it answers
    look_until(two, lambda: len(two._members) == 2 and all(member.serves() for member in two._members))
    assert first in two._members


def test_a_worker_that_ends_before_any_has_served_ends_the_start(team: Callable[[int], Team]) -> None:
    """What keeps it from serving keeps all others."""
    two = team(2)
    two.look()
    for member in two._members:
        os.kill(member.process.pid, signal.SIGSTOP)
    os.kill(two._members[0].process.pid, signal.SIGKILL)
    with pytest.raises(ServingError, match="before it could serve"):
        look_until(two, lambda: False)


def test_new_settings_are_not_blamed_for_the_end_of_a_worker_with_the_old_ones(team: Callable[[int], Team]) -> None:
    """The reload goes through."""
    one = team(1)
    (old,) = started(one)
    one.renew(ServeSettings(max_rows=5))
    look_until(one, lambda: not one.is_settled)
    os.kill(old.process.pid, signal.SIGKILL)
    look_until(one, lambda: one.is_settled and [member.settings.max_rows for member in one._members] == [5])

"""Processes: told apart from later ones with the same number."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from penstock.ledger import process
from penstock.ledger.process import Process, user


def test_this_process_is_alive() -> None:
    """Also after the way through the database."""
    me = Process.current()
    assert not me.is_gone()
    assert Process.from_json(me.to_json()) == me
    assert str(me) == f"process {os.getpid()} on {me.host}"


def test_a_process_that_ended_is_gone() -> None:
    """Even while its parent has not asked for it yet."""
    child = subprocess.Popen([sys.executable, "-c", "pass"], stdout=subprocess.PIPE)
    mine = Process.current()._replace(pid=child.pid, ticks=process._ticks(child.pid))
    assert child.stdout is not None
    child.stdout.read()
    child.stdout.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now
    assert mine.is_gone()
    child.wait()
    assert mine.is_gone()


def test_a_later_process_with_the_same_number_is_another() -> None:
    """Its start time differs; after a restart of the machine, the machine's does."""
    me = Process.current()
    if not me.ticks:
        pytest.skip("this system does not tell when a process started")
    assert me._replace(ticks=me.ticks + 1).is_gone()
    assert me._replace(boot="another").is_gone()


def test_a_process_of_another_machine_counts_as_alive() -> None:
    """It cannot be seen from here."""
    assert not Process.current()._replace(host="elsewhere", pid=1, ticks=1).is_gone()


def test_without_start_times_the_number_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a system that has no /proc."""
    monkeypatch.setattr(process, "_ticks", lambda pid: 0)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    theirs = Process.current()._replace(pid=child.pid)
    assert not theirs.is_gone()
    child.communicate(b"\n")
    assert theirs.is_gone()


def test_an_account_without_a_name_has_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers often run so."""
    assert user()

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert user() == f"uid-{os.getuid()}"

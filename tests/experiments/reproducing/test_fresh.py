"""Which interpreter a fresh environment is made with."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from penstock.experiments.reproducing.fresh import _interpreter

HERE = sys.version.split()[0]


def program(path: Path, says: str, status: int = 0) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\nexit {status}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return tmp_path / "bin"


def test_ours_where_the_version_is_the_same(on_path: Path) -> None:
    assert _interpreter(HERE, "/nowhere/python") == (sys.executable, [])
    assert _interpreter(None, None) == (sys.executable, [])


def test_the_recorded_one_where_it_is_still_that_version(on_path: Path, tmp_path: Path) -> None:
    recorded = program(tmp_path / "venv" / "python", "3.98.1")
    program(on_path / "python3.98", "3.98.2")
    assert _interpreter("3.98.1", recorded) == (recorded, [])


def test_one_of_its_name_where_the_recorded_one_is_gone_and_what_differs_is_said(on_path: Path) -> None:
    named = program(on_path / "python3.98", "3.98.2")
    found, said = _interpreter("3.98.1", "/nowhere/python")
    assert found == named
    assert said == [{"package": "python==3.98.1", "why": "3.98.2 was used"}]


def test_a_name_with_nothing_behind_it_is_no_interpreter(on_path: Path, tmp_path: Path) -> None:
    """Shims of version managers stand on the PATH for versions that are not in use, and fail."""
    program(on_path / "python3.98", "python3.98: command not found", status=127)
    found, said = _interpreter("3.98.1", None)
    assert found == sys.executable
    assert said == [{"package": "python==3.98.1", "why": f"it is not installed; {HERE} was used"}]
    recorded = program(tmp_path / "kept" / "python", "3.98.1")
    assert _interpreter("3.98.1", recorded) == (recorded, [])


def test_another_version_under_the_recorded_path_is_not_taken_for_it(on_path: Path, tmp_path: Path) -> None:
    """Somebody has upgraded it since."""
    recorded = program(tmp_path / "python", "4.0.0")
    assert _interpreter("3.98.1", recorded)[0] == sys.executable

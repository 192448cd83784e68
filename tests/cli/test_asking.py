"""What `penstock run` says and asks before a script runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.cli.app import run

SCRIPT = 'import argparse\np = argparse.ArgumentParser()\np.add_argument("--lr", type=float, default=0.1, help="the step")\np.parse_args()\nopen("ran", "w")\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(SCRIPT)
    return tmp_path


def typed(folder: Path, keys: bytes) -> tuple[int, str]:
    """Exit code and what is shown where a person types these keys at the question."""
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "penstock", "run", "train.py"],
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        shown = b""
        while b"continue?" not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, keys)
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:  # the other end is closed
            pass
        os.close(ours)
    return process.returncode, shown.decode()


@pytest.mark.parametrize("keys", [b"n\n", b"\x04"], ids=["n", "Ctrl-D"])
def test_a_no_runs_nothing_and_is_no_success(folder: Path, keys: bytes) -> None:
    """``penstock run ... && deploy`` does not go on; nothing is said to be kept."""
    code, shown = typed(folder, keys)
    assert code == 130
    assert "not run" in shown
    assert "stopped" not in shown
    assert not (folder / "ran").exists()


def test_a_yes_runs_it(folder: Path) -> None:
    """The return key alone is one. Flags are shown with their help."""
    code, shown = typed(folder, b"\n")
    assert code == 0
    assert "    lr  0.1  argparse, train.py:3  the step" in shown
    assert (folder / "ran").exists()


def test_without_a_terminal_it_is_said_that_nobody_was_asked(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not where that was wanted: -y, --json."""
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert run(["run", "train.py"]) == 0
        assert "not asked: no terminal" in capsys.readouterr().err
        assert run(["run", "train.py", "-y"]) == 0
        assert "not asked" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--lr", "0.2"], "write lr=0.2"),
        (["--lr=0.2"], "write lr=0.2"),
        (["--lr"], "write lr=..."),
        (["--timout", "3s"], "did you mean --timeout? Where a flag of the script is meant, write timout=3s"),
    ],
)
def test_flags_with_dashes_are_explained(
    folder: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Options before the script's name and behind it are those of `penstock run`."""
    assert run(["run", "train.py", *words]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert "--help?" not in said

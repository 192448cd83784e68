"""The environment and the source of a run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import penstock
from penstock.ledger.environment import environment, source


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    git(tmp_path, "init", "-q")
    (tmp_path / "recipe.toml").write_text("[recipe]\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_the_environment_names_what_results_depend_on() -> None:
    """Python, machine, processors, and the packages that Penstock asks for."""
    here = environment()
    assert set(here) == {"python", "platform", "machine", "cpus", "packages"}
    assert {"numpy", "onnxruntime", "optuna"} <= set(here["packages"])


def test_a_clean_commit_is_named(repository: Path) -> None:
    """What ran can be checked out again; files that Git does not know make no difference."""
    (repository / "untracked").write_text("x")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True, check=True)
    assert source(repository) == {"penstock": penstock.__version__, "commit": head.stdout.strip(), "dirty": False}


def test_a_changed_file_is_dirty(repository: Path) -> None:
    """The commit alone does not tell what ran."""
    (repository / "recipe.toml").write_text("[changed]\n")
    assert source(repository)["dirty"] is True


def test_without_git_the_source_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No repository, no commit, or no Git: the run goes on all the same."""
    unknown = {"penstock": penstock.__version__, "commit": None, "dirty": None}
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert source(tmp_path) == unknown
    if shutil.which("git") is not None:
        git(tmp_path, "init", "-q")
        assert source(tmp_path) == unknown
    monkeypatch.setenv("PATH", os.devnull)
    assert source(tmp_path) == unknown

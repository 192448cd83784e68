"""The state of the repository: commit, branch, what is not committed, which files are its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from penstock.experiments.git import commit_of, diff, listed, source
from penstock.experiments.secrets import Masker

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    return subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository with one commit on `trunk`."""
    git(tmp_path, "init", "-q", "-b", "trunk")
    (tmp_path / "train.py").write_text("lr = 0.1\n")
    (tmp_path / ".gitignore").write_text("out/\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_commit_and_branch_are_told(repo: Path) -> None:
    """A clean checkout can be had again from them alone."""
    head = git(repo, "rev-parse", "HEAD").strip()
    assert source(repo) | {"penstock": ""} == {"penstock": "", "commit": head, "dirty": False, "branch": "trunk"}
    assert diff(repo) == b""
    git(repo, "checkout", "-q", "--detach")
    found = commit_of(repo)
    assert found is not None
    assert found.branch is None


def test_what_is_not_committed_is_told(repo: Path) -> None:
    """As a diff, staged or not, from any folder of the repository."""
    (repo / "train.py").write_text("lr = 0.2\n")
    (repo / "new.py").write_text("x = 1\n")
    git(repo, "add", "new.py")
    inner = repo / "inner"
    inner.mkdir()
    assert source(repo)["dirty"] is True
    text = diff(inner).decode()
    assert "+lr = 0.2" in text
    assert "+x = 1" in text


def test_a_diff_shows_no_secrets(repo: Path) -> None:
    """Neither values that are known, nor what is assigned to a secret name, nor files of secrets."""
    (repo / "train.py").write_text('API_KEY = "abc"\nlr = "0.1"\nurl = "x hunter22"\nconf = {"password": "p"}\n')
    (repo / ".env").write_text("A=geheim\n")
    git(repo, "add", "-f", ".env")
    text = diff(repo, Masker(values=["hunter22"])).decode()
    assert '+API_KEY = "***"\n+lr = "0.1"\n+url = "x ***"\n+conf = {"password": "***"}' in text
    assert "geheim" not in text


def test_a_long_diff_is_cut(repo: Path) -> None:
    """A large file in the works does not fill the store."""
    (repo / "train.py").write_text("x = 1\n" * 10_000)
    data = diff(repo, limit_bytes=1000)
    assert len(data) < 1100
    assert data.endswith(b"left out]\n")


def test_files_of_the_repository_are_listed(repo: Path) -> None:
    """Tracked ones and new ones, also those with odd names; not ignored ones."""
    (repo / "out").mkdir()
    (repo / "out" / "model.bin").write_text("x")
    odd = os.fsdecode(b"odd \xff\n.py")
    (repo / odd).write_text("x")
    (repo / "späte.py").write_text("x")
    assert listed(repo) == sorted([".gitignore", "train.py", "späte.py", odd])
    assert listed(repo / "out") is None


def test_without_a_repository_there_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No repository, no commit yet, no Git: the run goes on all the same."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert source(tmp_path)["commit"] is None
    assert listed(tmp_path) is None
    git(tmp_path, "init", "-q")
    assert source(tmp_path)["commit"] is None
    assert diff(tmp_path) == b""
    monkeypatch.setenv("PATH", os.devnull)
    assert source(tmp_path)["commit"] is None
    assert diff(tmp_path) == b""
    assert listed(tmp_path) is None

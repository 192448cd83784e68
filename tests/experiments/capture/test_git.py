"""The state of the repository: commit, branch, what is not committed, which files are its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from penstock.experiments.capture import git as module
from penstock.experiments.capture.git import commit_of, listed, source, state_of
from penstock.experiments.capture.secrets import Masker

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


def diff(folder: Path, masker: Masker | None = None, **how: int) -> bytes:
    return state_of(folder, masker, **how).diff


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
    """As a diff, staged or not."""
    (repo / "train.py").write_text("lr = 0.2\n")
    (repo / "new.py").write_text("x = 1\n")
    git(repo, "add", "new.py")
    assert source(repo)["dirty"] is True
    text = diff(repo).decode()
    assert "+lr = 0.2" in text
    assert "+x = 1" in text


def test_a_file_beside_the_folder_makes_neither_dirty_nor_a_diff(repo: Path) -> None:
    """The two agree: both are about the folder of the runs."""
    inner = repo / "inner"
    inner.mkdir()
    (inner / "späte.py").write_text("x = 1\n")
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "second")
    (repo / "train.py").write_text("beside = 1\n")
    assert state_of(inner).source["dirty"] is False
    assert state_of(inner).diff == b""
    (inner / "späte.py").write_text("x = 2\n")
    found = state_of(inner)
    assert found.source["dirty"] is True
    assert b"+x = 2" in found.diff
    assert b"beside" not in found.diff


def test_a_diff_shows_no_secrets(repo: Path) -> None:
    """Neither values that are known, nor what is assigned to a secret name, nor files of secrets."""
    (repo / "train.py").write_text('API_KEY = "abc"\nlr = "0.1"\nurl = "x hunter22"\nconf = {"password": "p"}\n')
    (repo / ".env").write_text("A=geheim\n")
    git(repo, "add", "-f", ".env")
    text = diff(repo, Masker(values=["hunter22"])).decode()
    assert '+API_KEY = "***"\n+lr = "0.1"\n+url = "x ***"\n+conf = {"password": "***"}' in text
    assert "geheim" not in text


@pytest.mark.parametrize(
    ("name", "line", "shown"),
    [
        ("conf.yaml", "password: hunter22x", "password: ***"),
        ("conf.yaml", "  db_password: two words # x", "  db_password: ***"),
        ("run.sh", "export API_KEY=abc123 LR=0.1", "export API_KEY=*** LR=0.1"),
        ("run.sh", "train --api-key=abc123", "train --api-key=***"),
        ("app.ini", "secret_key = a b", "secret_key = ***"),
        ("conf.yaml", "password:", "password:"),
        ("conf.yaml", "lr: 0.1", "lr: 0.1"),
        ("more.py", "token = line.split()", "token = line.split()"),
        ("more.py", "token = 'abc'", "token = '***'"),
    ],
)
def test_what_a_secret_name_is_given_is_masked_without_quotes_too(repo: Path, name: str, line: str, shown: str) -> None:
    """In all but program code, where a word without quotes is a name."""
    (repo / name).write_text(f"{line}\nafter\n")
    git(repo, "add", name)
    assert f"\n+{shown}\n+after\n" in diff(repo).decode()


def test_files_that_look_like_keys_are_named_and_not_shown(repo: Path) -> None:
    """By the same rule as everywhere."""
    for name in ("gcp-creds.json", "service_account.json", "id_rsa"):
        (repo / name).write_text("geheim\n")
    git(repo, "add", "-f", ".")
    found = state_of(repo)
    assert found.source["dirty"] is True
    assert b"geheim" not in found.diff
    assert b"[gcp-creds.json differs, and is left out" in found.diff


def test_a_git_that_fails_or_hangs_is_no_clean_tree(
    repo: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is ended after a while, and it is said what is missing."""
    (repo / "train.py").write_text("lr = 0.2\n")
    place = tmp_path_factory.mktemp("bin")
    real, false = shutil.which("git"), place / "git"
    monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(module, "_TIMEOUT_S", 0.5)
    for command, said in (("exit 3", "git diff failed with exit status 3"), ("exec sleep 60", "git diff took longer")):
        false.write_text(f'#!/bin/sh\n[ "$1" = diff ] && {command}\nexec {real} "$@"\n')
        false.chmod(0o755)
        found = state_of(repo)
        assert found.diff == b""
        assert found.not_told.startswith(said)
        assert found.source["dirty"] is True
        assert found.source["not_told"] == found.not_told


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

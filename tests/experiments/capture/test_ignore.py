"""Patterns as Git reads them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.experiments.capture.ignore import Patterns, walk

PATHS = [
    "a.py",
    "b.log",
    "x/a.py",
    "x/b.log",
    "x/y/a.py",
    "x/y/keep.log",
    "build/out.o",
    "x/build/out.o",
    "sp ace/[a].py",
    "x/y/z/1.txt",
]

LINES = st.sampled_from([
    "*.log", "!keep.log", "/build/", "build", "x/y", "x/*", "!x/y/", "**/z", "x/**", "**/y/*.py", "x/**/1.txt", "# no", "", "\\#a", "[ab].py",
    "[!a].py", "?.log", "*.py ", "/*", "!/x", "*", "!*/", "\\[a\\].py", "sp ace/", "y/", "/x/y/z", "[", "a[", "**", "x/**/y", "!b.log", "*.[!op]*",
])  # fmt: skip


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@settings(max_examples=60, deadline=None)
@given(top=st.lists(LINES, max_size=4), inner=st.lists(LINES, max_size=2))
@example(top=["*", "!*/", "!a.py"], inner=[])
@example(top=["*.log"], inner=["!b.log"])
@example(top=["x/*", "!x/y/"], inner=["/y/z"])
def test_git_leaves_the_same_files(top: list[str], inner: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever is written into the file at the top and the one of a folder."""
    root = tmp_path_factory.mktemp("repo")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    for path in PATHS:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x")
    (root / ".gitignore").write_text("\n".join(top) + "\n")
    (root / "x" / ".gitignore").write_text("\n".join(inner) + "\n")
    command = ["git", "-c", "core.excludesFile=", "ls-files", "-z", "--others", "--exclude-standard"]
    expected = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.split("\0")[:-1]
    assert sorted(walk(str(root), lambda path, name: name != ".git")) == sorted(expected)


def test_a_folder_takes_what_lies_in_it() -> None:
    """Globs of the declaration are about files, however deep."""
    patterns = Patterns(["data/", "*.csv"])
    assert patterns.match_below("data/a/b.py")
    assert patterns.match_below("x/y.csv")
    assert not patterns.match_below("x/y.py")
    assert not Patterns([])


def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    """A folder without permission, a link in a circle."""
    (tmp_path / "a.py").write_text("x")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / ".gitignore").mkdir()
    assert list(walk(str(tmp_path), lambda path, name: True)) == ["a.py", "loop"]
    assert list(walk(str(tmp_path / "gone"), lambda path, name: True)) == []

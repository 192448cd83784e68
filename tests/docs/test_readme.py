"""What the README shows is there, and its Python runs."""

from __future__ import annotations

import csv
import random
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from penstock.cli.app import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINES = re.findall(r"^penstock .*$", README, re.M)


@pytest.mark.parametrize("line", LINES)
def test_every_command_shown_is_a_command(line: str) -> None:
    """With options that it has; nothing is run."""
    command: click.Command = app
    words = shlex.split(line, comments=True)[1:]
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None, line
        command = found
    command.make_context(line, words)


def test_every_make_target_shown_is_there() -> None:
    """In the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / page).read_text(encoding="utf-8"), re.M):
            assert re.search(rf"^{target}:", makefile, re.M), target


def test_every_picture_is_there_and_small() -> None:
    """Under 300 KB each, with a text for those who do not see it."""
    pictures = re.findall(r'<img src="([^"]+)" .*alt="([^"]+)"', README)
    assert len(pictures) == 2
    for path, text in pictures:
        assert (ROOT / path).stat().st_size < 300_000
        assert text


def test_the_python_in_the_readme_runs(tmp_path: Path) -> None:
    """On a table such as it speaks of, with a smaller budget."""
    (snippet,) = re.findall(r"```python\n(.*?)```", README, re.S)
    drawn = random.Random(3)
    with (tmp_path / "customers.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["tenure", "contract", "Churn"])
        for _ in range(500):
            tenure, contract = drawn.randint(0, 72), drawn.choice(["monthly", "yearly"])
            leaves = drawn.random() < (0.8 if contract == "monthly" else 0.1) * (1 - tenure / 100)
            writer.writerow([tenure, contract, "Yes" if leaves else "No"])
    text = snippet.replace('budget="60s"', 'budget="2 trials"')
    assert text != snippet
    done = subprocess.run(
        [sys.executable, "-c", text + "\nprint(answers[0]['decision'])"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "answer"

"""Scripts of a test's own: found, given words, run, and what they printed."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from penstock.experiments.capture.target import Target, parse_target
from penstock.experiments.flags import Command, FlagSet, command, detect
from penstock.experiments.flags.command import INSIDE


@dataclass(frozen=True)
class Script:
    """A script in a folder, with its flags."""

    folder: Path
    target: Target
    flags: FlagSet

    def assigned(self, *words: str) -> dict[str, Any]:
        return self.flags.assign(words)

    def made(self, *words: str) -> Command:
        assigned = self.flags.assign(words)
        return command(
            self.target, self.flags, self.flags.values(assigned), python=sys.executable, cwd=self.folder, given=assigned
        )

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """As a run does, without one around it."""
        made = self.made(*words)
        path = {"PYTHONPATH": str(INSIDE / "first"), "PYTHONIOENCODING": "utf-8"}
        return subprocess.run(
            made.argv,
            env={**os.environ, **path, **made.env, **env},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def says(self, *words: str) -> str:
        """What it prints."""
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., Script]:
    """A script from its source: ``script("LR = 0.1")``; `files` are further ones, by path."""

    def make(
        source: str,
        *,
        name: str = "train.py",
        module: str | None = None,
        section: Any = None,
        files: dict[str, str] | None = None,
    ) -> Script:
        for own, text in {name: source, **(files or {})}.items():
            path = tmp_path / own
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        words = [] if module else [name]
        target, _ = parse_target(words, module=module, cwd=tmp_path, root=tmp_path)
        return Script(tmp_path, target, detect(target, cwd=tmp_path, section=section))

    return make

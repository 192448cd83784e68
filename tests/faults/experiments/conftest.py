"""`penstock run` as a process of its own, in a folder of scripts."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from penstock.ledger.record import RunRecord
from penstock.project.workspace import Workspace


@dataclass
class Shop:
    """A folder of scripts, and the command line in it."""

    root: Path

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.write_text(text, encoding="utf-8")
        return path

    def start(self, *words: str, before: str = "", **how: Any) -> subprocess.Popen[bytes]:
        """`penstock run WORDS -y`; `before` is Python that runs first."""
        code = f"{before}\nimport sys\nfrom penstock.cli.app import run\nsys.exit(run(['run', *sys.argv[1:], '-y']))"
        how.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(
            [sys.executable, "-c", code, *words], cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how
        )

    def run(self, *words: str, timeout: float = 120, **how: Any) -> tuple[int, bytes, bytes]:
        """The same to its end: exit code, stdout, stderr."""
        process = self.start(*words, **how)
        out, err = process.communicate(timeout=timeout)
        return process.returncode, out, err

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.root)

    def records(self) -> list[RunRecord]:
        with self.workspace.ledger as ledger:
            return ledger.runs()

    def everything(self) -> bytes:
        """Every byte below `.penstock`, as one text."""
        return b"\n".join(p.read_bytes() for p in sorted((self.root / ".penstock").rglob("*")) if p.is_file())


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    root = tmp_path / "shop"
    root.mkdir()
    return Shop(root)

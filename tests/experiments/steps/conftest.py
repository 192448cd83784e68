"""Folders with steps that run for real."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.experiments.steps.execute import run_steps
from penstock.experiments.steps.results import StepsResult
from penstock.project.workspace import Workspace

CHAIN = """
[[step]]
name = "prepare"
run = "tr a-z A-Z < raw.txt > clean.txt"
inputs = ["raw.txt"]
outputs = ["clean.txt"]

[[step]]
name = "train"
run = "python train.py --out model/weights.txt"
inputs = ["clean.txt"]
outputs = ["model"]
params = { rate = 1 }

[[step]]
name = "report"
run = "cat clean.txt model/weights.txt > report.txt"
inputs = ["clean.txt", "model"]
outputs = ["report.txt"]
"""

TRAIN = """
import argparse, pathlib
import helper
parser = argparse.ArgumentParser()
parser.add_argument("--out")
parser.add_argument("--rate", type=int)
args = parser.parse_args()
out = pathlib.Path(args.out)
out.parent.mkdir(exist_ok=True)
out.write_text(f"{min(args.rate, helper.LIMIT)} {len(pathlib.Path('clean.txt').read_text())}")
print(f"loss: {1 / args.rate}")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """prepare -> train -> report, where train imports a module of the folder."""
    (tmp_path / "penstock.toml").write_text(CHAIN, encoding="utf-8")
    (tmp_path / "train.py").write_text(TRAIN, encoding="utf-8")
    (tmp_path / "helper.py").write_text("LIMIT = 5\n", encoding="utf-8")
    (tmp_path / "raw.txt").write_text("hello\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def declare(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a declaration into the test's folder."""

    def write(text: str) -> Path:
        (tmp_path / "penstock.toml").write_text(text, encoding="utf-8")
        return tmp_path

    return write


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., StepsResult]:
    """Runs the steps of the test's folder: ``run(workers=1)``."""

    def run_here(**options: Any) -> StepsResult:
        return run_steps(Workspace(tmp_path), echo=False, **options)

    return run_here


@pytest.fixture
def edit(tmp_path: Path) -> Callable[[str, str], None]:
    """Replaces a text in the declaration."""

    def replace(old: str, new: str) -> None:
        file = tmp_path / "penstock.toml"
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")

    return replace

"""The plug-in on docs/architecture.md keeps the contract, and a recipe finds it by its name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"<!-- (\S+) -->\n```\w+\n(.*?)```", PAGE, re.S))
USE = """
from penstock.bundle.kinds import Kind
from penstock.bundle.specs import ColumnSpec
from penstock.features.recipe import Recipe

Recipe.parse('outputs = ["clip(age, share=0.05)"]').check([ColumnSpec("age", Kind.NUMERIC)])
"""


@pytest.fixture
def plug_in(tmp_path: Path) -> Path:
    """The files of the page, as an installer leaves them: modules, and the entry points beside."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    project = tomllib.loads(FILES["pyproject.toml"])["project"]
    info = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n", encoding="utf-8")
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {place}\n" for name, place in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups), encoding="utf-8")
    return tmp_path


def in_python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter in a folder that holds modules."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_step_on_the_page_keeps_the_contract(plug_in: Path) -> None:
    """Its own test passes."""
    done = in_python(plug_in, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_clip.py")
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout


def test_a_recipe_may_name_the_step_on_the_page(plug_in: Path) -> None:
    """Found by its entry point."""
    done = in_python(plug_in, "-c", USE)
    assert done.returncode == 0, done.stderr


def test_the_files_of_the_page_can_be_installed(plug_in: Path) -> None:
    """`pip install .` asks the builder, which refuses a folder of several modules that says nothing of them."""
    pytest.importorskip("setuptools")
    made = "from setuptools import build_meta; print(build_meta.prepare_metadata_for_build_wheel('.'))"
    done = in_python(plug_in, "-c", made)
    assert done.returncode == 0, done.stderr
    assert (plug_in / done.stdout.split()[-1] / "entry_points.txt").is_file()


HOUSE, _, SCRIPTS = PAGE.partition("## A script as a run")
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]


def test_the_house_on_the_page_is_the_house() -> None:
    """Every folder of the package is in the table, in the order that the linter checks."""
    told = re.findall(r"^\| `(\w+)/` \|", HOUSE, re.M)
    there = {p.name for p in (ROOT / "src/penstock").iterdir() if p.is_dir() and any(p.glob("*.py"))}
    assert set(told) == there
    order = [layer.removeprefix("penstock.") for layer in CONTRACTS[0]["layers"]]
    assert [name for name in told if name in order] == [name for name in order if name in told]


def test_the_folders_of_experiments_on_the_page_are_those_of_the_linter() -> None:
    """Line by line; the one file beside them is below them all."""
    told = [
        set(re.findall(r"`(\w+)/`", line.split("|")[1]))
        for line in SCRIPTS.splitlines()
        if line.startswith("| `") and "/`" in line.split("|")[1]
    ]
    contract = next(one for one in CONTRACTS if one.get("containers") == ["penstock.experiments"])
    layers = [set(layer.split(" | ")) for layer in contract["layers"]]
    assert told[: len(layers) - 1] == layers[:-1]
    assert layers[-1] == {"sheets"}

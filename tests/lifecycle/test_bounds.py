"""Tables larger than the memory that is spent on them, measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.data.versions import draw, load_version
from penstock.project.project import Project

Cli = Callable[..., Any]
TEXT_BYTES, SMALL_ROWS, LARGE_ROWS = 8000, 3000, 9000

MEASURED = """
import json, sys
from pathlib import Path
import duckdb, onnxruntime, pyarrow.compute, pyarrow.csv, pyarrow.parquet
from penstock.data import source
from penstock.data.contract.check import check_source
from penstock.lifecycle.contract import file_as_declared, may_show, parsed, read_contract
from penstock.lifecycle.features import apply, fit
from penstock.lifecycle.stages import Context
from penstock.project.project import Project
from penstock.data.sources import file
from penstock.objects import duck
MB = 1 << 20  # bounds are a fraction of the usual ones, as the table is
source.BATCH_BYTES, file.READ_BYTES, duck.MAX_VALUE_BYTES, duck.BUFFER_BYTES = 2 * MB, 2 * MB, 2 * MB, 4 * MB
project, recipe = Project(Path(".")), Path("short.toml")
peak = lambda: int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024
fit(project, recipe)
text = read_contract(project)
def take(table):
    if sys.argv[1] == "apply":
        return apply(project, table, Path("features.parquet"), recipe).rows
    return check_source(parsed(project, text), file_as_declared(project, table), may_show(Context(project), project)).rows
take(Path("../small.csv"))
before = peak()
print(json.dumps({"rows": take(Path("../large.csv")), "grown": peak() - before}))
"""


@pytest.fixture(scope="module")
def words() -> str:
    """Some text to cut pieces from."""
    dice = np.random.default_rng(0)
    known = ["".join(chr(97 + c) for c in dice.integers(0, 26, dice.integers(3, 9))) for _ in range(400)]
    return " ".join(dice.choice(np.array(known), 60_000).tolist())


def write(path: Path, rows: int, words: str, size: int) -> None:
    dice = np.random.default_rng(rows)
    with path.open("w") as file:
        file.write("x,note,y\n")
        for i, begin in enumerate(dice.integers(0, len(words) - size, rows).tolist()):
            file.write(f"{i % 97}.5,{words[begin : begin + size]},{'yes' if i % 3 else 'no'}\n")


@pytest.mark.slow
@pytest.mark.parametrize("what", ["apply", "check"])
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process alone is told there only")
def test_a_table_is_held_against_contract_and_recipe_a_batch_at_a_time(
    penstock: Cli, tmp_path: Path, words: str, what: str
) -> None:
    """48 MB more of texts need not a third of that: rows are there a batch at a time, however many the table has."""
    write(tmp_path / "notes.csv", 400, words, 200)
    assert penstock(tmp_path, "new", "shop", "--data", "notes.csv", "--target", "y").code == 0
    (tmp_path / "shop/short.toml").write_text('outputs = ["x", "text_length(note)"]\n')
    write(tmp_path / "small.csv", SMALL_ROWS, words, TEXT_BYTES)
    write(tmp_path / "large.csv", LARGE_ROWS, words, TEXT_BYTES)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, what], cwd=tmp_path / "shop", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["rows"] == LARGE_ROWS
    assert found["grown"] < (LARGE_ROWS - SMALL_ROWS) * TEXT_BYTES / 3


def test_quality_looks_at_as_many_rows_as_fit_and_counts_among_all(
    penstock: Cli, project_at: Any, set_line: Any
) -> None:
    """Classes and repetitions are those of all rows; rows are named as the part has them; it is told."""
    folder = project_at("new")
    whole = penstock(folder, "data", "quality").body
    assert whole["warnings"] == []
    set_line(folder, "search", "max_rows = 256")
    some = penstock(folder, "data", "quality").body
    train = some["rows"]["train"]
    assert some["warnings"][0].startswith(f"256 of {train} training rows were used")

    def of(body: Any, *checks: str) -> list[Any]:
        told = [f for f in body["findings"] if f["id"] in checks]
        return [(f["id"], f["about"], f["value"]) for f in told]

    counted = ("duplicate-rows", "split-duplicates", "label-conflicts", "class-imbalance", "rare-classes")
    assert of(some, *counted) == of(whole, *counted)
    assert {f["id"] for f in some["findings"]} == {f["id"] for f in whole["findings"]}
    project = Project(folder)
    drawn = set(draw(train, 256).tolist())
    named = [row for f in some["findings"] for row in f["rows"]]
    assert set(named) <= drawn
    assert load_version(project.objects, some["dataset"]).rows["train"] == train
    fitted = penstock(folder, "recipe", "fit").body
    assert fitted["rows"] == 256
    assert f"256 of {train} training rows were used" in " ".join(fitted["warnings"])

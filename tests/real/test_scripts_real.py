"""Four scripts as people write them, untouched, on public data: flags, metrics, files, and the same again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

DATA = Path(os.environ.get("PENSTOCK_DATA", Path(__file__).parents[3] / "shared" / "data"))
SCRIPTS = Path(__file__).parent / "scripts"
Cli = Callable[..., Any]

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real data sets are not here: set PENSTOCK_DATA to their folder"),
]


@dataclass(frozen=True)
class Case:
    """One script. `flag`: of the data file; `given`: other flags; `metric` must lie within `bounds`; `writes`: a file of it."""

    script: str
    data: str
    flag: str
    given: dict[str, Any]
    default: tuple[str, Any]
    metric: str
    bounds: tuple[float, float]
    series: int
    writes: str | None = None


CASES = [
    Case(
        "train_bank.py", "bank_marketing/bank-additional-full.csv.gz", "data", {"lr": 0.02, "epochs": 3},
        ("alpha", 1e-4), "roc_auc", (0.65, 0.9), 3, "outputs/coefficients.json",
    ),
    Case(
        "boost_housing.py", "california_housing/housing.csv.gz", "DATA", {"LEARNING_RATE": 0.3, "ROUNDS": 40},
        ("NUM_LEAVES", 31), "rmse", (40_000, 60_000), 3, "models/housing.txt",
    ),
    Case(
        "train_net.py", "elec2/elec.csv.gz", "data", {"lr": 0.02, "epochs": 3},
        ("hidden", 16), "accuracy", (0.6, 0.9), 3, "net.pt",
    ),
    Case(
        "explore_titanic.ipynb", "titanic/titanic.csv", "data", {"min_age": 10},
        ("smoothing", 1.0), "accuracy", (0.7, 0.9), 1, "explore_titanic.ipynb",
    ),
]  # fmt: skip
KEPT = '[run]\noutputs = ["outputs/**", "models/*.txt", "*.pt"]\n'


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.script)
def test_an_untouched_script_is_captured_and_gives_the_same_again(penstock: Cli, tmp_path: Path, case: Case) -> None:
    """Flags with their defaults, the metric, its curve, the data file by digest, what it wrote; then all of it once more."""
    if case.script == "train_net.py":
        pytest.importorskip("torch", reason="PyTorch is not installed")
        pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    folder = tmp_path / "work"
    folder.mkdir()
    shutil.copy(SCRIPTS / case.script, folder)
    data = shutil.copy(DATA / case.data, folder)
    (folder / "penstock.toml").write_text(KEPT, encoding="utf-8")
    words = [f"{name}={value}" for name, value in {case.flag: Path(data).name, **case.given}.items()]
    done = penstock(folder, "run", "-y", case.script, *words)
    assert done.code == 0, done.err
    assert (SCRIPTS / case.script).read_bytes() == (folder / case.script).read_bytes()
    run = done.body["id"]
    record = penstock(folder, "show", run).body
    assert record["params"] == {**record["params"], **case.given, case.default[0]: case.default[1]}
    assert case.bounds[0] < record["metrics"][case.metric]["value"] < case.bounds[1]
    assert len(record["outputs"]["series"]) >= case.series
    assert Path(data).name in record["inputs"]["files"]
    if case.writes:
        assert case.writes in {file["path"] for file in penstock(folder, "ls", run).body["files"]}
    again = penstock(folder, "reproduce", run)
    assert again.code == 0, again
    assert again.body["verdict"] in ("identical", "within tolerance")


def test_a_batch_finds_the_better_learning_rate(penstock: Cli, tmp_path: Path) -> None:
    """Over a list, and the comparison puts the best first."""
    shutil.copy(SCRIPTS / "train_bank.py", tmp_path)
    data = DATA / CASES[0].data
    done = penstock(
        tmp_path, "run", "-y", "train_bank.py", f"data={data}", "epochs=2", "lr=[0.01,30]", "--minimize", "val_loss"
    )
    assert done.code == 0, done.err
    assert done.body["best"]["point"] == {"lr": 0.01}
    assert len(done.body["trials"]) == 2

"""Runs that are done again from their records: what is brought back, what is compared, and what is said of a difference."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import FlagError, ProjectError
from penstock.experiments.keeping.archive import export_runs, import_runs
from penstock.experiments.reproducing.reproduce import reproduce_script
from penstock.experiments.reproducing.verdict import ScriptReproduction
from penstock.experiments.running.options import RunOptions
from penstock.ledger.record import RunRecord
from penstock.lifecycle.script import run_script
from penstock.project.workspace import Workspace

QUIET = RunOptions(echo=False, interactive=False)

TRAIN = """
import argparse, os, random, time
from pathlib import Path
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--data", default="data/rows.csv")
parser.add_argument("--api-key", default="")
args = parser.parse_args()
random.seed(args.seed)
rows = Path(args.data).read_text().split()
for epoch in range(4):
    print(f"epoch: {epoch} loss: {args.lr * len(rows) / (epoch + 1) + random.random():.9f} epoch_time: {time.perf_counter()}")
Path(os.environ["PENSTOCK_OUTPUT"], "model.txt").write_text(f"{args.lr} {len(rows)}")
"""


class Place:
    """A workspace, with scripts and data that are older than any run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True)

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.root)

    def write(self, name: str, text: str | bytes) -> Path:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        os.utime(file, (time.time() - 60,) * 2)
        return file

    def run(self, *words: str, **how: Any) -> RunRecord:
        cwd = how.pop("cwd", self.root)
        options = how.pop("options", QUIET)
        return self.workspace.ledger.get(run_script(*words, cwd=cwd, options=options, **how).id)

    def again(self, record: RunRecord, **how: Any) -> ScriptReproduction:
        return reproduce_script(self.workspace, record, **{"options": QUIET, **how})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    place = Place(tmp_path / "home" / "shop")
    place.write("train.py", TRAIN)
    place.write("data/rows.csv", "1 2 3 4 5\n")
    return place


def kinds(found: ScriptReproduction) -> dict[str, str]:
    return {difference.what: difference.kind for difference in found.differences}


def test_a_run_with_a_seed_is_identical(place: Place, tmp_path: Path) -> None:
    """Although its folder has changed since, and without touching it."""
    record = place.run("train.py", "lr=0.5", "seed=3")
    place.write("train.py", "raise SystemExit('another file')\n")
    place.write("data/rows.csv", "other\n")
    before = {p: p.read_bytes() for p in place.root.rglob("*") if p.is_file() and ".penstock" not in p.parts}
    found = place.again(record, into=tmp_path / "clean")
    assert (found.verdict, found.exit_code, found.differences) == ("identical", 0, [])
    assert found.compared == 3, "the end, the loss, the file"
    assert [line["what"] for line in found.not_compared] == ["epoch_time"]
    assert {p: p.read_bytes() for p in before} == before
    again = place.workspace.ledger.get(found.again)
    assert (again.operation, again.params, again.tags) == (record.operation, record.params, {"reproduces": record.id})
    assert again.inputs["reproduces"] == record.id
    assert again.inputs["files"] == record.inputs["files"]
    assert again.outputs["reproduction"]["verdict"] == "identical"
    assert (tmp_path / "clean" / "shop" / "train.py").read_text() == TRAIN
    assert "identical; 3 results compared" in found.to_text()


def test_a_run_without_a_seed_differs_and_the_seed_is_named(place: Place) -> None:
    """Where data, code, packages and machine are the same, it is the likely cause."""
    place.write("dice.py", "import random\nprint('loss:', random.random())\n")
    found = place.again(place.run("dice.py"))
    assert (found.verdict, found.exit_code, kinds(found)) == ("different", 1, {"loss": "metric"})
    assert "none is set in dice.py" in found.differences[0].cause
    assert "loss: was 0." in found.to_text()


def test_a_seed_that_does_not_reach_all_is_told_apart(place: Place) -> None:
    """There is one, but the order of a set is not its matter."""
    place.write(
        "train.py",
        TRAIN.replace(
            "random.seed(args.seed)",
            "random.seed(args.seed); random.random = __import__('secrets').SystemRandom().random",
        ),
    )
    found = place.again(place.run("train.py"))
    assert "that the seed in train.py does not reach" in found.differences[0].cause


def test_points_of_a_series_are_compared(place: Place) -> None:
    """The last value alone may agree by chance."""
    place.write(
        "curve.py",
        "import os\nfirst = not os.path.exists('marker.bin')\nopen('marker.bin', 'a').close()\n"
        "for step in range(5):\n    print(f'step: {step} loss: {1.0 if step != 2 or first else 1.5} acc: 1')\n",
    )
    place.run("curve.py")
    record = place.run("curve.py")
    assert record.metrics["loss"]["value"] == 1.0
    found = place.again(record)
    assert kinds(found) == {"loss at step 2": "series"}
    assert (found.differences[0].was, found.differences[0].now) == (1.5, 1.0)


def test_rounding_is_within_the_tolerance(place: Place) -> None:
    """Numbers that differ in their last bits, and files that hold them."""
    place.write(
        "train.py",
        "import os, time\nnoise = (time.time_ns() % 1000 + 1) * 1e-12\nprint(f'loss: {0.5 + noise!r}')\n"
        "open(os.path.join(os.environ['PENSTOCK_OUTPUT'], 'w.txt'), 'w').write(repr(noise))\n",
    )
    record = place.run("train.py")
    found = place.again(record)
    assert (found.verdict, found.exit_code) == ("within tolerance", 0)
    assert kinds(found) == {"loss": "rounding", "w.txt": "file"}
    assert place.again(record, tolerance=0.0).verdict == "different"


def test_a_file_that_holds_the_time_does_not_fail_a_run_with_equal_numbers(place: Place) -> None:
    """A run without any number has nothing else to go by."""
    code = "import os, time\n{}open(os.path.join(os.environ['PENSTOCK_OUTPUT'], 'm.bin'), 'w').write(str(time.time_ns()))\n"
    place.write("train.py", code.format("print('loss: 1')\n"))
    found = place.again(place.run("train.py"))
    assert found.verdict == "within tolerance"
    assert "every number is the same" in found.differences[0].cause
    place.write("mute.py", code.format(""))
    assert place.again(place.run("mute.py")).verdict == "different"


def test_inputs_that_were_too_large_come_from_where_they_were(place: Place) -> None:
    """And where they have changed, that is the cause."""
    place.write("penstock.toml", "[run]\nkeep_inputs_bytes = 4\n")
    record = place.run("train.py")
    assert "inputs" not in record.artifacts
    assert place.again(record).verdict == "identical"
    place.write("data/rows.csv", "1 2\n")
    found = place.again(record)
    assert found.verdict == "different"
    assert found.not_restored == [{"path": "data/rows.csv", "why": "it has changed since, and no copy was kept"}]
    assert all(d.cause.startswith("data: data/rows.csv") for d in found.differences)
    (place.root / "data" / "rows.csv").unlink()
    found = place.again(record)
    assert kinds(found)["the end"] == "exit"
    assert found.differences[0].cause.startswith(
        "data: data/rows.csv could not be restored; it failed: FileNotFoundError"
    )
    for told in (found.to_text(), found.to_markdown()):
        assert told.count("FileNotFoundError") == 1
        assert "different as a consequence: " in told
    assert "not restored: data/rows.csv" in found.to_text()


def test_files_beside_the_folder_come_back_beside_it(place: Place, tmp_path: Path) -> None:
    """Run from a folder within, with data above."""
    place.write("../shared/rows.csv", "1 2 3\n")
    place.write("jobs/train.py", TRAIN)
    place.workspace.ledger.close()
    record = place.run("train.py", "data=../../shared/rows.csv", cwd=place.root / "jobs")
    assert list(record.inputs["files"]) == ["../shared/rows.csv"]
    shutil.rmtree(place.root.parent / "shared")
    assert place.again(record, into=tmp_path / "clean").verdict == "identical"
    assert (tmp_path / "clean" / "home" / "shared" / "rows.csv").exists()


def test_a_file_with_an_absolute_path_is_checked_only(place: Place, tmp_path: Path) -> None:
    """Nothing is written outside of the clean folder."""
    far = Place(tmp_path / "far").write("rows.csv", "1 2\n")
    record = place.run("train.py", f"data={far}")
    assert place.again(record).verdict == "identical"
    far.write_text("1 2 3\n")
    found = place.again(record)
    assert found.verdict == "different"
    assert found.differences[0].cause.startswith("data: ")
    assert far.read_text() == "1 2 3\n"


def test_secret_flags_must_be_given_again(place: Place) -> None:
    """And only these."""
    record = place.run("train.py", "api_key=geheim99")
    assert record.params["api_key"] == "***"
    with pytest.raises(FlagError, match="must be given again"):
        place.again(record)
    with pytest.raises(FlagError, match="'lr' is as it was recorded"):
        place.again(record, given={"lr": "0.2"})
    assert place.again(record, given={"api_key": "geheim99"}).verdict == "identical"


def test_a_run_that_failed_fails_again(place: Place) -> None:
    """In the same way: that can be reproduced too."""
    place.write("bad.py", "print('loss: 1')\nraise SystemExit(3)\n")
    record = place.run("bad.py")
    assert record.status == "failed"
    assert place.again(record).verdict == "identical"


def test_a_package_that_is_missing_is_named(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the cause of the end."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "helper_lib.py").write_text("x = 1\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib"))
    place.write("needs.py", "import helper_lib\nprint('loss: 1')\n")
    record = place.run("needs.py")
    monkeypatch.delenv("PYTHONPATH")
    found = place.again(record)
    assert found.verdict == "different"
    assert kinds(found)["the end"] == "exit"
    assert found.differences[0].cause == "package versions: 'helper_lib' is not installed here"


def test_commands_and_modules_are_done_again(place: Place) -> None:
    """Every kind of target has what it needs in its record."""
    place.write("job.sh", '#!/bin/sh\necho "loss: 0.$2"\nwc -c < train.py > $PENSTOCK_OUTPUT/size\n').chmod(0o755)
    place.write("pkg/__init__.py", "")
    place.write("pkg/train.py", "LR = 0.1\nprint('loss:', LR)\n")
    shell = place.run("lr=5", command=["./job.sh"])
    assert shell.metrics["loss"]["value"] == 0.5, shell
    assert place.again(shell).verdict == "identical"
    module = place.run("LR=0.25", module="pkg.train")
    assert module.metrics["loss"]["value"] == 0.25
    assert place.again(module).verdict == "identical"


def test_what_cannot_be_done_again_is_refused(place: Place, tmp_path: Path) -> None:
    """Before anything runs."""
    record = place.run("train.py")
    with place.workspace.ledger.run("ingest") as other:
        pass
    with pytest.raises(ProjectError, match="not the run of a script"):
        place.again(place.workspace.ledger.get(other.id))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    with pytest.raises(ProjectError, match="is not an empty folder"):
        place.again(record, into=tmp_path / "full")
    with pytest.raises(ProjectError, match="no environment 'new'"):
        place.again(record, env="new")
    assert len(place.workspace.ledger.runs("train.py")) == 1


def test_another_machine_reproduces_an_archive(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing but the archive: the folder that it came from is gone."""
    record = place.run("train.py", "lr=0.7")
    export_runs(place.workspace, [record.id], tmp_path / "run.zip")
    place.workspace.ledger.close()
    shutil.rmtree(place.root)
    other = Place(tmp_path / "other")
    import_runs(other.workspace, tmp_path / "run.zip")
    found = other.again(other.workspace.ledger.get(record.id))
    assert found.verdict == "identical"


def test_the_summary_is_markdown(place: Place) -> None:
    """For a pull request: the verdict first, then the numbers, then the causes."""
    place.write("dice.py", "import random\nprint('loss:', random.random())\n")
    good, bad = place.again(place.run("train.py")), place.again(place.run("dice.py"))
    assert good.to_markdown().startswith("## ✅ `train.py` is reproducible: identical")
    text = bad.to_markdown()
    assert text.startswith("## ❌ `dice.py` is not reproducible: different")
    assert "| loss | 0." in text
    assert "**differs**" in text
    assert "none is set in dice.py" in text
    assert bad.to_json()["differences"][0].keys() == {"stage", "kind", "what", "was", "is", "cause"}


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Makes a package that pip finds without a network: ``wheels(name, version)``."""
    import zipfile

    index = tmp_path / "wheels"
    index.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))

    def make(name: str, version: str) -> Path:
        path = index / f"{name}-{version}-py3-none-any.whl"
        info = f"{name}-{version}.dist-info"
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr(f"{name}.py", f"VERSION = {version!r}\n")
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
            wheel.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
        return path

    return make


def test_a_fresh_environment_has_the_recorded_packages(
    place: Place, tmp_path: Path, wheels: Callable[[str, str], Path]
) -> None:
    """And says which of them cannot be had; what changes is the cause."""
    import subprocess
    import sys

    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    python = str(tmp_path / "env" / "bin" / "python")
    for wheel in (wheels("toolkit", "1.5"), wheels("extra_kit", "2.0")):
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", str(wheel)], check=True)
    place.write("train.py", "import toolkit\nprint('loss:', toolkit.VERSION)\n")
    (tmp_path / "wheels" / "extra_kit-2.0-py3-none-any.whl").unlink()
    record = place.run("train.py", options=RunOptions(echo=False, interactive=False, python=python))
    lock = place.workspace.ledger.artifact(record, "packages").decode()
    assert "toolkit" in lock, lock
    shutil.rmtree(tmp_path / "env")
    found = place.again(record, env="fresh")
    assert found.verdict == "identical", found.to_text()
    assert any("extra-kit" in line["package"] for line in found.not_installed), found.not_installed
    assert any(line.startswith("package versions: extra-kit 2.0 -> not installed") for line in found.around), (
        found.around
    )


WITHOUT_DEFAULTS = {
    "argparse": """
import argparse
p = argparse.ArgumentParser()
p.add_argument("--seed", type=int)
p.add_argument("--layers", type=int, nargs="+")
p.add_argument("--names", action="append")
p.add_argument("--fast", action=argparse.BooleanOptionalAction)
p.add_argument("--rate", choices=["a", "b"])
p.add_argument("--depth", type=int, default=0.5)
p.add_argument("place", nargs="?")
print(sorted(vars(p.parse_args()).items()))
""",
    "click": """
import click
@click.command()
@click.option("--seed", type=int)
@click.option("--layers", type=float, nargs=2)
@click.option("--fast/--slow", default=None)
@click.option("--rate", type=click.Choice(["a", "b"]))
def main(**given):
    print(sorted(given.items()))
main()
""",
    "typer": """
from typing import List, Optional
import typer
def main(seed: Optional[int] = None, fast: Optional[bool] = None, layers: Optional[List[int]] = None):
    print([seed, fast, layers])
typer.run(main)
""",
    "constants": "seed = None\nLAYERS = (1, 2)\nprint(seed, LAYERS)\n",
}


@pytest.mark.parametrize("kind", WITHOUT_DEFAULTS)
def test_flags_without_a_default_are_left_out_again(place: Place, kind: str) -> None:
    """What was not given is not given: none is no value that a word could say."""
    place.write("bare.py", WITHOUT_DEFAULTS[kind])
    for words in ((), ("seed=7",), ("seed=none",)):
        record = place.run("bare.py", *words)
        assert record.status == "done", record.error
        assert record.params["seed"] == (7 if words == ("seed=7",) else None)
        found = place.again(record)
        printed = [
            place.workspace.ledger.artifact(place.workspace.ledger.get(r), "console") for r in (found.run, found.again)
        ]
        assert (found.verdict, printed[0]) == ("identical", printed[1])
        assert place.workspace.ledger.get(found.again).params == record.params


def test_trials_and_queued_runs_without_a_default_are_done_again(place: Place) -> None:
    from penstock.experiments.batches.queue_run import run_queue
    from penstock.lifecycle.script import prepare

    place.write("bare.py", WITHOUT_DEFAULTS["argparse"])
    batch: Any = prepare(["bare.py", "seed=[none,3]"], cwd=place.root).run_batch(QUIET)
    queued = prepare(["bare.py", "rate=a"], cwd=place.root).queue(QUIET)
    run_queue(place.workspace)
    records = [place.workspace.ledger.get(run) for run in (*(t.run for t in batch.trials), queued.id)]
    assert [(r.status, r.params["seed"], r.params["rate"]) for r in records] == [
        ("done", None, None), ("done", 3, None), ("done", None, "a"),
    ]  # fmt: skip
    for record in records:
        assert place.again(record).verdict == "identical"


def test_one_result_is_counted_as_one() -> None:
    """A script that only prints has one."""
    from penstock.experiments.reproducing.verdict import ScriptReproduction

    def told(compared: int) -> ScriptReproduction:
        return ScriptReproduction(
            run="a", again="b", operation="t.py", verdict="identical", differences=[], compared=compared, env="same"
        )

    assert "identical; 1 result compared" in told(1).to_text()
    assert " 1 result was compared." in told(1).to_markdown()
    assert " 2 results were compared." in told(2).to_markdown()

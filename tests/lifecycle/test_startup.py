"""What may be loaded where there is little to do: half a second for a pipeline with nothing to do, 0.15 s for a script that does nothing.

Times belong to the machine, and a test of them fails on a busy one. What is loaded is the same everywhere, and is nearly all of the time.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from penstock.lifecycle.new import new_project

HEAVY = (
    "numpy",
    "pyarrow",
    "duckdb",
    "onnxruntime",
    "onnx",
    "scipy",
    "sklearn",
    "lightgbm",
    "optuna",
    "rich",
    "pydantic",
)
SLOW = (
    "asyncio",
    "concurrent.futures",
    "email",
    "glob",
    "http",
    "importlib.metadata",
    "logging",
    "multiprocessing",
    "shutil",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "traceback",
    "unittest",
)
"""Parts of Python that a run of a script can do without, each of some milliseconds with what it brings along."""
COLD = (
    "penstock.data",
    "penstock.experiments.batches.space",
    "penstock.experiments.flags.parsers",
    "penstock.experiments.flags.things",
    "penstock.experiments.looking",
    "penstock.experiments.metrics.events",
    "penstock.experiments.metrics.lines",
    "penstock.experiments.steps",
    "penstock.ledger.audit",
    "penstock.ledger.items",
    "penstock.ledger.reading",
    "penstock.objects.cutting",
    "penstock.objects.tree.threads",
    "penstock.parts",
    "penstock.project.project",
)
"""Our own, that a script without parsers and printed lines has no need of."""
LATER = (
    "penstock.experiments.capture.environment",
    "penstock.experiments.capture.files",
    "penstock.experiments.running.collect",
    "penstock.experiments.running.recover",
    "penstock.experiments.running.watching",
    "penstock.objects.tree.manifest",
    "penstock.objects.tree.reading",
    "penstock.objects.tree.writing",
)
"""What is needed only when the script runs: it is loaded beside it."""
MOST_BEFORE, MOST_IN_ALL = 86, 106
"""Modules of Penstock: until the script starts, and when it has ended."""
RUN = """
import json, sys
import penstock.cli
from penstock.cli.app import run

def noticed(event, arguments, told=[]):
    if event == "os.posix_spawn":
        told.append(event)
    if event == "marshal.dumps" and told and "before" not in seen:
        seen["before"] = sorted(sys.modules)

seen = {}
sys.addaudithook(noticed)
assert run(["run", "--yes", "empty.py"]) == 0
print(json.dumps({**seen, "in all": sorted(sys.modules)}))
"""
LOADED = "import sys; print([m for m in sys.argv[1].split(',') if m in sys.modules])"


def test_a_run_with_nothing_to_do_loads_no_numerical_library(penstock, project_at):
    """The pipeline follows what is known by its records alone."""
    project = project_at("run")
    program = (
        "import sys, contextlib, io\n"
        "from penstock.cli.app import run\n"
        "with contextlib.redirect_stdout(io.StringIO()) as out:\n"
        "    code = run(['run', '--json'])\n"
        "assert code == 0 and '\"ran\"' not in out.getvalue(), out.getvalue()\n"
    ) + LOADED
    done = subprocess.run(
        [sys.executable, "-c", program, ",".join(HEAVY)], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("more", [{}, {"cursor": "id"}], ids=["all rows", "newer rows"])
def test_a_database_that_holds_nothing_new_is_asked_without_a_numerical_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, str]
):
    """Its rows are hashed as they come; they are put into columns only where something has changed. Nothing is stored either."""
    monkeypatch.chdir(tmp_path)
    with sqlite3.connect("shop.db") as database:
        database.execute("CREATE TABLE t (id INTEGER, c TEXT, y TEXT)")
        database.executemany("INSERT INTO t VALUES (?, ?, ?)", [(i, "abc"[i % 3], "ny"[i % 2]) for i in range(300)])
    new_project("p", data="sqlite:///shop.db", query="SELECT * FROM t", target="y", drop=("c",), **more)
    program = (
        "import sys\n"
        "from penstock.lifecycle.ingest import current_dataset\n"
        "from penstock.lifecycle.stages import Context, Stages\n"
        "from penstock.project.project import Project\n"
        "with Stages(Context(Project.here()), 'run') as stages:\n"
        "    current_dataset(stages)\n"
        "assert [step.status for step in stages.steps if step.name == 'ingest'] == ['known'], stages.steps\n"
    ) + LOADED
    first = subprocess.run([sys.executable, "-c", program, ""], cwd="p", capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr
    stored = set((tmp_path / "p/.penstock/objects").rglob("*"))
    done = subprocess.run(
        [sys.executable, "-c", program, ",".join(HEAVY)], cwd="p", capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
    assert set((tmp_path / "p/.penstock/objects").rglob("*")) == stored


def test_help_loads_no_library_but_click():
    """Neither the ledger nor the declaration is needed to say what there is."""
    program = "import sys; from penstock.cli.app import run; run(['--help'])\n" + LOADED
    more = (*HEAVY, "sqlalchemy", "msgspec")
    done = subprocess.run([sys.executable, "-c", program, ",".join(more)], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


class Loaded(NamedTuple):
    """Modules that are loaded when the script starts, and when its run has ended."""

    before: set[str]
    in_all: set[str]


def test_a_run_of_a_script_loads_no_more_than_it_needs(loaded: Loaded):
    """Neither a library beside those of the command line, nor slow parts of Python, nor parts of our own for other work."""
    bare = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )  # where a package has a file that every Python reads at its start, that is none of our doing
    tops = {name.partition(".")[0] for name in loaded.in_all - set(bare.stdout.split())} - set(sys.stdlib_module_names)
    assert tops <= {"click", "msgspec", "penstock", "typing_extensions", "__main__"}
    assert loaded.in_all & {*SLOW, *COLD} == set()


def test_a_script_starts_before_what_is_needed_later_is_loaded(loaded: Loaded):
    """What looks at a program, and what collects what it leaves behind, is loaded while it runs."""
    assert loaded.before & set(LATER) == set()
    assert loaded.in_all.issuperset(LATER)


def test_a_run_of_a_script_loads_few_modules(loaded: Loaded):
    """Each costs up to a millisecond. Whoever needs more of them on this way says so here, and why."""
    assert len(ours(loaded.before)) <= MOST_BEFORE, ours(loaded.before)
    assert len(ours(loaded.in_all)) <= MOST_IN_ALL, ours(loaded.in_all)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """Of an empty script, in a folder that has a run of it already."""
    folder = tmp_path_factory.mktemp("script")
    (folder / "empty.py").write_text("pass\n")
    os.utime(folder / "empty.py", (1e9, 1e9))  # a file that was changed just now is read again by the next run
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", RUN], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    return Loaded(set(told["before"]), set(told["in all"]))


def ours(modules: set[str]) -> list[str]:
    return sorted(name for name in modules if name.partition(".")[0] == "penstock")

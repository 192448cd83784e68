"""A script sees training and validation rows as typed files, and never a test row."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock.errors import ProjectError, SourceError
from penstock.lifecycle.visible import visible_parts
from penstock.project.project import Project

Cli = Callable[..., Any]


def source_of(project: Path) -> Path:
    """The file that the project declares."""
    return project / Project(project).declaration.data.source


def source_ids(project: Path) -> set[str]:
    """The identifiers of all rows of the source."""
    with source_of(project).open(encoding="utf-8", newline="") as file:
        return {row["id"] for row in csv.DictReader(file)}


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_the_parts_are_the_split_without_the_test_rows(project_at: Cli, task: str) -> None:
    """Each row is in one part, about a fifth of all in neither, and the target stands as in the source."""
    project = project_at("new", task)
    parts = visible_parts(Project(project))
    train, valid = (set(part.column("id").to_pylist()) for part in (parts.train, parts.valid))
    everything = source_ids(project)
    assert not train & valid
    assert train | valid < everything
    assert 0.15 < 1 - len(train | valid) / len(everything) < 0.25
    target = parts.train.column(parts.target)
    if task == "binary":
        assert set(target.to_pylist()) == {"yes", "no"}
    else:
        assert str(target.type) == "double"


def test_columns_keep_their_names_kinds_and_gaps(project_at: Cli) -> None:
    """Dates are instants, numbers are numbers with nulls, and a name with a space is that name."""
    train = visible_parts(Project(project_at("new"))).train
    types = {field.name: str(field.type) for field in train.schema}
    assert types["joined"] == "timestamp[us, tz=UTC]"
    assert types["net income"] == "double"
    assert types["job"] == "string"
    assert train.column("age").null_count > 0


def test_the_files_are_written_once_per_version(project_at: Cli) -> None:
    """The second call finds them."""
    project = Project(project_at("new"))
    first = visible_parts(project)
    written = first.train_file.stat().st_mtime_ns
    again = visible_parts(project)
    assert again == first
    assert again.train_file.stat().st_mtime_ns == written


def test_an_opened_envelope_joins_the_validation_rows(penstock: Cli, project_at: Cli) -> None:
    """As it does for the search."""
    project = project_at("run")
    before = visible_parts(Project(project)).valid.num_rows
    opened = penstock(project, "deploy").body["envelope"]["rows"]
    assert visible_parts(Project(project)).valid.num_rows == before + opened


def test_penstock_data_gives_what_the_run_was_given(project_at: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a run the environment names the files; elsewhere the project around the working folder does."""
    project = project_at("new")
    monkeypatch.chdir(project)
    here = penstock.data()
    for name, value in here.to_env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir("/")
    there = penstock.data()
    assert there.train.equals(here.train)
    assert there.target == "bought"


def test_a_file_that_is_gone_is_named(project_at: Cli) -> None:
    """With the way to have it again."""
    parts = visible_parts(Project(project_at("new")))
    parts.train_file.unlink()
    with pytest.raises(SourceError, match=r"train\.parquet.*\n.*removed"):
        _ = parts.train


def test_without_a_project_there_are_no_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says how to make one."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ProjectError, match="penstock new"):
        penstock.data()


@pytest.mark.parametrize(
    "reads",
    [
        "import os; rows = open(os.environ['PENSTOCK_' + 'TRAIN'], 'rb').read()",
        "from penstock import data; rows = data().train",
        "import os, pyarrow.parquet; rows = pyarrow.parquet.read_table(os.environ['PENSTOCK_TRAIN'])",
    ],
)
def test_a_step_that_reads_the_rows_runs_again_when_they_change(penstock: Cli, project_at: Cli, reads: str) -> None:
    """Another that does not stays known; `status` says it before anything runs."""
    project = project_at("new")
    with (project / "penstock.toml").open("a", encoding="utf-8") as file:
        file.write(f'\n[[step]]\nname = "learn"\nrun = "{sys.executable} learn.py"\noutputs = ["out.txt"]\n')
        file.write('\n[[step]]\nname = "other"\nrun = "echo x > other.txt"\noutputs = ["other.txt"]\n')
    (project / "learn.py").write_text(f"{reads}\nopen('out.txt', 'w').write('done')\n", encoding="utf-8")

    def told(*words: str) -> dict[str, str]:
        return {step["name"]: step["status"] for step in penstock(project, *words).body["steps"]}

    assert told("run", "--steps") == {"learn": "ran", "other": "ran"}
    assert told("run", "--steps") == {"learn": "known", "other": "known"}
    assert told("status") == {"learn": "known", "other": "known"}
    source = source_of(project)
    lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
    source.write_text("".join(lines[:-3]), encoding="utf-8")
    assert told("status") == {"learn": "stale", "other": "known"}
    assert told("run", "--steps", "--why") == {"learn": "would run", "other": "known"}
    assert told("run", "--steps") == {"learn": "ran", "other": "known"}
    assert told("run", "--steps") == {"learn": "known", "other": "known"}


def test_a_script_that_ends_at_once_ends_well(project_at: Cli) -> None:
    """Nothing of the reading outlives it: threads that do abort the process at its end."""
    project = project_at("new")
    visible_parts(Project(project))
    code = "import penstock; parts = penstock.data(); print(parts.train.num_rows, parts.valid.num_rows)"
    ends = [subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True) for _ in range(8)]
    assert {end.returncode for end in ends} == {0}, [end.stderr for end in ends]

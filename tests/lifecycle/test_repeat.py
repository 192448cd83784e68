"""One verb reproduces whatever was run; what cannot be done again says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import penstock as package
from penstock.lifecycle.source import source_files
from penstock.project.project import Project

Cli = Callable[..., Any]
SCRIPT = 'lr = 0.5\nprint(f"loss: {lr * lr}")\nopen("out.json", "w").write(str(lr))\n'
READS = """import penstock

parts = penstock.data()
print("rows:", parts.train.num_rows)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a script in it, and nothing else."""
    (tmp_path / "train.py").write_text(SCRIPT)
    return tmp_path


def test_a_script_is_done_again(penstock: Cli, folder: Path) -> None:
    """Exit 0, and the Markdown summary says so."""
    run = penstock(folder, "run", "-y", "train.py", "lr=0.25").body["id"]
    assert penstock(folder, "reproduce", run).body["verdict"] == "identical"


def test_a_script_that_is_not_the_same_again_is_an_answer_of_no(penstock: Cli, folder: Path) -> None:
    """Exit 1, the metric, and a likely cause."""
    (folder / "train.py").write_text("import random\nprint('loss:', random.random())\n")
    run = penstock(folder, "run", "-y", "train.py").body["id"]
    again = penstock(folder, "reproduce", run)
    assert again.code == 1
    difference = next(d for d in again.body["differences"] if d["kind"] == "metric")
    assert difference["what"] == "loss"
    assert "seed" in difference["cause"]


def test_a_batch_points_to_its_trials(penstock: Cli, folder: Path) -> None:
    """Which points it tried depends on time; each trial can be done again."""
    batch = penstock(folder, "run", "-y", "train.py", "lr=[0.1,0.2]", "--minimize", "loss").body
    refused = penstock(folder, "reproduce", batch["batch"])
    assert refused.code == 2
    assert batch["batch"] in refused.error["try"]
    assert penstock(folder, "reproduce", batch["best"]["run"]).body["verdict"] == "identical"


def test_all_steps_are_done_again(penstock: Cli, folder: Path) -> None:
    """One verdict for each, and the worst of them for all."""
    (folder / "penstock.toml").write_text(
        '[[step]]\nname = "one"\nrun = "python train.py"\ninputs = ["train.py"]\noutputs = ["out.json"]\n'
        '[[step]]\nname = "two"\nrun = "cp out.json copy.json"\ninputs = ["out.json"]\noutputs = ["copy.json"]\n'
    )
    done = penstock(folder, "run")
    assert done.code == 0, done
    again = penstock(folder, "reproduce", done.body["run"])
    assert again.code == 0, again
    assert [step["verdict"] for step in again.body["steps"]] == ["identical", "identical"]
    assert again.body["stages"] == [step["again"] for step in again.body["steps"]]
    assert again.body["again"] == again.body["stages"][-1]
    assert again.body["compared"] == sum(step["compared"] for step in again.body["steps"])
    assert (again.body["verdict"], again.body["differences"]) == ("identical", [])


def test_a_pipeline_is_exported_with_the_steps_that_it_knew(penstock: Cli, folder: Path, tmp_path: Path) -> None:
    """They lie inside an earlier run; without them it could not be done again elsewhere. One that was purged is named."""
    (folder / "use.py").write_text(
        "import time; print('loss:', 0.5); open('end.txt', 'w').write(open('out.json').read())\n"
    )
    (folder / "penstock.toml").write_text(
        '[[step]]\nname = "one"\nrun = "python train.py"\ninputs = ["train.py"]\noutputs = ["out.json"]\n'
        '[[step]]\nname = "two"\nrun = "python use.py"\ninputs = ["use.py", "out.json"]\noutputs = ["end.txt"]\n'
    )
    first = penstock(folder, "run").body["run"]
    (folder / "use.py").write_text((folder / "use.py").read_text() + "# changed\n")
    second = penstock(folder, "run").body
    known = second["steps"][0]
    assert [step["status"] for step in second["steps"]] == ["known", "ran"]
    told = penstock(folder, "export", "runs", str(tmp_path / "runs.zip"), second["run"]).body
    assert known["run"] in told["runs"]
    assert first not in told["runs"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    penstock(elsewhere, "import", str(tmp_path / "runs.zip"))
    assert penstock(elsewhere, "reproduce", second["run"]).body["verdict"] == "identical"
    penstock(elsewhere, "delete", known["run"])
    penstock(elsewhere, "purge", "--yes")
    error = penstock(elsewhere, "reproduce", second["run"]).error
    assert error["what"] == f"step 'one' of run {second['run']} cannot be done again"
    lost = penstock(elsewhere, "export", "runs", str(tmp_path / "less.zip"), second["run"]).body["lost"]
    assert lost == [{"run": second["run"], "name": f"step one (run {known['run']})"}]


def test_a_folder_of_scripts_needs_no_project(penstock: Cli, folder: Path) -> None:
    """`lineage` draws its runs, and `run` alone says how a script is run."""
    run = penstock(folder, "run", "-y", "train.py").body["id"]
    assert run in [one["id"] for one in penstock(folder, "lineage", run).body["runs"]]
    assert "`penstock run SCRIPT`" in penstock(folder, "run").error["try"]


def test_what_differs_in_a_step_stands_at_the_top(penstock: Cli, folder: Path) -> None:
    """As it does for a script: whoever reads the JSON need not know which kind of run it was."""
    (folder / "train.py").write_text("import random\nprint('loss:', random.random())\n")
    (folder / "penstock.toml").write_text('[[step]]\nname = "one"\nrun = "python train.py"\ninputs = ["train.py"]\n')
    again = penstock(folder, "reproduce", penstock(folder, "run").body["run"])
    assert (again.code, again.body["verdict"]) == (1, "different")
    assert {(d["stage"], d["what"]) for d in again.body["differences"]} >= {("one", "loss")}


def test_each_step_is_done_in_a_folder_of_its_own(penstock: Cli, folder: Path) -> None:
    """What one has made would mix with the next."""
    (folder / "penstock.toml").write_text(
        '[[step]]\nname = "one"\nrun = "python train.py"\ninputs = ["train.py"]\noutputs = ["out.json"]\n'
        '[[step]]\nname = "two"\nrun = "cp out.json copy.json"\ninputs = ["out.json"]\noutputs = ["copy.json"]\n'
    )
    again = penstock(folder, "reproduce", penstock(folder, "run").body["run"], "--into", "kept")
    assert again.code == 0, again
    one, two = [Path(step["folder"]).relative_to(folder / "kept") for step in again.body["steps"]]
    assert (one.parts[0], two.parts[0]) == ("one", "two")
    assert (folder / "kept" / two / "copy.json").read_text() == "0.5"


@pytest.mark.parametrize("option", [("--env", "fresh"), ("--tolerance", "0.1"), ("--set", "key=1")])
def test_an_option_of_scripts_is_refused_for_a_pipeline(
    penstock: Cli, project_at: Cli, option: tuple[str, str]
) -> None:
    """Rather than ignored."""
    project = project_at("run")
    run = next(r for r in penstock(project, "runs").body["runs"] if r["operation"] == "run")["id"]
    refused = penstock(project, "reproduce", run, *option)
    assert refused.code == 2
    assert refused.error["code"] == "bad-declaration"


def test_a_script_gets_the_rows_that_it_had(penstock: Cli, project_at: Cli) -> None:
    """An envelope that was opened since is not among the validation rows of the repetition."""
    project = project_at("run")
    (project / "look.py").write_text(READS + 'print("valid:", parts.valid.num_rows)\n')
    first = penstock(project, "run", "-y", "look.py").body
    assert first["metrics"]["rows"] > 0
    penstock(project, "deploy")
    later = penstock(project, "run", "-y", "look.py").body
    assert later["metrics"]["valid"] > first["metrics"]["valid"]
    again = penstock(project, "reproduce", first["id"])
    assert again.body["verdict"] == "identical", again.body["differences"]


def test_a_script_that_opens_the_source_itself_is_marked(penstock: Cli, project_at: Cli) -> None:
    """In its result, in the list and in the record: it may have seen test rows."""
    project = project_at("new")
    (source,) = source_files(Project(project)) or ()
    (project / "peek.py").write_text(f"print('bytes:', len(open({str(source)!r}).read()))\n")
    done = penstock(project, "run", "-y", "peek.py")
    assert done.body["unsealed"]
    assert "unsealed" in penstock(project, "show", done.body["id"]).body["outputs"]
    (project / "honest.py").write_text(READS)
    assert not penstock(project, "run", "-y", "honest.py").body["unsealed"]


def test_run_script_is_the_same_from_python(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words or values."""
    monkeypatch.chdir(folder)
    assert package.run_script("train.py", "lr=0.5").metrics == {"loss": 0.25}
    assert package.run_script("train.py", flags={"lr": 2.0}).metrics == {"loss": 4.0}

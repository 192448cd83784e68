"""The DAG is a file that Airflow loads, whose tasks are commands of Penstock in order."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import ExportError
from penstock.packaging.exports.as_airflow import Airflow
from penstock.packaging.exports.exporter import Shipment, export

# What Airflow makes of a file of DAGs, in an environment of its own: its operators and dependencies, as JSON.
_READ = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("dag_file", sys.argv[1])
module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module)
dag = module.dag
print(json.dumps({"id": dag.dag_id, "tasks": {t.task_id: {"command": getattr(t, "bash_command", None),
    "after": sorted(t.upstream_task_ids)} for t in dag.tasks}}))
"""


def test_a_batch_job_needs_both_its_ends(shipment: Callable[..., Shipment], tmp_path: Path) -> None:
    """An input without an output is refused."""
    with pytest.raises(ExportError, match="no input, or no output"):
        export(Airflow(tmp_path, rows="in.csv"), shipment(), tmp_path / "a")
    with pytest.raises(ExportError, match="no input, or no output"):
        export(Airflow(tmp_path, query="SELECT 1"), shipment(), tmp_path / "a")


@pytest.mark.parametrize("batch", [True, False])
def test_the_file_is_python_and_names_the_project(
    shipment: Callable[..., Shipment], tmp_path: Path, batch: bool
) -> None:
    """Whatever the paths hold."""
    project = tmp_path / 'it\'s "mine" \\ here'
    rows = {"rows": "in box/{{ ds }}.csv", "answers": "it's/{{ ds }}.csv"} if batch else {}
    folder = export(Airflow(project, "0 6 * * *", **rows), shipment(), tmp_path / "a").folder
    text = (folder / "toy_dag.py").read_text()
    code = compile(text, "toy_dag.py", "exec")
    constants = {c for c in code.co_consts if isinstance(c, str)}
    assert str(project) in constants
    assert "0 6 * * *" in constants
    assert ("'in box/{{ ds }}.csv'" in constants) is batch


def test_the_batch_job_is_the_command_that_answers(shipment: Callable[..., Shipment], tmp_path: Path) -> None:
    """What the task runs is taken by `penstock predict` as it is: a query into a table, each word in its option."""
    from penstock.cli.predict import predict

    rows = "sqlite:///it's.db"
    exporter = Airflow(
        tmp_path, rows=rows, answers="sqlite:///out.db?table=a b", query="SELECT * FROM t WHERE d = '{{ ds }}'"
    )
    text = (export(exporter, shipment(), tmp_path / "a").folder / "toy_dag.py").read_text()
    (line,) = [line for line in text.splitlines() if line.lstrip().startswith("predict = ")]
    words: list[str] = []
    made = eval(line.partition(" = ")[2], {"command": lambda name, *given, **more: words.extend(given)})
    assert made is None
    (verb, *arguments) = shlex.split(" ".join(words))
    assert verb == "predict"
    asked = predict.make_context("predict", arguments).params
    assert (asked["source"], asked["output"]) == (rows, "sqlite:///out.db?table=a b")
    assert asked["query"] == "SELECT * FROM t WHERE d = '{{ ds }}'"


# A small Airflow: the states that its tasks come to, by the rules of its documentation ("Trigger Rules"), where some commands fail.
_PLAY = """
import json, sys, types
tasks = {}
class Task:
    def __init__(self, task_id, trigger_rule="all_success", **given):
        self.id, self.rule, self.above = task_id, trigger_rule, []
        tasks[task_id] = self
    def __rshift__(self, other):
        for one in other if isinstance(other, list) else [other]:
            one.above.append(self.id)
        return other
    def __rrshift__(self, many):
        for one in many:
            one >> self
        return self
class DAG:
    def __init__(self, **given): pass
    def __enter__(self): return self
    def __exit__(self, *error): return None
where = "airflow.providers.standard.operators"
for name in ("airflow", "airflow.providers", "airflow.providers.standard", where, "airflow.sdk"):
    sys.modules[name] = types.ModuleType(name)
for kind in ("Bash", "Empty", "Python"):
    module = types.ModuleType(f"{where}.{kind.lower()}")
    setattr(module, "ShortCircuitOperator" if kind == "Python" else f"{kind}Operator", Task)
    sys.modules[module.__name__] = module
sys.modules["airflow.sdk"].DAG = DAG
exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"), {"__name__": "dag_file"})
failing, is_new = json.loads(sys.argv[2]), json.loads(sys.argv[3])
states = {}
def state(task):
    if task.id in states: return states[task.id]
    above = [state(tasks[name]) for name in task.above]
    bad = any(one in ("failed", "upstream_failed") for one in above)
    if task.rule == "all_success" and bad or task.rule == "none_failed" and bad: found = "upstream_failed"
    elif task.rule == "all_success" and "skipped" in above: found = "skipped"
    elif task.id == "deploy" and not is_new: found = "skipped"
    else: found = "failed" if task.id in failing else "success"
    states[task.id] = found
    return found
for task in tasks.values(): state(task)
below = {name for task in tasks.values() for name in task.above}
leaves = [states[name] for name in tasks if name not in below]
print(json.dumps({"states": states, "run": "failed" if {"failed", "upstream_failed"} & set(leaves) else "success"}))
"""


@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.parametrize(
    ("failing", "is_new", "ends"),
    [
        ([], True, "success"),
        ([], False, "success"),
        (["run"], True, "failed"),
        (["new_version"], True, "failed"),
        (["deploy"], True, "failed"),
        (["monitor"], False, "failed"),
    ],
)
def test_the_run_of_the_dag_fails_where_a_task_of_it_failed(
    shipment: Callable[..., Shipment], tmp_path: Path, failing: list[str], is_new: bool, ends: str, batch: bool
) -> None:
    """Although rows are answered and traffic is watched whatever came of training; nothing new to deploy is no failure."""
    rows = {"rows": "in.csv", "answers": "out.csv"} if batch else {}
    folder = export(Airflow(tmp_path, **rows), shipment(), tmp_path / "a").folder
    words = [folder / "toy_dag.py", json.dumps(failing), json.dumps(is_new)]
    done = subprocess.run([sys.executable, "-c", _PLAY, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["run"] == ends, said
    watched = {name: state for name, state in said["states"].items() if name in ("predict", "monitor")}
    assert set(watched.values()) <= {"success", *(["failed"] if "monitor" in failing else [])}


@pytest.mark.parametrize(
    ("newest", "is_new"),
    [
        ({"aliases": [], "put_back": None}, True),
        ({"aliases": ["challenger"], "put_back": None}, True),
        ({"aliases": ["champion"], "put_back": None}, False),
        ({"aliases": ["challenger"], "put_back": {"what": "rollback"}}, False),
    ],
)
def test_what_was_put_back_is_not_new(
    shipment: Callable[..., Shipment],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    newest: dict[str, Any],
    is_new: bool,
) -> None:
    """A version that people rolled back is not deployed again by the next run of the DAG."""
    text = (export(Airflow(tmp_path), shipment(), tmp_path / "a").folder / "toy_dag.py").read_text()
    source = text[text.index("def is_new()") : text.index("def command(")]
    versions = [{"version": 1, "passed": True, "aliases": ["champion"], "put_back": None}]
    versions += [
        {"version": 2, "passed": True, **newest},
        {"version": 3, "passed": False, "aliases": [], "put_back": None},
    ]
    (tmp_path / "models.json").write_text(json.dumps({"versions": versions}), encoding="utf-8")
    tool = tmp_path / "bin" / "penstock"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\n[ "$*" = "models --json" ] && cat {tmp_path}/models.json\n', encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent), prepend=":")
    names: dict[str, Any] = {"json": json, "subprocess": subprocess, "PROJECT": str(tmp_path)}
    exec(source, names)
    assert names["is_new"]() is is_new


@pytest.mark.slow
def test_airflow_itself_reads_the_file(shipment: Callable[..., Shipment], tmp_path: Path) -> None:
    """The newest release, in an environment of its own."""
    import venv

    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", "apache-airflow", "apache-airflow-providers-standard"]
    done = subprocess.run(install, capture_output=True, text=True, check=False, timeout=280)
    if done.returncode != 0:
        pytest.skip(f"Airflow cannot be installed here: {done.stderr[-200:]}")
    exporter = Airflow(tmp_path, rows="in/{{ ds }}.csv", answers="out/{{ ds }}.csv")
    folder = export(exporter, shipment(), tmp_path / "a").folder
    environment = {"AIRFLOW_HOME": str(tmp_path / "airflow"), "PATH": str(python.parent)}
    read = subprocess.run(
        [python, "-c", _READ, folder / "toy_dag.py"], capture_output=True, text=True, check=False, env=environment
    )
    assert read.returncode == 0, read.stderr
    dag = json.loads(read.stdout.splitlines()[-1])
    assert dag["id"] == "penstock_toy"
    after = {name: task["after"] for name, task in dag["tasks"].items()}
    assert after == {
        "run": [], "new_version": ["run"], "deploy": ["new_version"], "predict": ["deploy"], "monitor": ["predict"],
        "everything": ["deploy", "monitor", "predict", "run"],
    }  # fmt: skip
    assert (
        dag["tasks"]["predict"]["command"] == "penstock predict --input 'in/{{ ds }}.csv' --output 'out/{{ ds }}.csv'"
    )

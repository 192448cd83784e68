"""The ready files for continuous integration: they are valid, their commands exist, and their steps do what they promise."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from penstock.cli.app import VERBS, app

ARCHIVES = "Reproduce the archives of this change"
CI = Path(__file__).parents[3] / "examples" / "ci"


def workflow() -> dict[Any, Any]:
    body = yaml.safe_load((CI / "github.yml").read_text(encoding="utf-8"))
    assert isinstance(body, dict)
    return body


def steps_of_github() -> dict[str, str]:
    """Name -> shell of the steps that run one."""
    (job,) = workflow()["jobs"].values()
    return {step["name"]: step["run"] for step in job["steps"] if "run" in step}


def steps_of_jenkins() -> dict[str, str]:
    text = (CI / "Jenkinsfile").read_text(encoding="utf-8")
    stage = r"stage\('([^']+)'\) \{\s+steps \{\s+(?:catchError\([^)]*\) \{\s+)?sh '''(.*?)'''"
    return dict(re.findall(stage, text, re.DOTALL))


def commands() -> list[list[str]]:
    """Every call of Penstock in the two files, as words."""
    lines = [
        line.strip()
        for shell in (*steps_of_github().values(), *steps_of_jenkins().values())
        for line in shell.splitlines()
    ]
    return [shlex.split(line.partition(" > ")[0]) for line in lines if line.startswith("penstock ")]


def unknown() -> list[str]:
    """What is used in the files and not there (yet)."""
    missing = []
    for _, verb, *words in commands():
        if verb not in VERBS:
            missing.append(verb)
            continue
        command = app.get_command(click.Context(app), verb)
        assert command is not None
        known = {option for parameter in command.params for option in parameter.opts}
        missing += [f"{verb} {word}" for word in words if word.startswith("-") and word not in known]
    return missing


def test_the_workflow_of_github_is_one() -> None:
    """It runs for pull requests, may only read, and uses released actions."""
    body = workflow()
    assert body[True] == "pull_request", "YAML reads the key `on` as true"
    assert body["permissions"] == {"contents": "read"}
    (job,) = body["jobs"].values()
    assert all(("run" in step) != ("uses" in step) for step in job["steps"])
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) for step in job["steps"] if "uses" in step)


def test_the_jenkinsfile_has_the_same_steps() -> None:
    """And its braces and quotes are closed."""
    text = (CI / "Jenkinsfile").read_text(encoding="utf-8")
    assert text.count("{") == text.count("}")
    assert text.count("'''") % 2 == 0
    jenkins, github = steps_of_jenkins(), steps_of_github()
    assert list(jenkins) == ["Install", "Run", "Reproduce", ARCHIVES]
    assert text.count("catchError(") == 3, "a failure of one hides none of the others"
    assert "currentBuild.description = told" in text
    for name in ("Run", "Reproduce", ARCHIVES):
        assert jenkins[name].split() == github[name].split()


@pytest.mark.parametrize("shell", [*steps_of_github().values(), *steps_of_jenkins().values()])
def test_the_shell_of_each_step_can_be_read(shell: str) -> None:
    """By the plainest shell."""
    assert subprocess.run(["sh", "-n"], input=shell, text=True, capture_output=True).stderr == ""


def test_every_command_and_option_exists() -> None:
    """A file that was copied once is not looked at again."""
    assert unknown() == []


@pytest.mark.parametrize(
    ("script", "passes"), [("print('loss: 0.5')\n", True), ("import random\nprint('loss:', random.random())\n", False)]
)
def test_the_steps_pass_and_fail_as_they_promise(tmp_path: Path, script: str, passes: bool) -> None:
    """The same shell as on the server; only the fresh environment is left to its own test."""
    (tmp_path / "train.py").write_text(script)
    variables = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "told.md"),
        **workflow()["env"],
    }
    steps = steps_of_github()
    done = {}
    for name in ("Run", "Reproduce", "Summary"):
        shell = steps[name].replace("--env fresh", "--env same")
        done[name] = subprocess.run(
            ["sh", "-e", "-c", shell], cwd=tmp_path, env=variables, capture_output=True, text=True
        )
    assert done["Run"].returncode == 0, done["Run"].stderr
    assert done["Reproduce"].returncode == (0 if passes else 1), done["Reproduce"].stderr
    told = (tmp_path / "told.md").read_text(encoding="utf-8")
    assert told.startswith("## ✅ `train.py` is reproducible" if passes else "## ❌ `train.py` is not reproducible")


def test_each_archive_is_reproduced_whatever_became_of_the_others(tmp_path: Path) -> None:
    """A damaged one and one that differs fail the step; the good one still has its summary."""
    (job,) = workflow()["jobs"].values()
    (step,) = [step for step in job["steps"] if step.get("name") == ARCHIVES]
    assert step["if"] == "always()"
    author, server = tmp_path / "author", tmp_path / "server"
    author.mkdir()
    (server / "results").mkdir(parents=True)
    variables = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    def call(*words: str) -> str:
        return subprocess.run(words, cwd=author, env=variables, capture_output=True, text=True, check=True).stdout

    (author / "bad.py").write_text("import random\nprint('loss:', random.random())\n")
    (author / "good.py").write_text("print('loss: 0.5')\n")
    ids = {}
    for name in ("bad", "good"):
        ids[name] = json.loads(call("penstock", "run", f"{name}.py", "-y", "--json"))["id"]
        call("penstock", "export", str(server / "results" / f"b-{name}.zip"), ids[name])
    (server / "results" / "a-damaged.zip").write_text("no archive")
    shell = step["run"].replace("--env fresh", "--env same")
    done = subprocess.run(["sh", "-e", "-c", shell], cwd=server, env=variables, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "❌" in (server / f"summary-{ids['bad']}.md").read_text(encoding="utf-8")
    assert "✅" in (server / f"summary-{ids['good']}.md").read_text(encoding="utf-8")

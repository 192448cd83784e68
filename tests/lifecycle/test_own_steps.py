"""Steps of the project's own: found without packaging, kept by digest, held to the contract, refused from elsewhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock import parts

Cli = Callable[..., Any]

STEPS = '''\
"""Steps of this project."""

from dataclasses import dataclass

from penstock.bundle.kinds import Kind
from penstock.features.bounds import Number
from penstock.features.ops import floats, op


class Halve:
    """Numbers divided by two, or by another number."""

    name = "halve"
    takes = frozenset({Kind.NUMERIC})
    gives = Kind.NUMERIC
    arity = 1
    columnwise = True
    bounds = {"by": Number(1, 1000)}
    ready = False

    def __init__(self, by: float = 2.0) -> None:
        self.by = by

    def fit(self, inputs, target, *, seed):
        return FittedHalve(inputs[0].names, self.by)


@dataclass(frozen=True)
class FittedHalve:
    names: tuple[str, ...]
    by: float

    def emit(self, inputs):
        return op.div(inputs[0], floats(self.by))
'''
RECIPE = 'steps = "my_steps.py"\noutputs = ["halve(age)", "halve(age, 4)"]\n'


@pytest.fixture(scope="module")
def project(projects: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with data, a recipe and a file of steps."""
    made: Path = projects.copy("binary", "new", tmp_path_factory.mktemp("own"))
    (made / "mine.toml").write_text(RECIPE, encoding="utf-8")
    return made


@pytest.fixture(autouse=True)
def steps(project: Path) -> Path:
    """The file as it is right."""
    file = project / "my_steps.py"
    file.write_text(STEPS, encoding="utf-8")
    return file


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a project adds to this process is not there for the tests after it."""
    monkeypatch.setattr(parts, "_OWN", {})
    yield
    for cached in (parts.names, parts.load):
        cached.cache_clear()


def test_it_is_checked_and_held_to_the_contract(penstock: Cli, project: Path) -> None:
    """All duties of the built-in steps."""
    body = penstock(project, "recipe", "check", "mine.toml").body
    assert body["own_steps"] == {"halve": []}
    assert body["steps"] == {"halve": 2}


def test_the_check_needs_no_pytest(project: Path) -> None:
    """It is a command for users: a process without pytest, and without assertions, finds the same."""
    code = (
        "import sys; sys.modules['pytest'] = None\n"
        "from penstock.cli.app import run; code = run(['recipe', 'check', 'mine.toml'])\n"
        "assert_ = [m for m in sys.modules if m.startswith('penstock.testing')]; print(code, assert_)"
    )
    done = subprocess.run([sys.executable, "-O", "-c", code], cwd=project, capture_output=True, text=True, check=True)
    assert "keeps the contract" in done.stdout
    assert done.stdout.splitlines()[-1] == "0 []"


def test_a_broken_duty_is_named(penstock: Cli, project: Path, steps: Path) -> None:
    """Here a row's output depends on the others. Exit 1, so that a script notices."""
    wrong = STEPS.replace("op.div(inputs[0], floats(self.by))", "op.sub(inputs[0], op.reduce_max(inputs[0]))")
    steps.write_text(wrong, encoding="utf-8")
    done = penstock(project, "recipe", "check", "mine.toml")
    assert done.code == 1
    broken = done.body["own_steps"]["halve"]
    assert any(duty.startswith("a batch equals its rows bit for bit") for duty in broken)


def test_random_numbers_of_its_own_are_found_where_extremes_would_swallow_them(
    penstock: Cli, project: Path, steps: Path
) -> None:
    """The largest value plus something: beside 3e38 that is nothing."""
    fitted = "return FittedHalve(inputs[0].names, self.by)"
    drawn = "import numpy as np; return FittedHalve(inputs[0].names, float(np.nan_to_num(inputs[0].values).max() + np.random.rand()))"
    steps.write_text(STEPS.replace(fitted, drawn), encoding="utf-8")
    broken = penstock(project, "recipe", "check", "mine.toml").body["own_steps"]["halve"]
    assert any(duty.startswith("the same fit gives the same bytes: ") for duty in broken)


def test_it_is_fitted_and_a_changed_file_is_fitted_again(penstock: Cli, project: Path, steps: Path) -> None:
    """The code is part of what a result depends on."""
    first = penstock(project, "recipe", "fit", "mine.toml").body
    assert first["width"] == 2
    assert penstock(project, "recipe", "fit", "mine.toml").body["known"]
    steps.write_text(STEPS.replace("2.0", "3.0"), encoding="utf-8")
    again = penstock(project, "recipe", "fit", "mine.toml").body
    assert not again["known"]
    assert again["run"] != first["run"]


@pytest.mark.parametrize(
    ("named", "body", "said"),
    [
        ("../elsewhere.py", None, "outside of the project"),
        ("/etc/passwd", None, "outside of the project"),
        ("absent.py", None, "cannot be read"),
        ("my_steps.py", "1 / 0", "ZeroDivisionError"),
        ("my_steps.py", "def broken(:", "SyntaxError"),
        ("my_steps.py", "x = 1", "holds no step"),
        ("my_steps.py", STEPS.replace("    arity = 1\n", ""), "lacks arity"),
        ("my_steps.py", STEPS.replace('name = "halve"', 'name = "impute"'), "there already"),
    ],
)
def test_what_is_no_step_of_the_project_is_refused(
    penstock: Cli, project: Path, steps: Path, tmp_path: Path, named: str, body: str | None, said: str
) -> None:
    """Exit code 2, with why and the way out; nothing outside of the project is run."""
    (project.parent / "elsewhere.py").write_text("raise SystemExit('run')", encoding="utf-8")
    if body is not None:
        steps.write_text(body, encoding="utf-8")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f'steps = "{named}"\noutputs = ["age"]\n', encoding="utf-8")
    told = penstock(project, "recipe", "check", str(recipe))
    assert told.code == 2
    assert said in f"{told.error['what']} {told.error['why']}"


def test_the_whole_pipeline_keeps_the_code_and_does_it_again(penstock: Cli, project_at: Cli) -> None:
    """What is served holds no code of the project; the run that made it does, and is reproduced from it."""
    project = project_at("new")
    (project / "my_steps.py").write_text(STEPS, encoding="utf-8")
    (project / "recipe.toml").write_text(
        'steps = "my_steps.py"\noutputs = ["halve(ALL_NUMERIC)", "ALL_CATEGORICAL"]\n', encoding="utf-8"
    )
    outcome = penstock(project, "run", "--budget", "2 trials")
    assert outcome.code in (0, 1), outcome
    assert not any(b"FittedHalve" in file.read_bytes() for file in (project / "models" / "v1").iterdir())
    run = next(s["run"] for s in outcome.body["steps"] if s["name"] == "recipe")
    (project / "my_steps.py").unlink()
    again = penstock(project, "reproduce", run)
    assert again.code == 0, again.error

"""The command line in this process, small tables, and projects that are made once and copied for each test."""

from __future__ import annotations

import contextlib
import csv
import fcntl
import io
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

TARGETS = {"binary": "bought", "multiclass": "grade", "regression": "price"}

# How long an example takes says how busy the machine is, not whether the code is right.
# The same code gets the same examples, so that a failure is of the change that it is found in; `make test-all` looks for new ones.
any_machine = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.register_profile("same", any_machine)
settings.register_profile("search", any_machine, derandomize=False)
settings.load_profile("same")


LONG_FIRST = (
    "docs",
    "real",
    "lifecycle",
    "learning",
    "faults",
    "cli",
    "experiments",
    "packaging",
    "serving",
    "monitoring",
)
"""Folders in which single files take long. They are begun first: at the end no process is left alone with one."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONG_FIRST)}
    items.sort(
        key=lambda item: next((place for folder, place in places.items() if folder in item.path.parents), len(places))
    )


def pytest_configure() -> None:
    """Under nohup a hang-up is ignored, in the background an interrupt, and by every program that a test starts too.

    The processes of a test run share the cores: threads of a library that spin while they wait for each other would take them from
    the others (see `penstock.features.openmp`).
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for number, usual in ((signal.SIGHUP, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


@dataclass(frozen=True)
class Outcome:
    """What one command line gave."""

    code: int
    out: str
    err: str

    @property
    def body(self) -> dict[str, Any]:
        """The one JSON object on stdout; anything else there is a failure."""
        body = json.loads(self.out)
        assert isinstance(body, dict)
        return body

    @property
    def error(self) -> dict[str, Any]:
        error = self.body["error"]
        assert isinstance(error, dict)
        return error


def run_penstock(where: Path, *arguments: str) -> Outcome:
    """One command line in a folder, with `--json`, in this process."""
    from penstock.cli.app import run

    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(where), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run([*arguments, "--json"])
    return Outcome(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def penstock() -> Callable[..., Outcome]:
    """Runs `penstock ARGUMENTS --json` in a folder: ``penstock(folder, "run")``."""
    return run_penstock


@pytest.fixture(scope="session")
def promtool() -> Callable[..., str]:
    """Prometheus's own checker: ``promtool("check", "rules", "rules.yaml")`` gives what it says; its complaints fail the test."""
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed (Debian: apt install prometheus)")

    def check(*arguments: str, stdin: str | None = None) -> str:
        done = subprocess.run([tool, *arguments], input=stdin, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return check


@pytest.fixture(scope="session")
def rows_of() -> Callable[..., list[dict[str, Any]]]:
    """Rows of a mixed table: ``rows_of(n, seed=0)``, with the targets of all three tasks."""
    return mixed_rows


def mixed_rows(n: int, seed: int = 0, *, shift: float = 0.0) -> list[dict[str, Any]]:
    """Numbers, categories, a date, a text, missing values, an identifier; `shift` moves one number (in its standard deviations)."""
    rng = np.random.default_rng(seed)
    age = rng.normal(40 + 12 * shift, 12, n).round(1)
    income = rng.lognormal(10, 0.5, n).round(2)
    job = rng.choice(["admin.", "nurse", "pilot", "Köchin"], n, p=[0.4, 0.3, 0.2, 0.1])
    member = rng.random(n) < 0.5
    days = rng.integers(0, 1500, n)
    words = np.array(["call", "back", "later", "never", "gladly", "again", "please"])
    score = (age - 40) / 12 + 1.2 * (job == "pilot") + 0.8 * member + rng.normal(0, 0.7, n)
    rows: list[dict[str, Any]] = []
    for i in range(n):
        rows.append(
            {
                "id": f"{seed}-{i:05d}",
                "age": None if i % 17 == 3 else float(age[i]),
                "net income": float(income[i]),
                "job": None if i % 23 == 5 else str(job[i]),
                "member": "yes" if member[i] else "no",
                "joined": str(np.datetime64("2019-01-01") + int(days[i])),
                "note": " ".join(rng.choice(words, 5)),
                "bought": "yes" if score[i] > 0.9 else "no",
                "grade": ("low", "middle", "high")[int(score[i] > 0) + int(score[i] > 1.3)],
                "price": round(100 + 20 * float(score[i]), 2),
            }
        )
    return rows


@pytest.fixture(scope="session")
def write_rows() -> Callable[..., Path]:
    """Writes rows as CSV: ``write_rows(path, rows, target)`` keeps one of the three targets."""
    return write_csv


def write_csv(path: Path, rows: list[dict[str, Any]], target: str | None = None, *, append: bool = False) -> Path:
    """Rows as CSV; of the targets of the three tasks only `target` is kept (all, where it is None)."""
    others = set(TARGETS.values()) - {target} if target else set()
    names = [name for name in rows[0] if name not in others]
    with path.open("a" if append else "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore", restval="")
        if not append:
            writer.writeheader()
        writer.writerows(rows)
    return path


def edit(project: Path, section: str, line: str) -> None:
    """Add a line to a section of `penstock.toml`; a line of that key which is there is replaced."""
    file = project / "penstock.toml"
    text = file.read_text(encoding="utf-8")
    key = line.partition("=")[0].strip()
    head, header, body = text.partition(f"[{section}]")
    inner, bracket, rest = body.partition("\n[")
    inner = re.sub(rf"(?m)^{re.escape(key)} *=.*\n", "", inner)
    first, _, others = inner.partition("\n")
    if not header:
        text = f"{text}\n[{section}]\n{line}\n"
    else:
        text = f"{head}{header}{first}\n{line}\n{others}{bracket}{rest}"
    file.write_text(text, encoding="utf-8")


@pytest.fixture(scope="session")
def set_line() -> Callable[[Path, str, str], None]:
    """Sets a line of a project's declaration: ``set_line(project, "search", "seed = 3")``."""
    return edit


class Projects:
    """Projects that are made once for all test processes; each test gets a copy of its own.

    The recipe of a project is a chain: `new` is the data set, `run` has a model, `live` has it deployed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def made(self, task: str, stage: str) -> Path:
        """The project that is copied. Never to be changed by a test."""
        place = self._folder / f"{task}-{stage}"
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / f"{task}-{stage}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not place.exists():
                draft = self._folder / f".{task}-{stage}"
                shutil.rmtree(draft, ignore_errors=True)
                getattr(self, f"_{stage}")(task, draft)
                draft.rename(place)
        return place / "shop"

    def copy(self, task: str, stage: str, to: Path) -> Path:
        """A copy in `to`, named as the original was."""
        return Path(shutil.copytree(self.made(task, stage), to / "shop"))

    def _new(self, task: str, draft: Path) -> None:
        draft.mkdir()
        target = TARGETS[task]
        source = write_csv(draft / "customers.csv", mixed_rows(2200 if task == "binary" else 700), target)
        done = run_penstock(
            draft, "new", "shop", "--data", str(source), "--target", target, "--key", "id", "--kind", "joined=datetime"
        )
        assert done.code == 0, done
        edit(draft / "shop", "search", 'learners = ["linear"]')
        edit(draft / "shop", "search", "workers = 1")
        edit(draft / "shop", "search", 'budget = "2 trials"')

    def _run(self, task: str, draft: Path) -> None:
        project = self.copy(task, "new", draft)
        done = run_penstock(project, "run")
        assert done.code == 0, done

    def _live(self, task: str, draft: Path) -> None:
        project = self.copy(task, "run", draft)
        done = run_penstock(project, "deploy")
        assert done.code == 0, done


@pytest.fixture(scope="session")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Projects:
    """The projects of this test session, shared by its processes."""
    base = tmp_path_factory.getbasetemp()
    return Projects((base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "projects")


@pytest.fixture
def project_at(projects: Projects, tmp_path: Path) -> Callable[..., Path]:
    """A project of this test's own: ``project_at("run", task="binary")``; the stages are `new`, `run` and `live`."""

    def at(stage: str, task: str = "binary") -> Path:
        return projects.copy(task, stage, tmp_path)

    return at


@pytest.fixture(scope="session")
def serve() -> Callable[[Path], Any]:
    """An app of a live project in this process, which journals what it answers: to be closed by who opened it."""
    return Served


@pytest.fixture
def served(project_at: Callable[..., Path]) -> Iterator[Any]:
    """A live project and an app of it in this process, which journals what it answers."""
    app = Served(project_at("live"))
    yield app
    app.close()


class Served:
    """A server of a project without a socket: what it is asked and answers goes to the project's journal."""

    def __init__(self, project: Path, settings: Any = None) -> None:
        from penstock.serving.app import App
        from penstock.serving.server import ServeSettings
        from penstock.serving.worker import Worker

        self.project = project
        self.worker = Worker(project / ".penstock" / "serving", settings or ServeSettings())
        self.app = App(self.worker)

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON."""
        import asyncio

        import httpx

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.request(method, path, json=body)

        response = asyncio.run(ask())
        return response.status_code, response.json()

    def predict(self, rows: list[dict[str, Any]], **more: Any) -> list[dict[str, Any]]:
        """Answers to rows; the targets and empty fields are not sent."""
        asked = [{n: v for n, v in row.items() if n not in TARGETS.values() and v is not None} for row in rows]
        answers: list[dict[str, Any]] = []
        for start in range(0, len(asked), 50):
            status, body = self.ask("POST", "/predict", {"rows": asked[start : start + 50], **more})
            assert status == 200, body
            answers += body["predictions"]
        return answers

    def close(self) -> None:
        self.worker.close()

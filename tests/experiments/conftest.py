"""Folders with recorded runs, and folders whose scripts are run for real: nothing is mocked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from penstock.experiments.capture.target import parse_target
from penstock.experiments.flags.detect import detect
from penstock.experiments.running.options import RunOptions, ScriptRun
from penstock.experiments.running.run import run_target
from penstock.ledger.record import RunRecord
from penstock.objects.tree import MEDIA, Entry, Tree, read_tree, store_tree
from penstock.project.workspace import Workspace


@dataclass
class Bench:
    """A folder in which runs are recorded as those of scripts are, without running any."""

    workspace: Workspace
    ids: dict[str, str] = field(default_factory=dict)

    def add(
        self,
        name: str,
        params: dict[str, Any],
        log: list[dict[str, Any]] | None = None,
        *,
        source: dict[str, str] | None = None,
        files: dict[str, str] | None = None,
        **more: Any,
    ) -> str:
        """Record a run that is done; gives its id. `source` and `files` are path -> text."""
        ledger = self.workspace.ledger
        inputs = {"target": {"kind": "script", "name": "train.py"}, **more.pop("inputs", {})}
        if source is not None:
            inputs["source"] = self.tree(source)
        environment = more.pop("environment", {"python": "3.11.7", "packages": {"numpy": "2.0.0"}})
        outputs = {"kind": "script", "exit_status": 0, **more.pop("outputs", {})}
        with ledger.run(
            more.pop("operation", "train.py"),
            params=params,
            inputs=inputs,
            environment=environment,
            source={"commit": None, "dirty": None},
            **more,
        ) as run:
            for line in log or []:
                run.log(**line)
            names = dict.fromkeys(n for line in log or [] for n in line if n != "step")
            series = {}
            for metric in names:
                values = [line[metric] for line in log or [] if metric in line]
                run.metric(metric, values[-1])
                series[metric] = {"count": len(values), "last": values[-1], "min": min(values), "max": max(values)}
            run.output("series", series)
            for key, value in outputs.items():
                run.output(key, value)
            if files is not None:
                digest = self.tree(files)
                run.record(artifacts={"files": {"digest": digest, "size_bytes": 1, "media": MEDIA}})
        self.ids[name] = run.id
        return run.id

    def tree(self, files: dict[str, str]) -> str:
        folder = self.workspace.state / "draft"
        entries = []
        for path, text in files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            entries.append(Entry(path, file))
        return store_tree(self.workspace.objects, entries)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    folder = tmp_path / "lab"
    (folder / ".penstock").mkdir(parents=True)
    made = Bench(Workspace(folder))
    yield made
    made.workspace.ledger.close()


@pytest.fixture
def trained(bench: Bench) -> Bench:
    """Three trainings: `a` converges, `b` overfits, `c` diverges to NaN."""
    import math

    def log(valid: Callable[[int], float], train: Callable[[int], float]) -> list[dict[str, Any]]:
        return [{"step": i, "loss": train(i), "val_loss": valid(i)} for i in range(60)]

    bench.add(
        "a",
        {"lr": 0.01, "opt": "adam", "epochs": 60},
        log(lambda i: 0.3 + math.exp(-i / 5), lambda i: 0.2 + math.exp(-i / 5)),
    )
    bench.add(
        "b",
        {"lr": 0.1, "opt": "adam", "epochs": 60},
        log(lambda i: 0.3 + math.exp(-i / 5) + max(0, i - 30) * 0.02, lambda i: 1 - i / 70),
    )
    bench.add(
        "c",
        {"lr": 1.0, "opt": "sgd", "epochs": 60},
        log(lambda i: 1.0 + i / 10, lambda i: float("nan") if i > 50 else 1.0 + i / 9),
    )
    return bench


@pytest.fixture
def cli(penstock: Callable[..., Any], bench: Bench) -> Callable[..., Any]:
    """One command line with ``--json`` in the bench's folder."""
    return lambda *arguments: penstock(bench.workspace.root, *arguments)


@pytest.fixture
def said(bench: Bench) -> Callable[..., str]:
    """What one command line prints for people."""
    import contextlib
    import io

    def say(*arguments: str) -> str:
        from penstock.cli.app import run

        out = io.StringIO()
        with contextlib.chdir(bench.workspace.root), contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            run(list(arguments))
        return out.getvalue()

    return say


@dataclass
class Place:
    """A folder of scripts."""

    root: Path

    def __post_init__(self) -> None:
        self.workspace = Workspace(self.root)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def run(self, *words: str, command: tuple[str, ...] = (), cwd: Path | None = None, **options: Any) -> ScriptRun:
        """Run a script of the folder with flags."""
        workspace = Workspace(self.root)
        options.setdefault("interactive", False)
        target, rest = parse_target(words, command=command, cwd=cwd or self.root, root=self.root)
        flags = detect(target, cwd=cwd or self.root, section=workspace.declaration.scripts.get(target.name))
        assigned = flags.assign(rest)
        options.setdefault("assigned", tuple(assigned))
        return run_target(
            workspace, target, flags, flags.values(assigned), options=RunOptions(**options), cwd=cwd or self.root
        )

    def run_text(self, text: str, *words: str, **options: Any) -> ScriptRun:
        """Run the text of a script."""
        self.write("train.py", text)
        return self.run("train.py", *words, **options)

    def record(self, run: ScriptRun | str) -> RunRecord:
        return self.workspace.ledger.get(run if isinstance(run, str) else run.id)

    def console(self, run: ScriptRun) -> bytes:
        return self.workspace.ledger.artifact(self.record(run), "console")

    def lines(self, run: ScriptRun) -> list[dict[str, Any]]:
        """The lines of its log, without the times."""
        found = [dict(line) for line in self.workspace.ledger.log_of(self.record(run))]
        for line in found:
            line.pop("elapsed_s")
        return found

    def tree(self, run: ScriptRun, name: str = "files") -> Tree:
        return read_tree(self.workspace.objects, self.record(run).artifacts[name]["digest"])

    def everything(self) -> bytes:
        """Every byte below `.penstock`, as one text: what must not be there is looked for in it."""
        state = self.workspace.state
        return b"\n".join(path.read_bytes() for path in sorted(state.rglob("*")) if path.is_file())

    def declare(self, text: str) -> None:
        self.write("penstock.toml", text)
        self.workspace = Workspace(self.root)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    root = tmp_path / "shop"
    root.mkdir()
    return Place(root)


@pytest.fixture
def as_json() -> Callable[[Any], str]:
    """A value as text, to look for words in it."""
    return lambda value: json.dumps(value, default=str)

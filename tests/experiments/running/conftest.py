"""Scripts written into a folder and run there for real: nothing is mocked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from penstock.experiments.flags.detect import detect
from penstock.experiments.options import RunOptions, ScriptRun
from penstock.experiments.run import run_target
from penstock.experiments.target import parse_target
from penstock.ledger.record import RunRecord
from penstock.objects.tree import Tree, read_tree
from penstock.project.workspace import Workspace


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

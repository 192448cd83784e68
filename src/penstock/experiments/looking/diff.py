"""What tells two runs apart: flags, source, environment, data, metrics and the files that they wrote."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.experiments.looking.properties import metrics, shown
from penstock.experiments.sheets import clean, table
from penstock.objects.digests import is_digest

if TYPE_CHECKING:
    from penstock.ledger.record import RunRecord
    from penstock.objects.tree import Tree
    from penstock.project.workspace import Workspace

SECTIONS = ("flags", "source", "environment", "data", "metrics", "files")
MOST_LINES = 300
"""Of the source's differences in the terminal when all sections are shown; `--only source` shows every line."""
_NOT_DATA = frozenset({"source", "target", "files_left_out", "source_left_out"})
_ABSENT = None


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not the same. `text` is the difference line by line, of a file of text."""

    name: str
    first: Any
    second: Any
    text: str = ""

    def to_json(self) -> dict[str, Any]:
        body = {"name": self.name, "first": self.first, "second": self.second}
        return {**body, "text": self.text} if self.text else body


@dataclass(frozen=True)
class RunDiff:
    """Two runs, and per section what differs between them."""

    first: RunRecord
    second: RunRecord
    changes: dict[str, list[Change]]
    said: dict[str, str]

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "first": self.first.id,
            "second": self.second.id,
            **{section: [change.to_json() for change in changes] for section, changes in self.changes.items()},
            "said": self.said,
        }

    def to_text(self) -> str:
        lines = [
            f"first   {self.first.id}: {clean(self.first.operation)}, {self.first.status}",
            f"second  {self.second.id}: {clean(self.second.operation)}, {self.second.status}",
        ]
        for section, changes in self.changes.items():
            note = f" ({self.said[section]})" if section in self.said else ""
            if not changes:
                lines.append(f"{section}: the same{note}")
                continue
            lines.append(f"{section}:{note}")
            plain = [change for change in changes if not change.text]
            if plain:
                rows = [(c.name, _cell(c.first), "->", _cell(c.second), _by(c)) for c in plain]
                lines.append(table(rows, indent="  "))
            lines += self._texts([change for change in changes if change.text])
        return "\n".join(lines)

    def _texts(self, changes: Sequence[Change]) -> list[str]:
        lines = [line for change in changes for line in change.text.splitlines()]
        if len(self.changes) > 1 and len(lines) > MOST_LINES:
            left = len(lines) - MOST_LINES
            return [*lines[:MOST_LINES], f"... {left} more lines: `penstock diff A B --only source` shows all"]
        return lines


def diff_runs(workspace: Workspace, first: str, second: str, *, only: Sequence[str] = ()) -> RunDiff:
    """Compare two runs, section by section.

    Raises
    ------
    NotFound : there is no such run.
    """
    a, b = workspace.ledger.get(first), workspace.ledger.get(second)
    changes: dict[str, list[Change]] = {}
    said: dict[str, str] = {}
    for section in SECTIONS:
        if only and section not in only:
            continue
        if section == "flags":
            changes[section] = _operations(a, b) + _changes(flat(a.params), flat(b.params))
        elif section == "source":
            changes[section] = _source(workspace, a, b, said)
        elif section == "environment":
            changes[section] = _surroundings(a, b, said)
        elif section == "data":
            changes[section] = _changes(flat(_data(a)), flat(_data(b)))
        elif section == "metrics":
            changes[section] = _changes(metrics(a), metrics(b))
        else:
            changes[section] = _files(workspace, a, b)
    return RunDiff(a, b, changes, said)


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """The leaves of nested objects, by their dotted names.

    >>> flat({"a": {"b": 1, "c": [1, 2]}, "d": {}})
    {'a.b': 1, 'a.c': [1, 2], 'd': {}}
    """
    if not isinstance(value, dict) or (name and not value):
        return {name: value}
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found |= flat(inner, f"{name}.{key}" if name else str(key))
    return found


def _changes(first: dict[str, Any], second: dict[str, Any]) -> list[Change]:
    names = dict.fromkeys([*first, *second])
    return [Change(n, first.get(n), second.get(n)) for n in names if not _same(first.get(n), second.get(n))]


def _same(first: Any, second: Any) -> bool:
    """Equal, and of one type; NaN is NaN."""
    if isinstance(first, float) and isinstance(second, float) and math.isnan(first) and math.isnan(second):
        return True
    return type(first) is type(second) and bool(first == second)


def _operations(a: RunRecord, b: RunRecord) -> list[Change]:
    return [] if a.operation == b.operation else [Change("(operation)", a.operation, b.operation)]


def _surroundings(a: RunRecord, b: RunRecord, said: dict[str, str]) -> list[Change]:
    """Of what was recorded of both. A batch, or a run of another tool, may have less of it."""
    first, second = _environment(a), _environment(b)
    both = [name for name in first if name in second]
    lacking = [(r.id, [n for n in more if n not in less]) for r, less, more in ((a, first, second), (b, second, first))]
    if told := [f"{', '.join(names)} of {run}" for run, names in lacking if names]:
        said["environment"] = f"not recorded: {'; '.join(told)}"
    return _changes(flat({name: first[name] for name in both}), flat({name: second[name] for name in both}))


def _environment(record: RunRecord) -> dict[str, Any]:
    body = {k: v for k, v in record.environment.items() if k not in ("prefix", "executable")}
    return {k: v for k, v in {**body, "host": record.host}.items() if v is not None}


def _data(record: RunRecord) -> dict[str, Any]:
    return {name: value for name, value in record.inputs.items() if name not in _NOT_DATA}


def _source(workspace: Workspace, a: RunRecord, b: RunRecord, said: dict[str, str]) -> list[Change]:
    first, second = _tree(workspace, a.inputs.get("source")), _tree(workspace, b.inputs.get("source"))
    commits = _changes(*({k: r.source.get(k) for k in ("commit", "branch", "dirty", "penstock")} for r in (a, b)))
    if first is None or second is None:
        said["source"] = "no snapshot of the files of " + " and ".join(
            r.id for r, tree in ((a, first), (b, second)) if tree is None
        )
        return commits
    return commits + _trees(first, second)


def _files(workspace: Workspace, a: RunRecord, b: RunRecord) -> list[Change]:
    """Files that the runs wrote, and other artifacts, by their digests. What they printed is compared too."""
    found = []
    for record in (a, b):
        tree = record.artifacts.get("files")
        names = {
            n: art["digest"] for n, art in record.artifacts.items() if n not in ("files", "inputs", "diff", "packages")
        }
        opened = _tree(workspace, tree["digest"]) if tree is not None else None
        found.append({**names, **({p: f.digest for p, f in opened.files.items()} if opened is not None else {})})
    return _changes(*found)


def _tree(workspace: Workspace, digest: Any) -> Tree | None:
    from penstock.errors import StoreError
    from penstock.objects.tree import read_tree

    if not is_digest(digest):
        return None
    try:
        return read_tree(workspace.objects, digest)
    except StoreError:  # it was purged, or is no tree: the digests still tell whether it changed
        return None


def _trees(first: Tree, second: Tree) -> list[Change]:
    if first.content == second.content:
        return []
    changes = []
    for path in sorted({*first.files, *second.files}):
        one, other = first.files.get(path), second.files.get(path)
        if one is not None and other is not None and one.digest == other.digest:
            if one.mode != other.mode:
                changes.append(Change(f"{path} (mode)", f"{one.mode:o}", f"{other.mode:o}"))
            continue
        text = _unified(path, *(None if f is None else t.read(path) for f, t in ((one, first), (other, second))))
        digests = [None if file is None else file.digest for file in (one, other)]
        changes.append(Change(path, digests[0], digests[1], text))
    return changes


def _unified(path: str, first: bytes | None, second: bytes | None) -> str:
    """The difference of two files of text; "" where one is none, or nothing is there to show."""
    try:
        before, after = ((data or b"").decode("utf-8") for data in (first, second))
    except UnicodeDecodeError:
        return ""
    if "\0" in before + after:
        return ""
    old = "/dev/null" if first is None else f"first/{path}"
    new = "/dev/null" if second is None else f"second/{path}"
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), old, new, lineterm="")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is _ABSENT:
        return "-"
    return value[:19] if is_digest(value) else shown(value, 60)


def _by(change: Change) -> str:
    """How far a number has moved."""
    first, second = change.first, change.second
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in (first, second))
    return f"({second - first:+.4g})" if numbers else ""

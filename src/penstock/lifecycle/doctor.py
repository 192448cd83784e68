"""`penstock doctor`: the installation, the stores, the audit chain."""

from __future__ import annotations

import importlib
import importlib.metadata
import platform
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from penstock.errors import PenstockError, ProjectError
from penstock.project.project import Project


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    id: str
    passed: bool
    why: str

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "passed": self.passed, "why": self.why}


@dataclass(frozen=True)
class Diagnosis:
    """Outcome of `penstock doctor`."""

    checks: list[Check]
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        return 0 if all(c.passed for c in self.checks) else 1

    def to_json(self) -> dict[str, Any]:
        return {"checks": [c.to_json() for c in self.checks], "events": self.events}

    def to_text(self) -> str:
        lines = [f"{'ok     ' if c.passed else 'PROBLEM'}  {c.id}: {c.why}" for c in self.checks]
        lines += [
            f"{e['number']:5d}  {e['at']}  {e['who']}  {e['what']}  {e['subject']}  {e['details']}" for e in self.events
        ]
        return "\n".join(lines)


def examine(project: Project | None = None, *, trail: bool = False) -> Diagnosis:
    """Look at everything; a problem is an entry of the result, not an exception.

    Parameters
    ----------
    project : default: the one that holds the working folder; without one, only the installation is examined.
    trail : give the events of the audit trail, too.
    """
    checks = [_packages()]
    if project is None:
        try:
            project = Project.here()
        except ProjectError:
            checks.append(Check("project", True, "no project here; only the installation was examined"))
            return Diagnosis(checks)
    found = project
    ledger = _attempt(
        "declaration", lambda: f"penstock.toml of {found.name} is sound ({found.declaration.data.source})"
    )
    checks.append(ledger)
    opened = _attempt("ledger", lambda: f"{len(found.ledger.runs())} runs, opened without migration errors")
    checks.append(opened)
    checks.append(_attempt("disk", lambda: _space(found)))
    if opened.passed:
        checks.append(_attempt("audit-trail", lambda: _trail(found)))
        checks.append(_attempt("objects", lambda: _objects(found)))
        checks.append(_attempt("audit-heads", lambda: _heads(found)))
    checks.append(_attempt("slots", lambda: _slots(found)))
    checks.append(_attempt("journal", lambda: _journal(found)))
    events = [e.to_json() for e in found.ledger.audit.events()] if trail and opened.passed else []
    return Diagnosis(checks, events)


def _attempt(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except PenstockError as error:
        return Check(name, False, f"{error.what}; {error.why}. {error.way_out}")


def _packages() -> Check:
    wanted = [r for r in importlib.metadata.requires("penstock") or [] if "extra ==" not in r]
    problems, count = [], 0
    for requirement in wanted:
        name = re.split(r"[<>=!~;\[ ]", requirement, maxsplit=1)[0]
        if "sys_platform != 'win32'" in requirement and platform.system() == "Windows":
            continue
        try:
            importlib.metadata.version(name)
            count += 1
        except importlib.metadata.PackageNotFoundError:
            problems.append(name)
    if problems:
        return Check("installation", False, f"not installed: {', '.join(problems)}. pip install penstock")
    return Check(
        "installation", True, f"Python {platform.python_version()}, {count} packages that Penstock needs are there"
    )


def _space(project: Project) -> str:
    free = shutil.disk_usage(project.root).free
    if free < 2**28:
        raise ProjectError(
            f"only {free / 2**20:.0f} MB are free", why="stores and the journal need room", way_out="free some space"
        )
    return f"{free / 2**30:.0f} GB free"


def _trail(project: Project) -> str:
    project.ledger.audit.verify()
    return f"{len(list(project.ledger.audit.events()))} events, the chain of hashes holds, head {project.ledger.audit.head()[:19]}"


def _heads(project: Project) -> str:
    """Every bundle names the head of the trail at its making: a cut tail shows here."""
    count = 0
    for version in project.ledger.registry.versions(project.name):
        head = project.ledger.get(version.run).outputs.get("audit_head")
        bundle = project.root / "models" / f"v{version.version}" / "manifest.json"
        if bundle.is_file():
            import json

            head = json.loads(bundle.read_bytes())["audit_head"]
        if head:
            project.ledger.audit.verify(head=head)
            count += 1
    return f"the heads that {count} bundles carry are in the trail"


def _objects(project: Project) -> str:
    count = 0
    for digest in project.objects.digests():
        project.objects.get(digest)
        count += 1
    return f"{count} objects, every one matches its digest"


def _slots(project: Project) -> str:
    from penstock.bundle.runtime import Bundle
    from penstock.serving.slots import read_slots

    state = read_slots(project.serving_state)
    filled = {name: entry for name, entry in state.slots.items() if entry is not None}
    for entry in filled.values():
        Bundle.load(project.serving_state / entry.path).self_test()
    if not filled:
        return "nothing deployed yet"
    return ", ".join(f"{n} holds version {e.version}{' (live)' if n == state.live else ''}" for n, e in filled.items())


def _journal(project: Project) -> str:
    from penstock.errors import DamagedStore
    from penstock.serving.journal import read
    from penstock.serving.segments import ReadReport

    report = ReadReport()
    count = sum(1 for _ in read(project.journal_folder, report=report))
    if report.skipped:
        raise DamagedStore(
            f"{report.skipped} records of the journal are damaged",
            why="their checksum does not match",
            way_out="restore the segment from a backup; the other records are read all the same",
        )
    return f"{count} records in {report.segments} segments"

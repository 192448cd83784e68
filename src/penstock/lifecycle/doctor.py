"""`penstock doctor`: the installation, the stores, the audit chain."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import platform
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from penstock.errors import DamagedStore, PenstockError, ProjectError
from penstock.lifecycle.named_objects import named_objects
from penstock.project.project import Project
from penstock.serving.slots import read_slots


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


def examine(project: Project | None = None, *, trail: bool = False, free_lock: str | None = None) -> Diagnosis:
    """Look at everything; a problem is an entry of the result, not an exception.

    Parameters
    ----------
    project : default: the one that holds the working folder; without one, only the installation is examined.
    trail : give the events of the audit trail, too.
    free_lock : name of a lock to free, whose holder on another machine is gone.
    """
    checks = [_attempt("installation", _packages)]
    if project is None:
        try:
            project = Project.here()
        except ProjectError:
            checks.append(Check("project", True, "no project here; only the installation was examined"))
            return Diagnosis(checks)
    found = project
    events: list[dict[str, Any]] = []

    def look(name: str, check: Callable[[Project], str]) -> bool:
        checks.append(_attempt(name, lambda: check(found)))
        return checks[-1].passed

    look("declaration", lambda p: f"penstock.toml of {p.name} is sound ({p.declaration.data.source})")
    opened = look("ledger", lambda p: f"{len(p.ledger.runs())} runs, opened without migration errors")
    look("disk", _space)
    look("leftovers", _sweep)
    if opened:
        look("audit-trail", _trail)
        look("objects", _objects)
        look("lost-objects", _lost)
        look("audit-heads", _heads)
    slots = look("slots", _slots)
    if opened and slots:
        look("aliases", _aliases)
    look("journal", _journal)
    if free_lock is not None and opened:
        look("free-lock", lambda p: _free(p, free_lock))
    if trail and opened:
        look("events", lambda p: _events(p, events))
    return Diagnosis(checks, events)


def _attempt(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except PenstockError as error:
        return Check(name, False, f"{error.what}; {error.why}. {error.way_out}")
    except Exception as error:  # noqa: BLE001 - one check that breaks must not keep the others from looking
        return Check(name, False, f"{type(error).__name__}: {error}; what it looked at is damaged, or this is a bug")


def _packages() -> str:
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
        raise ProjectError(
            f"not installed: {', '.join(problems)}", why="Penstock needs them", way_out="pip install penstock"
        )
    return f"Python {platform.python_version()}, {count} packages that Penstock needs are there"


def _space(project: Project) -> str:
    free = shutil.disk_usage(project.root).free
    if free < 2**28:
        raise ProjectError(
            f"only {free / 2**20:.0f} MB are free", why="stores and the journal need room", way_out="free some space"
        )
    return f"{free / 2**30:.0f} GB free"


def _sweep(project: Project) -> str:
    """What killed processes left in the object store is removed."""
    from penstock.objects.local import LocalStore

    if not isinstance(project.objects, LocalStore):
        return "none: a remote store shows an object only when it is whole"
    files, freed_bytes = project.objects.sweep()
    return f"{files} unfinished files of killed processes removed ({freed_bytes / 2**20:.1f} MB)" if files else "none"


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


def _lost(project: Project) -> str:
    named = dict(named_objects(project))
    lost = [f"{what} ({digest[:19]})" for digest, what in named.items() if not project.objects.has(digest)]
    if lost:
        more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
        raise DamagedStore(
            f"{len(lost)} of {len(named)} objects that the ledger names are gone",
            why=", ".join(lost[:5]) + more,
            way_out="restore them from a copy of the store; `penstock run` makes again what it can",
        )
    return f"all {len(named)} objects that runs, data sets and models name are there"


def _aliases(project: Project) -> str:
    live = read_slots(project.serving_state).live_entry
    champion = project.ledger.registry.aliases(project.name if live is None else live.model).get("champion")
    version = None if live is None else live.version
    if champion != version:
        raise ProjectError(
            f"the champion is version {champion}, and version {version} is live",
            why="a deploy or rollback was stopped between switching and writing it down",
            way_out="`penstock rollback`, and once more to come back; or `penstock deploy` another version",
        )
    return "nothing is live, and there is no champion" if live is None else f"the champion, version {version}, is live"


def _slots(project: Project) -> str:
    from penstock.bundle.runtime import Bundle

    state = read_slots(project.serving_state)
    filled = {name: entry for name, entry in state.slots.items() if entry is not None}
    for entry in filled.values():
        Bundle.load(project.serving_state / entry.path, key=project.privacy_key).self_test()
    if not filled:
        return "nothing deployed yet"
    return ", ".join(f"{n} holds version {e.version}{' (live)' if n == state.live else ''}" for n, e in filled.items())


def _journal(project: Project) -> str:
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


def _free(project: Project, name: str) -> str:
    holder = project.ledger.locks.free(name)
    project.ledger.audit.append("free lock", name, {"holder": str(holder)})
    return f"{name!r} is free; {holder} held it"


def _events(project: Project, events: list[dict[str, Any]]) -> str:
    events += [event.to_json() for event in project.ledger.audit.events()]
    return f"{len(events)}, as listed"

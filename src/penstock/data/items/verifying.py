"""`penstock data verify`: every stored byte is read again, and what is damaged is told with all that it hurts."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from penstock.errors import DamagedStore, NotFound
from penstock.experiments.keeping.needed import led_to
from penstock.experiments.looking.run_files import size_text
from penstock.ledger.schema import json_value
from penstock.project.workspace import Workspace

if TYPE_CHECKING:
    from penstock.objects.store import ObjectStore
    from penstock.objects.tree import Tree

SHOWN = 10
DAMAGED, MISSING = "damaged", "missing"
Kind = Literal["item", "data set", "forgotten data set", "model", "run"]


@dataclass(frozen=True)
class Hurt:
    """Something that cannot be read in full.

    Attributes
    ----------
    kind : of what; of a ``forgotten data set`` it is what stays. files : of an item, those hurt.
    made_by : of a data set, the run that made it; done again, it stores what is lost.
    """

    kind: Kind
    name: str
    objects: tuple[str, ...]
    files: tuple[str, ...] = ()
    made_by: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "objects": list(self.objects),
            "files": list(self.files),
            "made_by": self.made_by,
        }

    def to_text(self) -> str:
        shown = ", ".join(self.files[:5]) + (f" and {len(self.files) - 5} others" if len(self.files) > 5 else "")
        made = f", made by run {self.made_by}" if self.made_by else ""
        return f"  {self.kind} {self.name}" + (f": {shown}" if shown else made)


@dataclass(frozen=True)
class Verified:
    """What was read, and what is wrong with it.

    Attributes
    ----------
    objects, size_bytes : that were read. wrong : digest -> ``damaged`` or ``missing``.
    hurt : what cannot be read in full because of these. discarded : damaged objects that were removed.
    """

    objects: int
    size_bytes: int
    seconds: float
    wrong: dict[str, str] = field(default_factory=dict)
    hurt: tuple[Hurt, ...] = ()
    discarded: int = 0

    @property
    def exit_code(self) -> int:
        return 1 if self.wrong else 0

    def to_json(self) -> dict[str, Any]:
        return {
            "objects": self.objects,
            "size_bytes": self.size_bytes,
            "seconds": self.seconds,
            "wrong": [{"digest": digest, "why": why} for digest, why in sorted(self.wrong.items())],
            "hurt": [one.to_json() for one in self.hurt],
            "discarded": self.discarded,
        }

    def to_text(self) -> str:
        read = f"{self.objects} objects ({size_text(self.size_bytes)}) read in {self.seconds:.1f} s"
        if not self.wrong:
            return f"{read}: all are as they were stored"
        wrong = sorted(self.wrong.items())
        lines = [f"{read}: {len(wrong)} are not", *(f"  {why}: {digest}" for digest, why in wrong[:SHOWN])]
        if len(wrong) > SHOWN:
            lines.append(f"  and {len(wrong) - SHOWN} others")
        lines.append("hurt by it:" if self.hurt else "nothing in the ledger needs them")
        lines += [one.to_text() for one in self.hurt]
        if self.discarded:
            lines.append(f"{self.discarded} damaged {'object is' if self.discarded == 1 else 'objects are'} removed")
        elif DAMAGED in self.wrong.values():
            lines.append("`penstock data verify --discard` removes what is damaged, so that it can be stored anew")
        if self.hurt:
            lines.append(
                "what is lost is stored anew from where it came: `penstock data add` does so from the files of an item,"
            )
            lines.append(
                "  `penstock reproduce RUN`, of the run that made a data set, from its source; or copy the objects from another"
            )
            lines.append("  copy of the store")
        return "\n".join(lines)


def verify(
    workspace: Workspace,
    reference: str | None = None,
    *,
    discard: bool = False,
    tell: Callable[[int, int], None] | None = None,
) -> Verified:
    """Read every object of the store again, or all that one version of an item needs.

    Parameters
    ----------
    reference : ``NAME[@VERSION]`` of an item.
    discard : remove what is damaged: it is of no use, and as long as it is there nothing else takes its place.
    tell : told of objects that are done, and of all.
    """
    from penstock.data.items.naming import find_item

    objects = workspace.objects
    began = time.monotonic()
    one = None if reference is None else find_item(workspace, reference)
    wrong: dict[str, str] = {}
    if one is None:
        chosen = set(objects.digests())
    else:
        try:
            chosen = {one.digest, *led_to(objects, one.digest)[0]}
        except DamagedStore:
            chosen = {one.digest}
        chosen = {digest for digest in chosen if objects.has(digest)}
    sizes = 0
    with ThreadPoolExecutor(2) as pool:
        for done, (digest, size) in enumerate(pool.map(lambda d: (d, _checked(objects, d)), sorted(chosen))):
            if size is None:
                wrong[digest] = DAMAGED
            sizes += size or 0
            if tell is not None:
                tell(done + 1, len(chosen))
    hurt = tuple(_hurt(workspace, wrong, None if one is None else one.reference))
    discarded = 0
    if discard:
        for digest in [d for d, why in wrong.items() if why == DAMAGED]:
            objects.delete(digest)
            discarded += 1
        if discarded:
            workspace.ledger.audit.append("discard", f"{discarded} damaged objects", {"objects": sorted(wrong)})
    return Verified(len(chosen), sizes, time.monotonic() - began, wrong, hurt, discarded)


def _checked(objects: ObjectStore, digest: str) -> int | None:
    """The size of an object that is whole, None of one that is damaged."""
    try:
        objects.check(digest)
        return objects.stat(digest).size_bytes
    except DamagedStore:
        return None
    except NotFound:  # collected meanwhile
        return 0


def _hurt(workspace: Workspace, wrong: dict[str, str], only: str | None) -> list[Hurt]:
    """What leads to an object that is damaged, or to one that must be there and is not; the latter join `wrong`."""
    ledger, objects = workspace.ledger, workspace.objects
    found = []
    for version in ledger.items.log(removed=None):
        if only in (None, version.reference):
            name = f"{version.reference} (removed)" if version.removed_at else version.reference
            found += _of_list(objects, "item", name, version.digest, wrong)
    if only is not None:
        return found
    for record in ledger.datasets.log():
        kind: Kind = "data set" if record.forgotten_at is None else "forgotten data set"
        hurt = _of_list(objects, kind, record.digest, record.digest, wrong)
        found += [replace(one, made_by=record.run) for one in hurt]
    for row in ledger.ask("SELECT name, version, bundle, report, details FROM model_versions ORDER BY name, version"):
        if "forgotten" in json_value(row.details):
            continue
        digests = [digest for digest in (row.bundle, row.report) if digest]
        wrong.update({digest: MISSING for digest in digests if not objects.has(digest)})
        bad = _below(objects, digests, wrong)
        if bad:
            found.append(Hurt("model", f"{row.name}@{row.version}", tuple(sorted(bad))))
    runs: dict[str, set[str]] = {}
    kept = (
        "SELECT digest FROM run_outputs WHERE size_bytes IS NOT NULL UNION SELECT log FROM runs WHERE log IS NOT NULL"
    )
    wrong.update({row.digest: MISSING for row in ledger.ask(kept) if not objects.has(row.digest)})
    every = "SELECT run, digest FROM run_outputs UNION SELECT id, log FROM runs WHERE log IS NOT NULL ORDER BY run"
    for row in ledger.ask(every):
        bad = _below(objects, [row.digest], wrong) if wrong else set()
        if bad:
            runs.setdefault(row.run, set()).update(bad)
    return [*found, *(Hurt("run", run, tuple(sorted(bad))) for run, bad in runs.items())]


def _of_list(objects: ObjectStore, kind: Kind, name: str, digest: str, wrong: dict[str, str]) -> list[Hurt]:
    """An item or a data set: it needs its list, and all objects that this names."""
    from penstock.data.versions import stays_of, stored_objects
    from penstock.objects.tree import named_objects, read_tree

    if wrong.get(digest) == DAMAGED:
        return [Hurt(kind, name, (digest,))]
    tree: Tree | None
    try:
        if kind == "item":
            tree = read_tree(objects, digest)
            needed = tree.objects()
        else:
            tree, needed = None, (stored_objects if kind == "data set" else stays_of)(objects, digest)
    except NotFound:
        if kind != "item" or not objects.has(digest):
            wrong[digest] = MISSING
            return [Hurt(kind, name, (digest,))]
        tree, needed = None, named_objects(objects, digest)  # parts of the list are lost: it names what it needs
    except DamagedStore:
        tree, needed = None, named_objects(objects, digest)
    for lost in needed - wrong.keys():
        if not objects.has(lost):
            wrong[lost] = MISSING
    bad = needed & wrong.keys()
    if not bad:
        return []
    files: list[str] = []
    if tree is not None:
        packs = {number for number, pack in enumerate(tree.packs) if pack in bad}
        files = [
            file.path
            for file in tree.files.values()
            if file.pack in packs
            or any(p.pack in packs for p in file.pieces)
            or any(p.pack is None and p.digest in bad for p in file.pieces)
            or (file.is_object and file.digest in bad)
        ]
    return [Hurt(kind, name, tuple(sorted(bad)), tuple(files))]


def _below(objects: ObjectStore, digests: list[str], wrong: dict[str, str]) -> set[str]:
    """Those wrong objects that some digests lead to. What is damaged leads nowhere."""
    seen, waiting = set[str](), set(digests)
    while waiting:
        digest = waiting.pop()
        seen.add(digest)
        if digest in wrong:
            continue
        try:
            inner, last = led_to(objects, digest)
        except DamagedStore:
            continue
        if last:
            seen |= inner
        else:
            waiting |= inner - seen
    return seen & wrong.keys()

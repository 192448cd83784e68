"""Which versions of the data leave with runs, or are shown with their files: each is asked for before any of it is handed out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from penstock.errors import NotFound
from penstock.ledger.record import RunRecord
from penstock.objects.digests import digests_within
from penstock.objects.tree import read_tree
from penstock.project.workspace import Workspace


def objects_of(record: RunRecord) -> Iterator[tuple[str, str]]:
    """Name -> digest of everything that a run made or took."""
    if record.log:
        yield "log", record.log
    for name, artifact in record.artifacts.items():
        yield name, artifact["digest"]
    yield from digests_within(record.inputs)
    yield from digests_within(record.outputs, "outputs")


def ask_for_carried(workspace: Workspace, records: Iterable[RunRecord], *, verb: str = "export") -> None:
    """Ask the ledger for each version that a run took or names, of the data set and of items: what the run kept may hold rows of it.

    A run has also taken an item where it read a file of it. `verb`: what is done with the run; "" that of the command line.

    Raises
    ------
    AccessError : one of them is restricted to others.
    """
    ledger = workspace.ledger
    versions = {row.digest: row.digest[7:19] for row in ledger.ask("SELECT digest FROM datasets")}
    items = ledger.items.log()
    versions |= {item.digest: item.reference for item in items}
    restricted = {restriction.digest for restriction in ledger.access.all()}
    versions = {digest: digest[7:19] for digest in restricted} | versions
    by_file: dict[str, set[str]] = {}  # only where somebody may be refused: to look into every item takes long
    for item in items:
        if item.digest in restricted:
            for digest in _inside(workspace, item.digest) | {item.content}:
                by_file.setdefault(digest, set()).add(item.digest)
    for record in records:
        named = dict(objects_of(record))
        if (taken := named.get("dataset")) is not None:  # of another ledger, if it is not known here
            versions.setdefault(taken, taken[7:19])
        inside = set[str]().union(*(by_file.get(digest, ()) for digest in named.values()))
        for version in sorted((set(named.values()) & versions.keys()) | inside):
            ledger.access.read(version, part="run", verb=verb, name=versions[version], run=record.id)


def _inside(workspace: Workspace, digest: str) -> set[str]:
    try:
        return {file.digest for file in read_tree(workspace.objects, digest).files.values()}
    except NotFound:  # its list is lost
        return set()

"""Which objects are still needed, so that only those that are not are ever freed."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from penstock.errors import NotFound
from penstock.objects.digests import digests_within, is_digest
from penstock.objects.tree import MEDIA, read_tree

if TYPE_CHECKING:
    from penstock.ledger.ledger import Ledger
    from penstock.ledger.record import RunRecord
    from penstock.objects.store import ObjectStore

TEXTS = frozenset({"console", "diff", "packages"})


def objects_of(objects: ObjectStore, records: Iterable[RunRecord]) -> set[str]:
    """What may be freed with some runs: logs, console, source, and the trees of files that they read and wrote.

    Other artifacts (models, reports, recipes, bundles) are left where they are: they are small, and people keep their digests.
    """
    found: set[str] = set()
    for record in records:
        if record.log:
            found.add(record.log)
        for name, artifact in record.artifacts.items():
            if name in TEXTS:
                found.add(artifact["digest"])
            elif artifact["media"] == MEDIA:
                found |= _tree(objects, artifact["digest"])
        source = record.inputs.get("source")
        if isinstance(source, str) and is_digest(source):
            found |= _tree(objects, source)
    return found


def needed_objects(
    ledger: Ledger,
    objects: ObjectStore,
    *,
    without: set[str],
    naming: Collection[str] = (),
    forgotten: Collection[str] = (),
    models: Collection[tuple[str, int]] = (),
) -> set[str]:
    """Every object that something in the ledger leads to, but for the given runs, models, and the rows of versions that are forgotten.

    Lists of objects (trees, manifests of data sets, bundles and other JSON) are read and followed.

    Parameters
    ----------
    naming : runs that need what they wrote, and only name what they took: their copies of it (`inputs`) are no need. forgotten : versions of the data set beside those that the ledger says are. models : (name, version), whose bundles and reports go.

    Raises
    ------
    DamagedStore : such a list is damaged: what it leads to cannot be told.
    """
    lost = ledger.datasets.forgotten() | frozenset(forgotten)
    rows = _rows_of(objects, lost)
    plain: set[str] = set()
    lists: set[str] = set()
    for row in ledger.ask("SELECT run, name, digest, media FROM run_outputs"):
        if row.run not in without and not (row.name == "inputs" and row.run in naming):
            (lists if row.media is None or "json" in row.media else plain).add(row.digest)
    for row in ledger.ask("SELECT run, name, digest FROM run_inputs"):
        if row.run not in without and row.run not in naming:
            lists.add(row.digest)
    plain |= {r.log for r in ledger.ask("SELECT id, log FROM runs WHERE log IS NOT NULL") if r.id not in without}
    for query in (
        "SELECT digest AS a, manifest AS b, CASE WHEN forgotten_at IS NULL THEN source || details ELSE details END AS c, digest AS d FROM datasets",
        "SELECT object AS a, dataset AS b, key_id AS c, '' AS d FROM envelopes",
        "SELECT bundle AS a, report AS b, details || metrics || overrides || dataset AS c, name || '@' || version AS d FROM model_versions",
        "SELECT NULL AS a, NULL AS b, details AS c, '' AS d FROM experiments",
        "SELECT digest AS a, NULL AS b, details AS c, '' AS d FROM data_items",
    ):
        gone = {*forgotten, *(f"{name}@{version}" for name, version in models)}
        for row in ledger.ask(query):
            if row.d in gone:
                lists |= {row.a} if row.d in lost else set()
                continue
            lists |= {d for d in (row.a, row.b) if is_digest(d)} - rows | set(_mentioned(row.c or ""))
    return plain | followed(objects, lists, forgotten=lost)


def _rows_of(objects: ObjectStore, forgotten: Iterable[str]) -> set[str]:
    """Digests of the rows, sealed ones too, of versions that are forgotten, and of what they were read from; others may have the same. (See `penstock.data.versions`.)"""
    found: set[str] = set()
    for digest in forgotten:
        try:
            manifest = _if_json(objects, digest)
        except NotFound:
            continue
        if isinstance(manifest, dict):
            rows = {name: manifest.get(name) for name in ("parts", "envelopes", "source")}
            found |= {inner for _, inner in digests_within(rows)}
    return found


def mentioned_objects(ledger: Ledger, objects: ObjectStore, *, removed_before: str = "") -> set[str]:
    """Every digest that anything in the ledger mentions, in whatever column, and all that these lead to.

    More than what is needed, and never less: runs, also queued, running and thrown-away ones, models, data sets, data items, also
    removed ones, but for those that were removed before an instant, where one is given. Only the audit trail, which tells of what is
    gone, restrictions, which outlive what they are of, and the digests of files that are remembered to save time keep nothing.

    Raises
    ------
    DamagedStore : as `needed_objects`.
    """
    from penstock.ledger.schema import tables

    found: set[str] = set()
    forgotten = ledger.datasets.forgotten()
    rows = _rows_of(objects, forgotten)
    for table, columns in tables().items():
        if table in ("events", "file_stats", "migrations", "locks", "secrets", "restrictions"):
            continue
        texts = [name for name, (kind, *_) in columns.items() if kind in ("text", "json")]
        where = " WHERE removed_at IS NULL OR removed_at >= :before" if table == "data_items" else ""
        query = f"SELECT {', '.join(texts)} FROM {table}{where}"
        for row in ledger.ask(query, {"before": removed_before} if where else None):
            for value in row:
                if value and "sha256:" in value:
                    found.update(_mentioned(value) if table != "envelopes" else set(_mentioned(value)) - rows)
    return followed(objects, found, forgotten=forgotten)


def followed(objects: ObjectStore, lists: set[str], *, forgotten: Collection[str] = ()) -> set[str]:
    """Digests, and all that they lead to where they are JSON; of versions that are `forgotten` not their rows."""
    seen: set[str] = set()
    waiting = set(lists)
    while waiting:
        digest = waiting.pop()
        seen.add(digest)
        inner, last = led_to(objects, digest)
        if digest in forgotten and inner:
            inner, last = inner - _rows_of(objects, [digest]), False
        if last:
            seen |= inner
        else:
            waiting |= inner - seen
    return seen


def led_to(objects: ObjectStore, digest: str) -> tuple[set[str], bool]:
    """The digests that an object names, none where it is no list or not stored; and whether these are no lists for certain."""
    try:
        data = _if_json(objects, digest)
    except NotFound:
        return set(), True
    last = isinstance(data, dict) and data.get("kind") in ("tree", "dataset")
    named = {inner for _, inner in digests_within(data)} if data is not None else set()
    if last and isinstance(data, dict) and data["kind"] == "dataset":
        last = not named & {data.get("parent"), data.get("redealt_from")}
    return named, last


def _if_json(objects: ObjectStore, digest: str) -> object | None:
    """The value of an object that is JSON; large files that begin otherwise are not read where the store is a folder."""
    from penstock.objects.local import LocalStore

    if isinstance(objects, LocalStore):
        try:
            with open(objects.path_of(digest), "rb") as file:
                if file.read(1) not in (b"{", b"["):
                    return None
        except FileNotFoundError:
            return None
    data = objects.get(digest)
    if data[:1] not in (b"{", b"["):
        return None
    try:
        value: object = json.loads(data)
    except ValueError:
        return None
    return value


def _tree(objects: ObjectStore, digest: str) -> set[str]:
    try:
        return read_tree(objects, digest).objects()
    except NotFound:  # freed before: nothing is left of it
        return set()


def _mentioned(text: str) -> list[str]:
    from penstock.objects.digests import DIGEST

    return DIGEST.findall(text)

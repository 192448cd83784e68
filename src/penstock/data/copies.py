"""Copies that the store has of files of a version: of what it was read from, and of what scripts read that was made of it.

A run of a script keeps what it read as its artifact `inputs`, a tree in which small files lie together. It is for doing the run again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from penstock.errors import NotFound

if TYPE_CHECKING:
    from penstock.ledger.datasets import DatasetRecord
    from penstock.ledger.ledger import Ledger
    from penstock.objects.store import ObjectStore
    from penstock.objects.tree import Tree


def copies_of_source(ledger: Ledger, objects: ObjectStore, record: DatasetRecord, own: Collection[str]) -> set[str]:
    """Digests of the files that a version was read from, where they are stored as a script read or wrote them, or as a data item.

    `own`: ids of Penstock's own runs: what these made, such as the answer of a database, is no copy.
    """
    from penstock.objects.digests import digests_within

    if record.source.get("kind") == "labelled":
        return set()
    named = {digest for _, digest in digests_within(record.source)}
    named -= {row.digest for row in ledger.ask("SELECT digest FROM datasets")}
    made = {row.digest for row in ledger.ask("SELECT run, digest FROM run_outputs") if row.run in own}
    return {digest for digest in named - made if objects.has(digest)}


def copies_read(ledger: Ledger, objects: ObjectStore, files: Collection[str]) -> set[str]:
    """Digests of the objects in which runs keep copies of `files` (digests) that they read; other files may lie in them, too.

    Raises
    ------
    DamagedStore : such a tree is damaged.
    """
    found = set[str]()
    for _, tree in _inputs(ledger, objects):
        for file in tree.files.values():
            if file.digest in files:
                found |= {
                    piece.digest if piece.pack is None else tree.packs[piece.pack] for piece in (file.pieces or (file,))
                }
    return found


def keeping(ledger: Ledger, objects: ObjectStore, going: Collection[str]) -> set[str]:
    """Ids of the runs that keep what they read in objects that are `going`."""
    return {run for run, tree in _inputs(ledger, objects) if tree.objects() & set(going)}


def _inputs(ledger: Ledger, objects: ObjectStore) -> Iterator[tuple[str, Tree]]:
    from penstock.objects.tree import MEDIA, read_tree

    query = "SELECT run, digest FROM run_outputs WHERE name = 'inputs' AND (media = :tree OR media IS NULL)"
    for row in ledger.ask(query, {"tree": MEDIA}):  # without media: what is gone of it, when a forgetting was killed
        try:
            yield row.run, read_tree(objects, row.digest)
        except NotFound:  # purged with another run that read the same
            continue

"""The files of a run that come one by one while it goes on: each joins the tree that the run keeps as ``files``."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from penstock.ledger.ledger import Ledger
from penstock.objects.digests import canonical_json
from penstock.objects.store import ObjectStore
from penstock.objects.tree import MEDIA, Entry, Tree, TreeFile, content_of, entries_of, read_tree, write_tree

ARTIFACT = "files"
MOST_PACKS = 64
"""More packs than this are put together again: files that came one by one have one each."""
_WAIT_S = 120.0


def tree_of(ledger: Ledger, run_id: str) -> Tree | None:
    """The files that a run has kept so far; None where it has kept none."""
    kept = ledger.get(run_id).artifacts.get(ARTIFACT)
    return None if kept is None else read_tree(ledger.objects, kept["digest"])


def add_files(ledger: Ledger, run_id: str, files: Mapping[str, Path]) -> None:
    """Add files to those of a run: path within the tree -> the file. One of the same path is replaced."""
    new = write_tree(ledger.objects, [Entry(path, file) for path, file in files.items()])
    _change(ledger, run_id, lambda known: new if known is None else joined(ledger.objects, known, new))


def remove_files(ledger: Ledger, run_id: str, path: str = "") -> None:
    """Take a file, or all in a folder, off those of a run."""

    def without(known: Tree | None) -> Tree | None:
        if known is None:
            return None
        kept = [
            file for place, file in known.files.items() if path and place != path and not place.startswith(f"{path}/")
        ]
        return _tree(ledger.objects, known.packs, kept)

    _change(ledger, run_id, without)


def joined(objects: ObjectStore, known: Tree, new: Tree) -> Tree:
    """The tree of all files of two; where both have a path, the second's. Nothing but the manifest is stored.

    Raises
    ------
    SourceError : a file of one is a folder of the other.
    """
    shift = len(known.packs)
    moved = [f._replace(pack=None if f.pack is None else f.pack + shift) for f in new.files.values()]
    kept = [file for path, file in known.files.items() if path not in new.files]
    return _tree(objects, [*known.packs, *new.packs], [*kept, *moved])


def _change(ledger: Ledger, run_id: str, change: Callable[[Tree | None], Tree | None]) -> None:
    """Replace the files of a run, one process at a time."""
    with ledger.lock(f"files of {run_id}", wait_s=_WAIT_S):
        changed = change(tree_of(ledger, run_id))
        if changed is None:
            return
        if len(changed.packs) > MOST_PACKS:
            changed = _packed_again(ledger.objects, changed)
        ledger.keep(run_id, ARTIFACT, canonical_json(changed.to_json()), media=MEDIA)


def _tree(objects: ObjectStore, packs: list[str], files: list[TreeFile]) -> Tree:
    """A tree of stored files; packs that none of them needs are left out."""
    needed = sorted({packs[file.pack] for file in files if file.pack is not None})
    numbers = {pack: number for number, pack in enumerate(needed)}
    moved = [f._replace(pack=None if f.pack is None else numbers[packs[f.pack]]) for f in files]
    by_path = {file.path: file for file in sorted(moved, key=lambda file: file.path)}
    content = content_of((file.path, file.mode, file.digest) for file in moved)
    body = canonical_json(Tree(objects, "", content, needed, by_path).to_json())
    return read_tree(objects, objects.put(body))  # reading checks the paths


def _packed_again(objects: ObjectStore, tree: Tree) -> Tree:
    with tempfile.TemporaryDirectory() as folder:
        tree.extract(Path(folder))
        return write_tree(objects, entries_of(Path(folder)))


__all__ = ["ARTIFACT", "add_files", "joined", "remove_files", "tree_of"]

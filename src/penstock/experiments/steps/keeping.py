"""Outputs of steps in the object store: kept when a step has made them, put back when they are gone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from penstock.experiments.steps.contents import Content, Digests, content
from penstock.experiments.steps.patterns import parts_of, takes
from penstock.experiments.steps.record import Made, Past
from penstock.objects.store import ObjectStore
from penstock.objects.tree import Entry, is_inside, read_tree, store_tree

Contents = Mapping[str, Content]


def keep(
    objects: ObjectStore, root: Path, made: Contents, *, largest_bytes: int, before: str | None
) -> tuple[dict[str, Made], str | None]:
    """Store outputs as a tree, and say of each what it is.

    An output is kept as a whole or not at all: not where one of its files is larger than `largest_bytes`, lies outside of
    `root` or behind a link, or has a name that is not UTF-8.

    Parameters
    ----------
    before : the tree of an earlier run: what it has is not stored again.

    Returns
    -------
    Output -> what it is, and the digest of the tree (None where nothing is kept).
    """
    known = read_tree(objects, before) if before is not None and objects.has(before) else None
    outputs: dict[str, Made] = {}
    entries: dict[str, Entry] = {}
    for path, found in made.items():
        sizes = {name: (root / name).stat().st_size for name in found.files}
        fits = all(size <= largest_bytes for size in sizes.values()) and all(_storable(root, name) for name in sizes)
        outputs[path] = Made(found.digest, found.single, len(sizes), sum(sizes.values()), kept=fits)
        if fits:
            entries.update({name: Entry(name, root / name, digest) for name, digest in found.files.items()})
    if not any(one.kept for one in outputs.values()):
        return outputs, None
    return outputs, store_tree(objects, entries.values(), known)


def _storable(root: Path, path: str) -> bool:
    """Whether a file can be part of a tree and be put back at its place."""
    return is_inside(path) and link_before(root, path) is None and not (root / path).is_symlink()


def link_before(root: Path, path: str) -> str | None:
    """The first folder on the way from `root` to a file that is a link; None where none is: only there files are put back."""
    parts = path.split("/")[:-1]
    ways = ("/".join(parts[:count]) for count in range(1, len(parts) + 1))
    return next((way for way in ways if (root / way).is_symlink()), None)


def stored_files(objects: ObjectStore, past: Past, outputs: Iterable[str]) -> dict[str, str]:
    """Path -> digest of the files of some outputs of a run that the store has."""
    if past.tree is None:
        return {}
    tree = read_tree(objects, past.tree)
    wanted = [parts_of(path) for path in outputs]
    return {path: file.digest for path, file in tree.files.items() if any(takes(one, parts_of(path)) for one in wanted)}


def put_back(objects: ObjectStore, root: Path, past: Past, outputs: Iterable[str], digest: Digests) -> None:
    """Write outputs of a run to their places again. What is there now is of another run of the step, and is replaced."""
    if past.tree is None:
        return
    tree = read_tree(objects, past.tree)
    for output in outputs:
        files = stored_files(objects, past, [output])
        there = content(root, output, digest).files
        for path in there:
            if path not in files:
                os.unlink(root / path)
        if not past.outputs[output].single:
            (root / output).mkdir(parents=True, exist_ok=True)
        tree.extract(root, [path for path in files if there.get(path) != files[path]])

"""Many files as few objects: a manifest, packs of small files, and large files on their own.

Fifty thousand files as fifty thousand objects take minutes and as many calls of a remote store; as a tree they are a manifest
and some packs. The manifest is canonical JSON, and its digest is the tree's:

    {"format": 1, "kind": "tree", "content": digest, "packs": [digest, ...],
     "files": [{"path", "mode", "size", "digest", "pack", "offset"}, ...]}         # sorted by path

A file lies at `offset` of the pack with the number `pack`, or is an object of its own under `digest` where there is neither.
`content` covers paths, modes and digests only: two trees with equal content hold the same files, wherever their bytes lie.

A tree that is stored with `cut` has format 2 where it has large files: these are cut where their content says
(`penstock.objects.cutting`), the pieces lie in packs as small files do, and a file says ``"aimed": bytes, "pieces": [[digest, size,
pack, offset], ...]``. So a table that grew by 1 % costs little more than that.

Pieces that aim at 1 MiB or more are objects of their own, under their digest: the bytes of a large file are then hashed twice, for
the file and for the piece, and not a third time for a pack.

Trees that are stored with `cut`, and have such pieces or a thousand files or more, have format 3: the manifest names parts
(`penstock.objects.tree.parts`), which versions share, and all that the tree needs:

    {"format": 3, "kind": "tree", "content": digest, "packs": [digest, ...], "objects": [digest, ...], "parts": [digest, ...]}

A new tree refers to the packs of the one before it for files that have not changed, unless most of such a pack is of no use to
it any more: then they are packed again. So a store never holds much more than twice what its trees need.

Many small packs that come of many small changes are put together again.

To change the format: raise `FORMAT` in `manifest`, and keep reading every older one there.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.objects.tree.files import Entry, Piece, TreeFile, content_of, entries_of, is_inside, reading_order
    from penstock.objects.tree.manifest import MEDIA, named_objects, read_tree
    from penstock.objects.tree.reading import Tree
    from penstock.objects.tree.small import SMALL_BYTES
    from penstock.objects.tree.writing import store_tree, write_tree

_MODULES = {
    "files": ("Entry", "Piece", "TreeFile", "content_of", "entries_of", "is_inside", "reading_order"),
    "manifest": ("MEDIA", "named_objects", "read_tree"),
    "reading": ("Tree",),
    "small": ("SMALL_BYTES",),
    "writing": ("store_tree", "write_tree"),
}
"""Each is loaded when a name of it is first used: a run whose source is as it was neither reads nor writes a tree."""

__all__ = [
    "MEDIA",
    "SMALL_BYTES",
    "Entry",
    "Piece",
    "Tree",
    "TreeFile",
    "content_of",
    "entries_of",
    "is_inside",
    "named_objects",
    "read_tree",
    "reading_order",
    "store_tree",
    "write_tree",
]


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            found = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

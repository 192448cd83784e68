"""The manifest of a tree, and how one of any format is opened."""

from __future__ import annotations

from typing import Any

from penstock.errors import DamagedStore, NewerFormat, SourceError
from penstock.objects.digests import is_digest
from penstock.objects.store import ObjectStore
from penstock.objects.tree.files import Piece, TreeFile, check_paths
from penstock.objects.tree.reading import Tree

FORMAT = 2
MEDIA = "application/vnd.penstock.tree+json"
"""Media type of the manifest, by which an artifact is known to be a tree."""


def read_tree(objects: ObjectStore, digest: str) -> Tree:
    """The tree of a digest.

    Raises
    ------
    NotFound : it is not stored. NewerFormat : a later release has written it. DamagedStore : it is no tree.
    """
    import json

    data = objects.get(digest)
    try:
        body = json.loads(data)
        if body["kind"] != "tree":
            raise ValueError(f"it is a {body['kind']}")
        if body["format"] > FORMAT:
            raise NewerFormat(
                f"tree {digest} has format {body['format']}",
                why=f"a later release of Penstock has written it; this one reads up to {FORMAT}",
                way_out="upgrade Penstock",
            )
        packs = [_digest(pack) for pack in body["packs"]]
        files = [_file(raw, len(packs)) for raw in body["files"]]
        check_paths([file.path for file in files])
        return Tree(objects, digest, _digest(body["content"]), packs, {file.path: file for file in files})
    except (ValueError, KeyError, TypeError, SourceError) as error:
        raise DamagedStore(
            f"object {digest} is no tree of files", why=str(error), way_out="name the digest of a tree"
        ) from error


def _digest(value: Any) -> str:
    if not is_digest(value):
        raise ValueError(f"{value!r} is no digest")
    return str(value)


def _file(raw: dict[str, Any], packs: int) -> TreeFile:
    pack, offset, size = raw.get("pack"), raw.get("offset"), raw["size"]
    if not isinstance(size, int) or size < 0:
        raise ValueError(f"the size {size!r}")
    if pack is not None and not (
        isinstance(pack, int) and isinstance(offset, int) and 0 <= pack < packs and offset >= 0
    ):
        raise ValueError(f"the place {pack!r}, {offset!r}")
    cut = tuple(_piece(piece, packs) for piece in raw.get("pieces", ()))
    if cut and (pack is not None or sum(piece.size for piece in cut) != size):
        raise ValueError(f"the pieces of {raw['path']!r}")
    mode = int(raw["mode"], 8)
    if not isinstance(raw["path"], str):
        raise TypeError(f"the path {raw['path']!r}")
    return TreeFile(
        raw["path"], 0o755 if mode & 0o111 else 0o644, size, _digest(raw["digest"]), pack, offset, cut, raw.get("aimed")
    )


def _piece(raw: Any, packs: int) -> Piece:
    digest, size, pack, offset = raw
    if not all(isinstance(n, int) and n >= 0 for n in (size, pack, offset)) or pack >= packs:
        raise ValueError(f"the piece {raw!r}")
    return Piece(_digest(digest), size, pack, offset)

"""The manifest of a tree, and how one of any format is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.errors import DamagedStore, NewerFormat, SourceError
from penstock.objects.digests import canonical_json, is_digest
from penstock.objects.store import ObjectStore
from penstock.objects.tree.files import Piece, TreeFile, check_paths, own_objects
from penstock.objects.tree.parts import part_of, parted, read_part
from penstock.objects.tree.reading import Tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import ThreadPoolExecutor

FORMAT = 3
SPLIT_FILES = 1000
"""From so many files on the manifest of a tree that is stored with threads is split."""
MEDIA = "application/vnd.penstock.tree+json"
"""Media type of the manifest, by which an artifact is known to be a tree."""


def store_manifest(
    objects: ObjectStore,
    packs: list[str],
    files: dict[str, TreeFile],
    content: str,
    wait: Callable[[], None],
    threads: ThreadPoolExecutor | None,
) -> Tree:
    """Store the manifest of files that are stored: split, where there are threads and it is worth it. Gives the tree.

    content : what `content_of` says of the files.
    """
    own = sorted(set(own_objects(files.values())))
    split = threads is not None and (
        len(files) >= SPLIT_FILES or any(p.pack is None for f in files.values() for p in f.pieces)
    )
    if threads is None or not split:
        body = Tree(objects, "", content, packs, files).to_json()
        wait()
        return Tree(objects, objects.put(canonical_json(body)), content, packs, files)
    parts = list(
        threads.map(objects.put, (part_of(some, packs) for some in parted([files[path] for path in sorted(files)])))
    )
    body = {"format": 3, "kind": "tree", "content": content, "packs": packs, "objects": own, "parts": parts}
    wait()
    return Tree(objects, objects.put(canonical_json(body)), content, packs, files, parts)


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
        parts = [_digest(part) for part in body.get("parts", ())]
        if body["format"] < 3:
            files = [_file(raw, len(packs)) for raw in body["files"]]
        else:
            numbers = {pack: number for number, pack in enumerate(packs)}
            files = [file for part in parts for file in read_part(objects.get(part), numbers)]
            if not set(own_objects(files)) <= set(body["objects"]):
                raise ValueError("it does not name all its objects")
        check_paths([file.path for file in files])
        return Tree(objects, digest, _digest(body["content"]), packs, {file.path: file for file in files}, parts)
    except (ValueError, KeyError, TypeError, IndexError, SourceError) as error:
        raise DamagedStore(
            f"object {digest} is no tree of files", why=str(error), way_out="name the digest of a tree"
        ) from error


def named_objects(objects: ObjectStore, digest: str) -> set[str]:
    """Digests of what a manifest itself names, its own among them: where it is split and a part is lost, all that the tree needs."""
    import json

    body = json.loads(objects.get(digest))
    return {digest, *(d for name in ("packs", "objects", "parts") for d in body.get(name, ()) if is_digest(d))}


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

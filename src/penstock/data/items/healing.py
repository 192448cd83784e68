"""Objects of a version that are lost are made again from the files on the disk, where these still hold the same bytes."""

from __future__ import annotations

from pathlib import Path

from penstock.data.items.scan import Scan
from penstock.objects.digests import digest_of
from penstock.objects.files import sha256_file
from penstock.objects.tree import Tree
from penstock.project.workspace import Workspace


def lost_objects(workspace: Workspace, tree: Tree) -> set[str]:
    """Digests of the objects that a tree needs and that are not stored."""
    return {digest for digest in tree.objects() if not workspace.objects.has(digest)}


def heal(workspace: Workspace, tree: Tree, lost: set[str], path: Path, found: Scan) -> set[str]:
    """Store what can be made again, and give what is lost still.

    A pack is the bytes of its pieces in their order. It is made again only where all of it is on the disk: an object has the digest
    of its bytes, or it is another one.
    """
    objects = workspace.objects
    places: dict[str, dict[int, tuple[str, int, int]]] = {}  # pack -> offset -> file, offset in it, size
    present = set(found.paths)
    healed = set()
    for file in tree.files.values():
        if file.path not in present:
            continue
        if file.is_object and file.digest in lost:
            if sha256_file(found.file_of(path, file.path)) == file.digest:
                healed.add(objects.put_file(found.file_of(path, file.path)))
            continue
        if file.pack is not None and file.offset is not None:
            places.setdefault(tree.packs[file.pack], {})[file.offset] = (file.path, 0, file.size)
        at = 0
        for piece in file.pieces:
            if piece.pack is not None and piece.offset is not None:
                places.setdefault(tree.packs[piece.pack], {})[piece.offset] = (file.path, at, piece.size)
            elif piece.digest in lost:
                data = _bytes_at(found.file_of(path, file.path), at, piece.size)
                if digest_of(data) == piece.digest:
                    healed.add(objects.put(data))
            at += piece.size
    for pack in lost & places.keys():
        whole = bytearray()
        for offset, (name, at, size) in sorted(places[pack].items()):
            if offset != len(whole):
                if size == 0:
                    continue
                break  # a part that no file of this version has: a version before had it
            whole += _bytes_at(found.file_of(path, name), at, size)
        if digest_of(bytes(whole)) == pack:
            healed.add(objects.put(bytes(whole)))
    return lost - healed


def _bytes_at(file: Path, offset: int, size: int) -> bytes:
    with open(file, "rb") as opened:
        opened.seek(offset)
        return opened.read(size)

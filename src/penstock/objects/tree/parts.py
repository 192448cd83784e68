"""Parts of a manifest of many files: columns, and digests as they are; 50 bytes per file instead of 200.

    penstock tree part 3
    {"packs": [digest, ...], "paths": [letters shared with the path before, the rest, ...], "executable": [number of a file, ...],
     "sizes": [...], "pack": [...], "skip": [...], "cut": [[number of a file, aimed, [size, ...], [pack, ...], [offset, ...]], ...]}
    the digests of the files, 32 bytes each, then those of the pieces of the first file that was cut, and so on

`pack` is a place in `packs`, or -1 for what is an object of its own, or was cut. What lies in a pack begins `skip` bytes behind the end of
the last one of the same pack in this part, so that zeros are the rule. A part ends behind a path whose own hash says so: files that are put in,
changed or taken out change the parts that they are in, and no others.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from penstock.objects.digests import canonical_json
from penstock.objects.tree.files import Piece, TreeFile

FILES = 2048
"""A part has about so many files: a power of two."""
MOST_FILES = 8 * FILES
_HEAD = b"penstock tree part 3\n"


def parted(files: Sequence[TreeFile]) -> Iterator[Sequence[TreeFile]]:
    """Files in the order of their paths, part by part."""
    start = 0
    for number, file in enumerate(files, 1):
        if zlib.crc32(file.path.encode()) % FILES == 0 or number - start == MOST_FILES:
            yield files[start:number]
            start = number
    if start < len(files):
        yield files[start:]


def part_of(files: Sequence[TreeFile], packs: Sequence[str]) -> bytes:
    """The bytes of a part.

    >>> files = [TreeFile("a/b", 0o644, 1, "sha256:" + "0" * 64, 0, 0), TreeFile("a/c", 0o755, 2, "sha256:" + "1" * 64, 0, 1)]
    >>> packs = ["sha256:" + "2" * 64]
    >>> list(read_part(part_of(files, packs), {packs[0]: 0})) == files
    True
    """
    own: dict[int, int] = {}  # pack of the tree -> of this part
    ends: dict[int, int] = {}
    shared_paths: list[Any] = []
    places, skips = [], []
    cut: list[list[Any]] = []
    inner = []
    before, below = "", 0
    paths, modes, sizes, digests, in_packs, offsets, pieces, aims = zip(*files, strict=True)
    for path in paths:
        shared = below if path[:below] == before[:below] else 0
        for ours, theirs in zip(path[shared:], before[shared:], strict=False):
            if ours != theirs:
                break
            shared += 1
        shared_paths += (shared, path[shared:])
        before, below = path, path.rfind("/") + 1
    for number, (pack, offset, size) in enumerate(zip(in_packs, offsets, sizes, strict=True)):
        if pack is None or offset is None:
            places.append(-1)
            skips.append(0)
        else:
            place = own.setdefault(pack, len(own))
            places.append(place)
            skips.append(offset - ends.get(place, 0))
            ends[place] = offset + size
        if pieces[number]:
            inside = [-1 if p.pack is None else own.setdefault(p.pack, len(own)) for p in pieces[number]]
            begins = [p.offset or 0 for p in pieces[number]]
            cut.append([number, aims[number], [p.size for p in pieces[number]], inside, begins])
            inner += [p.digest[7:] for p in pieces[number]]
    body = {
        "packs": [packs[pack] for pack in own],
        "paths": shared_paths,
        "executable": [number for number, mode in enumerate(modes) if mode == 0o755],
        "sizes": sizes,
        "pack": places,
        "skip": skips,
        "cut": cut,
    }
    return b"".join(
        (_HEAD, canonical_json(body), b"\n", bytes.fromhex("".join((*(digest[7:] for digest in digests), *inner))))
    )


def read_part(data: bytes, packs: dict[str, int]) -> Iterator[TreeFile]:
    """The files of a part, with packs as they are numbered in the tree.

    Raises
    ------
    ValueError, KeyError, TypeError, IndexError : it is none.
    """
    if not data.startswith(_HEAD):
        raise ValueError("it is no part of a tree")
    end = data.index(b"\n", len(_HEAD))  # JSON writes the end of a line as two letters
    body = json.loads(data[len(_HEAD) : end])
    digests = data[end + 1 :].hex()
    own = [packs[pack] for pack in body["packs"]]
    executable = set(body["executable"])
    cut = {number: rest for number, *rest in body["cut"]}
    sizes, places, skips, paths = body["sizes"], body["pack"], body["skip"], body["paths"]
    total = len(sizes) + sum(len(rest[1]) for rest in cut.values())
    if len(digests) != 64 * total or not len(sizes) == len(places) == len(skips) == len(paths) // 2:
        raise ValueError("its columns are not of one length")
    if not all(type(n) is int for n in (*places, *skips)) or not all(type(n) is int and n >= 0 for n in sizes):
        raise ValueError("a size or a place in it is no number")
    ends = [0] * len(own)
    at = 64 * len(sizes)
    path = ""
    for number, (size, place, skip, shared, rest) in enumerate(
        zip(sizes, places, skips, islice(paths, 0, None, 2), islice(paths, 1, None, 2), strict=True)
    ):
        path = path[:shared] + rest
        mode = 0o755 if number in executable else 0o644
        digest = "sha256:" + digests[64 * number : 64 * number + 64]
        if place >= 0:
            offset = ends[place] + skip
            if offset < 0:
                raise ValueError(f"the place of {path!r}")
            ends[place] = offset + size
            yield TreeFile(path, mode, size, digest, own[place], offset)
        elif number in cut:
            pieces, at = _pieces(cut[number], digests, at, own)
            if sum(piece.size for piece in pieces) != size:
                raise ValueError(f"the pieces of {path!r}")
            yield TreeFile(path, mode, size, digest, pieces=pieces, aimed=cut[number][0])
        else:
            yield TreeFile(path, mode, size, digest)


def _pieces(cut: list[Any], digests: str, at: int, own: list[int]) -> tuple[tuple[Piece, ...], int]:
    """Pieces whose digests begin at `at`, and where those of the next file begin."""
    _, sizes, places, offsets = cut
    found = []
    for size, place, offset in zip(sizes, places, offsets, strict=True):
        if not all(type(n) is int for n in (size, place, offset)) or size < 0 or offset < 0:
            raise ValueError(f"the piece {size!r}, {place!r}, {offset!r}")
        digest = "sha256:" + digests[at : at + 64]
        at += 64
        found.append(Piece(digest, size, own[place], offset) if place >= 0 else Piece(digest, size, None, None))
    return tuple(found), at

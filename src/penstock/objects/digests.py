"""Digests and the one canonical encoding of stored JSON.

Everything Penstock stores is addressed by ``"sha256:<64 hex digits>"`` of its bytes; what is stored as JSON is encoded
in one way only, so that equal content has an equal digest on every machine.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

from penstock.errors import NotFound

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def canonical_json(value: Any) -> bytes:
    """The canonical encoding: keys sorted, no spaces, UTF-8.

    >>> canonical_json({"b": 1, "a": "é"}).decode()
    '{"a":"é","b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest_of(data: bytes) -> str:
    """The digest of some bytes.

    >>> digest_of(b"")[:20]
    'sha256:e3b0c44298fc1'
    """
    return "sha256:" + hashlib.sha256(data).hexdigest()


def digest_of_json(value: Any) -> str:
    """The digest of a value's canonical encoding."""
    return digest_of(canonical_json(value))


def is_digest(value: object) -> bool:
    """Whether `value` has the form of a digest.

    >>> is_digest("sha256:" + "0" * 64), is_digest("sha256:0"), is_digest(3)
    (True, False, False)
    """
    return isinstance(value, str) and DIGEST.fullmatch(value) is not None


def digests_within(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every digest inside a JSON value, with the dotted name of its place.

    >>> list(digests_within({"a": ["x", "sha256:" + "0" * 64]}))[0][0]
    'a.1'
    """
    if isinstance(value, str):
        if DIGEST.fullmatch(value):
            yield name, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from digests_within(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from digests_within(inner, f"{name}.{index}" if name else str(index))


def hex_of(digest: str) -> str:
    """The 64 hex digits of a digest.

    Raises
    ------
    NotFound : `digest` does not have the form of one, so nothing can be stored under it.
    """
    if not is_digest(digest):
        raise NotFound(
            f"there is no object {digest!r}",
            why="a digest is written 'sha256:' and 64 hex digits",
            way_out="use a digest as `penstock show` prints it, in full",
        )
    return digest.removeprefix("sha256:")

"""Keys that the ledger makes once and keeps: for envelopes and for row fingerprints."""

from __future__ import annotations

import os

from penstock.errors import DamagedStore
from penstock.ledger.clock import now_text
from penstock.ledger.database import Database
from penstock.ledger.schema import insert


def secret(database: Database, name: str, size_bytes: int = 64) -> bytes:
    """The key of this name. Whoever asks first makes it, from the system's randomness; all others get the same.

    Raises
    ------
    DamagedStore : the key that is stored has another size.
    """
    query = "SELECT value FROM secrets WHERE name = :name"
    with database.read() as connection:
        text = connection.value(query, name=name)
    if text is None:
        with database.write() as connection:
            text = connection.value(query, name=name)
            if text is None:
                text = os.urandom(size_bytes).hex()
                insert(connection, "secrets", {"name": name, "value": text, "created_at": now_text()})
    value = bytes.fromhex(text)
    if len(value) != size_bytes:
        raise DamagedStore(
            f"the key {name!r} has {len(value)} bytes, not {size_bytes}",
            why="it was made for another purpose, or changed by hand",
            way_out="restore the ledger from a copy",
        )
    return value

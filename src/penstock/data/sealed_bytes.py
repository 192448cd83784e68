"""Bytes that may hold test rows, encrypted under the ledger's key: what a database answered, so that it need not be asked again.

Nothing here needs arrays: a run with nothing to do reads the list of what is known, and no rows.
"""

from __future__ import annotations

from penstock.errors import SealError
from penstock.ledger.ledger import Ledger
from penstock.objects.store import ObjectStore

_ROWS_PURPOSE = b"penstock rows, format 1"


def seal_bytes(ledger: Ledger, objects: ObjectStore, plain: bytes) -> str:
    """Store bytes that may hold test rows, encrypted; the digest of what is stored. `unseal_bytes` reads them."""
    return objects.put(sealed(ledger, plain))


def unseal_bytes(ledger: Ledger, objects: ObjectStore, digest: str) -> bytes:
    """The bytes of `seal_bytes`.

    Raises
    ------
    SealError : sealed with another ledger's key. NotFound, DamagedStore : as `ObjectStore.get`.
    """
    return unsealed(ledger, objects.get(digest), digest)


def sealed(ledger: Ledger, plain: bytes) -> bytes:
    """The bytes as they are stored. The same ones are always the same, so that their digest is that of the rows."""
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    return AESSIV(ledger.secret("rows")).encrypt(plain, [_ROWS_PURPOSE])


def unsealed(ledger: Ledger, body: bytes, digest: str) -> bytes:
    """The bytes of `sealed`. `digest`: what they are called in messages. Raises SealError: as `unseal_bytes`."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    try:
        return AESSIV(ledger.secret("rows")).decrypt(body, [_ROWS_PURPOSE])
    except InvalidTag as error:
        raise SealError(
            f"the rows in {digest} do not decrypt",
            why="the ledger's key is not the one they were sealed with",
            way_out="use the ledger that sealed them, or restore it from a copy",
        ) from error

"""The privacy key of a project: a secret of its ledger."""

from __future__ import annotations

from penstock.bundle.decoder import Decoder
from penstock.bundle.privacy.keys import SECRET, SIZE_BYTES
from penstock.ledger.ledger import Ledger


def privacy_key(ledger: Ledger) -> bytes:
    """The key, made when it is first asked for."""
    return ledger.secret(SECRET, SIZE_BYTES)


def keyed(decoder: Decoder, ledger: Ledger) -> Decoder:
    """The decoder with the privacy key, where raw values need it."""
    return decoder.with_key(privacy_key(ledger)) if decoder.needs_key else decoder

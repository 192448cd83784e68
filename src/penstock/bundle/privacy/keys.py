"""The privacy key: a secret of the project, which no bundle holds.

A project keeps it in its ledger, a server beside its slots in a file that only its owner can read; whoever runs a bundle
elsewhere gives it in the environment. A decoder carries a check of it, so that a wrong key is refused and never used.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from pathlib import Path

from penstock.errors import PrivacyError

VARIABLE = "PENSTOCK_PRIVACY_KEY"
FILE = "privacy.key"
SECRET = "privacy"
"""Its name among the secrets of a ledger."""

SIZE_BYTES = 32


def check_of(key: bytes) -> str:
    """What a decoder keeps of its key: enough to know it again, nothing to find it by."""
    return hmac.digest(key, b"penstock privacy key", hashlib.sha256)[:8].hex()


def find_key(folder: Path) -> bytes | None:
    """The key for a bundle in `folder`: what `write_key` kept for this one, of the environment, or of a file `privacy.key` one or two
    folders above.

    Raises
    ------
    PrivacyError : it is no key, or others can read its file.
    """
    own = _read(key_of(folder.resolve()))
    if own is not None:
        return own
    given = os.environ.get(VARIABLE)
    if given:
        return _parsed(given, f"the environment variable {VARIABLE}")
    for place in list(folder.resolve().parents)[:2]:
        found = _read(place / FILE)
        if found is not None:
            return found
    return None


def key_of(bundle: Path) -> Path:
    """Where the key of one bundle lies, beside it: for bundles of several projects in one folder."""
    return bundle.parent / f"{bundle.name}.key"


def write_key(folder: Path, key: bytes) -> Path:
    """Keep a key in a folder for the bundles in it, for its owner alone; nothing is written where it is there already."""
    return _write(folder / FILE, key)


def write_key_of(bundle: Path, key: bytes) -> Path:
    """Keep the key of one bundle, as `write_key` does."""
    return _write(key_of(bundle), key)


def _read(path: Path) -> bytes | None:
    try:
        mode = path.stat().st_mode
    except OSError:
        return None
    if os.name != "nt" and stat.S_IMODE(mode) & 0o077:
        raise PrivacyError(
            f"others can read the privacy key {path}",
            why="whoever has the key can find out which value a hash stands for",
            way_out=f"chmod 600 {path}",
        )
    return _parsed(path.read_text(encoding="ascii", errors="replace"), str(path))


def _write(path: Path, key: bytes) -> Path:
    text = key.hex() + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.read_text(encoding="ascii", errors="replace") == text:
        return path
    draft = path.with_name(f".{FILE}.{os.urandom(6).hex()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return path


def _parsed(text: str, where: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != SIZE_BYTES:
        raise PrivacyError(
            f"{where} holds no privacy key",
            why=f"a key is {2 * SIZE_BYTES} hexadecimal digits",
            way_out="take it from `penstock data privacy --key` in the project that made the model",
        )
    return key

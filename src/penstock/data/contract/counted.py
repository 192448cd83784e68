"""A folder that grows, held against a contract by its new files alone: what was counted of the others is kept.

All rules are about the whole, and all of them come out of sums. Rows that break a rule, or have no value, are added up, and so are all rows, of
which they are a share; the newest instant is the later of two; whether a value came before is asked of 64 bits of each; which columns there
are is known from all files. Counts hold no rows that could be shown: where rows break a rule, all files are read, and what is told is what ever was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.data.contract.check import Checked, Checker, check_all, check_source
from penstock.data.contract.contract import Contract
from penstock.data.contract.unsealed import MayShow
from penstock.data.fingerprints import key_for
from penstock.data.source import Growing, Source
from penstock.errors import SourceError, StoreError
from penstock.objects.digests import canonical_json
from penstock.objects.files import write_atomic

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

FORMAT = b"penstock counts of a contract, format 2"
HASH = np.dtype("<u8")
SIZE_BYTES = 8


@dataclass(frozen=True)
class Counted:
    """What was counted of files.

    In its file: how long the next is (8 bytes, as all numbers little end first), JSON, and the hashes of values, 8 bytes each, column by column in the order of
    names. The JSON is encrypted with AES-SIV (RFC 5297), as the newest instant is a value of a row, maybe of a sealed one; what it is bound to is the SHA-256 of the hashes. So whoever has
    another key, as of another ledger, for whom these hashes would be those of other values, has nothing.

    Attributes
    ----------
    of : what counts depend on beside the rows, as a digest: the contract, how files are read, what of them is personal.
    names : the columns of the rows. files : name -> digest.
    counts, seen : as `Checker` gave them.
    """

    of: str
    names: tuple[str, ...]
    files: Mapping[str, str]
    counts: Mapping[str, Any]
    seen: Mapping[str, np.ndarray]

    def save(self, path: Path, key: bytes) -> None:
        """Write it into a file, whole or not at all. `key`: that of the hashes.

        Raises
        ------
        StoreFull : there is no space left. OSError : it cannot be written for another reason.
        """
        told = {
            "of": self.of, "names": list(self.names), "files": dict(self.files),
            "counts": dict(self.counts), "seen": {name: len(hashes) for name, hashes in self.seen.items()},
        }  # fmt: skip
        hashes = b"".join(self.seen[name].astype(HASH).tobytes() for name in sorted(self.seen))
        sealed = _cipher(key).encrypt(canonical_json(told), [FORMAT, sha256(hashes).digest()])
        write_atomic(path, b"".join([len(sealed).to_bytes(SIZE_BYTES, "little"), sealed, hashes]))

    @classmethod
    def load(cls, path: Path, key: bytes) -> Counted | None:
        """What `save` wrote with this key; None where there is nothing, or it is damaged, of another key or of another release: then everything is read, and
        written anew."""
        from cryptography.exceptions import InvalidTag

        try:
            written = memoryview(path.read_bytes())
        except OSError:
            return None
        ends_at = SIZE_BYTES + int.from_bytes(written[:SIZE_BYTES], "little")
        sealed, hashes = written[SIZE_BYTES:ends_at], written[ends_at:]
        try:
            told = json.loads(_cipher(key).decrypt(sealed, [FORMAT, sha256(hashes).digest()]))
        except InvalidTag:
            return None
        names = sorted(told["seen"])
        ends = np.cumsum([told["seen"][name] for name in names], dtype=np.int64)
        parts = np.split(np.frombuffer(hashes, HASH).astype(np.uint64), ends[:-1])
        return cls(
            told["of"], tuple(told["names"]), told["files"], told["counts"], dict(zip(names, parts, strict=False))
        )


def _cipher(key: bytes) -> AESSIV:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    return AESSIV(key_for(key, b"counts of a contract"))


def check_grown(
    contract: Contract,
    source: Source,
    may_show: MayShow,
    kept: Path,
    of: str,
    *,
    key: bytes,
    told: Callable[[str], None],
    **how: Any,
) -> Checked:
    """Hold a source against a contract, as `check_source`: by its new files alone, where the others are known.

    Parameters
    ----------
    kept : the file in which counts are kept. Where it cannot be written, that is `told`: the check has passed all the same.
    of : see `Counted`. key : of what is kept. how : as the other parameters of `Checker`.

    Raises
    ------
    SourceError : it cannot be read.
    """
    how["key"] = key
    if not isinstance(source, Growing):
        return check_source(contract, source, may_show, **how)
    names, files, before = source.names, dict(source.contents), Counted.load(kept, key)
    checker = Checker(contract, names, may_show, **how)
    found = None
    if before is not None and (before.of, before.names) == (of, names) and before.files.items() <= files.items():
        checker.go_on(before.counts, before.seen)
        if _read_on(checker, source, frozenset(files.keys() - before.files.keys())):
            found = checker.result()
    if found is None or not found.passed:
        checker = Checker(contract, names, may_show, **how)
        found = check_all(checker, source)
    if found.passed and source.contents == files:  # else one has changed since
        try:
            Counted(of, names, files, checker.counts(), checker.seen).save(kept, key)
        except (OSError, StoreError) as error:
            why = error.strerror if isinstance(error, OSError) else error.what
            told(f"what was counted of the files is not kept in {kept} ({why}); the next check reads all of them again")
    return found


def _read_on(checker: Checker, source: Growing, files: frozenset[str]) -> bool:
    """Look at the rows of these files; whether they could be read. What is wrong with them is told by who reads all."""
    try:
        for batch in source.part(files).batches() if files else ():
            checker.add(batch)
    except SourceError:
        return False
    return True

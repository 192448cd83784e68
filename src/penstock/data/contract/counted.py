"""A folder that grows, held against a contract by its new files alone: what was counted of the others is kept.

All rules are about the whole, and all of them come out of sums. Rows that break a rule, or have no value, are added up, and so are all rows, of
which they are a share; the newest instant is the later of two; whether a value came before is asked of 64 bits of each; which columns there
are is known from all files. Counts hold no rows that could be shown: where rows break a rule, all files are read, and what is told is what ever was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from penstock.data.contract.check import Checked, Checker, check_all, check_source
from penstock.data.contract.contract import Contract
from penstock.data.contract.unsealed import MayShow
from penstock.data.source import Growing, Source
from penstock.errors import SourceError
from penstock.objects.digests import canonical_json
from penstock.objects.files import write_atomic

FORMAT = 1
HASH = np.dtype("<u8")
DIGEST_BYTES = 32


@dataclass(frozen=True)
class Counted:
    """What was counted of files.

    In its file: the SHA-256 of the rest, a line of JSON, and the hashes of values, 8 bytes each (little end first), column by column in the order of names.

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

    def save(self, path: Path) -> None:
        """Write it into a file, whole or not at all.

        Raises
        ------
        StoreFull : there is no space left.
        """
        told = {
            "format": FORMAT, "of": self.of, "names": list(self.names), "files": dict(self.files),
            "counts": dict(self.counts), "seen": {name: len(hashes) for name, hashes in self.seen.items()},
        }  # fmt: skip
        hashes = [self.seen[name].astype(HASH).tobytes() for name in sorted(self.seen)]
        body = b"".join([canonical_json(told), b"\n", *hashes])
        write_atomic(path, sha256(body).digest() + body)

    @classmethod
    def load(cls, path: Path) -> Counted | None:
        """What `save` wrote; None where there is nothing, it is damaged, or of another release: then everything is read, and written anew."""
        try:
            written = path.read_bytes()
        except OSError:
            return None
        body = written[DIGEST_BYTES:]
        if sha256(body).digest() != written[:DIGEST_BYTES]:
            return None
        line, _, hashes = body.partition(b"\n")
        told = json.loads(line)
        if told["format"] != FORMAT:
            return None
        names = sorted(told["seen"])
        ends = np.cumsum([told["seen"][name] for name in names], dtype=np.int64)
        parts = np.split(np.frombuffer(hashes, HASH).astype(np.uint64), ends[:-1])
        return cls(
            told["of"], tuple(told["names"]), told["files"], told["counts"], dict(zip(names, parts, strict=False))
        )


def check_grown(contract: Contract, source: Source, may_show: MayShow, kept: Path, of: str, **how: Any) -> Checked:
    """Hold a source against a contract, as `check_source`: by its new files alone, where the others are known.

    Parameters
    ----------
    kept : the file in which counts are kept. of : see `Counted`. how : as the parameters of `Checker`, with a `key`.

    Raises
    ------
    SourceError : it cannot be read.
    """
    if not isinstance(source, Growing):
        return check_source(contract, source, may_show, **how)
    names, files, before = source.names, dict(source.contents), Counted.load(kept)
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
        Counted(of, names, files, checker.counts(), checker.seen).save(kept)
    return found


def _read_on(checker: Checker, source: Growing, files: frozenset[str]) -> bool:
    """Look at the rows of these files; whether they could be read. What is wrong with them is told by who reads all."""
    try:
        for batch in source.part(files).batches() if files else ():
            checker.add(batch)
    except SourceError:
        return False
    return True

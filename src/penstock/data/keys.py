"""Names of rows and of their groups: a row with a key keeps its part whatever else of it is corrected, and whatever columns are
joined to it.

Two names are one only where they are surely the same (`penstock.data.canonical.key_text`): 5 and 5.0 are, 007 and 7 are not.

What a version remembers of a key that is protected (hashed, say) is made of its raw text where the row came from the source, so
that a decision about privacy moves no row, and of its protected text where it came as labelled traffic, which is all that the journal
holds. So one is looked up by both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from penstock.bundle.decoder import EncodedColumn, Frame, Kind
from penstock.data import fingerprints as prints
from penstock.data.memory import UNKNOWN, Index

if TYPE_CHECKING:
    from penstock.data.versions import DatasetVersion
    from penstock.ledger.ledger import Ledger
    from penstock.objects.store import ObjectStore

EXACT = 2.0**53
"""Below it every whole number is a float of its own."""


def key_hashes(column: EncodedColumn) -> np.ndarray:
    """Hashes of keys, uint64, shape (n, 2); zeros where there is none."""
    return prints.name_hashes("key", column)


def group_hashes(column: EncodedColumn) -> np.ndarray:
    """Hashes of the groups of rows, uint64, shape (n, 2); zeros where there is none."""
    return prints.name_hashes("group", column)


def key_hashes_of_frame(frame: Frame, key: str | None) -> np.ndarray | None:
    """The same of decoded rows; None where no key is declared or kept. Numbers that may have been rounded are no keys."""
    if key is None or key not in frame:
        return None
    values, kind = frame.columns[key], frame.kinds[key]
    if kind is Kind.NUMERIC:
        values = np.where(np.abs(values) < EXACT, values, np.nan)
    return key_hashes(prints.encoded_column(values, kind))


def is_protected(version: DatasetVersion) -> bool:
    """Whether the key of a version is kept in another form than it comes in."""
    return any(spec.name == version.row_key and spec.privacy is not None for spec in version.decoder.columns)


def parts_of_protected(
    ledger: Ledger, objects: ObjectStore, version: DatasetVersion, hashes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Part and envelope of the rows with these protected keys, of hashes as `key_hashes_of_frame` makes them: int8 and int16, shape (n,).

    Told by the rows that are stored, as what is remembered of them is made of raw keys; of sealed ones as the sealing step may. Where a
    key has rows in several parts it is the one that is seen first; `UNKNOWN` where there is none.
    """
    from penstock.data.seal import stored_rows

    stored, part, envelope = [np.zeros((0, 2), dtype=np.uint64)], [], []
    for of, index, frame in stored_rows(ledger, objects, version):
        keys = key_hashes_of_frame(frame, version.row_key)
        assert keys is not None  # the decoder has the column
        stored.append(keys)
        part.append(np.full(len(keys), of, dtype=np.int8))
        envelope.append(np.full(len(keys), index, dtype=np.int16))
    known = np.concatenate(stored)
    at = Index.of(known, np.flatnonzero(known.any(axis=1))).find(hashes)
    return (
        np.concatenate([*part, np.array([UNKNOWN], dtype=np.int8)])[at],
        np.concatenate([*envelope, np.array([-1], dtype=np.int16)])[at],
    )

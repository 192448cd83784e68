"""The second reading of a source, when its rows are dealt and the decoder is inferred: decoded, stored and sealed, batch by batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from penstock.bundle.decoder import Decoder
from penstock.data import fingerprints as prints
from penstock.data.decode import decode
from penstock.data.gather import Gathered
from penstock.data.source import Source
from penstock.data.store import RowWriter, cuts_like, ends_like
from penstock.data.unreadable import Unreadable
from penstock.data.versions import DatasetVersion, own_inputs
from penstock.errors import SourceError
from penstock.ledger.ledger import Ledger
from penstock.objects.store import ObjectStore


@dataclass(frozen=True)
class Rows:
    """What is known of all rows when they are stored.

    Attributes
    ----------
    y : the target, shape (n,). part, envelope : where each goes, int8 and int16, shape (n,).
    behind : columns that look back, float64, shape (n,) each.
    """

    y: np.ndarray
    part: np.ndarray
    envelope: np.ndarray
    behind: Mapping[str, np.ndarray]


def writer_like(
    ledger: Ledger, objects: ObjectStore, lineage: str, followed: DatasetVersion | None, *, exactly: bool
) -> RowWriter:
    """What cuts rows as `followed` is cut, or `exactly` so, to make it once more. A first version is cut and stored as it always was."""
    pack = followed is not None and not exactly
    like, ends = cuts_like(followed, exactly=exactly), ends_like(followed, exactly=exactly)
    return RowWriter(ledger, objects, lineage, like, ends, pack=pack)


def store_rows(
    source: Source, gathered: Gathered, decoder: Decoder, rows: Rows, key: bytes, writer: RowWriter
) -> tuple[np.ndarray, Unreadable]:
    """Give all rows to the writer; fingerprints of the decoded ones, uint64, shape (n, 2), and the values that cannot be read.

    Raises
    ------
    SourceError : the source does not give the rows that it gave before.
    """
    inputs, unreadable = own_inputs(decoder), Unreadable()
    content = np.empty((gathered.n_rows, 2), dtype=np.uint64)
    start = 0
    for batch in gathered.sample.batches if gathered.sample.whole else source.batches():
        at = slice(start, start + len(batch))
        if at.stop > gathered.n_rows:
            raise changed_source(source)
        known = {name: values[at] for name, values in rows.behind.items()}
        decoded = decode(decoder, batch.columns, len(batch), inputs, known)
        unreadable.add(decoded.unread, rows.part, start)
        unreadable.note_read(decoder, decoded.arrays)
        content[at] = prints.fingerprints(decoded.hashes, key)
        writer.add(decoded.arrays, rows.y[at], rows.part[at], rows.envelope[at])
        start = at.stop
    if start != gathered.n_rows:
        raise changed_source(source)
    return content, unreadable


def changed_source(source: Source) -> SourceError:
    named = next(iter(source.origin.values()), "the source")
    return SourceError(
        f"{named} changed while it was read",
        why="its content before and after reading differ, so the rows read belong to no one state of it",
        way_out="wait until whatever writes it is done (or copy it), and start again",
    )

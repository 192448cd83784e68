"""The part of the checks that must look at sealed test rows. It tells counts only, and each look is in the audit trail.

It reads envelopes that nobody has opened, and spends none: no row, value or place leaves this file.
"""

from __future__ import annotations

import numpy as np

from penstock.bundle.decoder import Frame
from penstock.bundle.kinds import Kind
from penstock.data.quality.models import tell_apart
from penstock.data.quality.near import nearly_same
from penstock.data.quality.part_shift import comparable
from penstock.data.quality.view import SealedCounts, View, some_rows
from penstock.data.seal import opened_envelopes, sealed_chunks
from penstock.data.versions import DatasetVersion, join
from penstock.ledger.ledger import Ledger
from penstock.objects.store import ObjectStore

LEAST_ROWS = 50
"""Fewer sealed rows than these are not described: a count of few rows says something about each of them."""


def count_sealed(ledger: Ledger, objects: ObjectStore, version: DatasetVersion, view: View) -> SealedCounts | None:
    """Counts of the rows in the envelopes that are still sealed, against the training rows; None below `LEAST_ROWS`.

    Raises
    ------
    SealError : an envelope does not decrypt. NotFound, DamagedStore : it is lost.
    """
    spent = set(opened_envelopes(ledger, version.lineage))
    sealed = [envelope.index for envelope in version.envelopes if envelope.index not in spent]
    rows = sum(envelope.rows for envelope in version.envelopes if envelope.index in sealed)
    if rows < LEAST_ROWS:
        return None
    ledger.audit.append("count sealed rows", version.digest, {"for": "quality", "rows": rows})
    chosen = some_rows(rows, view.seed)
    taken, start = [], 0
    for index in sealed:
        for frame, y in sealed_chunks(ledger, objects, version, index):  # one chunk and the sample are in memory
            first, last = np.searchsorted(chosen, (start, start + frame.n_rows))
            places = chosen[first:last] - start
            taken.append((frame.take(places), y[places]))
            start += frame.n_rows
    return _counts(view, join(taken, version)[0], rows)


def _counts(view: View, test: Frame, n_rows: int) -> SealedCounts:
    """`test` : a sample of the `n_rows` sealed rows."""
    near: dict[str, int] = {}
    for name in view.of_kind(Kind.TEXT):
        seen = view.sample_frame[name]
        earlier = nearly_same(np.concatenate([seen, test[name]]))[len(seen) :]
        near[name] = round(int(((earlier >= 0) & (earlier < len(seen))).sum()) * n_rows / max(1, test.n_rows))
    keep = comparable(view)
    seen = view.X_other[:, keep]
    if not keep.any() or not len(seen):
        return SealedCounts(n_rows, near)
    X = view.encoder.matrix(test)[:, keep]
    pairs = len(seen) * len(X)
    area = tell_apart(seen, X, seed=view.seed)
    return SealedCounts(n_rows, near, float(round(area * pairs * 2) / 2), pairs, len(X), len(seen))

"""The door to the rows of a version: whoever wants them goes through here, is asked for, and is recorded.

`penstock.data.seal` has the doors to envelopes, `penstock.data.items.checkout` the one to files. What only counts, or only seals again
what it read, goes through none of them.
"""

from __future__ import annotations

import numpy as np

from penstock.bundle.decoder import Frame
from penstock.data.part_columns import PartColumns
from penstock.data.versions import DatasetVersion, load_part
from penstock.ledger.ledger import Ledger
from penstock.objects.store import ObjectStore


def read_part(
    ledger: Ledger,
    objects: ObjectStore,
    version: DatasetVersion,
    part: str,
    *,
    run: str | None = None,
    limit: int | None = None,
) -> tuple[Frame, np.ndarray]:
    """The rows of ``"train"`` or ``"valid"``, as `penstock.data.versions.load_part` gives them; `limit` as there.

    Raises
    ------
    AccessError : the version is restricted to others; the refusal is in the audit trail.
    """
    rows = version.rows.get(part)
    ledger.access.read(
        version.digest, part=part, rows=rows if limit is None or rows is None else min(rows, limit), run=run
    )
    return load_part(objects, version, part, limit=limit)


def read_columns(
    ledger: Ledger, objects: ObjectStore, version: DatasetVersion, part: str, *, run: str | None = None
) -> PartColumns:
    """The columns of ``"train"`` or ``"valid"``, each read as it is asked for.

    Raises
    ------
    AccessError : the version is restricted to others; the refusal is in the audit trail.
    """
    ledger.access.read(version.digest, part=part, rows=version.rows.get(part), run=run)
    return PartColumns(objects, version, part)

"""The decoder of a source whose rows are dealt: inferred from the training rows of its sample, personal columns as they are protected."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from penstock.bundle.decoder import ColumnSpec, EncodedColumn
from penstock.bundle.kinds import Kind
from penstock.bundle.privacy.protecting import Protector
from penstock.data.evidence import Evidence
from penstock.data.gather import Gathered
from penstock.data.infer import Inference, infer
from penstock.data.privacy.applying import Decisions, Protected, protections, share_of, stubs, with_protections
from penstock.data.privacy.keyed import privacy_key
from penstock.data.request import SETTLED, Request
from penstock.data.split import TRAIN
from penstock.data.versions import DatasetVersion
from penstock.ledger.ledger import Ledger


def infer_gathered(
    ledger: Ledger,
    request: Request,
    privacy: Decisions,
    gathered: Gathered,
    target: EncodedColumn,
    parts: np.ndarray,
    parent: DatasetVersion | None,
) -> Inference:
    """Infer how to read the rows.

    Parameters
    ----------
    gathered : what the first reading found. target : of all rows. parts : where each row went, int8, shape (n,).
    parent : the version whose declarations are kept, where it was asked for in the same way.
    """
    sample = gathered.sample
    known: dict[str, ColumnSpec] = {}
    if parent is not None and parent.manifest["source"]["how"] == request.how:
        known = {spec.name: spec for spec in parent.decoder.columns if spec.kind in SETTLED}
    train = np.flatnonzero(parts[sample.rows] == TRAIN)
    of = protections(sample.columns, privacy, train, missing=request.missing, known=known, writing=request.writing)
    key = privacy_key(ledger) if any(one.parsed.is_keyed for one in of.values()) else None
    columns = Protected(sample.columns, Protector(stubs(of), key)) if of else sample.columns
    shares = {name: of_raw.share for name, of_raw in gathered.distinct.items()}
    shares |= {name: share_of(columns[name]) for name in of if of[name].action != "hash"}
    prefixes = {name: Kind.CATEGORICAL for name in of if of[name].parsed.name == "prefix"}
    rounded = {name for name in (request.row_key, request.split.column) if name is not None}
    rounded |= {*of, *(name for past in request.history for name in past.needs)}
    found = infer(
        columns, request.target, train, task=request.task, kinds={**prefixes, **request.kinds},
        missing=request.missing, positive=request.positive, known=known,
        drop=(*request.drop, *([request.split.says_part] if request.split.says_part else ())),
        outcomes=Evidence.of(target, np.flatnonzero(parts == TRAIN)), total_rows=gathered.n_rows,
        shares=None if sample.whole else shares, writing=request.writing, rounded=rounded,
    )  # fmt: skip
    findings = tuple(
        replace(one, why=one.why.after(f"personal, {of[one.name].action}: ")) if one.name in of else one
        for one in found.columns
    )
    return replace(found, columns=findings, decoder=with_protections(found.decoder, of, key))

"""The target of all rows of a source: who has one, and how it is dealt evenly."""

from __future__ import annotations

import numpy as np

from penstock.bundle.decoder import Decoder, EncodedColumn, TargetSpec
from penstock.bundle.kinds import Task
from penstock.data.evidence import Evidence
from penstock.data.request import Request
from penstock.data.split import LEFT_OUT, PARTS, TEST, VALID
from penstock.data.target import infer_target

STRATA_OF_NUMBERS = 10


def outcomes_of(column: EncodedColumn, request: Request, warnings: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Which rows have a target, and the stratum of each: class, or tenth of the numbers. Shapes (n,).

    This looks at the target of all rows, to refuse a hopeless one early and to deal the rows evenly.
    """
    everything = np.arange(len(column))
    found = infer_target(
        request.target,
        Evidence.of(column, everything),
        task=request.task,
        positive=request.positive,
        missing=request.missing,
        written=request.writing.of(request.target),
    )
    y, _ = Decoder((), found.spec).decode_target_columns(column)
    labelled = ~np.isnan(y) if found.spec.task is Task.REGRESSION else y >= 0
    left_out = int((~labelled).sum())
    if left_out:
        warnings.append(f"{left_out} of {len(column)} rows have no target and are left out")
    if found.spec.task is not Task.REGRESSION:
        return labelled, y.astype(np.int32)
    edges = np.quantile(y[labelled], np.arange(1, STRATA_OF_NUMBERS) / STRATA_OF_NUMBERS)
    return labelled, np.searchsorted(edges, np.where(labelled, y, 0.0), side="right").astype(np.int32)


def leave_out_unknown_classes(y: np.ndarray, parts: np.ndarray, target: TargetSpec | None, warnings: list[str]) -> None:
    """Rows of a class that no training row has: no model can answer it, so it is told, and they are left out."""
    if target is None or target.task is Task.REGRESSION:
        unread = np.isnan(y) & (parts >= 0)
    else:
        unread = (y < 0) & (parts >= 0)
    if not unread.any():
        return
    where = ", ".join(f"{int((unread & (parts == part)).sum())} in {PARTS[part]}" for part in (VALID, TEST))
    warnings.append(
        f"{int(unread.sum())} rows have a target that no training row has ({where}); they are left out: "
        "add training rows of it, or leave those outcomes out of the question"
    )
    parts[unread] = LEFT_OUT

"""Labelled traffic as rows: what was asked, joined with what turned out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class LabelledRows:
    """Rows as they were received, each with its outcome.

    Attributes
    ----------
    ids : prediction ids. rows : JSON rows. labels : in the target's own type. All of one length, oldest first.
    lost : labels whose prediction is not in the journal, because its time was up or another server gave it.
    """

    ids: list[str]
    rows: list[dict[str, Any]]
    labels: list[Any]
    lost: int = 0

    def __len__(self) -> int:
        return len(self.ids)


def labelled_rows(journal: Path, *, without: Mapping[str, Any], model: str | None = None) -> LabelledRows:
    """All journalled predictions that have a label.

    Parameters
    ----------
    without : prediction id -> label of those that are left out, because an earlier data-set version has them already.
        One whose label was corrected since is not left out.
    model : whose predictions are meant, where a server answers for several; None: all.
    """
    from penstock.serving.journal import read  # here: a run with nothing to do needs no journal, and no numpy
    from penstock.serving.labels import read_labels

    labels = {
        prediction: label.label
        for prediction, label in read_labels(journal).items()
        if prediction not in without or without[prediction] != label.label
    }
    found: list[tuple[str, dict[str, Any], Any]] = []
    for record in read(journal, kinds=("predict",)):
        if model is not None and record.model != model:
            for answer in record.answers:
                labels.pop(answer["id"], None)  # of another model, not lost
            continue
        for row, answer in zip(record.rows, record.answers, strict=True):
            prediction = answer["id"]
            if prediction in labels:
                found.append((prediction, row, labels[prediction]))
    found.sort(key=lambda item: item[0])  # ids sort by time
    return LabelledRows([f[0] for f in found], [f[1] for f in found], [f[2] for f in found], len(labels) - len(found))

"""A bundle with another graph: everything else is its parent's, but for what follows from the answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from penstock.bundle.answers import Answers
from penstock.bundle.format import write_bundle
from penstock.bundle.frame import Frame
from penstock.bundle.runtime import TOLERANCE, Bundle
from penstock.objects.digests import canonical_json


def with_graph(parent: Bundle, graph: bytes, folder: Path, *, key: bytes | Callable[[], bytes] | None) -> Bundle:
    """A draft, to be asked and measured: the parent's files around another graph. It does not pass its self-test."""
    files = {name: parent.read(name) for name in parent.manifest["files"]}
    write_bundle(folder, files | {"graph.onnx": graph}, str(parent.manifest["audit_head"]))
    return Bundle.load(folder, key=key)


def finished(
    draft: Bundle,
    folder: Path,
    *,
    tolerance: float,
    reference: Callable[[Answers], dict[str, Any]],
    valid: Frame,
    card: dict[str, Any],
    audit_head: str,
    key: bytes | Callable[[], bytes] | None,
) -> Bundle:
    """The bundle that can be served: examples, reference profile and card are its own.

    Parameters
    ----------
    tolerance : by how much answers may differ elsewhere, of their size or of the target's spread; at least 1e-5.
    reference : makes the reference profile from the answers to the validation rows.
    """
    from penstock.packaging.card import render_card

    tolerance = max(tolerance, TOLERANCE)
    rows = _settled(draft, json.loads(draft.read("examples.json"))["rows"], tolerance)
    answers = json.loads(canonical_json(draft.predict(rows)))
    files = {name: draft.read(name) for name in draft.manifest["files"]} | {
        "examples.json": canonical_json({"format": 1, "rows": rows, "answers": answers, "tolerance": tolerance}),
        "reference.json": canonical_json(reference(draft.predict_frame(valid))),
        "card.json": canonical_json(card),
        "card.md": render_card(card).encode(),
    }
    write_bundle(folder, files, audit_head)
    bundle = Bundle.load(folder, key=key)
    bundle.self_test(exact=True)
    return bundle


def _settled(draft: Bundle, rows: Sequence[dict[str, Any]], tolerance: float) -> list[dict[str, Any]]:
    """Rows whose class is the same wherever they are answered: not so near a limit that a whole step takes them across."""
    rule = draft.signature.decision
    if not draft.signature.task.is_classification or not rows:
        return list(rows)
    frame, _ = draft.decoder.decode_rows(list(rows))
    answers = draft.predict_frame(frame)
    assert answers.probabilities is not None
    assert answers.label is not None
    p = np.sort(answers.probabilities, axis=1)
    margin = p[:, -1] - p[:, -2]
    if rule.threshold is not None:
        margin = np.abs(answers.probabilities[:, 1] - rule.threshold) * 2
    if rule.abstain_below is not None:
        chosen = answers.probabilities[np.arange(len(p)), answers.label]
        margin = np.minimum(margin, np.abs(chosen - rule.abstain_below) * 2)
    return [row for row, distance in zip(rows, margin, strict=True) if distance > 2 * tolerance]

"""Labelled traffic: what is new of it, what was corrected, and what is gone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from penstock.feedback.rows import labelled_rows


def test_rows_are_new_corrected_or_lost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a version has with the same label is left out; what has left the journal is counted."""
    labels = {"a": "yes", "b": "no", "c": "yes", "d": "no", "e": "yes"}
    record = SimpleNamespace(rows=[{"x": 3}, {"x": 1}, {"x": 2}], answers=[{"id": "c"}, {"id": "a"}, {"id": "b"}])
    monkeypatch.setattr(
        "penstock.serving.labels.read_labels", lambda _: {i: SimpleNamespace(label=v) for i, v in labels.items()}
    )
    monkeypatch.setattr("penstock.serving.journal.read", lambda *_, **__: [record])
    found = labelled_rows(tmp_path, without={"a": "yes", "b": "yes", "d": "no"})
    assert (found.ids, found.rows, found.labels) == (["b", "c"], [{"x": 2}, {"x": 3}], ["no", "yes"])
    assert found.lost == 1  # "e"; "d" is taken in already

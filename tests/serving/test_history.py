"""Requests that send earlier rows along: answered as a file of all rows, and journalled with what was worked out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.csv as pacsv
import pytest

from penstock.bundle.runtime import Bundle
from penstock.serving.batch import predict_files
from penstock.serving.slots import fill_and_switch
from penstock.testing.toy_bundle import write_toy_bundle

ROWS = [
    {"age": 20 + 3 * i, "job": ("nurse", "pilot")[i % 2], "member": i % 3 == 0, "joined": f"2024-01-{1 + i // 2:02}"}
    for i in range(20)
]
"""Two rows a day; those of a day do not see each other."""


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle.load(write_toy_bundle(tmp_path / "toy", looks_back=True))


@pytest.fixture
def client(bundle: Bundle, tmp_path: Path, open_client: Callable[..., Any]) -> Any:
    """An app over a model that looks back."""
    fill_and_switch(tmp_path / "serving", bundle.folder, model="toy", version=1, digest=bundle.digest)
    return open_client()


def test_a_row_with_its_history_is_answered_as_in_a_file(client: Any, bundle: Bundle, tmp_path: Path) -> None:
    """All rows in one file, and each alone with the others sent along: equal to the last bit."""
    source, output = tmp_path / "rows.jsonl", tmp_path / "answers.csv"
    source.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    result = predict_files(bundle, source, output)
    assert not any("income" in warning for warning in result.warnings)
    batch = pacsv.read_csv(output).to_pylist()
    for i, row in enumerate(ROWS):
        (online,) = client.predict(row, history=ROWS[:i] + ROWS[i + 1 :])
        assert ("income" in online["missing"]) == (i < 2)  # on the first day there is nothing to look back at
        assert online["probabilities"]["yes"] == batch[i]["p_yes"]


def test_what_was_worked_out_is_journalled_with_the_row(client: Any) -> None:
    """Labels, drift and retraining see the row that the model saw; the history is not kept."""
    client.predict({**ROWS[4], "age": 31}, history=ROWS[:4])
    written = b"".join(file.read_bytes() for file in client.journal.rglob("*") if file.is_file())
    assert b'"income":23.0' in written  # of ages 20 and 26
    assert b'"history"' not in written


def test_a_value_that_is_sent_is_taken_and_without_either_it_is_missing(client: Any) -> None:
    """As any other field."""
    (sent,) = client.predict({**ROWS[4], "income": 23.0})
    (worked_out,) = client.predict(ROWS[4], history=ROWS[:4])
    assert sent["probabilities"] == worked_out["probabilities"]
    (absent,) = client.predict(ROWS[4])
    assert "income" in absent["missing"]


@pytest.mark.parametrize("history", ["all", [3], [{"joined": "never", "job": "nurse"}], [{}] * 10_001])
def test_a_history_that_cannot_be_read_is_refused(client: Any, history: Any) -> None:
    """With its path; nothing is answered."""
    response = client.post("/predict", {"rows": [ROWS[0]], "history": history})
    assert response.status_code in (400, 413)
    assert response.json()["error"]["path"].startswith("history")


def test_a_model_that_does_not_look_back_refuses_a_history(
    deploy: Callable[..., Any], open_client: Callable[..., Any]
) -> None:
    """Never ignored silently; and the description of the model tells which of the two it is."""
    deploy(1)
    client = open_client()
    response = client.post("/predict", {"rows": [ROWS[0]], "history": ROWS[1:3]})
    assert (response.status_code, response.json()["error"]["path"]) == (400, "history")
    assert "history" not in str(client.get("/openapi.json").json()["components"]["schemas"])


def test_the_description_names_the_history(client: Any) -> None:
    """And the fields that are read for it."""
    text = client.get("/openapi.json").text
    assert "strictly earlier" in text

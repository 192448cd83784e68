"""A batch job and a running server give the same bits to the same rows: texts, dates, missing and unknown values, columns that look back."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.serving.batch.test_job import rows, write_csv, write_parquet

from penstock.bundle.runtime import Bundle
from penstock.serving.batch.job import predict_files
from penstock.serving.switching import fill_and_switch
from penstock.testing.toy_bundle import write_toy_bundle


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_every_row_is_answered_as_the_server_does(
    deploy: Callable[..., Any], start_server: Callable[..., Any], toys: Callable[..., Path], tmp_path: Path, task: str
) -> None:
    """CSV and Parquet, 400 odd rows; compared after JSON, which holds a double exactly."""
    deploy(1, task)
    server = start_server()
    data = rows(400, seed=7)
    connection = server.connect()
    status, body = server.ask("POST", "/predict", {"rows": data}, on=connection)
    assert status == 200
    online = [_flat(answer) for answer in body["predictions"]]
    assert {answer["decision"] for answer in online} == {"answer", "abstain"}
    bundle = Bundle.load(toys(1, task))
    for source in (write_csv(tmp_path / "in.csv", data), write_parquet(tmp_path / "in.parquet", data)):
        predict_files(bundle, source, tmp_path / "out.parquet")
        batch = pq.read_table(tmp_path / "out.parquet").drop_columns("row").to_pylist()
        assert batch == online


def test_columns_that_look_back_are_those_that_the_server_works_out(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    """Each row sent with all rows as its history, against one file."""
    bundle = Bundle.load(write_toy_bundle(tmp_path / "toy", looks_back=True))
    fill_and_switch(tmp_path / "serving", bundle.folder, model="toy", version=1, digest=bundle.digest)
    data: list[dict[str, Any]] = [
        {"age": 20 + 3 * i, "job": ("nurse", "pilot")[i % 2], "joined": f"2024-01-{1 + i // 2:02}", "note": "Über Köln"}
        for i in range(20)
    ]
    source = tmp_path / "rows.csv"
    with source.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(data[0]))
        writer.writeheader()
        writer.writerows(data)
    predict_files(bundle, source, tmp_path / "out.parquet")
    batch = pq.read_table(tmp_path / "out.parquet").drop_columns("row").to_pylist()
    server = start_server()
    connection = server.connect()
    online = []
    for row in data:
        status, body = server.ask("POST", "/predict", {"rows": [row], "history": data}, on=connection)
        assert status == 200, body
        online.append(_flat(body["predictions"][0]))
    assert json.loads(json.dumps(batch)) == online
    assert len({row["p_yes"] for row in batch}) > 10


def _flat(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer of the server in the columns of the batch job."""
    row = {name: answer[name] for name in ("prediction", "decision", "novelty")}
    if "probabilities" in answer:
        return row | {f"p_{name}": share for name, share in answer["probabilities"].items()}
    low, high = answer["interval"] or (None, None)
    return row | {"low": low, "high": high}

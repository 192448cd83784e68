"""TensorFlow Serving's REST interface: rows, columns, labels, status, metadata."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.bundle.runtime import Bundle
from penstock.serving.journal import read
from penstock.testing.toy_bundle import ROWS

PREDICT = "/v1/models/toy:predict"


def test_rows_and_columns_get_the_bundles_answers(client: Any, toys: Callable[..., Path]) -> None:
    """Predictions by row or outputs by column: the same values."""
    answers = Bundle.load(toys()).predict(ROWS)
    by_rows = client.post(PREDICT, {"instances": list(ROWS)}).json()["predictions"]
    assert [row["prediction"] for row in by_rows] == [a["prediction"] or "" for a in answers]
    assert [row["probabilities"] for row in by_rows] == [list(a["probabilities"].values()) for a in answers]
    names = ("age", "income", "job")
    columns = {name: [row.get(name) for row in ROWS] for name in names}
    outputs = client.post(PREDICT, {"inputs": columns}).json()["outputs"]
    again = Bundle.load(toys()).predict([{name: row.get(name) for name in names} for row in ROWS])
    assert outputs["decision"] == [a["decision"] for a in again]
    assert outputs["novelty"] == [a["novelty"] for a in again]
    assert [json.loads(names) for names in outputs["missing"]] == [a["missing"] for a in again]


def test_rows_without_names_are_in_the_order_of_the_inputs(client: Any) -> None:
    """A list of values, as models of one tensor take them; the key, which is the last input, may be left out."""
    row = [41, 52000.5, "nurse", True, "2019-03-01", "Call back!"]
    named = {"age": 41, "income": 52000.5, "job": "nurse", "member": True, "joined": "2019-03-01", "note": "Call back!"}
    said = [client.post(PREDICT, {"instances": [r]}).json()["predictions"][0] for r in (row, [*row, "17"], named)]
    assert [{**one, "id": ""} for one in said] == [{**said[0], "id": ""}] * 3
    keys = [record.answers[0].get("key") for record in read(client.journal)]
    assert keys == [None, "17", None]


def test_bytes_may_come_as_base64_and_values_as_lists_of_one(client: Any) -> None:
    """As TensorFlow's own clients write them."""
    coded = {"job": {"b64": base64.b64encode(b"nurse").decode()}, "age": [41]}
    one, other = (
        client.post(PREDICT, {"signature_name": "serving_default", "instances": [row]}).json()["predictions"][0]
        for row in (coded, {"job": "nurse", "age": 41})
    )
    assert one["probabilities"] == other["probabilities"]


@pytest.mark.parametrize("place", ["", "/versions/1", "/labels/champion", "/labels/blue", "/versions/latest"])
def test_versions_and_labels_name_what_is_loaded(client: Any, place: str) -> None:
    """For predictions, status and metadata."""
    assert client.post(f"/v1/models/toy{place}:predict", {"instances": [{"age": 41}]}).status_code == 200
    status = client.get(f"/v1/models/toy{place}").json()["model_version_status"]
    assert status == [{"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}]
    said = client.get(f"/v1/models/toy{place}/metadata").json()
    assert said["model_spec"] == {"name": "toy", "signature_name": "", "version": "1"}
    default = said["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert default["inputs"]["age"]["dtype"] == "DT_DOUBLE"
    assert default["outputs"]["probabilities"]["tensor_shape"]["dim"] == [
        {"size": "-1", "name": ""}, {"size": "2", "name": ""}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "neither or both"),
        ({"instances": [], "inputs": {}}, "neither or both"),
        ({"instances": {}}, "no list"),
        ({"inputs": []}, "no object"),
        ({"inputs": {"age": 4}}, "inputs.age is no list"),
        ({"inputs": {"age": [1], "income": [1, 2]}}, "different lengths"),
        ({"instances": [[1, 2]]}, "instances[0] has 2 values"),
        ({"instances": [1]}, "instances[0] has 1 values"),
        ({"instances": [{"job": {"b64": "?"}}]}, "no text in base64"),
        ({"signature_name": "other", "instances": []}, "no signature 'other'"),
        ({"instances": [{"age": "old"}]}, "'old' is not a number"),
    ],
)
def test_what_is_malformed_is_refused_in_words(client: Any, body: Any, said: str) -> None:
    """`error` is a text, as TensorFlow's clients want it."""
    response = client.post(PREDICT, body)
    assert response.status_code == 400
    assert said in response.json()["error"]


def test_another_model_is_not_here(client: Any) -> None:
    """Status 404."""
    assert client.post("/v1/models/cat:predict", {"instances": []}).status_code == 404
    assert client.get("/v1/models/cat").status_code == 404


def test_the_status_of_what_the_shelf_holds_says_how_far_it_is(
    deploy: Any, shelve: Any, open_client: Any, tmp_path: Path
) -> None:
    """Known, loaded once asked, damaged, unloaded; asking for the status loads nothing."""
    import asyncio

    from penstock.serving.shelf import read_shelf, set_state

    deploy(1)
    shelve("fraud", 1, labels=["champion"])
    bad = shelve("fraud", 2, of=2).of("fraud")[1]
    client = open_client()

    def states(place: str = "") -> list[tuple[str, str]]:
        said = client.get(f"/v1/models/fraud{place}").json()["model_version_status"]
        return [(one["version"], one["state"]) for one in said]

    assert states() == [("2", "START"), ("1", "START")]
    assert client.post("/v1/models/fraud/labels/champion:predict", {"instances": [{"age": 41}]}).status_code == 200
    assert states() == [("2", "START"), ("1", "AVAILABLE")]
    assert states("/labels/champion") == [("1", "AVAILABLE")]
    (tmp_path / "serving" / bad.path / "graph.onnx").write_bytes(b"no graph")
    assert client.post("/v1/models/fraud/versions/2:predict", {"instances": [{"age": 41}]}).status_code == 503
    (broken,) = client.get("/v1/models/fraud/versions/2").json()["model_version_status"]
    assert (broken["state"], broken["status"]["error_code"]) == ("END", "UNAVAILABLE")
    set_state(tmp_path / "serving", "fraud", "unloaded", "1")
    asyncio.run(client.worker.models._move(read_shelf(tmp_path / "serving")))
    assert states("/versions/1") == [("1", "END")]
    assert client.get("/v1/models/cat").status_code == 404
    assert client.get("/v1/models/fraud/versions/9").status_code == 404

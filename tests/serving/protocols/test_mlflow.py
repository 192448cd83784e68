"""MLflow's scoring interface, asked by MLflow's own client and by hand."""

from __future__ import annotations

from functools import partial
from typing import Any

import orjson
import pytest

from penstock.errors import RequestError
from penstock.serving.protocols import mlflow

ROWS = [{"age": 41, "job": "nurse"}, {"age": None, "job": "pilot"}]
FULL = {"age": 41, "income": 1000, "job": "nurse", "member": True, "joined": "2019-03-01", "note": "a"}
SPLIT = {"columns": ["age", "job"], "index": [0, 1], "data": [[41, "nurse"], [None, "pilot"]]}


def predictions(client: Any, body: Any) -> list[dict[str, Any]]:
    response = client.post("/invocations", body)
    assert response.status_code == 200, response.text
    answers: list[dict[str, Any]] = response.json()["predictions"]
    return [{**answer, "id": ""} for answer in answers]


def test_the_four_forms_and_csv_get_the_same_answers(client: Any) -> None:
    """What `/predict` answers to these rows."""
    expected = [{**answer, "id": ""} for answer in client.predict(*ROWS)]
    assert predictions(client, {"dataframe_split": SPLIT}) == expected
    assert predictions(client, {"dataframe_records": ROWS}) == expected
    assert predictions(client, {"instances": ROWS, "params": {}}) == expected
    assert predictions(client, {"inputs": {"age": [41, None], "job": ["nurse", "pilot"]}}) == expected
    text = 'job,age\n"nurse",41\npilot,\n'
    answer = client.ask("POST", "/invocations", content=text, headers={"content-type": "text/csv; charset=utf-8"})
    assert [{**a, "id": ""} for a in answer.json()["predictions"]] == expected


def test_rows_without_names_are_in_the_order_of_the_inputs(client: Any) -> None:
    """As models of one tensor take them."""
    assert predictions(client, {"instances": [list(FULL.values())]}) == predictions(client, {"inputs": [FULL]})


def test_mlflows_own_client_asks_a_real_server(deploy: Any, start_server: Any) -> None:
    """It waits for /ping, and sends a frame of pandas."""
    pandas = pytest.importorskip("pandas")
    scoring = pytest.importorskip("mlflow.pyfunc.scoring_server.client", reason="MLflow is not installed")
    deploy(1)
    server = start_server()
    client = scoring.ScoringServerClient("127.0.0.1", server.port)
    client.wait_server_ready(timeout=10)
    frame = pandas.DataFrame(ROWS)
    answer = client.invoke(frame).get_predictions()
    assert list(answer["decision"]) == ["answer", "answer"] or len(answer) == 2
    assert {"prediction", "novelty", "id"} <= set(answer.columns)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "none of the forms"),
        ({"instances": [], "inputs": []}, "instances and inputs"),
        ({"dataframe_split": []}, "no table"),
        ({"dataframe_split": {"columns": ["age"], "data": [[1, 2]]}}, "data[0] does not fit"),
        ({"dataframe_split": {"columns": ["age", "age"], "data": [[1, 2]]}}, "two columns 'age'"),
        ({"dataframe_records": {}}, "no list"),
        ({"dataframe_records": [7]}, "not an object"),
        ({"inputs": {"age": [1], "job": ["a", "b"]}}, "different lengths"),
        ({"inputs": {"age": "old"}}, "not a number"),
    ],
)
def test_what_is_malformed_is_refused_in_mlflows_shape(client: Any, body: Any, said: str) -> None:
    """`error_code` and `message`."""
    response = client.post("/invocations", body)
    assert response.status_code == 400
    assert response.json()["error_code"] == "BAD_REQUEST"
    assert said in response.json()["message"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the body is empty"),
        ("\n\n", "the body is empty"),
        ('a,"b\n', "no CSV"),
        ("\xff", "no CSV"),
        ("age,job\n1\n", "record 1 has 1 values"),
        ("age,job,age\n20,nurse,79\n", "there are two columns 'age': each field has one value"),
    ],
)
def test_broken_csv_is_refused(client: Any, text: str, said: str) -> None:
    """Empty, blank, unclosed, not UTF-8, ragged, with two columns of one name."""
    content = text.encode("latin-1")
    response = client.ask("POST", "/invocations", content=content, headers={"content-type": "text/csv"})
    assert response.status_code == 400
    assert said in response.json()["message"]


class _Name(str):
    """The name of a column that counts how often it is compared."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        _Name.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_names_are_not_compared_each_with_all_others() -> None:
    """A body of the usual limit holds two million, and what reads them cannot be stopped."""
    names: list[str] = [_Name(f"c{number}") for number in range(1_000)]
    mlflow._refuse_twice(names, "columns")
    with pytest.raises(RequestError, match="two columns 'c0'"):
        mlflow._refuse_twice([*names, _Name("c0")], "columns")
    assert _Name.compared < 1_000


def test_too_many_rows_are_refused_before_they_are_made(client: Any) -> None:
    body = orjson.dumps({"dataframe_split": {"columns": ["age"], "data": [[1], [2], [3]]}})
    signature = client.worker.serving.live.bundle.signature
    assert mlflow._of_csv(b"age\n1\n2\n", most=2) == [{"age": "1"}, {"age": "2"}]
    for read in (
        partial(mlflow._of_csv, b"age\n1\n2\n\n3\n", most=2),
        partial(mlflow._of_json, body, signature, most=2),
    ):
        with pytest.raises(RequestError, match="3 rows in one request") as refused:
            read()
        assert refused.value.status == 413


def test_blank_lines_of_csv_are_none(client: Any) -> None:
    """As pandas has it, and so MLflow."""
    answered = []
    for text in ("age,job\n20,nurse\n30,clerk\n", "\nage,job\n\n20,nurse\r\n\r\n30,clerk\n\n"):
        response = client.ask("POST", "/invocations", content=text.encode(), headers={"content-type": "text/csv"})
        assert response.status_code == 200, response.text
        answered.append([{**row, "id": ""} for row in response.json()["predictions"]])
    assert answered[0] == answered[1]
    assert len(answered[0]) == 2


def test_another_content_type_is_refused(client: Any) -> None:
    """With those that are taken."""
    response = client.ask("POST", "/invocations", content=b"x", headers={"content-type": "application/x-thrift"})
    assert response.status_code == 415
    assert "text/csv" in response.json()["message"]


def test_ping_says_that_something_is_live(client: Any) -> None:
    """As load balancers of MLflow ask."""
    assert client.get("/ping").status_code == 200

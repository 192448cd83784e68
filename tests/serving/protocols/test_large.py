"""Large requests of every protocol are read, and their answers written, beside the event loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from penstock.serving.protocols import mlflow, open_inference, tensorflow
from penstock.testing.toy_bundle import ROWS

NAMES = ("age", "income", "job", "member")
ROW = {"age": 41.0, "income": 1000.0, "job": "nurse", "member": "true"}
MANY = 2_000


def tensor(name: str, n: int) -> dict[str, Any]:
    datatype = "BYTES" if isinstance(ROW[name], str) else "FP64"
    return {"name": name, "datatype": datatype, "shape": [n], "data": [ROW[name]] * n}


ASKED: dict[str, tuple[str, Callable[[int], dict[str, Any]], Callable[[Any], list[Any]], list[tuple[Any, str]]]] = {
    "tensorflow": (
        "/v1/models/toy:predict",
        lambda n: {"instances": [ROW] * n},
        lambda said: [row["prediction"] for row in said["predictions"]],
        [(tensorflow, "_read"), (tensorflow, "_written")],
    ),
    "open inference": (
        "/v2/models/toy/infer",
        lambda n: {"inputs": [tensor(name, n) for name in NAMES]},
        lambda said: next(output["data"] for output in said["outputs"] if output["name"] == "prediction"),
        [(open_inference, "read_inference"), (open_inference, "_written")],
    ),
    "mlflow": (
        "/invocations",
        lambda n: {"dataframe_records": [ROW] * n},
        lambda said: [row["prediction"] for row in said["predictions"]],
        [(mlflow, "_of_json")],
    ),
}


@pytest.mark.parametrize("protocol", ASKED)
def test_what_is_large_is_read_and_written_in_threads(
    client: Any, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    """And what is small is not, as a thread costs more; the answers are the same."""
    path, body, predictions, steps = ASKED[protocol]
    where: list[bool] = []

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*given: Any, **named: Any) -> Any:
            where.append(threading.current_thread() is threading.main_thread())
            return function(*given, **named)

        return called

    for module, name in steps:
        monkeypatch.setattr(module, name, watched(getattr(module, name)))
    small, large = (client.post(path, body(n)).json() for n in (1, MANY))
    assert predictions(large) == predictions(small) * MANY
    assert where == [True] * len(steps) + [False] * len(steps)


def test_what_is_wrong_with_a_large_request_is_told_as_of_a_small_one(client: Any) -> None:
    """Also where it is found in a thread."""
    wrong = {"instances": [ROW] * MANY + [{"b64": 1}] + [[1, 2]]}
    refused = client.post("/v1/models/toy:predict", wrong)
    assert refused.status_code == 400
    assert refused.json()["code"] == "bad-shape"


def test_a_request_of_both_arms_is_dealt_and_merged_row_by_row(
    deploy: Any, release: Any, open_client: Any, toys: Any
) -> None:
    """Thousands as few: each row by the arm of its key, in its place; the candidate's say so."""
    deploy(1)
    release(2, "canary", 0.5, sticky="id")
    client = open_client()
    rows = [{**ROWS[0], "id": str(n)} for n in range(MANY)]
    answers = client.post("/predict", {"rows": rows}).json()["predictions"]
    dealt = client.worker.serving.arms.deal(rows)
    assert 0.4 < sum(dealt) / MANY < 0.6
    assert [answer.get("version") for answer in answers] == [2 if other else None for other in dealt]
    assert [answer["key"] for answer in answers] == [row["id"] for row in rows]
    few = client.post("/predict", {"rows": rows[:50]}).json()["predictions"]
    bare = [{name: value for name, value in answer.items() if name != "id"} for answer in answers]
    assert bare[:50] == [{name: value for name, value in answer.items() if name != "id"} for answer in few]
    columns = client.post("/v1/models/toy:predict", {"instances": rows}).json()["predictions"]
    assert [row["prediction"] for row in columns] == [answer["prediction"] or "" for answer in answers]

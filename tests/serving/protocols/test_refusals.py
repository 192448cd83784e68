"""What is refused is in the journal once, whichever protocol it came by and however far it was read; priorities are read in each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from penstock.serving.journal import read
from penstock.serving.urgency import HIGH, LOW, NORMAL, Urgency

AGE = {"name": "age", "shape": [1], "datatype": "FP64", "data": [41.0]}
INFER = "/v2/models/toy/infer"
REFUSED = [
    ("/predict", "{", "bad-json"),
    (INFER, "{", "bad-json"),
    ("/v1/models/toy:predict", "{", "bad-json"),
    ("/invocations", "{", "bad-json"),
    (INFER, {"inputs": []}, "bad-request"),
    ("/v1/models/toy:predict", {"instances": [{"age": 1}], "inputs": {}}, "bad-request"),
    ("/invocations", {"dataframe_records": [], "inputs": []}, "bad-request"),
    ("/v2/models/nobody/infer", {"inputs": [AGE]}, "unknown-model"),
    ("/v1/models/toy:predict", {"instances": [{"age": "old"}]}, "wrong-type"),
    ("/invocations", {"dataframe_records": [{"age": "old"}]}, "wrong-type"),
    (INFER, {"inputs": [AGE], "parameters": {"priority": -1}}, "bad-priority"),
    (INFER, {"inputs": [AGE], "parameters": {"priority": "high"}}, "bad-priority"),
]


def test_each_refusal_is_journalled_once(client: Any) -> None:
    """With its status and its code, as a native one; not what asks for no answer, such as metadata of a model that is not there."""
    statuses = []
    for path, body, _ in REFUSED:
        content = body.encode() if isinstance(body, str) else orjson.dumps(body)
        response = client.ask("POST", path, content=content, headers={"content-type": "application/json"})
        statuses.append(response.status_code)
    assert client.get("/v2/models/nobody").status_code == 404
    assert client.get("/v1/models/nobody").status_code == 404
    client.worker.journal.close()
    errors = list(read(client.journal, kinds=("error",)))
    assert [error.code for error in errors] == [code for _, _, code in REFUSED]
    assert [error.status for error in errors] == statuses
    nobodys = [error.code for error in errors if not error.version]
    assert nobodys == ["bad-json", "unknown-model"], "by the other protocols the address says which version is asked"


def test_a_priority_of_triton_is_kept(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts before that of the header; 0 says nothing."""
    asked: list[Urgency] = []
    put = client.app._predicting.put

    def noted(loaded: Any, rows: Any, came_ns: int, urgency: Urgency, *more: Any, **named: Any) -> None:
        asked.append(urgency)
        put(loaded, rows, came_ns, urgency, *more, **named)

    monkeypatch.setattr(client.app._predicting, "put", noted)
    for level, header in ((None, "normal"), (1, "normal"), (2, "low"), (0, "low"), (9, "high")):
        body = {"inputs": [AGE], "parameters": {} if level is None else {"priority": level}}
        assert client.ask("POST", INFER, json=body, headers={"x-priority": header}).status_code == 200
    assert [urgency.priority for urgency in asked] == [NORMAL, HIGH, NORMAL, LOW, LOW]


def test_calls_of_grpc_are_journalled_and_have_priorities(
    deploy: Callable[..., Any], open_client: Callable[..., Any]
) -> None:
    """A message that cannot be read, and one that asks for a priority that there is not; what can be kept is."""
    grpc = pytest.importorskip("grpc", reason="grpcio is not installed")
    from penstock.serving.protocols.grpc_messages import SERVICE, message

    deploy(1)
    client = open_client(grpc_port=0)

    def infer(level: int) -> bytes:
        request = message("ModelInferRequest")(model_name="toy")
        request.inputs.add(name="age", datatype="FP64", shape=[1]).contents.fp64_contents.append(41.0)
        request.parameters["priority"].int64_param = level
        return bytes(request.SerializeToString())

    async def ask() -> list[str]:
        server = client.app.grpc
        assert server is not None
        port = await server.start()
        said = []
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            for data in (b"\xff\xff", infer(-1), infer(1)):
                try:
                    await channel.unary_unary(f"/{SERVICE}/ModelInfer")(data)
                    said.append("OK")
                except grpc.aio.AioRpcError as error:
                    said.append(error.code().name)
        await server.stop(0)
        return said

    assert asyncio.run(ask()) == ["INVALID_ARGUMENT", "INVALID_ARGUMENT", "OK"]
    client.worker.journal.close()
    assert [error.code for error in read(client.journal, kinds=("error",))] == ["bad-message", "bad-priority"]

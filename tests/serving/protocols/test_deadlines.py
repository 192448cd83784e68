"""Deadlines as the clients of Triton and gRPC give them: the parameter `timeout`, and the time that a call has left."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from tests.serving.conftest import Server

from penstock.bundle.runtime import Bundle
from penstock.serving.journal import read
from penstock.serving.protocols.grpc_messages import SERVICE, message
from penstock.serving.switching import fill_and_switch
from penstock.testing.toy_bundle import write_toy_bundle

grpc = pytest.importorskip("grpc", reason="grpcio is not installed")
triton_http = pytest.importorskip("tritonclient.http", reason="tritonclient is not installed")
triton_grpc = pytest.importorskip("tritonclient.grpc", reason="tritonclient is not installed")

TOIL = 40
"""Of the slow model: an execution takes some tenths of a second."""


def age(client: Any) -> list[Any]:
    tensor = client.InferInput("age", [1], "FP64")
    tensor.set_data_from_numpy(np.array([30.0]))
    return [tensor]


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Servers of a slow model, with and without a fallback, started once each."""
    servers: dict[bool, Server] = {}

    def of(*, fallback: bool) -> Server:
        if fallback not in servers:
            folder = tmp_path_factory.mktemp("slow")
            path = write_toy_bundle(folder / "toy", toil=TOIL, late=fallback)
            digest = Bundle.load(path).digest
            fill_and_switch(folder / "serving", path, model="toy", version=1, digest=digest)
            servers[fallback] = Server(folder / "serving", "--settings", json.dumps({"grpc_port": 0}))
        return servers[fallback]

    yield of
    for server in servers.values():
        server.close()


def asking(server: Server, protocol: str) -> tuple[Any, Any]:
    """Triton's client of a protocol, and its module."""
    if protocol == "http":
        return triton_http.InferenceServerClient(f"127.0.0.1:{server.port}"), triton_http
    return triton_grpc.InferenceServerClient(server.grpc), triton_grpc


@pytest.fixture(scope="module")
def short_s(serve: Callable[..., Server]) -> float:
    """A quarter of what an execution takes here: in time for a fallback alone, also where the machine is faster a moment later."""
    client, module = asking(serve(fallback=True), "http")
    times = []
    for _ in range(3):
        began = perf_counter()
        client.infer("toy", age(module))
        times.append(perf_counter() - began)
    client.close()
    return min(times) / 4


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_timeout_that_the_model_keeps_changes_nothing(serve: Callable[..., Server], protocol: str) -> None:
    """Triton counts it in microseconds."""
    client, module = asking(serve(fallback=True), protocol)
    result = client.infer("toy", age(module), timeout=30_000_000)
    assert result.as_numpy("fallback").tolist() == [b""]
    client.close()


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_what_would_be_late_by_its_timeout_is_answered_by_the_fallback(
    serve: Callable[..., Server], short_s: float, protocol: str
) -> None:
    """Long before the model would have been done, and the answer says so; in the journal as well."""
    server = serve(fallback=True)
    client, module = asking(server, protocol)
    result = client.infer("toy", age(module), timeout=int(1_000_000 * short_s))
    assert result.as_numpy("fallback").tolist() == [b"late"]
    client.close()
    last = max(read(server.state_dir / "journal", kinds=("predict",)), key=lambda record: record.at)
    assert last.answers[0]["fallback"] == "late"


def test_what_would_be_late_by_its_timeout_is_refused_without_a_fallback(
    serve: Callable[..., Server], short_s: float
) -> None:
    """503 over HTTP; over gRPC the code of a deadline, not that of a server that is away, which clients would ask again at once."""
    server = serve(fallback=False)
    client, module = asking(server, "http")
    with pytest.raises(triton_http.InferenceServerException, match="after the deadline") as refused:
        client.infer("toy", age(module), timeout=int(1_000_000 * short_s))
    assert refused.value.status() == "503"
    client.close()
    client, module = asking(server, "grpc")
    with pytest.raises(triton_grpc.InferenceServerException) as late:
        client.infer("toy", age(module), timeout=int(1_000_000 * short_s))
    assert late.value.status() == "StatusCode.DEADLINE_EXCEEDED"
    assert "after the deadline" in str(late.value)
    client.close()


def test_the_time_that_a_call_has_left_is_its_deadline(serve: Callable[..., Server], short_s: float) -> None:
    """Nothing but the deadline of gRPC itself: the fallback's answer arrives before it strikes."""
    client, module = asking(serve(fallback=True), "grpc")
    answers, tries = [], 0
    while not answers and (tries := tries + 1) <= 10:  # on a busy machine the way back may take the rest of the time
        try:
            answers = client.infer("toy", age(module), client_timeout=short_s).as_numpy("fallback").tolist()
        except triton_grpc.InferenceServerException as late:
            if late.status() != "StatusCode.DEADLINE_EXCEEDED":
                raise
    assert answers == [b"late"]
    assert client.infer("toy", age(module), client_timeout=30).as_numpy("fallback").tolist() == [b""]
    client.close()


def test_a_call_whose_deadline_cannot_be_kept_ends_with_it(serve: Callable[..., Server], short_s: float) -> None:
    """Without a fallback; whether the server says so first or the client's own clock strikes, it is the same code."""
    server = serve(fallback=False)
    client, module = asking(server, "grpc")
    began = perf_counter()
    with pytest.raises(triton_grpc.InferenceServerException) as late:
        client.infer("toy", age(module), client_timeout=short_s)
    assert late.value.status() == "StatusCode.DEADLINE_EXCEEDED"
    assert perf_counter() - began < 10
    assert client.infer("toy", age(module), client_timeout=30).as_numpy("prediction") is not None
    client.close()


@pytest.mark.parametrize("given", ["soon", -5, True])
def test_a_timeout_that_is_none_is_refused(serve: Callable[..., Server], given: Any) -> None:
    """Over both protocols, with its name."""
    server = serve(fallback=False)
    inputs = [{"name": "age", "datatype": "FP64", "shape": [1], "data": [30.0]}]
    status, body = server.ask("POST", "/v2/models/toy/infer", {"inputs": inputs, "parameters": {"timeout": given}})
    assert status == 400
    assert "timeout" in body["error"]
    request = message("ModelInferRequest")(model_name="toy")
    request.inputs.add(name="age", datatype="FP64", shape=[1]).contents.fp64_contents.append(30.0)
    field = {str: "string_param", bool: "bool_param", int: "int64_param"}[type(given)]
    setattr(request.parameters["timeout"], field, given)
    with grpc.insecure_channel(server.grpc) as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(f"/{SERVICE}/ModelInfer")(request.SerializeToString(), timeout=10)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "timeout" in refused.value.details()

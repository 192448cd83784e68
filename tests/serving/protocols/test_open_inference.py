"""Triton's own clients, over HTTP and gRPC, ask a real server; what is malformed is refused with its place."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.bundle.runtime import Bundle
from penstock.errors import RequestError
from penstock.serving.journal import read
from penstock.serving.protocols.datatypes import DTYPES, held_to
from penstock.testing.toy_bundle import ROWS

triton_http = pytest.importorskip("tritonclient.http", reason="tritonclient is not installed")
triton_grpc = pytest.importorskip("tritonclient.grpc", reason="tritonclient is not installed")

NUMBERS = ("age", "income")
TEXTS = ("job", "member", "joined", "note", "id")


def columns() -> dict[str, np.ndarray]:
    """The toy rows in columns: NaN and "" where there is nothing, numbers that came as text as numbers."""
    out: dict[str, np.ndarray] = {}
    for name in NUMBERS:
        values = [row.get(name) for row in ROWS]
        out[name] = np.array([np.nan if v is None else float(v) for v in values])
    for name in TEXTS:
        values = [row.get(name) for row in ROWS]
        out[name] = np.array([b"" if v is None else str(v).encode() for v in values], dtype=np.object_)
    return out


def tensors(client: Any, *, binary: bool | None = None) -> list[Any]:
    made = []
    for name, values in columns().items():
        tensor = client.InferInput(name, [len(values)], "FP64" if name in NUMBERS else "BYTES")
        tensor.set_data_from_numpy(values, **({} if binary is None else {"binary_data": binary}))
        made.append(tensor)
    return made


def expected(toys: Callable[..., Path], task: str = "binary") -> list[dict[str, Any]]:
    """What the bundle answers to the same rows as they arrive: numbers as numbers, the rest as text."""
    rows = []
    for i in range(len(ROWS)):
        row = {name: values[i] for name, values in columns().items()}
        rows.append({k: v.decode() if isinstance(v, bytes) else None if np.isnan(v) else v for k, v in row.items()})
    return Bundle.load(toys(1, task)).predict(rows)


def check(result: Any, answers: list[dict[str, Any]]) -> None:
    """Bit for bit what the bundle answers; an abstained prediction is empty."""
    texts = [value.decode() for value in result.as_numpy("prediction")]
    assert texts == ["" if a["prediction"] is None else str(a["prediction"]) for a in answers]
    shares = np.array([list(a["probabilities"].values()) for a in answers], dtype=np.float32)
    np.testing.assert_array_equal(result.as_numpy("probabilities"), shares)
    assert [value.decode() for value in result.as_numpy("decision")] == [a["decision"] for a in answers]
    assert [value.decode() for value in result.as_numpy("reason")] == [a["reason"] or "" for a in answers]
    for name in ("missing", "unknown"):
        assert [json.loads(value) for value in result.as_numpy(name)] == [a[name] for a in answers]


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize("binary", [True, False])
def test_tritons_http_client_gets_the_bundles_answers(
    deploy: Any, start_server: Any, toys: Callable[..., Path], task: str, binary: bool
) -> None:
    """With binary tensors and with JSON; metadata, readiness and the repository's index are what it wants."""
    deploy(1, task)
    server = start_server()
    client = triton_http.InferenceServerClient(f"127.0.0.1:{server.port}")
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("toy", "1")
    assert client.get_server_metadata()["name"] == "penstock"
    described = client.get_model_metadata("toy")
    assert [(i["name"], i["datatype"]) for i in described["inputs"]][:3] == [
        ("age", "FP64"), ("income", "FP64"), ("job", "BYTES")
    ]  # fmt: skip
    assert client.get_model_repository_index()[0] == {"name": "toy", "version": "1", "state": "READY", "reason": ""}
    result = client.infer("toy", tensors(triton_http, binary=binary), request_id="r-17")
    assert result.get_response()["id"] == "r-17"
    check(result, expected(toys, task))
    wanted = [triton_http.InferRequestedOutput("decision", binary_data=not binary)]
    only = client.infer("toy", tensors(triton_http, binary=binary), outputs=wanted, model_version="1")
    assert [o["name"] for o in only.get_response()["outputs"]] == ["decision"]
    with pytest.raises(triton_http.InferenceServerException, match="no model 'cat' here"):
        client.infer("cat", tensors(triton_http))
    client.close()


def test_tritons_grpc_client_gets_the_bundles_answers(
    deploy: Any, start_server: Any, toys: Callable[..., Path]
) -> None:
    """Over a port of its own; errors carry the codes of gRPC."""
    deploy(1)
    server = start_server("--settings", '{"grpc_port": 0}')
    client = triton_grpc.InferenceServerClient(server.grpc)
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("toy")
    assert not client.is_model_ready("toy", "9")
    assert client.get_server_metadata().name == "penstock"
    assert [tensor.name for tensor in client.get_model_metadata("toy").outputs][:2] == ["prediction", "probabilities"]
    check(client.infer("toy", tensors(triton_grpc), request_id="r"), expected(toys))
    with pytest.raises(triton_grpc.InferenceServerException, match=r"NOT_FOUND.*version '9'"):
        client.infer("toy", tensors(triton_grpc), model_version="9")
    bad = triton_grpc.InferInput("age", [1], "BYTES")
    bad.set_data_from_numpy(np.array([b"old"], dtype=np.object_))
    with pytest.raises(triton_grpc.InferenceServerException, match=r"INVALID_ARGUMENT.*'old' is not a number"):
        client.infer("toy", [bad])
    client.close()
    assert server.stop() == 0


def test_typed_contents_are_read_as_raw_ones(deploy: Any, start_server: Any, tmp_path: Path) -> None:
    """Clients without numpy fill `contents`."""
    import grpc

    from penstock.serving.protocols.grpc_messages import SERVICE, message

    deploy(1)
    server = start_server("--settings", '{"grpc_port": 0}')
    request = message("ModelInferRequest")(model_name="toy")
    age = request.inputs.add(name="age", datatype="INT64", shape=[2])
    age.contents.int64_contents.extend([41, 150])
    job = request.inputs.add(name="job", datatype="BYTES", shape=[2, 1])
    job.contents.bytes_contents.extend([b"nurse", "Köchin".encode()])
    with grpc.insecure_channel(server.grpc) as channel:
        call = channel.unary_unary(
            f"/{SERVICE}/ModelInfer",
            request_serializer=message("ModelInferRequest").SerializeToString,
            response_deserializer=message("ModelInferResponse").FromString,
        )
        answer = call(request, timeout=10)
        assert answer.outputs[0].name == "prediction"
        assert list(answer.outputs[0].shape) == [2]
        request.outputs.add(name="cat")
        with pytest.raises(grpc.RpcError, match="no output 'cat'"):
            call(request, timeout=10)
        del request.outputs[:]
        request.inputs.append(request.inputs[0])
        with pytest.raises(grpc.RpcError, match="for the second time"):
            call(request, timeout=10)
    assert [record.kind for record in read(tmp_path / "serving" / "journal")] == ["predict", "error", "error"]


def test_a_taken_port_for_grpc_is_told_and_ends_the_server(deploy: Any, start_server: Any) -> None:
    """Exit 2, and the way out."""
    deploy(1)
    first = start_server("--settings", '{"grpc_port": 0}')
    port = int(first.grpc.rpartition(":")[2])
    # Ports that workers share can be shared by strangers too: another address takes it for itself alone.
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(AssertionError, match="--grpc-port N"):
        start_server("--settings", json.dumps({"grpc_port": taken.getsockname()[1]}))
    assert port > 0


def test_predictions_of_every_protocol_are_journalled_alike(client: Any) -> None:
    """Their ids take labels, and `monitor` sees the rows as if they had come to /predict."""
    body = {"inputs": [{"name": "age", "datatype": "FP64", "shape": [2], "data": [41, None]}]}
    answer = client.post("/v2/models/toy/infer", body).json()
    ids = next(o["data"] for o in answer["outputs"] if o["name"] == "id")
    (record,) = [r for r in read(client.journal) if r.kind == "predict"]
    assert list(record.rows) == [{"age": 41}, {"age": None}]
    assert [a["id"] for a in record.answers] == ids
    labelled = client.post("/labels", {"labels": [{"id": ids[1], "label": "yes"}]}).json()
    assert labelled == {"accepted": 1, "rejected": []}


def one(**more: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "age", "datatype": "FP64", "shape": [1], "data": [41], **more}]}


@pytest.mark.parametrize(
    ("body", "path", "said"),
    [
        ({}, "inputs", 'no "inputs"'),
        ({"inputs": []}, "inputs", 'no "inputs"'),
        ({"inputs": [7]}, "inputs[0]", "no object"),
        (one(datatype="FP8"), "inputs[0]", "datatype 'FP8'"),
        (one(shape=[2]), "inputs[0]", "1 values, its shape says 2"),
        (one(shape=[1, 3]), "inputs[0]", "one column"),
        (one(shape="x"), "inputs[0]", "list of whole numbers"),
        (one(data="x"), "inputs[0]", "has no data"),
        (one(data=[[1], 2]), "inputs[0]", "mixes values and lists"),
        (one(name=None), "inputs[0]", "has no name"),
        (one(parameters={"binary_data_size": 8}), "inputs[0]", "0 bytes are left"),
        ({**one(), "outputs": [{}]}, "outputs", "has no name"),
        ({**one(), "outputs": {"name": "id"}}, "outputs", "no list"),
        ({**one(), "outputs": [{"name": "cat"}]}, "outputs", "no output 'cat'"),
        ({**one(), "outputs": [{"name": "id"}, {"name": "id"}]}, "outputs", "asked for twice"),
        ({"inputs": one()["inputs"] * 2}, "inputs[1]", "for the second time"),
        (one(name="aeg"), "rows[0].aeg", "does not know"),
        (one(data=["old"], datatype="BYTES"), "rows[0].age", "not a number"),
        (one(data=["41"]), "inputs[0].data[0]", "no value of FP64"),
        (one(data=[True]), "inputs[0].data[0]", "no value of FP64"),
        (one(data=[41, 300], shape=[2], datatype="UINT8"), "inputs[0].data[1]", "no value of UINT8"),
        (one(data=[-5], datatype="UINT8"), "inputs[0].data[0]", "no value of UINT8"),
        (one(data=[41.7], datatype="INT64"), "inputs[0].data[0]", "no value of INT64"),
        (one(data=[10**40], datatype="FP32"), "inputs[0].data[0]", "no value of FP32"),
        (one(data=[None, 1e9], shape=[2], datatype="FP16"), "inputs[0].data[1]", "no value of FP16"),
        (one(data=[41], datatype="BOOL"), "inputs[0].data[0]", "no value of BOOL"),
        (one(data=[41], datatype="BYTES"), "inputs[0].data[0]", "no value of BYTES"),
        (one(data=[{}], datatype="INT8"), "inputs[0].data[0]", "no single value"),
    ],
)
def test_what_is_malformed_is_refused_with_its_place(client: Any, body: Any, path: str, said: str) -> None:
    """`error` is a text, as clients want it; code and path stand beside it."""
    response = client.post("/v2/models/toy/infer", body)
    assert response.status_code == 400
    answer = response.json()
    assert answer["path"] == path
    assert said in answer["error"]
    assert answer["code"]
    assert [record.kind for record in read(client.journal)] == ["error"], "it is not counted as answered"


@given(
    st.sampled_from([name for name in DTYPES if name != "BOOL"]),
    st.lists(st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.sampled_from([0, 41, 255, 0.5, -1.0])),
)
def test_a_value_in_json_is_the_value_that_it_is_as_bytes_or_refused(datatype: str, values: list[float]) -> None:
    """Whatever the datatype: no number arrives as another one by one way than by the other."""
    try:
        held = held_to(datatype, values, "inputs[0]")
    except RequestError:
        if datatype == "FP64":
            raise
        return
    with np.errstate(over="ignore"):
        as_bytes = np.array(values, dtype=np.float64 if DTYPES[datatype].kind == "f" else object).astype(
            DTYPES[datatype]
        )
    assert np.array_equal(np.array(held, dtype=object).astype(DTYPES[datatype]), as_bytes)


def test_a_value_of_json_may_be_missing_or_whole_however_it_is_written() -> None:
    assert held_to("INT64", [None, 41.0, 7], "") == [None, 41, 7]
    assert held_to("BYTES", [None, "a"], "") == [None, "a"]
    assert held_to("FP32", [None, 41.1, 2], "") == [None, float(np.float32(41.1)), 2.0]
    assert held_to("BOOL", [], "") == []


def test_columns_of_different_lengths_are_refused(client: Any) -> None:
    """With the length of each."""
    body = one()
    body["inputs"].append({"name": "job", "datatype": "BYTES", "shape": [2], "data": ["nurse", "pilot"]})
    response = client.post("/v2/models/toy/infer", body)
    assert response.json()["code"] == "bad-shape"
    assert "age: 1, job: 2" in response.json()["error"]


@pytest.mark.parametrize("header", ["x", "-1", "99999999"])
def test_a_wrong_length_of_the_json_is_refused(client: Any, header: str) -> None:
    """Not read past its end."""
    response = client.ask(
        "POST", "/v2/models/toy/infer", content=b"{}", headers={"Inference-Header-Content-Length": header}
    )
    assert response.status_code == 400


@pytest.mark.parametrize(
    "tail", [b"\x05\x00\x00\x00abc", b"\x01\x00", b"\x02\x00\x00\x00\xff\xfe", b"\x01\x00\x00\x00aZ"]
)
def test_broken_binary_texts_are_refused(client: Any, tail: bytes) -> None:
    """Cut off, without their length, not UTF-8, or more than was said."""
    size = 5 if tail.endswith(b"Z") else len(tail)
    tensor = {"name": "job", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": size}}
    head = json.dumps({"inputs": [tensor]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    response = client.ask("POST", "/v2/models/toy/infer", content=head + tail, headers=headers)
    assert response.status_code == 400, response.text


def test_a_megabyte_of_truth_values_is_no_gigabyte_of_rows(client: Any) -> None:
    """A row for each byte: refused before rows are made of them, by every protocol of columns."""
    head = json.dumps(
        {
            "inputs": [
                {"name": "age", "datatype": "BOOL", "shape": [1_000_000], "parameters": {"binary_data_size": 1_000_000}}
            ]
        }
    ).encode()
    headers = {"inference-header-content-length": str(len(head))}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    response = client.ask("POST", "/v2/models/toy/infer", content=head + bytes(1_000_000), headers=headers)
    assert (response.status_code, response.json()["code"]) == (413, "too-large")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    for path in ("/invocations", "/v1/models/toy:predict"):
        response = client.post(path, {"inputs": {"age": [1] * 10_001}})
        assert (response.status_code, response.json()["code"]) == (413, "too-large")


@pytest.mark.parametrize("version", ["1", "latest", "champion", "live", "blue"])
def test_a_version_is_named_by_number_by_alias_or_by_slot(client: Any, version: str) -> None:
    """All of them are version 1 here."""
    response = client.post(f"/v2/models/toy/versions/{version}/infer", one())
    assert response.json()["model_version"] == "1"


@pytest.mark.parametrize("version", ["2", "green", "newest", "01x"])
def test_an_unknown_version_is_refused_with_those_that_there_are(client: Any, version: str) -> None:
    """Status 404."""
    response = client.post(f"/v2/models/toy/versions/{version}/infer", one())
    assert response.status_code == 404
    assert response.json()["code"] == "unknown-version"
    assert "it holds: 1; also latest, champion, blue" in response.json()["error"]


def test_a_regression_has_numbers_and_bounds(deploy: Any, open_client: Any) -> None:
    """NaN where the model abstains."""
    deploy(1, "regression")
    body = {"inputs": [{"name": "age", "datatype": "INT32", "shape": [2, 1], "data": [[41], [150]]}]}
    outputs = {o["name"]: o for o in open_client().post("/v2/models/toy/infer", body).json()["outputs"]}
    assert list(outputs)[:3] == ["prediction", "low", "high"]
    assert outputs["prediction"]["data"][1] is None
    assert outputs["low"]["data"][0] < outputs["prediction"]["data"][0] < outputs["high"]["data"][0]


def test_tritons_http_client_loads_and_unloads_what_the_shelf_holds(
    deploy: Any, shelve: Any, start_server: Any, toys: Callable[..., Path]
) -> None:
    """In every worker at once; what is unloaded is refused, and nothing comes in that was not shelved."""
    deploy(1)
    shelve("fraud", 2, of=1)
    shelve("fraud", 3, of=1)
    server = start_server("--workers", "2")
    client = triton_http.InferenceServerClient(f"127.0.0.1:{server.port}", concurrency=4)

    def index() -> dict[tuple[str, str], str]:
        return {(m["name"], m["version"]): m["state"] for m in client.get_model_repository_index()}

    assert index() == {("fraud", "2"): "UNAVAILABLE", ("fraud", "3"): "UNAVAILABLE", ("toy", "1"): "READY"}
    assert not client.is_model_ready("fraud")
    client.load_model("fraud")
    assert client.is_model_ready("fraud")
    assert set(index().values()) == {"READY"}
    assert client.get_model_metadata("fraud")["versions"] == ["2", "3"]
    check(client.infer("fraud", tensors(triton_http)), expected(toys))
    client.unload_model("fraud")
    assert index() == {("fraud", "2"): "UNAVAILABLE", ("fraud", "3"): "UNAVAILABLE", ("toy", "1"): "READY"}
    for _ in range(6):
        with pytest.raises(triton_http.InferenceServerException, match="was unloaded"):
            client.infer("fraud", tensors(triton_http))
    client.load_model("fraud")
    check(client.infer("fraud", tensors(triton_http), model_version="2"), expected(toys))
    client.load_model("toy")  # in a slot, so loaded already
    for wrong, message in (
        (lambda: client.load_model("cat"), "no model 'cat' on the shelf"),
        (lambda: client.load_model("fraud", config="{}"), "cannot be loaded with 'config'"),
        (lambda: client.unload_model("toy"), "is in a slot"),
        (lambda: client.unload_model("cat"), "no model 'cat' on the shelf"),
    ):
        with pytest.raises(triton_http.InferenceServerException, match=message):
            wrong()
    client.close()


def test_tritons_grpc_client_loads_and_unloads_what_the_shelf_holds(
    deploy: Any, shelve: Any, start_server: Any, toys: Callable[..., Path], tmp_path: Path
) -> None:
    """The same messages; a damaged bundle is told by whoever loads it."""
    deploy(1)
    shelve("fraud", 2, of=1)
    bad = shelve("bad", 1, of=2).of("bad")[0]
    server = start_server("--settings", '{"grpc_port": 0}')
    client = triton_grpc.InferenceServerClient(server.grpc)
    assert [(m.name, m.state) for m in client.get_model_repository_index().models] == [
        ("bad", "UNAVAILABLE"), ("fraud", "UNAVAILABLE"), ("toy", "READY")
    ]  # fmt: skip
    assert not client.is_model_ready("fraud")
    client.load_model("fraud")
    assert client.is_model_ready("fraud")
    check(client.infer("fraud", tensors(triton_grpc)), expected(toys))
    client.unload_model("fraud")
    assert not client.is_model_ready("fraud")
    with pytest.raises(triton_grpc.InferenceServerException, match="cannot be loaded with 'config'"):
        client.load_model("fraud", config="{}")
    (tmp_path / "serving" / bad.path / "graph.onnx").write_bytes(b"no graph")
    with pytest.raises(triton_grpc.InferenceServerException, match=r"UNAVAILABLE.*bad version 1 cannot be asked"):
        client.load_model("bad")
    client.close()

"""Whatever comes in, by every parser of the server: it is read, or refused in words of ours; never anything else, and never without end."""

from __future__ import annotations

import asyncio
import copy
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from penstock.bundle.runtime import Bundle
from penstock.errors import PenstockError, RequestError
from penstock.serving.asked import read_asked
from penstock.serving.bodies import parse_object
from penstock.serving.folder import ServingFolder
from penstock.serving.journal import read
from penstock.serving.journal_writer import JournalSettings, JournalWriter
from penstock.serving.labels import accept_labels
from penstock.serving.protocols import mlflow, tensorflow
from penstock.serving.protocols.datatypes import DTYPES
from penstock.serving.protocols.open_inference import _header_length
from penstock.serving.protocols.tensors import read_inference
from penstock.serving.segments import ReadReport, segments
from penstock.serving.shelf import read_shelf
from penstock.serving.slots import SlotState, read_slots

FUZZ = settings(
    max_examples=150,
    deadline=timedelta(seconds=5),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NAMES = st.sampled_from(["age", "income", "job", "member", "joined", "note", "id", "rows", "zzz", ""])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["41", "nurse", "2026-01-01", "1e999", "\ud800", "\x00", "nan", "9" * 5_000, "٣"])
    | st.fixed_dictionaries({"b64": st.sampled_from(["é", "YQ==", "a"])}),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.lists(st.dictionaries(NAMES, VALUES, max_size=5) | VALUES, max_size=3)


@pytest.fixture(scope="module")
def bundle(toys: Callable[..., Path]) -> Bundle:
    return Bundle.load(toys(1))


def answer(bundle: Bundle, rows: Any) -> None:
    """As the server answers rows that were read."""
    bundle.refuse_broken_images(rows)
    bundle.predict(rows)


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


@FUZZ
@given(body=st.binary(max_size=60) | st.dictionaries(st.sampled_from(["rows", "version", "model", "history", "deadline_ms", "x"]), RECORDS | VALUES, max_size=4).map(encoded))  # fmt: skip
def test_requests_of_predict(bundle: Bundle, body: bytes) -> None:
    """From the bytes to the answers."""
    with suppress(PenstockError):
        answer(bundle, read_asked(body).rows)


@FUZZ
@given(asked=st.dictionaries(st.sampled_from([*mlflow.FORMS, "params"]), RECORDS | VALUES | st.fixed_dictionaries({"columns": st.lists(NAMES | VALUES, max_size=3), "data": st.lists(st.lists(VALUES, max_size=3), max_size=3)}), max_size=2))  # fmt: skip
def test_requests_of_mlflow_in_json(bundle: Bundle, asked: Any) -> None:
    """Its four forms, and what is none."""
    with suppress(PenstockError):
        answer(bundle, mlflow._of_json(encoded(asked), bundle.signature, most=9))


@FUZZ
@given(
    body=st.binary(max_size=80) | st.text(alphabet='age,job\n\r"\x00;é41', max_size=60).map(lambda text: text.encode())
)
def test_requests_of_mlflow_in_csv(bundle: Bundle, body: bytes) -> None:
    """Quotes that do not end, lines of other lengths, bytes that are no text."""
    with suppress(PenstockError):
        answer(bundle, mlflow._of_csv(body, most=9))


@FUZZ
@example(asked={"instances": [{"age": {"b64": "é"}}]})
@example(asked={"inputs": {"job": [{"b64": "/w=="}]}})
@given(asked=st.dictionaries(st.sampled_from(["instances", "inputs", "signature_name", "b64"]), RECORDS | VALUES | st.dictionaries(NAMES, VALUES, max_size=3), max_size=3))  # fmt: skip
def test_requests_of_tensorflow(bundle: Bundle, asked: Any) -> None:
    """Rows and columns, bytes in base64, values in lists."""
    with suppress(PenstockError):
        answer(bundle, tensorflow._rows(parse_object(encoded(asked), with_nan=True), bundle.signature, most=9))


VERSIONS = st.none() | st.text(max_size=4) | st.integers(-1, 3).map(str) | st.sampled_from(["9" * 5_000, "٣", "0001", "latest", "champion"])  # fmt: skip


@FUZZ
@given(
    model=st.none() | st.sampled_from(["toy", "other"]) | st.text(max_size=4),
    version=VERSIONS | st.integers(-(2**70), 2**70),
)
def test_names_of_models_and_versions(client: Any, model: str | None, version: str | int | None) -> None:
    """As bodies and addresses name them: found, or said to be none of this server's."""
    models = client.worker.models
    with suppress(RequestError):
        assert asyncio.run(models.find(model, version)).entry.version == 1
    with suppress(RequestError):
        assert models.states_of(model or "toy", None if version is None else str(version))


@FUZZ
@given(length=st.text(alphabet="0123456789-+_. e٣", max_size=6) | st.sampled_from(["9" * 5_000, "²"]))
def test_lengths_of_the_json_before_tensors(length: str) -> None:
    """A header of the Open Inference Protocol."""
    request = Request({"type": "http", "headers": [(b"inference-header-content-length", length.encode())]})
    with suppress(RequestError):
        read_back = _header_length(request)
        assert read_back == int(length)
        assert read_back >= 0


TENSORS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "name": NAMES | VALUES,
            "datatype": st.sampled_from([*DTYPES, "BYTES", "FP128"]) | VALUES,
            "shape": st.lists(st.integers(-1, 3), max_size=3) | VALUES,
            "data": st.lists(VALUES, max_size=3) | VALUES,
            "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": st.integers(-1, 40) | VALUES})
            | VALUES,
        },
    )
    | VALUES,
    max_size=3,
)


@FUZZ
@given(
    head=st.fixed_dictionaries({}, optional={"inputs": TENSORS | VALUES, "outputs": TENSORS | VALUES, "id": VALUES, "parameters": VALUES}),
    rest=st.binary(max_size=40),
    off=st.integers(-3, 3),
)  # fmt: skip
def test_tensors_in_json_and_in_bytes(bundle: Bundle, head: Any, rest: bytes, off: int) -> None:
    """Lengths that do not add up, shapes that lie, texts that end early."""
    data = encoded(head)
    with suppress(PenstockError):
        answer(bundle, read_inference(data + rest, len(data) + off, bundle.signature, most=9).rows)
    with suppress(PenstockError):
        answer(bundle, read_inference(data, None, bundle.signature, most=9).rows)


@FUZZ
@given(data=st.data())
def test_messages_of_grpc(bundle: Bundle, data: st.DataObject) -> None:
    """What protobuf takes for a message, whatever its fields say; what it takes for none, gRPC refuses before us."""
    pytest.importorskip("google.protobuf", reason="protobuf is not installed")
    from google.protobuf.message import DecodeError

    from penstock.serving.protocols.columns import rows_of_columns
    from penstock.serving.protocols.grpc_calls import columns_of
    from penstock.serving.protocols.grpc_messages import message

    kind = message("ModelInferRequest")
    asked = kind(model_name="toy")
    for _ in range(data.draw(st.integers(0, 3))):
        tensor = asked.inputs.add(name=data.draw(NAMES), datatype=data.draw(st.sampled_from([*DTYPES, "BYTES", "?"])))
        tensor.shape.extend(data.draw(st.lists(st.integers(-2, 3), max_size=3)))
        tensor.contents.fp64_contents.extend(data.draw(st.lists(st.floats(), max_size=3)))
        tensor.contents.bytes_contents.extend(data.draw(st.lists(st.binary(max_size=8), max_size=3)))
        tensor.contents.bool_contents.extend(data.draw(st.lists(st.booleans(), max_size=3)))
    for raw in data.draw(st.lists(st.binary(max_size=20), max_size=3)):
        asked.raw_input_contents.append(raw)
    wire = bytearray(asked.SerializeToString())
    for _ in range(data.draw(st.integers(0, 2))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_back = kind.FromString(bytes(wire))
    except (DecodeError, UnicodeDecodeError):
        return
    with suppress(PenstockError):
        answer(bundle, rows_of_columns(columns_of(read_back), path="inputs", most=9))


@FUZZ
@given(items=st.lists(st.dictionaries(st.sampled_from(["id", "key", "label", "author", "at", "x"]), VALUES, max_size=4) | VALUES, max_size=3))  # fmt: skip
def test_labels(bundle: Bundle, tmp_path: Path, items: list[Any]) -> None:
    """Each is judged by itself: nothing but a verdict comes of any of them."""
    result = accept_labels(tmp_path, items, bundle.decoder, bundle.read_key)
    assert len(result.rejected) == len(items)  # nothing was ever predicted here


# ---------------------------------------------------------------- files


@FUZZ
@given(cuts=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255), st.sampled_from(["set", "cut", "insert"])), min_size=1, max_size=8))  # fmt: skip
def test_segments_of_the_journal(tmp_path: Path, cuts: list[tuple[float, int, str]]) -> None:
    """Bytes changed, cut and put in anywhere: what is left whole is read, the rest is counted."""
    folder = tmp_path / "journal"
    shutil.rmtree(folder, ignore_errors=True)
    with JournalWriter(folder, JournalSettings()) as writer:
        for number in range(4):
            writer.error(400, f"code-{number}")
    ((_, path),) = segments(folder)
    data = bytearray(path.read_bytes())
    for where, value, how in cuts:
        at = int(where * (len(data) - 1)) if data else 0
        if how == "cut":
            del data[at:]
        elif how == "insert":
            data[at:at] = bytes([value] * (value % 9))
        elif data:
            data[at] = value
    path.write_bytes(data)
    with suppress(PenstockError):
        found = [record.code for record in read(folder, report=ReadReport())]
        assert len(found) <= 4
        assert set(found) <= {f"code-{number}" for number in range(4)}


def _places(plain: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside."""
    found = [path] if path else []
    inside = plain.items() if isinstance(plain, dict) else enumerate(plain) if isinstance(plain, list) else ()
    for key, value in inside:
        found += _places(value, (*path, key))
    return found


def _spoiled(plain: Any, data: st.DataObject) -> bytes:
    """JSON with one to three values anywhere inside replaced or removed."""
    plain = copy.deepcopy(plain)
    for _ in range(data.draw(st.integers(1, 3))):
        places = _places(plain)
        if not places:
            break
        *way, last = data.draw(st.sampled_from(places))
        at = plain
        for key in way:
            at = at[key]
        if data.draw(st.booleans()):
            at[last] = data.draw(VALUES)
        else:
            del at[last]
    return json.dumps(plain).encode()


@FUZZ
@given(data=st.data())
def test_slots_json(deploy: Callable[..., SlotState], tmp_path: Path, data: st.DataObject) -> None:
    """Anything at any place of it; and what is read can be worked with."""
    folder = ServingFolder(tmp_path / "serving")
    if not folder.slots.exists() or not (tmp_path / "whole.json").exists():
        deploy(1)
        deploy(2)
        shutil.copy(folder.slots, tmp_path / "whole.json")
    whole = json.loads((tmp_path / "whole.json").read_bytes())
    folder.slots.write_bytes(
        data.draw(st.binary(max_size=40)) if data.draw(st.integers(0, 9)) == 0 else _spoiled(whole, data)
    )
    with suppress(PenstockError):
        state = read_slots(folder.root)
        assert isinstance(state.epoch, int)
        assert state.live_entry is None or isinstance(state.live_entry.path, str)
        assert state.idle in ("blue", "green")


@FUZZ
@given(data=st.data())
def test_shelf_json(tmp_path: Path, data: st.DataObject) -> None:
    """The same of the other models."""
    entry = {"model": "toy", "version": 1, "bundle": "sha256:0", "path": "shelf/toy", "graph_bytes": 9, "labels": ["a"]}
    whole = {"format": 1, "epoch": 3, "entries": [entry], "changed_at": "", "by": ""}
    folder = ServingFolder(tmp_path)
    folder.root.mkdir(exist_ok=True)
    folder.shelf.write_bytes(_spoiled(whole, data))
    with suppress(PenstockError):
        shelf = read_shelf(tmp_path)
        assert isinstance(shelf.epoch, int)


@settings(FUZZ, max_examples=100)
@given(data=st.data(), name=st.sampled_from(["manifest.json", "decoder.json", "signature.json", "examples.json"]))
def test_the_json_of_bundles(toys: Callable[..., Path], tmp_path: Path, data: st.DataObject, name: str) -> None:
    """Also where somebody has put the digests right: refused in words, or it loads."""
    folder = tmp_path / "bundle"
    if not folder.exists():
        shutil.copytree(toys(1), folder)
    whole = (toys(1) / name).read_bytes()
    (folder / name).write_bytes(_spoiled(json.loads(whole), data))
    try:
        for verify in (True, False):
            with suppress(PenstockError):
                Bundle.load(folder, verify=verify).self_test()
    finally:
        (folder / name).write_bytes(whole)

"""OpenTelemetry traces, with the SDK's own exporter in memory, and over OTLP to a collector of a few lines."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from penstock.serving.slots import SlotState
from penstock.serving.watching import Watching
from penstock.testing.toy_bundle import ROWS

pytest.importorskip("opentelemetry.sdk", reason="opentelemetry-sdk is not installed")

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from penstock.serving.traces import Traces

if TYPE_CHECKING:
    from tests.serving.conftest import Client, Server

Deploy = Callable[..., SlotState]
ASK = {"rows": [ROWS[0]]}


@pytest.fixture
def traced(client: Client) -> tuple[Client, InMemorySpanExporter]:
    """A client whose app traces into memory."""
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    client.app._watching = Watching(0.0, Traces(provider))
    return client, kept


def test_a_request_is_a_span_with_its_steps_inside(traced: tuple[Client, InMemorySpanExporter]) -> None:
    """Decoding, predicting and journalling, one after the other, in the trace that the client began."""
    client, kept = traced
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"traceparent": parent, "x-request-id": "order-17"}
    assert client.ask("POST", "/predict", json=ASK, headers=headers).status_code == 200
    spans = {span.name: span for span in kept.get_finished_spans()}
    assert set(spans) == {"POST /predict", "decode", "wait", "predict", "journal"}
    whole = spans["POST /predict"]
    assert f"{whole.context.trace_id:032x}" == parent.split("-")[1]
    assert whole.parent is not None
    assert f"{whole.parent.span_id:016x}" == parent.split("-")[2]
    assert whole.attributes is not None
    assert whole.attributes["http.response.status_code"] == 200
    assert whole.attributes["penstock.request_id"] == "order-17"
    steps = [spans[name] for name in ("decode", "wait", "predict", "journal")]
    instants = [instant for step in steps for instant in (step.start_time, step.end_time)]
    assert instants == sorted(instants)  # type: ignore[type-var]
    assert all(step.parent is not None and step.parent.span_id == whole.context.span_id for step in steps)
    assert str(ROWS[0]["income"]) not in whole.to_json()


def test_a_request_without_a_trace_begins_one_and_what_is_none_is_ignored(
    traced: tuple[Client, InMemorySpanExporter],
) -> None:
    """Each its own; refusals are traced, too; a stranger's address names no span."""
    client, kept = traced
    for parent in ("", "rubbish", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"):
        assert client.ask("GET", "/none/17", headers={"traceparent": parent}).status_code == 404
    two = [("traceparent", f"00-{digit * 32}-{digit * 16}-01") for digit in "ab"]  # a proxy has added its own
    assert client.ask("GET", "/none/17", headers=two).status_code == 404
    spans = kept.get_finished_spans()
    assert {span.name for span in spans} == {"GET"}
    assert len({span.context.trace_id for span in spans}) == 4
    assert all(span.parent is None for span in spans)


@pytest.fixture
def collector() -> Iterator[tuple[str, list[Any]]]:
    """Takes spans over OTLP."""
    proto = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    got: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append((self.path, dict(self.headers), proto.ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()
    server.server_close()


def test_a_server_sends_its_traces_where_the_environment_says(
    deploy: Deploy,
    start_server: Callable[..., Server],
    collector: tuple[str, list[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the variables that all of OpenTelemetry has; what waits is sent when the server stops; gRPC, too."""
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the OTLP exporter is not installed")
    address, got = collector
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=risk")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    deploy(1)
    server = start_server("--settings", json.dumps({"traces": True}))
    assert server.ask("POST", "/predict", ASK)[0] == 200
    assert server.stop() == 0
    names, services = set(), set()
    for path, headers, request in got:
        assert path == "/v1/traces"
        assert {name.lower(): value for name, value in headers.items()}["x-team"] == "risk"
        for of_resource in request.resource_spans:
            services |= {a.value.string_value for a in of_resource.resource.attributes if a.key == "service.name"}
            names |= {span.name for scope in of_resource.scope_spans for span in scope.spans}
    assert services == {"shop"}
    assert names == {"POST /predict", "decode", "wait", "predict", "journal"}

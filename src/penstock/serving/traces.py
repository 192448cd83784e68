"""OpenTelemetry traces of requests: one span for each, with what was decoded, predicted and journalled inside. Extra: ``penstock[otel]``.

Where they go is said by the standard variables of the environment: `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_HEADERS`,
`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER` and their kind, as the SDK reads them. Names of spans and attributes
are those of OpenTelemetry's semantic conventions for HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from penstock import __version__
from penstock.parts import need

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider


class Traces:
    """Makes the spans of requests.

    Parameters
    ----------
    provider : where finished spans go.
    """

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("penstock.serving", __version__)
        self._propagator = TraceContextTextMapPropagator()

    @classmethod
    def by_environment(cls) -> Traces:
        """Spans go over OTLP (HTTP) to where the environment says, in batches, beside the requests.

        Raises
        ------
        MissingExtra : OpenTelemetry's SDK or its exporter is not installed.
        """
        trace = need("opentelemetry.sdk.trace", extra="otel", used_for="traces")
        export = need("opentelemetry.sdk.trace.export", extra="otel", used_for="traces")
        otlp = need("opentelemetry.exporter.otlp.proto.http.trace_exporter", extra="otel", used_for="traces")
        resources = need("opentelemetry.sdk.resources", extra="otel", used_for="traces")
        resource = resources.Resource.create()
        if resource.attributes.get("service.name", "unknown_service") == "unknown_service":
            resource = resource.merge(resources.Resource({"service.name": "penstock"}))
        provider = trace.TracerProvider(resource=resource)
        provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter()))
        return cls(provider)

    def begin(self, method: str, path: str, traceparent: bytes | None, at_ns: int) -> Span:
        """The span of a request, as part of the trace that its client began where it names one."""
        from opentelemetry.trace import SpanKind

        context = None
        if traceparent is not None:
            context = self._propagator.extract({"traceparent": traceparent.decode("latin-1")})
        attributes = {"http.request.method": method, "url.path": path[:200]}
        name = f"{method} {path[:200]}" if method == "grpc" or path in _KNOWN else method
        span = self._tracer.start_span(name, context, SpanKind.SERVER, attributes, start_time=at_ns)
        return Span(self._tracer, span)

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()


class Span:
    """One request."""

    def __init__(self, tracer: Any, span: Any) -> None:
        self._tracer, self._span = tracer, span

    @property
    def trace_id(self) -> str:
        """In hex, as logs name it."""
        return f"{self._span.get_span_context().trace_id:032x}"

    def end(self, status: int, steps: Sequence[tuple[str, int, int]], said: Mapping[str, str]) -> None:
        """Close it, with a span inside for each step: name, begin and end in nanoseconds."""
        from opentelemetry.trace import StatusCode, set_span_in_context

        inside = set_span_in_context(self._span)
        for name, begin_ns, end_ns in steps:
            self._tracer.start_span(name, inside, start_time=begin_ns).end(end_ns)
        self._span.set_attribute("http.response.status_code", status)
        for name, value in said.items():
            if value:
                self._span.set_attribute(f"penstock.{name}", value)
        if status >= 500:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


_KNOWN = frozenset({"/predict", "/labels", "/invocations", "/model", "/metrics", "/healthz", "/readyz", "/ping"})
"""Addresses that may name a span; those with a model's name or a stranger's text in them are an attribute alone."""

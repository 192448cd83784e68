"""The Open Inference Protocol over gRPC, on a port of its own. Extra: ``penstock[grpc]``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from time import perf_counter_ns
from typing import Any

from penstock import __version__
from penstock.errors import RequestError, ServingError
from penstock.parts import need
from penstock.serving.beside import beside
from penstock.serving.connections import HEAD_BYTES, limits_of
from penstock.serving.door import Door, version_told
from penstock.serving.follower import Loaded
from penstock.serving.heads import Heads
from penstock.serving.protocols import repository
from penstock.serving.protocols.columns import rows_of_columns
from penstock.serving.protocols.grpc_calls import columns_of, urgency_of_call
from penstock.serving.protocols.grpc_messages import METHODS, SERVICE, message
from penstock.serving.protocols.grpc_method import Call, GrpcMethod, Method
from penstock.serving.protocols.open_inference import EXTENSIONS
from penstock.serving.protocols.tensors import chosen, metadata, refuse_strange_outputs, tensors_of
from penstock.serving.settings import ServeSettings
from penstock.serving.tls import grpc_credentials
from penstock.serving.told import Told

_STREAMS = 100
"""Calls at once on one connection; gRPC's clients wait with more by themselves. What RFC 9113, 6.5.2, recommends at least."""
_PING_MS = 60_000
_QUIET_S = 0.02  # without a new call: those who ask have asked, and wait
_HELD_S = 0.5  # the longest that answers are held back for that


class GrpcServer:
    """Answers gRPC within a worker's event loop. Workers of one server share the port."""

    def __init__(self, door: Door, host: str, port: int) -> None:
        self._door, self._host, self.port = door, host, port
        self._server: Any = None
        self._stopping: asyncio.Task[None] | None = None
        self._told_to_go: asyncio.Future[None] | None = None  # while it stops; then the last answers leave
        self._came_at = 0.0  # the last call, while it stops

    async def start(self) -> int:
        """Listen, and give the port.

        Raises
        ------
        MissingExtra : grpcio is not installed. ServingError : the port is taken.
        """
        grpc = need("grpc", extra="grpc", used_for="gRPC")
        self._server = grpc.aio.server(options=_options(self._door.worker.settings))
        methods = _methods(self._door)
        handlers = {
            name: grpc.stream_unary_rpc_method_handler(
                self._kept_back(GrpcMethod(grpc, self._door, name, methods[name]).call),
                response_serializer=message(f"{name}Response").SerializeToString,
            )
            for name in METHODS
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        place, certificate = f"{self._host}:{self.port}", self._door.worker.certificate
        try:
            if certificate is None:
                self.port = self._server.add_insecure_port(place)
            else:
                self.port = self._server.add_secure_port(place, grpc_credentials(grpc, certificate))
        except RuntimeError as error:
            raise ServingError(
                f"gRPC cannot listen on {self._host}:{self.port}",
                why=str(error).splitlines()[0],
                way_out="choose another port: --grpc-port N",
            ) from error
        await self._server.start()
        return self.port

    async def stop(self, grace_s: float) -> None:
        """Take no more calls, and end once those that were taken are answered.

        gRPC cuts a call off (CANCELLED, which clients do not repeat) that arrives between its decision to stop and the client's hearing of
        it. So answers are held back for a moment: clients that wait for one send nothing, and hear first that they are to go elsewhere.
        """
        if self._server is None:
            return
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(grace_s))
        await self._stopping

    async def _stop(self, grace_s: float) -> None:
        loop = asyncio.get_running_loop()
        told_to_go = self._told_to_go = loop.create_future()
        self._came_at = loop.time()
        ends = self._came_at + min(_HELD_S, grace_s)
        while self._came_at + _QUIET_S > loop.time() < ends:
            await asyncio.sleep(_QUIET_S / 4)
        stopping = asyncio.ensure_future(self._server.stop(grace_s))
        await asyncio.sleep(_QUIET_S)
        told_to_go.set_result(None)
        await stopping

    def _kept_back(self, call: Call) -> Call:
        """The same; while the server stops, it answers no sooner than its client was told to go elsewhere."""

        async def answer(messages: AsyncIterator[bytes], context: Any) -> Any:
            if self._told_to_go is not None:
                self._came_at = asyncio.get_running_loop().time()
            response = await call(messages, context)
            if self._told_to_go is not None:
                await asyncio.shield(self._told_to_go)
            return response

        return answer


def _options(settings: ServeSettings) -> list[tuple[str, int]]:
    """What a connection may do, and for how long, where gRPC itself sees to it."""
    limits = limits_of(settings)
    return [
        ("grpc.so_reuseport", 1),
        ("grpc.max_receive_message_length", settings.max_body_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", HEAD_BYTES // 4),  # from here on gRPC may refuse
        ("grpc.absolute_max_metadata_size", HEAD_BYTES),  # from here on it does
        ("grpc.max_concurrent_streams", _STREAMS),
        (
            "grpc.server.max_pending_requests",
            limits.connections * _STREAMS,
        ),  # gRPC cuts others off by chance from 1,000 on (CANCELLED)
        ("grpc.server.max_pending_requests_hard_limit", limits.connections * _STREAMS),
        ("grpc.max_allowed_incoming_connections", limits.connections),
        ("grpc.server_handshake_timeout_ms", round(limits.header_s * 1000)),
        ("grpc.max_connection_idle_ms", round(limits.idle_s * 1000)),
        ("grpc.keepalive_time_ms", _PING_MS),  # whether a client that is silent is still there
        ("grpc.keepalive_timeout_ms", round(limits.send_s * 1000)),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),  # more often is abuse, and ends the connection
    ]


def _written(told: Told, loaded: Loaded, request_id: str, wanted: list[str]) -> Any:
    """The answers as a message; all outputs where none is named."""
    answers = told.rows()
    response = message("ModelInferResponse")(
        model_name=loaded.entry.model, model_version=str(version_told(loaded, answers)), id=request_id
    )
    for tensor in chosen(tensors_of(answers, loaded.bundle.signature), wanted):
        response.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        response.raw_output_contents.append(tensor.to_bytes())
    return response


def _methods(door: Door) -> dict[str, Method]:
    models = door.worker.models

    async def server_live(*_: Any) -> Any:
        return message("ServerLiveResponse")(live=True)

    async def server_ready(*_: Any) -> Any:
        return message("ServerReadyResponse")(ready=door.worker.serving_or_none is not None)

    async def model_ready(request: Any, *_: Any) -> Any:
        try:
            is_ready = models.is_ready(request.name, request.version or None)
        except (RequestError, ServingError):  # there is no such thing, or nothing is live
            is_ready = False
        return message("ModelReadyResponse")(ready=is_ready)

    async def server_metadata(*_: Any) -> Any:
        return message("ServerMetadataResponse")(name="penstock", version=__version__, extensions=EXTENSIONS)

    async def model_metadata(request: Any, *_: Any) -> Any:
        known = await models.known(request.name, request.version or None)
        said = metadata(
            known.entry.model,
            [one.version for one in models.states_of(known.entry.model)],
            known.bundle.signature,
        )
        for tensor in said["outputs"]:
            tensor.pop("parameters", None)
        return message("ModelMetadataResponse")(**said)

    async def model_infer(request: Any, heads: Heads, context: Any) -> Any:
        came_ns = perf_counter_ns()
        loaded = await models.find(request.model_name, request.model_version or None)
        size_bytes, most = request.ByteSize(), door.worker.settings.max_rows
        rows = await beside(size_bytes, lambda: rows_of_columns(columns_of(request), path="inputs", most=most))
        wanted = [output.name for output in request.outputs]
        refuse_strange_outputs(wanted, loaded.bundle.signature)
        told = await door.ask(loaded, rows, came_ns, urgency_of_call(request, heads, context))
        return await beside(len(told.answers), partial(_written, told, loaded, request.id, wanted))

    async def index(request: Any, *_: Any) -> Any:
        response = message("RepositoryIndexResponse")()
        for one in repository.index(door.worker, only_ready=request.ready):
            response.models.add(**one)
        return response

    async def load(request: Any, *_: Any) -> Any:
        parameters = {
            name: getattr(value, value.WhichOneof("parameter_choice") or "string_param")
            for name, value in request.parameters.items()
        }
        await repository.load(door.worker, request.model_name, {"parameters": parameters})
        return message("RepositoryModelLoadResponse")()

    async def unload(request: Any, *_: Any) -> Any:
        await repository.unload(door.worker, request.model_name)
        return message("RepositoryModelUnloadResponse")()

    answering = (
        server_live,
        server_ready,
        model_ready,
        server_metadata,
        model_metadata,
        model_infer,
        index,
        load,
        unload,
    )
    return dict(zip(METHODS, answering, strict=True))

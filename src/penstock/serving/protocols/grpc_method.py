"""One method of the service over gRPC: who calls it, the one message of each call, and what becomes of that.

The message is read and parsed here rather than by gRPC: after its metadata were looked at, so that a stranger's message is never read,
and within the time that a body of HTTP has.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from penstock.errors import RequestError
from penstock.serving.callers import ANY, ASKING, Asking, Caller
from penstock.serving.connections import limits_of, time_of_body
from penstock.serving.door import CLOSED, Door, in_words
from penstock.serving.heads import Heads, naming, noted, request_id_of
from penstock.serving.protocols.grpc_calls import metadata_of
from penstock.serving.protocols.grpc_messages import message
from penstock.serving.refusals import TOO_LATE, TOO_SHORT, headers_of, refused
from penstock.serving.watching import Seen

Method = Callable[[Any, Heads, Any], Awaitable[Any]]
"""Message, noted metadata and context to message."""

Call = Callable[[AsyncIterator[bytes], Any], Awaitable[Any]]
"""The messages of a call as they come, and its context, to a message."""

_SCOPES = {
    "ServerLive": None,
    "ServerReady": None,
    "ModelReady": ANY,
    "ServerMetadata": ANY,
    "ModelMetadata": ANY,
    "RepositoryIndex": ANY,
    "ModelInfer": "predict",
    "RepositoryModelLoad": "admin",
    "RepositoryModelUnload": "admin",
}
"""What a method needs; `admin` where it is not named."""

_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    413: "RESOURCE_EXHAUSTED",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}


class GrpcMethod:
    """Answers the calls of one method. `grpc` is the package, which is an extra."""

    def __init__(self, grpc: Any, door: Door, name: str, method: Method) -> None:
        self._grpc, self._door, self._name, self._method = grpc, door, name, method
        self._scope = _SCOPES.get(name, "admin")
        self._kind = message(f"{name}Request")
        self._within_s = time_of_body(limits_of(door.worker.settings))

    async def call(self, messages: AsyncIterator[bytes], context: Any) -> Any:
        """The answer to a call, which whoever watches requests is told of."""
        metadata, watching = metadata_of(context), self._door.worker.watching
        names = naming(metadata)
        if watching is None:
            return await self._answer(metadata, request_id_of(names), messages, context, Seen())
        watching.name(names)
        with watching.request("grpc", self._name, names) as seen:
            return await self._answer(metadata, request_id_of(names), messages, context, seen)

    async def _answer(
        self,
        metadata: list[tuple[bytes, bytes]],
        named: str | None,
        messages: AsyncIterator[bytes],
        context: Any,
        seen: Seen,
    ) -> Any:
        """A message, or a status with words of ours, by which the call ends."""
        caller = None
        more: tuple[tuple[str, str], ...] = () if named is None else (("x-request-id", named),)
        ASKING.set(Asking.of(None, named))  # also where it is turned away
        try:
            heads = noted(metadata)
            caller = self._door.worker.callers.admit(heads, self._scope)
            ASKING.set(Asking.of(caller, named))
            response = await self._method(_parsed(self._kind, await _first(messages, self._within_s)), heads, context)
        except asyncio.CancelledError:  # the client has gone, or its deadline has passed
            self._count(CLOSED, caller, seen)
            raise
        except Exception as error:  # noqa: BLE001  # told to the client, and to the log where it is ours
            if self._name == "ModelInfer":
                self._door.note(error)
            status, said = refused(error)
            self._count(status, caller, seen)
            more += (("x-error-code", said["code"]), *headers_of(error).items())
            await context.abort(self._code(status, said["code"]), in_words(said), more)
        self._count(200, caller, seen)
        if more:
            context.set_trailing_metadata(more)
        return response

    def _count(self, status: int, caller: Caller | None, seen: Seen) -> None:
        seen.status = status
        self._door.worker.metrics.request("grpc", status)
        if caller is not None:
            self._door.worker.callers.counts.add(caller.name, status)

    def _code(self, status: int, code: str) -> Any:
        """As gRPC has it. What is too late is not UNAVAILABLE, which clients ask again by themselves."""
        name = "DEADLINE_EXCEEDED" if code in (TOO_LATE, TOO_SHORT) else _CODES.get(status, "INTERNAL")
        return self._grpc.StatusCode[name]


async def _first(messages: AsyncIterator[bytes], within_s: float) -> bytes:
    """The message of a call.

    Raises
    ------
    RequestError : status 408, it did not come in time; 400, there is none.
    """
    try:
        async with asyncio.timeout(within_s):
            return await anext(messages)
    except TimeoutError:
        raise RequestError(
            "the message of the call did not arrive in time",
            why=f"it has {within_s:g} s",
            way_out="send it at once; over a slow network, fewer rows in one call",
            code="too-slow",
            status=408,
        ) from None
    except StopAsyncIteration:
        await asyncio.sleep(
            0.01
        )  # a client that has gone looks like this, too: a moment later this task is cancelled for it
        raise RequestError(
            "the call has no message", why="each method takes one", way_out="send one", code="bad-message"
        ) from None


def _parsed(kind: Any, data: bytes) -> Any:
    """
    Raises
    ------
    RequestError : status 400; the bytes are no such message.
    """
    from google.protobuf.message import DecodeError

    try:
        return kind.FromString(data)
    except (DecodeError, UnicodeDecodeError) as error:
        raise RequestError(
            "the message cannot be read",
            why=f"it is no {kind.DESCRIPTOR.name} of the Open Inference Protocol ({error})",
            way_out="use the messages of open_inference_grpc.proto",
            code="bad-message",
        ) from None

"""What a worker does with its clients before it ends."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace

import pytest

from penstock.serving.draining import accepted, drain


def test_who_waits_at_a_socket_that_is_closed_is_taken_first() -> None:
    """Three clients are connected as far as they know; they hear their answers, and the next one is refused."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        address = listening.getsockname()
        assert accepted(listening) == []
        clients = [socket.create_connection(address) for _ in range(3)]
        taken = accepted(listening)
    assert {one.getpeername() for one in taken} == {one.getsockname() for one in clients}
    for one in taken:
        with one:
            one.sendall(b"answer")
    for client in clients:
        with client:
            assert client.recv(100) == b"answer"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_nobody_is_taken_at_a_socket_that_is_closed_already() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    listening.close()
    assert accepted(listening) == []


class Stopping:
    """As much of a server as is drained."""

    def __init__(self) -> None:
        self.servers: list[object] = []
        self.config = SimpleNamespace(encoded_headers=[])
        self.server_state = SimpleNamespace(connections=set(), default_headers=[])


def test_it_is_waited_for_who_was_taken_last_and_for_what_it_asks() -> None:
    """A connection that is no connection of the server yet, then is one, then goes."""
    server, steps = Stopping(), []

    def leave() -> None:
        steps.append("gone")
        server.server_state.connections.clear()

    async def enter() -> None:
        await asyncio.sleep(0.05)
        server.server_state.connections.add(object())
        asyncio.get_running_loop().call_later(0.05, leave)

    async def stop() -> None:
        await drain(server, 60, lambda: False, [asyncio.create_task(enter())])  # type: ignore[arg-type]
        steps.append("drained")

    asyncio.run(stop())
    assert steps == ["gone", "drained"]


def test_who_does_not_enter_in_time_is_given_up() -> None:
    """A handshake that never ends keeps nobody from stopping."""

    async def stop() -> bool:
        never = asyncio.create_task(asyncio.sleep(3600))
        await drain(Stopping(), 0.01, lambda: False, [never])  # type: ignore[arg-type]
        await asyncio.wait([never])
        return never.cancelled()

    assert asyncio.run(stop())

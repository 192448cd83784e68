"""What a worker does with its clients before it ends."""

from __future__ import annotations

import socket

import pytest

from penstock.serving.draining import accepted


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

"""The socket on which a server listens, and what its addresses are."""

from __future__ import annotations

import socket

from penstock.errors import ServingError
from penstock.serving.draining import BACKLOG


def listen(host: str, port: int) -> socket.socket:
    """A socket on which connections are waited for; port 0 takes a free one.

    Raises
    ------
    ServingError : the port is in use, or none; or the host is none of this machine.
    """
    if not 0 <= port <= 65535:  # the system would take its last 16 bits, and listen where nobody asked it to
        raise ServingError(f"{port} is no port", why="ports are numbers from 0 to 65535", way_out="such as --port 8000")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _cannot_listen(host, port, error) from error
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _end_half_open_connections(listening)
    try:
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise _cannot_listen(host, port, error) from error
    return listening


def refuse_taken(host: str, port: int) -> None:
    """Refuse a port of gRPC that somebody has: workers share theirs, and the system would have them share a stranger's, too.

    Raises
    ------
    ServingError : it is in use.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except OSError as error:
        raise ServingError(
            f"gRPC cannot listen on {host}:{port}",
            why=error.strerror or str(error),
            way_out="choose another port: --grpc-port N",
        ) from error


def _end_half_open_connections(listening: socket.socket) -> None:
    """Have the system ask clients that are silent whether they are still there; connections inherit it."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 30_000)):
        option = getattr(socket, name, None)  # not every system has each
        if option is not None:
            listening.setsockopt(socket.IPPROTO_TCP, option, value)


def _cannot_listen(host: str, port: int, error: OSError) -> ServingError:
    return ServingError(
        f"cannot listen on {host}:{port}",
        why=error.strerror or str(error),
        way_out=f"stop what listens there, or choose another port: --port {port + 1 if 0 < port < 65535 else 8001}",
    )


def address_of(host: str, listening: socket.socket, scheme: str) -> str:
    """Where a listening socket is reached, as ``http://127.0.0.1:8000``."""
    port = listening.getsockname()[1]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def grpc_address_of(host: str, port: int | None) -> str | None:
    """Where gRPC is reached, as ``127.0.0.1:8001``; None without."""
    return None if port is None else f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

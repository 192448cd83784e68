"""An event loop whose TLS has an end: a client that connects and does not finish its handshake is cut off, and so is one that does not let go.

uvicorn does not tell the loop how long a handshake may take, which is then a minute; and a connection that has not finished it is not among
those that `connections` looks at.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import uvloop


class TlsLoop(uvloop.Loop):
    """Ends a handshake, and the farewell of a connection, after `within_s` seconds."""

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s

    async def create_server(self, *where: Any, **how: Any) -> asyncio.Server:
        create: Any = super().create_server  # typed for each way to name a place, of which any may come
        within_s = self._within_s
        return cast(
            "asyncio.Server",
            await create(*where, ssl_handshake_timeout=within_s, ssl_shutdown_timeout=within_s, **how),
        )

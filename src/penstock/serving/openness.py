"""Whether a server is about to answer strangers: told when it starts, to whoever starts it."""

from __future__ import annotations

from pathlib import Path

from penstock.serving.hosts import is_loopback
from penstock.serving.tokens import read_consumers


def open_to_all(state_dir: Path, host: str, consumers: str, *, encrypted: bool = False) -> str | None:
    """A warning where the address can be reached from elsewhere and no token is asked for, or tokens travel in the clear."""
    if is_loopback(host):
        return None
    asks = consumers == "declared" or (consumers == "auto" and bool(read_consumers(state_dir)))
    if not asks:
        return (
            f"warning: {host} can be reached from other machines, and whoever reaches it is answered"
            "\n  try: penstock tokens create NAME --scope predict; or listen on 127.0.0.1 behind something that asks who they are"
        )
    if not encrypted:
        return (
            f"warning: {host} can be reached from other machines, and tokens travel there as they are written"
            "\n  try: [serving.tls] certificate and key; or put something in front that speaks TLS"
        )
    return None

"""What the settings of a project's server become in an image: files of this machine are mounted there, and what they need is installed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penstock.packaging.exports.closure import GRPC, SERVER, TRACES
from penstock.packaging.exports.exporter import Shipment

CONSUMERS = "/srv/consumers"
"""Where an image that asks for tokens looks for `tokens.json`: a folder, so that a mounted one is followed as it changes."""
TLS = "/srv/tls"
"""Where an image that speaks TLS looks for `tls.crt` and `tls.key`: the names that Kubernetes gives them."""

GRPC_PORT = 8001
"""Where an image answers gRPC that is asked to."""


@dataclass(frozen=True)
class InImage:
    """The server of an image.

    Attributes
    ----------
    settings : of `penstock.serving.settings.ServeSettings`, with the paths of the image.
    asks_tokens : who asks needs one; `CONSUMERS` must be mounted, or nobody is answered.
    encrypted : it speaks TLS; `TLS` must be mounted, or it does not start.
    answers_grpc : on `GRPC_PORT`, beside HTTP.
    distributions : what it needs besides what its model needs.
    """

    settings: Mapping[str, Any]

    @classmethod
    def of(cls, shipment: Shipment, *, grpc: bool = False) -> InImage:
        """An image never answers strangers where the project has consumers: their tokens come from outside, and may be missing.

        Parameters
        ----------
        grpc : answer gRPC also where the project does not declare it.
        """
        settings = dict(shipment.serving)
        if shipment.has_consumers and settings.get("consumers", "auto") == "auto":
            settings["consumers"] = "declared"
        if settings.get("tls") is not None:
            settings["tls"] = {"certificate": f"{TLS}/tls.crt", "key": f"{TLS}/tls.key"}
        if grpc or settings.get("grpc_port") is not None:  # ports of an image are its own: whoever runs it maps them
            settings["grpc_port"] = GRPC_PORT
        return cls(settings)

    @property
    def asks_tokens(self) -> bool:
        return bool(self.settings.get("consumers", "auto") != "auto")

    @property
    def encrypted(self) -> bool:
        return self.settings.get("tls") is not None

    @property
    def scheme(self) -> str:
        return "https" if self.encrypted else "http"

    @property
    def is_traced(self) -> bool:
        return bool(self.settings.get("traces"))

    @property
    def answers_grpc(self) -> bool:
        return self.settings.get("grpc_port") is not None

    @property
    def distributions(self) -> tuple[str, ...]:
        return (*SERVER, *(TRACES if self.is_traced else ()), *(GRPC if self.answers_grpc else ()))

    @property
    def stop_after_s(self) -> float:
        return float(self.settings.get("stop_after_s", 30.0))

    @property
    def journal_bytes(self) -> int:
        """What the journal may take of a disk."""
        return int(self.settings.get("journal", {}).get("max_bytes", 10 * 2**30))

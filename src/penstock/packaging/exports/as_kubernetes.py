"""Export `kubernetes`: Deployment, Service, autoscaler and disruption budget for an image of the server."""

from __future__ import annotations

import math
from pathlib import Path
from typing import ClassVar, final

from penstock.errors import ExportError
from penstock.packaging.exports.as_container import USER_ID
from penstock.packaging.exports.as_prometheus import job_name
from penstock.packaging.exports.exporter import Shipment
from penstock.packaging.exports.in_image import CONSUMERS, GRPC_PORT, TLS, InImage
from penstock.packaging.exports.templating import fill

PRE_STOP_S = 3
"""How long a pod that is told to stop goes on answering, until no new request is sent to it."""
_GIB = 2**30
FILES = ("deployment.yaml", "service.yaml", "autoscaler.yaml", "disruption.yaml", "kustomization.yaml", "README.md")

WATCHING = ("podmonitor.yaml", "scrape.yaml")
"""By which Prometheus finds the pods: not applied with the others, since a cluster may know no PodMonitor."""


@final
class Kubernetes:
    """A folder for ``kubectl apply -k``. Probes ask `/healthz` and `/readyz`; processor and memory come from `[scope]`.

    Parameters
    ----------
    image : the name of the image that `penstock export container` was built into; default: the model's name and version.
    replicas, most_replicas : how many pods there are at least, and at most.
    grpc : the image answers gRPC as well (`penstock export container --grpc`).
    """

    name: ClassVar[str] = "kubernetes"
    takes_key: ClassVar[bool] = True

    def __init__(
        self, image: str | None = None, replicas: int = 2, most_replicas: int = 10, *, grpc: bool = False
    ) -> None:
        self.image, self.replicas, self.most_replicas, self.grpc = image, replicas, most_replicas, grpc

    def write(self, shipment: Shipment, folder: Path) -> list[str]:
        """
        Raises
        ------
        ExportError : `most_replicas` is less than `replicas`.
        """
        if self.most_replicas < self.replicas:
            raise ExportError(
                f"at least {self.replicas} pods and at most {self.most_replicas}",
                why="the autoscaler needs room between them, or none",
                way_out=f"--most-replicas {self.replicas}",
            )
        cores = float(shipment.scope.get("cores") or 1)
        memory_mb = float(shipment.scope.get("memory_mb") or 512)
        image = self.image or f"{shipment.name}:{shipment.version or 'latest'}"
        inside = InImage.of(shipment, grpc=self.grpc)
        values = {
            "inside": inside,
            "consumers": CONSUMERS,
            "tls": TLS,
            "grpc_port": GRPC_PORT,
            "name": _named(shipment),
            "job": job_name(shipment.name),
            "image": image,
            "version": str(shipment.version or "none"),
            "digest": shipment.bundle.digest,
            "replicas": self.replicas,
            "most": self.most_replicas,
            "cpu": f"{round(cores * 1000)}m",
            "memory": f"{round(memory_mb)}Mi",
            "pre_stop": PRE_STOP_S,
            # The server gives up what is in flight after `stop_after_s`, and its workers some seconds later.
            "stop_after": PRE_STOP_S + math.ceil(inside.stop_after_s) + 10,
            # Segments that are still written to may stand above the limit until they are closed.
            "journal": f"{math.ceil(inside.journal_bytes / _GIB) + 2}Gi",
            "user": USER_ID,
            "keyed": shipment.is_keyed,
            "keeps_labels": inside.settings.get("journal", {}).get("unknown_labels") == "keep",
        }
        (folder / "prometheus").mkdir()
        for file, template in (*((file, file) for file in FILES), *((f"prometheus/{file}", file) for file in WATCHING)):
            (folder / file).write_text(fill(f"kubernetes/{template}", **values), encoding="utf-8")
        hints = [
            f"the image: penstock export container{' --grpc' if self.grpc else ''}, built and pushed as {image}",
            "kubectl apply -k {folder}",
        ]
        if not values["keeps_labels"]:
            hints.append("labels for a prediction of another pod are refused: see README.md")
        name = _named(shipment)
        if inside.asks_tokens:
            made = (
                f"kubectl create secret generic {name}-consumers --from-file=tokens.json=.penstock/serving/tokens.json"
            )
            hints.append(f"consumers: {made}")
        if inside.encrypted:
            hints.append(f"TLS: kubectl create secret tls {name}-tls --cert=CHAIN --key=KEY")
        return hints


def _named(shipment: Shipment) -> str:
    """The model's name as that of a Service may be: from a letter on (RFC 1035), and short enough for what Kubernetes adds to it."""
    name = shipment.name if shipment.name[0].isalpha() else f"model-{shipment.name}"
    return name[:50].strip("-")

"""Export `kubernetes`: Deployment, Service, autoscaler and disruption budget for an image of the server."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, final

from penstock.errors import ExportError
from penstock.packaging.exports.as_container import USER_ID
from penstock.packaging.exports.exporter import Shipment
from penstock.packaging.exports.templating import fill

FILES = ("deployment.yaml", "service.yaml", "autoscaler.yaml", "disruption.yaml", "kustomization.yaml", "README.md")


@final
class Kubernetes:
    """A folder for ``kubectl apply -k``. Probes ask `/healthz` and `/readyz`; processor and memory come from `[scope]`.

    Parameters
    ----------
    image : the name of the image that `penstock export container` was built into; default: the model's name and version.
    replicas, most_replicas : how many pods there are at least, and at most.
    """

    name: ClassVar[str] = "kubernetes"

    def __init__(self, image: str | None = None, replicas: int = 2, most_replicas: int = 10) -> None:
        self.image, self.replicas, self.most_replicas = image, replicas, most_replicas

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
        values = {
            "name": shipment.name[:50].strip("-"),
            "image": image,
            "version": str(shipment.version or "none"),
            "digest": shipment.bundle.digest,
            "replicas": self.replicas,
            "most": self.most_replicas,
            "cpu": f"{round(cores * 1000)}m",
            "memory": f"{round(memory_mb)}Mi",
            "stop_after": round(float(shipment.serving.get("stop_after_s", 30))) + 5,
            "user": USER_ID,
            "keyed": shipment.is_keyed,
        }
        for name in FILES:
            (folder / name).write_text(fill(f"kubernetes/{name}", **values), encoding="utf-8")
        return [f"the image: penstock export container, built and pushed as {image}", "kubectl apply -k {folder}"]

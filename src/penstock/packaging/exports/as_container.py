"""Export `container`: all that an image of the server is built from. It holds the server alone: no training library."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar, final

from penstock.packaging.exports.closure import SERVER, closure, data_files, is_package, needed, pinned, with_needs
from penstock.packaging.exports.exporter import Shipment
from penstock.packaging.exports.in_image import CONSUMERS, GRPC_PORT, TLS, InImage
from penstock.packaging.exports.templating import fill
from penstock.packaging.exports.wheel_file import write_wheel
from penstock.serving.folder import ServingFolder
from penstock.serving.switching import fill_and_switch

USER_ID = 10001


@final
class Container:
    """A folder for ``docker build``: a Dockerfile, pinned requirements, the server as a wheel, the version in its slot.

    The image runs as a user of its own. Its journal is a volume. What is installed is what the bundle was tested with, down to the
    last that another needs. Tokens of
    consumers and the key of TLS are in no image: they are mounted.

    Parameters
    ----------
    workers : processes of the server.
    grpc : answer gRPC as well, on port 8001.
    """

    name: ClassVar[str] = "container"
    takes_key: ClassVar[bool] = True

    def __init__(self, workers: int = 1, *, grpc: bool = False) -> None:
        self.workers, self.grpc = workers, grpc

    def write(self, shipment: Shipment, folder: Path) -> list[str]:
        inside = InImage.of(shipment, grpc=self.grpc)
        wanted = pinned(with_needs((*inside.distributions, *needed(shipment.bundle.signature.layout))))
        wheel = write_server_wheel(folder)
        fill_and_switch(
            folder / "serving",
            shipment.bundle.folder,
            model=shipment.model,
            version=shipment.version or 0,
            digest=shipment.bundle.digest,
            deployment=shipment.deployment,
            by="export",
        )
        (folder / "serving" / "slots.lock").unlink()
        ServingFolder(folder / "serving").changes.unlink()  # it tells of this machine, to this machine's audit trail
        (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in wanted), encoding="utf-8")
        (folder / ".dockerignore").write_text("README.md\n", encoding="utf-8")
        command = ["python", "-m", "penstock.serving.server", "/srv/serving", "--host", "0.0.0.0", "--port", "8000"]
        command += ["--workers", str(self.workers), "--settings", json.dumps(inside.settings, sort_keys=True)]
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        filled = {"python": python, "user": USER_ID, "wheel": wheel.name, "command": command, "inside": inside}
        filled["grpc_port"] = GRPC_PORT
        (folder / "Dockerfile").write_text(
            fill("container/Dockerfile", **filled, consumers=CONSUMERS), encoding="utf-8"
        )
        image = f"{shipment.name}:{shipment.version or 'latest'}"
        ports = "".join(f" -p {port}:{port}" for port in (8000, *((GRPC_PORT,) if inside.answers_grpc else ())))
        mounts = "".join(f" -v ./{place.rpartition('/')[2]}:{place}:ro" for place in mounted(inside))
        key = " -e PENSTOCK_PRIVACY_KEY" if shipment.is_keyed else ""
        readme = {
            "key": key,
            "keyed": shipment.is_keyed,
            "image": image,
            "model": shipment.model,
            "number": shipment.version,
            "mounts": mounts,
            "ports": ports,
            "grpc_port": GRPC_PORT,
            "inside": inside,
        }
        (folder / "README.md").write_text(fill("container/README.md", **readme), encoding="utf-8")
        return [f"docker build -t {image} {{folder}}", f"docker run{ports}{key}{mounts} {image}", *_hints(inside)]


def mounted(inside: InImage) -> list[str]:
    """The folders that an image expects from outside."""
    return [*([CONSUMERS] if inside.asks_tokens else []), *([TLS] if inside.encrypted else [])]


def _hints(inside: InImage) -> Iterator[str]:
    if inside.asks_tokens:
        yield (
            "consumers: no token is in the image; it follows tokens.json of the mounted folder, a copy of"
            " .penstock/serving/tokens.json that the image's user may read, and without it nobody is answered but as README.md says"
        )
    else:
        yield "whoever reaches it is answered: see README.md, or declare consumers (penstock tokens create) and export again"
    if inside.encrypted:
        yield "TLS: tls.crt and tls.key come from the mounted folder; no key is in the image"
    if inside.is_traced:
        yield "traces: say where they go, docker run -e OTEL_EXPORTER_OTLP_ENDPOINT=http://..."


def write_server_wheel(folder: Path) -> Path:
    """The distribution `penstock-server`: the modules of Penstock that a server loads, and no others."""
    sources = closure("penstock.serving.server", "penstock.serving.supervisor")
    own = version("penstock")
    files = {"penstock/__init__.py": f'"""The server of Penstock."""\n\n__version__ = "{own}"\n'.encode()}
    for name, source in sources.items():
        path = name.replace(".", "/")
        files[f"{path}/__init__.py" if is_package(name) else f"{path}.py"] = source.encode()
    files |= {f"penstock/serving/{name}": data for name, data in data_files("penstock.serving")}
    return write_wheel(
        folder,
        distribution="penstock-server",
        version=own,
        files=files,
        summary="The server of Penstock",
        requires=SERVER,
    )

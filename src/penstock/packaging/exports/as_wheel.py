"""Export `wheel`: a pip-installable package with `predict()` and a command. It needs numpy and onnxruntime, not Penstock."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar, final

from penstock.packaging.exports.closure import RUNTIME, closure, is_package, needed
from penstock.packaging.exports.exporter import Shipment
from penstock.packaging.exports.templating import fill
from penstock.packaging.exports.wheel_file import write_wheel

_OWN_IMPORT = re.compile(r"^(\s*(?:from|import)\s+)penstock(?=[.\s])", re.MULTILINE)


@final
class Wheel:
    """One file for `pip install`. The bundle and the part of Penstock that runs it are inside, under a name of their own, so
    that several models, and Penstock itself, can be installed side by side.
    """

    name: ClassVar[str] = "wheel"
    takes_key: ClassVar[bool] = True

    def write(self, shipment: Shipment, folder: Path) -> list[str]:
        distribution = f"{shipment.name}-model"
        package = distribution.replace("-", "_")
        if package[0].isdigit():
            package = f"model_{package}"
        about = shipment.to_json()
        files = {f"{package}/{name}": data for name, data in _runtime(package, str(about["created_by"])).items()}
        for name in (*shipment.bundle.manifest["files"], "manifest.json"):
            files[f"{package}/bundle/{name}"] = _read(shipment, name)
        signature = shipment.bundle.signature
        row = {column.name: column.example for column in signature.columns}
        filled = {"package": package, "distribution": distribution, "row": row, "target": signature.target.name}
        for name in ("__init__.py", "__main__.py"):
            text = fill(f"wheel/{name}", **filled, model=shipment.model, digest=shipment.bundle.digest)
            files[f"{package}/{name}"] = text.encode()
        files[f"{package}/py.typed"] = b""
        number = "0" if shipment.version is None else str(shipment.version)
        path = write_wheel(
            folder,
            distribution=distribution,
            version=f"{number}.0",
            files=files,
            summary=f"{shipment.model}: predicts {signature.target.name}",
            description=shipment.bundle.read("card.md").decode(),
            requires=[f"{name}>={version(name)}" for name in (*RUNTIME, *needed(signature.layout))],
            commands={distribution: f"{package}.__main__:main"},
        )
        return [
            f"pip install {{folder}}/{path.name}",
            f"from {package} import predict",
            f"{distribution} rows.csv > answers.jsonl",
        ]


def _read(shipment: Shipment, name: str) -> bytes:
    if name == "manifest.json":
        return (shipment.bundle.folder / name).read_bytes()
    return shipment.bundle.read(name)


def _runtime(package: str, created_by: str) -> dict[str, bytes]:
    """Penstock's modules that run a bundle, as a sub-package that imports itself by its own name."""
    sources = closure("penstock.bundle.runtime")
    own = created_by.rpartition(" ")[2]
    files = {"_runtime/__init__.py": f'"""The part of Penstock {own} that runs a bundle."""\n\n__version__ = "{own}"\n'}
    for name, source in sources.items():
        path = name.partition(".")[2].replace(".", "/")
        path = f"{path}/__init__.py" if is_package(name) else f"{path}.py"
        files[f"_runtime/{path}"] = _OWN_IMPORT.sub(rf"\g<1>{package}._runtime", source)
    return {name: text.encode() for name, text in files.items()}

"""What is exported, and what every form of export does: write a folder, all or nothing, that says what it holds."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from penstock.bundle.runtime import Bundle
from penstock.errors import BadParameter
from penstock.objects.files import naming_full_disk, write_atomic

GROUP = "penstock.exports"
MARK = "export.json"
"""The file by which a folder is known to be an export, so that a newer one may take its place."""


@dataclass(frozen=True)
class Shipment:
    """A bundle to be exported, and what is known of it.

    Attributes
    ----------
    bundle : loaded from a folder. version : its number in the registry; None for a bundle without one.
    deployment : the score on an envelope, gates, overrides, where it is or was live.
    serving : the settings of the server, as `penstock serve` has them.
    has_consumers : whether the project has declared consumers of its server, whose tokens stay with it.
    scope : limits of the machine that it is for, by the names of `[scope]`.
    """

    bundle: Bundle
    version: int | None = None
    deployment: Mapping[str, Any] = field(default_factory=dict)
    serving: Mapping[str, Any] = field(default_factory=dict)
    scope: Mapping[str, Any] = field(default_factory=dict)
    has_consumers: bool = False

    @property
    def model(self) -> str:
        return self.bundle.signature.model

    @property
    def name(self) -> str:
        """The model's name as file and package names may be: lower case, digits and hyphens.

        >>> import re; re.sub(r"[^a-z0-9]+", "-", "Bank Übersee 2".lower()).strip("-")
        'bank-bersee-2'
        """
        import re

        return re.sub(r"[^a-z0-9]+", "-", self.model.lower()).strip("-") or "model"

    @property
    def is_keyed(self) -> bool:
        """Whether raw rows have personal values that are hashed or shifted by a key, which no export holds."""
        return any(spec.privacy is not None and spec.privacy.parsed.is_keyed for spec in self.bundle.decoder.columns)

    def to_json(self) -> dict[str, Any]:
        from penstock import __version__

        return {
            "format": 1,
            "model": self.model,
            "version": self.version,
            "bundle": self.bundle.digest,
            "deployment": dict(self.deployment),
            "created_by": f"penstock {__version__}",
        }


_KEY_HINT = (
    "personal columns are hashed or shifted: where it runs, PENSTOCK_PRIVACY_KEY must hold the project's privacy key"
)


class Exporter(Protocol):
    """One form of export. The constructor stores what may be chosen; plug-ins register under ``penstock.exports``.

    Attributes
    ----------
    takes_key : whether what is written looks for the privacy key where it runs; whoever exports a model that needs one is told so.
    """

    name: ClassVar[str]
    takes_key: ClassVar[bool]

    def write(self, shipment: Shipment, folder: Path) -> list[str]:
        """Fill an empty folder; gives the lines that tell a person what to do with it ("{folder}" stands for its name then).

        Raises
        ------
        PenstockError : the bundle cannot be had in this form, or something that is needed is not there.
        """
        ...


@dataclass(frozen=True)
class Export:
    """What was written."""

    kind: str
    folder: Path
    shipment: Shipment
    files: tuple[str, ...]
    size_bytes: int
    hints: tuple[str, ...]

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "path": str(self.folder),
            "model": self.shipment.model,
            "version": self.shipment.version,
            "bundle": self.shipment.bundle.digest,
            "files": list(self.files),
            "size_bytes": self.size_bytes,
            "hints": list(self.hints),
        }

    def to_text(self) -> str:
        number = "" if self.shipment.version is None else f" version {self.shipment.version}"
        size = f"{self.size_bytes / 1e6:.1f} MB"
        head = f"{self.shipment.model}{number} as {self.kind}: {self.folder} ({len(self.files)} files, {size})"
        return "\n".join([head, *(f"  {hint}" for hint in self.hints)])


def export(exporter: Exporter, shipment: Shipment, folder: Path) -> Export:
    """Export into a folder that is not there, is empty, or holds an earlier export of that form, which is replaced.

    Raises
    ------
    BadParameter : the folder holds something else. StoreFull : no space is left; what was there is as it was.
    """
    folder = Path(folder)
    _refuse_others(folder, exporter.name)
    draft = folder.parent / f".{folder.name}.{os.urandom(4).hex()}.unfinished"
    try:
        with naming_full_disk(folder):
            draft.mkdir(parents=True)
            hints = exporter.write(shipment, draft)
            if shipment.is_keyed and exporter.takes_key:
                hints = [*hints, _KEY_HINT]
            write_atomic(draft / MARK, json.dumps({"kind": exporter.name, **shipment.to_json()}, indent=1).encode())
            files = sorted(path for path in draft.rglob("*") if path.is_file())
            names = tuple(path.relative_to(draft).as_posix() for path in files)
            size = sum(path.stat().st_size for path in files)
            _take_place(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    said = tuple(hint.replace("{folder}", str(folder)) for hint in hints)
    return Export(exporter.name, folder, shipment, names, size, said)


def _refuse_others(folder: Path, kind: str) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        held = json.loads((folder / MARK).read_bytes()).get("kind")
    except (OSError, ValueError, AttributeError):
        held = None
    if held != kind:
        raise BadParameter(
            f"{folder} is there already",
            why=f"it holds {'an export as ' + held if held else 'something that is no export'}, which is not replaced",
            way_out="name another folder, or remove this one",
        )


def _take_place(draft: Path, folder: Path) -> None:
    """The draft becomes the folder; an earlier export goes when the new one is there."""
    old = None
    if folder.exists():
        old = folder.parent / f".{folder.name}.{os.urandom(4).hex()}.old"
        folder.rename(old)
    draft.rename(folder)
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def copy_bundle(shipment: Shipment, folder: Path, names: Callable[[str], bool] = lambda _: True) -> None:
    """The files of the bundle, checked as they are read."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in shipment.bundle.manifest["files"]:
        if names(name):
            (folder / name).write_bytes(shipment.bundle.read(name))
    shutil.copyfile(shipment.bundle.folder / "manifest.json", folder / "manifest.json")

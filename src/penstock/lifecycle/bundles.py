"""Bundles in the object store: every file by its digest, listed by the manifest."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from penstock.bundle.format import MANIFEST, read_bundle, write_bundle
from penstock.errors import BundleError
from penstock.ledger.record import RunRecord
from penstock.ledger.registry import ModelVersion
from penstock.ledger.run import Run
from penstock.objects.digests import canonical_json
from penstock.objects.store import ObjectStore
from penstock.project.project import Project


def keep_bundle(run: Run, folder: Path) -> str:
    """Keep a bundle folder as artifacts of a run; gives the digest of its list of files, which is the bundle's digest."""
    manifest = json.loads((folder / MANIFEST).read_bytes())
    for name in manifest["files"]:
        run.keep(f"bundle/{name}", (folder / name).read_bytes(), media=_media(name))
    run.output("audit_head", manifest["audit_head"])
    return run.keep("bundle", canonical_json({"files": manifest["files"]}), media="application/json")


def files_of(objects: ObjectStore, bundle: str) -> dict[str, Any]:
    """Name -> {"digest", "size_bytes"} of a kept bundle."""
    return dict(json.loads(objects.get(bundle))["files"])


def restore_bundle(project: Project, bundle: str, folder: Path, *, audit_head: str) -> Path:
    """Have a kept bundle as a folder. A folder that holds it is left alone; a damaged or another one is replaced."""
    if _holds(folder, bundle):
        return folder
    files = {name: project.objects.get(entry["digest"]) for name, entry in files_of(project.objects, bundle).items()}
    shutil.rmtree(folder, ignore_errors=True)
    write_bundle(folder, files, audit_head)
    return folder


def _holds(folder: Path, bundle: str) -> bool:
    try:
        return read_bundle(folder).digest == bundle
    except BundleError:
        return False


def version_folder(project: Project, version: int) -> Path:
    """Where the bundle of a version lies for people and for `deploy`."""
    return project.root / "models" / f"v{version}"


def packaging_run(project: Project, version: ModelVersion) -> RunRecord:
    """The run that packaged a version."""
    return project.ledger.get(str(project.ledger.get(version.run).params["package"]))


def bundle_of(project: Project, version: ModelVersion) -> Path:
    """The folder with the bundle of a version; made again from the object store where it is gone.

    Raises
    ------
    Forgotten : it went with the version of the data that it was trained on.
    """
    if version.is_forgotten:
        project.ledger.access.refuse_forgotten(version.dataset)
    head = str(packaging_run(project, version).outputs["audit_head"])
    return restore_bundle(project, version.bundle, version_folder(project, version.version), audit_head=head)


def _media(name: str) -> str:
    return {".onnx": "application/onnx", ".md": "text/markdown"}.get(Path(name).suffix, "application/json")

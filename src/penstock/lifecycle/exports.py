"""`penstock export`: a version of the registry, or any bundle, in the form in which it is wanted elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from penstock.bundle.runtime import Bundle
from penstock.errors import GateRefused, NotFound
from penstock.lifecycle.bundles import bundle_of
from penstock.lifecycle.settings import overriding
from penstock.packaging.exports.exporter import Export, Exporter, Shipment, export
from penstock.project.live import server_settings
from penstock.project.project import Project
from penstock.serving.slots import read_slots
from penstock.serving.tokens import read_consumers

if TYPE_CHECKING:
    from penstock.ledger.registry import ModelVersion


def export_model(
    exporter: Exporter,
    output: Path | str,
    *,
    project: Project | None = None,
    version: int | None = None,
    bundle: Path | str | None = None,
    override: str | None = None,
) -> Export:
    """Write one form of export into a folder. What leaves a project is in its audit trail.

    Parameters
    ----------
    version : of the project's registry; default: the live one, or the newest that passed.
    bundle : a bundle folder; then no project is needed.
    override : the reason to export a version that did not pass its gates.

    Raises
    ------
    GateRefused : the version did not pass its gates, and there is no override. NotFound : there is no such version.
    ExportError : the bundle cannot be had in this form. BadParameter : the folder holds something else.
    """
    if bundle is not None:
        return export(exporter, Shipment(Bundle.load(bundle)), Path(output))
    project = project or Project.here()
    chosen = chosen_version(project, version)
    reason = overriding(override)
    if not chosen.passed and not chosen.overrides and reason is None:
        raise GateRefused(
            f"{chosen.name} version {chosen.version} did not pass its gates",
            why="what leaves a project has passed, or somebody says why it leaves all the same",
            way_out="name a version that passed (penstock models), or --override REASON",
        )
    loaded = Bundle.load(bundle_of(project, chosen))
    slots = [entry for entry in read_slots(project.serving_state).slots.values() if entry is not None]
    shipment = Shipment(
        loaded,
        chosen.version,
        next((dict(entry.deployment) for entry in slots if entry.bundle == loaded.digest), {}),
        serving=msgspec.to_builtins(server_settings(project.declaration.serving)),
        scope=msgspec.to_builtins(project.declaration.scope),
        has_consumers=bool(read_consumers(project.serving_state)),
    )
    done = export(exporter, shipment, Path(output))
    details = {"kind": exporter.name, "version": chosen.version, "folder": done.folder.name, "override": reason}
    project.ledger.audit.append("export", loaded.digest, details)
    return done


def chosen_version(project: Project, version: int | None) -> ModelVersion:
    """A version by its number; else the live one, or the newest that passed."""
    registry = project.ledger.registry
    if version is not None:
        return registry.get(project.name, version)
    live = read_slots(project.serving_state).live_entry
    if live is not None:
        return registry.get(project.name, live.version)
    versions = [v for v in registry.versions(project.name) if v.passed or v.overrides]
    if not versions:
        raise NotFound(
            f"no version of {project.name} has passed its gates",
            why="a model is registered by `penstock run`, and may leave the project when it passed",
            way_out="run `penstock run`; a version that failed: --version N --override REASON",
        )
    return max(versions, key=lambda v: v.version)

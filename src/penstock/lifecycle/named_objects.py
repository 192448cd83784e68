"""What the ledger says is in the object store: everything that somebody may ask for by a digest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from penstock.lifecycle.bundles import files_of
from penstock.objects.digests import digests_within
from penstock.project.project import Project

MEMORY = ("fingerprints",)
PARTS = ("parts", "envelopes", *MEMORY)
"""Of a data set's manifest: what holds digests of objects. (Its parent and its lineage are names.) Of one that is forgotten the memory stays."""


def named_objects(project: Project) -> Iterator[tuple[str, str]]:
    """Digest and meaning of each object that the project's runs, data sets and registered models name.

    What an object that is gone would name in its turn is left out.
    """
    ledger = project.ledger
    for run in ledger.runs(project=project.name):
        for name, kept in run.artifacts.items():
            yield kept["digest"], f"{name} of run {run.id}"
        if run.log is not None:
            yield run.log, f"the log of run {run.id}"
    forgotten = ledger.datasets.forgotten()
    for dataset in _datasets(project):
        yield dataset, f"data set {dataset[:19]}"
        if project.objects.has(dataset):
            manifest: dict[str, Any] = json.loads(project.objects.get(dataset))
            parts = MEMORY if dataset in forgotten else PARTS
            for name, digest in digests_within({part: manifest.get(part) for part in parts}):
                yield digest, f"{name} of data set {dataset[:19]}"
    for version in ledger.registry.versions(project.name):
        if version.is_forgotten:
            continue
        yield version.bundle, f"the bundle of {version}"
        if version.report is not None:
            yield version.report, f"the report of {version}"
        if project.objects.has(version.bundle):
            for name, file in files_of(project.objects, version.bundle).items():
                yield file["digest"], f"{name} of {version}"


def _datasets(project: Project) -> list[str]:
    """Manifests of the versions that the project is at, was at, or has models of."""
    ledger = project.ledger
    heads = {version.dataset for version in ledger.registry.versions(project.name)}
    head = ledger.datasets.head(project.name)
    if head is not None:
        heads.add(head)
    return sorted({record.manifest for head in heads for record in ledger.datasets.log(head)})

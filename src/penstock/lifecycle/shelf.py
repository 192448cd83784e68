"""`models shelve` puts a version beside those in the slots, so that a server answers for it when it is asked by name."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from penstock.bundle.format import MANIFEST
from penstock.bundle.runtime import Bundle
from penstock.errors import BundleError, DeclarationError, GateRefused, NotFound
from penstock.experiments.sheets import Listing
from penstock.ledger.registry import ModelVersion
from penstock.lifecycle.bundles import bundle_of
from penstock.lifecycle.reproducible import reproducible, way_to_pass
from penstock.lifecycle.settings import overriding
from penstock.project.project import Project
from penstock.project.workspace import FILE
from penstock.serving.acknowledgements import wait_for_shelf
from penstock.serving.loading import graph_bytes_of
from penstock.serving.shelf import prune_shelf, put_on_shelf, read_shelf, take_off_shelf

_FILE_BYTES = 4 * 2**30  # no file of a bundle is larger: ONNX ends at 2 GiB


@dataclass(frozen=True)
class ShelfResult:
    """Outcome of `penstock models shelve` and `unshelve`."""

    model: str
    versions: list[int]
    labels: list[str]
    shelved: bool
    origin: str
    epoch: int
    workers: int

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "versions": self.versions,
            "labels": self.labels,
            "shelved": self.shelved,
            "origin": self.origin,
            "epoch": self.epoch,
            "workers": self.workers,
        }

    def to_text(self) -> str:
        numbers = ", ".join(map(str, self.versions))
        servers = f"{self.workers} server processes know it" if self.workers else "no server is running"
        if not self.shelved:
            return f"{self.model} version {numbers} is off the shelf ({servers})"
        called = f", also called {', '.join(self.labels)}" if self.labels else ""
        ask = f'{{"model": "{self.model}", "version": {numbers}, "rows": [...]}}'
        return f"{self.model} version {numbers}{called} is on the shelf ({servers})\nask it: POST /predict {ask}"


def shelve(
    project: Project,
    what: str,
    *,
    name: str | None = None,
    version: int | None = None,
    labels: Sequence[str] = (),
    override: str | None = None,
) -> ShelfResult:
    """Offer a version by name, beside what is live. It answers nothing by itself, and opens no envelope.

    Parameters
    ----------
    what : a version of this project (a number, an alias, "latest"); the folder of another project, its champion or with ``:`` and a
        version; or a bundle, as a folder or a zip file.
    name : under which it is asked; default: the model's own.
    version : the number under which a bundle is asked, that has none by itself.
    labels : further names of the version; its aliases in the registry are labels anyway.
    override : the reason to offer what has not passed its gates, or a bundle that comes without proof.

    Raises
    ------
    NotFound : there is no such version. GateRefused : it did not pass, and there is no override.
    BundleError : it is damaged, or does not answer its own examples.
    """
    reason = overriding(override)
    place, word = _parsed(what)
    owner = project if place is None else Project(place) if (place / FILE).is_file() else None
    if owner is not None:
        if version is not None:
            raise DeclarationError(
                "--version is for a bundle that has no number",
                why="a project's versions are numbered by its registry",
                way_out=f"write penstock models shelve {place or ''}{':' if place else ''}{version}",
            )
        chosen = _chosen(owner, word)
        _may_be_shelved(owner, chosen, override)
        aliases = [
            alias for alias, number in owner.ledger.registry.aliases(owner.name).items() if number == chosen.version
        ]
        folder = bundle_of(owner, chosen)
        origin = f"{owner.root.name} version {chosen.version}"
        return _offer(project, folder, owner, name, chosen.version, [*aliases, *labels], origin, reason)
    assert place is not None
    if version is None:
        raise DeclarationError(
            f"{place.name} is a bundle, which has no number of its own",
            why="requests name a model and a number",
            way_out="give one: --version 1",
        )
    if reason is None:
        raise GateRefused(
            f"{place.name} brings no proof along",
            why="a bundle says what it answers, not that its gates passed: that is in the ledger of its project",
            way_out="name the folder of its project instead; or use --override REASON, which the audit trail keeps",
        )
    with _unpacked(place) as folder:
        return _offer(project, folder, None, name, version, list(labels), place.name, reason)


def unshelve(project: Project, what: str) -> ShelfResult:
    """No longer offer a model, or with ``:`` one version of it; its copy is deleted once every worker has let it go.

    Raises
    ------
    NotFound : the shelf does not hold it.
    """
    state_dir = project.serving_state
    model, _, version = what.partition(":")
    before = {(one.model, one.version): one for one in read_shelf(state_dir).entries}
    shelf = take_off_shelf(state_dir, model, version or None, by="unshelve")
    left = {(one.model, one.version) for one in shelf.entries}
    gone = sorted(number for name, number in before if name == model and (name, number) not in left)
    workers = wait_for_shelf(state_dir, shelf.epoch)
    prune_shelf(state_dir)
    project.ledger.audit.append("unshelve", model, {"versions": gone, "epoch": shelf.epoch})
    return ShelfResult(model, gone, [], False, "", shelf.epoch, len(workers))


def list_shelf(project: Project) -> Listing:
    """What stands on the shelf."""
    shelf = read_shelf(project.serving_state)
    rows = [
        (one.model, str(one.version), ", ".join(one.labels), one.state, f"{one.memory_bytes / 1e6:.0f} MB", one.origin)
        for one in shelf.entries
    ]
    body = [
        {
            "model": one.model,
            "version": one.version,
            "labels": list(one.labels),
            "state": one.state,
            "memory_bytes": one.memory_bytes,
            "bundle": one.bundle,
            "origin": one.origin,
        }
        for one in shelf.entries
    ]
    return Listing(
        {"epoch": shelf.epoch, "shelf": body},
        ("model", "version", "labels", "state", "memory", "from"),
        rows,
        "the shelf is empty; `penstock models shelve` puts a version there",
    )


def _parsed(what: str) -> tuple[Path | None, str | None]:
    """The folder or file that is meant, and the version in it; of this project, there is no folder."""
    if not what.isdecimal():
        if _is_place(Path(what)):
            return Path(what), None
        head, colon, tail = what.rpartition(":")
        if colon and _is_place(Path(head)):
            return Path(head), tail
    return None, what


def _is_place(path: Path) -> bool:
    return path.is_file() or (path / FILE).is_file() or (path / MANIFEST).is_file()


def _chosen(owner: Project, word: str | None) -> ModelVersion:
    registry = owner.ledger.registry
    if word == "latest":
        versions = registry.versions(owner.name)
        if versions:
            return versions[-1]
    try:
        return registry.get(owner.name, word or "champion")
    except NotFound as error:
        if word is not None:
            raise
        raise NotFound(
            f"{owner.name} has no champion",
            why="none was deployed there",
            way_out=f"name a version: {owner.root.name}:1",
        ) from error


def _may_be_shelved(owner: Project, chosen: ModelVersion, override: str | None) -> None:
    if override is not None:
        return
    if not chosen.passed and not chosen.overrides:
        raise GateRefused(
            f"{chosen.name} version {chosen.version} did not pass its gates",
            why="they said no on validation data when it was made",
            way_out="name a version that passed, or use --override REASON, which the audit trail keeps",
        )
    gate = reproducible(owner, chosen)
    if gate is not None and not gate.passed:
        raise GateRefused(
            f"{chosen.name} version {chosen.version} does not pass the gate {gate.id!r}",
            why=gate.why,
            way_out=f"{way_to_pass(owner, chosen)}, then shelve it; or use --override REASON",
        )


def _offer(
    project: Project,
    folder: Path,
    owner: Project | None,
    name: str | None,
    version: int,
    labels: list[str],
    origin: str,
    override: dict[str, str] | None,
) -> ShelfResult:
    ledger = project.ledger  # opened first: what cannot be recorded is not done
    bundle = Bundle.load(folder, key=None if owner is None else owner.privacy_key)
    bundle.decoder.require_key()
    bundle.self_test()
    model = name or bundle.signature.model
    keyed = bundle.decoder.is_keyed and owner is not None
    shelf = put_on_shelf(
        project.serving_state,
        folder,
        model=model,
        version=version,
        digest=bundle.digest,
        graph_bytes=graph_bytes_of(bundle),
        labels=list(dict.fromkeys(labels)),
        origin=origin,
        privacy_key=owner.privacy_key() if keyed and owner is not None else None,
        by="shelve",
    )
    workers = wait_for_shelf(project.serving_state, shelf.epoch)
    prune_shelf(project.serving_state)
    entry = next(one for one in shelf.entries if (one.model, one.version) == (model, version))
    details = {"version": version, "bundle": bundle.digest, "labels": list(entry.labels), "origin": origin}
    ledger.audit.append("shelve", model, {**details, "epoch": shelf.epoch, "override": override})
    return ShelfResult(model, [version], list(entry.labels), True, origin, shelf.epoch, len(workers))


@contextmanager
def _unpacked(place: Path) -> Iterator[Path]:
    """A bundle as a folder: itself, or what a zip file holds of one."""
    if place.is_dir():
        yield place
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "bundle"
        folder.mkdir()
        try:
            with zipfile.ZipFile(place) as packed:
                manifests = [name for name in packed.namelist() if PurePosixPath(name).name == MANIFEST]
                if len(manifests) != 1:
                    raise BundleError(
                        f"{place.name} is no bundle",
                        why=f"it has {len(manifests)} files {MANIFEST}",
                        way_out="give the folder of a bundle, or a zip file of one",
                    )
                root = PurePosixPath(manifests[0]).parent
                (folder / MANIFEST).write_bytes(packed.read(manifests[0]))
                for name in json.loads(packed.read(manifests[0]))["files"]:
                    _unpack(packed, str(root / name), folder / PurePosixPath(name).name)
        except (zipfile.BadZipFile, ValueError, KeyError, TypeError) as error:
            raise BundleError(
                f"{place.name} cannot be read as a bundle",
                why=f"{type(error).__name__}: {error}",
                way_out="give the folder of a bundle, or a zip file of one",
            ) from error
        yield folder


def _unpack(packed: zipfile.ZipFile, name: str, target: Path) -> None:
    with packed.open(name) as source, target.open("wb") as out:
        size = 0
        while chunk := source.read(2**20):
            size += len(chunk)
            if size > _FILE_BYTES:
                raise ValueError(f"{name} is larger than any file of a bundle")
            out.write(chunk)

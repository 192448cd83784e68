"""Runs as one archive that another machine can read and reproduce: `export_runs`, `import_runs`.

An archive is a zip file (kept as it is, not compressed twice):

    penstock.json                       {"format": 1, "kind": "runs", "runs": [id, ...], "objects": number, "penstock": version}
    runs/<id>.json                      the record of each run
    objects/<ab>/<62 hex digits>        every object that the runs need, as in an object store

An archive comes from anywhere: it is read in full and checked before anything is taken over. Names must be of the three kinds
above, nothing is ever written under a name that it gives, and each object must match its digest.

To change the format: raise `FORMAT`, and keep reading every older one here.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from penstock import __version__
from penstock.errors import ArchiveError, DamagedStore, NewerFormat, NotFound, StoreFull
from penstock.experiments.looking.carried import ask_for_carried, objects_of
from penstock.ledger.arriving import checked
from penstock.objects.digests import canonical_json, hex_of
from penstock.objects.files import atomic_file, copy_hashing, naming_full_disk
from penstock.objects.tree import MEDIA, read_tree
from penstock.project.workspace import Workspace

if TYPE_CHECKING:
    from penstock.ledger.record import RunRecord
    from penstock.objects.store import ObjectStore

FORMAT = 1
HEAD = "penstock.json"
_RUN = re.compile(r"runs/([A-Za-z0-9][A-Za-z0-9_.-]{0,99})\.json")
_OBJECT = re.compile(r"objects/([0-9a-f]{2})/([0-9a-f]{62})")
_RECORD_BYTES = 64 * 2**20
_TIME = (1980, 1, 1, 0, 0, 0)
"""Of every member: the same runs give the same archive."""


@dataclass(frozen=True)
class Exported:
    """What was written."""

    path: str
    runs: list[str]
    objects: int
    size_bytes: int
    lost: list[dict[str, str]] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        return 0

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "runs": self.runs,
            "objects": self.objects,
            "size_bytes": self.size_bytes,
            "lost": self.lost,
        }

    def to_text(self) -> str:
        many = f"{len(self.runs)} run{'' if len(self.runs) == 1 else 's'}"
        lines = [f"{many} with {self.objects} objects in {self.path} ({self.size_bytes:,} bytes)"]
        return "\n".join(
            lines + [f"  not in it: {line['name']} of run {line['run']}, which is stored no more" for line in self.lost]
        )


@dataclass(frozen=True)
class Imported:
    """What was taken over. `known` are runs that were here before: nothing of them was changed."""

    path: str
    runs: list[str]
    known: list[str]
    objects: int

    @property
    def exit_code(self) -> int:
        return 0

    def to_json(self) -> dict[str, Any]:
        return {"path": self.path, "runs": self.runs, "known": self.known, "objects": self.objects}

    def to_text(self) -> str:
        many = f"{len(self.runs)} run{'' if len(self.runs) == 1 else 's'}"
        lines = [f"{many} with {self.objects} objects from {self.path}"]
        lines += [f"  {run}" for run in self.runs]
        return "\n".join(lines + [f"  {run} was here before, and stays as it was" for run in self.known])


def export_runs(workspace: Workspace, ids: Iterable[str], path: Path) -> Exported:
    """Write runs, with those that belong to them and everything that they need, into one file.

    Raises
    ------
    NotFound : there is no such run. ArchiveError : `path` is there already. StoreFull : no space is left.
    AccessError : a run took or names a version of the data, or read a file of an item, that is restricted to others.
    """
    if path.exists():
        raise ArchiveError(
            f"{path} is there already", why="an archive is never written over", way_out="name another file"
        )
    lost: list[dict[str, str]] = []
    records = _with_children(workspace, ids, lost)
    ask_for_carried(workspace, records.values())
    needed: dict[str, None] = {}
    for record in records.values():
        for name, digest in objects_of(record):
            if not workspace.objects.has(digest):
                if name in record.artifacts or name in ("log", "source"):
                    lost.append({"run": record.id, "name": name})
                continue
            needed[digest] = None
            if name == "source" or record.artifacts.get(name, {}).get("media") == MEDIA:
                needed.update(dict.fromkeys(_tree_objects(workspace.objects, digest, record.id, name, lost)))
    head = {"format": FORMAT, "kind": "runs", "runs": sorted(records), "objects": len(needed), "penstock": __version__}
    with atomic_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(HEAD, _TIME), canonical_json(head))
        for run_id in sorted(records):
            info = zipfile.ZipInfo(f"runs/{run_id}.json", _TIME)
            text = json.dumps(_plain(records[run_id].to_json()), sort_keys=True, allow_nan=False)
            archive.writestr(info, text.encode(), zipfile.ZIP_DEFLATED)
        for digest in sorted(needed):
            _write_object(archive, workspace.objects, digest, path.parent)
    return Exported(str(path), sorted(records), len(needed), path.stat().st_size, lost)


def import_runs(workspace: Workspace, path: Path) -> Imported:
    """Take the runs of an archive over. A run that is here already is left as it is, and said.

    Raises
    ------
    ArchiveError : it is no archive of runs, is damaged, or names places outside of itself; nothing was taken over.
    NewerFormat : a later release has written it. StoreFull : no space is left; what was taken over so far can be used.
    """
    with _opened(path) as archive:
        head = _head(archive, path)
        records = {run_id: _record(archive, run_id, path) for run_id in _members(archive, path, head)}
        new = {run_id: body for run_id, body in records.items() if not _is_known(workspace, run_id)}
        objects = _take_objects(archive, workspace, path) if new else 0
    taken = workspace.ledger.take_over(new.values(), origin=path.name)
    return Imported(str(path), sorted(taken), sorted(records.keys() - set(taken)), objects)


def _with_children(workspace: Workspace, ids: Iterable[str], lost: list[dict[str, str]]) -> dict[str, RunRecord]:
    found: dict[str, RunRecord] = {}
    waiting = [workspace.ledger.get(reference) for reference in ids]
    while waiting:
        record = waiting.pop()
        if record.id not in found:
            found[record.id] = record
            waiting += workspace.ledger.children(record.id, deleted=None)
            waiting += _known_steps(workspace, record, lost)
    return found


def _known_steps(workspace: Workspace, record: RunRecord, lost: list[dict[str, str]]) -> Iterator[RunRecord]:
    """The runs that a pipeline of steps took as known: they lie inside an earlier one, and it is not whole without them."""
    steps = record.outputs.get("steps")
    for step in steps if isinstance(steps, list) else ():
        if isinstance(step, dict) and step.get("status") == "known" and isinstance(step.get("run"), str):
            try:
                yield workspace.ledger.get(step["run"])
            except NotFound:  # purged since
                lost.append({"run": record.id, "name": f"step {step.get('name')} (run {step['run']})"})


def _tree_objects(objects: ObjectStore, digest: str, run: str, name: str, lost: list[dict[str, str]]) -> Iterator[str]:
    try:
        needed = read_tree(objects, digest).objects()
    except DamagedStore:  # a digest under this name that is no tree
        return
    for inner in sorted(needed):
        if objects.has(inner):
            yield inner
        else:
            lost.append({"run": run, "name": f"a part of {name}"})


# ---- reading, which believes nothing


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise ArchiveError(
            f"there is no file {path}", why="the path does not exist", way_out="check the path"
        ) from None
    except OSError as error:
        raise ArchiveError(
            f"{path} cannot be read",
            why=error.strerror or str(error),
            way_out=f"name {'the file that `penstock export` wrote' if isinstance(error, IsADirectoryError) else 'a file that you may read'}",
        ) from error
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise _damaged(path, str(error)) from error
    try:
        with archive:
            yield archive
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError) as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, why: str) -> ArchiveError:
    return ArchiveError(
        f"{path.name} is no archive of runs, or is damaged",
        why=why,
        way_out="export the runs again, and copy the whole file",
    )


def _head(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    try:
        head = json.loads(_read(archive, HEAD, path))
        if head["kind"] != "runs" or not isinstance(head["runs"], list):
            raise ValueError(f"it is a {head['kind']}")
        if head["format"] > FORMAT:
            raise NewerFormat(
                f"{path.name} has format {head['format']}",
                why=f"a later release of Penstock has written it; this one reads up to {FORMAT}",
                way_out="upgrade Penstock",
            )
    except (KeyError, ValueError, TypeError) as error:
        raise _damaged(path, f"{HEAD}: {error}") from error
    return dict(head)


def _members(archive: zipfile.ZipFile, path: Path, head: dict[str, Any]) -> list[str]:
    """The ids of the runs. Every name in the archive must be of a kind that belongs there."""
    ids, objects, seen = [], 0, set()
    for info in archive.infolist():
        name = info.filename
        if name in seen:
            raise ArchiveError(
                f"{path.name} holds {name!r} twice",
                why="which of the two counts cannot be told",
                way_out="export the runs again",
            )
        seen.add(name)
        link = (info.external_attr >> 16) & 0o170000 == 0o120000
        run, stored = _RUN.fullmatch(name), _OBJECT.fullmatch(name)
        if link or (run is None and stored is None and name != HEAD):
            raise ArchiveError(
                f"{path.name} holds {name[:200]!r}, which is no part of an archive of runs",
                why="it is a link" if link else "its name leads out of the folder, or is of no known kind",
                way_out="do not trust it: nothing of it was taken over",
            )
        if run is not None:
            ids.append(run[1])
        objects += stored is not None
    if sorted(ids) != sorted(head["runs"]) or objects != head["objects"]:
        raise _damaged(
            path,
            f"it holds {len(ids)} runs and {objects} objects, not the {len(head['runs'])} and {head['objects']} that it names",
        )
    return ids


def _record(archive: zipfile.ZipFile, run_id: str, path: Path) -> dict[str, Any]:
    try:
        body = json.loads(_read(archive, f"runs/{run_id}.json", path))
    except ValueError as error:
        raise _damaged(path, f"the record of run {run_id}: {error}") from error
    if not isinstance(body, dict) or body.get("id") != run_id:
        raise _damaged(path, f"the record of run {run_id} is that of another run")
    return checked(body)


def _read(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    try:
        with archive.open(name) as file:
            data = file.read(_RECORD_BYTES + 1)
    except (KeyError, RuntimeError, OSError, EOFError) as error:  # RuntimeError: encrypted
        raise _damaged(path, str(error)) from error
    if len(data) > _RECORD_BYTES:
        raise _damaged(path, f"{name} is larger than {_RECORD_BYTES:,} bytes")
    return data


def _take_objects(archive: zipfile.ZipFile, workspace: Workspace, path: Path) -> int:
    """Check every object, and only then store them."""
    stored = [
        (info, f"sha256:{found[1]}{found[2]}")
        for info in archive.infolist()
        if (found := _OBJECT.fullmatch(info.filename))
    ]
    size, free = sum(info.file_size for info, _ in stored), shutil.disk_usage(workspace.state).free
    if size > free:
        raise StoreFull(
            f"{path.name} does not fit on the disk",
            why=f"unpacked it has {size:,} bytes, and {free:,} are free in {workspace.state}",
            way_out="free some space there and run the same command again: nothing was taken over",
        )
    with tempfile.TemporaryDirectory(prefix="import-", dir=workspace.state) as folder:
        for info, digest in stored:
            if _unpacked(archive, info, Path(folder) / hex_of(digest), path) != digest:
                raise _damaged(path, f"object {digest} does not match its digest")
        for _, digest in stored:
            workspace.objects.put_file(Path(folder) / hex_of(digest))
    return len(stored)


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, place: Path, path: Path) -> str:
    try:
        with archive.open(info) as file, naming_full_disk(place), open(place, "wb") as target:
            return copy_hashing(cast(BinaryIO, file), target)
    except (RuntimeError, EOFError, zipfile.BadZipFile, zlib.error) as error:  # RuntimeError: encrypted
        raise _damaged(path, f"{info.filename}: {error}") from error


def _write_object(archive: zipfile.ZipFile, objects: ObjectStore, digest: str, folder: Path) -> None:
    """An object by way of a file: it may be larger than the memory."""
    name = hex_of(digest)
    info = zipfile.ZipInfo(f"objects/{name[:2]}/{name[2:]}", _TIME)
    info.compress_type = zipfile.ZIP_DEFLATED
    with tempfile.TemporaryDirectory(prefix=".export-", dir=folder) as place:
        file = Path(place) / name
        objects.get_file(digest, file)
        info.file_size = file.stat().st_size  # so that large ones get the fields of large files
        with open(file, "rb") as source, archive.open(info, "w") as target:
            shutil.copyfileobj(source, target, 1 << 20)


def _is_known(workspace: Workspace, run_id: str) -> bool:
    try:
        return workspace.ledger.get(run_id).id == run_id
    except NotFound:
        return False


def _plain(value: Any) -> Any:
    """Strict JSON has no NaN and no infinity: they are texts here, and numbers again in the ledger."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


__all__ = ["Exported", "Imported", "export_runs", "import_runs"]

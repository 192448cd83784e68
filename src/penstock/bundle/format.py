"""The bundle folder: files under digests, written all at once, and refused when a single bit has changed.

``manifest.json`` lists every other file with its digest and size. The bundle's own digest is that of the canonical JSON
``{"files": files}``: it depends on what the bundle does, not on when or by which release it was written. ``check`` is the
digest of the rest of the manifest, so that a change in the manifest itself is found too.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.errors import BundleError, NewerFormat, StoreFull
from penstock.objects.digests import canonical_json, digest_of

FORMAT = 1
MANIFEST = "manifest.json"
REQUIRED = ("decoder.json", "graph.onnx", "signature.json", "examples.json")


@dataclass(frozen=True)
class BundleFiles:
    """A bundle folder as it was read: the manifest, and the bytes of the files that were asked for."""

    folder: Path
    digest: str
    manifest: dict[str, Any]
    files: dict[str, bytes]


def write_bundle(folder: Path, files: Mapping[str, bytes], audit_head: str) -> str:
    """Write a bundle folder, all or nothing, and return its digest.

    Parameters
    ----------
    folder : must not exist yet, unless it holds this very bundle.
    files : plain file name -> bytes; at least those of `REQUIRED`.
    audit_head : the head of the audit trail, so that cutting the trail's tail shows.

    Raises
    ------
    BundleError : a file is lacking or wrongly named, or the folder holds something else.
    StoreFull : no space left; nothing half-written stays behind.
    """
    from penstock import __version__

    lacking = [name for name in REQUIRED if name not in files]
    misnamed = [name for name in files if not _is_plain(name)]
    if lacking or misnamed:
        raise BundleError(
            f"a bundle cannot be written to {folder}",
            why=f"files lacking: {lacking}; names that are not plain file names: {misnamed}",
            way_out=f"give {', '.join(REQUIRED)} and names without a folder",
        )
    listed = {name: {"digest": digest_of(data), "size_bytes": len(data)} for name, data in sorted(files.items())}
    manifest = {
        "format": FORMAT,
        "kind": "penstock-bundle",
        "created_by": f"penstock {__version__}",
        "files": listed,
        "audit_head": audit_head,
    }
    manifest["check"] = digest_of(canonical_json(manifest))
    own_digest = digest_of(canonical_json({"files": listed}))
    folder = Path(folder)
    if folder.exists():
        if read_bundle(folder).digest == own_digest:
            return own_digest
        raise BundleError(
            f"{folder} already holds another bundle", why="a bundle is never changed", way_out="write to a new folder"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.parent / f".{folder.name}.{os.urandom(6).hex()}"
    try:
        draft.mkdir()
        for name, data in {**files, MANIFEST: canonical_json(manifest)}.items():
            _write_synced(draft / name, data)
        _sync_folder(draft)
        draft.rename(folder)
        _sync_folder(folder.parent)
    except BaseException as error:
        from shutil import rmtree

        rmtree(draft, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreFull(
                f"no space left to write the bundle {folder}",
                why=str(error),
                way_out="free some space and run it again",
            ) from error
        raise
    return own_digest


def read_bundle(folder: Path, *, verify: bool = True) -> BundleFiles:
    """Read a bundle folder and check every listed file.

    Parameters
    ----------
    verify : compare digests; False compares sizes only, for a folder that this process has just written.

    Raises
    ------
    BundleError : a file is missing, damaged, or of the wrong size; it is named.
    NewerFormat : written by a later release.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder)
    files: dict[str, bytes] = {}
    for name, entry in manifest["files"].items():
        data = _read(folder, name)
        if len(data) != entry["size_bytes"] or (verify and digest_of(data) != entry["digest"]):
            raise _damaged(folder, name, f"its {len(data)} bytes are not the {entry['size_bytes']} that were written")
        files[name] = data
    return BundleFiles(folder, digest_of(canonical_json({"files": manifest["files"]})), manifest, files)


def open_bundle(folder: Path) -> BundleFiles:
    """A bundle folder of which the manifest alone was read: `read_file` reads of it what is wanted. Raises as `read_bundle`."""
    folder = Path(folder)
    manifest = _read_manifest(folder)
    return BundleFiles(folder, digest_of(canonical_json({"files": manifest["files"]})), manifest, {})


def read_file(bundle: BundleFiles, name: str) -> bytes:
    """One file of a bundle that was read before, checked again.

    Raises
    ------
    BundleError : the bundle has no such file, or it has changed since.
    """
    if name not in bundle.manifest["files"]:
        raise BundleError(
            f"the bundle {bundle.folder} has no file {name!r}",
            why=f"it holds {', '.join(sorted(bundle.manifest['files']))}",
            way_out="package the model again with this release",
        )
    data = _read(bundle.folder, name)
    if digest_of(data) != bundle.manifest["files"][name]["digest"]:
        raise _damaged(bundle.folder, name, "its digest has changed")
    return data


def parse_object(data: bytes, name: str, folder: Path) -> dict[str, Any]:
    """A stored JSON object; BundleError naming the file when it is none."""
    try:
        value = json.loads(data)
    except ValueError as error:  # UnicodeDecodeError is one too
        raise _damaged(folder, name, f"it is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise _damaged(folder, name, "it is no JSON object")
    return value


def _read_manifest(folder: Path) -> dict[str, Any]:
    data = _read(folder, MANIFEST)
    manifest = parse_object(data, MANIFEST, folder)
    number = manifest.get("format")
    if isinstance(number, int) and number > FORMAT:
        raise NewerFormat(
            f"the bundle {folder} has format {number}",
            why=f"this release of Penstock knows formats up to {FORMAT}",
            way_out="upgrade Penstock",
        )
    rest = {key: value for key, value in manifest.items() if key != "check"}
    try:
        is_whole = manifest.get("check") == digest_of(canonical_json(rest)) and data == canonical_json(manifest)
    except UnicodeEncodeError:  # JSON can name half a character, which no text in UTF-8 has
        is_whole = False
    if not is_whole:
        raise _damaged(folder, MANIFEST, "it does not match its own digest")
    listed = manifest.get("files")
    if number != FORMAT or manifest.get("kind") != "penstock-bundle" or not isinstance(listed, dict):
        raise BundleError(
            f"{folder} is not a bundle", why=f"{MANIFEST} says so", way_out="give the folder of a packaged model"
        )
    lacking = [name for name in REQUIRED if name not in listed]
    if lacking or not all(_is_plain(name) for name in listed):
        raise _damaged(folder, MANIFEST, f"it does not list {', '.join(lacking)}" if lacking else "it lists odd names")
    return manifest


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError as error:
        if not folder.is_dir():
            raise BundleError(
                f"there is no bundle at {folder}", why="the folder does not exist", way_out="check the path"
            ) from error
        raise _damaged(folder, name, "it is missing") from error
    except OSError as error:
        raise _damaged(folder, name, f"it cannot be read: {error}") from error


def _damaged(folder: Path, name: str, why: str) -> BundleError:
    return BundleError(
        f"{name} in the bundle {folder} is damaged",
        why=why,
        way_out="copy the bundle again, or go back to another version",
    )


def _is_plain(name: str) -> bool:
    return name not in ("", MANIFEST) and not name.startswith(".") and not set(name) & set("/\\:\0")


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows cannot sync a folder
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

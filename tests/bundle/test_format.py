"""A bundle folder is written whole or not at all, and any change to it is found."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from penstock.bundle.format import MANIFEST, REQUIRED, read_bundle, read_file, write_bundle
from penstock.bundle.runtime import Bundle
from penstock.errors import BundleError, NewerFormat, StoreFull
from penstock.objects.digests import canonical_json, digest_of

FILES = {name: f"contents of {name}".encode() for name in (*REQUIRED, "reference.json", "card.md")}


@pytest.fixture
def copy(tmp_path: Path, toy_folders: dict[str, Path]) -> Path:
    """A toy bundle that a test may break."""
    return Path(shutil.copytree(toy_folders["binary"], tmp_path / "copy"))


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    """Files, digest and audit head."""
    own = write_bundle(tmp_path / "b", FILES, audit_head="sha256:abc")
    read = read_bundle(tmp_path / "b")
    assert read.files == FILES
    assert read.digest == own == digest_of(canonical_json({"files": read.manifest["files"]}))
    assert read.manifest["audit_head"] == "sha256:abc"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b"]


def test_the_digest_depends_on_the_files_only(tmp_path: Path) -> None:
    """Neither on the audit trail nor on the order of the files."""
    one = write_bundle(tmp_path / "one", FILES, audit_head="x")
    other = write_bundle(tmp_path / "other", dict(reversed(FILES.items())), audit_head="y")
    assert one == other
    assert one != write_bundle(tmp_path / "third", {**FILES, "card.md": b"else"}, audit_head="x")


def test_writing_the_same_bundle_again_is_fine_and_another_is_refused(tmp_path: Path) -> None:
    """A bundle is never changed."""
    own = write_bundle(tmp_path / "b", FILES, audit_head="x")
    assert write_bundle(tmp_path / "b", FILES, audit_head="x") == own
    with pytest.raises(BundleError, match="already holds another"):
        write_bundle(tmp_path / "b", {**FILES, "card.md": b"else"}, audit_head="x")


@pytest.mark.parametrize("name", ["../evil", "a/b", ".hidden", MANIFEST, "", "c:d"])
def test_a_name_that_is_no_plain_file_name_is_refused(tmp_path: Path, name: str) -> None:
    """Nothing is written outside the folder."""
    with pytest.raises(BundleError, match="cannot be written"):
        write_bundle(tmp_path / "b", {**FILES, name: b"x"}, audit_head="x")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ENOSPC while syncing ends in StoreFull without a half-written folder."""

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreFull, match="no space left"):
        write_bundle(tmp_path / "b", FILES, audit_head="x")
    assert not list(tmp_path.iterdir())


def test_another_failure_leaves_nothing_behind_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted write is as if it had not begun."""

    def interrupted(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_bundle(tmp_path / "b", FILES, audit_head="x")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("where", [0.0, 0.5, 1.0])
def test_a_flipped_bit_in_any_file_is_found_and_the_file_is_named(copy: Path, where: float) -> None:
    """Every file, the manifest too, at its beginning, middle and end."""
    for path in sorted(copy.iterdir()):
        sound = path.read_bytes()
        broken = bytearray(sound)
        broken[int(where * (len(broken) - 1))] ^= 0b100
        path.write_bytes(broken)
        with pytest.raises(BundleError, match=path.name):
            Bundle.load(copy)
        path.write_bytes(sound)
    Bundle.load(copy)


def test_every_flipped_bit_of_the_manifest_is_found(copy: Path) -> None:
    """Also those in the fields that no file depends on."""
    path = copy / MANIFEST
    sound = path.read_bytes()
    for position in range(0, len(sound), 3):
        broken = bytearray(sound)
        broken[position] ^= 1 << (position % 8)
        path.write_bytes(broken)
        with pytest.raises((BundleError, NewerFormat)):
            read_bundle(copy)


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("change", ["missing", "empty", "truncated", "longer", "folder"])
def test_a_missing_truncated_or_longer_file_is_named(copy: Path, change: str, verify: bool) -> None:
    """Also without comparing digests."""
    for path in sorted(copy.iterdir()):
        sound = path.read_bytes()
        path.unlink()
        if change == "folder":
            path.mkdir()
        elif change != "missing":
            path.write_bytes({"empty": b"", "truncated": sound[:-1], "longer": sound + b"\n"}[change])
        with pytest.raises(BundleError, match=path.name):
            Bundle.load(copy, verify=verify)
        if path.is_dir():
            path.rmdir()
        path.write_bytes(sound)


def test_a_folder_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    """Rather than its manifest."""
    with pytest.raises(BundleError, match="there is no bundle"):
        Bundle.load(tmp_path / "nowhere")


def test_a_newer_format_asks_for_an_upgrade(copy: Path) -> None:
    """Before anything else is looked at."""
    (copy / MANIFEST).write_bytes(canonical_json({"format": 2, "things": "unheard of"}))
    with pytest.raises(NewerFormat, match="format 2"):
        Bundle.load(copy)


@pytest.mark.parametrize("change", [{"kind": "dataset"}, {"files": {}}, {"files": {"../x": {}}}, {"format": None}])
def test_a_well_formed_manifest_of_something_else_is_refused(copy: Path, change: dict[str, object]) -> None:
    """Its own digest alone does not make it a bundle."""
    manifest = json.loads((copy / MANIFEST).read_bytes())
    manifest.update(change)
    del manifest["check"]
    (copy / MANIFEST).write_bytes(canonical_json({**manifest, "check": digest_of(canonical_json(manifest))}))
    with pytest.raises(BundleError):
        read_bundle(copy)


def test_a_file_that_changes_after_loading_is_found_when_it_is_read(copy: Path) -> None:
    """What is read later is checked later."""
    loaded = Bundle.load(copy)
    assert loaded.card["model"] == "toy"
    (copy / "reference.json").write_bytes(b"{}")
    with pytest.raises(BundleError, match=r"reference\.json"):
        _ = loaded.reference
    with pytest.raises(BundleError, match=r"no file 'nothing\.txt'"):
        loaded.read("nothing.txt")


def test_a_file_that_the_manifest_does_not_list_is_left_alone(copy: Path) -> None:
    """A stray .DS_Store does not stop a server, and is no part of the bundle."""
    (copy / ".DS_Store").write_bytes(b"x")
    read = read_bundle(copy)
    assert ".DS_Store" not in read.files
    with pytest.raises(BundleError):
        read_file(read, ".DS_Store")


def test_half_a_character_in_the_manifest_is_damage(copy: Path) -> None:
    """JSON can name it, and no file in UTF-8 holds it."""
    manifest = json.loads((copy / "manifest.json").read_bytes())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "created_by": "\ud800"}), encoding="utf-8")
    with pytest.raises(BundleError, match="does not match its own digest"):
        read_bundle(copy)

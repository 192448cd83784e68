"""The files of a run: what it read and what it wrote."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from penstock.experiments.capture.declared import DeclaredOutputs, stamps_of
from penstock.experiments.capture.files import keep_outputs, take_inputs
from penstock.experiments.capture.source import snapshot
from penstock.objects.digests import digest_of
from penstock.objects.tree import read_tree
from penstock.project.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    root = tmp_path / "up" / "shop"
    root.mkdir(parents=True)
    return Workspace(root)


def write(file: Path, data: bytes = b"a,b\n1,2\n", age_s: float = 60) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    os.utime(file, (time.time() - age_s,) * 2)
    return file


def kept(workspace: Workspace, digest: str | None) -> dict[str, bytes]:
    if digest is None:
        return {}
    tree = read_tree(workspace.objects, digest)
    return {path: tree.read(path) for path in tree.files}


def test_what_was_read_is_told_and_kept(workspace: Workspace) -> None:
    """By digest, under a name relative to the workspace, small and large."""
    large = os.urandom(300_000)
    paths = [
        write(workspace.root / "data" / "a.csv"),
        write(workspace.root / "data" / "b.bin", large),
        write(workspace.root.parent / "shared" / "c.csv", b"c"),
    ]
    found = take_inputs(workspace, [*paths, paths[0]])
    assert found.files == {
        "../shared/c.csv": digest_of(b"c"),
        "data/a.csv": digest_of(b"a,b\n1,2\n"),
        "data/b.bin": digest_of(large),
    }
    assert kept(workspace, found.tree) == {
        "_outside/1/shared/c.csv": b"c",
        "data/a.csv": b"a,b\n1,2\n",
        "data/b.bin": large,
    }
    assert take_inputs(workspace, paths) == found


def test_large_and_secret_files_are_told_by_digest_only(workspace: Workspace) -> None:
    """So is a source with sealed rows."""
    write(workspace.root / "penstock.toml", b"[run]\nkeep_inputs_bytes = 100\n")
    paths = [
        write(workspace.root / "big.csv", b"x" * 101),
        write(workspace.root / ".env", b"A=geheim"),
        write(workspace.root / "sealed.csv", b"s"),
        write(workspace.root / "ok.csv", b"ok"),
    ]
    found = take_inputs(workspace, paths, sealed=[workspace.root / "sealed.csv"])
    assert set(found.files) == {"big.csv", ".env", "sealed.csv", "ok.csv"}
    assert kept(workspace, found.tree) == {"ok.csv": b"ok"}


def test_source_packages_and_the_system_are_no_inputs(workspace: Workspace, tmp_path: Path) -> None:
    """Each has its own place in the record."""
    script = write(workspace.root / "train.py", b"x = 1\n")
    source = snapshot(workspace, script).digest
    package = write(tmp_path / "env" / "lib" / "p.py")
    state = write(workspace.state / "parts" / "train.parquet")
    paths = [script, package, state, "/proc/cpuinfo", "/etc/passwd", "/dev/null", workspace.root]
    assert take_inputs(workspace, paths, source=source, prefixes=[str(tmp_path / "env")]).files == {}


def test_what_changed_during_the_run_is_not_what_was_read(workspace: Workspace) -> None:
    """It is told as left out; so is what is gone. A time in the future (another machine's clock) is no change."""
    write(workspace.root / "old.csv", b"old")
    write(workspace.root / "future.csv", b"future", age_s=-1e8)
    write(workspace.root / "new.csv", b"new")
    stamps = stamps_of(workspace.root, ["*.csv"])
    write(workspace.root / "new.csv", b"new", age_s=0)
    names = ("old.csv", "future.csv", "new.csv", "gone.csv")
    found = take_inputs(workspace, [workspace.root / n for n in names], stamps=stamps)
    assert set(found.files) == {"old.csv", "future.csv"}
    assert found.left_out == [
        {"path": "new.csv", "why": "it changed during the run"},
        {"path": "gone.csv", "why": "it is gone"},
    ]


def test_names_that_cannot_be_stored_are_told(workspace: Workspace) -> None:
    """A run does not fail for the name of a file."""
    odd = write(workspace.root / os.fsdecode(b"\xff.csv"))
    large = write(workspace.root / os.fsdecode(b"\xfe.csv"), b"x" * 300_000)
    found = take_inputs(workspace, [odd, large])
    assert found.left_out == [{"path": "\\udcff.csv", "why": "its name cannot be stored"}]
    assert found.files == {"\\udcfe.csv": digest_of(b"x" * 300_000)}
    folder = workspace.root / "files"
    write(folder / os.fsdecode(b"\xff.txt"))
    write(folder / "a.txt", b"a")
    outputs = keep_outputs(workspace, folder)
    assert kept(workspace, outputs.tree) == {"a.txt": b"a"}
    assert outputs.left_out == [{"path": "\\udcff.txt", "why": "its name cannot be stored"}]


def test_what_was_written_is_kept(workspace: Workspace) -> None:
    """The run's own folder, and the declared outputs that are new or have changed."""
    write(workspace.root / "models" / "old.pt", b"old")
    write(workspace.root / "models" / "again.pt", b"v1")
    declared = DeclaredOutputs(workspace, ["models", "*.json", "../out/**/*.txt", "none/*"])
    write(workspace.root / "models" / "again.pt", b"v2", age_s=5)
    write(workspace.root / "models" / "sub" / "new.pt", b"new")
    write(workspace.root / "metrics.json", b"{}")
    write(workspace.root / "other.txt", b"no")
    write(workspace.root.parent / "out" / "deep" / "log.txt", b"log")
    folder = workspace.runs_folder / "r1" / "files"
    write(folder / "plot.png", b"png")
    write(folder / "metrics.json", b"mine")
    outputs = keep_outputs(workspace, folder, declared.written())
    assert kept(workspace, outputs.tree) == {
        "_outside/1/out/deep/log.txt": b"log",
        "metrics.json": b"mine",
        "metrics.json.2": b"{}",
        "models/again.pt": b"v2",
        "models/sub/new.pt": b"new",
        "plot.png": b"png",
    }
    assert outputs.files == 6
    assert outputs.size_bytes == sum(map(len, kept(workspace, outputs.tree).values()))


def test_a_run_that_wrote_nothing_has_no_tree(workspace: Workspace) -> None:
    """Its folder may be missing."""
    outputs = keep_outputs(workspace, workspace.runs_folder / "r1" / "files")
    assert (outputs.tree, outputs.files) == (None, 0)


def test_a_file_and_a_folder_of_one_name_do_not_clash(workspace: Workspace) -> None:
    """They may come from two places."""
    folder = workspace.runs_folder / "r1" / "files"
    write(folder / "model", b"file")
    declared = DeclaredOutputs(workspace, ["model"])
    write(workspace.root / "model" / "a.bin", b"a")
    outputs = keep_outputs(workspace, folder, declared.written())
    assert kept(workspace, outputs.tree) == {"model/a.bin": b"a"}
    assert outputs.left_out == [{"path": "model", "why": "there is a folder of this name too"}]


def test_links_pipes_and_the_unreadable_do_not_stop_it(workspace: Workspace) -> None:
    """What a program leaves behind may be anything."""
    folder = workspace.runs_folder / "r1" / "files"
    write(folder / "a.txt", b"a")
    (folder / "loop").symlink_to(folder)
    (folder / "away").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe")
    assert kept(workspace, keep_outputs(workspace, folder, [workspace.root / "gone.txt"]).tree) == {"a.txt": b"a"}

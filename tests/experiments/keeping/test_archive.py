"""Runs as one file: written, read elsewhere, and refused where it cannot be trusted."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import ArchiveError, NewerFormat, StoreFull
from penstock.experiments.capture.files import keep_outputs
from penstock.experiments.capture.source import snapshot
from penstock.experiments.keeping.archive import export_runs, import_runs
from penstock.objects.digests import digest_of
from penstock.objects.tree import MEDIA, read_tree
from penstock.project.workspace import Workspace


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with one recorded run."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "train.py").write_text("print('hi')\n")
    return Workspace(tmp_path / "a")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Workspace:
    (tmp_path / "b").mkdir()
    return Workspace(tmp_path / "b")


def record_run(workspace: Workspace, *, parent: str | None = None) -> str:
    """A run with everything that one can have."""
    files = workspace.root / "made"
    files.mkdir(exist_ok=True)
    (files / "model.bin").write_bytes(b"m" * 300_000)
    (files / "note.txt").write_text("n")
    outputs = keep_outputs(workspace, files)
    assert outputs.tree is not None
    inputs = {"source": snapshot(workspace).digest, "files": {"gone.csv": digest_of(b"gone")}}
    environment = {"python": "3.11.7", "packages": {"numpy": "2.0"}}
    with workspace.ledger.run(
        "train.py",
        params={"lr": 0.1, "api_key": "***"},
        inputs=inputs,
        environment=environment,
        tags={"best": ""},
        parent=parent,
    ) as run:
        run.log(step=1, loss=0.5)
        run.log(step=2, loss=math.nan)
        run.metric("loss", math.nan)
        run.metric("auc", 0.9, low=0.8, high=0.95)
        run.keep("console", b"hi\n", media="text/plain")
        run.record(artifacts={"files": {"digest": outputs.tree, "size_bytes": outputs.size_bytes, "media": MEDIA}})
        run.output("kind", "script")
    workspace.ledger.note(run.id, "looks good", who="ada")
    return run.id


def test_another_machine_reads_the_same(here: Workspace, elsewhere: Workspace, tmp_path: Path) -> None:
    """Record, log, artifacts, files, source, tags and notes."""
    run = record_run(here)
    done = export_runs(here, [run], tmp_path / "runs.zip")
    assert (done.runs, done.lost) == ([run], [])
    taken = import_runs(elsewhere, tmp_path / "runs.zip")
    assert (taken.runs, taken.known, taken.objects) == ([run], [], done.objects)
    was, now = here.ledger.get(run), elsewhere.ledger.get(run)
    for name in (
        "operation",
        "status",
        "started_at",
        "ended_at",
        "params",
        "inputs",
        "outputs",
        "environment",
        "artifacts",
        "who",
        "host",
    ):
        assert getattr(was, name) == getattr(now, name), name
    assert now.notes == was.notes
    assert math.isnan(now.metrics["loss"]["value"] or 0)
    assert now.metrics["auc"] == {"value": 0.9, "low": 0.8, "high": 0.95}
    assert set(now.tags) == {"best", "imported"}
    assert [line["step"] for line in elsewhere.ledger.log_of(now)] == [1, 2]
    assert elsewhere.ledger.artifact(now, "console") == b"hi\n"
    tree = read_tree(elsewhere.objects, now.artifacts["files"]["digest"])
    assert tree.read("model.bin") == b"m" * 300_000
    assert read_tree(elsewhere.objects, now.inputs["source"]).read("train.py") == b"print('hi')\n"
    assert elsewhere.ledger.lineage(run).of(run, "input")
    assert [event.what for event in elsewhere.ledger.audit.events()][-1:] == ["import"]


def test_a_batch_takes_its_runs_along(here: Workspace, elsewhere: Workspace, tmp_path: Path) -> None:
    """And an inner run alone stands for itself elsewhere."""
    with here.ledger.run("batch") as batch:
        pass
    inner = [record_run(here, parent=batch.id) for _ in range(2)]
    export_runs(here, [batch.id], tmp_path / "all.zip")
    export_runs(here, inner[:1], tmp_path / "one.zip")
    assert import_runs(elsewhere, tmp_path / "one.zip").runs == inner[:1]
    assert elsewhere.ledger.get(inner[0]).parent is None
    taken = import_runs(elsewhere, tmp_path / "all.zip")
    assert (taken.runs, taken.known) == (sorted([batch.id, inner[1]]), inner[:1])
    assert elsewhere.ledger.get(inner[1]).parent == batch.id


def test_a_run_imported_twice_is_said_and_left_alone(here: Workspace, elsewhere: Workspace, tmp_path: Path) -> None:
    """Also in the ledger that it came from."""
    run = record_run(here)
    export_runs(here, [run], tmp_path / "runs.zip")
    import_runs(elsewhere, tmp_path / "runs.zip")
    elsewhere.ledger.tag(run, {"mine": "yes"})
    again = import_runs(elsewhere, tmp_path / "runs.zip")
    assert (again.runs, again.known) == ([], [run])
    assert f"{run} was here before" in again.to_text()
    assert elsewhere.ledger.get(run).tags["mine"] == "yes"
    assert import_runs(here, tmp_path / "runs.zip").known == [run]


def test_what_others_computed_is_never_taken_for_known(here: Workspace, elsewhere: Workspace, tmp_path: Path) -> None:
    """Neither as a cached result, nor as the proof that a gate asks for."""
    with here.ledger.run("ingest", inputs={"x": 1}) as run:
        pass
    with here.ledger.run("reproduction", inputs={"reproduces": run.id}) as proof:
        proof.output("verdict", "identical")
    export_runs(here, [run.id, proof.id], tmp_path / "runs.zip")
    import_runs(elsewhere, tmp_path / "runs.zip")
    assert elsewhere.ledger.find("ingest", elsewhere.ledger.key_of("ingest", {"x": 1})) is None
    assert elsewhere.ledger.runs("reproduction") == []


def test_the_same_runs_are_the_same_archive(here: Workspace, tmp_path: Path) -> None:
    """It can be compared by its digest; and none is written over."""
    run = record_run(here)
    export_runs(here, [run], tmp_path / "1.zip")
    export_runs(here, [run], tmp_path / "2.zip")
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    with pytest.raises(ArchiveError, match="there already"):
        export_runs(here, [run], tmp_path / "1.zip")


def test_what_was_purged_is_told(here: Workspace, elsewhere: Workspace, tmp_path: Path) -> None:
    """The rest can be read."""
    run = record_run(here)
    here.objects.delete(here.ledger.get(run).artifacts["console"]["digest"])
    done = export_runs(here, [run], tmp_path / "runs.zip")
    assert done.lost == [{"run": run, "name": "console"}]
    assert "which is stored no more" in done.to_text()
    assert import_runs(elsewhere, tmp_path / "runs.zip").runs == [run]


@pytest.fixture
def archive(here: Workspace, tmp_path: Path) -> Callable[..., Path]:
    """Writes an archive in which something was changed: ``archive(change)`` is given name -> bytes."""
    run = record_run(here)
    export_runs(here, [run], tmp_path / "good.zip")

    def make(change: Callable[[dict[str, bytes], str], None]) -> Path:
        with zipfile.ZipFile(tmp_path / "good.zip") as good:
            members = {info.filename: good.read(info) for info in good.infolist()}
        change(members, run)
        with zipfile.ZipFile(tmp_path / "bad.zip", "w") as bad:
            for name, data in members.items():
                bad.writestr(name, data)
        return tmp_path / "bad.zip"

    return make


def assert_nothing_taken(
    workspace: Workspace, path: Path, tmp_path: Path, match: str = ".", error: type[Exception] = ArchiveError
) -> None:
    before = sorted(p for p in tmp_path.rglob("*") if ".penstock" not in p.parts)
    with pytest.raises(error, match=match):
        import_runs(workspace, path)
    assert workspace.ledger.runs() == []
    assert list(workspace.objects.digests()) == []
    assert sorted(p for p in tmp_path.rglob("*") if ".penstock" not in p.parts) == before
    assert not list(workspace.state.glob("import-*"))


@pytest.mark.parametrize(
    "name", ["../evil.py", "/tmp/evil.py", "objects/../../evil", "runs/../../x.json", "objects/ab/" + "0" * 61 + "/x", "C:/evil", "x.txt", "runs/a/b.json"]
)  # fmt: skip
def test_paths_outside_of_the_archive_are_refused(
    archive: Callable[..., Path], elsewhere: Workspace, tmp_path: Path, name: str
) -> None:
    """Whatever it is that leads out, nothing is taken over and nothing is written."""

    def change(members: dict[str, bytes], run: str) -> None:
        members[name] = b"evil"

    assert_nothing_taken(elsewhere, archive(change), tmp_path, "leads out of the folder, or is of no known kind")


def test_links_are_refused(archive: Callable[..., Path], elsewhere: Workspace, tmp_path: Path) -> None:
    """Under a name that would be right."""
    path = archive(lambda members, run: None)
    with zipfile.ZipFile(path, "a") as bad:
        info = zipfile.ZipInfo("objects/ab/" + "0" * 62)
        info.external_attr = 0o120777 << 16
        bad.writestr(info, "/etc/passwd")
    assert_nothing_taken(elsewhere, path, tmp_path, "it is a link")


def test_a_member_that_is_there_twice_is_refused(
    archive: Callable[..., Path], elsewhere: Workspace, tmp_path: Path
) -> None:
    """Programs differ in which of the two they show."""
    path = archive(lambda members, run: None)
    with zipfile.ZipFile(path, "a") as bad, pytest.warns(UserWarning, match="Duplicate name"):
        bad.writestr("penstock.json", bad.read("penstock.json"))
    assert_nothing_taken(elsewhere, path, tmp_path, "twice")


def change_record(**fields: Any) -> Callable[[dict[str, bytes], str], None]:
    def change(members: dict[str, bytes], run: str) -> None:
        name = f"runs/{run}.json"
        members[name] = json.dumps({**json.loads(members[name]), **fields}).encode()

    return change


def flip_object(members: dict[str, bytes], run: str) -> None:
    name = next(n for n in members if n.startswith("objects/"))
    members[name] = b"x" + members[name]


def drop_object(members: dict[str, bytes], run: str) -> None:
    del members[next(n for n in members if n.startswith("objects/"))]


def head(**fields: Any) -> Callable[[dict[str, bytes], str], None]:
    def change(members: dict[str, bytes], run: str) -> None:
        members["penstock.json"] = json.dumps({**json.loads(members["penstock.json"]), **fields}).encode()

    return change


@pytest.mark.parametrize(
    "change",
    [
        flip_object,
        drop_object,
        head(kind="other"),
        head(runs=["x"]),
        head(runs=3),
        change_record(id="20260101T000000-000000"),
        change_record(status=3),
        change_record(started_at="yesterday"),
        change_record(params=[1]),
        change_record(metrics={"a": {"value": "0.1"}}),
        change_record(artifacts={"a": {"digest": "x", "size_bytes": 1, "media": "t"}}),
        change_record(log="sha256:../../etc"),
        change_record(notes="x"),
        change_record(tags={"": "x"}),
        lambda members, run: members.pop("penstock.json"),
        lambda members, run: members.update({f"runs/{run}.json": b"{"}),
    ],
)
def test_a_damaged_archive_is_refused_as_a_whole(
    archive: Callable[..., Path], elsewhere: Workspace, tmp_path: Path, change: Callable[[dict[str, bytes], str], None]
) -> None:
    """Nothing of it is taken over."""
    assert_nothing_taken(elsewhere, archive(change), tmp_path)


def test_what_cannot_be_opened_says_why(elsewhere: Workspace, tmp_path: Path) -> None:
    """A folder, a name that is too long, a file within a file."""
    with pytest.raises(ArchiveError, match=r"cannot be read\s+why: Is a directory\s+try: .*`penstock export`"):
        import_runs(elsewhere, tmp_path)
    with pytest.raises(ArchiveError, match=r"cannot be read\s+why: File name too long"):
        import_runs(elsewhere, tmp_path / ("x" * 300))
    (tmp_path / "file").write_text("x")
    with pytest.raises(ArchiveError, match=r"cannot be read\s+why: Not a directory"):
        import_runs(elsewhere, tmp_path / "file" / "runs.zip")


def test_what_is_no_archive_is_refused(elsewhere: Workspace, archive: Callable[..., Path], tmp_path: Path) -> None:
    """A text, nothing, a part of one, one of a later release."""
    (tmp_path / "text.zip").write_text("hello")
    whole = archive(lambda members, run: None).read_bytes()
    (tmp_path / "part.zip").write_bytes(whole[: len(whole) // 2])
    for name in ("text.zip", "missing.zip", "part.zip"):
        with pytest.raises(ArchiveError):
            import_runs(elsewhere, tmp_path / name)
    with pytest.raises(NewerFormat, match="has format 9"):
        import_runs(elsewhere, archive(head(format=9)))


def test_a_bomb_is_refused_before_it_is_unpacked(
    archive: Callable[..., Path], elsewhere: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it says it would take is more than there is."""
    import shutil

    path = archive(lambda members, run: None)
    elsewhere.ledger.runs()
    free = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: free)
    assert_nothing_taken(elsewhere, path, tmp_path, "does not fit", StoreFull)

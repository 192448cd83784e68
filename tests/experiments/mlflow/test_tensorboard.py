"""Event files of our own are read by TensorBoard's own reader, and by ours."""

from __future__ import annotations

import math
import signal
import struct
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import NotFound, StoreError
from penstock.experiments.metrics.event_writer import EventWriter
from penstock.experiments.metrics.events import EventFile
from penstock.experiments.metrics.tensorboard import Board
from penstock.project.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "ours").mkdir()
    return Workspace(tmp_path / "ours")


def theirs(folder: Path) -> dict[str, list[Any]]:
    """Tag -> events, as TensorBoard itself reads a folder."""
    module = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="the extra tensorboard is not installed"
    )
    accumulator = module.EventAccumulator(str(folder), size_guidance={"tensors": 0, "scalars": 0}).Reload()
    scalars = {tag: accumulator.Scalars(tag) for tag in accumulator.Tags()["scalars"]}
    assert scalars or not accumulator.Tags()["tensors"]
    return scalars


def record(workspace: Workspace, values: list[float], **more: Any) -> str:
    with workspace.ledger.run("scripts/train.py", **more) as run:
        for step, value in enumerate(values):
            run.log(step=step * 10, loss=value, acc=1 - value)
    return run.id


@pytest.mark.parametrize("logdir", ["a-file", "a-file/below", "/proc/x"])
def test_a_folder_that_cannot_be_written_is_refused_by_name(workspace: Workspace, logdir: str) -> None:
    if logdir.startswith("/proc") and not Path("/proc").is_dir():
        pytest.skip("there is no /proc here")
    record(workspace, [1.0])
    (workspace.root / "a-file").write_text("x")
    with pytest.raises(StoreError, match=logdir) as refused:
        Board(workspace, workspace.root / logdir).write()
    assert "--logdir" in refused.value.way_out
    assert (workspace.root / "a-file").read_text() == "x"


def test_tensorboard_reads_what_a_run_has_logged(workspace: Workspace) -> None:
    run_id = record(workspace, [1.0, 0.5, math.nan, math.inf, 1e300, 0.25])
    events = Board(workspace).write([run_id])
    assert events.runs[run_id] == {"folder": f"scripts-train.py/{run_id}", "series": 2, "values": 12}
    found = theirs(Path(events.folder) / events.runs[run_id]["folder"])
    assert sorted(found) == ["acc", "loss"]
    assert [event.step for event in found["loss"]] == [0, 10, 20, 30, 40, 50]
    assert [repr(event.value) for event in found["loss"]] == ["1.0", "0.5", "nan", "inf", "inf", "0.25"]
    started = workspace.ledger.get(run_id).started_at
    assert abs(found["loss"][0].wall_time - time.time()) < 60, started


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
            st.integers(-(2**63), 2**63 - 1),
            st.floats(width=32),
            st.floats(0, 4e9),
        ),
        max_size=20,
    )
)
def test_whatever_is_written_is_read_again(tmp_path_factory: Any, written: list[tuple[str, int, float, float]]) -> None:
    path = tmp_path_factory.mktemp("events") / "events.out.tfevents.1.x"
    with EventWriter(path, wall_s=1.5) as writer:
        for tag, step, value, wall_s in written:
            writer.add(tag, step, value, wall_s)
    reader = EventFile(path)
    read = [(scalar.tag, scalar.step, scalar.value, scalar.wall_s) for scalar in reader.scalars()]
    assert reader.damaged == ""
    assert [(t, s, repr(v), w) for t, s, v, w in read] == [(t, s, repr(float(v)), w) for t, s, v, w in written]


def test_tensorboard_accepts_every_record(tmp_path: Path) -> None:
    """Its reader checks the checksums and ends at the first that is wrong."""
    with EventWriter(tmp_path / "events.out.tfevents.1.x", wall_s=1.0) as writer:
        for step in range(500):
            writer.add("val/loss é", step - 5, step / 7, 1_700_000_000.25 + step)
    found = theirs(tmp_path)["val/loss é"]
    assert [event.step for event in found] == list(range(-5, 495))
    assert found[3].value == struct.unpack("<f", struct.pack("<f", 3 / 7))[0]
    assert found[3].wall_time == 1_700_000_003.25


def test_a_second_call_writes_only_what_is_new(workspace: Workspace) -> None:
    first = record(workspace, [1.0])
    Board(workspace).write()
    second = record(workspace, [2.0])
    events = Board(workspace).write()
    assert (list(events.runs), events.known) == ([second], [first])


def test_a_line_without_a_step_counts_for_itself(workspace: Workspace) -> None:
    with workspace.ledger.run("train.py") as run:
        for value in (3.0, 2.0, 1.0):
            run.log(loss=value, name="text", flag=True)
    events = Board(workspace).write()
    found = theirs(Path(events.folder) / "train.py" / run.id)
    assert [(event.step, event.value) for event in found["loss"]] == [(0, 3.0), (1, 2.0), (2, 1.0)]
    assert list(found) == ["loss"]


def test_a_batch_brings_the_runs_inside_it(workspace: Workspace) -> None:
    with workspace.ledger.run("batch") as batch:
        inside = [record(workspace, [1.0, 0.5], parent=batch.id) for _ in range(3)]
    events = Board(workspace).write([batch.id])
    assert (sorted(events.runs), events.without) == (inside, [batch.id])


def test_a_run_that_goes_on_grows(workspace: Workspace) -> None:
    with workspace.ledger.run("train.py") as run:
        run.log(step=1, loss=1.0)
        board = Board(workspace)
        events = board.write()
        folder = Path(events.folder) / "train.py" / run.id
        assert len(theirs(folder)["loss"]) == 1
        run.log(step=2, loss=math.nan)
        assert board.follow() == 1
        assert len(theirs(folder)["loss"]) == 2
        assert board.follow() == 0
        board.close()
    again = Board(workspace).write()
    assert list(again.runs) == [run.id]
    assert len(list(folder.iterdir())) == 1, "the file of the run that went on is replaced"


def test_only_the_newest_are_written_unless_more_are_asked_for(workspace: Workspace) -> None:
    runs = [record(workspace, [1.0]) for _ in range(4)]
    events = Board(workspace).write(limit=2)
    assert (sorted(events.runs), events.more) == (runs[2:], True)
    assert "older runs" in events.to_text()
    with pytest.raises(NotFound):
        Board(workspace).write(["nothing"])


def test_the_command_line_only_writes_where_asked(workspace: Workspace, penstock: Any, tmp_path: Path) -> None:
    run_id = record(workspace, [1.0, 0.5])
    body = penstock(
        workspace.root,
        "tensorboard",
        "--no-start",
        "--logdir",
        str(tmp_path / "board"),
        "--filter",
        "operation ~ train",
    ).body
    assert body["runs"][run_id]["values"] == 4
    assert (tmp_path / "board" / "scripts-train.py" / run_id).is_dir()


def test_without_tensorboard_it_is_said_what_to_install(
    workspace: Workspace, penstock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(workspace, [1.0])
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    outcome = penstock(workspace.root, "tensorboard")
    assert (outcome.code, outcome.error["code"]) == (2, "missing-extra")
    assert "penstock[tensorboard]" in outcome.error["try"]
    assert penstock(workspace.root, "tensorboard", "--no-start").code == 0


@pytest.mark.slow
def test_tensorboard_is_started_and_shows_the_runs(workspace: Workspace, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    import socket

    run_id = record(workspace, [1.0, 0.5])
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    with open(tmp_path / "told.txt", "wb") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "penstock", "tensorboard", "--port", str(port)],
            cwd=workspace.root, stdout=told, stderr=told,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + 120
            text = ""
            while run_id not in text and time.monotonic() < deadline:
                try:
                    text = urllib.request.urlopen(f"http://localhost:{port}/data/runs", timeout=5).read().decode()
                except OSError:
                    assert process.poll() is None, (tmp_path / "told.txt").read_text()
                time.sleep(0.5)
            assert run_id in text, (tmp_path / "told.txt").read_text()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
    assert process.returncode == 0

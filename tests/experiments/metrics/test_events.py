"""TensorBoard's event files, as TensorBoard and PyTorch write them; its own reader is the second opinion."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import pytest

from penstock.experiments.metrics.events import EventFile, EventFiles, Scalar


def written(folder: Path, **scalars: list[float]) -> Path:
    """A file that PyTorch's writer makes."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        for tag, values in scalars.items():
            for step, value in enumerate(values):
                writer.add_scalar(tag, value, step)
    return next(folder.glob("events.out.tfevents.*"))


def test_scalars_are_those_that_tensorboard_reads(tmp_path: Path) -> None:
    """Tags, steps and values, NaN and infinity among them; texts, pictures, histograms and networks are passed over."""
    import numpy as np
    import torch
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        for step in range(50):
            writer.add_scalar("loss/train", 1 / (step + 1), step)
            writer.add_scalar("odd", [math.nan, math.inf, -math.inf, -1e-30, 3.0][step % 5], step * 10**9)
            writer.add_histogram("weights", np.arange(1000), step)
        writer.add_text("note", "hello: 1")
        writer.add_image("picture", torch.zeros(3, 8, 8))
        writer.add_scalar("negative", 1.0, -5)
        writer.add_scalar("new style", 2.5, 7, new_style=True)
        writer.add_scalar("double", 1 / 3, 8, new_style=True, double_precision=True)
    (file,) = tmp_path.glob("events*")
    ours = list(EventFile(file).scalars())
    theirs = EventAccumulator(str(file), size_guidance={"scalars": 0, "tensors": 0})
    theirs.Reload()
    tags = theirs.Tags()
    assert {s.tag for s in ours} == {*tags["scalars"], "new style", "double"}
    for tag in tags["scalars"]:
        expected = [(e.step, e.value, e.wall_time) for e in theirs.Scalars(tag)]
        assert repr([(s.step, s.value, s.wall_s) for s in ours if s.tag == tag]) == repr(expected)
    assert [(s.step, s.value) for s in ours if s.tag in ("new style", "double")] == [(7, 2.5), (8, 1 / 3)]


def test_a_growing_file_is_read_as_far_as_it_is_whole_at_every_byte(tmp_path: Path) -> None:
    """A record that is cut waits for its rest; nothing comes twice."""
    data = written(tmp_path / "a", loss=[0.5, 0.25, 0.125]).read_bytes()
    growing = tmp_path / "growing"
    reader, found = EventFile(growing), []
    for end in range(len(data) + 1):
        growing.write_bytes(data[:end])
        found += [s.value for s in reader.scalars()]
    assert found == [0.5, 0.25, 0.125]
    assert not reader.damaged


@pytest.mark.parametrize("part", ["length", "body"])
def test_damage_is_seen_by_its_checksum_and_what_was_before_is_kept(tmp_path: Path, part: str) -> None:
    """And it is told, not passed over."""
    file = written(tmp_path, loss=[0.5, 0.25, 0.125])
    data = bytearray(file.read_bytes())
    at = 0
    for _ in range(2):  # the version, the first value
        at += 12 + struct.unpack_from("<Q", data, at)[0] + 4
    data[at + (0 if part == "length" else 20)] ^= 0x40
    file.write_bytes(data)
    reader = EventFile(file)
    assert [s.value for s in reader.scalars()] == [0.5]
    assert "wrong checksum" in reader.damaged
    assert list(reader.scalars()) == []


def test_folders_tell_series_of_one_tag_apart(tmp_path: Path) -> None:
    """Keras writes train/ and validation/; PyTorch's `add_scalars` a folder for each; another writer has a folder of its own."""
    files = EventFiles()
    for folder in ("logs/train", "logs/validation", "other", "other/loss_a", "third"):
        files.add(str(written(tmp_path / folder, loss=[1.0])))
    assert [s.tag for s in files.scalars()] == ["train/loss", "validation/loss", "loss", "loss_a/loss", "third/loss"]


def test_a_long_record_is_passed_over_and_what_follows_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory has an end, and the file goes on."""
    from torch.utils.tensorboard import SummaryWriter

    monkeypatch.setattr("penstock.experiments.metrics.events.MOST_BYTES", 1000)
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar("a", 1, 0)
        writer.add_text("long", "x" * 5000)
        writer.add_scalar("a", 2, 1)
    reader = EventFile(next(tmp_path.glob("events*")))
    found: list[Scalar] = []
    for _ in range(3):
        found += reader.scalars()
    assert [s.value for s in found] == [1, 2]


def test_a_script_with_a_tensorboard_writer_needs_nothing_else(place: Any) -> None:
    """Wherever it writes; each value with the time at which it was written."""
    text = (
        "import time\nfrom torch.utils.tensorboard import SummaryWriter\nw = SummaryWriter('runs/exp')\n"
        "for i in range(20):\n    w.add_scalar('loss/train', 1 / (i + 1), i)\n    w.add_scalar('acc', i, i)\n    time.sleep(0.02)\nw.close()\n"
    )
    run = place.run_text(text)
    assert place.lines(run) == [
        {"step": i, "loss/train": pytest.approx(1 / (i + 1)), "acc": i} for i in range(20)
    ] or run.metrics == {"loss/train": pytest.approx(0.05), "acc": 19}
    times = [line["elapsed_s"] for line in place.workspace.ledger.log_of(place.record(run))]
    assert times == sorted(times)
    assert times[-1] - times[0] > 0.3
    assert place.record(run).outputs["series"]["acc"]["count"] == 20


def test_event_files_are_followed_while_the_script_runs(place: Any) -> None:
    """So that a hopeless trial can be stopped by them."""
    text = (
        "import time\nfrom torch.utils.tensorboard import SummaryWriter\nw = SummaryWriter('runs')\n"
        "for i in range(600):\n    w.add_scalar('loss', float(i), i)\n    w.flush()\n    time.sleep(0.1)\n"
    )
    run = place.run_text(text, on_metrics=lambda m: "enough" if m.get("loss", 0) >= 3 else None)
    assert (run.status, run.reason) == ("stopped", "enough")
    assert run.metrics["loss"] >= 3


def test_files_of_earlier_runs_are_not_read_again(place: Any) -> None:
    """Only what this run wrote."""
    text = "import sys\nfrom torch.utils.tensorboard import SummaryWriter\nw = SummaryWriter('runs')\nw.add_scalar(sys.argv[1], 1, 1)\nw.close()\n"
    place.write("train.py", text)
    import sys as system

    first = place.run(command=(system.executable, "train.py", "one"))
    second = place.run(command=(system.executable, "train.py", "two"))
    assert (list(first.metrics), list(second.metrics)) == (["one"], ["two"])

"""`penstock ls`, `cat` and `open`: the files of a run."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def run(bench: Any) -> str:
    made = str(bench.add("x", {}, files={"model.txt": "weights", "plots/a.txt": "A"}, source={"train.py": "1\n"}))
    bench.workspace.ledger.keep(made, "console", b"hello\n", media="text/plain")
    return made


def test_files_are_listed(run: str, cli: Any) -> None:
    """What it wrote, what it printed; a folder of it; its source."""
    assert [f["path"] for f in cli("ls", run).body["files"]] == ["console.log", "model.txt", "plots/a.txt"]
    assert [f["path"] for f in cli("ls", run, "plots").body["files"]] == ["plots/a.txt"]
    assert [f["path"] for f in cli("ls", run, "--source").body["files"]] == ["train.py"]
    assert cli("ls", run, "--inputs").body["files"] == []
    assert cli("ls", run, "nowhere").error["code"] == "not-found"
    assert cli("ls", run, "--inputs", "--source").error["code"] == "bad-parameter"


def test_a_file_is_printed(run: str, bench: Any, cli: Any) -> None:
    """As text, or base64 in JSON; the nearest name where it is wrong."""
    assert cli("cat", run, "model.txt").body["text"] == "weights"
    assert cli("cat", run, "train.py", "--source").body["text"] == "1\n"
    bench.workspace.ledger.keep(run, "console", b"\xff\xfe", media="text/plain")
    assert base64.b64decode(cli("cat", run, "console.log").body["base64"]) == b"\xff\xfe"
    assert cli("cat", run, "modle.txt").error["try"] == "write 'model.txt'"


def test_bytes_come_as_they_are(run: str, bench: Any) -> None:
    """On a pipe, without a newline more."""
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "penstock", "cat", run, "model.txt"],
        cwd=bench.workspace.root,
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"weights"


def test_files_are_laid_out(run: str, cli: Any, tmp_path: Path) -> None:
    """In a folder of the run, or a new one; one that is not empty is left alone."""
    done = cli("open", run)
    assert (Path(done.body["folder"]) / "plots/a.txt").read_text() == "A"
    assert done.body["shown"] is None
    into = tmp_path / "into"
    assert cli("open", run, "--into", str(into)).body["files"] == 3
    assert (into / "console.log").read_bytes() == b"hello\n"
    assert cli("open", run, "--into", str(into)).error["code"] == "source"
    assert cli("open", run, "nothing.txt").error["code"] == "not-found"


def test_the_files_of_a_run_that_goes_on(bench: Any, cli: Any) -> None:
    """What is in its folder by now."""
    ledger = bench.workspace.ledger
    with ledger.run("train.py", params={}) as going:
        (going.folder / "files").mkdir(parents=True)
        (going.folder / "files" / "part.txt").write_text("half")
        (going.folder / "console.log").write_text("so far\n")
        assert [f["path"] for f in cli("ls", going.id).body["files"]] == ["console.log", "part.txt"]
        assert cli("cat", going.id, "part.txt").body["text"] == "half"
        assert cli("show", going.id, "--log").body["console"] == "so far\n"

"""Sealed data: a script that opens the source itself is seen, whatever it reads it with."""

from __future__ import annotations

import sys
from typing import Any

import pytest

READERS = {
    "open": "open('data.csv').read()",
    "os": "import os\nos.read(os.open('data.csv', os.O_RDONLY), 10)",
    "a link": "import os\nos.symlink('data.csv', 'other.csv')\nopen('other.csv').read()",
    "a child": "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'open(\"data.csv\").read()'])",  # no file of its own
    "pathlib": "import pathlib\npathlib.Path('data.csv').read_bytes()",
}


@pytest.mark.parametrize("reader", READERS)
def test_what_python_opens_is_seen_with_its_line(place: Any, reader: str) -> None:
    """The audit hook sees every way through Python."""
    data = place.write("data.csv", "x\n1\n")
    run = place.run_text(READERS[reader] + "\n", watch=(data,))
    record = place.record(run)
    assert run.status == "done"
    assert run.unsealed == (str(data),)
    assert record.outputs["unsealed"] == ["data.csv"]
    how = record.outputs["unsealed_how"]["data.csv"]
    assert how.startswith("opened at train.py:") or (reader == "a child" and how == "opened by its Python")
    assert "UNSEALED" in run.to_text()


def test_what_is_sealed_is_seen_behind_any_number_of_other_files(place: Any) -> None:
    """A process tells of its first 20,000 files and says that there are more; of a sealed one it always tells."""
    data = place.write("data.csv", "x\n1\n")
    many = "import os\nos.mkdir('many')\nfor i in range(20_001):\n    open(f'many/{i}', 'w').close()\n"
    run = place.run_text(many + "open('data.csv').read()\n", watch=(data,))
    assert place.record(run).outputs["unsealed_how"]["data.csv"] == "opened at train.py:5"
    assert any("more files" in warning for warning in run.warnings)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="inotify is Linux's")
@pytest.mark.parametrize(
    "text",
    [
        "import pyarrow.csv as c\nc.read_csv('data.csv')",
        "import duckdb\nduckdb.sql(\"select * from 'data.csv'\").fetchall()",
        "import subprocess\nsubprocess.run(['cat', 'data.csv'])",
    ],
)
def test_what_native_code_opens_is_seen_too(place: Any, text: str) -> None:
    """Arrow and DuckDB pass by the hook; the system tells."""
    data = place.write("data.csv", "x\n" + "1\n" * 1000)
    run = place.run_text(text, watch=(data,), echo=False)
    assert run.status == "done"
    assert run.unsealed == (str(data),)
    assert place.record(run).outputs["unsealed_how"]["data.csv"].startswith("opened ")


def test_a_script_that_keeps_to_its_parts_is_not_marked(place: Any) -> None:
    """Nor does Penstock's own work on the file count."""
    data = place.write("data.csv", "x\n1\n")
    place.write("train.csv", "x\n1\n")
    run = place.run_text("open('train.csv').read()\nimport os\nos.stat('data.csv'), os.listdir('.')\n", watch=(data,))
    record = place.record(run)
    assert run.unsealed == ()
    assert "unsealed" not in record.outputs
    assert record.inputs["sealed"] == ["data.csv"]


def test_the_sealed_file_is_told_by_digest_and_never_copied(place: Any) -> None:
    """The object store would be a way around the seal."""
    data = place.write("data.csv", "secret row\n")
    run = place.run_text("open('data.csv').read()\n", watch=(data,))
    assert "data.csv" in place.record(run).inputs["files"]
    assert b"secret row" not in place.everything()

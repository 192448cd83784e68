"""What changed between two versions, of items and of the data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


def rows(numbers: range, *, more: str = "", shift: int = 0) -> str:
    lines = [f"{i},{i % 50 + shift},k{i % 3}{more}" for i in numbers]
    return "id,a,kind" + (",c" if more else "") + "\n" + "\n".join(lines) + "\n"


@pytest.fixture
def folder(tmp_path: Path, penstock: Cli) -> Path:
    """A table with two versions: 100 rows more, all of another level, a column more."""
    for text in (rows(range(500)), rows(range(100, 600), more=",1", shift=20)):
        (tmp_path / "t.csv").write_text(text, encoding="utf-8")
        assert penstock(tmp_path, "data", "add", "t.csv").code == 0
    return tmp_path


def test_rows_of_a_table_are_compared_by_key_or_content(folder: Path, penstock: Cli) -> None:
    """Counts, columns, and the distributions that differ."""
    keyed = penstock(folder, "data", "diff", "t.csv", "--key", "id").body
    assert keyed["rows"] == {"added": 100, "removed": 100, "changed": 400, "unchanged": 0}
    assert keyed["columns"] == {"added": ["c"], "removed": []}
    assert (keyed["first"], keyed["second"], keyed["kind"]) == ("t.csv@1", "t.csv@2", "table")
    shifts = {s["column"]: s for s in keyed["shifts"]}
    assert shifts["a"]["beyond_chance"]
    assert shifts["a"]["size"] == pytest.approx(0.4)
    assert not shifts["kind"]["beyond_chance"]
    plain = penstock(folder, "data", "diff", "t.csv@1", "t.csv@2").body
    assert plain["rows"] == {"added": 500, "removed": 500, "changed": 0, "unchanged": 0}


def test_what_cannot_be_compared_is_told(folder: Path, penstock: Cli) -> None:
    """A first version, a key that is none, one that is in no column."""
    assert penstock(folder, "data", "diff", "t.csv@1").error["code"] == "not-found"
    for key in ("kind", "nothing"):
        assert penstock(folder, "data", "diff", "t.csv", "--key", key).error["code"] == "bad-parameter"


def test_files_of_a_folder_are_named(tmp_path: Path, penstock: Cli) -> None:
    """Those that are new, changed and gone."""
    images = tmp_path / "images"
    images.mkdir()
    for name in "abc":
        (images / name).write_text(name, encoding="utf-8")
    penstock(tmp_path, "data", "add", "images")
    (images / "a").unlink()
    (images / "b").write_text("other", encoding="utf-8")
    (images / "d").write_text("d", encoding="utf-8")
    penstock(tmp_path, "data", "add", "images")
    found = penstock(tmp_path, "data", "diff", "images").body
    assert found["files"] == {"added": ["d"], "changed": ["b"], "removed": ["a"]}
    assert found["rows"] is None


def test_of_a_data_set_only_training_rows_are_described(projects: Any, tmp_path: Path, penstock: Cli) -> None:
    """And of the source as an item, which holds sealed rows in the clear, only counts are told."""
    project = projects.copy("binary", "run", tmp_path)
    source = next((project / "data" / "raw").glob("*.csv"))
    assert penstock(project, "data", "add", str(source)).body["warnings"]
    lines = source.read_text(encoding="utf-8").splitlines()
    source.write_text("\n".join(lines[: len(lines) - 200]) + "\n", encoding="utf-8")
    assert penstock(project, "data", "add", str(source)).code == 0
    item = penstock(project, "data", "diff", source.relative_to(project).as_posix()).body
    assert item["rows"]["removed"] == 200
    assert item["shifts"] == []
    assert "sealed" in item["notes"][0]
    assert penstock(project, "run", "--budget", "1 trials").code in (0, 1)
    found = penstock(project, "data", "diff", "current").body
    assert found["rows"]["removed"] == 200
    train = penstock(project, "data", "profile").body["rows"]
    assert {shift["now"]["rows"] for shift in found["shifts"]} == {train}
    mixed = penstock(project, "data", "diff", "current", source.relative_to(project).as_posix())
    assert mixed.error["code"] == "bad-parameter"
    assert penstock(project, "data", "diff", "current", "--key", "id").error["code"] == "bad-parameter"

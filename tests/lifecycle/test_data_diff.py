"""What changed between two versions, of items and of the data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.data.ingest import ingest
from penstock.data.sources.file import FileSource
from penstock.data.versions import load_version
from penstock.lifecycle.data_diff import diff_data
from penstock.project.project import Project
from penstock.project.workspace import Workspace

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
    keyed = penstock(folder, "data", "diff", "t.csv@2", "--key", "id").body
    assert keyed["rows"] == {"added": 100, "removed": 100, "changed": 400, "unchanged": 0}
    assert keyed["columns"] == {"added": ["c"], "removed": []}
    assert (keyed["first"], keyed["second"], keyed["kind"]) == ("t.csv@1", "t.csv@2", "table")
    shifts = {s["column"]: s for s in keyed["shifts"]}
    assert shifts["a"]["beyond_chance"]
    assert shifts["a"]["size"] == pytest.approx(0.4)
    assert not shifts["kind"]["beyond_chance"]
    plain = penstock(folder, "data", "diff", "t.csv@1", "t.csv@2").body
    assert plain["rows"] == {"added": 500, "removed": 500, "changed": 0, "unchanged": 0}


def test_versions_that_hold_the_same_differ_in_nothing(folder: Path, penstock: Cli) -> None:
    """One with itself, and one that went back to an older one: neither is the first."""
    (folder / "t.csv").write_text(rows(range(500)), encoding="utf-8")
    assert penstock(folder, "data", "add", "t.csv").body["number"] == 3
    for first, second in (("t.csv@1", "t.csv@3"), ("t.csv@2", "t.csv@2")):
        found = penstock(folder, "data", "diff", first, second).body
        assert (found["first"], found["second"]) == (first, second)
        assert found["files"] == {"added": [], "changed": [], "removed": []}


def test_what_cannot_be_compared_is_told(folder: Path, penstock: Cli) -> None:
    """A first version, a key that is none, one that is in no column."""
    assert penstock(folder, "data", "diff", "t.csv@1").error["code"] == "not-found"
    for key in ("kind", "nothing"):
        assert penstock(folder, "data", "diff", "t.csv@2", "--key", key).error["code"] == "bad-parameter"


def test_a_table_that_lost_all_its_rows_has_none(folder: Path, penstock: Cli) -> None:
    """Its header is no row."""
    (folder / "t.csv").write_text("id,a,kind,c\n", encoding="utf-8")
    found = penstock(folder, "data", "diff", "t.csv").body
    assert found["rows"] == {"added": 0, "removed": 500, "changed": 0, "unchanged": 0}
    assert found["columns"] == {"added": [], "removed": []}
    assert found["shifts"] == []
    assert "the second has no rows" in " ".join(found["notes"])


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
    found = penstock(tmp_path, "data", "diff", "images@latest").body
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
    item = penstock(project, "data", "diff", source.relative_to(project).as_posix() + "@2").body
    assert item["rows"]["removed"] == 200
    assert item["shifts"] == []
    assert "sealed" in item["notes"][-1]
    assert penstock(project, "run", "--budget", "1 trials").code in (0, 1)
    found = penstock(project, "data", "diff", "current").body
    assert found["rows"]["removed"] == 200
    train = penstock(project, "data", "profile").body["rows"]
    assert {shift["now"]["rows"] for shift in found["shifts"]} == {train}
    mixed = penstock(project, "data", "diff", "current", source.relative_to(project).as_posix())
    assert mixed.error["code"] == "bad-parameter"
    assert penstock(project, "data", "diff", "current", "--key", "id").error["code"] == "bad-parameter"


def test_an_item_without_a_version_is_compared_with_the_disk(folder: Path, penstock: Cli) -> None:
    """As `git diff` does: the newest version first, rows where a table has changed, nothing where nothing has."""
    same = penstock(folder, "data", "diff", "t.csv").body
    assert (same["first"], same["second"]) == ("t.csv@2", "t.csv on the disk")
    assert same["files"] == {"added": [], "changed": [], "removed": []}
    assert same["rows"] is None
    assert diff_data(Workspace(folder), "t.csv").to_text() == "t.csv@2 -> t.csv on the disk\nnothing has changed"
    (folder / "t.csv").write_text(rows(range(110, 650), more=",1", shift=20), encoding="utf-8")
    found = penstock(folder, "data", "diff", "t.csv", "--key", "id").body
    assert found["rows"] == {"added": 50, "removed": 10, "changed": 0, "unchanged": 490}
    assert penstock(folder, "data", "log", "t.csv").body["items"][0]["number"] == 2, "nothing was added"
    (folder / "t.csv").unlink()
    gone = penstock(folder, "data", "diff", "t.csv").error
    assert gone["code"] == "not-found"
    assert "checkout t.csv@2" in gone["try"]


def test_files_of_a_folder_are_compared_with_the_disk(tmp_path: Path, penstock: Cli) -> None:
    """Also a table in it, and several."""
    (tmp_path / "d").mkdir()
    for name in ("a.csv", "b.csv", "c"):
        (tmp_path / "d" / name).write_text(rows(range(20)), encoding="utf-8")
    penstock(tmp_path, "data", "add", "d")
    (tmp_path / "d" / "a.csv").write_text(rows(range(25)), encoding="utf-8")
    (tmp_path / "d" / "c").unlink()
    (tmp_path / "d" / "e").write_text("new", encoding="utf-8")
    found = penstock(tmp_path, "data", "diff", "d").body
    assert found["files"] == {"added": ["e"], "changed": ["a.csv"], "removed": ["c"]}
    assert found["rows"] == {"added": 5, "removed": 0, "changed": 0, "unchanged": 20}
    (tmp_path / "d" / "b.csv").write_text(rows(range(2)), encoding="utf-8")
    several = penstock(tmp_path, "data", "diff", "d").body
    assert several["rows"] is None
    assert "several files" in several["notes"][0]


def test_a_version_is_compared_with_the_one_before_that_is_left(folder: Path, penstock: Cli) -> None:
    """The one in between is removed, and counts again when it is back."""
    (folder / "t.csv").write_text(rows(range(7)), encoding="utf-8")
    penstock(folder, "data", "add", "t.csv")
    assert penstock(folder, "data", "remove", "t.csv@2").body["planned"]
    assert penstock(folder, "data", "remove", "t.csv@2", "--yes").body["left"] == 2
    found = penstock(folder, "data", "diff", "t.csv@3").body
    assert (found["first"], found["second"]) == ("t.csv@1", "t.csv@3")
    assert found["rows"]["removed"] == 493
    assert [item["number"] for item in penstock(folder, "data", "log", "--removed").body["items"]] == [2]
    assert penstock(folder, "data", "restore", "t.csv@2").body["versions"][0]["number"] == 2
    assert penstock(folder, "data", "log", "--removed").body["items"] == []
    assert penstock(folder, "data", "diff", "t.csv@3").body["first"] == "t.csv@2"


def test_the_declared_key_tells_rows_apart_where_it_fits(folder: Path, penstock: Cli) -> None:
    """Where it has a value twice, or is no column, rows are their content."""
    file, text = folder / "penstock.toml", '[data]\nsource = "other.csv"\ntarget = "a"\nkey = "{}"\n'
    file.write_text(text.format("id"), encoding="utf-8")
    found = penstock(folder, "data", "diff", "t.csv@2").body
    assert found["rows"] == {"added": 100, "removed": 100, "changed": 400, "unchanged": 0}
    assert "'id', the declared key" in found["notes"][0]
    file.write_text(text.format("kind"), encoding="utf-8")
    found = penstock(folder, "data", "diff", "t.csv@2").body
    assert found["rows"]["changed"] == 0
    assert "does not tell them apart" in found["notes"][0]
    file.write_text(text.format("nothing"), encoding="utf-8")
    assert penstock(folder, "data", "diff", "t.csv@2").body["notes"] == []


def test_a_table_without_a_header_is_compared_as_rows(tmp_path: Path, penstock: Cli) -> None:
    """Also where its first row holds a value twice; a table that cannot be read is named, and its file is compared all the same."""
    table = tmp_path / "german.csv"
    lines = [f"A{i % 4},{i},no,no,{i * 7 % 50}" for i in range(200)]
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    penstock(tmp_path, "data", "add", "german.csv")
    table.write_text("\n".join(lines[1:]) + "\n", encoding="utf-8")
    found = penstock(tmp_path, "data", "diff", "german.csv").body
    assert found["rows"] == {"added": 0, "removed": 1, "changed": 0, "unchanged": 199}
    assert found["columns"] == {"added": [], "removed": []}
    assert "c1, c2" in found["notes"][0]
    table.write_text("a,b\n1,2\n1\n", encoding="utf-8")
    torn = penstock(tmp_path, "data", "diff", "german.csv").body
    assert (torn["rows"], torn["files"]["changed"]) == (None, ["german.csv"])
    assert "german.csv on the disk, record 3 has 1 values" in torn["notes"][0]
    assert penstock(tmp_path, "data", "diff", "german.csv", "--key", "a").error["code"] == "source"


def test_numbers_that_two_versions_keep_less_another_origin_are_compared_as_they_are(
    tmp_path: Path, penstock: Cli
) -> None:
    """A few rows far below move the origin, and no distribution; profile and diff tell the numbers of the source."""
    lines = [f"{2**60 + i % 60},{i * i % 97},{'ab'[i % 7 > 3]}" for i in range(600)]
    lower = [f"{2**60 - 2**50 + i},{i},a" for i in range(12)]
    for name, those in (("t.csv", lines), ("u.csv", lines + lower)):
        (tmp_path / name).write_text("\n".join(["n,x,y", *those]) + "\n", encoding="utf-8")
    assert penstock(tmp_path, "new", "p", "--data", "t.csv", "--target", "y").code == 0
    (told,) = (c for c in penstock(tmp_path / "p", "data", "profile").body["columns"] if c["name"] == "n")
    assert (told["low"], told["high"]) == (2**60, 2**60 + 59)
    project = Project(tmp_path / "p")
    before = project.ledger.datasets.head(project.name)
    assert before is not None
    now = ingest(project.ledger, project.objects, source=FileSource(tmp_path / "u.csv"), target="y").version
    assert now.decoder.spec("n").origin < 2**60 == load_version(project.objects, before).decoder.spec("n").origin
    found = diff_data(project, before, now.digest)
    (shift,) = (one for one in found.shifts if one.column == "n")
    assert not shift.beyond_chance
    assert 2**60 <= (shift.before.mean or 0) < 2**60 + 60
    assert f"n: ks {shift.size:.3f}; {shift.before.mean} ± " in shift.to_text()

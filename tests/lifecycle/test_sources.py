"""Projects on sources of many kinds: from `new` to a version, what grows, and what is told of it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.data.seal import stored_rows
from penstock.data.versions import load_version
from penstock.errors import ContractBroken, PenstockError, SourceError
from penstock.lifecycle.check_file import check_file
from penstock.lifecycle.explain import explaining
from penstock.lifecycle.ingest import current_dataset
from penstock.lifecycle.new import new_project
from penstock.lifecycle.reproduce import reproduce_run
from penstock.lifecycle.stages import Context, Stages
from penstock.objects import text_rows
from penstock.objects.text_rows import text_batches
from penstock.project.project import Project

Write = Callable[..., None]


def csv(rows: range) -> str:
    """Ids, a number, a category, an outcome."""
    return "id,x,c,y\n" + "".join(
        f"{i},{i * 37 % 101 / 7:.3f},{'abc'[i % 3]},{'no' if i % 4 else 'yes'}\n" for i in rows
    )


def version(folder: Path) -> tuple[str, dict[str, Any], list[str]]:
    """The data set as `run` would take it: its digest, what the ingest put out, and the warnings."""
    project = Project(folder)
    with Stages(Context(project), "run") as stages:
        digest = current_dataset(stages)
    record = project.ledger.get(next(step.run for step in stages.steps if step.name == "ingest"))
    project.ledger.close()
    return digest, record.outputs, stages.warnings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for i in range(3):
        (tmp_path / "in" / f"{i}.csv").write_text(csv(range(i * 100, i * 100 + 100)))
    return tmp_path / "in"


def test_a_folder_grows_and_what_is_new_joins(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known rows stay where they are; the next look has nothing to do."""
    new_project(tmp_path / "p", data=folder, target="y")
    first, _, _ = version(tmp_path / "p")
    assert version(tmp_path / "p")[0] == first
    (folder / "3.csv").write_text(csv(range(300, 340)))
    second, told, warnings = version(tmp_path / "p")
    assert second != first
    assert told["diff"]["rows"] == {**told["diff"]["rows"], "added": 40, "removed": 0, "unchanged": 300}
    assert told["files"] == {"all": 4, "new": 1, "changed": 0, "gone": 0}
    assert not any("file" in warning for warning in warnings)
    project = Project(tmp_path / "p")
    (newest, _) = project.ledger.runs(operation="ingest")
    with monkeypatch.context() as reading:
        read: list[str] = []
        reading.setattr(
            text_rows, "text_batches", lambda path, *a, **m: read.append(path.name) or text_batches(path, *a, **m)
        )  # type: ignore[func-returns-value]
        assert reproduce_run(project, newest.id).verdict == "identical"
    assert set(read) == {"3.csv"}, "the rows of the others are in the version before"
    project.ledger.close()


@pytest.mark.parametrize("decided", ["", '\n[privacy.columns]\nid = "hash"\n'], ids=["plain", "hashed"])
def test_a_folder_that_grows_is_held_against_its_contract_by_its_new_files(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decided: str
) -> None:
    """Once all were read; the record is that of reading everything, and so is what is told of a file that breaks it."""
    new_project(tmp_path / "p", data=folder, target="y")
    with (tmp_path / "p" / "penstock.toml").open("a") as toml:
        toml.write(decided)
    (tmp_path / "p" / "contract.toml").write_text(
        "[columns.id]\nunique = true\n[columns.x]\n[columns.c]\n[columns.y]\n"
    )
    version(tmp_path / "p")
    read: list[str] = []
    monkeypatch.setattr(
        text_rows, "text_batches", lambda path, *a, **m: [read.append(path.name), text_batches(path, *a, **m)][1]
    )  # type: ignore[func-returns-value]
    for number in (3, 4):
        read.clear()
        (folder / f"{number}.csv").write_text(csv(range(number * 100, number * 100 + 40)))
        version(tmp_path / "p")
    assert set(read) == {"4.csv"}
    project = Project(tmp_path / "p")
    newest = project.ledger.runs(operation="contract")[0]
    assert (newest.outputs["rows"], newest.outputs["passed"]) == (380, True)
    read.clear()
    assert reproduce_run(project, newest.id).verdict == "identical"
    assert set(read) == {f"{number}.csv" for number in range(5)}, "what is done again owes nothing to what is kept"
    project.ledger.close()
    (folder / "5.csv").write_text(csv(range(430, 460)))
    with pytest.raises(ContractBroken) as caught:
        version(tmp_path / "p")
    (breach,) = caught.value.breaches
    assert (breach["id"], breach["rows"], breach["of"]) == ("contract-unique", 10, 410)
    assert {one["file"] for one in breach["examples"]} <= {"5.csv"}


def test_a_run_goes_on_where_the_counts_of_its_check_cannot_be_kept(folder: Path, tmp_path: Path) -> None:
    """A cache may be lost; that it is costs a reading, and is said while it is so."""
    new_project(tmp_path / "p", data=folder, target="y")
    (tmp_path / "p" / "contract.toml").write_text(
        "[columns.id]\nunique = true\n[columns.x]\n[columns.c]\n[columns.y]\n"
    )
    cache = tmp_path / "p" / ".penstock/cache"
    shutil.rmtree(cache, ignore_errors=True)
    cache.write_text("no folder")
    (told,) = [one for one in version(tmp_path / "p")[2] if "is not kept" in one]
    assert "contract.counts" in told
    assert not any("is not kept" in one for one in version(tmp_path / "p")[2]), (
        "the record says nothing of this machine"
    )


def test_files_that_changed_or_went_are_told(folder: Path, tmp_path: Path) -> None:
    """By name, and what becomes of their rows."""
    new_project(tmp_path / "p", data=str(folder / "*.csv"), target="y")
    (folder / "0.csv").unlink()
    (folder / "1.csv").write_text(csv(range(100, 190)))
    _, told, warnings = version(tmp_path / "p")
    assert told["files"] == {"all": 2, "new": 0, "changed": 1, "gone": 1}
    assert any("changed since the version before" in w and "1.csv" in w for w in warnings)
    assert any("gone since the version before" in w and "0.csv" in w for w in warnings)
    assert told["diff"]["rows"]["removed"] == 110


def test_a_query_is_reproduced_though_its_database_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the kept rows; a run without the database says so and loses nothing."""
    monkeypatch.chdir(tmp_path)
    with sqlite3.connect("shop.db") as database:
        database.execute("CREATE TABLE t (id INTEGER, x REAL, c TEXT, y TEXT)")
        rows = [line.split(",") for line in csv(range(300)).splitlines()[1:]]
        database.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
    new_project("p", data="sqlite:///shop.db", query="SELECT * FROM t", target="y", drop=("id",))
    first, _, _ = version(tmp_path / "p")
    shutil.move("shop.db", "away.db")
    with pytest.raises(SourceError, match="there is no database"):
        version(tmp_path / "p")
    project = Project(tmp_path / "p")
    (ingested,) = project.ledger.runs(operation="ingest")
    assert reproduce_run(project, ingested.id).verdict == "identical"
    assert explaining(project, current_dataset).would_run == []
    stored = b"".join(p.read_bytes() for p in (tmp_path / "p" / ".penstock").rglob("*") if p.is_file())
    assert str(tmp_path).encode() in stored  # the place is recorded
    project.ledger.close()
    shutil.move("away.db", "shop.db")
    assert version(tmp_path / "p")[0] == first


def test_settings_of_databases_are_refused_for_files(folder: Path, tmp_path: Path) -> None:
    """A cursor that nothing asks would be silently ignored."""
    with pytest.raises(PenstockError, match="is no database"):
        new_project(tmp_path / "p", data=folder, target="y", cursor="id")
    assert not (tmp_path / "p").exists()


def test_a_folder_that_is_gone_is_told_and_scripts_run_without_rows(folder: Path, tmp_path: Path) -> None:
    """What was made of it stays."""
    from penstock.lifecycle.source import source_is_there

    new_project(tmp_path / "p", data=folder, target="y")
    assert source_is_there(Project(tmp_path / "p"))
    shutil.rmtree(folder)
    assert not source_is_there(Project(tmp_path / "p"))
    with pytest.raises(SourceError):
        version(tmp_path / "p")


def test_a_join_as_of_a_time_is_declared_told_and_reproduced(tmp_path: Path) -> None:
    """From a file and a database; the joined columns are columns like others."""
    (tmp_path / "orders.csv").write_text(
        "who,day,y\n" + "".join(f"{i % 20},2024-{i % 12 + 1:02}-15,{'no' if i % 3 else 'yes'}\n" for i in range(300))
    )
    new_project(tmp_path / "p", data=tmp_path / "orders.csv", target="y")
    with sqlite3.connect(tmp_path / "p" / "crm.db") as database:
        database.execute("CREATE TABLE visits (client INTEGER, at TEXT, pages INTEGER)")
        visits = [(i % 19, f"10/{i % 11 + 1:02}/2024", i % 7) for i in range(209)]
        database.executemany("INSERT INTO visits VALUES (?, ?, ?)", visits)
    toml = (tmp_path / "p" / "penstock.toml").read_text()
    (tmp_path / "p" / "penstock.toml").write_text(
        toml.replace(
            "[split]",
            """[[data.join]]
source = "sqlite:///crm.db?table=visits"
left_on = "who"
right_on = "client"
as_of = { left = "day", right = "at", max_age = "90d", right_formats = ["%d/%m/%Y"] }
prefix = "visit_"

[split]""",
        )
    )
    contract = tmp_path / "p" / "contract.toml"
    contract.write_text(contract.read_text().replace('new_columns = "refuse"', 'new_columns = "allow"'))
    _, told, warnings = version(tmp_path / "p")
    assert {column["name"] for column in told["columns"]} == {"who", "day", "visit_pages"}
    assert any("have none in sqlite:///crm.db?table=visits" in warning for warning in warnings)
    project = Project(tmp_path / "p")
    (tmp_path / "p" / "crm.db").unlink()
    newest = project.ledger.runs(operation="ingest")[0]
    assert reproduce_run(project, newest.id).verdict == "identical"
    project.ledger.close()


def test_a_file_to_check_is_joined_as_the_source_is(tmp_path: Path) -> None:
    """Joined columns are none of the file's own: nobody is asked for them, and a file that brings them keeps its own."""
    orders = "who,day,y\n" + "".join(
        f"{i % 20},2024-{i % 12 + 1:02}-15,{'no' if i % 3 else 'yes'}\n" for i in range(300)
    )
    (tmp_path / "orders.csv").write_text(orders)
    (tmp_path / "clients.csv").write_text("who,town\n" + "".join(f"{i},{'ABC'[i % 3]}\n" for i in range(20)))
    new_project(tmp_path / "p", data=tmp_path / "orders.csv", target="y")
    declaration, contract = tmp_path / "p" / "penstock.toml", tmp_path / "p" / "contract.toml"
    join = f'[[data.join]]\nsource = "{tmp_path / "clients.csv"}"\non = "who"\n\n[split]'
    declaration.write_text(declaration.read_text().replace("[split]", join))
    contract.write_text(contract.read_text() + '\n[columns.town]\nkind = "categorical"\nvalues = ["A", "B"]\n')
    project = Project(tmp_path / "p")
    found = check_file(project, tmp_path / "orders.csv")
    assert [(b.id, b.about, b.rows) for b in found.breaches] == [("contract-values", "town", 90)]
    (tmp_path / "own.csv").write_text("who,day,town\n1,2024-01-15,A\n2,2024-01-15,A\n")
    assert not [b for b in check_file(project, tmp_path / "own.csv").breaches if b.about == "town"]
    project.ledger.close()


@pytest.mark.parametrize(
    ("join", "words"),
    [
        ('source = "a.csv"', "either `on`"),
        ('source = "a.csv"\non = "a"\nleft_on = "b"', "either `on`"),
        ('source = "a.csv"\non = "a"\nquery = "SELECT 1"', "is no database"),
        ('source = "a.csv"\non = "a"\nas_of = { left = "t", right = "t", max_age = "soon" }', "no length of time"),
        (
            'source = "a.csv"\non = "a"\nas_of = { left = "t", right = "t", left_formats = ["%d/%m"] }',
            "no format of dates",
        ),
        (
            'source = "a.csv"\non = "a"\nas_of = { left = "t", right = "t", right_formats = ["dd/mm/yy"] }',
            "is no format",
        ),
        ('source = "a.csv"\non = "a"\nas_off = "t"', "as_of"),
    ],
)
def test_a_join_that_makes_no_sense_is_refused_when_the_file_is_read(join: str, words: str) -> None:
    """Before anything is opened."""
    from penstock.project.declaration import parse_declaration

    with pytest.raises(PenstockError) as caught:
        parse_declaration(f'[data]\nsource = "x.csv"\ntarget = "y"\n[[data.join]]\n{join}\n')
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            '[split]\nby = "group:c"\n[privacy.columns]\nc = "drop"\n',
            "[split] by needs 'c', which [privacy.columns] drops",
        ),
        ('drop = ["id"]\nkey = "id"\n', "[data] key needs 'id', which [data] drop drops"),
        (
            '[history.before]\ntake = "mean"\nof = "x"\nover = "id"\nrows = 3\n[privacy.columns]\nx = "drop"\n',
            "[history] before needs 'x'",
        ),
    ],
)
def test_a_database_is_not_asked_for_nothing_by_which_rows_are_dealt(tmp_path: Path, more: str, says: str) -> None:
    """Of a column that is dropped no value is fetched: all rows would be of one group, or none would have a key."""
    with sqlite3.connect(tmp_path / "shop.db") as opened:
        opened.execute("CREATE TABLE t (id, x, c, y)")
        opened.executemany(
            "INSERT INTO t VALUES (?, ?, ?, ?)", [line.split(",") for line in csv(range(60)).split()[1:]]
        )
    opened.close()
    declared = f'[project]\nname = "p"\n[data]\nsource = "sqlite:///shop.db?table=t"\ntarget = "y"\n{more}'
    (tmp_path / "penstock.toml").write_text(declared)
    project = Project(tmp_path)
    with pytest.raises(PenstockError) as refused, Stages(Context(project), "run") as stages:
        current_dataset(stages)
    project.ledger.close()
    assert says in refused.value.what


def test_a_column_of_a_database_that_is_dropped_later_moves_no_row_and_breaks_no_contract(tmp_path: Path) -> None:
    """From the declaration to the version: nothing of the column is asked for any more, and each row is where it was."""
    with sqlite3.connect(tmp_path / "shop.db") as opened:
        opened.execute("CREATE TABLE t (id INTEGER, x REAL, c TEXT, z TEXT, y TEXT)")
        rows = [
            (i, i * 37 % 101 / 7 + i / 1000, "abc"[i % 3], "uvw"[i % 7 % 3], "yes" if i % 4 else "no")
            for i in range(200)
        ]
        opened.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?)", rows)
    opened.close()
    new_project(tmp_path / "p", data=f"sqlite:///{tmp_path / 'shop.db'}?table=t", target="y")
    dealt = []
    for decision in (
        "",
        '\n[privacy.columns]\nc = "drop"\nz = "hash"\n',
        '\n[privacy.columns]\nc = "keep: asked"\nz = "drop"\n',
    ):
        toml = tmp_path / "p" / "penstock.toml"
        toml.write_text(toml.read_text().partition("\n[privacy.columns]")[0] + decision)
        digest, _, _ = version(tmp_path / "p")
        project = Project(tmp_path / "p")
        of = load_version(project.objects, digest)
        dealt.append(
            {
                (part, x)
                for part, _, frame in stored_rows(project.ledger, project.objects, of)
                for x in frame["x"].tolist()
            }
        )
        project.ledger.close()
    assert dealt[0] == dealt[1] == dealt[2]
    assert len(dealt[0]) == 200

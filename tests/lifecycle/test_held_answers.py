"""A database whose answer turns out to hold personal data: nothing of it is stored anywhere until each column is decided."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import sqlite3
from pathlib import Path

import pytest
from tests.lifecycle.test_sources import version

from penstock.data.sealed_bytes import unsealed
from penstock.errors import PrivacyUndecided, SealError
from penstock.lifecycle.new import new_project
from penstock.lifecycle.privacy import privacy_of_project
from penstock.lifecycle.reproduce import reproduce_run
from penstock.project.project import Project

N = 120


def mails() -> list[str]:
    return [f"zqperson{i:04d}@mail{i % 5}.example.org" for i in range(N)]


def execute(database: Path, *statements: str) -> None:
    with sqlite3.connect(database) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project on a table in which nothing is personal yet."""
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("CREATE TABLE t (id INTEGER, x REAL, c TEXT, y TEXT)")
        rows = [(i, i * 37 % 101 / 7, "abc"[i % 3], "no" if i % 4 else "yes") for i in range(N)]
        database.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
        database.execute("CREATE TABLE crm (client INTEGER, mail TEXT, pages INTEGER)")
        database.executemany("INSERT INTO crm VALUES (?, ?, ?)", [(i, m, i % 7) for i, m in enumerate(mails())])
    database.close()
    url = f"sqlite:////{(tmp_path / 'shop.db').as_posix().lstrip('/')}?table=t"
    new_project(tmp_path / "p", data=url, target="y")
    return tmp_path / "p"


def with_mails(project: Path) -> None:
    """The table of the project's source gets a column of e-mail addresses."""
    with sqlite3.connect(project.parent / "shop.db") as database:
        database.execute("ALTER TABLE t ADD COLUMN mail TEXT")
        database.executemany("UPDATE t SET mail = ? WHERE id = ?", [(mail, i) for i, mail in enumerate(mails())])
    database.close()


def declare(project: Path, lines: str) -> None:
    path = project / "penstock.toml"
    said = path.read_text()
    unchecked = said if "\ncheck =" in said else re.sub(r"(?m)^\[contract\]", '[contract]\ncheck = "off"', said)
    path.write_text(f"{unchecked}\n{lines}\n")


def everything(project: Path) -> str:
    """What all files of a project say, encrypted rows too: in the objects, the ledger, and whatever else lies there."""
    import pyarrow.parquet as pq

    shown: list[str] = []
    opened = Project(project)
    for digest in opened.objects.digests():
        body = opened.objects.get(digest)
        with contextlib.suppress(SealError, ValueError):
            body = unsealed(opened.ledger, body, digest)
        shown.append(body.decode("latin-1"))
        if body[:4] == b"PAR1":
            shown.append(repr(pq.read_table(io.BytesIO(body)).to_pydict()))
    opened.ledger.close()
    connection = sqlite3.connect(project / ".penstock" / "ledger.db")
    shown += connection.iterdump()
    connection.close()
    shown += [path.read_bytes().decode("latin-1") for path in project.rglob("*") if path.is_file()]
    return "\n".join(shown)


def objects_of(project: Path) -> set[str]:
    opened = Project(project)
    found = set(opened.objects.digests())
    opened.ledger.close()
    return found


def fetches_of(project: Path) -> int:
    opened = Project(project)
    found = len(opened.ledger.runs(operation="fetch"))
    opened.ledger.close()
    return found


def test_a_new_personal_column_is_stored_nowhere_until_it_is_decided(project: Path) -> None:
    """Not encrypted either: `run` stops and the answer is gone. Decided, it is fetched, kept and reproduced."""
    assert "abc"[1] in everything(project)
    before, fetched = objects_of(project), fetches_of(project)
    with_mails(project)
    for _ in range(2):
        with pytest.raises(PrivacyUndecided, match="'mail'"):
            version(project)
        assert objects_of(project) == before
        assert fetches_of(project) == fetched
        assert "zqperson" not in everything(project)
    declare(project, '[privacy.columns]\nmail = "drop"')
    version(project)
    assert fetches_of(project) == fetched + 1
    assert "zqperson" not in everything(project)
    opened = Project(project)
    assert reproduce_run(opened, opened.ledger.runs(operation="ingest")[0].id).verdict == "identical"
    opened.ledger.close()


def test_a_look_for_personal_data_stores_no_row(project: Path) -> None:
    """`penstock data privacy` tells what the database answers, dropped columns too, and keeps nothing of it."""
    with_mails(project)
    before = objects_of(project)
    for lines in ("", '[privacy.columns]\nmail = "drop"'):
        declare(project, lines)
        opened = Project(project)
        told = privacy_of_project(opened)
        opened.ledger.close()
        assert [(one["column"], one["kind"]) for one in told.columns] == [("mail", "email")]
        assert objects_of(project) == before
    assert fetches_of(project) == 1
    assert "zqperson" not in everything(project)


def test_what_is_not_taken_of_a_joined_database_is_not_kept(project: Path) -> None:
    """Of a joined source only the key, the time and the columns that are taken."""
    join = f'[[data.join]]\nsource = "sqlite:////{(project.parent / "shop.db").as_posix().lstrip("/")}?table=crm"\n'
    keyed = 'left_on = "id"\nright_on = "client"\nprefix = "crm_"\n'
    declare(project, f"{join}{keyed}")
    with pytest.raises(PrivacyUndecided, match="'crm_mail'"):
        version(project)
    assert "zqperson" not in everything(project)
    for number, change in enumerate(('columns = ["pages"]', '[privacy.columns]\ncrm_mail = "drop"')):
        copy = Path(shutil.copytree(project, project.parent / f"copy{number}" / "p"))
        declare(copy, change)
        _, told, _ = version(copy)
        assert "crm_pages" in {column["name"] for column in told["columns"]}
        assert "zqperson" not in everything(copy)


def test_a_personal_key_by_which_a_database_is_joined_has_to_be_decided(project: Path) -> None:
    """Its values are kept with what the database answered, also where the rows themselves drop theirs."""
    execute(project.parent / "shop.db", "CREATE TABLE who AS SELECT mail AS address, pages FROM crm")
    with_mails(project)
    url = f"sqlite:////{(project.parent / 'shop.db').as_posix().lstrip('/')}?table=who"
    declare(project, f'[[data.join]]\nsource = "{url}"\nleft_on = "mail"\nright_on = "address"')
    with pytest.raises(PrivacyUndecided, match="'mail'"):
        version(project)
    assert "zqperson" not in everything(project)
    declare(project, '[privacy.columns]\nmail = "hash"')
    _, told, _ = version(project)
    assert "pages" in {column["name"] for column in told["columns"]}

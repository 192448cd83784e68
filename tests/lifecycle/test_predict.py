"""The batch job from the command line: folders, globs, data sets in folders, databases, buckets, and a folder that is watched."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.ledger.conftest import postgres  # noqa: F401 - a fixture
from tests.objects.test_remote import s3  # noqa: F401 - a fixture

from penstock.bundle.runtime import Bundle
from penstock.errors import BadParameter
from penstock.lifecycle.predict import Following, predict_files
from penstock.testing.toy_bundle import write_toy_bundle

Cli = Callable[..., Any]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_bundle(tmp_path_factory.mktemp("toy") / "bundle")


@pytest.fixture
def predict(penstock: Cli, toy: Path, tmp_path: Path) -> Cli:
    """`penstock predict` with the toy bundle, in a folder of the test's own."""

    def asked(source: object, output: object, *more: str) -> Any:
        return penstock(
            tmp_path, "predict", "--bundle", str(toy), "--input", str(source), "--output", str(output), *more
        )

    return asked


def write(path: Path, *ages: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("age,job\n" + "".join(f"{age},nurse\n" for age in ages), encoding="utf-8")
    return path


def answers(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def online(toy: Path, *ages: object) -> list[str]:
    rows = [{"age": age, "job": "nurse"} for age in ages]
    return [str(answer["probabilities"]["yes"]) for answer in Bundle.load(toy).predict(rows)]


# ---------------------------------------------------------------- files


def test_a_folder_is_answered_file_by_file_and_once(predict: Cli, toy: Path, tmp_path: Path) -> None:
    """At any depth, under the same names; what is no table is told; a second time nothing is left to do."""
    write(tmp_path / "in" / "a.csv", 41, 30)
    write(tmp_path / "in" / "deep" / "b.csv", 50)
    (tmp_path / "in" / "README.txt").write_text("Read me.")
    done = predict("in", "out")
    assert done.code == 0, done
    assert (done.body["rows"], done.body["files"], done.body["skipped"]) == (3, 2, [])
    assert "README.txt: no table by its ending: left out" in done.body["warnings"]
    assert [row["p_yes"] for row in answers(tmp_path / "out" / "a.csv")] == online(toy, 41, 30)
    assert [row["p_yes"] for row in answers(tmp_path / "out" / "deep" / "b.csv")] == online(toy, 50)
    write(tmp_path / "in" / "a.csv", 41, 31)
    again = predict("in", "out")
    assert (again.body["rows"], again.body["skipped"]) == (2, ["deep/b.csv"])
    assert [row["p_yes"] for row in answers(tmp_path / "out" / "a.csv")] == online(toy, 41, 31)
    assert predict("in", "out", "--again").body["files"] == 2
    assert predict("in", "out", "--unreadable", "missing").body["files"] == 2, "other settings, other answers"


def test_a_folder_or_glob_becomes_one_file(predict: Cli, toy: Path, tmp_path: Path) -> None:
    """Rows one after the other in the order of the names."""
    write(tmp_path / "in" / "a.csv", 41)
    write(tmp_path / "in" / "b.csv", 50, 20)
    write(tmp_path / "in" / "c.tsv", 1)
    for source, ages in (("in/*.csv", (41, 50, 20)), ("in/**/b.csv", (50, 20))):
        done = predict(source, "all.csv")
        assert done.code == 0, done
        found = answers(tmp_path / "all.csv")
        assert [row["row"] for row in found] == [str(i) for i in range(len(ages))]
        assert [row["p_yes"] for row in found] == online(toy, *ages)
    done = predict("in/*.csv", "each/")
    assert sorted(path.name for path in (tmp_path / "each").glob("*.csv")) == ["a.csv", "b.csv"]


def test_a_parquet_data_set_has_the_columns_of_its_folders(predict: Cli, toy: Path, tmp_path: Path) -> None:
    """`job=nurse` above a file is a column of its rows; the answers lie in folders of the same names."""
    for job in ("nurse", "pilot"):
        folder = tmp_path / "set" / f"job={job}"
        folder.mkdir(parents=True)
        pq.write_table(
            pa.table({"age": pa.array([41.5, None]), "income": pa.array([1000, 2000])}), folder / "part-0.parquet"
        )
    assert predict("set", "out").code == 0
    assert predict("set", "out.parquet").code == 0
    whole = pq.read_table(tmp_path / "out.parquet").column("p_yes").to_pylist()
    rows = [{"age": a, "income": i, "job": j} for j in ("nurse", "pilot") for a, i in ((41.5, 1000), (None, 2000))]
    assert whole == [answer["probabilities"]["yes"] for answer in Bundle.load(toy).predict(rows)]
    part = pq.ParquetFile(tmp_path / "out" / "job=pilot" / "part-0.parquet").read()
    assert part.column("p_yes").to_pylist() == whole[2:]


def test_answers_do_not_lie_among_the_rows(predict: Cli, tmp_path: Path) -> None:
    """They would be rows the next time; below a folder with an underscore they are left out."""
    write(tmp_path / "in" / "a.csv", 41)
    for output in ("in/out", "in/all.csv", "in"):
        refused = predict("in", output)
        assert refused.code == 2, output
        assert refused.error["code"] == "bad-parameter"
    assert predict("in", "in/_out").code == 0
    assert predict("in", "in/_out").body["files"] == 0


def test_an_empty_folder_and_a_file_that_is_not_there_are_told(predict: Cli, tmp_path: Path) -> None:
    """With the nearest name."""
    (tmp_path / "in").mkdir()
    assert predict("in", "out").error["code"] == "source"
    write(tmp_path / "rows.csv", 1)
    absent = predict("row.csv", "out.csv")
    assert absent.error["code"] == "source"
    assert "rows.csv" in absent.error["try"]
    assert predict("rows.csv", "out.xlsx").error["code"] == "bad-parameter"
    assert predict("rows.csv", "out.csv", "--query", "SELECT 1").error["code"] == "bad-parameter"


def test_version_and_bundle_are_not_both_named(predict: Cli, tmp_path: Path) -> None:
    """Neither is ignored silently."""
    write(tmp_path / "rows.csv", 1)
    assert predict("rows.csv", "out.csv", "--version", "1").error["code"] == "bad-parameter"


def test_a_bad_file_ends_the_job_and_what_was_answered_stays(predict: Cli, tmp_path: Path) -> None:
    """The next time it goes on behind it."""
    write(tmp_path / "in" / "a.csv", 41)
    write(tmp_path / "in" / "b.csv", "old")
    write(tmp_path / "in" / "c.csv", 50)
    stopped = predict("in", "out")
    assert stopped.error["code"] == "schema-mismatch"
    assert "b.csv: row 0, column 'age'" in stopped.error["what"]
    assert [path.name for path in (tmp_path / "out").glob("*.csv")] == ["a.csv"]
    write(tmp_path / "in" / "b.csv", 42)
    went_on = predict("in", "out")
    assert (went_on.body["files"], went_on.body["skipped"]) == (2, ["a.csv"])


def test_a_project_follows_what_is_live_and_holds_rows_against_its_contract(
    penstock: Cli, project_at: Cli, rows_of: Cli, write_rows: Cli, set_line: Cli
) -> None:
    """File by file: a broken one is not answered where the contract says stop, those before it are."""
    project = project_at("live")
    (project / "in").mkdir()
    good = [{k: v for k, v in row.items() if k not in ("bought", "grade", "price")} for row in rows_of(30, seed=5)]
    write_rows(project / "in" / "a.csv", good)
    write_rows(project / "in" / "b.csv", [{**row, "age": 900.0} for row in good])
    set_line(project, "contract", 'at_predict = "stop"')
    stopped = penstock(project, "predict", "--input", "in", "--output", "out", "--keep", "id")
    assert (stopped.code, stopped.error["code"]) == (1, "contract-broken")
    assert [path.name for path in (project / "out").glob("*.csv")] == ["a.csv"]
    assert [row["id"] for row in answers(project / "out" / "a.csv")] == [row["id"] for row in good]
    set_line(project, "contract", 'at_predict = "warn"')
    went_on = penstock(project, "predict", "--input", "in", "--output", "out", "--keep", "id")
    assert (went_on.body["skipped"], went_on.body["version"]) == (["a.csv"], 1)
    assert any("contract-range age" in warning for warning in went_on.body["warnings"])


# ---------------------------------------------------------------- killed


@pytest.mark.slow
def test_a_job_that_is_killed_again_and_again_answers_each_file_once(toy: Path, tmp_path: Path) -> None:
    """kill -9 of the real command at random moments; what is there at the end is what one run gives."""
    for i in range(12):
        write(tmp_path / "in" / f"{i:02}.csv", *range(20, 20 + 40 * (i + 1)))
    command = [sys.executable, "-m", "penstock", "predict", "--bundle", str(toy), "--input", "in", "--json", "--output"]
    subprocess.run([*command, "expected"], cwd=tmp_path, check=True, capture_output=True)
    started = time.monotonic()
    subprocess.run([*command, "warm"], cwd=tmp_path, check=True, capture_output=True)
    whole_s = time.monotonic() - started
    for attempt in range(1, 60):
        job = subprocess.Popen([*command, "out"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            job.wait(whole_s * (0.6 + 0.03 * attempt))
            break
        except subprocess.TimeoutExpired:
            job.kill()
            job.wait()
    assert attempt > 1
    assert job.returncode == 0
    files = {p.name: p.read_bytes() for p in (tmp_path / "expected").glob("*.csv")}
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").glob("*.csv")} == files


# ---------------------------------------------------------------- databases


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "shop.db")
    connection.execute("CREATE TABLE people (id INTEGER, age REAL, job TEXT)")
    connection.executemany("INSERT INTO people VALUES (?, ?, 'nurse')", [(1, 41.0), (2, 30.5), (3, None)])
    connection.commit()
    yield connection
    connection.close()


def test_a_table_or_query_is_answered_into_a_file(
    predict: Cli, toy: Path, tmp_path: Path, shop: sqlite3.Connection
) -> None:
    """The rows as the database gives them; a column that is kept names them."""
    done = predict("sqlite:///shop.db?table=people", "out.csv", "--keep", "id")
    assert done.code == 0, done
    found = answers(tmp_path / "out.csv")
    assert [row["id"] for row in found] == ["1", "2", "3"]
    assert [row["p_yes"] for row in found] == online(toy, 41.0, 30.5, None)
    done = predict(
        "sqlite:///shop.db", "out.csv", "--query", "SELECT age, job FROM people WHERE id > 1 ORDER BY id DESC;"
    )
    assert [row["p_yes"] for row in answers(tmp_path / "out.csv")] == online(toy, None, 30.5)
    assert predict("sqlite:///shop.db", "out.csv").error["code"] == "bad-declaration"


def test_a_table_is_answered_into_a_table(predict: Cli, toy: Path, tmp_path: Path, shop: sqlite3.Connection) -> None:
    """Answers to the same question take the place of the earlier ones; never the place of its rows."""
    for _ in range(2):
        done = predict("sqlite:///shop.db?table=people", "sqlite:///shop.db?table=scores", "--keep", "id")
        assert done.code == 0, done
    found = shop.execute('SELECT input, "row", id, p_yes, decision FROM scores ORDER BY id').fetchall()
    assert [row[:3] for row in found] == [("people", i, str(i + 1)) for i in range(3)]
    assert [str(row[3]) for row in found] == online(toy, 41.0, 30.5, None)
    shop.execute("CREATE TABLE people_2024 AS SELECT * FROM people")
    shop.commit()
    later = predict("sqlite:///shop.db?table=people_2024", "sqlite:///shop.db?table=people_20")
    assert later.code == 0, "a name that begins another is another"
    same = predict("sqlite:///shop.db?table=people", "sqlite:///shop.db?table=people")
    assert same.error["code"] == "bad-parameter"
    assert predict("sqlite:///shop.db?table=people", "sqlite:///shop.db").error["code"] == "bad-parameter"


def test_postgres_is_read_and_written(
    predict: Cli,
    toy: Path,
    tmp_path: Path,
    postgres: str,  # noqa: F811
) -> None:
    """A folder of files into a table, each once; and a query of it into a file."""
    import psycopg

    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres.format("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = postgres.format(name)
    write(tmp_path / "in" / "a.csv", 41, "")
    write(tmp_path / "in" / "b.csv", 30)
    for files in (2, 0):
        done = predict("in", f"{url}&table=scores", "--keep", "age,job")
        assert done.code == 0, done
        assert done.body["files"] == files
    write(tmp_path / "in" / "b.csv", 31, 32)
    assert predict("in", f"{url}&table=scores", "--keep", "age,job").body["files"] == 1
    with psycopg.connect(url) as connection:
        rows = connection.execute('SELECT input, "row", p_yes FROM scores ORDER BY input, "row"').fetchall()
    assert [row[:2] for row in rows] == [("a.csv", 0), ("a.csv", 1), ("b.csv", 0), ("b.csv", 1)]
    assert [str(row[2]) for row in rows] == online(toy, 41, None, 31, 32)
    done = predict(url, "back.csv", "--query", "SELECT age, job FROM scores WHERE input = 'b.csv' ORDER BY \"row\"")
    assert done.code == 0, done
    assert [row["p_yes"] for row in answers(tmp_path / "back.csv")] == online(toy, 31, 32)


# ---------------------------------------------------------------- buckets


def test_a_prefix_of_a_bucket_is_answered_into_another(
    predict: Cli,
    toy: Path,
    tmp_path: Path,
    s3: str,  # noqa: F811
) -> None:
    """Each file once: what has not changed is not even fetched; nothing stays on this machine."""
    client: Any = boto3.client("s3", endpoint_url=s3, region_name="us-east-1")
    place = uuid.uuid4().hex

    def put(name: str, *ages: object) -> None:
        body = write(tmp_path / "one.csv", *ages).read_bytes()
        client.put_object(Bucket="penstock", Key=f"{place}/in/{name}", Body=body)

    put("a.csv", 41)
    put("deep/b.csv", 30, 31)
    source, output = f"s3://penstock/{place}/in/", f"s3://penstock/{place}/out/"
    done = predict(source, output)
    assert done.code == 0, done
    assert done.body["files"] == 2
    put("a.csv", 42)
    again = predict(source, output)
    assert (again.body["files"], again.body["skipped"]) == (1, ["deep/b.csv"])
    body = client.get_object(Bucket="penstock", Key=f"{place}/out/a.csv")["Body"].read().decode()
    assert [row["p_yes"] for row in csv.DictReader(body.splitlines())] == online(toy, 42)
    assert predict(f"{source}deep/b.csv", "local.csv").code == 0
    assert [row["p_yes"] for row in answers(tmp_path / "local.csv")] == online(toy, 30, 31)
    assert predict("local.csv", f"s3://penstock/{place}/one.csv").error["code"] == "schema-mismatch"
    assert predict("one.csv", f"s3://penstock/{place}/one.csv").code == 0
    assert predict(source, f"{source}out/").error["code"] == "bad-parameter"


def test_a_prefix_that_is_watched_shows_whole_files_only(s3: str) -> None:  # noqa: F811
    """Also while it is still empty; what was put again is given again."""
    from penstock.lifecycle.predict_inputs import watched
    from penstock.objects.tabular import ReadOptions
    from penstock.serving.batch.watching import Watch

    client: Any = boto3.client("s3", endpoint_url=s3, region_name="us-east-1")
    place = uuid.uuid4().hex
    watch = Watch(watched(f"s3://penstock/{place}/in/", ReadOptions()))

    def given() -> list[str]:
        parts = watch.whole()
        for part in parts:
            watch.give(part)
        return [part.name for part in parts]

    assert given() == []
    client.put_object(Bucket="penstock", Key=f"{place}/in/a.csv", Body=b"age\n41\n")
    assert given() == ["a.csv"]
    assert given() == []
    client.put_object(Bucket="penstock", Key=f"{place}/in/a.csv", Body=b"age\n42\n")
    assert given() == ["a.csv"]


# ---------------------------------------------------------------- watched


def test_a_watched_folder_is_answered_as_files_come(toy: Path, tmp_path: Path) -> None:
    """Whole files; one that is still written to is not; SIGTERM ends it with what was done, a bad file with 1."""
    (tmp_path / "in").mkdir()
    command = [sys.executable, "-m", "penstock", "predict", "--bundle", str(toy), "--input", "in", "--output", "out"]
    command += ["--watch", "--every", "0.1", "--quiet", "0.5", "--json"]
    job = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        write(tmp_path / "in" / "a.csv", 41)
        with (tmp_path / "in" / "b.csv").open("w") as file:
            file.write("age,job\n30,nurse\n")
            file.flush()
            _wait(tmp_path / "out" / "a.csv")
            time.sleep(1.0)
            assert not (tmp_path / "out" / "b.csv").exists(), "it is still open"
            file.write("31,nurse\n")
        _wait(tmp_path / "out" / "b.csv")
        assert len(answers(tmp_path / "out" / "b.csv")) == 2
        write(tmp_path / "in" / "bad.csv", "old")
        shutil.copy(tmp_path / "in" / "a.csv", tmp_path / "in" / "later.csv")
        _wait(tmp_path / "out" / "later.csv")
        os.kill(job.pid, signal.SIGTERM)
        out, err = job.communicate(timeout=60)
    finally:
        job.kill()
    body = json.loads(out)
    assert job.returncode == 1
    assert (body["files"], body["rows"]) == (3, 4)
    assert [(r["input"], r["code"]) for r in body["refused"]] == [("bad.csv", "schema-mismatch")]
    assert "a.csv: 1 rows answered" in err


def test_only_a_folder_is_watched_and_not_into_one_file(predict: Cli, tmp_path: Path) -> None:
    """Refused at once."""
    write(tmp_path / "a.csv", 41)
    (tmp_path / "in").mkdir()
    assert predict("a.csv", "out", "--watch").error["code"] == "bad-parameter"
    assert predict("in", "out.csv", "--watch").error["code"] == "bad-parameter"


@pytest.mark.parametrize("place", ["in", "./in/", "link", "in/*.csv", "in/**/*.csv"])
@pytest.mark.parametrize("watched", [False, True])
def test_answers_never_take_the_place_of_what_is_read(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, watched: bool
) -> None:
    """The folder that is read is no output, under whatever name, watched or not."""
    monkeypatch.chdir(tmp_path)
    before = write(tmp_path / "in" / "a.csv", 41).read_bytes()
    (tmp_path / "link").symlink_to("in")
    stop = Event()
    following = Following(stop, every_s=0.0, quiet_s=0.0, told=lambda line: stop.set()) if watched else None
    with pytest.raises(BadParameter, match="lies among what is read"):
        predict_files(place, "in", bundle=toy, following=following)
    assert (tmp_path / "in" / "a.csv").read_bytes() == before


def test_two_inputs_of_one_output_are_refused_before_any_is_answered(predict: Cli, tmp_path: Path) -> None:
    """Else the second took the place of the first, and both were answered again each time."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.jsonl").write_text('{"age": 41, "job": "nurse"}\n')
    write(tmp_path / "in" / "x.jsonl.csv", 30, 31)
    refused = predict("in", "out")
    assert (refused.code, refused.error["code"]) == (2, "source")
    assert "x.jsonl and to x.jsonl.csv would both be x.jsonl.csv" in refused.error["what"]
    assert not (tmp_path / "out").exists()


def _wait(path: Path) -> None:
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end, f"{path.name} did not come"
        time.sleep(0.05)


def test_a_watch_answers_with_what_is_live_by_then(project_at: Cli, toy: Path) -> None:
    """After a switch the next file gets the new version; a version that was named stays."""
    from penstock.lifecycle.predict_model import PredictModel
    from penstock.objects.tabular import ReadOptions
    from penstock.project.project import Project
    from penstock.serving.switching import fill_and_switch

    project = Project(project_at("live"))

    def model(version: int | None) -> PredictModel:
        return PredictModel(project, version, None, "refuse", (), None, ReadOptions())

    live, named = model(None), model(1)
    assert (live()[1], named()[1]) == (1, 1)
    assert live() is live(), "nothing is loaded again while nothing has changed"
    other = Bundle.load(toy)
    fill_and_switch(project.serving_state, toy, model="shop", version=2, digest=other.digest)
    answering, version = live()
    assert (version, answering.bundle.digest) == (2, other.digest)
    assert named()[1] == 1


def test_what_it_did_reads_well() -> None:
    """Rows, files, what was left and what could not be answered."""
    from penstock.lifecycle.predict import PredictResult

    result = PredictResult(
        7, 2, 1, "out", "toy", None, ["a column is odd"], 3, [f"{i}.csv" for i in range(12)],
        [{"input": "bad.csv", "code": "source", "what": "bad.csv is empty"}],
    )  # fmt: skip
    text = result.to_text()
    assert "7 rows of 2 file(s) answered by toy: out" in text
    assert "3 values that cannot be read: taken as missing" in text
    assert "answered before, left as they are: 0.csv, 1.csv" in text
    assert "and 2 more" in text
    assert "not answered: bad.csv: bad.csv is empty" in text
    assert result.exit_code == 1

"""Personal data: found before anything is stored, decided by a person, and nowhere to be read afterwards."""

from __future__ import annotations

import contextlib
import csv
import gzip
import http.client
import io
import json
import random
import re
import secrets
import shutil
import sqlite3
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.ledger.conftest import postgres  # noqa: F401 - a fixture

Cli = Callable[..., Any]
N = 500


UNSEEN = ("born", "seen_at", "postcode", "pay", "boss")
"""No recogniser is sure of these: a person knows, and leaves them out of `new` until they are decided."""


def luhn(digits: str) -> str:
    total = sum(sum(divmod(int(d) * (2 - i % 2), 10)) for i, d in enumerate(reversed(digits)))
    return digits + str(-total % 10)


def iban(account: int) -> str:
    body = f"37040044{account:010d}"
    return f"DE{98 - int(body + '131400') % 97:02d}{body}"


def _time_of_its_own(i: int) -> str:
    """A time of day that no other row has, so that no shifted instant can be another row's plain one."""
    second = i * 61 % 86_400
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def person(i: int) -> dict[str, str]:
    """The personal values of a row: each is found nowhere but in it."""
    dice = random.Random(i)
    return {
        "mail": f"zqperson{i:05d}@mail{i % 7}.example.org",
        "phone": f"+44 20 7{dice.randrange(100, 999)} {i:04d}",
        "card": luhn(f"4{dice.randrange(10**9, 10**10)}{i:04d}"),
        "account": iban(dice.randrange(10**6, 10**9) * 10 + i % 10),
        "ssn": f"{dice.randrange(100, 600)}-{10 + i % 80}-{1000 + i}",
        "client_ip": f"{dice.randrange(70, 200)}.{dice.randrange(70, 250)}.{dice.randrange(70, 250)}.{dice.randrange(100, 250)}",
        "device": f"0A:1B:{i // 256:02X}:{i % 256:02X}:{dice.randrange(16, 256):02X}:{dice.randrange(16, 256):02X}",
        "born": f"{1940 + i % 60}-{1 + i % 12:02d}-{11 + i % 17:02d}T{i % 24:02d}:{i % 60:02d}:{dice.randrange(10, 60)}",
        "seen_at": f"{2015 + i % 8}-{1 + i % 12:02d}-{11 + i % 17:02d}T{_time_of_its_own(i)}",
        "postcode": f"{dice.randrange(10, 99)}{100 + i % 900}-{i:04d}",
        "pay": f"{30_000 + i % 1000 * 131 + 0.37:.2f}",  # of later persons as of those that the contract was made of
        "boss": f"Zqname{i:05d} Zqfamily{i:05d}",
    }


def with_persons(rows: list[dict[str, Any]], first: int = 0) -> list[dict[str, Any]]:
    """Rows with personal columns and personal hits inside their texts."""
    for i, row in enumerate(rows, first):
        p = person(i)
        row |= p
        row["remark"] = (
            f"please call {p['phone']} or write to {p['mail']} {'again' if i % 2 else 'soon'}, "
            f"card {p['card'][:4]} {p['card'][4:8]} {p['card'][8:12]} {p['card'][12:]} and {p['account']} of {p['ssn']} at {p['client_ip']}"
        )
    return rows


def secrets_of(numbers: range) -> dict[str, str]:
    """What may be found nowhere: text -> which value it is."""
    found = {}
    for i in numbers:
        p = person(i)
        found |= {p[name]: f"{name} of {i}" for name in p if name != "postcode"}
        found[p["postcode"]] = f"postcode of {i}"
        found[f"zqperson{i:05d}"] = f"local part of {i}"
        found[f"Zqfamily{i:05d}"] = f"family name of {i}"
        c = p["card"]
        found[f"{c[:4]} {c[4:8]} {c[8:12]} {c[12:]}"] = f"card in the text of {i}"
    return found


DECIDED = {
    "mail": "hash", "phone": "hash", "card": "drop", "account": "hash", "ssn": "drop", "client_ip": "network", "device": "hash",
    "born": "year", "seen_at": "shift:mail", "remark": "mask:hits", "postcode": "prefix:2", "pay": "band:10000", "boss": "mask",
}  # fmt: skip


def readable(path: Path) -> Iterator[bytes]:
    """The bytes of a file, and what they say once they are unpacked."""
    data = path.read_bytes()
    yield data
    if data[:4] == b"PAR1":
        import pyarrow.parquet as pq

        yield repr(pq.read_table(io.BytesIO(data)).to_pydict()).encode()
    if data[:2] == b"\x1f\x8b":
        yield gzip.decompress(data)
    if data[:4] == b"\x28\xb5\x2f\xfd":
        import pyarrow as pa

        yield pa.input_stream(io.BytesIO(data), compression="zstd").read()
    if data[:15] == b"SQLite format 3":
        yield "\n".join(sqlite3.connect(f"file:{path}?mode=ro", uri=True).iterdump()).encode()


def opened_envelopes(project: Path, tmp_path: Path) -> bytes:
    """What lies encrypted: all envelopes, opened in a copy of the project."""
    from penstock.data.seal import envelopes, open_envelope
    from penstock.project.project import Project

    opened = Project(shutil.copytree(project, tmp_path / "opened" / "shop"))
    shown, seen = [], set()
    for record in opened.ledger.datasets.log():
        for envelope in envelopes(opened.ledger, opened.objects, record.digest):
            if envelope.is_spent or (envelope.index, envelope.dataset) in seen:
                continue
            seen.add((envelope.index, envelope.dataset))
            frame, _ = open_envelope(
                opened.ledger, opened.objects, record.digest, envelope.index, run="test", purpose="test"
            )
            shown.append(repr({name: frame[name].tolist() for name in frame.columns}))
    opened.ledger.close()
    return "\n".join(shown).encode()


HEAD = 8
"""Bytes that each secret has at least: by them it is looked up at every place of a file (one pattern of 11,000 alternatives took minutes)."""


def leaks(folder: Path, secrets: dict[str, str], more: bytes = b"") -> list[str]:
    """Where any secret is to be read, under a folder."""
    heads: dict[bytes, list[bytes]] = {}
    for text in secrets:
        heads.setdefault(text.encode()[:HEAD], []).append(text.encode())
    assert min(map(len, heads)) == HEAD

    def hit(data: bytes) -> str | None:
        for at in range(len(data) - HEAD + 1):
            for text in heads.get(data[at : at + HEAD], ()):
                if data.startswith(text, at):
                    return secrets[text.decode()]
        return None

    files = sorted(path for path in folder.rglob("*") if path.is_file())
    found = [f"{path.relative_to(folder)}: {name}" for path in files for name in filter(None, map(hit, readable(path)))]
    return found + [f"encrypted: {name}" for name in filter(None, [hit(more)])]


def journal(project: Path) -> list[dict[str, Any]]:
    """The records of a project's journal."""
    from penstock.serving.journal import read

    return [{"kind": record.kind, "rows": list(record.rows)} for record in read(project / ".penstock/serving/journal")]


def declare(project: Path, decided: dict[str, str]) -> None:
    """Write decisions over what was proposed."""
    text = (project / "penstock.toml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^drop = .*\n", "", text)
    head, _, rest = text.partition("[privacy.columns]")
    tail = rest[rest.index("\n[") + 1 :]
    lines = "\n".join(f"{name} = {json.dumps(action)}" for name, action in decided.items())
    (project / "penstock.toml").write_text(f"{head}[privacy.columns]\n{lines}\n\n{tail}", encoding="utf-8")


@pytest.fixture(scope="module")
def source(rows_of: Cli, write_rows: Cli, tmp_path_factory: Any) -> Path:
    """A file of persons, far from any project."""
    rows = with_persons(rows_of(N, seed=3))
    return Path(write_rows(tmp_path_factory.mktemp("elsewhere") / "customers.csv", rows, "bought"))


@pytest.fixture(scope="module")
def new(penstock: Cli, source: Path, tmp_path_factory: Any) -> tuple[Path, Any]:
    """A project of it, just made, and what `new` said."""
    folder = tmp_path_factory.mktemp("persons")
    made = penstock(
        folder,
        "new",
        "shop",
        "--data",
        str(source),
        "--target",
        "bought",
        "--key",
        "id",
        "--kind",
        "joined=datetime",
        "--drop",
        ",".join(UNSEEN),
    )
    assert made.code == 0, made
    return folder / "shop", made


@pytest.fixture(scope="module")
def decided(new: tuple[Path, Any], penstock: Cli, set_line: Cli, tmp_path_factory: Any) -> Path:
    """The project with decisions, run and deployed."""
    project = Path(shutil.copytree(new[0], tmp_path_factory.mktemp("decided") / "shop"))
    declare(project, DECIDED)
    set_line(project, "search", 'learners = ["linear"]')
    set_line(project, "search", "workers = 1")
    assert not (project / "recipe.toml").exists()  # suggested by the run, with what the decisions leave
    assert not (project / "contract.toml").exists()  # likewise
    done = penstock(project, "run", "--budget", "2 trials")
    assert done.code == 0, done
    rules = tomllib.loads((project / "contract.toml").read_text(encoding="utf-8"))["columns"]
    assert rules["born"]["kind"] == "datetime"
    assert [name for name, of in rules.items() if of.get("kind") == "constant"] == ["boss"]  # masked: all say ***
    used = (project / "recipe.toml").read_text(encoding="utf-8").partition("# Left out:")[0]
    assert "#   remark" in used  # what is let in after all is looked at
    deployed = penstock(project, "deploy")
    assert deployed.code == 0, deployed
    return project


def test_new_finds_personal_columns_and_stores_nothing_of_them(
    new: tuple[Path, Any], source: Path, tmp_path: Path
) -> None:
    """Not in the copy (there is none), nor in any file, the ledger or the envelopes."""
    project, made = new
    found = {one["column"]: one["kind"] for one in made.body["personal"] if one["confidence"] != "low"}
    assert found == {
        "mail": "email", "phone": "phone", "card": "card", "account": "iban", "ssn": "us_ssn", "client_ip": "ip", "device": "mac",
        "remark": found["remark"],
    }  # fmt: skip
    text = (project / "penstock.toml").read_text(encoding="utf-8")
    assert 'mail = "undecided:hash"' in text
    assert 'remark = "undecided:mask:hits"' in text
    assert str(source) in text
    assert list((project / "data" / "raw").glob("*.csv")) == []
    hidden = {text: what for text, what in secrets_of(range(N)).items() if what.split()[0] in found or "card" in what}
    assert leaks(project, hidden, opened_envelopes(project, tmp_path)) == []


def test_run_stops_until_each_is_decided_and_says_what_to_edit(new: tuple[Path, Any], penstock: Cli) -> None:
    """Exit 2, with a code of its own; and so does `run --why`."""
    for line in (("run",), ("run", "--why")):
        done = penstock(new[0], *line)
        assert done.code == 2
        assert done.error["code"] == "privacy-undecided"
        assert "'mail'" in done.error["what"]
        assert "--accept" in done.error["try"]


def test_proposals_are_explained_and_accepted_on_record(new: tuple[Path, Any], penstock: Cli, tmp_path: Path) -> None:
    """Per column what was found, evidence, action; who accepted is in the ledger and in the audit trail."""
    import getpass

    from penstock.project.project import Project

    project = Path(shutil.copytree(new[0], tmp_path / "shop"))
    told = penstock(project, "data", "privacy")
    assert told.code == 1
    mail = next(one for one in told.body["columns"] if one["column"] == "mail")
    assert (mail["kind"], mail["confidence"], mail["proposed"], mail["stands"]) == (
        "email",
        "high",
        "hash",
        "undecided",
    )
    assert mail["evidence"][0]["share"] == 1.0
    accepted = penstock(project, "data", "privacy", "--accept")
    assert accepted.code == 0
    assert accepted.body["accepted"]["mail"] == "hash"
    text = (project / "penstock.toml").read_text(encoding="utf-8")
    assert 'mail = "hash"    # high: ' in text
    assert '"undecided:' not in text.replace('# What is, or may be, personal was found. "undecided:"', "")
    opened = Project(project)
    event = next(e for e in opened.ledger.audit.events() if e.what == "accept privacy")
    assert (event.who, event.details["columns"]["mail"]) == (getpass.getuser(), "hash")
    assert any(r.operation == "privacy" and "accepted" in r.outputs for r in opened.ledger.runs())
    opened.ledger.close()
    assert penstock(project, "data", "privacy").code == 0


def test_a_file_can_be_looked_through_before_there_is_a_project(source: Path, penstock: Cli, tmp_path: Path) -> None:
    """Nothing is stored."""
    told = penstock(tmp_path, "data", "privacy", "--file", str(source))
    assert told.code == 0
    assert {one["column"] for one in told.body["columns"] if one["kind"] == "iban"} == {"account"}
    assert list(tmp_path.iterdir()) == []
    assert penstock(tmp_path, "data", "privacy", "--file", "absent.csv").error["code"] == "source"


def test_no_plain_value_is_to_be_read_anywhere(
    decided: Path, penstock: Cli, serve: Cli, rows_of: Cli, source: Path, tmp_path: Path
) -> None:
    """After run, deploy, serve (answers, refusals, labels by key), predict, monitor, retrain, profile, quality, reports."""
    project = Path(shutil.copytree(decided, tmp_path / "shop"))
    rows = with_persons(rows_of(260, seed=5), first=5000)
    served = serve(project)
    columns = [name for name in rows[0] if name not in ("bought", "grade", "price")]
    asked = [{n: row[n] for n in columns if row[n] is not None} for row in rows]
    said = [served.predict(asked)]
    for broken in (
        {**asked[0], "born": "zqperson05000@mail2.example.org"},
        {**asked[0], "pay": person(5001)["boss"]},
        {**asked[0], "client_ip": person(5002)["mail"]},
        {**asked[0], "mail": [person(5003)["mail"]]},
        {**asked[0], "remark": {"text": person(5004)["mail"]}},
        {**asked[0], "zip": "7"},
    ):
        status, refused = served.ask("POST", "/predict", {"rows": [broken]})
        assert status == 400
        said.append(refused)
    items = [{"key": row["id"], "label": row["bought"]} for row in rows[:200]]
    said.append(served.ask("POST", "/labels", {"labels": items})[1])
    said.append(served.ask("GET", "/model")[1])
    said.append(served.ask("GET", "/openapi.json")[1])
    served.close()
    assert said[-3]["accepted"] == 200

    more = tmp_path / "more.csv"
    with more.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows({n: row[n] for n in columns} for row in rows[:50])
    broken_file = tmp_path / "broken.csv"
    broken_file.write_text(
        more.read_text(encoding="utf-8").replace(rows[3]["pay"], person(5003)["boss"], 1), encoding="utf-8"
    )
    outcomes = [
        penstock(project, "predict", "--input", str(more), "--output", "answers.csv"),
        penstock(project, "monitor"),
        penstock(project, "data", "profile"),
        penstock(project, "data", "quality", "--only", "duplicate-rows"),
        penstock(project, "data", "check", str(more)),
        penstock(project, "data", "privacy"),
        penstock(project, "doctor"),
        penstock(project, "predict", "--input", str(broken_file), "--output", "none.csv"),
        penstock(project, "retrain", "--budget", "2 trials"),
        penstock(project, "runs"),
        penstock(project, "replay", "--sample", "20"),
        penstock(project, "replay", said[0][0]["id"], "--trace"),
        penstock(project, "predict", "--input", str(more), "--output", "answered", "--keep", "mail"),
    ]
    assert [(one.code, one.body["equal"]) for one in outcomes[10:12]] == [(0, 20), (0, 1)], outcomes[10:]
    assert outcomes[12].error["code"] == "bad-parameter", "what is personal goes into no output"
    assert [one.code for one in outcomes[:7]] == [0, outcomes[1].code, 0, outcomes[3].code, outcomes[4].code, 0, 0], (
        outcomes
    )
    assert outcomes[7].error["code"] == "schema-mismatch"
    assert outcomes[8].code == 0, outcomes[8]
    assert any(record["kind"] == "predict" and record["rows"][0]["mail"]["hash"] for record in journal(project))
    planted = secrets_of(range(N)) | secrets_of(range(5000, 5260))
    told = "\n".join([json.dumps(said), *(one.out + one.err for one in outcomes)]).encode()
    assert leaks(project, planted, told + opened_envelopes(project, tmp_path)) == []


def test_a_contract_is_of_protected_values_and_nothing_that_breaks_it_shows_a_plain_one(
    decided: Path, penstock: Cli, rows_of: Cli, write_rows: Cli, source: Path, tmp_path: Path
) -> None:
    """Inferred anew, its own source keeps it; personal values in wrong columns break it, and are told by their rows alone."""
    project = Path(shutil.copytree(decided, tmp_path / "shop"))
    declare(project, {**DECIDED, "boss": "keep: needed for a test"})
    (project / "contract.toml").unlink()
    assert penstock(project, "run", "--budget", "1 trials").code == 0
    text = (project / "contract.toml").read_text(encoding="utf-8")
    assert "[columns.boss]\nkind = " in text
    kept = penstock(project, "data", "check", str(source)).body
    assert (kept["breaches"], kept["unreadable"]) == ([], 0)
    rows = with_persons(rows_of(N, seed=3))
    for i, row in enumerate(rows[:60]):
        p = person(8000 + i)
        row |= {"born": p["mail"], "pay": p["phone"], "age": p["account"], "job": p["mail"], "mail": "", "boss": ""}
        row["remark"] = f"{p['mail']} {p['phone']} " * 200
    broken = write_rows(tmp_path / "broken.csv", rows, "bought")
    told = [penstock(project, "data", "check", str(broken))]
    found = {(b["id"], b["about"]) for b in told[0].body["breaches"]}
    assert {
        ("contract-kind", "born"),
        ("contract-kind", "pay"),
        ("contract-kind", "age"),
        ("contract-missing", "mail"),
    } <= found
    job = next(b for b in told[0].body["breaches"] if b["about"] == "job")
    assert {e["value"] for e in job["examples"]} == {"'[email]'"}
    assert "values" not in "".join(job["accept"])
    for row in rows:
        row["age"] = "41"  # what cannot be read in a column that is not personal, `predict` refuses and shows
    asked = write_rows(tmp_path / "asked.csv", rows, "bought")
    told.append(penstock(project, "predict", "--input", str(asked), "--output", "answers.csv"))
    declared = (project / "penstock.toml").read_text(encoding="utf-8")
    (project / "penstock.toml").write_text(declared.replace(str(source), str(broken)), encoding="utf-8")
    told += [penstock(project, "run"), penstock(project, "data", "accept", "--reason", "to see what is written")]
    assert (told[-2].error["code"], told[-1].code) == ("contract-broken", 0), told[-1]
    accepted = (project / "contract.toml").read_text(encoding="utf-8")
    hidden = secrets_of(range(8000, 8060))
    said = "\n".join([text, accepted, *(one.out + one.err for one in told)]).encode()
    assert leaks(project, hidden, said) == []
    assert leaks(tmp_path / "nowhere", secrets_of(range(N)), said) == []


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database(request: pytest.FixtureRequest, rows_of: Cli, tmp_path: Path) -> str:
    """The URL of a database with a table of persons, far from any project."""
    rows = with_persons(rows_of(N, seed=3))
    names = list(rows[0])
    columns = ", ".join(f'"{name}" TEXT' for name in names)
    table = f"CREATE TABLE persons ({columns})"
    values = [[None if row[name] is None else str(row[name]) for name in names] for row in rows]
    if request.param == "sqlite":
        with contextlib.closing(sqlite3.connect(tmp_path / "elsewhere.db")) as opened, opened:
            opened.execute(table)
            opened.executemany(f"INSERT INTO persons VALUES ({', '.join('?' * len(names))})", values)
        return f"sqlite:///{tmp_path / 'elsewhere.db'}"
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
    server: str = request.getfixturevalue("postgres")
    name = f"persons{secrets.token_hex(4)}"
    with psycopg.connect(server.format("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    with psycopg.connect(server.format(name)) as connection, connection.cursor() as cursor:
        cursor.execute(table)
        cursor.executemany(f"INSERT INTO persons VALUES ({', '.join(['%s'] * len(names))})", values)
    return server.format(name)


def test_no_plain_value_of_a_database_is_to_be_read_anywhere(
    database: str, penstock: Cli, set_line: Cli, tmp_path: Path
) -> None:
    """Not while nothing is decided, not after a run, and not in what is kept of its answer."""
    made = penstock(
        tmp_path, "new", "shop", "--data", database, "--query", "SELECT * FROM persons", "--target", "bought", "--key", "id",
        "--drop", ",".join(UNSEEN),
    )  # fmt: skip
    assert made.code == 0, made
    project = tmp_path / "shop"
    assert {"mail", "phone", "card", "remark"} <= {one["column"] for one in made.body["personal"]}
    hidden = secrets_of(range(N))
    assert leaks(project, hidden, opened_envelopes(project, tmp_path)) == []
    stopped = penstock(project, "run", "--budget", "1 trials")
    assert stopped.error["code"] == "privacy-undecided"
    assert leaks(project, hidden, (stopped.out + stopped.err).encode()) == []
    declare(project, DECIDED)
    set_line(project, "search", 'learners = ["linear"]')
    set_line(project, "search", "workers = 1")
    assert not (project / "recipe.toml").exists()
    outcomes = [
        penstock(project, "run", "--budget", "1 trials"),
        penstock(project, "data", "privacy"),
        penstock(project, "data", "profile"),
        penstock(project, "data", "log"),
    ]
    assert [one.code for one in outcomes] == [0] * 4, outcomes
    told = "\n".join(one.out + one.err for one in outcomes).encode()
    (tmp_path / "opened" / "shop").rename(tmp_path / "before")
    assert leaks(project, hidden, told + opened_envelopes(project, tmp_path)) == []


class Apart:
    """A server of a project in a process of its own, whose output is kept beside its state."""

    def __init__(self, project: Path) -> None:
        self.log = project / ".penstock" / "server.log"
        command = [sys.executable, "-m", "penstock.serving.server", str(project / ".penstock/serving"), "--port", "0"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--settings", '{"grpc_port": 0}'], stdout=log, stderr=subprocess.STDOUT
            )
        until = time.monotonic() + 120
        while b'"address"' not in (said := self.log.read_bytes()):
            assert self.process.poll() is None, said
            assert time.monotonic() < until, said
            time.sleep(0.1)
        told = json.loads(next(line for line in said.splitlines() if b'"address"' in line))
        self.port, self.grpc = int(told["address"].rpartition(":")[2]), told["grpc"]

    def ask(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> tuple[int, str]:
        """Status and text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        data = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
        connection.request(method, path, data, {"content-type": kind})
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, text

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(60)


@pytest.fixture
def apart(decided: Path, tmp_path: Path) -> Iterator[tuple[Path, Apart]]:
    """A copy of the project, and a server of it."""
    project = Path(shutil.copytree(decided, tmp_path / "shop"))
    server = Apart(project)
    yield project, server
    server.close()


def test_no_plain_value_is_kept_whichever_protocol_asks(apart: tuple[Path, Apart], rows_of: Cli) -> None:
    """Open Inference over HTTP and gRPC, TensorFlow Serving and MLflow, answered and refused: not in journal, log or any other file."""
    grpc = pytest.importorskip("grpc", reason="grpcio is not installed")
    from penstock.serving.protocols.grpc_messages import SERVICE, message

    project, server = apart
    rows = with_persons(rows_of(80, seed=6), first=8000)
    names = [*DECIDED]
    asked = [{name: float(row[name]) if name == "pay" else row[name] for name in names} for row in rows]
    _, described = server.ask("GET", "/v2/models/shop")
    types = {one["name"]: one["datatype"] for one in json.loads(described)["inputs"]}
    assert {"remark", "pay"} <= types.keys()
    types = {name: types.get(name, "BYTES") for name in names}  # what the model does not need may be sent, too

    def tensors(some: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {"name": n, "datatype": types[n], "shape": [len(some)], "data": [row[n] for row in some]} for n in names
        ]

    def in_columns(some: list[dict[str, Any]]) -> dict[str, list[Any]]:
        return {name: [row[name] for row in some] for name in names}

    text = io.StringIO()
    writer = csv.DictWriter(text, names, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(asked[60:70])
    mail = person(8001)["mail"]
    split = {"columns": names, "data": [[row[n] for n in names] for row in asked[50:60]]}
    good = [
        server.ask("POST", "/v2/models/shop/infer", {"inputs": tensors(asked[:10])}),
        server.ask("POST", "/v1/models/shop:predict", {"instances": asked[20:30]}),
        server.ask("POST", "/v1/models/shop:predict", {"inputs": in_columns(asked[30:40])}),
        server.ask("POST", "/invocations", {"dataframe_records": asked[40:50]}),
        server.ask("POST", "/invocations", {"dataframe_split": split}),
        server.ask("POST", "/invocations", text.getvalue(), "text/csv"),
    ]
    assert [status for status, _ in good] == [200] * 6, good
    wrong = [
        server.ask("POST", "/v2/models/shop/infer", {"inputs": [{"name": "pay", "datatype": "FP64", "shape": [1], "data": [mail]}]}),
        server.ask("POST", "/v2/models/shop/infer", {"inputs": [{"name": "mail", "datatype": mail, "shape": [1], "data": [mail]}]}),
        server.ask("POST", f"/v2/models/{mail}/infer", {"inputs": tensors(asked[:1])}),
        server.ask("POST", "/v1/models/shop:predict", {"instances": [{"pay": mail}]}),
        server.ask("POST", "/v1/models/shop:predict", {"instances": [mail, mail]}),
        server.ask("POST", "/invocations", {"dataframe_records": [{"pay": mail}]}),
        server.ask("POST", "/invocations", f"mail,pay\n{mail},{mail}\n", "text/csv"),
        server.ask("POST", "/invocations", f'{{"inputs": "{mail}', "application/json"),
    ]  # fmt: skip
    assert all(400 <= status < 500 for status, _ in wrong), wrong

    request = message("ModelInferRequest")(model_name="shop")
    for tensor in tensors(asked[10:20]):
        made = request.inputs.add(name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"])
        if tensor["datatype"] == "BYTES":
            made.contents.bytes_contents.extend(value.encode() for value in tensor["data"])
        else:
            made.contents.fp64_contents.extend(tensor["data"])
    bad = message("ModelInferRequest")(model_name="shop")
    bad.inputs.add(name="pay", datatype="BYTES", shape=[1]).contents.bytes_contents.append(mail.encode())
    with grpc.insecure_channel(server.grpc) as channel:
        infer = channel.unary_unary(
            f"/{SERVICE}/ModelInfer",
            request_serializer=message("ModelInferRequest").SerializeToString,
            response_deserializer=message("ModelInferResponse").FromString,
        )
        assert infer(request, timeout=60).outputs[0].shape[0] == 10
        with pytest.raises(grpc.RpcError, match="INVALID_ARGUMENT"):
            infer(bad, timeout=60)
    _, metrics = server.ask("GET", "/metrics")
    server.close()
    kept = [row for record in journal(project) if record["kind"] == "predict" for row in record["rows"]]
    assert len(kept) == 70
    assert all(row["mail"]["hash"] for row in kept)
    planted = secrets_of(range(8000, 8080))
    assert leaks(project, planted, metrics.encode()) == []
    (project / "planted.txt").write_text(person(8070)["mail"], encoding="utf-8")
    assert leaks(project, planted) == ["planted.txt: mail of 8070"], "what looks for them finds them"


def test_what_is_served_is_what_was_learned(
    decided: Path, penstock: Cli, serve: Cli, rows_of: Cli, tmp_path: Path
) -> None:
    """The same raw rows get the same answers online and in batch, and unprotected columns are not needed for that."""
    project = Path(shutil.copytree(decided, tmp_path / "shop"))
    rows = with_persons(rows_of(30, seed=5), first=7000)
    names = [name for name in rows[0] if name not in ("bought", "grade", "price")]
    served = serve(project)
    online = served.predict([{n: row[n] for n in names} for row in rows])
    served.close()
    with (tmp_path / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows({n: row[n] for n in names} for row in rows)
    assert penstock(project, "predict", "--input", str(tmp_path / "rows.csv"), "--output", "answers.csv").code == 0
    with (project / "answers.csv").open(encoding="utf-8") as file:
        batch = list(csv.DictReader(file))
    assert [float(b["p_yes"]) for b in batch] == [a["probabilities"]["yes"] for a in online]
    decoder = json.loads((project / "models/v1/decoder.json").read_text(encoding="utf-8"))
    signature = json.loads((project / "models/v1/signature.json").read_text(encoding="utf-8"))
    assert {"born", "seen_at", "remark", "postcode", "pay"} <= {c["name"] for c in signature["columns"]}
    actions = {c["name"]: c["privacy"]["action"] for c in decoder["columns"] if "privacy" in c}
    assert actions == DECIDED


def test_a_bundle_elsewhere_needs_the_key_and_holds_none(
    decided: Path, penstock: Cli, tmp_path: Path, monkeypatch: Any
) -> None:
    """The key stands in no file of the bundle; without it raw rows are refused, with it the answers are the same."""
    from penstock.bundle.privacy.keys import FILE, VARIABLE
    from penstock.bundle.runtime import Bundle
    from penstock.errors import PrivacyError

    key = penstock(decided, "data", "privacy", "--key").body["key"]
    beside = decided / ".penstock" / "serving" / FILE
    assert beside.read_text(encoding="ascii").strip() == key
    assert beside.stat().st_mode & 0o777 == 0o600
    bundle = Path(shutil.copytree(decided / "models" / "v1", tmp_path / "somewhere" / "v1"))
    assert leaks(bundle, {key: "key"}) == []
    row = {"mail": "ada@example.org", "age": 41}
    loaded = Bundle.load(bundle)
    loaded.self_test()
    with pytest.raises(PrivacyError, match="privacy key is not here"):
        loaded.predict([row])
    monkeypatch.setenv(VARIABLE, key)
    assert Bundle.load(bundle).predict([row]) == Bundle.load(bundle, key=bytes.fromhex(key)).predict([row])
    monkeypatch.setenv(VARIABLE, "00" * 32)
    with pytest.raises(PrivacyError, match="not the privacy key"):
        Bundle.load(bundle)


def test_a_new_personal_column_of_the_source_stops_the_next_run(
    decided: Path, penstock: Cli, rows_of: Cli, write_rows: Cli, set_line: Cli, tmp_path: Path
) -> None:
    """What was undecided yesterday is undecided today: nothing of the new version is stored."""
    project = Path(shutil.copytree(decided, tmp_path / "shop"))
    rows = with_persons(rows_of(N, seed=3))
    for i, row in enumerate(rows):
        row["second_mail"] = f"zqsecond{i:05d}@example.org"
    moved = write_rows(tmp_path / "customers.csv", rows, "bought")
    text = (project / "penstock.toml").read_text(encoding="utf-8")
    before = next(line for line in text.splitlines() if line.startswith("source = "))
    (project / "penstock.toml").write_text(text.replace(before, f"source = {json.dumps(str(moved))}"), encoding="utf-8")
    broken = penstock(project, "run", "--budget", "2 trials")
    assert (
        broken.error["code"] == "contract-broken"
    )  # a column that nobody knows is asked about first, without its values
    assert "zqsecond" not in broken.out + broken.err
    set_line(project, "contract", 'check = "off"')
    done = penstock(project, "run", "--budget", "2 trials")
    assert done.code == 2
    assert done.error["code"] == "privacy-undecided"
    assert "second_mail" in done.error["what"]
    assert 'second_mail" = "hash"' in done.error["try"] or 'second_mail = "hash"' in done.error["try"]
    assert leaks(project, {f"zqsecond{i:05d}": "second mail" for i in range(N)}) == []
    assert penstock(project, "data", "privacy", "--accept").body["accepted"] == {"second_mail": "hash"}
    assert penstock(project, "run", "--budget", "2 trials").code == 0


@pytest.mark.parametrize("torn", ["grace.hopper@example.org,5,yes", 'x,"grace.hopper@example.org,5'])
def test_a_line_that_cannot_be_read_is_kept_nowhere(
    decided: Path, source: Path, penstock: Cli, set_line: Cli, tmp_path: Path, torn: str
) -> None:
    """Nobody can say which of its values are personal: the ledger has its number, and only the terminal shows it."""
    project = Path(shutil.copytree(decided, tmp_path / "shop"))
    broken = tmp_path / "broken.csv"
    broken.write_text(f"{source.read_text(encoding='utf-8')}{torn}\n", encoding="utf-8")
    set_line(project, "data", f"source = {json.dumps(str(broken))}")
    refused = penstock(project, "run")
    assert refused.code == 2
    assert refused.error["code"] == "source"
    assert "grace" not in str(refused.error)
    assert leaks(project, {"grace.hopper": "the line"}) == []


def test_a_decision_changes_no_row_s_part(decided: Path, penstock: Cli, tmp_path: Path) -> None:
    """Rows are known by keyed fingerprints of their raw text: sealed rows stay sealed when an action changes."""
    from penstock.data.versions import load_memory, load_version
    from penstock.project.project import Project

    project = Path(shutil.copytree(decided, tmp_path / "shop"))
    opened = Project(project)
    first = load_version(opened.objects, opened.ledger.datasets.head("shop"))
    before = load_memory(opened.objects, first)
    opened.ledger.close()
    declare(project, {**DECIDED, "mail": "drop", "seen_at": "shift"})
    assert penstock(project, "run", "--budget", "2 trials").code == 0
    opened = Project(project)
    second = load_version(opened.objects, opened.ledger.datasets.head("shop"))
    now = load_memory(opened.objects, second)
    assert second.digest != first.digest
    assert second.lineage == first.lineage
    parts = {bytes(row): part for row, part in zip(before.row, before.part.tolist(), strict=True)}
    assert all(parts[bytes(row)] == part for row, part in zip(now.row, now.part.tolist(), strict=True))
    opened.ledger.close()


def test_the_card_says_what_became_of_them(decided: Path) -> None:
    """For whoever has to answer for the model."""
    card = json.loads((decided / "models/v1/card.json").read_text(encoding="utf-8"))
    assert {p["column"]: p["action"] for p in card["personal"]} == DECIDED
    assert "| `mail` | hash |" in (decided / "models/v1/card.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("column", "action", "code"),
    [
        ("mail", "hsh", "bad-declaration"),
        ("mail", "keep", "bad-declaration"),
        ("male", "hash", "schema-mismatch"),
        ("bought", "hash", "bad-declaration"),
        ("boss", "year", "schema-mismatch"),
        ("seen_at", "shift:nobody", "schema-mismatch"),
        ("id", "drop", "bad-declaration"),
    ],
)
def test_a_decision_that_cannot_be_is_refused(
    new: tuple[Path, Any], penstock: Cli, tmp_path: Path, column: str, action: str, code: str
) -> None:
    """By name, and without a value."""
    project = Path(shutil.copytree(new[0], tmp_path / "shop"))
    declare(project, {**DECIDED, column: action})
    done = penstock(project, "run", "--budget", "2 trials")
    assert done.code == 2, done
    assert done.error["code"] == code, done.error
    assert not any(secret in done.out + done.err for secret in secrets_of(range(40)))


def test_labelled_traffic_is_known_by_a_hashed_key(penstock: Cli, serve: Cli, set_line: Cli, tmp_path: Path) -> None:
    """From a file to a retraining: labels name raw keys, and a customer of the exam is not trained on in another state."""
    dice = random.Random(2)
    ages = {f"c{i}": dice.uniform(18, 90) for i in range(300)}
    lines = [f"{who},{age:.3f},{'yes' if age > dice.uniform(18, 90) else 'no'}" for who, age in ages.items()]
    (tmp_path / "customers.csv").write_text("\n".join(["who,age,bought", *lines]) + "\n", encoding="utf-8")
    assert penstock(tmp_path, "new", "shop", "--data", "customers.csv", "--target", "bought", "--key", "who").code == 0
    project = tmp_path / "shop"
    text = (project / "penstock.toml").read_text(encoding="utf-8")
    (project / "penstock.toml").write_text(f'{text}\n[privacy.columns]\nwho = "hash"\n', encoding="utf-8")
    set_line(project, "search", 'learners = ["linear"]')
    set_line(project, "search", "workers = 1")
    assert penstock(project, "run", "--budget", "1 trials").code == 0
    assert penstock(project, "deploy", "--override", "a test").code == 0
    had, _ = head_of(project)
    served = serve(project)
    served.predict([{"who": who, "age": age + 1} for who, age in ages.items()])  # a year later
    labelled = served.ask("POST", "/labels", {"labels": [{"key": who, "label": "no"} for who in ages]})[1]
    served.close()
    assert (labelled["accepted"], labelled["rejected"]) == (300, [])
    done = penstock(project, "retrain", "--budget", "1 trials", "--override", "a test")
    assert done.code in (0, 1), done
    now, digest = head_of(project)
    assert now["train"] == 2 * had["train"], "each stands where its customer stood"
    assert now["valid"] + now["test"] == 2 * (had["valid"] + had["test"])
    told = penstock(project, "data", "lineage", digest, "--row", "c7")
    assert len(told.body["row"]["versions"]) >= 2, told


def head_of(project: Path) -> tuple[dict[str, int], str]:
    """Rows and digest of the version that a project is at."""
    from penstock.data.versions import load_version
    from penstock.project.project import Project

    with contextlib.closing(Project(project).ledger) as ledger:
        digest = ledger.datasets.head("shop")
    assert digest is not None
    return load_version(Project(project).objects, digest).rows, digest


def test_what_is_decided_at_once_holds_before_anything_is_stored(penstock: Cli, tmp_path: Path) -> None:
    """A personal target is refused with the option that keeps it; a hint is held back, until it is dropped, or kept by one word."""
    path = tmp_path / "people.csv"
    dice = random.Random(0)
    rows = [
        f"Zq{dice.choice('abcdef')} Planted,{dice.random()},a{dice.randint(0, 1)}@planted.example.org"
        for _ in range(400)
    ]
    path.write_text("customer_name,x,email\n" + "\n".join(rows) + "\n")
    asked = ("--data", str(path), "--target", "email")
    refused = penstock(tmp_path, "new", "p", *asked)
    assert (refused.code, refused.error["code"]) == (2, "privacy-undecided")
    assert "--privacy 'email=keep: REASON'" in refused.error["try"]
    assert not (tmp_path / "p").exists()
    keep = ("--privacy", "email=keep: it is what is asked = told")
    planted = {f"Zq{letter} Planted": "a name" for letter in "abcdef"}
    hinted = penstock(tmp_path, "new", "h", *asked, *keep)
    assert [(one["column"], one["confidence"]) for one in hinted.body["personal"]] == [("customer_name", "low")]
    stopped = penstock(tmp_path / "h", "run")
    assert (stopped.code, stopped.error["code"]) == (2, "privacy-undecided")
    assert "penstock data privacy --accept" in stopped.error["try"]
    assert penstock(tmp_path / "h", "data", "privacy", "--accept").body["accepted"] == {"customer_name": "drop"}
    assert leaks(tmp_path / "h", planted, opened_envelopes(tmp_path / "h", tmp_path)) == []
    kept = penstock(tmp_path, "new", "k", *asked, *keep, "--privacy", "customer_name=keep")
    assert (kept.code, kept.body["personal"]) == (0, [])
    assert (tmp_path / "k/data/raw/people.csv").read_bytes() == path.read_bytes()
    assert "Planted" not in str(kept.body)
    told = (tmp_path / "k/.penstock/ledger.db").read_bytes() + (tmp_path / "k/contract.toml").read_bytes()
    assert b"Planted" not in told
    made = penstock(tmp_path, "new", "p", *asked, *keep, "--privacy", "customer_name=drop")
    assert made.code == 0, made
    assert leaks(tmp_path / "p", planted) == []
    assert tomllib.loads((tmp_path / "p/penstock.toml").read_text())["privacy"]["columns"]["customer_name"] == "drop"


def test_a_column_that_looks_harmless_is_withheld_as_soon_as_somebody_says_so(penstock: Cli, tmp_path: Path) -> None:
    """Nothing recognises the notes; yet their file is not copied where they are dropped or hashed, and is where they are kept."""
    path = tmp_path / "notes.csv"
    rows = [f"planted {number},{number % 7},{'yes' if number % 3 else 'no'}" for number in range(120)]
    path.write_text("notes,x,y\n" + "\n".join(rows) + "\n")
    for number, action in enumerate(("drop", "hash")):
        made = penstock(tmp_path, "new", f"p{number}", "--data", str(path), "--target", "y", "--privacy", f"notes={action}")  # fmt: skip
        assert made.code == 0, made
        project = tmp_path / f"p{number}"
        assert not [file for file in project.rglob("*") if file.is_file() and b"planted" in file.read_bytes()]
        assert tomllib.loads((project / "penstock.toml").read_text())["data"]["source"] == str(path)
    assert penstock(tmp_path, "new", "k", "--data", str(path), "--target", "y", "--privacy", "notes=keep: made up").code == 0  # fmt: skip
    assert (tmp_path / "k/data/raw/notes.csv").read_bytes() == path.read_bytes()


def test_a_file_stays_where_it_is_too_where_its_personal_column_is_left_out(penstock: Cli, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    rows = [f"planted{number}@example.org,{number % 7},{'yes' if number % 3 else 'no'}" for number in range(120)]
    path.write_text("email,x,y\n" + "\n".join(rows) + "\n")
    made = penstock(tmp_path, "new", "p", "--data", str(path), "--target", "y", "--drop", "email")
    assert (made.code, made.body["personal"]) == (0, [])
    assert not [file for file in (tmp_path / "p").rglob("*") if file.is_file() and b"planted" in file.read_bytes()]

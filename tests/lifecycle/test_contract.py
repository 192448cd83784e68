"""A source is held against its contract before anything of it is stored; a person accepts what is as it should be."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from penstock.data import fingerprints as prints
from penstock.data.contract.parse import parse_contract
from penstock.data.keys import key_hashes
from penstock.data.sources.file import FileSource
from penstock.data.split import TEST
from penstock.data.versions import load_memory, load_version
from penstock.project.project import Project

Cli = Callable[..., Any]


def rows_in(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def change(project: Path, write_rows: Cli, how: Callable[[int, dict[str, Any]], None]) -> Path:
    """The project's source with its rows changed."""
    source = next((project / "data" / "raw").glob("*.csv"))
    rows: list[dict[str, Any]] = list(rows_in(source))
    for number, row in enumerate(rows):
        how(number, row)
    written: Path = write_rows(source, rows)
    return written


def older(number: int, row: dict[str, Any]) -> None:
    """Every fortieth client is 900 years old."""
    if number % 40 == 0:
        row["age"] = "900"


def test_a_new_project_has_a_contract_that_its_own_source_keeps(penstock: Cli, project_at: Cli) -> None:
    """It is inferred from training rows, reads, and names every column; checking the source again finds nothing."""
    project = project_at("new")
    contract = parse_contract((project / "contract.toml").read_text(encoding="utf-8"))
    assert list(contract.columns) == ["id", "age", "net income", "job", "member", "joined", "note", "bought"]
    assert contract.columns["bought"].values == ("no", "yes")
    found = penstock(project, "data", "check", "data/raw/customers.csv").body
    assert (found["breaches"], found["contract"]) == ([], "contract.toml")
    assert found["test_rows"] > 0


def test_a_file_that_is_written_otherwise_is_read_as_it_is_said(penstock: Cli, project_at: Cli, tmp_path: Path) -> None:
    """The options that messages name are there: another encoding, no header; `accept` and `privacy --file` have them, too."""
    project = project_at("new")
    names, *rows = (project / "data/raw/customers.csv").read_text(encoding="utf-8").splitlines()
    bare = tmp_path / "bare.csv"
    bare.write_text("\n".join(rows) + "\n", encoding="utf-16")
    refused = penstock(project, "data", "check", str(bare)).error
    assert "--encoding utf-16" in refused["try"]
    said = ("--encoding", "utf-16", "--no-header", "--columns", names)
    found = penstock(project, "data", "check", str(bare), *said).body
    assert (found["breaches"], found["rows"]) == ([], len(rows))
    assert penstock(project, "data", "accept", str(bare), "--reason", "as agreed", *said).body["lines"] == []
    assert "no FILE is named" in penstock(project, "data", "accept", "--reason", "as agreed", *said[:2]).error["why"]
    assert penstock(project, "data", "privacy", "--file", str(bare), *said).code == 0
    assert "no --file is named" in penstock(project, "data", "privacy", *said[:2]).error["why"]


def test_a_source_that_breaks_it_stops_the_run(penstock: Cli, project_at: Cli, write_rows: Cli) -> None:
    """Exit 1, what broke as data, and no version of the data set more than before; again the same without a new check."""
    project = project_at("new")
    before = penstock(project, "data", "log").body["versions"]
    change(project, write_rows, older)
    done = penstock(project, "run")
    assert (done.code, done.error["code"]) == (1, "contract-broken")
    (breach,) = done.error["breaches"]
    assert (breach["id"], breach["about"], breach["rows"]) == ("contract-range", "age", 55)
    assert penstock(project, "data", "log").body["versions"] == before
    checks = len(penstock(project, "runs", "--operation", "contract").body["runs"])
    assert penstock(project, "run").code == 1
    assert len(penstock(project, "runs", "--operation", "contract").body["runs"]) == checks


def test_an_override_is_shown_wherever_the_model_goes(penstock: Cli, project_at: Cli, write_rows: Cli) -> None:
    """The gate `contract` failed, and who went on and why stands in the result, the report and the card."""
    project = project_at("new")
    change(project, write_rows, older)
    done = penstock(project, "run", "--override", "the year is right")
    assert done.code == 0, done
    gate = next(g for g in done.body["gates"] if g["id"] == "contract")
    assert not gate["passed"]
    assert "contract-range age" in gate["why"]
    assert {"gate": "contract", "reason": "the year is right"}.items() <= done.body["overrides"][0].items()
    card = json.loads((project / done.body["bundle"] / "card.json").read_text(encoding="utf-8"))
    assert "the year is right" in json.dumps(card)
    assert "the year is right" in (project / done.body["report"]).read_text(encoding="utf-8")


def test_rows_that_are_or_will_be_sealed_show_nothing(
    penstock: Cli, project_at: Cli, write_rows: Cli, tmp_path: Path
) -> None:
    """Of rows with a value of their own each, those that are test rows, or would become some, are counted only."""
    project = project_at("new")

    def mark(number: int, row: dict[str, Any]) -> None:
        row["job"] = f"secret-{number}"
        row["id"] = f"9-{number:05d}"  # another key: no row is known any more

    change(project, write_rows, mark)
    found = penstock(project, "data", "check", "data/raw/customers.csv").body
    breach = next(b for b in found["breaches"] if b["about"] == "job")
    assert 0.1 < breach["hidden"] / breach["rows"] < 0.3
    shown = {int(e["value"].strip("'").removeprefix("secret-")) for e in breach["examples"]}
    penstock(project, "run", "--override", "to see where they go", "--budget", "1 trials")
    opened = Project(project)
    version = load_version(opened.objects, opened.ledger.datasets.head("shop") or "")
    parts = load_memory(opened.objects, version)
    (batch,) = FileSource(project / "data/raw/customers.csv").batches()
    row = prints.fingerprints(key_hashes(batch.columns["id"]), opened.ledger.secret("fingerprints"))
    part, _ = parts.parts_of_rows(row)
    assert (part == TEST).sum() == breach["hidden"]
    assert not {number for number in shown if part[number] == TEST}
    opened.ledger.close()


def test_before_the_first_ingest_nothing_is_shown(
    penstock: Cli, project_at: Cli, write_rows: Cli, tmp_path: Path
) -> None:
    """A contract that came with the project is held, and only counts are told: any row may become a test row."""
    project = project_at("new")
    change(project, write_rows, older)
    shutil.rmtree(project / ".penstock")
    done = penstock(project, "run")
    assert (done.code, done.error["code"]) == (1, "contract-broken")
    (breach,) = done.error["breaches"]
    assert (breach["rows"], breach["hidden"], breach["examples"]) == (55, 55, [])
    assert "900" not in json.dumps(done.error)


def test_what_is_accepted_is_edited_recorded_and_kept(penstock: Cli, project_at: Cli, write_rows: Cli) -> None:
    """The line changes, its comment stays and says who; the ledger and the trail know why; the file passes."""
    project = project_at("new")

    def both(number: int, row: dict[str, Any]) -> None:
        older(number, row)
        if number % 50 == 0:
            row["job"] = "smith"

    source = change(project, write_rows, both)
    refused = penstock(project, "data", "accept")
    assert refused.code == 2  # without a reason
    assert penstock(project, "data", "accept", "--column", "note", "--reason", "x").error["code"] == "not-found"
    one = penstock(project, "data", "accept", "--column", "job", "--reason", "they joined us", str(source)).body
    assert one["left"] == ["contract-range age"]
    text = (project / "contract.toml").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("values = ") and "smith" in line)
    assert "training rows say; accepted" in line
    assert "they joined us" in line
    rest = penstock(project, "data", "accept", "--reason", "so old they are").body
    assert rest["left"] == []
    assert any("age" in line for line in rest["lines"])
    assert penstock(project, "data", "check", str(source)).body["breaches"] == []
    accepted = penstock(project, "runs", "--operation", "accept").body["runs"]
    assert [run["params"]["reason"] for run in accepted] == ["so old they are", "they joined us"]
    events = [e for e in penstock(project, "doctor", "--trail").body["events"] if e["what"] == "accept"]
    assert len(events) == 2
    again = penstock(project, "data", "accept", "--reason", "nothing").body
    assert (again["run"], again["lines"]) == (None, [])


def test_warn_and_off_do_as_they_say(penstock: Cli, project_at: Cli, write_rows: Cli, set_line: Cli) -> None:
    """`warn` goes on with a warning; `off` does not look."""
    project = project_at("new")
    change(project, write_rows, older)
    set_line(project, "contract", 'check = "warn"')
    warned = penstock(project, "run", "--budget", "1 trials")
    assert warned.code == 0
    assert any("contract-range age" in warning for warning in warned.body["warnings"])
    set_line(project, "contract", 'check = "off"')
    off = penstock(project, "run", "--budget", "1 trials")
    assert not any("contract-range" in warning for warning in off.body["warnings"])


def test_a_project_without_one_gets_one_by_its_first_run(penstock: Cli, project_at: Cli) -> None:
    """And a run that has one leaves it alone."""
    project = project_at("new")
    first = (project / "contract.toml").read_text(encoding="utf-8")
    (project / "contract.toml").unlink()
    assert penstock(project, "run", "--why").code == 0
    assert not (project / "contract.toml").exists()
    assert penstock(project, "run", "--budget", "1 trials").code == 0
    assert (project / "contract.toml").read_text(encoding="utf-8") == first


def test_a_wrong_contract_is_told_before_anything_runs(penstock: Cli, project_at: Cli) -> None:
    """With line and column, under its own code; the same from `data contract --check`."""
    project = project_at("new")
    file = project / "contract.toml"
    file.write_text(file.read_text(encoding="utf-8") + "\n[columns.age2]\natt_least = 3\n", encoding="utf-8")
    for verb in (("run",), ("data", "contract", "--check"), ("data", "check", "data/raw/customers.csv")):
        done = penstock(project, *verb)
        assert (done.code, done.error["code"]) == (2, "contract")
        assert "at_least" in done.error["try"]
        assert "line" in done.error["what"]


def test_the_contract_is_shown_checked_and_inferred_anew(penstock: Cli, project_at: Cli) -> None:
    """Columns that the data set lacks are told; what a person wrote is not written over without being asked to."""
    project = project_at("new")
    file = project / "contract.toml"
    first = file.read_text(encoding="utf-8")
    shown = penstock(project, "data", "contract").body
    assert (shown["text"], shown["unknown"]) == (first, [])
    file.write_text(first + "\n[columns.agee]\n", encoding="utf-8")
    checked = penstock(project, "data", "contract", "--check")
    assert (checked.code, checked.body["unknown"]) == (1, ["agee"])
    assert penstock(project, "data", "contract", "--infer").error["code"] == "contract"
    assert penstock(project, "data", "contract", "--infer", "--force").body["wrote"]
    assert file.read_text(encoding="utf-8") == first
    assert penstock(project, "run", "--why").body["known"][0]["name"] == "contract"


def test_rows_to_answer_are_held_too(
    penstock: Cli, project_at: Cli, rows_of: Cli, write_rows: Cli, set_line: Cli
) -> None:
    """The answers come with a warning; with `at_predict = "stop"` nothing is answered. The target may be absent."""
    project = project_at("run")
    rows = [{**row, "age": 900.0} for row in rows_of(30, seed=5)]
    asked = [{k: v for k, v in row.items() if k not in ("bought", "grade", "price")} for row in rows]
    source = write_rows(project / "ask.csv", asked)
    done = penstock(project, "predict", "--input", str(source), "--output", "out.csv")
    assert done.code == 0
    assert [w for w in done.body["warnings"] if "contract" in w] == [
        "ask.csv breaks contract.toml: contract-range age: 30 rows (100.00%) out of range, 900"
    ]
    set_line(project, "contract", 'at_predict = "stop"')
    stopped = penstock(project, "predict", "--input", str(source), "--output", "more.csv")
    assert (stopped.code, stopped.error["code"]) == (1, "contract-broken")
    assert not (project / "more.csv").exists()


def test_labelled_traffic_is_held_before_it_joins(penstock: Cli, served: Any, rows_of: Cli) -> None:
    """What clients sent is not trained on where it breaks the contract; a reason lets it join, and shows."""
    rows = [{**row, "age": 900.0} for row in rows_of(40, seed=7)]
    answers = served.predict(rows)
    items = [{"id": a["id"], "label": r["bought"], "author": "shop"} for a, r in zip(answers, rows, strict=True)]
    assert served.ask("POST", "/labels", {"labels": items})[1]["accepted"] == 40
    stopped = penstock(served.project, "retrain", "--budget", "1 trials")
    assert (stopped.code, stopped.error["code"]) == (1, "contract-broken")
    assert [b["id"] for b in stopped.error["breaches"]] == ["contract-range"]
    assert len(penstock(served.project, "data", "log").body["versions"]) == 1
    done = penstock(served.project, "retrain", "--budget", "1 trials", "--override", "they are right")
    assert done.code == 0, done
    assert "contract" in {override["gate"] for override in done.body["overrides"]}
    assert len(penstock(served.project, "data", "log").body["versions"]) == 2


def test_how_fresh_rows_are_is_judged_by_now_and_not_by_this_morning(
    penstock: Cli, project_at: Cli, write_rows: Cli
) -> None:
    """Rows of three hours ago are not of the last two, whatever the hour of the day."""
    project = project_at("new")
    text = (project / "contract.toml").read_text(encoding="utf-8")
    head, _, rest = text.partition("[columns.joined]\n")
    kept, mark, tail = rest.partition("\n[")
    kept = "\n".join(line for line in kept.splitlines() if line.startswith("kind"))
    (project / "contract.toml").write_text(
        f'{head}[columns.joined]\n{kept}\nnewest_within = "2h"\n{mark}{tail}', "utf-8"
    )
    at = (datetime.now(UTC) - timedelta(hours=3)).isoformat()
    change(project, write_rows, lambda _, row: row.update(joined=at))
    done = penstock(project, "run")
    assert (done.code, done.error["code"]) == (1, "contract-broken")
    assert [(breach["id"], breach["about"]) for breach in done.error["breaches"]] == [("contract-fresh", "joined")]


def test_a_file_with_decimal_commas_is_read_or_refused_and_never_lost(
    penstock: Cli, project_at: Cli, write_rows: Cli
) -> None:
    """Its numbers get another mark, not another kind; until `[data]` has the same, `check` and `run` stop, as the data set would lose them."""
    project = project_at("new")
    declared = project / "penstock.toml"

    def euro(number: int, row: dict[str, Any]) -> None:
        row["net income"] = row["net income"].replace(".", ",")

    source = change(project, write_rows, euro)
    (breach,) = penstock(project, "data", "check", str(source)).body["breaches"]
    assert (breach["id"], breach["about"]) == ("contract-kind", "net income")
    line = 'decimal."net income" = ","'
    assert breach["data"] == [line]
    done = penstock(project, "data", "accept", "--reason", "from France", str(source)).body
    assert (done["lines"], done["data"]) == (['[columns."net income"]', 'decimal = ","'], [line])
    for verb in (("data", "check", str(source)), ("run",)):
        again = penstock(project, *verb)
        (lost,) = (
            again.body["breaches"] if again.code == 1 and "breaches" in (again.body or {}) else again.error["breaches"]
        )
        assert (again.code, lost["id"], lost["data"], lost["accept"]) == (1, "contract-reading", [line], None)
    declared.write_text(declared.read_text().replace("[split]", f"{line}\n\n[split]", 1))
    assert penstock(project, "data", "check", str(source)).body["breaches"] == []

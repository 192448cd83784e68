"""A version of the data set that is forgotten: none of its values is to be read anywhere, and what used it is still known."""

from __future__ import annotations

import csv
import random
import re
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.lifecycle.test_privacy import leaks, opened_envelopes

from penstock.errors import NotFound, SearchError
from penstock.ledger.access import MADE_AGAIN
from penstock.project.project import Project

Cli = Callable[..., Any]
N = 240


def people(first: int, last: int) -> list[dict[str, str]]:
    """Each row has a text that no other has, and one of four places, which are quoted in messages, contracts and models."""
    rows = []
    for i in range(first, last):
        dice = random.Random(i)
        x = dice.gauss(0, 1)
        place = f"Zqplace{dice.randrange(4)}town"
        y = "yes" if x + (place == "Zqplace0town") > 0.2 else "no"
        rows.append({"id": f"row-{i:05d}", "remark": f"Zqremark{i:05d}", "place": place, "x": f"{x:.5f}", "y": y})
    return rows


PLANTED = {f"Zqremark{i:05d}": "a remark" for i in range(N + 1)} | {
    f"Zqplace{i}town": "a place" for i in (0, 1, 2, 3, 9)
}


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def decide(project: Path, action: str) -> None:
    """What becomes of both columns."""
    path = project / "penstock.toml"
    text = re.sub(r'(?m)^(remark|place) = ".*"$', rf'\1 = "{action}"', path.read_text(encoding="utf-8"))
    path.write_text(text, encoding="utf-8")


def versions(project: Path, penstock: Cli) -> list[str]:
    """Digests, oldest first."""
    return [one["digest"] for one in reversed(penstock(project, "data", "log").body["versions"])]


@pytest.fixture(scope="module")
def made(penstock: Cli, set_line: Cli, tmp_path_factory: Any) -> Path:
    """A project whose first version and model have both columns, and whose second ones have neither. Nothing is forgotten yet."""
    folder = tmp_path_factory.mktemp("forgetting")
    source = write(folder / "people.csv", people(0, N))
    keep = ("--privacy", "remark=keep", "--privacy", "place=keep")
    new = penstock(folder, "new", "shop", "--data", str(source), "--target", "y", "--key", "id", "--kind", "remark=text", *keep)  # fmt: skip
    assert new.code == 0, new
    project = folder / "shop"
    set_line(project, "search", 'learners = ["linear"]')
    set_line(project, "search", "workers = 1")
    use_it(project, penstock)
    for page in ((), ("--html", str(folder / "places.html"))):
        assert penstock(project, "data", "profile", *page).code == 0
    decide(project, "drop")
    for file in ("contract.toml", "recipe.toml"):  # the user's own, made anew of what is let in
        (project / file).unlink()
    done = penstock(project, "run", "--budget", "1 trials")
    assert done.code == 0, done
    held = [one for one in done.body["warnings"] if "penstock data forget" in one]
    assert len(held) == 1
    assert held[0].startswith("'remark', 'place': the version before"), held
    assert penstock(project, "data", "profile", "--html", str(folder / "later.html")).code == 0
    return project


def use_it(project: Path, penstock: Cli) -> None:
    """The first version is used as people do: an edited contract that it breaks, a delivery that is refused, a batch job, a script, a repetition."""
    from penstock.project.project import Project

    run, contract = ("run", "--budget", "1 trials"), project / "contract.toml"
    told = contract.read_text(encoding="utf-8")
    edited = told.replace("[columns.place]\n", f"[columns.place]\nvalues = {[f'Zqplace{i}town' for i in range(3)]}\n")
    edited = edited.replace("[columns.remark]\n", '[columns.remark]\npattern = "Zqremark[0-9]*1"\n')
    contract.write_text(edited, encoding="utf-8")
    refused = penstock(project, *run)
    assert (refused.code, refused.error["code"]) == (1, "contract-broken"), refused
    assert penstock(project, *run, "--override", "a fourth place").code == 0
    source = project / "data/raw/people.csv"
    delivered = source.read_bytes()
    write(source, [*people(0, N), {**people(N, N + 1)[0], "place": "Zqplace9town"}])
    assert penstock(project, *run).error["code"] == "contract-broken"
    source.write_bytes(delivered)
    ask, answers = write(project.parent / "ask.csv", people(0, 5)), project.parent / "answers.csv"
    assert penstock(project, "predict", "--input", str(ask), "--output", str(answers)).code == 0
    script = "from pathlib import Path\nfor name in ('examples', 'signature'):\n    Path(f'models/v1/{name}.json').read_text()\n"
    (project / "read.py").write_text(script, encoding="utf-8")
    contract.write_text(told, encoding="utf-8")
    assert penstock(project, "run", "read.py").code == 0
    opened = Project(project)
    ledger = opened.ledger
    (search,), (recipe,), checks = ledger.runs("search"), ledger.runs("recipe"), ledger.runs("contract", order="r.id")
    broken = next(run for run in checks if not run.outputs["passed"])
    taken = {"artifacts": [kept["digest"] for kept in search.artifacts.values()], "file": opened.objects.put(delivered)}
    with ledger.run("explain.py", inputs=taken, project="shop"):
        pass
    with pytest.raises(SearchError), ledger.run("run", project="shop"), ledger.run("search", inputs=search.inputs):
        raise SearchError("no value of place is finite", why="row 3 says 'Zqplace1town'", way_out="drop it")
    with ledger.run("reproduce", inputs={"reproduces": broken.id}, project="shop") as run:
        run.output("differences", [{"what": "told", "was": broken.outputs["told"], "is": None}])
    ledger.close()
    for run in (broken, recipe):
        assert penstock(project, "reproduce", run.id).body["verdict"] == "identical"


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "shop"))


def test_no_value_of_a_forgotten_version_is_to_be_read_anywhere(project: Path, penstock: Cli, tmp_path: Path) -> None:
    """Not in objects, envelopes, the ledger's file, models, reports or the copy of the source; what used it is known as before."""
    first, second = versions(project, penstock)
    assert {"a remark", "a place"} <= {one.rpartition(": ")[2] for one in leaks(project, PLANTED)}
    before = penstock(project, "data", "lineage", first).body
    planned = penstock(project, "data", "forget", first[7:19], "--copy")
    assert (planned.code, planned.body["planned"], planned.body["models"]) == (0, True, ["shop@1"])
    assert penstock(project, "data", "lineage", first).body == before, "nothing is done without --yes"

    done = penstock(project, "data", "forget", first[7:19], "--copy", "--yes", "--why", "they asked us to")
    assert (done.code, done.body["planned"], sum(done.body["rows"].values())) == (0, False, N)
    assert {"data/raw/people.csv", "models/v1", "reports/shop-v1.html"} <= set(done.body["files"])
    assert leaks(project, PLANTED, opened_envelopes(project, tmp_path)) == []
    assert not any("the file that it was read from" in one for one in done.body["stays"])
    failed = penstock(project, "runs", "--filter", "status = failed").body["runs"]
    errors = [penstock(project, "show", run["id"]).body["error"] for run in failed]
    assert sorted(error["code"] for error in errors) == ["contract-broken"] * 2 + ["search"] * 2
    assert all("forgotten" in error["why"] for error in errors)

    after = penstock(project, "data", "lineage", first).body
    assert after["forgotten"]["why"] == "they asked us to"
    event = penstock(project, "data", "access", first).body["events"][0]
    assert (event["what"], event["rows"], event["why"]) == ("forget version", N, "they asked us to")
    assert [(m["model"], m["version"], m["bundle"]) for m in after["models"]] == [
        ("shop", 1, before["models"][0]["bundle"])
    ]
    assert [one["run"] for one in after["runs"]] == [one["run"] for one in before["runs"]]
    held = penstock(project, "data", "lineage", first, "--row", "row-00007").body["row"]["versions"]
    assert [one["digest"] for one in held] == [first, second], "fingerprints are keyed, and stay"
    told = penstock(project, "data", "log").body["versions"]
    assert [one["forgotten_at"] is None for one in told] == [True, False]
    assert penstock(project, "data", "verify").body["wrong"] == []
    assert penstock(project, "doctor").code == 0
    assert penstock(project, "data", "gc", "--grace", "0").body["objects"] == 0


def test_what_a_check_has_counted_goes_too(project: Path, penstock: Cli) -> None:
    """Keyed hashes of values of a column that is dropped by now may be among it."""
    counts = project / ".penstock/cache/contract.counts"
    counts.parent.mkdir(exist_ok=True)
    counts.write_bytes(b"counts of a folder's files")
    done = penstock(project, "data", "forget", versions(project, penstock)[0], "--yes")
    assert (done.code, ".penstock/cache/contract.counts" in done.body["files"], counts.exists()) == (0, True, False)


def test_what_is_forgotten_is_refused_by_name(project: Path, penstock: Cli) -> None:
    """With who, when and why: comparing, reproducing, deploying its model, a script's rows; the rest goes on as before."""
    first, second = versions(project, penstock)
    made_by = penstock(project, "data", "lineage", first).body
    search = next(one["run"] for one in made_by["runs"] if one["operation"] == "search")
    assert penstock(project, "data", "forget", first, "--yes", "--why", "they asked us to").code == 0
    for line in (
        ("data", "diff", first, second),
        ("reproduce", search),
        ("reproduce", made_by["comes_from"]["run"]),
        ("deploy", "--version", "1"),
    ):
        done = penstock(project, *line)
        assert (done.code, done.error["code"]) == (2, "forgotten"), line
        assert "they asked us to" in done.error["why"]
    again = penstock(project, "data", "forget", first, "--yes")
    assert (again.code, again.body["objects"]) == (0, 0), "it can be gone through once more"
    next_run = penstock(project, "run", "--budget", "1 trials")
    ran = {step["name"] for step in next_run.body["steps"] if step["status"] == "ran"}
    assert ran <= {"recipe"}, "recipe.toml is read for the first time; the rest is as it was"
    assert penstock(project, "deploy", "--override", "a test").code == 0


def test_rows_that_come_again_stand_where_they_stood(project: Path, penstock: Cli) -> None:
    """The version itself comes back only where somebody says why; other ones are made as ever, and no row moves across the seal.

    Who overrides a gate in the line of a schedule has not said that.
    """
    first, second = versions(project, penstock)
    assert penstock(project, "data", "forget", first, "--yes").code == 0
    needless = penstock(project, "run", "--budget", "1 trials", "--bring-back", "no need")
    assert [one for one in needless.body["warnings"] if "nothing was brought back" in one]
    assert penstock(project, "deploy", "--version", "2", "--override", "a test").code == 0
    decide(project, "keep: it was a mistake")
    for line in (("run",), ("run", "--override", "the feed is late"), ("retrain", "--override", "the feed is late")):
        refused = penstock(project, *line, "--budget", "1 trials")
        assert (refused.code, refused.error["code"]) == (2, "forgotten"), line
        assert "penstock run --bring-back" in refused.error["try"]
    for line in (("--bring-back", " "), ("--bring-back", "why", "--why"), ("--bring-back", "a step", "--steps")):
        assert penstock(project, "run", *line).code == 2, "without a reason, or where nothing is made"
    assert versions(project, penstock) == [first, second]
    back = penstock(project, "run", "--budget", "1 trials", "--bring-back", "the request was taken back")
    assert back.code == 0, back
    assert not any("nothing was brought back" in one for one in back.body["warnings"])
    told = [e["details"] for e in penstock(project, "doctor", "--trail").body["events"] if e["what"] == MADE_AGAIN]
    assert [(one["why"], one["version"]) for one in told] == [("the request was taken back", first)]
    third = back.body["dataset"]
    assert third not in (first, second)
    assert parts_of(project, third) == parts_of(project, second) == parts_of(project, first)


def parts_of(project: Path, digest: str) -> dict[bytes, tuple[int, int]]:
    """Fingerprint of each row -> its part and envelope."""
    from penstock.data.versions import load_memory, load_version

    opened = Project(project)
    memory = load_memory(opened.objects, load_version(opened.objects, digest))
    opened.ledger.close()
    found = zip(memory.row, memory.part, memory.envelope, strict=True)
    return {row.tobytes(): (int(part), int(envelope)) for row, part, envelope in found}


def test_what_is_in_use_is_not_forgotten(project: Path, penstock: Cli) -> None:
    """The version that the project is at, and one whose model is deployed; its rows go all the same with --keep-models."""
    first, second = versions(project, penstock)
    for line in (("current",), (second, "--yes")):
        refused = penstock(project, "data", "forget", *line)
        assert (refused.code, refused.error["code"]) == (2, "project")
    opened = Project(project)
    with opened.ledger.run("train.py", params={}) as going:
        refused = penstock(project, "data", "forget", first, "--yes")
    opened.ledger.close()
    assert refused.error["what"] == f"nothing is forgotten while run {going.id} is going on"
    assert penstock(project, "deploy", "--version", "1", "--override", "a test").code == 0
    refused = penstock(project, "data", "forget", first, "--yes")
    assert (refused.code, refused.error["code"]) == (2, "project")
    assert "--keep-models" in refused.error["try"]
    assert penstock(project, "data", "diff", first, second).code == 0, "nothing was forgotten"
    kept = penstock(project, "data", "forget", first, "--keep-models", "--yes")
    assert (kept.code, kept.body["models"]) == (0, [])
    assert any("shop@1" in one for one in kept.body["stays"])
    assert any("data/raw/people.csv" in one for one in kept.body["stays"])
    assert any("the file that it was read from" in one for one in kept.body["stays"]), "a script's copy"
    assert (project / "models/v1/examples.json").is_file()
    assert penstock(project, "data", "verify").body["wrong"] == []
    assert penstock(project, "data", "diff", first, second).error["code"] == "forgotten"


def test_a_model_that_only_stands_by_is_let_go_of(project: Path, penstock: Cli, serve: Cli) -> None:
    """Its slot is emptied: there is nothing to go back to, and the live version answers on. (A change of a decision is none to compare across.)"""
    first, _ = versions(project, penstock)
    for version in ("1", "2"):
        asked = ("--override", "a test", "--accept-spent", "a test") if version == "2" else ("--override", "a test")
        deployed = penstock(project, "deploy", "--version", version, *asked)
        assert deployed.code == 0, deployed
    [unjudged] = [one["why"] for one in deployed.body["gates"] if one["id"].endswith("-not-worse-than-champion")]
    assert "version 1, which is live, cannot answer the same rows" in unjudged
    assert "'place'" in unjudged
    watched = penstock(project, "data", "forget", first).error
    assert "stands by while the live version is watched" in watched["what"]
    assert watched["try"].startswith("wait until")
    end_the_watch(project)
    done = penstock(project, "data", "forget", first, "--copy", "--yes")
    assert (done.code, done.body.get("emptied")) == (0, "shop@1"), done
    served = serve(project)
    assert len(served.predict([{"id": "a", "x": 1.5}])) == 1
    served.close()
    assert leaks(project, PLANTED) == []
    back = penstock(project, "rollback")
    assert (back.code, back.error["code"]) == (2, "serving")
    assert penstock(project, "doctor").code == 0


def end_the_watch(project: Path) -> None:
    """As a server does in time."""
    from penstock.serving.slots import read_slots
    from penstock.serving.switching import end_watch

    watch = read_slots(project / ".penstock/serving").watch
    assert watch is not None
    end_watch(project / ".penstock/serving", watch.number, by="watched: a test")


def test_a_forgetting_that_is_killed_is_finished_by_the_same_command(
    project: Path, penstock: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record comes first: nothing else is lost, and what is still there goes the next time."""
    from penstock.lifecycle.data_forget import forget_version
    from penstock.objects.local import LocalStore

    first, second = versions(project, penstock)
    deleted, delete = [], LocalStore.delete

    def dying(store: LocalStore, digest: str) -> None:
        if len(deleted) == 2:
            raise KeyboardInterrupt
        deleted.append(digest)
        delete(store, digest)

    monkeypatch.setattr(LocalStore, "delete", dying)
    opened = Project(project)
    with pytest.raises(KeyboardInterrupt):
        forget_version(opened, first, copy=True, dry=False)
    opened.ledger.close()
    monkeypatch.undo()
    assert penstock(project, "data", "diff", first, second).error["code"] == "forgotten"
    assert penstock(project, "data", "verify").body["wrong"] == []
    assert leaks(project, PLANTED) != []
    assert penstock(project, "data", "forget", first, "--copy", "--yes").code == 0
    assert leaks(project, PLANTED, opened_envelopes(project, tmp_path)) == []


def test_what_a_database_answered_goes_with_the_only_version_that_took_it(penstock: Cli, tmp_path: Path) -> None:
    """Encrypted as it is, and what it was cut into; that of the version that stays does not."""
    from penstock.data.sources.snapshots import Snapshots
    from penstock.lifecycle.visible import visible_parts

    database = sqlite3.connect(tmp_path / "shop.sqlite")
    database.execute("CREATE TABLE people (id TEXT, remark TEXT, place TEXT, x REAL, y TEXT)")
    database.executemany("INSERT INTO people VALUES (?, ?, ?, ?, ?)", [list(row.values()) for row in people(0, N)])
    database.commit()
    database.close()
    asked = ("--data", f"sqlite:///{tmp_path}/shop.sqlite", "--query", "SELECT * FROM people", "--target", "y")
    kept = ("--key", "id", "--privacy", "remark=keep", "--privacy", "place=keep")
    assert penstock(tmp_path, "new", "shop", *asked, *kept).code == 0
    decide(tmp_path / "shop", "drop")
    project = Project(tmp_path / "shop")
    visible_parts(project)
    first, second = versions(project.root, penstock)
    assert penstock(project.root, "data", "forget", first, "--yes").code == 0
    fetches = {fetch.outputs["snapshot"]: fetch for fetch in project.ledger.runs("fetch")}
    stays = project.ledger.datasets.get(second).source["digest"]
    assert [digest for digest in fetches if project.objects.has(digest)] == [stays]
    assert len(fetches) == 2
    snapshots = Snapshots(project.ledger)
    (chunk,) = snapshots.load(stays).chunks
    assert "Zqremark" not in str(snapshots.rows(snapshots.load(stays), 0).to_pydict())
    assert project.objects.has(chunk)
    sealed = [
        row.digest for row in project.ledger.ask("SELECT digest FROM run_outputs WHERE name LIKE 'outputs.objects%'")
    ]
    assert [digest for digest in sealed if project.objects.has(digest)] == [chunk]
    assert penstock(project.root, "data", "verify").body["wrong"] == []
    project.ledger.close()


def test_a_forgotten_model_is_told_in_the_list_and_not_deployed_unasked(project: Path, penstock: Cli) -> None:
    """Where no other one has passed, there is none to deploy."""
    from penstock.lifecycle.look import list_models
    from penstock.lifecycle.versions import chosen_version

    first, _ = versions(project, penstock)
    assert penstock(project, "data", "forget", first, "--yes").code == 0
    opened = Project(project)
    opened.ledger.registry.set_alias("shop", "challenger", None)
    opened.ledger.registry.update("shop", 1, passed=True)
    opened.ledger.registry.update("shop", 2, passed=False, overrides=[])
    listed = list_models(opened)
    assert f"{first[7:19]}, forgotten" in listed.to_text()
    assert [one["forgotten"] for one in listed.to_json()["versions"]] == [True, False]
    with pytest.raises(NotFound):
        chosen_version(opened, None)
    opened.ledger.close()


def test_pages_of_its_profile_are_known_by_what_they_say(project: Path, penstock: Cli) -> None:
    """The one in reports/ goes, though another version was profiled since; one that was put elsewhere is told as long as it is there."""
    first, _ = versions(project, penstock)
    done = penstock(project, "data", "forget", first)
    assert "reports/data-profile.html" in done.body["files"]
    pages = [one for one in done.body["stays"] if "--html" in one]
    assert len(pages) == 1, "later.html is of the version that stays"
    assert "places.html: " in pages[0]
    assert penstock(project, "data", "profile").code == 0
    assert "reports/data-profile.html" not in penstock(project, "data", "forget", first).body["files"]


def test_whatever_stays_in_the_folder_of_copies_is_told(project: Path, penstock: Cli) -> None:
    """A copy that has grown since, files of a glob, others beside it: nothing is taken for what it was, and nothing is passed over."""
    from penstock.lifecycle.forgotten_files import copies_of_source
    from penstock.project.project import Project

    first, _ = versions(project, penstock)
    raw = project / "data/raw"
    write(raw / "more.csv", people(N, N + 5))
    with (raw / "people.csv").open("a", encoding="utf-8") as file:
        file.write("row-x,Zqremarkx,Zqplace1town,1.0,yes\n")
    done = penstock(project, "data", "forget", first, "--copy")
    told = "\n".join(done.body["stays"])
    assert "data/raw/people.csv: in the clear, and not as" in told
    assert "data/raw/more.csv: in the clear; yours" in told
    assert "data/raw/people.csv" not in done.body["files"]
    opened = Project(project)
    record = opened.ledger.datasets.get(first)
    globbed = replace(record, source={**record.source, "path": "data/raw/*.csv", "files": 2})
    assert copies_of_source(opened, globbed, copy=True) == (
        [],
        ["data/raw/more.csv, data/raw/people.csv: in the clear; yours, see what of it they hold"],
    )
    opened.ledger.close()


def test_who_forgot_it_and_why_outlives_the_same_command(
    project: Path, penstock: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on with what was left, or takes models later: neither is another forgetting."""
    from penstock.ledger import audit

    first, second = versions(project, penstock)
    monkeypatch.setattr(audit, "user", lambda: "ana")
    assert penstock(project, "data", "forget", first, "--keep-models", "--yes", "--why", "they asked us to").code == 0
    before = penstock(project, "data", "lineage", first).body["forgotten"]
    monkeypatch.setattr(audit, "user", lambda: "bo")
    for more in ((), ("--why", "to be sure")):
        assert penstock(project, "data", "forget", first, "--yes", *more).code == 0
        assert penstock(project, "data", "lineage", first).body["forgotten"] == before
        assert "ana let go" in (told := penstock(project, "data", "diff", first, second).error["why"])
        assert told.endswith("they asked us to")
    assert (before["who"], before["why"]) == ("ana", "they asked us to")


def test_models_of_another_project_wait_for_the_command_in_its_folder(project: Path, penstock: Cli) -> None:
    """A shared ledger: what that project deploys, and what lies in its folder, is not to be seen from here. Each takes its own."""
    from penstock.project.project import Project

    first, _ = versions(project, penstock)
    opened = Project(project)
    own = opened.ledger.registry.get("shop", 1)
    bundle = opened.objects.put(opened.objects.get(own.bundle).replace(b"{", b"{ ", 1))
    opened.ledger.registry.register("stall", own.run, bundle, passed=True, dataset=first)
    done = penstock(project, "data", "forget", first, "--yes")
    assert (done.code, done.body["models"]) == (0, ["shop@1"])
    told = "\n".join(done.body["stays"])
    assert "bundles and reports of stall@1" in told
    assert "another project that took it (stall)" in told
    assert opened.objects.has(bundle)
    assert not opened.ledger.registry.get("stall", 1).is_forgotten
    assert opened.ledger.registry.get("shop", 1).is_forgotten

    declaration = project / "penstock.toml"
    declaration.write_text(declaration.read_text(encoding="utf-8").replace('name = "shop"', 'name = "stall"', 1))
    done = penstock(project, "data", "forget", first, "--copy", "--yes")
    assert (done.code, done.body["models"]) == (0, ["stall@1"])
    assert not opened.objects.has(bundle)
    assert "shop@1" not in "\n".join(done.body["stays"]), "it is gone"
    assert [one for one in leaks(project, PLANTED) if ".penstock" in one] == []
    opened.ledger.close()


def test_a_server_that_has_not_let_go_is_asked_again(project: Path, penstock: Cli) -> None:
    """The slot is empty by then, and what stood in it is in that process all the same."""
    from penstock.errors import ServingError
    from penstock.serving.acknowledgements import AcknowledgementFile
    from penstock.serving.slots import read_slots

    first, second = versions(project, penstock)
    for version in ("1", "2"):
        assert (
            penstock(project, "deploy", "--version", version, "--override", "a test", "--accept-spent", "a test").code
            == 0
        )
    end_the_watch(project)
    serving = project / ".penstock/serving"
    now = read_slots(serving)
    worker = AcknowledgementFile(serving)
    worker.serves(now.epoch, "shop", 2, str(now.live))
    worker.refuses(now.epoch + 1, ServingError("it hangs", why="a test", way_out="none"))
    for _ in range(2):
        done = penstock(project, "data", "forget", first, "--yes")
        assert (done.code, done.error["code"]) == (2, "serving")
        assert read_slots(serving).epoch == now.epoch + 1, "it is emptied once"
        assert penstock(project, "data", "diff", first, second).code == 0, "nothing is forgotten yet"
    worker.serves(now.epoch + 1, "shop", 2, str(now.live))
    assert penstock(project, "data", "forget", first, "--yes").code == 0
    worker.remove()

"""What was answered is answered again: equal to the last bit, or it is said what differs; and where each value came from."""

from __future__ import annotations

import shutil
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from penstock.lifecycle import replay
from penstock.lifecycle.replayed import differences
from penstock.project.project import Project
from penstock.serving.journal import Record
from penstock.serving.journal_writer import JournalWriter, origin_of
from penstock.serving.settings import JournalSettings

Cli = Callable[..., Any]


@pytest.fixture(scope="module")
def answered(
    projects: Any, rows_of: Cli, serve: Cli, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[dict[str, Any]]]:
    """A live project that has answered 120 rows, and the answers. Not to be changed by a test."""
    project = projects.copy("binary", "live", tmp_path_factory.mktemp("answered"))
    app = serve(project)
    rows = rows_of(120, seed=9)
    rows[4] |= {"age": 900.0, "job": "astronaut", "member": None}
    answers = app.predict(rows)
    app.close()
    return project, answers


@pytest.fixture
def own(answered: tuple[Path, list[dict[str, Any]]], tmp_path: Path) -> tuple[Path, list[dict[str, Any]]]:
    """A copy of the test's own."""
    project, answers = answered
    return Path(shutil.copytree(project, tmp_path / "shop")), answers


def forge(project: Path, row: dict[str, Any], answer: dict[str, Any], version: int = 1, model: str = "shop") -> str:
    """Journal an answer that the model did not give; its id."""
    body = orjson.dumps({"rows": [row]})
    with JournalWriter(project / ".penstock" / "serving" / "journal") as journal:
        said = journal.predictions(
            origin_of(model, version, "blue"), body, [answer], at_ns=time.time_ns(), latency_ms=1.0
        )
    return str(orjson.loads(said)[0]["id"])


def test_a_prediction_is_answered_again_with_the_same_bits(penstock: Cli, answered: Any) -> None:
    """By its id, in whatever place of its request; several at once."""
    project, answers = answered
    one = penstock(project, "replay", answers[7]["id"])
    assert one.code == 0, one
    (again,) = one.body["predictions"]
    assert (again["equal"], again["differences"], again["version"], again["by"]) == (True, [], 1, 1)
    assert again["now"]["probabilities"] == answers[7]["probabilities"]
    assert again["not_compared"] == []
    several = penstock(project, "replay", *(answer["id"] for answer in answers[60:63]))
    assert (several.body["compared"], several.body["equal"]) == (3, 3)


def test_many_are_summed_up(penstock: Cli, answered: Any) -> None:
    """All of a time, or a sample that is the same each time; none at all is told."""
    project, _ = answered
    every = penstock(project, "replay", "--since", "1h")
    assert (every.code, every.body["compared"], every.body["equal"]) == (0, 120, 120)
    assert every.body["versions"] == [{"version": 1, "compared": 120, "equal": 120}]
    assert every.body["predictions"] == [], "only those that differ are told one by one"
    assert penstock(project, "replay", "--sample", "7").body["compared"] == 7
    none = penstock(project, "replay", "--until", "2020-01-01")
    assert (none.code, none.error["code"]) == (2, "not-found")


def test_the_bundle_comes_from_the_registry_when_no_slot_holds_it(penstock: Cli, own: Any) -> None:
    """Slots and the folder of the version may be gone: its objects are in the ledger's store."""
    project, answers = own
    shutil.rmtree(project / "models")
    for path in (project / ".penstock" / "serving").iterdir():
        if path.name != "journal":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert penstock(project, "replay", answers[0]["id"]).code == 0


def test_what_differs_is_named_and_ends_with_1(penstock: Cli, own: Any) -> None:
    """Another probability, decision and reason; a field that no model says is told apart."""
    project, answers = own
    answer = {k: v for k, v in answers[0].items() if k != "id"}
    yes = answer["probabilities"]["yes"]
    forged = {
        **answer, "probabilities": {**answer["probabilities"], "yes": yes + 1e-9}, "decision": "abstain", "reason": "low", "late": True,
        "withheld": {"prediction": answer["prediction"]}, "prediction": None,
    }  # fmt: skip
    (row,) = _journalled(project, answers[0]["id"])
    prediction = forge(project, row, forged)
    done = penstock(project, "replay", prediction)
    assert done.code == 1
    (again,) = done.body["predictions"]
    found = {d["field"]: (d["was"], d["now"]) for d in again["differences"]}
    assert found["probabilities.yes"] == (yes + 1e-9, yes)
    assert found["decision"] == ("abstain", "answer")
    assert set(found) >= {"reason", "prediction", "withheld"}
    assert again["not_compared"] == ["late"]
    many = penstock(project, "replay", "--since", "1h")
    assert (many.code, many.body["different"], len(many.body["predictions"])) == (1, 1, 1)
    assert many.body["fields"]["decision"] == 1
    assert many.body["largest"]["probabilities.yes"] == pytest.approx(1e-9, rel=1e-3)


def test_another_version_is_compared(penstock: Cli, own: Any) -> None:
    """`--with 2` answers what version 1 did; the same bundle under another number gives the same bits."""
    project, answers = own
    registry = Project(project).ledger.registry
    first = registry.get("shop", 1)
    registry.register(
        "shop", first.run, first.bundle, str(first.report), passed=True, overrides=[], dataset=first.dataset, metrics={}
    )
    done = penstock(project, "replay", answers[0]["id"], "--with", "2")
    assert done.code == 0, done
    assert (done.body["predictions"][0]["version"], done.body["predictions"][0]["by"]) == (1, 2)
    assert penstock(project, "replay", answers[0]["id"], "--with", "9").error["code"] == "not-found"


@pytest.fixture(scope="module")
def remade(
    penstock: Cli, projects: Any, set_line: Cli, rows_of: Cli, serve: Cli, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Version 1 has answered; version 2 has another target with other classes and fewer columns, version 3 is a regression."""
    folder: Path = projects.copy("binary", "live", tmp_path_factory.mktemp("remade"))
    app = serve(folder)
    app.predict(rows_of(40, seed=9))
    app.close()
    text = (folder / "penstock.toml").read_text(encoding="utf-8")
    for version, target, metric in ((2, "job", "accuracy"), (3, "age", "rmse")):
        changed = text.replace('target = "bought"', f'target = "{target}"\ndrop = ["net income"]').replace(
            "roc_auc", metric
        )
        (folder / "penstock.toml").write_text(changed, encoding="utf-8")
        done = penstock(folder, "run")
        assert done.body["model"]["version"] == version
    (folder / "penstock.toml").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(("version", "says"), [(2, "job ("), (3, "age (a number)")])
def test_a_model_of_another_kind_is_told_beside_it(penstock: Cli, remade: Path, version: int, says: str) -> None:
    """What it would have said to the same rows, and in what it is another model: its question, and its columns."""
    done = penstock(remade, "replay", "--since", "1h", "--with", str(version))
    assert (done.code, done.body["compared"], done.body["different"], done.body["lost"]) == (1, 40, 40, {})
    again = done.body["predictions"][0]
    assert (again["version"], again["by"]) == (1, version)
    assert again["now"]["prediction"] is not None
    assert ("interval" in again["now"]) == (version == 3)
    question, *columns = done.body["notes"]
    assert "another question" in question
    assert says in question
    assert any("does not use" in note and "net income" in note for note in columns)
    assert "prediction" not in done.body["largest"], "of two questions no difference is worked out"
    one = penstock(remade, "replay", again["id"], "--with", str(version), "--trace")
    assert one.body["notes"] == done.body["notes"]
    assert one.body["predictions"][0]["trace"]["fields"]


def test_an_id_that_is_not_there_is_told_with_what_may_be_meant(penstock: Cli, answered: Any) -> None:
    """A slip in it, a key in its place, or nothing at all."""
    project, answers = answered
    meant = answers[8]["id"]
    slip = penstock(project, "replay", meant[:9] + ("7" if meant[9] != "7" else "8") + meant[10:])
    assert (slip.code, slip.error["code"]) == (2, "not-found")
    assert "did you mean 1" in slip.error["try"]
    key = penstock(project, "replay", answers[8]["key"])
    assert meant in key.error["try"]
    assert "no prediction id" not in penstock(project, "replay", "nothing").error["try"]


def test_an_id_is_looked_for_among_the_latest_without_holding_all(
    answered: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal may hold more ids than memory does."""

    def many(folder: Path, kinds: Any = None) -> Iterator[Record]:
        for number in range(200_000):
            yield Record("predict", datetime.now(UTC), answers=[{"id": f"{number:026d}"}])

    monkeypatch.setattr(replay, "read", many)
    monkeypatch.setattr(replay, "NEAR", 100)
    tracemalloc.start()
    try:
        found = replay._nearest(Project(answered[0]), f"{199_990:025d}X")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found is not None
    assert "did you mean" in found
    assert peak < 3_000_000, "200,000 ids are 15 MB"


def test_a_prediction_whose_part_of_the_journal_is_gone_says_so(penstock: Cli, own: Any) -> None:
    """Deleted by age or size: told apart from an id that never was."""
    project, answers = own
    journal = project / ".penstock" / "serving" / "journal"
    (row,) = _journalled(project, answers[0]["id"])
    forge(project, row, {k: v for k, v in answers[0].items() if k != "id"})
    min(journal.glob("*.seg")).unlink()
    gone = penstock(project, "replay", answers[0]["id"])
    assert gone.error["code"] == "not-found"
    assert "deleted by age or size" in gone.error["why"]


def test_a_bundle_that_was_purged_is_told(penstock: Cli, own: Any) -> None:
    """Of one by the error, of many by their number."""
    project, answers = own
    home = Project(project)
    shutil.rmtree(project / "models")
    home.objects.delete(home.ledger.registry.get("shop", 1).bundle)
    one = penstock(project, "replay", answers[0]["id"])
    assert one.error["code"] == "not-found"
    assert "the bundle of version 1 is not stored any more" in one.error["what"]
    many = penstock(project, "replay", "--sample", "5")
    assert many.body["compared"] == 0
    assert list(many.body["lost"].values()) == [5]


def test_what_another_model_answered_is_not_replayed_here(penstock: Cli, own: Any) -> None:
    """Its version of the same number is another one."""
    project, answers = own
    prediction = forge(project, {}, {k: v for k, v in answers[0].items() if k != "id"}, model="other")
    assert "not that of this project" in penstock(project, "replay", prediction).error["what"]


def test_ids_and_a_window_are_not_mixed(penstock: Cli, answered: Any) -> None:
    """Nor is a trace of thousands asked for, nor a sample of none."""
    project, answers = answered
    for asked in ((), (answers[0]["id"], "--since", "1h"), ("--since", "1h", "--trace"), ("--sample", "0")):
        assert penstock(project, "replay", *asked).error["code"] == "bad-parameter", asked


def test_nothing_said_in_two_ways_is_no_difference() -> None:
    """A field that is absent, and one that is null; but false is not 0."""
    assert differences({"withheld": None}, {}) == []
    assert differences({"key": None}, {"key": None}) == []
    assert [d.field for d in differences({"prediction": False}, {"prediction": 0})] == ["prediction"]
    assert [d.field for d in differences({"probabilities": {"a": 0.5}}, {"probabilities": {"a": 0.5, "b": 0.5}})] == [
        "probabilities.b"
    ]


# ---------------------------------------------------------------- traced


def test_a_trace_goes_from_the_raw_value_to_the_decision(penstock: Cli, answered: Any) -> None:
    """Every value by name; every step of the recipe is found bit for bit in the served graph."""
    project, answers = answered
    done = penstock(project, "replay", answers[1]["id"], "--trace")
    assert done.code == 0, done
    trace = done.body["predictions"][0]["trace"]
    fields = {field["name"]: field for field in trace["fields"]}
    assert fields["joined"]["decoded"].startswith(fields["joined"]["raw"])
    assert (fields["age"]["kind"], fields["age"]["state"]) == ("numeric", "given")
    steps = {step["step"].partition("(")[0]: step for step in trace["steps"]}
    assert {"impute", "standardise", "one_hot", "tfidf", "features"} <= set(steps)
    assert all(step["in_graph"] for step in trace["steps"]), trace["notes"]
    imputed = {one["name"]: one["value"] for one in steps["impute"]["values"]}
    assert imputed["age"] == pytest.approx(float(fields["age"]["raw"]), rel=1e-6)
    assert trace["after"] == list(answers[1]["probabilities"].values())
    assert trace["decision"]["positive"] == trace["after"][1]
    assert trace["decision"]["decision"] == "answer"
    assert trace["notes"] == []


def test_what_is_missing_unknown_or_outside_shows_in_the_trace(penstock: Cli, answered: Any) -> None:
    """And what it came to: the filled value, the novelty, the reason to abstain."""
    project, answers = answered
    trace = penstock(project, "replay", answers[4]["id"], "--trace").body["predictions"][0]["trace"]
    states = {field["name"]: field["state"] for field in trace["fields"]}
    assert (states["member"], states["job"]) == ("missing", "unknown")
    assert "age" in trace["decision"]["outside"]
    assert trace["decision"]["novelty"] > trace["decision"]["novelty_limit"]
    assert trace["decision"]["decision"] == ("novel" if answers[4]["decision"] == "abstain" else "answer")


def test_a_trace_reads_well(answered: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In the terminal: decoder, recipe, score, decision."""
    from penstock.cli.app import run

    project, answers = answered
    monkeypatch.chdir(project)
    assert run(["replay", answers[1]["id"], "--trace"]) == 0
    said = capsys.readouterr().out
    assert [line.strip() for line in said.splitlines() if line.startswith("  ") and line[2] != " "][1:] == [
        "decoder", "recipe", "score", "decision"
    ]  # fmt: skip
    assert "equal, bit for bit" in said
    assert "threshold" in said


def _journalled(project: Path, prediction: str) -> list[dict[str, Any]]:
    from penstock.serving.journal import find

    record, row = find(project / ".penstock" / "serving" / "journal", prediction)
    return [record.rows[row]]


def test_the_journal_is_read_with_whatever_a_later_server_adds(penstock: Cli, own: Any) -> None:
    """A head with more fields is a record all the same."""
    project, answers = own
    (row,) = _journalled(project, answers[0]["id"])
    origin = orjson.dumps({"model": "shop", "version": 1, "slot": "blue", "arm": "canary"})[1:-1]
    folder = project / ".penstock" / "serving" / "journal"
    with JournalWriter(folder, JournalSettings()) as journal:
        answer = {k: v for k, v in answers[0].items() if k != "id"}
        said = journal.predictions(
            origin, orjson.dumps({"rows": [row]}), [answer], at_ns=time.time_ns(), latency_ms=1.0
        )
    assert penstock(project, "replay", orjson.loads(said)[0]["id"]).code == 0


def test_a_number_is_traced_to_the_unit_of_its_target(penstock: Cli, project_at: Cli, rows_of: Cli, serve: Cli) -> None:
    """The graph's standardised value, and what is answered; equal to the last bit."""
    project = project_at("live", "regression")
    app = serve(project)
    answers = app.predict(rows_of(3, seed=4))
    app.close()
    done = penstock(project, "replay", answers[2]["id"], "--trace")
    assert done.code == 0, done
    trace = done.body["predictions"][0]["trace"]
    assert trace["after"] == [done.body["predictions"][0]["now"]["prediction"]]
    assert trace["before"] != trace["after"]
    assert (trace["classes"], trace["calibration"]) == ([], None)
    assert all(step["in_graph"] for step in trace["steps"]), trace["notes"]

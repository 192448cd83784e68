"""The stage `fallback`: models that answer instead, declared, fitted, packaged, and told of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.bundle.runtime import Bundle
from penstock.project.project import Project

DECLARED = """
[search]
budget = "1 trials"
learners = ["linear"]
workers = 1
[data.kinds]
joined = "datetime"
[serving]
fallback = "{late}"
[serving.missing]
age = "fallback"
job = "refuse"
"net income" = "fill"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """A project by target and fallback, run once."""
    from tests.conftest import mixed_rows, run_penstock, write_csv

    folder, known = tmp_path_factory.mktemp("fallbacks"), {}

    def made(target: str, late: str) -> Path:
        if (target, late) not in known:
            path = folder / f"{target}-{late}"
            path.mkdir()
            write_csv(path / "rows.csv", mixed_rows(700), target)
            text = f'[project]\nname = "shop"\n[data]\nsource = "rows.csv"\ntarget = "{target}"\nkey = "id"\n'
            (path / "penstock.toml").write_text(text + DECLARED.format(late=late), encoding="utf-8")
            (path / "recipe.toml").write_text(
                'outputs = ["ALL_NUMERIC", "ALL_BINARY", "ALL_CATEGORICAL"]\n', encoding="utf-8"
            )
            outcome = run_penstock(path, "run")
            assert outcome.code in (0, 1), outcome.err
            known[target, late] = path
        return known[target, late]

    return made


@pytest.mark.parametrize(("target", "late"), [("bought", "linear"), ("price", "prior")])
def test_fallbacks_are_packaged_tested_and_on_the_card(
    project: Callable[[str, str], Path], target: str, late: str
) -> None:
    """Both of them, with their quality beside the model's own, in a bundle that passes its self-test."""
    bundle = Bundle.load(project(target, late) / "models" / "v1")
    bundle.self_test(exact=True)
    assert set(bundle.fallbacks) == {"late", "missing"}
    told = {one["why"]: one for one in bundle.card["fallbacks"]}
    assert told["late"]["learner"] == {"linear": "linear", "prior": "dummy"}[late]
    assert told["missing"]["learner"] == bundle.card["model"]["learner"]
    assert told["missing"]["fields"] == ["age"]
    assert told["late"]["value"] is not None
    card = bundle.read("card.md").decode()
    assert "## When another model answers" in card
    assert "A row without `job` is refused." in card
    row = {"age": 41, "net income": 20_000, "job": "nurse", "member": "yes", "joined": "2020-01-01", "note": "call"}
    usual, without = bundle.predict([row, {**row, "age": None}])
    assert "fallback" not in usual
    assert (without["fallback"], without["missing"], without["filled"]) == ("missing", ["age"], [])
    assert "age" not in [column.name for column in bundle.fallbacks["missing"].signature.columns]
    assert bundle.predict_late([row])[0]["fallback"] == "late"


def test_a_fallback_is_worth_more_than_nothing(project: Callable[[str, str], Path]) -> None:
    """The linear one is better than chance, and the model without the field no better than the one with it, much."""
    bundle = Bundle.load(project("bought", "linear") / "models" / "v1")
    told = {one["why"]: one["value"] for one in bundle.card["fallbacks"]}
    own = bundle.card["quality"]["validation"][bundle.card["quality"]["metric"]]["value"]
    assert told["late"] > 0.6
    assert told["missing"] < own + 0.05


def test_nothing_is_fitted_again_when_nothing_has_changed(project: Callable[[str, str], Path], penstock: Any) -> None:
    """Another declaration of the deadline alone runs no stage; another fallback runs that stage and what comes after."""
    path = project("bought", "linear")
    file = path / "penstock.toml"
    before = file.read_text(encoding="utf-8")
    try:
        file.write_text(before.replace("[serving]\n", "[serving]\ndeadline_ms = 20\n"), encoding="utf-8")
        assert json.loads(penstock(path, "run", "--why").out)["would_run"] == []
        file.write_text(before.replace('fallback = "linear"', 'fallback = "prior"'), encoding="utf-8")
        told = json.loads(penstock(path, "run", "--why").out)
        assert "search" in {step["name"] for step in told["known"]}
        assert [step["name"] for step in told["would_run"]] == ["fallback", "package", "register"]
        file.write_text(before.replace('fallback = "linear"', "").replace('age = "fallback"', ""), encoding="utf-8")
        told = json.loads(penstock(path, "run", "--why").out)
        assert [step["name"] for step in told["would_run"]] == ["package", "register"]
    finally:
        file.write_text(before, encoding="utf-8")


def test_it_can_be_done_again_byte_for_byte(project: Callable[[str, str], Path], penstock: Any) -> None:
    """`reproduce` of the run of the stage."""
    path = project("bought", "linear")
    (run,) = [record.id for record in Project(path).ledger.runs("fallback")]
    outcome = penstock(path, "reproduce", run)
    assert outcome.code == 0, outcome.out


def test_a_column_that_is_none_is_named(project: Callable[[str, str], Path], penstock: Any, tmp_path: Path) -> None:
    """With the nearest one."""
    path = project("bought", "linear")
    file = path / "penstock.toml"
    before = file.read_text(encoding="utf-8")
    try:
        file.write_text(before.replace('age = "fallback"', 'agee = "fallback"'), encoding="utf-8")
        outcome = penstock(path, "run")
        assert outcome.code == 2
        assert "'age'" in json.loads(outcome.out)["error"]["try"]
    finally:
        file.write_text(before, encoding="utf-8")


def test_a_file_with_rows_without_a_wanted_field_is_refused(
    project: Callable[[str, str], Path], penstock: Any, tmp_path: Path
) -> None:
    """Named by row and column; and filled where that is asked for. The others have the bits of the server's answers."""
    path = project("bought", "linear")
    given = tmp_path / "asked.csv"
    given.write_text("age,job,net income\n41,nurse,20000\n,nurse,20000\n33,,20000\n", encoding="utf-8")
    bundle = path / "models" / "v1"
    refused = penstock(
        path, "predict", "--input", str(given), "--output", str(tmp_path / "out.csv"), "--bundle", str(bundle)
    )
    assert refused.code == 2, refused.out
    assert "row 2, column 'job'" in json.loads(refused.out)["error"]["what"]
    done = penstock(
        path, "predict", "--input", str(given), "--output", str(tmp_path / "out.csv"), "--bundle", str(bundle), "--unreadable", "missing"
    )  # fmt: skip
    assert done.code == 0, done.out
    lines = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()
    names = lines[0].split(",")
    (told,) = Bundle.load(bundle).predict([{"job": "nurse", "net income": 20000}])
    assert float(lines[2].split(",")[names.index("p_yes")]) == told["probabilities"]["yes"]


@pytest.mark.parametrize(("target", "late"), [("bought", "linear"), ("price", "prior")])
def test_the_way_of_a_row_that_a_fallback_answered_is_told(
    project: Callable[[str, str], Path], target: str, late: str
) -> None:
    """Through the graph that answered, and without the field that it does not know."""
    from penstock.lifecycle.tracing import trace_of

    path = project(target, late)
    bundle = Bundle.load(path / "models" / "v1")
    row = {"age": 41, "net income": 20_000, "job": "nurse", "member": "yes", "joined": "2020-01-01", "note": "call"}
    (slow,), (without,) = bundle.predict_late([row]), bundle.predict([{**row, "age": None}])
    for answer, why in ((slow, "late"), (without, "missing")):
        trace = trace_of(Project(path), 1, bundle, {**row, "age": None} if why == "missing" else row, answer)
        told = list(answer["probabilities"].values()) if "probabilities" in answer else [answer["prediction"]]
        assert trace.after == pytest.approx(told, abs=1e-6)
        assert ("age" in [field.name for field in trace.fields]) == (why == "late")
        assert any(f"the fallback {why!r} answered" in note for note in trace.notes)

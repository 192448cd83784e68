"""`penstock recipe check | show | fit | apply | diff | suggest` on a small project."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

Cli = Callable[..., Any]

MINE = """\
outputs = ["ALL_NUMERIC", "one_hot(job)", "text_length(note)"]
[groups]
unused = "group(age)"
"""


@pytest.fixture(scope="module")
def project(projects: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with data and a suggested recipe; nothing here changes either."""
    made: Path = projects.copy("binary", "new", tmp_path_factory.mktemp("recipes"))
    (made / "mine.toml").write_text(MINE, encoding="utf-8")
    return made


def test_check_tells_what_is_used_and_what_is_not(penstock: Cli, project: Path) -> None:
    """Columns, idle names, steps; the project's own recipe is right as it was suggested."""
    assert penstock(project, "recipe", "check").code == 0
    body = penstock(project, "recipe", "check", "mine.toml").body
    assert body["columns"] == ["age", "net income", "job", "note"]
    assert body["unused"] == ["member", "joined"]
    assert body["idle"] == ["unused"]
    assert body["steps"] == {"one_hot": 1, "text_length": 1}


@pytest.mark.parametrize("verb", ["check", "show", "fit"])
def test_a_wrong_recipe_is_refused_with_its_place(penstock: Cli, project: Path, tmp_path: Path, verb: str) -> None:
    """Exit code 2, line and column, the nearest name; a missing one says how to get one."""
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('outputs = [\n  "one_hot(jop)",\n]', encoding="utf-8")
    told = penstock(project, "recipe", verb, str(wrong))
    assert told.code == 2
    assert told.error["code"] == "recipe"
    assert told.error["what"].startswith("wrong.toml, line 2, column 12: ")
    assert "did you mean 'job'?" in told.error["try"]
    absent = penstock(project, "recipe", verb, str(tmp_path / "absent.toml"))
    assert (absent.code, absent.error["code"]) == (2, "not-found")
    assert "recipe suggest" in absent.error["try"]


def test_a_column_of_history_that_is_not_worked_out_yet_is_told_as_such(penstock: Cli, project_at: Cli) -> None:
    """It is declared, so that no nearest name is what is meant; the place is told, and what works it out."""
    project = project_at("new")
    with (project / "penstock.toml").open("a", encoding="utf-8") as file:
        file.write('\n[history.age_before]\ntake = "lag"\nof = "age"\nover = "joined"\n')
    (project / "back.toml").write_text('outputs = ["age",\n  "log(age_before)"]\n', encoding="utf-8")
    for verb in ("check", "show", "fit"):
        refused = penstock(project, "recipe", verb, "back.toml")
        assert refused.code == 2
        assert refused.error["what"].startswith("back.toml, line 2, column 8: ")
        assert "[history.age_before] was declared after the data were read" in refused.error["why"]
        assert "penstock run" in refused.error["try"]
    (project / "back.toml").write_text('outputs = ["age_befor"]\n', encoding="utf-8")
    assert "did you mean" not in penstock(project, "recipe", "check", "back.toml").error["why"]


def test_the_target_and_a_column_that_is_dropped_are_told_as_such(
    penstock: Cli, rows_of: Cli, write_rows: Cli, tmp_path: Path
) -> None:
    """Rather than by a nearest name, which would be another column."""
    source = write_rows(tmp_path / "customers.csv", rows_of(150), "bought")
    made = penstock(tmp_path, "new", "p", "--data", str(source), "--target", "bought", "--drop", "job")
    assert made.code == 0, made
    for name, why in (("bought", "it is the target"), ("job", "[data] drop names it")):
        (tmp_path / "p" / "r.toml").write_text(f'outputs = ["age", "{name}"]\n', encoding="utf-8")
        refused = penstock(tmp_path / "p", "recipe", "check", "r.toml")
        assert refused.code == 2
        assert "r.toml, line 1, column 20" in refused.error["what"]
        assert why in refused.error["why"]


def test_a_recipe_that_is_no_text_is_refused(penstock: Cli, project: Path, tmp_path: Path) -> None:
    """Bytes, a folder."""
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "bytes", tmp_path):
        told = penstock(project, "recipe", "check", str(path))
        assert (told.code, told.error["code"]) == (2, "recipe")


def test_show_tells_each_step_and_what_a_learner_adds(penstock: Cli, project: Path) -> None:
    """In an order in which they can be followed."""
    body = penstock(project, "recipe", "show", "mine.toml").body
    assert [(s["number"], s["step"], s["inputs"], s["gives"]) for s in body["steps"]] == [
        (1, "one_hot", ["job"], "numeric"),
        (2, "text_length", ["note [tokens]"], "numeric"),
    ]
    assert body["outputs"] == ["age", "net income", "(1)", "(2)"]
    finished = penstock(project, "recipe", "show", "mine.toml", "--for", "linear").body
    assert {"standardise", "impute", "missing_indicator"} <= {s["step"] for s in finished["steps"]}
    assert penstock(project, "recipe", "show", "--for", "liner").error["code"] == "bad-declaration"


def test_fit_names_the_features_and_is_not_done_twice(penstock: Cli, project: Path, tmp_path: Path) -> None:
    """A run of the ledger with the graph; the same recipe in another layout is known."""
    graph = tmp_path / "features.onnx"
    first = penstock(project, "recipe", "fit", "mine.toml", "--output", str(graph)).body
    assert first["known"] is False
    assert first["features"][:3] == ["age", "net income", "job=admin."]
    assert first["width"] == len(first["features"])
    assert graph.stat().st_size == first["size_bytes"]
    (tmp_path / "same.toml").write_text(MINE.replace(", ", " ,  "), encoding="utf-8")
    again = penstock(project, "recipe", "fit", str(tmp_path / "same.toml")).body
    assert (again["known"], again["run"]) == (True, first["run"])
    other = penstock(project, "recipe", "fit", "mine.toml", "--for", "linear").body
    assert "age is missing" in other["features"]
    verdict = penstock(project, "reproduce", first["run"])
    assert (verdict.code, verdict.body["verdict"]) == (0, "identical")


def test_a_value_with_a_line_end_stays_on_its_line(penstock: Cli, tmp_path: Path) -> None:
    """Also where selection drops it; what a terminal would obey is written out. JSON has the name as it is."""
    rows = "".join(
        f'"two\nlines",{i * 1.5},\x1b[2J,{"ny"[i % 2]}\n' if i % 3 else f"one,{i * 1.5},b,{'ny'[i % 2]}\n"
        for i in range(120)
    )
    (tmp_path / "notes.csv").write_text("note,a,esc,y\n" + rows, encoding="utf-8")
    assert (
        penstock(tmp_path, "new", "p", "--data", "notes.csv", "--target", "y", "--kind", "note=categorical").code == 0
    )
    (tmp_path / "p" / "r.toml").write_text('outputs = ["one_hot(ALL_CATEGORICAL)", "select_l1(one_hot(note), 1)"]\n')
    from penstock.lifecycle.features import fit
    from penstock.project.project import Project

    said = fit(Project(tmp_path / "p"), tmp_path / "p" / "r.toml").to_text()
    assert "  note=two\\nlines\n" in said
    assert "\x1b" not in said
    assert "note=two\nlines" in penstock(tmp_path / "p", "recipe", "fit", "r.toml").body["features"]


def test_fit_warns_of_more_features_than_the_rows_carry(penstock: Cli, project: Path, tmp_path: Path) -> None:
    """The curse of dimensionality, with what helps."""
    wide = tmp_path / "wide.toml"
    wide.write_text('outputs = ["ngram(characters(note), 6, min_df=1)"]', encoding="utf-8")
    (warning,) = penstock(project, "recipe", "fit", str(wide)).body["warnings"]
    assert "features for" in warning
    assert "min_df" in warning


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_apply_writes_a_column_for_each_feature(
    penstock: Cli, project: Path, tmp_path: Path, rows_of: Cli, write_rows: Cli, suffix: str
) -> None:
    """Rows that nobody has seen, in their order."""
    rows = rows_of(50, seed=9)
    table = write_rows(tmp_path / "fresh.csv", rows, "bought")
    output = tmp_path / f"features{suffix}"
    body = penstock(project, "recipe", "apply", str(table), "--output", str(output), "--recipe", "mine.toml").body
    assert (body["rows"], body["test_rows"], body["unreadable"], body["warnings"]) == (50, 0, 0, [])
    made = pacsv.read_csv(output) if suffix == ".csv" else pq.read_table(output)
    assert made.num_columns == body["width"]
    income = np.array([row["net income"] for row in rows], dtype=np.float32)
    assert np.allclose(made["net income"].to_numpy(), income)
    assert made["note [tokens]: words"].to_pylist() == [5.0] * 50


def test_apply_warns_of_sealed_rows(penstock: Cli, project: Path, tmp_path: Path) -> None:
    """The declared source holds them; how many is told, which ones is not."""
    source = project.parent / "customers.csv"
    source = source if source.exists() else next(project.rglob("customers.csv"))
    body = penstock(project, "recipe", "apply", str(source), "--output", str(tmp_path / "f.parquet")).body
    assert body["test_rows"] > 0
    assert "sealed test rows" in body["warnings"][0]


def test_apply_refuses_other_files(penstock: Cli, project: Path, tmp_path: Path) -> None:
    """And leaves nothing behind."""
    told = penstock(project, "recipe", "apply", "customers.csv", "--output", str(tmp_path / "f.xlsx"))
    assert (told.code, told.error["code"]) == (2, "bad-parameter")
    assert list(tmp_path.iterdir()) == []


def test_diff_tells_what_was_added_removed_and_changed(penstock: Cli, project: Path, tmp_path: Path) -> None:
    """Whatever the layout; also against a recipe that a run had."""
    other = tmp_path / "other.toml"
    other.write_text(
        MINE.replace('"one_hot(job)"', '"one_hot(job, 5)", "member"').replace("group(age)", "group('net income')")
    )
    body = penstock(project, "recipe", "diff", "mine.toml", str(other)).body
    assert body["same"] is False
    assert body["outputs"] == {
        "added": {"one_hot(job, 5)": "", "member": ""},
        "removed": {"one_hot(job)": ""},
        "changed": {},
    }
    assert body["groups"]["changed"] == {"unused": ["group(age)", "group('net income')"]}
    assert body["columns"] == {"added": ["member"], "removed": []}
    assert penstock(project, "recipe", "diff", "mine.toml", "mine.toml").body["same"] is True


def test_diff_compares_what_is_meant(penstock: Cli, project: Path, tmp_path: Path) -> None:
    """Defaults that are written out, definitions that are inlined or called otherwise, and columns that are quoted change nothing."""
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    first.write_text(
        'outputs = ["one_hot(job)", "scaled", "log(few)"]\n[groups]\nfew = "group(age)"\n'
        '[assignments]\nscaled = "standardise(impute(few))"\n'
    )
    second.write_text(
        'outputs = ["one_hot(\'job\', min_frequency=1.0)", "normalize(impute(age, strategy=auto))", "log(age, form=signed)"]\n'
    )
    told = penstock(project, "recipe", "diff", str(first), str(second))
    assert told.body["same"] is True, told.body
    second.write_text(second.read_text().replace("min_frequency=1.0", "min_frequency=2.0"))
    body = penstock(project, "recipe", "diff", str(first), str(second)).body
    assert body["outputs"] == {
        "added": {"one_hot('job', min_frequency=2.0)": ""},
        "removed": {"one_hot(job)": ""},
        "changed": {},
    }
    assert not any(body["assignments"].values())
    assert not any(body["groups"].values())
    second.write_text(first.read_text().replace("impute(few)", "impute(few, strategy=mean)"))
    body = penstock(project, "recipe", "diff", str(first), str(second)).body
    assert body["assignments"]["changed"] == {
        "scaled": ["standardise(impute(few))", "standardise(impute(few, strategy=mean))"]
    }
    assert not any(body["outputs"].values())


def test_diff_takes_a_run(penstock: Cli, project_at: Cli) -> None:
    """The recipe of a pipeline run against the one that lies there now."""
    project = project_at("run")
    run = penstock(project, "runs", "--operation", "run").body["runs"][0]["id"]
    assert penstock(project, "recipe", "diff", run).body["same"] is True
    (project / "recipe.toml").write_text('outputs = ["age"]', encoding="utf-8")
    assert penstock(project, "recipe", "diff", run).body["columns"]["removed"] != []
    evaluated = penstock(project, "runs", "--operation", "evaluate").body["runs"][0]["id"]
    assert penstock(project, "recipe", "diff", evaluated).error["code"] == "not-found"
    nowhere = penstock(project, "recipe", "diff", "nowhere.toml").error
    assert nowhere["what"] == "there is neither a file nor a run 'nowhere.toml'"


def test_diff_takes_a_run_that_had_columns_which_the_data_have_lost(
    penstock: Cli, project_at: Cli, set_line: Cli
) -> None:
    """Each recipe is read with the columns of its own time."""
    project = project_at("new")
    set_line(project, "search", 'learners = ["linear"]')
    (project / "recipe.toml").write_text('outputs = ["age", "job"]', encoding="utf-8")
    ran = penstock(project, "run", "--budget", "1 trials")
    assert ran.code == 0, ran
    set_line(project, "data", 'drop = ["job"]')
    (project / "recipe.toml").write_text('outputs = ["age"]', encoding="utf-8")
    assert penstock(project, "run", "--budget", "1 trials").code == 0
    told = penstock(project, "recipe", "diff", ran.body["run"])
    assert told.code == 0, told
    assert told.body["columns"] == {"added": [], "removed": ["job"]}


def test_suggest_gives_the_reasons_and_writes_over_nothing(penstock: Cli, project: Path, tmp_path: Path) -> None:
    """What it suggests is right."""
    output = tmp_path / "suggested.toml"
    body = penstock(project, "recipe", "suggest", "--output", str(output)).body
    assert {"column": "id", "used": False}.items() <= body["reasons"][0].items()
    assert output.read_text(encoding="utf-8") == body["recipe"]
    assert penstock(project, "recipe", "check", str(output)).code == 0
    assert penstock(project, "recipe", "suggest", "--output", str(output)).error["code"] == "project"
    assert penstock(project, "recipe", "suggest", "--output", str(output), "--force").code == 0


def test_a_json_recipe_runs_through_the_whole_pipeline(penstock: Cli, project_at: Cli, set_line: Cli) -> None:
    """A recipe of Amazon Machine Learning, from training to a live model that answers a row."""
    project = project_at("new")
    set_line(project, "recipe", 'file = "recipe.json"')
    recipe = {
        "groups": {"NUMBERS": "group('age', net_income)"},
        "assignments": {"words": "ngram(lowercase(no_punct(note)), 2)"},
        "outputs": ["ALL_BINARY", "quantile_bin(NUMBERS, 10)", "words", "cartesian(job, member)", "normalize(age)"],
    }
    (project / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
    assert penstock(project, "recipe", "check").body["dialect"] == "amazon"
    done = penstock(project, "run")
    assert done.code == 0, done
    row = {"age": 30, "net income": 1e4, "job": "pilot", "member": "yes", "note": "Call BACK, please!"}
    from penstock.bundle.runtime import Bundle

    bundle = Bundle.load(project / done.body["bundle"])
    (answer,) = bundle.predict([row])
    assert answer["prediction"] in ("yes", "no")


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_a_recipe_that_is_cross_fitted_runs_through_the_whole_pipeline(
    penstock: Cli, project_at: Cli, task: str
) -> None:
    """Learned from cross-fitted values, served by all training rows; the parity gate holds."""
    project = project_at("new", task=task)
    recipe = (
        'outputs = ["ALL_NUMERIC", "target_encode(ALL_CATEGORICAL)", "counts(hash(job, 16))", "ngram(osb(note, 3), 1)"]'
    )
    (project / "recipe.toml").write_text(recipe, encoding="utf-8")
    done = penstock(project, "run")
    assert done.code in (0, 1), done
    assert done.body["model"]["version"] == 1


@pytest.mark.parametrize(
    ("arguments", "usage"),
    [
        (("recipe", "apply", "a.csv", "b.csv"), "penstock recipe apply TABLE --output PATH [OPTIONS]"),
        (("recipe", "apply", "a.csv"), "penstock recipe apply TABLE --output PATH [OPTIONS]"),
        (("recipe", "show", "a", "b"), "penstock recipe show [FILE] [OPTIONS]"),
        (("recipe", "diff"), "penstock recipe diff OLD [NEW] [OPTIONS]"),
        (("recipe", "aply"), "penstock recipe [OPTIONS] COMMAND [ARGS]..."),
    ],
)
def test_a_command_that_is_called_wrongly_says_how_it_is_called(
    penstock: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], usage: str
) -> None:
    """That very command, with what it cannot do without; not the help of all."""
    from penstock.cli.app import run

    told = penstock(tmp_path, *arguments)
    path = usage.partition(" [OPTIONS]")[0].split(" TABLE")[0].split(" OLD")[0].split(" [FILE]")[0]
    assert (told.code, told.error["try"]) == (2, f"{usage}; see {path} --help")
    assert run(arguments) == 2
    assert f"  usage: {usage}\n  try: {path} --help" in capsys.readouterr().err

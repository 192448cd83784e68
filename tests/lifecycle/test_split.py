"""The split: what happens when its settings change, and folds that keep to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Cli = Callable[..., Any]


def test_another_seed_deals_anew_once_and_so_does_going_back(penstock: Cli, project_at: Cli, set_line: Cli) -> None:
    """It is told, the next run has nothing to do, and there is still something to be deployed with."""
    project = project_at("live")
    before = penstock(project, "data", "log").body["versions"][0]
    heads = [before["digest"]]
    for seed in (5, 0):
        set_line(project, "split", f"seed = {seed}")
        done = penstock(project, "run", "--budget", "1 trials")
        assert done.code == 0, done
        assert any("dealt anew" in warning for warning in done.body["warnings"])
        assert {s["status"] for s in penstock(project, "run", "--budget", "1 trials").body["steps"]} == {"known"}
        head = penstock(project, "data", "log").body["versions"][0]
        assert head["parent"] == heads[-1]
        heads.append(head["digest"])
        made = next(step["run"] for step in done.body["steps"] if step["name"] == "ingest")
        assert penstock(project, "reproduce", made).body["verdict"] == "identical"
    assert len(set(heads)) == 3
    deployed = penstock(project, "deploy")
    assert deployed.code == 0, deployed
    assert deployed.body["envelope"]["reused"] is False


def made(penstock: Cli, folder: Path, rows: list[dict[str, Any]], write_rows: Cli, *options: str) -> Any:
    """The rows of a new project, as its stages see them."""
    from penstock.lifecycle.rows import Rows
    from penstock.lifecycle.stages import Context
    from penstock.project.project import Project

    source = write_rows(folder / "customers.csv", rows, "bought")
    done = penstock(folder, "new", "shop", "--data", str(source), "--target", "bought", *options)
    assert done.code == 0, done
    project = Project(folder / "shop")
    head = project.ledger.datasets.head(project.name)
    assert head is not None
    return Rows(Context(project), head, [])


@pytest.mark.parametrize("drop", [(), ("--drop", "shop")])
def test_groups_of_training_rows_are_known_though_their_column_is_dropped(
    penstock: Cli, rows_of: Cli, write_rows: Cli, tmp_path: Path, drop: tuple[str, ...]
) -> None:
    """So that no group is in two folds."""
    rows = [{**row, "shop": f"shop {i % 37}"} for i, row in enumerate(rows_of(600))]
    shop_of = {row["id"]: row["shop"] for row in rows}
    found = made(penstock, tmp_path, rows, write_rows, "--split", "group:shop", *drop)
    groups = found.train_groups
    shops = [shop_of[i] for i in found.train[0]["id"].tolist()]
    assert len(set(shops)) == len(set(groups.tolist())) == len(set(zip(shops, groups.tolist(), strict=True)))
    assert found.train_times is None


@pytest.mark.parametrize("split", ["group:shop", "time:joined"])
def test_steps_that_hold_rows_back_keep_to_the_split(
    penstock: Cli, rows_of: Cli, write_rows: Cli, tmp_path: Path, split: str
) -> None:
    """In the search, in each of its folds, and in `recipe fit` alike: what follows a cross-fitted step has learned from its values."""
    from penstock.features.fit import fit_recipe
    from penstock.features.recipe import Recipe
    from penstock.features.tail import Tail
    from penstock.learning.prepared import WHOLE, Prepared
    from penstock.lifecycle.search import problem_of, with_folds
    from penstock.objects.digests import digest_of

    rows = [{**row, "shop": f"shop {i % 37}"} for i, row in enumerate(rows_of(600))]
    found = made(penstock, tmp_path, rows, write_rows, "--split", split, "--kind", "joined=datetime")
    text = 'outputs = ["standardise(target_encode(shop))"]\n'
    (tmp_path / "shop" / "recipe.toml").write_text(text)
    graph = tmp_path / "features.onnx"
    assert penstock(tmp_path / "shop", "recipe", "fit", "--output", str(graph)).code == 0

    recipe, (frame, y), task = Recipe.parse(text), found.train, found.target.task

    def fitted(rows: Any, **ties: Any) -> Any:
        return fit_recipe(recipe, Tail(), frame.take(rows), found.decoder.columns, y[rows], task, 0, **ties)

    every = slice(None)
    assert graph.read_bytes() == fitted(every, **found.ties).model() != fitted(every).model()
    digest = found.context.objects.put(recipe.canonical().encode())
    params = {"metric": None, "learners": None}
    problem, _ = with_folds(problem_of(found.context, found, digest, params), found)
    prepared = Prepared(problem, tmp_path, 0)
    assert prepared.recipe(Tail(), WHOLE).model() == fitted(every, **found.ties).model()
    inside = prepared.folds.inside(1)
    ties = {name: one[inside] if isinstance(one, np.ndarray) else one for name, one in found.ties.items()}
    assert prepared.recipe(Tail(), 1).model() == fitted(inside, **ties).model() != fitted(inside).model()
    assert problem.fingerprint(0) != problem.folds(0).fingerprint, "no trial without this rule is taken for one with it"
    assert digest_of(prepared.recipe(Tail(), WHOLE).model()) != digest_of(fitted(every).model())


def test_times_of_training_rows_make_blocks_and_it_is_told_where_they_cannot(
    penstock: Cli, rows_of: Cli, write_rows: Cli, tmp_path: Path
) -> None:
    """A column that is dropped leaves random folds, with a warning."""
    from tests.learning.problems import small_problem

    from penstock.lifecycle.search import with_folds

    found = made(penstock, tmp_path, rows_of(600), write_rows, "--split", "time:joined", "--kind", "joined=datetime")
    assert np.array_equal(found.train_times, found.train[0]["joined"].astype(float))
    problem, warnings = with_folds(small_problem(), found)
    assert (problem.times is not None, warnings) == (True, [])
    (tmp_path / "other").mkdir()
    dropped = made(penstock, tmp_path / "other", rows_of(600), write_rows, "--split", "time:joined", "--drop", "joined")
    problem, warnings = with_folds(small_problem(), dropped)
    assert problem.times is None
    assert "folds of the training rows are random" in warnings[0]


def test_a_column_of_the_split_that_is_not_there_is_refused_by_its_setting(
    penstock: Cli, rows_of: Cli, write_rows: Cli, tmp_path: Path
) -> None:
    """The message names the option, not another one."""
    source = write_rows(tmp_path / "customers.csv", rows_of(50), "bought")
    done = penstock(tmp_path, "new", "shop", "--data", str(source), "--target", "bought", "--split", "group:nope")
    assert done.code == 2
    assert "[split] by (--split)" in done.error["why"]


def test_a_file_without_a_header_is_recognised_when_its_target_is_not_found(penstock: Cli, tmp_path: Path) -> None:
    """The way out says `--no-header`."""
    source = tmp_path / "noheader.csv"
    source.write_text("\n".join(f"{i}.5,red,{i * 7 % 50},{'ab'[i % 2]}" for i in range(100)) + "\n")
    done = penstock(tmp_path, "new", "shop", "--data", str(source), "--target", "y")
    assert done.code == 2
    assert "--no-header" in done.error["try"]


def test_a_text_in_the_first_line_is_no_name_of_a_column(penstock: Cli, tmp_path: Path) -> None:
    """As in a file of labelled messages: the way out says `--no-header`, too."""
    source = tmp_path / "messages.tsv"
    source.write_text(
        "".join(
            f"{['ham', 'spam'][i % 2]}\tGo until the {i}th point, then call me back later please\n" for i in range(60)
        )
    )
    done = penstock(tmp_path, "new", "sms", "--data", str(source), "--target", "label")
    assert done.code == 2
    assert "--no-header" in done.error["try"]


def test_a_gap_holds_from_the_file_to_the_exam(
    penstock: Cli, rows_of: Cli, write_rows: Cli, set_line: Cli, tmp_path: Path
) -> None:
    """The left-out rows are told; search, evaluation and exam work with what is left; costs and imbalance are in the report."""
    import json

    source = write_rows(tmp_path / "customers.csv", rows_of(900), "bought")
    options = ("--split", "time:joined", "--gap", "20d", "--key", "id")
    done = penstock(tmp_path, "new", "shop", "--data", str(source), "--target", "bought", *options)
    assert done.code == 0, done
    assert any("lie within the gap of 20d" in warning for warning in done.body["warnings"])
    project = tmp_path / "shop"
    set_line(project, "goal", "costs = { false_positive = 1, false_negative = 4 }")
    set_line(project, "search", 'learners = ["linear"]')
    set_line(project, "search", 'imbalance = "weights"')
    ran = penstock(project, "run", "--budget", "1 trials", "--override", "a test")
    assert ran.code == 0, ran
    assert {
        s["status"] for s in penstock(project, "run", "--budget", "1 trials", "--override", "a test").body["steps"]
    } == {"known"}
    signature = json.loads((project / ran.body["bundle"] / "signature.json").read_text())
    assert signature["decision"]["threshold"] == pytest.approx(0.2)
    deployed = penstock(project, "deploy", "--override", "a test")
    assert deployed.code == 0, deployed
    page = next((project / "reports").glob("deploy-*.html")).read_text()
    assert "at the threshold 0.2" in page


def test_files_and_a_column_may_say_the_parts(
    penstock: Cli, rows_of: Cli, write_rows: Cli, set_line: Cli, tmp_path: Path
) -> None:
    """Both by options of `new`; a changed test file is another source; what stands for no part is refused."""
    rows = [{**row, "said": "exam" if i % 5 == 0 else "lesson"} for i, row in enumerate(rows_of(500))]
    train = write_rows(tmp_path / "train.csv", [r for r in rows if r["said"] == "lesson"], "bought")
    test = write_rows(tmp_path / "test.csv", [r for r in rows if r["said"] == "exam"], "bought")
    by_files = penstock(tmp_path, "new", "a", "--data", str(train), "--test-data", str(test), "--target", "bought")
    assert by_files.code == 0, by_files
    assert by_files.body["rows"] == {"train": 320, "valid": 80, "test": 100}
    assert penstock(tmp_path / "a", "run", "--why").code == 0
    (tmp_path / "a/data/raw/test.csv").unlink()
    gone = penstock(tmp_path / "a", "run", "--why")
    assert gone.code == 2
    assert "test.csv" in gone.error["what"]
    whole = write_rows(tmp_path / "whole.csv", rows, "bought")
    new = ("new", "b", "--data", str(whole), "--target", "bought", "--split", "column:said")
    refused = penstock(tmp_path, *new)
    assert refused.error["code"] == "split"
    by_column = penstock(tmp_path, *new, "--part", "train=lesson", "--part", "test=exam")
    assert by_column.body["rows"] == by_files.body["rows"]
    set_line(tmp_path / "b", "split", "gap = 7")
    assert "gap lies between parts that follow each other in time" in penstock(tmp_path / "b", "run").error["why"]


def test_traffic_without_a_time_joins_by_the_time_of_its_request(
    penstock: Cli, rows_of: Cli, write_rows: Cli, tmp_path: Path
) -> None:
    """As the journal's ids say it, with a word about it; `reproduce` deals it the same."""
    from penstock.data.versions import load_version
    from penstock.feedback.rows import LabelledRows
    from penstock.lifecycle.append import append_labelled
    from penstock.lifecycle.stages import Stages
    from penstock.serving.prediction_ids import PredictionId

    found = made(penstock, tmp_path, rows_of(600), write_rows, "--split", "time:joined", "--kind", "joined=datetime")
    fields = [spec.name for spec in found.decoder.columns if spec.name != "joined"]
    asked = [{name: row[name] for name in fields if name in row} for row in rows_of(50, seed=7)]
    ids = [str(PredictionId(1_900_000_000_000 + i, 1, 64 * i, 0)) for i in range(50)]
    with Stages(found.context, "retrain") as stages:
        digest = append_labelled(stages, found.dataset, LabelledRows(ids, asked, ["yes"] * 50))
    rows, before = load_version(found.context.objects, digest).rows, found.version.rows
    assert {part: rows[part] - before[part] for part in ("train", "valid", "test")} == {
        "train": 30, "valid": 10, "test": 10,
    }  # fmt: skip
    assert any("50 rows have no time in 'joined': they are dealt by when they were asked" in w for w in stages.warnings)
    run = stages.steps[-1].run
    assert penstock(tmp_path / "shop", "reproduce", run).body["verdict"] == "identical"

"""`penstock recipe`: which columns the model sees, and how."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.cli.output import PATH, emit, json_option

file_argument = click.argument("file", type=PATH, required=False)
learner_option = click.option("--for", "learner", metavar="LEARNER", help="Finish it as this learner wants its inputs.")


@click.group()
def recipe() -> None:
    """Which columns the model sees, and how. FILE is by default the project's own recipe."""


@recipe.command("check")
@file_argument
@json_option
def check(file: Path | None, as_json: bool) -> int:
    """Hold a recipe against the columns of the data set; an error names line, column and the nearest name."""
    from penstock.lifecycle.recipes import check_recipe
    from penstock.project.project import Project

    return emit(check_recipe(Project.here(), file), as_json=as_json)


@recipe.command("show")
@file_argument
@learner_option
@json_option
def show(file: Path | None, learner: str | None, as_json: bool) -> int:
    """Show a recipe in its fixed layout, and what is done to which columns."""
    from penstock.lifecycle.recipes import show_recipe
    from penstock.project.project import Project

    return emit(show_recipe(Project.here(), file, learner), as_json=as_json)


@recipe.command("fit")
@file_argument
@learner_option
@click.option("--output", "output", type=PATH, help="Write the graph into this file (ONNX).")
@json_option
def fit(file: Path | None, learner: str | None, output: Path | None, as_json: bool) -> int:
    """Fit a recipe alone on the training rows, and name its features."""
    from penstock.lifecycle.features import fit as fit_features
    from penstock.project.project import Project

    return emit(fit_features(Project.here(), file, learner, output), as_json=as_json)


@recipe.command("apply")
@click.argument("table", type=PATH)
@click.option("--output", "output", type=PATH, required=True, help="A .csv or .parquet file.")
@click.option("--recipe", "file", type=PATH, help="Default: the project's own.")
@learner_option
@json_option
def apply(table: Path, output: Path, file: Path | None, learner: str | None, as_json: bool) -> int:
    """Write the features of the rows of a table, as the recipe makes them that was fitted on the training rows."""
    from penstock.lifecycle.features import apply as apply_features
    from penstock.project.project import Project

    return emit(apply_features(Project.here(), table, output, file, learner), as_json=as_json)


@recipe.command("diff")
@click.argument("old")
@click.argument("new", required=False)
@json_option
def diff(old: str, new: str | None, as_json: bool) -> int:
    """Say what tells two recipes apart; each is a file or a run, NEW by default the project's own recipe."""
    from penstock.lifecycle.recipes import diff_recipes
    from penstock.project.project import Project

    return emit(diff_recipes(Project.here(), old, new), as_json=as_json)


@recipe.command("suggest")
@click.option("--output", "output", type=PATH, help="Write it into this file.")
@click.option("--force", "force", is_flag=True, help="Write over a file that is there.")
@json_option
def suggest(output: Path | None, force: bool, as_json: bool) -> int:
    """Suggest a recipe from the training rows, with the reason for each column."""
    from penstock.lifecycle.recipes import suggest as suggest_from
    from penstock.project.project import Project

    return emit(suggest_from(Project.here(), output, force=force), as_json=as_json)

"""Stage `recipe`: the text that a person edits, checked against the columns of the data set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.errors import RecipeError
from penstock.lifecycle.limits import row_limit
from penstock.lifecycle.own_steps import use_steps
from penstock.lifecycle.sentence_models import keep_with
from penstock.lifecycle.stages import Context
from penstock.project.project import Project

if TYPE_CHECKING:
    from penstock.features.suggest import Suggestion
    from penstock.ledger.run import Run


def read_recipe(project: Project) -> str | None:
    """The recipe file's text; None where there is none yet."""
    return recipe_text(project.recipe_file)


def recipe_text(path: Path) -> str | None:
    """The text of a recipe; None where there is no such file.

    Raises
    ------
    RecipeError : it is not UTF-8, or a folder.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except IsADirectoryError as error:
        raise RecipeError(f"{path} is a folder", why="a recipe is a file", way_out="name the file") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path.name} is not UTF-8 text", why=str(error), way_out="save the file in UTF-8") from error


def recipe(context: Context, run: Run, inputs: dict[str, Any], params: dict[str, Any]) -> None:
    """Check the recipe, or suggest one (and write it for the user to edit) where there is none."""
    from penstock.data.versions import load_version
    from penstock.features.pins import pinned
    from penstock.features.recipe import Recipe
    from penstock.objects.files import write_atomic

    version = load_version(context.objects, inputs["dataset"])
    text = params["text"]
    name = context.project.declaration.recipe.file
    if text is None:
        text = suggest_recipe(context, inputs["dataset"])
        if context.replay is None:
            write_atomic(context.project.recipe_file, text.encode())
    parsed = Recipe.parse(text, name=name)
    if steps := params.get("steps"):
        use_steps(context.objects, steps)
        parsed = replace(parsed, steps=steps)
        run.keep("steps", context.objects.get(steps), media="text/x-python")
    if models := params.get("models"):
        parsed = pinned(parsed, models.__getitem__)
        keep_with(run, context.objects, parsed)
    parsed.check(version.decoder.columns)
    run.keep("recipe", parsed.canonical().encode(), media="application/toml")


def suggest_recipe(context: Context, dataset: str) -> str:
    """The text of a recipe for a data-set version, with the reason per column, from training rows alone."""
    return suggestion_of(context, dataset).text


def suggestion_of(context: Context, dataset: str) -> Suggestion:
    """A recipe for a data-set version, with the reason per column, from training rows alone."""
    from penstock.data.doors import read_part
    from penstock.data.versions import load_version
    from penstock.features.suggest import suggest

    version = load_version(context.objects, dataset)
    frame, y = read_part(
        context.ledger, context.objects, version, "train", limit=row_limit(context, dataset).get("max_rows")
    )
    target = version.decoder.target
    assert target is not None
    found = context.ledger.datasets.get(dataset).details.get("columns", [])
    warnings = {c["name"]: c["warnings"] for c in found if c["warnings"]}
    group = version.split.column if version.split.by.startswith("group:") else None
    return suggest(version.decoder.columns, frame, y, target.task, target.name, warnings, group=group)

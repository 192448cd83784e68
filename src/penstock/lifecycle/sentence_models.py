"""Sentence models of recipes: kept in the object store under their digest, as all that a result depends on.

A model is read, written as one file and kept once; a note of how its folder looked then saves doing so on each run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.errors import NotFound

if TYPE_CHECKING:
    from penstock.features.recipe import Recipe
    from penstock.ledger.run import Run
    from penstock.objects.store import ObjectStore
    from penstock.project.project import Project


def models_of(project: Project, text: str | None) -> dict[str, Any]:
    """``{"models": {name: digest}}`` of the models that a recipe's text names, which are kept; else nothing.

    Raises
    ------
    RecipeError : there is no such model, or it cannot be used; with line and column.
    """
    from penstock.features.embedding import STEP

    if text is None or STEP not in text:
        return {}
    from penstock.features.pins import models_in
    from penstock.features.recipe import Recipe

    recipe = Recipe.parse(text, name=project.declaration.recipe.file)
    keep_models(project, recipe)
    names = models_in(recipe)
    return {"models": {name: kept_model(project, name) for name in names}} if names else {}


def keep_models(project: Project, recipe: Recipe) -> Recipe:
    """A recipe with its models kept, and named by their digests."""
    from penstock.features.pins import pinned

    return pinned(recipe, lambda name: kept_model(project, name))


def kept_model(project: Project, name: str) -> str:
    """The digest of a model, which is in the object store and known in this process from then on.

    A folder is looked for in the project.
    """
    import json

    from penstock.features.sentences import is_known, know, sentence_model, state_of
    from penstock.objects.digests import canonical_json
    from penstock.objects.files import write_atomic

    if is_known(name):
        return name
    inside = project.root / name
    place = str(inside) if inside.is_dir() else name
    notes = project.root / ".penstock" / "sentence-models.json"
    state = state_of(place)
    try:
        known = json.loads(notes.read_text("utf-8"))
    except (OSError, ValueError):
        known = {}
    digest = known.get(state)
    if isinstance(digest, str):
        try:
            know(project.objects.get(digest))
            return digest
        except NotFound:
            pass  # cleaned away since: made again
    model = sentence_model(place)
    digest = project.objects.put(model.body)
    write_atomic(notes, canonical_json({**known, state: digest}))
    return digest


def use_models(objects: ObjectStore, recipe: Recipe) -> tuple[str, ...]:
    """Make the models of a kept recipe known in this process: their digests."""
    from penstock.features.pins import models_in
    from penstock.features.sentences import is_known, know

    digests = models_in(recipe)
    for digest in digests:
        if not is_known(digest):
            know(objects.get(digest))
    return digests


def keep_with(run: Run, objects: ObjectStore, recipe: Recipe) -> None:
    """Note the models of a recipe as artifacts of a run, so that they stay as long as it does."""
    for number, digest in enumerate(use_models(objects, recipe), 1):
        run.keep(f"sentence_model_{number}", objects.get(digest), media="application/onnx")


def keep_files(run: Run, files: dict[str, bytes]) -> None:
    """The files that the packed inputs of a run's graph read, as its artifacts."""
    for digest, data in files.items():
        run.keep(f"tokens_{digest.rpartition(':')[2][:16]}", data, media="application/json")

"""`penstock recipe check | show | diff | suggest`: the text of a recipe, held against the data set's columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.errors import NotFound, ProjectError, RecipeError
from penstock.experiments.sheets import Sheet, table
from penstock.lifecycle.own_steps import broken_duties, steps_of, use_steps
from penstock.lifecycle.recipe import recipe_text
from penstock.lifecycle.sentence_models import keep_models
from penstock.lifecycle.stages import Context
from penstock.project.project import Project

if TYPE_CHECKING:
    from penstock.bundle.specs import ColumnSpec
    from penstock.features.plan import Plan
    from penstock.features.recipe import Entry, Recipe
    from penstock.features.resolve import Meanings
    from penstock.features.tail import Tail

SUITS = "trees"
"""Whose tail finishes a recipe where no learner is named: numbers as they are, categories as codes."""


def head_of(project: Project) -> str:
    """The digest of the newest version of the data set."""
    head = project.ledger.datasets.head(project.name)
    if head is None:
        raise NotFound("this project has no data set yet", why="nothing was ingested", way_out="run `penstock run`")
    return head


def recipe_of(project: Project, file: Path | None) -> tuple[str, Recipe]:
    """A recipe by its file, or the project's own: its name in messages, and what it says.

    Raises
    ------
    NotFound : there is no such file. RecipeError : it is wrong, with line and column.
    """
    from penstock.features.recipe import Recipe

    path = project.recipe_file if file is None else Path(file)
    text = recipe_text(path)
    if text is None:
        raise NotFound(
            f"there is no recipe {path.name!r}",
            why=f"no such file: {path}",
            way_out=f"penstock recipe suggest --output {project.declaration.recipe.file}",
        )
    recipe = Recipe.parse(text, name=path.name)
    if steps := steps_of(project, text).get("steps"):
        use_steps(project.objects, steps)
        recipe = replace(recipe, steps=steps)
    return path.name, keep_models(project, recipe)


def tail_of(learner: str | None, project: Project) -> Tail:
    """What a learner wants of a recipe's outputs."""
    from penstock import parts
    from penstock.data.versions import load_version
    from penstock.features.tail import TREES

    if learner is None:
        return TREES
    target = load_version(project.objects, head_of(project)).target
    tail: Tail = parts.load("penstock.learners", learner)().tail(target.task)
    return tail


def plan_of(project: Project, recipe: Recipe, tail: Tail | None = None) -> Plan:
    """The plan of a recipe for the columns of the data set.

    Raises
    ------
    RecipeError : a name, step, parameter or kind is wrong, with line, column and the nearest name; the target, a column that is
        dropped, and one of ``[history]`` that the data set does not have yet, are told as such.
    """
    from penstock.features.resolve import resolve

    specs = _specs(project)
    try:
        return resolve(recipe, specs, tail)
    except RecipeError as error:
        known = {spec.name for spec in specs}
        for name, (why, way_out) in _no_inputs(project).items():
            if name not in known and error.what.endswith(f"there is no column, group or assignment {name!r}"):
                told = RecipeError(error.what, why=why, way_out=way_out)
                told.line, told.column = error.line, error.column
                raise told from error
        raise


def _no_inputs(project: Project) -> dict[str, tuple[str, str]]:
    """Columns that a person may mean and a recipe cannot have: why, and the way out."""
    data = project.declaration.data
    declared = {
        name: (
            f"[history.{name}] was declared after the data were read",
            "`penstock run` works it out first, and checks the recipe then",
        )
        for name in project.declaration.history
    }
    dropped = dict.fromkeys(
        data.drop, ("[data] drop names it", "take it out of [data] drop, and `penstock run` reads it")
    )
    target = {data.target: ("it is the target, which is what is predicted", "leave it out of the recipe")}
    return {**declared, **dropped, **target}


def check_recipe(project: Project, file: Path | None = None) -> Sheet:
    """Hold a recipe against the columns of the data set, without fitting it, and its own steps against their contract.

    Raises
    ------
    RecipeError : a name, step, parameter or kind is wrong, with line, column and the nearest name.
    """
    from penstock.bundle.kinds import INPUT_KINDS

    name, recipe = recipe_of(project, file)
    specs = _specs(project)
    plan = plan_of(project, recipe)
    used = {column for source in plan.sources for column in source.columns}
    unused = [spec.name for spec in specs if spec.kind in INPUT_KINDS and spec.name not in used]
    defined = {*recipe.groups, *recipe.assignments}
    idle = sorted(defined - _reached(recipe))
    body: dict[str, Any] = {
        "file": name,
        "dialect": recipe.dialect,
        "outputs": len(recipe.outputs),
        "columns": [spec.name for spec in specs if spec.name in used],
        "unused": unused,
        "idle": idle,
        "steps": dict(sorted(Counter(node.step for node in plan.nodes.values()).items())),
        **({"own_steps": _held(project, recipe)} if recipe.steps else {}),
    }
    counts = [
        f"{n} {what}{'' if n == 1 else 's'}" for n, what in ((len(recipe.outputs), "output"), (len(used), "column"))
    ]
    lines = [f"{name} is right: {' from '.join(counts)}"]
    if unused:
        lines.append(f"  not used: {', '.join(unused)}")
    for own, broken in body.get("own_steps", {}).items():
        lines.append(
            f"  {own}, a step of your own, {'breaks its contract:' if broken else 'keeps the contract of steps'}"
        )
        lines += [f"    {duty}" for duty in broken]
    if idle:
        lines.append(f"  defined, but in no output: {', '.join(idle)}")
    return Sheet(body, "\n".join(lines), int(any(body.get("own_steps", {}).values())))


def _held(project: Project, recipe: Recipe) -> dict[str, list[str]]:
    """The project's own steps, and what of their contract each of them breaks."""
    return {step.name: broken_duties(step) for step in use_steps(project.objects, recipe.steps)}  # type: ignore[attr-defined]


def show_recipe(project: Project, file: Path | None = None, learner: str | None = None) -> Sheet:
    """A recipe in its fixed layout, and what is done to which columns; finished for a learner where one is named."""
    name, recipe = recipe_of(project, file)
    plan = plan_of(project, recipe, None if learner is None else tail_of(learner, project))
    steps = _steps(plan)
    outputs = [_said(piece, plan) for piece in plan.outputs]
    body = {
        "file": name,
        "recipe": recipe.canonical(),
        "learner": learner,
        "steps": steps,
        "outputs": outputs,
    }
    rows = [(str(s["number"]), s["step"], _listed(s["inputs"]), s["gives"]) for s in steps]
    text = recipe.canonical()
    if rows:
        text += "\n" + table([("", "step", "of", "gives"), *rows]) + "\n"
    return Sheet(body, text + f"\noutputs: {_listed(outputs, 20)}")


@dataclass(frozen=True)
class RecipeDiff:
    """What tells two recipes apart: ``{"added": {name: text}, "removed": ..., "changed": {name: [was, is]}}`` by section."""

    old: str
    new: str
    sections: Mapping[str, Mapping[str, Any]]
    columns: Mapping[str, list[str]]

    exit_code = 0

    @property
    def same(self) -> bool:
        return not any(any(section.values()) for section in self.sections.values())

    def to_json(self) -> dict[str, Any]:
        return {"old": self.old, "new": self.new, "same": self.same, **self.sections, "columns": dict(self.columns)}

    def to_text(self) -> str:
        if self.same:
            return f"{self.old} and {self.new} say the same"
        lines = [f"{self.old} -> {self.new}"]
        for title, section in self.sections.items():
            if any(section.values()):
                lines.append(f"{title}:")
                lines += [f"  - {_assigned(name, text)}" for name, text in section["removed"].items()]
                lines += [f"  + {_assigned(name, text)}" for name, text in section["added"].items()]
                for name, (was, now) in section["changed"].items():
                    lines += [f"  - {_assigned(name, was)}", f"  + {_assigned(name, now)}"]
        for word in ("removed", "added"):
            if self.columns[word]:
                lines.append(f"columns {word}: {', '.join(self.columns[word])}")
        return "\n".join(lines)


def diff_recipes(project: Project, old: str, new: str | None = None) -> RecipeDiff:
    """What differs between two recipes in what they mean: whatever their layout, the order and names of definitions, and which
    defaults they write out.

    Parameters
    ----------
    old, new : files, or runs that have a recipe (those of `penstock run` and of its stages); `new` is by default the
        project's own.
    """
    from penstock.features.resolve import meanings, resolve

    (was_name, was, of_was), (now_name, now, of_now) = _reference(project, old), _reference(project, new)
    meant, means = meanings(was, of_was), meanings(now, of_now)
    outputs = _put_out(meant, means)
    gone = {n for n in _reached(was, outputs["removed"]) if meant.definitions[n] not in means.definitions.values()}
    come = {n for n in _reached(now, outputs["added"]) if means.definitions[n] not in meant.definitions.values()}
    other = {n for n, m in meant.definitions.items() if means.definitions.get(n, m) != m}

    def defined(was: Mapping[str, Entry], now: Mapping[str, Entry]) -> dict[str, Any]:
        found = _changes(_texts(was), _texts(now))
        told = (("added", come), ("removed", gone), ("changed", other))
        return {word: {n: text for n, text in found[word].items() if n in names} for word, names in told}

    sections = {
        "groups": defined(was.groups, now.groups),
        "assignments": defined(was.assignments, now.assignments),
        "outputs": outputs,
    }
    priced = ({n: f"{c.value:g} {r.cost_unit}".rstrip() for n, c in r.costs.items()} for r in (was, now))
    sections["costs"] = _changes(*priced)
    if was.dialect != now.dialect:
        sections["dialect"] = {"added": {}, "removed": {}, "changed": {"dialect": [was.dialect, now.dialect]}}
    before, after = (
        {column for source in resolve(recipe, specs).sources for column in source.columns}
        for recipe, specs in ((was, of_was), (now, of_now))
    )
    columns = {"added": sorted(after - before), "removed": sorted(before - after)}
    return RecipeDiff(was_name, now_name, sections, columns)


def suggest(project: Project, output: Path | None = None, *, force: bool = False) -> Sheet:
    """A recipe to start from, with the reason for each column, from training rows alone.

    Raises
    ------
    ProjectError : `output` is there already, and `force` was not said.
    """
    from penstock.lifecycle.recipe import suggestion_of
    from penstock.objects.files import write_asked

    dataset = head_of(project)
    if output is not None and output.exists() and not force:
        raise ProjectError(
            f"{output.name} is there already",
            why="a recipe is yours to edit",
            way_out="name another file, or say --force",
        )
    found = suggestion_of(Context(project), dataset)
    if output is not None:
        write_asked(output, found.text.encode())
    body = {
        "dataset": dataset,
        "recipe": found.text,
        "outputs": [{"expression": output.expression, "why": output.why} for output in found.outputs],
        "few_rows": found.few_rows,
        "reasons": [{"column": r.column, "used": r.used, "why": r.why, "warning": r.warning} for r in found.reasons],
        "output": None if output is None else str(output),
    }
    return Sheet(body, found.text.rstrip("\n") if output is None else f"written to {output}")


def _specs(project: Project) -> Sequence[ColumnSpec]:
    from penstock.data.versions import load_version

    return load_version(project.objects, head_of(project)).decoder.columns


def _reference(project: Project, reference: str | None) -> tuple[str, Recipe, Sequence[ColumnSpec]]:
    """A recipe by its file or run, and the columns that it is for: those of the data of that run, if they are still there."""
    from penstock.data.versions import load_version
    from penstock.features.recipe import Recipe

    if reference is None or Path(reference).is_file():
        return *recipe_of(project, None if reference is None else Path(reference)), _specs(project)
    try:
        record = project.ledger.get(reference)
    except NotFound as error:
        if error.what != f"there is no run {reference!r}":
            raise
        raise NotFound(
            f"there is neither a file nor a run {reference!r}",
            why="a recipe is compared by its file, or by a run that had it",
            way_out="name a file, or a run of the pipeline: penstock runs --operation recipe",
        ) from error
    candidates = [record, *(project.ledger.get(s["run"]) for s in record.outputs.get("steps", []) if "run" in s)]
    made = next((r for r in candidates if "recipe" in r.artifacts), None)
    if made is None:
        raise NotFound(
            f"run {record.id} has no recipe",
            why=f"it is a {record.operation}",
            way_out="name a file, or a run of the pipeline: penstock runs --operation recipe",
        )
    name = f"run {record.id}"
    recipe = Recipe.parse(project.objects.get(made.artifacts["recipe"]["digest"]).decode(), name=name)
    if recipe.steps:
        use_steps(project.objects, recipe.steps)
    dataset = made.inputs.get("dataset", "")
    kept = bool(dataset) and project.objects.has(dataset)
    return name, recipe, load_version(project.objects, dataset).decoder.columns if kept else _specs(project)


def _steps(plan: Plan) -> list[dict[str, Any]]:
    numbers = {node: i for i, node in enumerate(plan.nodes, 1)}
    return [
        {
            "number": numbers[key],
            "step": node.step,
            "params": dict(node.params),
            "inputs": [_said(piece, plan) for block in node.inputs for piece in block],
            "gives": str(node.make().gives or node.inputs[0][0].kind),
        }
        for key, node in plan.nodes.items()
    ]


def _said(piece: Any, plan: Plan) -> str:
    """A column by its name, the result of a step by its number: ``(3)``."""
    from penstock.features.plan import Source

    if isinstance(piece, Source):
        return piece.name
    return f"({list(plan.nodes).index(piece.node) + 1})"


def _listed(names: Sequence[str], most: int = 8) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def _texts(entries: Mapping[str, Entry]) -> dict[str, str]:
    return {name: str(entry.expression) for name, entry in entries.items()}


def _put_out(meant: Meanings, means: Meanings) -> dict[str, Any]:
    """Outputs that the other recipe does not have under any name; of those that are written alike, the definitions tell."""
    of_was, of_now = frozenset().union(*meant.outputs.values()), frozenset().union(*means.outputs.values())
    return {
        "added": {t: "" for t, m in means.outputs.items() if not m <= of_was and t not in meant.outputs},
        "removed": {t: "" for t, m in meant.outputs.items() if not m <= of_now and t not in means.outputs},
        "changed": {},
    }


def _changes(was: Mapping[str, str], now: Mapping[str, str]) -> dict[str, Any]:
    return {
        "added": {name: text for name, text in now.items() if name not in was},
        "removed": {name: text for name, text in was.items() if name not in now},
        "changed": {name: [was[name], text] for name, text in now.items() if was.get(name, text) != text},
    }


def _assigned(name: str, text: str) -> str:
    return f"{name} = {text}" if text else name


def _reached(recipe: Recipe, outputs: Collection[str] | None = None) -> set[str]:
    """Names of groups and assignments that some output leads to; of those outputs alone whose texts are given."""
    from penstock.features.language import Call, Expression, Name

    found: set[str] = set()
    waiting: list[Expression] = [
        entry.expression for entry in recipe.outputs if outputs is None or str(entry.expression) in outputs
    ]
    while waiting:
        expression = waiting.pop()
        if isinstance(expression, Call):
            waiting += [*expression.arguments, *(keyword.value for keyword in expression.keywords)]
        elif isinstance(expression, Name) and expression.text not in found:
            entry = recipe.groups.get(expression.text) or recipe.assignments.get(expression.text)
            if entry is not None:
                found.add(expression.text)
                waiting.append(entry.expression)
    return found

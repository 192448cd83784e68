"""Steps of the project's own: ``steps = "my_steps.py"`` in the recipe names a file of classes, and needs no packaging.

The file is kept in the object store under its digest, and what runs is what is kept: a changed file is another recipe, and
`reproduce` finds the code that a run had. Only a file inside the project runs; what is served is the graph, never this code.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from penstock.errors import RecipeError

if TYPE_CHECKING:
    from penstock.objects.store import ObjectStore
    from penstock.project.project import Project

_ASKED = ("name", "takes", "gives", "arity", "columnwise", "bounds", "ready", "fit")


def steps_of(project: Project, text: str | None) -> dict[str, str]:
    """``{"steps": digest}`` where a recipe's text names a file of steps, which is kept; else nothing.

    Raises
    ------
    RecipeError : there is no such file, or it lies outside the project.
    """
    if text is None or "steps" not in text:
        return {}
    import tomllib

    try:
        named = tomllib.loads(text).get("steps")
    except tomllib.TOMLDecodeError:
        return {}  # the recipe's own reader says where it is wrong
    if not isinstance(named, str):
        return {}
    root = project.root.resolve()
    path = (root / named).resolve()
    if not path.is_relative_to(root):
        raise RecipeError(
            f"the steps {named!r} are outside of the project",
            why="a file of steps is run, and only what lies in the project's own folder is trusted with that",
            way_out="copy the file into the project, or install it as a package with an entry point",
        )
    try:
        return {"steps": project.objects.put(path.read_bytes())}
    except OSError as error:
        raise RecipeError(
            f"the steps {named!r} cannot be read", why=str(error), way_out="name a file of Python in the project"
        ) from error


def use_steps(objects: ObjectStore, digest: str) -> tuple[type, ...]:
    """Make the steps of a kept file known to recipes in this process: its classes.

    Raises
    ------
    RecipeError : the file fails, holds no step, or a name is taken.
    """
    from penstock import parts
    from penstock.features.step import GROUP

    name = f"penstock_steps_{digest.rpartition(':')[2][:16]}"
    module = sys.modules.get(name) or _load(name, objects.get(digest))
    steps = tuple(
        thing
        for thing in vars(module).values()
        if isinstance(thing, type) and thing.__module__ == name and hasattr(thing, "takes") and hasattr(thing, "bounds")
    )
    if not steps:
        raise RecipeError(
            "the file of steps holds no step",
            why="a step is a class with name, takes, gives, arity, columnwise, bounds, ready and fit",
            way_out="see 'A step of your own' in docs/architecture.md",
        )
    for step in steps:
        lacking = [wanted for wanted in _ASKED if not hasattr(step, wanted)]
        if lacking:
            raise RecipeError(
                f"the step {step.__name__} lacks {', '.join(lacking)}",
                why="that is how recipes know what it takes and gives",
                way_out="add it; see 'A step of your own' in docs/architecture.md",
            )
    parts.add(GROUP, {step.name: step for step in steps})  # type: ignore[attr-defined]
    return steps


def broken_duties(step: type) -> list[str]:
    """What of the contract of steps a class does not keep, with its default parameters: ``"duty: why"``."""
    from penstock.features.duties import BrokenDuty, NotAsked, StepDuties

    broken = []
    for duty in sorted(name for name in dir(StepDuties) if name.startswith("test_")):
        try:
            getattr(StepDuties(), duty)(step())
        except NotAsked:
            continue
        except Exception as error:  # noqa: BLE001 - whatever a step of the project does, it is told
            words = " ".join(str(error).split())[:200]
            why = words if isinstance(error, BrokenDuty) else f"{type(error).__name__} {words}"
            broken.append(f"{duty.removeprefix('test_').replace('_', ' ')}: {why}".rstrip(": "))
    return broken


def _load(name: str, body: bytes) -> ModuleType:
    module = ModuleType(name, "Steps of a project.")
    sys.modules[name] = module  # fitted steps of it can be pickled within this process
    try:
        exec(compile(body, f"<{Path(name).name}>", "exec"), vars(module))
    except Exception as error:
        del sys.modules[name]
        line = next((at.tb_lineno for at in _frames(error) if at.tb_frame.f_code.co_filename == f"<{name}>"), None)
        line = getattr(error, "lineno", None) or line
        raise RecipeError(
            "the file of steps fails" + (f" in line {line}" if line else ""),
            why=f"{type(error).__name__}: {error}",
            way_out="put the file right: it is run as it is",
        ) from error
    return module


def _frames(error: BaseException) -> list[Any]:
    found, at = [], error.__traceback__
    while at is not None:
        found.append(at)
        at = at.tb_next
    return found[::-1]

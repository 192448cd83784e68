"""`penstock.toml` as typed data. The whole file is checked before anything runs; unknown keys are refused.

Every section has defaults: a file with ``[data] source`` and ``target`` alone is complete.
"""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec

from penstock.errors import DeclarationError
from penstock.project.sections.data import ContractSection, DataSection, ProjectSection
from penstock.project.sections.evaluation import EvaluationSection, GateSection
from penstock.project.sections.history import HistorySection
from penstock.project.sections.learning import (
    GoalSection,
    QuantiseSection,
    RecipeSection,
    RetrainSection,
    ScopeSection,
    SearchSection,
)
from penstock.project.sections.monitoring import MonitoringSection, QualitySection
from penstock.project.sections.privacy import PrivacySection
from penstock.project.sections.runs import CostSection, RunSection, ScriptSection, StepSection
from penstock.project.sections.section import Section
from penstock.project.sections.serving import ServingSection
from penstock.project.sections.split import SplitSection


class Declaration(Section, frozen=True):
    """The whole file."""

    data: DataSection = DataSection()
    project: ProjectSection = ProjectSection()
    privacy: PrivacySection = PrivacySection()
    split: SplitSection = SplitSection()
    goal: GoalSection = GoalSection()
    scope: ScopeSection = ScopeSection()
    quantise: QuantiseSection = QuantiseSection()
    contract: ContractSection = ContractSection()
    recipe: RecipeSection = RecipeSection()
    search: SearchSection = SearchSection()
    evaluation: EvaluationSection = EvaluationSection()
    gates: tuple[GateSection, ...] = ()
    serving: ServingSection = ServingSection()
    monitoring: MonitoringSection = MonitoringSection()
    retrain: RetrainSection = RetrainSection()
    quality: QualitySection = QualitySection()
    run: RunSection = RunSection()
    scripts: dict[str, ScriptSection] = {}
    cost: CostSection = CostSection()
    step: tuple[StepSection, ...] = ()
    history: dict[str, HistorySection] = {}


def load_declaration(path: Path, *, needs_data: bool = True) -> Declaration:
    """Read and check `penstock.toml`. A folder that only keeps runs of scripts needs no `[data]`.

    Raises
    ------
    DeclarationError : the file is not TOML, has an unknown key (the nearest is named), or a value out of its bounds.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DeclarationError(
            f"{path.name} is not UTF-8 text", why=str(error), way_out="save the file in UTF-8"
        ) from error
    return parse_declaration(text, name=path.name, needs_data=needs_data)


def parse_declaration(text: str, *, name: str = "penstock.toml", needs_data: bool = True) -> Declaration:
    """As `load_declaration`, from text.

    >>> parse_declaration('[data]\\nsource = "a.csv"\\ntarget = "y"\\n').split.envelopes
    4
    """
    import tomllib  # where there is no file, it is not needed

    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DeclarationError(
            f"{name} is not valid TOML", why=str(error), way_out="correct the line it names"
        ) from error
    _refuse_unknown_keys(raw, Declaration, name, path="")
    try:
        declaration = msgspec.convert(raw, Declaration, strict=True)
    except msgspec.ValidationError as error:
        raise DeclarationError(
            f"{name}: {_where(str(error))}",
            why=_reason(str(error)),
            way_out=_way_out(str(error)),
        ) from error
    if needs_data or "data" in raw:
        _check_data(declaration.data, name)
    _check_bounds(declaration, name)
    return declaration


def _check_data(data: DataSection, name: str) -> None:
    for key in ("source", "target"):
        if not getattr(data, key):
            raise DeclarationError(
                f"{name}: a required setting is missing",
                why=f"[data] has no {key!r}",
                way_out="write it, or make a project with `penstock new DIR --data FILE --target COLUMN`",
            )


def _refuse_unknown_keys(raw: dict[str, Any], struct: type[msgspec.Struct], name: str, path: str) -> None:
    fields = {f.name: f for f in msgspec.structs.fields(struct)}
    for key, value in raw.items():
        where = f"{path}.{key}" if path else key
        if key not in fields:
            import difflib

            near = difflib.get_close_matches(key, fields, 1, 0.5)
            raise DeclarationError(
                f"{name}: there is no setting {where!r}",
                why=f"known {'in [' + path + ']' if path else 'sections'}: {', '.join(fields)}",
                way_out=f"write {near[0]!r}" if near else "remove it or use one of these",
            )
        inner = _section_of(fields[key].type)
        if inner is None:
            continue
        if get_origin(fields[key].type) is dict:  # its keys are names of the user's own
            named = list(value.items()) if isinstance(value, dict) else []
        else:
            named = [("", item) for item in (value if isinstance(value, list) else [value])]
        for own, item in named:
            if isinstance(item, dict):
                _refuse_unknown_keys(item, inner, name, f"{where}.{own}" if own else where)


def _section_of(annotation: Any) -> type[msgspec.Struct] | None:
    """The Section behind a field's type, also inside ``tuple[Section, ...]`` and ``dict[str, Section]``."""
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, msgspec.Struct):
            return candidate
    return None


def _where(message: str) -> str:
    found = re.search(r"at `\$\.?(.*)`", message)
    return f"[{found[1]}] has a wrong value" if found and found[1] else "a required setting is missing"


def _reason(message: str) -> str:
    return message.partition(" - at ")[0]


def _way_out(message: str) -> str:
    """The nearest of the words that may stand there, and all of them; where anything else is wrong, where to look."""
    place, found = re.search(r"at `\$\.?(.*)`", message), re.search(r"enum value '(.*)' - at", message)
    words = _words_of(place[1]) if place and found else []
    if not words or found is None:
        return "correct that line; see docs/declaration.md"
    import difflib

    near = difflib.get_close_matches(found[1], words, 1)
    return (f"write {near[0]!r}; " if near else "") + f"it is one of {', '.join(words)}"


def _words_of(place: str) -> list[str]:
    """The words that a setting may be, by its place: ``search.imbalance``, ``data.join[0].format``, ``data.kinds[...]``."""
    annotation: Any = Declaration
    for part in re.findall(r"[^.\[\]]+", place):
        section = _section_of(annotation)
        field = next((f for f in msgspec.structs.fields(section) if f.name == part), None) if section else None
        annotation = annotation if field is None else field.type  # else within a table or a list
    words: list[str] = []
    waiting = [annotation]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, type) and issubclass(one, Enum):
            words += [str(member.value) for member in one]
        else:
            words += [one] if isinstance(one, str) else []
            waiting += get_args(one)
    return words


def _check_bounds(section: Section, name: str, path: str = "") -> None:
    for key, why, way_out in section.faults():
        where = ".".join(part for part in (path, key) if part)
        raise DeclarationError(f"{name}: {where} is out of bounds", why=why, way_out=way_out)
    for field in msgspec.structs.fields(section):
        where = f"{path}.{field.name}" if path else field.name
        value = getattr(section, field.name)
        if isinstance(value, dict):
            within = [(f"{where}.{key}", item) for key, item in value.items()]
        elif isinstance(value, tuple):
            within = [(f"{where}[{i}]", item) for i, item in enumerate(value)]
        else:
            within = [(where, value)]
        for place, item in within:
            if isinstance(item, Section):
                _check_bounds(item, name, place)

"""A recipe: which columns are used and how they are transformed, as text that a person edits."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from penstock.errors import RecipeError
from penstock.features.json_positions import JsonText
from penstock.features.language import (
    NAME,
    Call,
    Expression,
    Origin,
    nearest,
    parse,
    pointed_error,
    suggest_nearest,
)
from penstock.project.toml_positions import Path, Positions

if TYPE_CHECKING:
    from penstock.bundle.specs import ColumnSpec

BUILT_IN_GROUPS = ("ALL_NUMERIC", "ALL_CATEGORICAL", "ALL_BINARY", "ALL_TEXT", "ALL_DATETIME", "ALL_INPUTS")
GROUP_FUNCTIONS = ("group", "group_remove")
SECTIONS = ("groups", "assignments", "outputs")
OWN_SECTIONS = (*SECTIONS, "costs")
"""Those of a recipe in TOML."""
HOUSE, AMAZON = "penstock", "amazon"
DIALECTS = (HOUSE, AMAZON)
"""In the dialect of Amazon Machine Learning a text is split at whitespace and left as it is written, and `quantile_bin` gives
categories. Its recipes are JSON; in TOML ``dialect = "amazon"`` says the same."""

MOST_COST = 1e9

DEFAULT = """\
outputs = ["ALL_NUMERIC", "ALL_BINARY", "ALL_CATEGORICAL", "date_parts(ALL_DATETIME)", "tfidf(ALL_TEXT)"]
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One expression of the recipe, and where it stands."""

    expression: Expression
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True)
class Cost:
    """What it costs to ask for one value of a column, in the recipe's unit, and where that stands."""

    value: float
    origin: Origin = field(compare=False)


@dataclass(frozen=True)
class Recipe:
    """The parsed text. Two recipes are equal when they say the same, however they are laid out.

    >>> recipe = Recipe.parse('outputs = ["age", "one_hot( job )"]')
    >>> print(recipe.canonical())
    outputs = ["age", "one_hot(job)"]
    <BLANKLINE>
    """

    groups: Mapping[str, Entry]
    assignments: Mapping[str, Entry]
    outputs: tuple[Entry, ...]
    dialect: str = HOUSE
    costs: Mapping[str, Cost] = field(default_factory=dict)
    cost_unit: str = ""
    steps: str = ""
    """The project's own file of steps, or its digest where it is kept; "" for none."""

    @classmethod
    def parse(cls, text: str, *, name: str = "recipe.toml") -> Recipe:
        """Read the text of a recipe: TOML, or the JSON of Amazon Machine Learning (it begins with a brace).

        Raises
        ------
        RecipeError : with line and column of `name`, what was found, what was expected, and the nearest name.
        """
        return _Reader(text, name).recipe()

    @classmethod
    def default(cls) -> Recipe:
        """Every input, in the form that suits its kind."""
        return cls.parse(DEFAULT, name="the default recipe")

    def check(self, specs: Sequence[ColumnSpec]) -> None:
        """Hold the recipe against the columns of a table: names, steps, parameters, kinds, cycles.

        Raises
        ------
        RecipeError : with line and column, as `parse`.
        """
        from penstock.features.resolve import resolve

        resolve(self, specs)

    def canonical(self) -> str:
        """The same recipe in one fixed layout: what is hashed, compared and stored."""
        lines = [f"outputs = [{', '.join(toml_text(str(e.expression)) for e in self.outputs)}]"]
        if self.dialect != HOUSE:
            lines.insert(0, f"dialect = {toml_text(self.dialect)}")
        if self.steps:
            lines.insert(0, f"steps = {toml_text(self.steps)}")
        if self.cost_unit:
            lines.append(f"cost_unit = {toml_text(self.cost_unit)}")
        for title, entries in (("groups", self.groups), ("assignments", self.assignments)):
            if entries:
                lines += ["", f"[{title}]"]
                lines += [f"{toml_text(n)} = {toml_text(str(e.expression))}" for n, e in sorted(entries.items())]
        if self.costs:
            lines += ["", "[costs]", *(f"{toml_text(n)} = {c.value!r}" for n, c in sorted(self.costs.items()))]
        return "\n".join(lines) + "\n"


class _Reader:
    """From the text of recipe.toml, or of a recipe in JSON, to a Recipe."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.positions: Positions | JsonText
        text = text.removeprefix("\ufeff")
        self.is_json = text.lstrip()[:1] == "{" or text.lstrip()[:2] == "//"  # what no TOML begins with
        if self.is_json:
            self.positions = JsonText(text.replace("\r\n", "\n"), file)
            self.document = self.positions.document
            return
        try:
            self.document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            if file.endswith(".json"):
                JsonText(text.replace("\r\n", "\n"), file)  # tells what is wrong with it as JSON
            raise _toml_error(error, file, text) from error
        self.positions = Positions(text.replace("\r\n", "\n"))

    def recipe(self) -> Recipe:
        self._check_sections()
        recipe = Recipe(
            self._entries("groups"),
            self._entries("assignments"),
            self._outputs(),
            self._dialect(),
            self._costs(),
            self._word("cost_unit", "it is shown behind the figures", 'write a text: cost_unit = "EUR", or "ms"'),
            self._word("steps", "it names a file of steps in the project", 'write steps = "my_steps.py"'),
        )
        for name in recipe.groups:
            if name in recipe.assignments:
                raise self._at_key(
                    ("assignments", name),
                    f"{name!r} is a group and an assignment",
                    why="a name means one thing in a recipe",
                    way_out="rename one of them",
                )
        for entry in recipe.groups.values():
            _only_names(entry.expression, entry.origin)
        return recipe

    def _check_sections(self) -> None:
        known = SECTIONS if self.is_json else (*OWN_SECTIONS, "dialect", "cost_unit", "steps")
        for key in self.document:
            if key not in known:
                raise self._at_key(
                    (key,),
                    f"unknown section {key!r}",
                    why=f"a recipe has {', '.join(SECTIONS if self.is_json else OWN_SECTIONS)}",
                    way_out=suggest_nearest(key, known, "remove it"),
                )

    def _dialect(self) -> str:
        if self.is_json:
            return AMAZON
        dialect = self.document.get("dialect", HOUSE)
        if dialect not in DIALECTS:
            raise self._at_key(
                ("dialect",),
                f"there is no dialect {dialect!r}",
                why=f"known are {', '.join(DIALECTS)}",
                way_out=suggest_nearest(str(dialect), DIALECTS, 'leave it out for "penstock"'),
            )
        return str(dialect)

    def _costs(self) -> dict[str, Cost]:
        costs = self.document.get("costs", {})
        if not isinstance(costs, dict):
            raise self._at_key(
                ("costs",),
                "'costs' is not a table",
                why="it holds columns and what one value of each costs",
                way_out="write [costs], and below it: age = 0.25",
            )
        for name, cost in costs.items():
            number = isinstance(cost, int | float) and not isinstance(cost, bool)
            if not number or not 0 <= cost <= MOST_COST:
                raise self._at_key(
                    ("costs", name),
                    f"the cost of {name!r} is {cost!r}",
                    why=f"it must be a number from 0 to {MOST_COST:g}, the price of one value",
                    way_out='write a number; a name with dots is quoted: "emp.var.rate" = 0.25',
                )
        return {name: Cost(float(cost), self._key_origin(("costs", name))) for name, cost in costs.items()}

    def _key_origin(self, path: Path) -> Origin:
        line, column = self._place_of(path)
        return Origin(self.file, lambda at: (line, column))

    def _word(self, key: str, why: str, way_out: str) -> str:
        word = self.document.get(key, "")
        if not isinstance(word, str):
            raise self._at_key((key,), f"{key!r} is {word!r}", why=why, way_out=way_out)
        return word

    def _entries(self, section: str) -> dict[str, Entry]:
        table = self.document.get(section, {})
        if not isinstance(table, dict):
            raise self._at_key(
                (section,),
                f"{section!r} is not a table",
                why="it holds names and expressions",
                way_out=f'write "{section}": {{}}' if self.is_json else f"write [{section}]",
            )
        return {name: self._entry((section, name), value) for name, value in table.items() if self._name(section, name)}

    def _name(self, section: str, name: str) -> bool:
        path = (section, name)
        if name in SECTIONS and isinstance(self.document[section][name], list):
            raise self._at_key(
                path,
                f"{name!r} stands inside [{section}]",
                why="in TOML a key belongs to the table above it",
                way_out=f"move {name} = [...] to the top of the file, above the first [table]",
            )
        if name in BUILT_IN_GROUPS or name in GROUP_FUNCTIONS:
            raise self._at_key(
                path,
                f"{name!r} is a name of the language itself",
                why=f"reserved are {', '.join((*BUILT_IN_GROUPS, *GROUP_FUNCTIONS))}",
                way_out="choose another name",
            )
        if not NAME.fullmatch(name):
            raise self._at_key(
                path,
                f"{name!r} cannot be a name",
                why="a name begins with a letter or an underscore and holds letters, digits, '_', '.' and '-'",
                way_out="choose another name",
            )
        return True

    def _entry(self, path: Path, value: Any) -> Entry:
        if not isinstance(value, str):
            raise self._at_key(
                path,
                f"{path[-1]!r} is not an expression",
                why=f"expected a text, found {value!r}",
                way_out="write it in quotes, such as \"group('age', 'balance')\"",
            )
        place = self.positions.texts[path]
        origin = Origin(self.file, partial(_located, self.positions, place))
        return Entry(parse(value, origin), origin)

    def _outputs(self) -> tuple[Entry, ...]:
        outputs = self.document.get("outputs", [])
        if not isinstance(outputs, list) or not all(isinstance(o, str) for o in outputs):
            raise self._at_key(
                ("outputs",),
                "'outputs' is not a list of texts",
                why=f"found {outputs!r}",
                way_out='write "outputs": ["ALL_INPUTS"]'
                if self.is_json
                else 'write outputs = ["age", "one_hot(job)"]',
            )
        if not outputs:
            raise self._at_key(
                ("outputs",),
                "the recipe has no outputs",
                why="outputs say what the learner sees",
                way_out='write "outputs": ["ALL_INPUTS"]'
                if self.is_json
                else 'write at the top: outputs = ["ALL_INPUTS"]',
            )
        return tuple(self._entry(("outputs", i), text) for i, text in enumerate(outputs))

    def _at_key(self, path: Path, what: str, *, why: str, way_out: str) -> RecipeError:
        return pointed_error(self.file, *self._place_of(path), what, why, way_out)

    def _place_of(self, path: Path) -> tuple[int, int]:
        place = self.positions.keys.get(path)
        return self.positions.line_column(place.at) if place is not None else (1, 1)


def _located(positions: Positions | JsonText, place: Any, index: int) -> tuple[int, int]:
    return positions.line_column(place.offset(index))


def _only_names(expression: Expression, origin: Origin) -> None:
    """A group names columns; it does not transform them."""
    if isinstance(expression, Call):
        if expression.function not in GROUP_FUNCTIONS:
            near = nearest(expression.function, GROUP_FUNCTIONS)
            raise origin.error(
                expression.at,
                f"{expression.function!r} inside [groups]",
                why="expected columns, groups, group(...) or group_remove(...): a group names columns and changes nothing",
                way_out=f"did you mean {near!r}?" if near else "write it under [assignments]",
            )
        for argument in expression.arguments:
            _only_names(argument, origin)


def _toml_error(error: tomllib.TOMLDecodeError, file: str, text: str) -> RecipeError:
    found = re.search(r"line (\d+), column (\d+)", str(error))
    lines = text.splitlines() or [""]
    line, column = (int(found[1]), int(found[2])) if found else (len(lines), len(lines[-1]) + 1)
    return pointed_error(
        file,
        line,
        column,
        "this is not TOML",
        why=str(error).partition(" (at")[0],
        way_out='a recipe looks like: outputs = ["age", "one_hot(job)"]',
    )


def toml_text(text: str) -> str:
    """A TOML basic string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda m: f"\\u{ord(m.group()):04x}", escaped) + '"'

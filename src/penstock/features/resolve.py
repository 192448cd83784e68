"""From the names of a recipe to a plan: which step is applied to which columns, with everything checked first."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from penstock import parts
from penstock.bundle.kinds import INPUT_KINDS, Kind
from penstock.bundle.specs import ColumnSpec
from penstock.errors import RecipeError
from penstock.features.arguments import parameters
from penstock.features.language import Call, Expression, Literal, Name, Origin, parse, quote, suggest_nearest
from penstock.features.nodes import Nodes, distinct
from penstock.features.plan import Block, Piece, Plan, Result, Source
from penstock.features.prepare import PreparedStrings, tree_of
from penstock.features.recipe import AMAZON, BUILT_IN_GROUPS, GROUP_FUNCTIONS, Entry, Recipe
from penstock.features.step import FORMS, GROUP, Form
from penstock.features.suits import check_objections, check_takes, describe
from penstock.features.tail import BLOCK, Tail

MAX_LEVELS = 100
"""Steps on top of each other, through all assignments."""

ALIASES = {"normalize": "standardise", "normalise": "standardise"}
"""Other names of steps: those of Amazon Machine Learning."""

_BINS, _CATEGORY = "quantile_bin", "as_category"


def resolve(recipe: Recipe, specs: Sequence[ColumnSpec], tail: Tail | None = None) -> Plan:
    """The plan of a recipe for the columns `specs`, finished by a learner's tail if one is given.

    Raises
    ------
    RecipeError : a name, step, parameter or kind is wrong; with line and column.
    """
    resolver = _Resolver(recipe, specs)
    outputs = resolver.outputs()
    if tail is not None:
        outputs = resolver.finish(outputs, tail)
    plan = resolver.nodes.plan(outputs, resolver.costs())
    return replace(plan, binnings=tuple(resolver.strings.binnings))


@dataclass(frozen=True)
class Meanings:
    """What the parts of a recipe mean for a table: of each expression, the features that it comes to, whatever it is called.

    Attributes
    ----------
    outputs : by their text. definitions : groups and assignments, by name.
    """

    outputs: Mapping[str, frozenset[str]]
    definitions: Mapping[str, frozenset[str]]


def meanings(recipe: Recipe, specs: Sequence[ColumnSpec]) -> Meanings:
    """What a recipe means: names are replaced by what they stand for, and parameters are all written out.

    Raises
    ------
    RecipeError : as `resolve`.
    """
    resolver = _Resolver(recipe, specs)
    resolver.outputs()

    def meant(entry: Entry) -> frozenset[str]:
        return frozenset(resolver.nodes.meant(resolver.block(entry)))

    return Meanings(
        {str(entry.expression): meant(entry) for entry in recipe.outputs},
        {name: meant(entry) for name, entry in (*recipe.groups.items(), *recipe.assignments.items())},
    )


class _Resolver:
    def __init__(self, recipe: Recipe, specs: Sequence[ColumnSpec]) -> None:
        self.recipe = recipe
        self.strings = PreparedStrings([spec.name for spec in specs])
        self.columns = {spec.name: self._source(spec) for spec in specs}
        self.withheld = {spec.name for spec in specs if spec.is_withheld}
        self.underscored: dict[str, list[str]] = defaultdict(list)
        for name in self.columns:
            self.underscored[_underscored(name)].append(name)
        self.nodes = Nodes()
        self.known: dict[str, Block] = {}
        self.open: list[str] = []
        self.scope: dict[str, Block] = {}
        self.depth = 0

    def _source(self, spec: ColumnSpec) -> Source:
        source = Source(spec.name, spec.kind)
        if spec.kind is Kind.TEXT and self.recipe.dialect == AMAZON:
            tree = tree_of(source)
            assert not isinstance(tree, str)
            return self.strings.source(tree, spec.kind, 0)
        return source

    def block(self, entry: Entry) -> Block:
        return self._block(entry.expression, entry.origin)

    def outputs(self) -> Block:
        for name, entry in (*self.recipe.groups.items(), *self.recipe.assignments.items()):
            self._check_name(name, entry)
            self._named(name, entry)
        outputs = distinct(
            piece for entry in self.recipe.outputs for piece in self._block(entry.expression, entry.origin)
        )
        if not outputs:
            first = self.recipe.outputs[0]
            raise first.origin.error(
                0,
                "the outputs name no column",
                why=f"every group in them is empty; the table has {self._inventory()}",
                way_out="name columns, or declare other kinds for them in penstock.toml",
            )
        return self.nodes.merged(outputs)

    def costs(self) -> dict[str, float]:
        """What the columns of the table cost, by their own names; those that cost nothing are not in it."""
        found: dict[str, float] = {}
        for name, cost in self.recipe.costs.items():
            column = self._column(name)
            if column is None:
                raise cost.origin.error(
                    0,
                    f"[costs] names {name!r}, which is no column",
                    why=f"the table has {_listed(self.columns)}",
                    way_out=suggest_nearest(name, list(self.columns), "write one of these, or remove it"),
                )
            if cost.value > 0:
                found[column] = cost.value
        return found

    def finish(self, outputs: Block, tail: Tail) -> Block:
        """Apply a tail: strings, texts and times first, then all numbers that are not ready as one block."""
        if tail.strings == ("ordinal(x)",):
            outputs = distinct(p for piece in outputs for p in self._numbers_of_bins(piece))
        for form, expressions in (
            (Form.STRINGS, tail.strings),
            (Form.TEXTS, tail.texts),
            (Form.TIMES, tail.times),
            (Form.NUMBERS, tail.numbers),
        ):
            chosen = tuple(p for p in outputs if FORMS[p.kind] is form and not p.ready)
            if not chosen or (form is Form.NUMBERS and not expressions):
                continue
            finished = distinct(piece for text in expressions for piece in self._over(chosen, text))
            wrong = next((p for p in (*finished, *(() if expressions else chosen)) if p.kind is not Kind.NUMERIC), None)
            if wrong is not None:
                raise RecipeError(
                    f"{describe(wrong)} comes out of the recipe as {wrong.kind}",
                    why="a learner sees numbers only, and its tail has nothing that makes a number of it",
                    way_out="use one_hot, ordinal, date_parts or tfidf in the recipe",
                )
            place = outputs.index(chosen[0])
            outputs = distinct(
                (*(p for p in outputs[:place]), *finished, *(p for p in outputs[place:] if p not in chosen))
            )
        return outputs

    def _numbers_of_bins(self, piece: Piece) -> Block:
        """Bins that were made categories, for a learner that takes numbers of them: in order, rather than by frequency."""
        if isinstance(piece, Result) and self.nodes[piece.node].step == _CATEGORY:
            (inside,) = self.nodes[piece.node].inputs
            if all(isinstance(p, Result) and self.nodes[p.node].step == _BINS for p in inside):
                return inside
        return (piece,)

    def _over(self, block: Block, text: str) -> Block:
        origin = Origin("the learner's tail", lambda at: (1, at + 1))
        self.scope = {BLOCK: block}
        try:
            with self.nodes.finishing():
                return self._block(parse(text, origin), origin)
        finally:
            self.scope = {}

    # names

    def _check_name(self, name: str, entry: Entry) -> None:
        column = self._column(name)
        if column is not None:
            raise entry.origin.error(
                0,
                f"{name!r} is defined here and is also a column",
                why="a name means one thing in a recipe" + ("" if column == name else f" (it also matches {column!r})"),
                way_out="choose another name for the group or assignment",
            )

    def _named(self, name: str, entry: Entry) -> Block:
        if name not in self.known:
            self.open.append(name)
            self.known[name] = self._block(entry.expression, entry.origin)
            self.open.pop()
        return self.known[name]

    def _column(self, name: str) -> str | None:
        if name in self.columns:
            return name
        similar = self.underscored.get(name, [])
        return similar[0] if len(similar) == 1 else None

    def _name(self, name: Name, origin: Origin) -> Block:
        text = name.text
        if text in self.scope:
            return self.scope[text]
        entry = self.recipe.groups.get(text) or self.recipe.assignments.get(text)
        if entry is not None:
            if text in self.open:
                circle = " -> ".join([*self.open[self.open.index(text) :], text])
                raise origin.error(
                    name.at,
                    f"{text!r} is defined by itself",
                    why=f"the definitions go in a circle: {circle}",
                    way_out="take one of these names out of its own definition",
                )
            return self._named(text, entry)
        if text in BUILT_IN_GROUPS:
            return self._built_in(text)
        column = self._column(text)
        if column is None:
            raise self._unknown(name, origin)
        source = self.columns[column]
        if column in self.withheld:
            raise origin.error(
                name.at,
                f"nothing is kept of column {column!r}",
                why="it is personal, and dropped, or not decided yet",
                way_out="leave it out, or decide otherwise in [privacy.columns]",
            )
        if source.kind not in INPUT_KINDS:
            raise origin.error(
                name.at,
                f"column {column!r} is {'an identifier' if source.kind is Kind.IDENTIFIER else 'constant'}, not an input",
                why="it names rows and would be learned by heart"
                if source.kind is Kind.IDENTIFIER
                else "one value for all rows says nothing",
                way_out="leave it out, or declare another kind for it in penstock.toml",
            )
        return (source,)

    def _unknown(self, name: Name, origin: Origin) -> RecipeError:
        similar = self.underscored.get(name.text, [])
        if len(similar) > 1:
            return origin.error(
                name.at,
                f"{name.text!r} may be any of {', '.join(map(repr, similar))}",
                why="these columns are the same when odd characters are written as underscores",
                way_out=f"quote the exact name: {quote(similar[0])}",
            )
        known = [*self.columns, *self.recipe.groups, *self.recipe.assignments, *BUILT_IN_GROUPS]
        return origin.error(
            name.at,
            f"there is no column, group or assignment {name.text!r}",
            why=f"the table has {_listed(self.columns)}",
            way_out=suggest_nearest(name.text, known, "write one of these"),
        )

    def _built_in(self, group: str) -> Block:
        if group == "ALL_INPUTS":
            return tuple(c for c in self.columns.values() if c.kind in INPUT_KINDS)
        kind = Kind(group.removeprefix("ALL_").lower())
        return tuple(c for c in self.columns.values() if c.kind is kind)

    # expressions

    def _block(self, expression: Expression, origin: Origin) -> Block:
        if self.depth >= MAX_LEVELS:
            raise _too_deep(expression.at, origin)
        self.depth += 1
        block = self._evaluated(expression, origin)
        self.depth -= 1
        return block

    def _evaluated(self, expression: Expression, origin: Origin) -> Block:
        if isinstance(expression, Name):
            return self._name(expression, origin)
        if isinstance(expression, Literal):
            raise origin.error(
                expression.at,
                f"found the number {expression}",
                why="expected a column, group, assignment or call",
                way_out="name a column here; a column whose name is a number is quoted",
            )
        if expression.function in GROUP_FUNCTIONS:
            return self._group(expression, origin)
        return self._call(expression, origin)

    def _group(self, call: Call, origin: Origin) -> Block:
        for keyword in call.keywords:
            raise origin.error(
                keyword.at,
                f"{call.function!r} has no parameter {keyword.name!r}",
                why="its arguments are columns and groups",
                way_out=f"remove {keyword.name}=",
            )
        if not call.arguments:
            raise origin.error(
                call.at, f"{call.function}() names nothing", why="expected columns or groups", way_out="name a column"
            )
        first, *others = [(argument, self._block(argument, origin)) for argument in call.arguments]
        if call.function == "group":
            return distinct((*first[1], *(piece for _, block in others for piece in block)))
        for argument, block in others:
            absent = [piece for piece in block if piece not in first[1]]
            if absent:
                raise origin.error(
                    argument.at,
                    f"{describe(absent[0])} is not in {first[0]}",
                    why="only what is in a group can be taken out of it",
                    way_out="remove it here",
                )
        gone = {piece for _, block in others for piece in block}
        return tuple(piece for piece in first[1] if piece not in gone)

    def _call(self, call: Call, origin: Origin) -> Block:
        function = call.function
        if function not in parts.names(GROUP):
            function = ALIASES.get(function, function)
        if function not in parts.names(GROUP):
            known = (*parts.names(GROUP), *GROUP_FUNCTIONS)
            raise origin.error(
                call.at,
                f"there is no step {function!r}",
                why=f"known are {', '.join(known)}",
                way_out=suggest_nearest(function, (*known, *ALIASES), "use one of these"),
            )
        step = parts.load(GROUP, function)
        n_columns = len(call.arguments) if getattr(step, "variadic", False) else step.arity
        if len(call.arguments) < step.arity:
            least = "at least " if n_columns != step.arity or getattr(step, "variadic", False) else ""
            raise origin.error(
                call.at,
                f"{call.function!r} is given {len(call.arguments)} column arguments",
                why=f"expected {least}{step.arity}, before its parameters",
                way_out=f"write {call.function}({', '.join(['ALL_' + str(sorted(step.takes)[0]).upper()] * step.arity)})",
            )
        params = parameters(step, call, origin, n_columns)
        made_step = step(**params)
        blocks: tuple[Block, ...] = tuple(self._block(argument, origin) for argument in call.arguments[:n_columns])
        for argument, block in zip(call.arguments, blocks, strict=False):
            check_takes(made_step, argument, block, origin)
        made: list[Piece] = []
        if hasattr(made_step, "preparation"):
            sources, blocks = self.strings.call(made_step, call, blocks, origin, self.nodes)
            made += sources
        reading = _reading(made_step, call, origin)
        if reading is not None:
            blocks = tuple(self.strings.read(block, reading) for block in blocks)
        for argument, block in zip(call.arguments, blocks, strict=False):
            check_objections(made_step, argument, block, origin)
        made += self.nodes.apply(function, params, made_step, blocks)
        if function == _BINS and self.recipe.dialect == AMAZON and params.get("encode") == "ordinal":
            made = list(self.nodes.quietly(_CATEGORY, (tuple(made),))) if made else []
        if any(piece.level > MAX_LEVELS for piece in made):
            raise _too_deep(call.at, origin)
        return tuple(made)

    def _inventory(self) -> str:
        kinds: dict[str, int] = defaultdict(int)
        for column in self.columns.values():
            kinds[str(column.kind)] += 1
        return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "no columns"


def _reading(step: Any, call: Call, origin: Origin) -> Any:
    """In which form a step wants texts; a file that it lacks for that is told with its place."""
    try:
        reading = getattr(step, "reading", None)
    except RecipeError as error:
        raise origin.error(call.at, error.what, error.why, error.way_out) from error
    return reading


def _too_deep(at: int, origin: Origin) -> RecipeError:
    return origin.error(
        at,
        f"calls and assignments are stacked more than {MAX_LEVELS} high",
        why="nobody could read or check such a recipe",
        way_out="shorten the chain of assignments",
    )


def _listed(names: Iterable[str], most: int = 12) -> str:
    listed = list(names)
    rest = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {rest} more" if rest > 0 else "") if listed else "no columns"


def _underscored(name: str) -> str:
    return re.sub(r"\W", "_", name)

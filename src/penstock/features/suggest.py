"""A recipe to start from, with the reason for each column, from the training rows alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from penstock.bundle.frame import Frame
from penstock.bundle.kinds import INPUT_KINDS, Kind, Task
from penstock.bundle.specs import ColumnSpec
from penstock.features.column_facts import LEAK_SHARE, MOST_VALUES, Facts, column_facts
from penstock.features.language import NAME, quote
from penstock.features.number_forms import AS_IT_IS, forms_of
from penstock.features.recipe import BUILT_IN_GROUPS
from penstock.features.rules import IMAGE_SIDE, Treatment, least_rows, treatment
from penstock.features.suggestion_text import Output, Reason, recipe_text, share

MOSTLY_MISSING = 0.99
NEARLY_ALL_ROWS = 1_000
FEW_DIFFER = 5
"""Of at least so many rows, those that must have another value than most: fewer are too few to learn from."""
NARROW = 10
"""Training rows for each feature below which a model may learn them by heart."""

_ORDER = (Kind.NUMERIC, Kind.BINARY, Kind.CATEGORICAL, Kind.DATETIME, Kind.TEXT)


_HIDDEN = (
    "personal, and nothing of it is kept; where that changes in [privacy.columns], `penstock recipe suggest` looks anew"
)
_DEALT = "rows are dealt by it: no other part has any of the values that would be learned"


@dataclass(frozen=True)
class Suggestion:
    """The text of recipe.toml, the reason for each of its outputs, and for each column in the order of the table.

    `few_rows` says that there are too few rows for the width, and is None where there are enough.
    """

    text: str
    reasons: tuple[Reason, ...]
    outputs: tuple[Output, ...] = ()
    few_rows: str | None = None


def suggest(
    specs: Sequence[ColumnSpec],
    frame: Frame,
    y: np.ndarray | None,
    task: Task,
    target_name: str,
    warnings: Mapping[str, Iterable[str]] | None = None,
    *,
    group: str | None = None,
) -> Suggestion:
    """Suggest a recipe.

    Parameters
    ----------
    specs : the columns, without the target.
    frame : training rows. y : their target, class numbers or float64.
    warnings : what is known of columns beside this, by name; it goes into their comments.
    group : the column by whose groups rows are dealt.
    """
    facts = column_facts(frame, [spec.name for spec in specs], y, task, least=least_rows(len(frame), 0.002))
    notes = {name: "; ".join(lines) for name, lines in (warnings or {}).items()}
    apart = {spec.name: _HIDDEN for spec in specs if spec.is_withheld}
    if group is not None:
        apart.setdefault(group, _DEALT)
    out = {fact.name: apart.get(fact.name) or _left_out(fact, len(frame)) for fact in facts}
    moved = {
        spec.name for spec in specs if spec.origin
    }  # the table holds these less an origin: their shape is another one
    numbers = [f.name for f in facts if f.kind is Kind.NUMERIC and out[f.name] is None and f.name not in moved]
    forms = dict.fromkeys(moved, AS_IT_IS) | forms_of(
        {name: np.asarray(frame[name], np.float64) for name in numbers}, y, task
    )
    reasons, treated = [], {}
    for fact in facts:
        if (why := out[fact.name]) is not None:
            reasons.append(Reason(fact.name, False, why, notes.get(fact.name)))
            continue
        treated[fact.name] = treatment(fact, frame, y, task, forms.get(fact.name))
        reasons.append(_used(fact, treated[fact.name], target_name, notes.get(fact.name)))
    used = [fact for fact in facts if fact.name in treated]
    outputs, groups = _outputs(used, treated, specs)
    few = _few_rows(_width(used, treated, y, task), len(frame))
    return Suggestion(
        recipe_text(outputs, groups, reasons, target_name, len(frame), few), tuple(reasons), tuple(outputs), few
    )


def _few_rows(width: int, n_rows: int) -> str | None:
    if width * NARROW <= n_rows:
        return None
    return (
        f"about {width:,} features (without texts) for {n_rows:,} training rows. With fewer than {NARROW} rows for each, a model finds "
        "patterns that are not there: leave out what cannot matter, and keep rare values together."
    )


def _width(used: Sequence[Facts], treated: Mapping[str, Treatment], y: np.ndarray | None, task: Task) -> int:
    """Features of a linear model, about, texts not counted: their vocabulary is known when the recipe is fitted."""
    width = 0
    per_value = int(y.max()) + 1 if y is not None and len(y) and task is Task.MULTICLASS else 1
    for fact in used:
        steps = treated[fact.name].steps
        if fact.kind is Kind.TEXT:
            width += IMAGE_SIDE**2 if steps[0].startswith("pixels") else 0
        elif steps[0].startswith("target_encode"):
            width += per_value
        elif fact.kind in (Kind.BINARY, Kind.CATEGORICAL) and not steps[0].startswith("counts"):
            width += min(fact.distinct, MOST_VALUES) + (fact.missing > 0)
        else:
            width += len(steps) + (fact.missing > 0)
    return width


def _left_out(fact: Facts, n_rows: int) -> str | None:
    """Why a column is left out; None where it is not."""
    if fact.kind is Kind.IDENTIFIER:
        return "an identifier: it names rows, and would be learned by heart"
    if fact.kind not in INPUT_KINDS or (fact.distinct == 1 and fact.missing == 0):
        return "one value for all rows"
    if fact.distinct == 0:
        return "no value in any training row"
    if fact.missing > MOSTLY_MISSING:
        return f"{share(fact.missing)} of the values are missing"
    if fact.same_as is not None:
        return f"the same values as {fact.same_as!r} in every row"
    if n_rows >= NEARLY_ALL_ROWS and n_rows - fact.usual < FEW_DIFFER and fact.kind is not Kind.TEXT:
        differ = n_rows - fact.usual
        return f"one value in all but {differ} of {n_rows:,} rows: too few to learn from"
    if fact.line_of is not None:
        return f"a multiple of {fact.line_of!r} plus a number in every row: it says nothing more"
    if fact.names_of is not None and fact.kind is Kind.CATEGORICAL:
        return f"its values go one to one with those of {fact.names_of!r}: it says nothing more"
    return None


def _used(fact: Facts, chosen: Treatment, target: str, note: str | None) -> Reason:
    why = chosen.why.replace("{}", fact.name)
    if fact.missing > 0:
        why += f"; {share(fact.missing)} missing"
        if fact.kind is Kind.NUMERIC:
            why += ": a linear model is told where, and takes the median there; trees take it as it is"
        elif fact.kind in (Kind.BINARY, Kind.CATEGORICAL):
            why += ", which counts as a value"
    if fact.explains > LEAK_SHARE:
        leak = f"tells {target!r} almost alone ({fact.explains:.0%}): is it known before the answer is? If not, take it out"
        note = leak if note is None else f"{leak}; {note}"
    return Reason(fact.name, True, why, note)


def _outputs(
    used: Sequence[Facts], treated: Mapping[str, Treatment], specs: Sequence[ColumnSpec]
) -> tuple[list[Output], dict[str, str]]:
    """The outputs, one for all columns that have the same done to them, and the groups that they use."""
    taken = {re.sub(r"\W", "_", spec.name) for spec in specs} | set(BUILT_IN_GROUPS)
    groups: dict[str, str] = {}
    outputs = []
    for kind in _ORDER:
        everything = [spec.name for spec in specs if spec.kind is kind]
        alike: dict[tuple[str, ...], list[str]] = {}
        for fact in sorted((f for f in used if f.kind is kind), key=lambda f: treated[f.name].steps != ("{}",)):
            alike.setdefault(treated[fact.name].steps, []).append(fact.name)
        for steps, names in alike.items():
            chosen = treated[names[0]]
            said = _group(f"ALL_{kind.upper()}", everything, names, chosen.group, taken, groups)
            for step, line in zip(steps, chosen.lines, strict=True):
                of = "" if len(names) == 1 else f"{len(names):,} columns, "
                outputs.append(Output(step.replace("{}", said), of + line))
    return outputs or [Output("ALL_INPUTS", "nothing is left to choose from")], groups


def _group(
    built_in: str, everything: Sequence[str], names: Sequence[str], called: str, taken: set[str], groups: dict[str, str]
) -> str:
    """The name under which these columns are spoken of: the built-in group where it says the same."""
    if list(names) == list(everything):
        return built_in
    if len(names) == 1:
        only = names[0]
        return only if NAME.fullmatch(only) and only not in BUILT_IN_GROUPS else quote(only)
    while called in taken or called in groups:
        called += "_"
    rest = [other for other in everything if other not in set(names)]
    if len(rest) < len(names) and len(names) > 8:
        groups[called] = f"group_remove({built_in}, {', '.join(map(quote, rest))})"
    else:
        groups[called] = f"group({', '.join(map(quote, names))})"
    return called

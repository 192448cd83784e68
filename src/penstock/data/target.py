"""The task and the classes, from the training values of the target."""

from __future__ import annotations

import difflib
import unicodedata
from dataclasses import dataclass, field

import numpy as np

from penstock.bundle.decoder import TargetSpec
from penstock.bundle.kinds import Task
from penstock.bundle.specs import Label
from penstock.bundle.values import class_text
from penstock.data.evidence import Evidence, plain_numbers
from penstock.data.formats import NumberFormat, number_format
from penstock.data.writing import AS_FOUND, Written
from penstock.errors import TargetError

MAX_NUMBER_CLASSES = 20  # more different whole numbers are a quantity
MIN_ROWS_PER_CLASS = 5.0  # on average, for numbers to be classes

TARGET_MARKERS = frozenset(
    {"?", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NAN", "null", "NULL", "(null)", "\\N"}
)
"""What counts as "no outcome". Fewer than for other columns: 'unknown' or 'None' may well be a class."""


@dataclass(frozen=True, slots=True)
class TargetFinding:
    """What is predicted, why that was concluded, and what a person should look at."""

    spec: TargetSpec
    why: str
    warnings: tuple[str, ...] = field(default=())


def infer_target(
    name: str,
    evidence: Evidence,
    *,
    task: Task | None = None,
    positive: Label | None = None,
    missing: tuple[str, ...] | None = None,
    written: Written = AS_FOUND,
) -> TargetFinding:
    """Task and classes of a target.

    Parameters
    ----------
    task : the user's word. positive : the class that is put last. missing : the user's missing markers.
    written : what the user says of how numbers are written.

    Raises
    ------
    TargetError : there is no value, only one, or none that fits the task; `positive` is no class.
    """
    usual = TARGET_MARKERS if missing is None else frozenset(missing)
    markers = tuple(sorted(text for text in evidence.texts if text in usual)) if missing is None else missing
    values = evidence.without(markers)
    if values.distinct == 0:
        raise TargetError(
            f"the target {name!r} has no value",
            why="every row is empty there" + (f" or says {', '.join(markers)}" if markers else ""),
            way_out="name another target column",
        )
    classes = classes_of(values)
    numbers = number_format(values.texts, written)
    if len(classes) == 1:
        raise TargetError(
            f"the target {name!r} is constant",
            why=f"every row says {classes[0]!r}, so there is nothing to tell apart",
            way_out="name another target column, or add rows with other outcomes",
        )
    why = "as told"
    if task is None:
        task, why = _task(name, values, classes, numbers)
    if task is Task.REGRESSION:
        return _regression(name, values, numbers, why, markers)
    if task is Task.BINARY and len(classes) != 2:
        raise TargetError(
            f"the target {name!r} has {len(classes)} classes, a binary task has two",
            why=f"they are {', '.join(repr(label) for label in classes[:10])}{', ...' if len(classes) > 10 else ''}",
            way_out="--task multiclass, or --task regression",
        )
    if positive is not None:
        classes = _with_positive_last(name, classes, positive, task)
    spec = TargetSpec(name, task, classes, missing=markers)
    return TargetFinding(spec, why, _rare_classes(values, classes))


def classes_of(values: Evidence) -> tuple[Label, ...]:
    """Distinct values as native JSON values, sorted (numbers by size).

    >>> from penstock.bundle.decoder import EncodedColumn
    >>> classes_of(Evidence.of(EncodedColumn.of(["10", "9", "9.0"]), np.arange(3)))
    (9, 10)
    """
    lower = {text.lower() for text in values.texts}
    if lower <= {"true", "false"}:
        return tuple(flag for flag in (False, True) if str(flag).lower() in lower)
    numbers = plain_numbers(values.texts)
    if numbers is None or any(len(text) > 1 and text[0] == "0" and text[1].isdigit() for text in values.texts):
        return tuple(sorted({unicodedata.normalize("NFC", text) for text in values.texts}))
    distinct = sorted(set(numbers.tolist()))
    if all(number == int(number) for number in distinct):
        return tuple(int(number) for number in distinct)
    return tuple(distinct)


def _task(name: str, values: Evidence, classes: tuple[Label, ...], numbers: NumberFormat | None) -> tuple[Task, str]:
    count = len(classes)
    if count == 2:
        return Task.BINARY, f"the target has two values, {classes[0]!r} and {classes[1]!r}"
    if numbers is None:
        if count > max(50, 0.5 * values.filled):
            raise TargetError(
                f"the target {name!r} has {count} different texts in {values.filled} rows",
                why="hardly any repeats, so there is nothing to learn from one row about another",
                way_out="name another target column, or say --task multiclass if these are classes all the same",
            )
        return Task.MULTICLASS, f"the target has {count} different texts"
    whole = bool((numbers.numbers == np.floor(numbers.numbers)).all())
    if whole and count <= MAX_NUMBER_CLASSES and values.filled >= MIN_ROWS_PER_CLASS * count:
        return Task.MULTICLASS, f"the target has {count} whole numbers only; --task regression if they are amounts"
    sort = "whole numbers" if whole else "numbers"
    return Task.REGRESSION, f"the target has {count} different {sort}"


def _regression(
    name: str, values: Evidence, numbers: NumberFormat | None, why: str, markers: tuple[str, ...]
) -> TargetFinding:
    if numbers is not None:
        spec = TargetSpec(name, Task.REGRESSION, missing=markers, decimal=numbers.decimal, thousands=numbers.thousands)
        return TargetFinding(spec, why + (f"; {numbers.why}" if numbers.why else ""))
    other = [text for text in values.texts if plain_numbers([text]) is None]
    if len(other) > 0.1 * values.distinct:
        raise TargetError(
            f"the target {name!r} cannot be predicted as a number",
            why=f"{len(other)} of its {values.distinct} different values are no numbers, such as {other[0]!r}",
            way_out="--task multiclass, or another target column",
        )
    note = f"{len(other)} different values are no numbers, such as {other[0]!r}; their rows are left out"
    return TargetFinding(TargetSpec(name, Task.REGRESSION, missing=markers), why, (note,))


def _with_positive_last(name: str, classes: tuple[Label, ...], positive: Label, task: Task) -> tuple[Label, ...]:
    known = {class_text(label): label for label in classes}
    wanted = class_text(positive)
    if task is not Task.BINARY:
        raise TargetError(
            f"positive = {positive!r} is set, but the target {name!r} has {len(classes)} classes",
            why="one class is the positive one only where there are two",
            way_out="remove `positive`",
        )
    if wanted not in known:
        near = difflib.get_close_matches(wanted, known, 1)
        raise TargetError(
            f"positive = {positive!r} is no class of the target {name!r}",
            why=f"its classes are {', '.join(map(repr, classes))}",
            way_out=f"write {known[near[0]]!r}" if near else f"write {classes[-1]!r}",
        )
    return (*(label for label in classes if class_text(label) != wanted), known[wanted])


def _rare_classes(values: Evidence, classes: tuple[Label, ...]) -> tuple[str, ...]:
    single = [text for text, count in zip(values.texts, values.counts, strict=True) if count == 1]
    if not single or len(single) == values.distinct:
        return ()
    shown = ", ".join(repr(text) for text in sorted(single)[:5])
    return (f"{len(single)} of {len(classes)} classes have one training row only: {shown}",)

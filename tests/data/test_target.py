"""The task follows from the target, and a target that cannot be predicted is refused."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.bundle.decoder import EncodedColumn
from penstock.bundle.kinds import Task
from penstock.data.evidence import Evidence
from penstock.data.target import TargetFinding, infer_target
from penstock.errors import TargetError


def target(values: list[str | None], **told: object) -> TargetFinding:
    return infer_target("y", Evidence.of(EncodedColumn.of(values), np.arange(len(values))), **told)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["no", "yes"] * 50, Task.BINARY, ("no", "yes")),
        (["1", "0"] * 50, Task.BINARY, (0, 1)),
        (["1.0", "2"] * 50, Task.BINARY, (1, 2)),
        (["0.5", "1"] * 50, Task.BINARY, (0.5, 1.0)),
        (["True", "false", "TRUE"] * 50, Task.BINARY, (False, True)),
        (["01", "02"] * 50, Task.BINARY, ("01", "02")),
        (["c", "a", "b"] * 50, Task.MULTICLASS, ("a", "b", "c")),
        (["10", "9", "2"] * 50, Task.MULTICLASS, (2, 9, 10)),
        ([str(i % 21) for i in range(500)], Task.REGRESSION, ()),
        ([f"{i / 7:.3f}" for i in range(100)], Task.REGRESSION, ()),
        ([str(i) for i in range(12)], Task.REGRESSION, ()),
        (["1,5", "2,5", "3,75"] * 50, Task.REGRESSION, ()),
    ],
)
def test_the_task_and_the_classes_are_those_of_the_values(values: list[str | None], task: Task, classes: tuple) -> None:  # type: ignore[type-arg]
    """In native types, sorted, numbers by size; with the reason."""
    found = target(values)
    assert (found.spec.task, found.spec.classes) == (task, classes)
    assert list(map(type, found.spec.classes)) == list(map(type, classes))
    assert found.why


def test_the_users_task_is_taken() -> None:
    """Whole numbers as amounts, numbers as classes."""
    assert target(["1", "2", "3"] * 50, task=Task.REGRESSION).spec.task is Task.REGRESSION
    assert len(target([str(i % 30) for i in range(300)], task=Task.MULTICLASS).spec.classes) == 30


def test_the_positive_class_comes_last() -> None:
    """german_credit: 1 is good, 2 is bad; a score speaks of the one named."""
    assert target(["1", "2"] * 50, positive=1).spec.classes == (2, 1)
    assert target(["no", "yes"] * 50, positive="no").spec.classes == ("yes", "no")


def test_no_outcome_is_no_class() -> None:
    """The usual markers; `unknown` may be an outcome."""
    assert target(["yes", "no", "NA", "?", None] * 50).spec.classes == ("no", "yes")
    assert "unknown" in target(["yes", "no", "unknown"] * 50).spec.classes


def test_a_class_of_one_row_is_reported() -> None:
    """It may not be learned."""
    assert "one training row only: 'c'" in target(["a", "b"] * 50 + ["c"]).warnings[0]


@pytest.mark.parametrize(
    ("values", "told", "what"),
    [
        ([None, " ", "NA"], {}, "has no value"),
        (["a"] * 10, {}, "is constant"),
        (["1", "1.0"] * 10, {}, "is constant"),
        ([f"name {i}" for i in range(100)], {}, "different texts"),
        (["a", "b", "c"] * 10, {"task": Task.BINARY}, "has 3 classes"),
        (["a", "b", "c"] * 10, {"task": Task.REGRESSION}, "cannot be predicted as a number"),
        (["no", "yes"] * 10, {"positive": "yess"}, "is no class"),
        (["a", "b", "c"] * 10, {"positive": "a"}, "has 3 classes"),
    ],
)
def test_a_target_that_cannot_be_predicted_is_refused(values: list[str | None], told: dict, what: str) -> None:  # type: ignore[type-arg]
    """With the way out."""
    with pytest.raises(TargetError, match=what) as caught:
        target(values, **told)
    assert caught.value.way_out

"""From text to a decoder that reads it."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.bundle.decoder import ColumnSpec, EncodedColumn, Kind
from penstock.bundle.kinds import Task
from penstock.data.infer import infer
from penstock.errors import SchemaMismatch, TargetError

COLUMNS = {
    "price": EncodedColumn.of([f"{i},5" for i in range(100)]),
    "colour": EncodedColumn.of(["red", "green", "?", "blue"] * 25),
    "y": EncodedColumn.of(["no", "yes"] * 50),
}
EVERYTHING = np.arange(100)


def test_the_decoder_reads_what_it_was_inferred_from() -> None:
    """Every column in the order of the source, and the target."""
    found = infer(COLUMNS, "y", EVERYTHING)
    frame, problems = found.decoder.decode_columns(COLUMNS)
    assert not problems
    assert frame["price"][:3].tolist() == [0.5, 1.5, 2.5]
    assert frame["colour"][:4].tolist() == ["red", "green", None, "blue"]
    assert (found.task, found.decoder.target.classes) == (Task.BINARY, ("no", "yes"))  # type: ignore[union-attr]
    assert [finding.name for finding in found.columns] == ["price", "colour"]


def test_only_training_rows_are_looked_at() -> None:
    """The marker lies in other rows, so it is not declared."""
    train = EVERYTHING[EVERYTHING % 4 != 2]
    assert infer(COLUMNS, "y", train).decoder.spec("colour").missing == ()


def test_what_an_earlier_version_declared_is_kept() -> None:
    """For the columns of that name."""
    known = {"colour": ColumnSpec("colour", Kind.TEXT)}
    found = infer(COLUMNS, "y", EVERYTHING, known=known)
    assert found.decoder.spec("colour") == known["colour"]
    assert found.columns[1].why == "as in the version before"


def test_names_that_are_not_there_are_refused_with_the_nearest() -> None:
    """For the target, kinds and drop."""
    with pytest.raises(TargetError, match="--target 'price'"):
        infer(COLUMNS, "prise", EVERYTHING)
    for told in ({"kinds": {"color": Kind.TEXT}}, {"drop": ("color",)}):
        with pytest.raises(SchemaMismatch, match="write 'colour'"):
            infer(COLUMNS, "y", EVERYTHING, **told)  # type: ignore[arg-type]

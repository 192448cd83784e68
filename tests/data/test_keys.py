"""What names a row or a group says which part it is in."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from penstock.bundle.decoder import ColumnSpec, Decoder, EncodedColumn, Kind
from penstock.data.keys import group_hashes, key_hashes, key_hashes_of_frame
from penstock.data.split import SplitSettings
from penstock.errors import SplitError

if TYPE_CHECKING:
    from tests.data.conftest import Stores


def table(names: list[str]) -> str:
    dice = random.Random(0)
    return "name,a,y\n" + "".join(f"{name},{dice.gauss(0, 1):.9f},{dice.choice('ab')}\n" for name in names)


LONG = [f"35240112345678901234567890123456789{n:09d}" for n in range(500)]
ARTICLES = [f"{n:04d}" for n in range(250)] + [f"{n}E3" for n in range(250)]


@pytest.mark.parametrize("names", [LONG, ARTICLES], ids=["44 digits", "zeros and exponents"])
@pytest.mark.parametrize("how", [{"key": "name"}, {"split": SplitSettings(by="group:name")}], ids=["key", "group"])
def test_different_names_are_dealt_one_by_one(stores: Stores, names: list[str], how: dict[str, Any]) -> None:
    """As floats they were a few: all rows trained, and no test was sealed."""
    made = stores.ingest(table(names), **how)
    assert made.rows == {"train": 300, "valid": 100, "test": 100}
    assert not [warning for warning in made.warnings if "another row has" in warning]


KEYS = [5502315733302456401, 16231351441328948033, 7200193292600566069, 16173591830665144282, 5865099637128883242, 0]
GROUPS = [649925410906714487, 17460119648412981858, 11018769130853521565, 12969194736377608240, 17092734748398720076, 0]


def test_hashes_of_plain_names_do_not_change() -> None:
    """They say where rows of tables that exist lie."""
    names = EncodedColumn.of(["17", "9007199254740993", "12.5", "Zoë", "a-1", None])
    assert key_hashes(names)[:, 0].tolist() == KEYS
    assert group_hashes(names)[:, 0].tolist() == GROUPS


def test_a_decoded_number_that_may_be_rounded_is_no_key() -> None:
    """It would be the key of another row."""
    decoder = Decoder((ColumnSpec("n", Kind.NUMERIC),), None)
    frame, _ = decoder.decode_rows([{"n": "9007199254740993"}, {"n": 17}, {}])
    found = key_hashes_of_frame(frame, "n")
    assert found is not None
    assert found[:, 0].tolist() == [0, KEYS[0], 0]


@pytest.mark.parametrize("how", [{"key": "name"}, {"split": SplitSettings(by="group:name")}], ids=["key", "group"])
def test_a_part_that_comes_out_empty_is_refused(stores: Stores, how: dict[str, Any]) -> None:
    """Where all rows have a name or two there is no test; it was one line among many."""
    with pytest.raises(SplitError, match="there is no valid row") as error:
        stores.ingest(table(["x"] * 300), **how)
    assert "of 300 rows there are 1 " in error.value.why
    small = {"split": replace(how.get("split", SplitSettings()), valid=0.0, test=0.05)}
    with pytest.raises(SplitError, match="there is no test row"):
        stores.ingest(table(["x"] * 300), **(how | small))
    assert "'name'" in error.value.why

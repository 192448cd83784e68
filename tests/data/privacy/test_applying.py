"""How decisions about personal columns become protections."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.bundle.decoder import Decoder
from penstock.bundle.specs import EncodedColumn
from penstock.data.privacy.applying import Decisions, protections, stubs

KEY = bytes(range(32))


def protector(texts: list[str], action: str, **others: list[str]) -> Decoder:
    columns = {"client": EncodedColumn.of(texts), **{name: EncodedColumn.of(of) for name, of in others.items()}}
    made = protections(columns, Decisions({"client": action}), np.arange(len(texts)), missing=None, known={})
    return Decoder(tuple(stubs(made)), None).with_key(KEY)


@pytest.mark.parametrize("action", ["hash", "prefix:5"])
def test_a_whole_number_is_one_client_in_a_table_with_gaps_and_in_a_request(action: str) -> None:
    """A table writes 1001.0 where some clients are missing; a request sends 1001, as a number or as text."""
    decoder = protector(["1001.0", "", "1002.0", "1003.0"], action)
    sent = [decoder.protector.value("client", value, {}) for value in ("1001.0", "1001", 1001, 1001.0)]
    assert len({str(one) for one in sent}) == 1
    assert sent[0] != decoder.protector.value("client", 1002, {})


@pytest.mark.parametrize("action", ["hash", "prefix:5"])
def test_digits_that_begin_with_zeros_stay_what_they_are(action: str) -> None:
    """A postcode 01067 is not 1067."""
    decoder = protector(["01067", "10117", "1067"], action)
    assert decoder.protector.value("client", "01067", {}) != decoder.protector.value("client", "1067", {})


def test_dates_of_one_client_move_alike_however_its_number_is_written() -> None:
    """The subject of a shift is read as a table and as a request write it."""
    decoder = protector(["2024-01-01", "2024-01-02"], "shift:id", id=["7.0", "8.0"])
    moved = {str(decoder.protector.value("client", "2024-01-01", {"id": written})) for written in ("7.0", "7", 7)}
    assert len(moved) == 1

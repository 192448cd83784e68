"""Every recogniser that ships keeps the contract."""

from __future__ import annotations

import re
from typing import Any

import pytest

from penstock import parts
from penstock.data.privacy.detect import detect_column
from penstock.data.privacy.recogniser import GROUP
from penstock.data.privacy.recognisers.email import Email
from penstock.testing.recogniser import RecogniserContract


@pytest.mark.parametrize("name", sorted(parts.BUILT_IN[GROUP]))
class TestRecognisers(RecogniserContract):
    @pytest.fixture
    def recogniser(self, name: str) -> Any:
        return parts.load(GROUP, name)()

    def test_it_is_called_what_it_is_registered_as(self, name: str, recogniser: Any) -> None:
        """One name for it everywhere."""
        assert recogniser.name == name


def test_addresses_that_are_written_for_the_web_are_found_and_taken_out() -> None:
    """In addresses of pages, and with what keeps machines from reading them; a word in brackets alone is none."""
    for form in (
        "https://shop.example/u?mail=zqn{}%40planted.example.org&x=1",
        "zqn{} (at) planted.example.org",
        "zqn{}[at]planted.example.org wrote here today",
    ):
        values = [form.format(i) for i in range(200)]
        found = detect_column("x", values)
        assert found is not None
        assert (found.kind, found.confidence) == ("email", "high")
        assert "zqn" not in re.sub(Email.mask, "[email]", values[0])
    assert detect_column("x", [f"meet (at) noon, room {i}" for i in range(200)]) is None


@pytest.mark.parametrize(
    "name", ["mobil", "movil", "móvil", "celular", "gsm", "whatsapp", "Mobilnummer", "teléfono", "komórka"]
)
def test_columns_of_telephones_are_known_by_their_names_in_other_languages(name: str) -> None:
    found = detect_column(name, [f"0171{i:07}" for i in range(1_000_000, 1_000_400)])
    assert found is not None
    assert found.kind == "phone"

"""Every recogniser that ships keeps the contract."""

from __future__ import annotations

from typing import Any

import pytest

from penstock import parts
from penstock.data.privacy.recogniser import GROUP
from penstock.testing.recogniser import RecogniserContract


@pytest.mark.parametrize("name", sorted(parts.BUILT_IN[GROUP]))
class TestRecognisers(RecogniserContract):
    @pytest.fixture
    def recogniser(self, name: str) -> Any:
        return parts.load(GROUP, name)()

    def test_it_is_called_what_it_is_registered_as(self, name: str, recogniser: Any) -> None:
        """One name for it everywhere."""
        assert recogniser.name == name

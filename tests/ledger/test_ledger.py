"""The ledger's contract on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penstock.ledger.ledger import Ledger
from penstock.testing.ledger import LedgerContract

OpenLedger = Callable[[], Ledger]


class TestOnSQLite(LedgerContract):
    """The contract on SQLite."""

    @pytest.fixture
    def open_ledger(self, opener, sqlite_place) -> OpenLedger:  # type: ignore[no-untyped-def]
        return opener(sqlite_place)


class TestOnPostgreSQL(LedgerContract):
    """The contract on PostgreSQL."""

    @pytest.fixture
    def open_ledger(self, opener, postgres_place) -> OpenLedger:  # type: ignore[no-untyped-def]
        return opener(postgres_place)

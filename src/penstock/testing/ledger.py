"""The duties of a ledger, as tests.

Inherit and supply the fixture `open_ledger`, a function that opens one and the same new ledger each time it is called::

    class TestMyLedger(LedgerContract):
        @pytest.fixture
        def open_ledger(self, tmp_path):
            return lambda: Ledger.open(tmp_path / "ledger.db", open_store(tmp_path / "objects"))
"""

from __future__ import annotations

from penstock.testing.ledger_data import LedgerDataContract
from penstock.testing.ledger_parts import LedgerPartsContract
from penstock.testing.ledger_runs import LedgerRunsContract
from penstock.testing.ledger_scripts import LedgerScriptsContract


class LedgerContract(LedgerRunsContract, LedgerScriptsContract, LedgerPartsContract, LedgerDataContract):
    """What `penstock.ledger.ledger.Ledger` promises on every database."""

"""The parts of a ledger are loaded when they are first used, once."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from penstock.ledger.ledger import Ledger
from penstock.ledger.part import Part
from penstock.objects.store import open_store

NAMES = [name for cls in Ledger.__mro__ for name, value in vars(cls).items() if isinstance(value, Part)]


def test_every_part_is_made_and_is_what_it_says(tmp_path: Path) -> None:
    """Names, modules and what else a part is made of are text: each is tried."""
    with Ledger.open(tmp_path / "ledger.db", open_store(str(tmp_path / "objects"))) as ledger:
        for name in NAMES:
            said = Ledger.__annotations__.get(name) or Ledger.__mro__[1].__annotations__[name]
            assert said == f"Part[{type(getattr(ledger, name)).__name__}]"


def test_a_part_is_one_object_for_all_threads(tmp_path: Path) -> None:
    """Parts may remember something: two threads that come at once must not have two of them."""
    with Ledger.open(tmp_path / "ledger.db", open_store(str(tmp_path / "objects"))) as ledger:
        with ThreadPoolExecutor(16) as pool:
            found = list(pool.map(lambda _: ledger.trials, range(64)))
        assert len({id(part) for part in found}) == 1
        assert ledger.trials is found[0]


def test_an_opened_ledger_has_loaded_no_part() -> None:
    """Their modules cost time that most commands need not spend."""
    code = "import sys, penstock.ledger.ledger; print([m for m in ('trials', 'registry', 'audit', 'reading') if 'penstock.ledger.' + m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"

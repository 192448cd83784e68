"""The number of an envelope is given once in a lineage: what was opened is kept by it."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from penstock.data.append import append_rows
from penstock.data.seal import open_envelope, opened_envelopes, read_spent
from penstock.data.split import SplitSettings
from penstock.data.store import finish
from penstock.data.versions import DatasetVersion
from penstock.errors import SealError

if TYPE_CHECKING:
    from tests.data.conftest import Stores

BY_TIME = SplitSettings(by="time:t", valid=0.2, test=0.4, gap="1d")


def hours(first: int, last: int) -> str:
    """CSV text of one row an hour."""
    dice = random.Random(first)
    lines = (
        f"{(datetime(2024, 1, 1) + timedelta(hours=hour)).isoformat()},{dice.random():.5f},{'ab'[hour % 2]}"
        for hour in range(first, last)
    )
    return "\n".join(lines) + "\n"


def indices(version: DatasetVersion) -> list[int]:
    return [envelope.index for envelope in version.envelopes]


@pytest.mark.parametrize("opened", [True, False])
def test_an_envelope_whose_rows_are_all_gone_leaves_its_number_to_none(stores: Stores, opened: bool) -> None:
    """Rows that nobody saw would count as opened; and where it was sealed, the ledger would name other rows than are in it."""
    first = stores.ingest("t,a,y\n" + hours(0, 3000), split=BY_TIME).version
    last = first.envelopes[-1].index
    if opened:
        open_envelope(stores.ledger, stores.objects, first.digest, last, run="r", purpose="p")
    before = 3000 - first.envelopes[-1].rows - 30  # the gap before it is gone too
    shorter = stores.ingest("t,a,y\n" + hours(0, before), split=BY_TIME).version
    assert last not in indices(shorter)
    longer = "t,a,y\n" + hours(0, before) + hours(3000, 4000)
    later = stores.ingest(longer, split=BY_TIME).version
    assert later.parent == shorter.digest
    assert indices(later) == [*indices(shorter), last + 1, last + 2]
    assert read_spent(stores.ledger, stores.objects, later.digest)[0].n_rows == 0
    records = {record.index: record for record in stores.ledger.seal.envelopes(later.lineage)}
    for envelope in later.envelopes[-2:]:
        assert (records[envelope.index].rows, records[envelope.index].object) == (envelope.rows, envelope.object)
    again = stores.ingest(longer, split=BY_TIME, again=True).version
    assert again.digest == later.digest


def test_versions_that_come_of_the_same_one_give_different_numbers(stores: Stores) -> None:
    """What is opened for one of them is not opened for the other."""
    text = "a,y\n" + "\n".join(f"{i / 7:.4f},{'ab'[i % 2]}" for i in range(2000)) + "\n"
    parent = stores.ingest(text).version
    made = []
    for start in (5000, 9000):
        frame, _ = parent.decoder.decode_rows([{"a": i / 7} for i in range(start, start + 1500)])
        y = np.arange(1500) % 2
        made.append(append_rows(stores.ledger, stores.objects, parent.digest, frame, y, source={"from": start}).version)
        assert append_rows(
            stores.ledger, stores.objects, parent.digest, frame, y, source={"from": start}, again=True
        ).version.digest == made[-1].digest  # fmt: skip
    one, other = ([e.index for e in version.envelopes if e not in parent.envelopes] for version in made)
    assert one
    assert other
    assert not set(one) & set(other)
    open_envelope(stores.ledger, stores.objects, made[0].digest, one[0], run="r", purpose="p")
    assert opened_envelopes(stores.ledger, parent.lineage) == [one[0]]
    assert read_spent(stores.ledger, stores.objects, made[1].digest)[0].n_rows == 0


def test_a_number_that_another_version_took_meanwhile_is_refused(stores: Stores) -> None:
    """Two projects of one ledger may add rows to one version at the same moment."""
    version = stores.ingest("a,y\n" + "\n".join(f"{i / 7:.4f},{'ab'[i % 2]}" for i in range(2000)) + "\n").version
    manifest = dict(version.manifest)
    manifest["envelopes"] = [{**manifest["envelopes"][0], "object": "sha256:" + "0" * 64}]
    other = DatasetVersion(manifest)
    with pytest.raises(SealError, match="sealed already, with other rows"):
        finish(
            stores.ledger, stores.objects, other, source={}, details={}, project="", run=None, first_new=0
        )  # fmt: skip
    assert stores.ledger.datasets.head("") == version.digest

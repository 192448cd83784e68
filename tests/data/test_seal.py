"""An envelope is opened once, by its own key, and the opening is on record."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from penstock.data.seal import decrypt, encrypt, envelopes, open_envelope, read_spent
from penstock.data.versions import load_part
from penstock.errors import NotFound, SealError

if TYPE_CHECKING:
    from tests.data.conftest import Stores

Customers = Callable[..., str]


def test_an_envelope_opens_once_and_is_on_record(stores: Stores, customers: Customers) -> None:
    """Then it is spent: in the ledger, in the audit trail, and for every other version of the lineage."""
    first = stores.ingest(customers(1500)).version
    assert [record.is_spent for record in envelopes(stores.ledger, stores.objects, first.digest)] == [False]
    frame, y = open_envelope(stores.ledger, stores.objects, first.digest, 0, run="run-1", purpose="deploy")
    assert (frame.n_rows, len(y)) == (first.envelopes[0].rows,) * 2
    with pytest.raises(SealError, match="is spent"):
        open_envelope(stores.ledger, stores.objects, first.digest, 0, run="run-2", purpose="again")
    later = stores.ingest(customers(1500), drop=("since",)).version
    assert [record.is_spent for record in envelopes(stores.ledger, stores.objects, later.digest)] == [True]
    events = [(event.what, event.subject) for event in stores.ledger.audit.events()]
    assert ("seal", first.digest) in events
    assert ("open envelope", first.digest) in events
    stores.ledger.audit.verify()


def test_spent_rows_can_be_read_as_validation_rows_and_sealed_ones_cannot(stores: Stores, customers: Customers) -> None:
    """An opened envelope counts as validation data from then on."""
    version = stores.ingest(customers(3000)).version
    assert len(version.envelopes) == 3
    assert read_spent(stores.ledger, stores.objects, version.digest)[0].n_rows == 0
    opened, _ = open_envelope(stores.ledger, stores.objects, version.digest, 1, run="r", purpose="p")
    spent, y = read_spent(stores.ledger, stores.objects, version.digest)
    assert spent["note"].tolist() == opened["note"].tolist()
    assert len(y) == version.envelopes[1].rows
    assert read_spent(stores.ledger, stores.objects, version.digest, 1)[0].n_rows == opened.n_rows
    with pytest.raises(SealError, match="was not opened"):
        read_spent(stores.ledger, stores.objects, version.digest, 0)
    with pytest.raises(SealError, match="no envelope 7"):
        open_envelope(stores.ledger, stores.objects, version.digest, 7, run="r", purpose="p")


def test_the_test_part_cannot_be_read(stores: Stores, customers: Customers) -> None:
    """There is no such part."""
    version = stores.ingest(customers(300)).version
    with pytest.raises(NotFound, match="no part 'test'"):
        load_part(stores.objects, version, "test")


def test_sealing_is_deterministic_and_bound_to_its_place(stores: Stores) -> None:
    """The same rows are the same bytes; an envelope does not pass for another, nor under another ledger's key."""
    sealed = encrypt(stores.ledger, "lineage", 0, b"rows")
    assert encrypt(stores.ledger, "lineage", 0, b"rows") == sealed
    assert b"rows" not in sealed
    assert decrypt(stores.ledger, "lineage", 0, sealed) == b"rows"
    for lineage, index, data in [("lineage", 1, sealed), ("other", 0, sealed), ("lineage", 0, sealed[:-1] + b"x")]:
        with pytest.raises(SealError, match="does not decrypt"):
            decrypt(stores.ledger, lineage, index, data)


def test_an_envelope_whose_bytes_are_lost_is_not_spent(stores: Stores, customers: Customers) -> None:
    """What cannot be read must not count as seen."""
    version = stores.ingest(customers(300)).version
    stores.objects.delete(version.envelopes[0].object)
    with pytest.raises(NotFound):
        open_envelope(stores.ledger, stores.objects, version.digest, 0, run="r", purpose="p")
    assert not envelopes(stores.ledger, stores.objects, version.digest)[0].is_spent

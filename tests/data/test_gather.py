"""Two readings in bounded memory: where batches end changes nothing, what was a sample is said, and envelopes come in chunks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from penstock.bundle.decoder import Kind
from penstock.bundle.specs import EncodedColumn
from penstock.data import chunks, sample, source
from penstock.data.distinct import Distinct
from penstock.data.fingerprints import raw_lanes
from penstock.data.sample import Sample
from penstock.data.seal import read_sealed
from penstock.data.source import Batch
from penstock.data.split import SplitSettings
from penstock.data.versions import DatasetVersion
from penstock.errors import SealError

if TYPE_CHECKING:
    from tests.data.conftest import Stores

Customers = Callable[..., str]


def column(texts: list[str | None]) -> Batch:
    return Batch.of({"a": EncodedColumn.of(texts)})


@pytest.mark.parametrize("by", ["random", "group:job", "time:since"])
def test_where_batches_end_changes_no_digest(
    stores: Stores, customers: Customers, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """One batch, batches of 7 rows, and a table that is read twice because it does not stay in memory."""
    how = {"split": SplitSettings(by=by)}
    first = stores.ingest(customers(400), **how)
    monkeypatch.setattr(source, "BATCH_CELLS", 42)
    assert stores.ingest(customers(400), again=True, **how).version.digest == first.version.digest


def test_a_column_that_names_rows_though_the_first_batch_does_not_show_it_is_no_part_of_them(
    stores: Stores, customers: Customers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source is read again then; the other way round as well."""
    monkeypatch.setattr(source, "BATCH_CELLS", 60)  # ten rows, in which values differ by chance
    result = stores.ingest(customers(400))
    assert result.version.fingerprint_columns == ("age", "job", "note", "since")


def test_kinds_of_a_large_table_come_from_a_sample_and_say_so(
    stores: Stores, customers: Customers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever batches it comes in; the shares of different values are those of the whole."""
    monkeypatch.setattr(sample, "KEEP_ROWS", 400)
    first = stores.ingest(customers(2000))
    kinds = {finding.name: finding.kind for finding in first.columns}
    assert kinds["id"] is Kind.IDENTIFIER
    assert kinds["note"] is Kind.TEXT
    assert kinds["age"] is Kind.NUMERIC
    assert all("by a sample of" in finding.why for finding in first.columns)
    assert sum(first.rows.values()) == 2000
    monkeypatch.setattr(source, "BATCH_CELLS", 600)
    assert stores.ingest(customers(2000), again=True).version.digest == first.version.digest


def test_a_sample_is_the_same_wherever_batches_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the numbers of the rows, whatever they hold, also where all hold the same."""
    monkeypatch.setattr(sample, "KEEP_ROWS", 100)
    found = []
    for size in (1, 7, 1000):
        held = Sample()
        for start in range(0, 1000, size):
            held.add(column(["same"] * min(size, 1000 - start)))
        assert not held.whole
        found.append(held.rows.tolist())
        assert len(held.columns["a"]) == len(held.rows)
    assert found[0] == found[1] == found[2]
    assert 40 < len(found[0]) <= 100


def test_different_values_are_counted_within_a_few_percent() -> None:
    """Exactly where they are few; batches that overlap count once."""
    distinct = Distinct()
    for start in range(0, 40_000, 5_000):
        texts = [f"v{i}" for i in range(start, start + 10_000)]
        encoded = EncodedColumn.of(texts)
        distinct.add(raw_lanes("a", encoded), encoded)
    assert abs(distinct.count / 45_000 - 1) < 0.1
    few = Distinct()
    encoded = EncodedColumn.of(["a", " ", None, "b", "a"])
    few.add(raw_lanes("a", encoded), encoded)
    assert (few.count, few.filled) == (2, 3)


def test_an_envelope_of_many_rows_lies_in_chunks_that_cannot_be_exchanged(
    stores: Stores, customers: Customers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Format 2; each chunk is bound to its place; an envelope of one chunk stays as it was."""
    small = stores.ingest(customers(300)).version
    assert small.manifest["format"] == 1
    assert set(small.manifest["envelopes"][0]) == {"index", "rows", "object"}
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 50)
    large = stores.ingest(customers(1000, seed=1), split=SplitSettings(envelopes=1, seed=1)).version
    [envelope] = large.envelopes
    assert large.manifest["format"] == 2
    assert len(envelope.objects) == -(-envelope.rows // 50)
    frame, y = read_sealed(stores.ledger, stores.objects, large, envelope.index)
    assert frame.n_rows == len(y) == envelope.rows
    first, second, *rest = envelope.objects
    mixed = replace(envelope, object=second, more=(first, *rest))
    broken = DatasetVersion({**large.manifest, "envelopes": [mixed.to_json()]})
    with pytest.raises(SealError, match="does not decrypt"):
        read_sealed(stores.ledger, stores.objects, broken, envelope.index)

"""The duties of a source, as tests.

Inherit and supply the fixture `source`, a source of at least 20 rows and 2 columns, one of them without a value in some row;
and `other`, one of the same kind, read in the same way, that holds other rows::

    class TestMySource(SourceContract):
        @pytest.fixture
        def source(self, tmp_path):
            return MySource(...)

        @pytest.fixture
        def other(self, tmp_path):
            return MySource(...)
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from penstock.data.source import Batch, Source
from penstock.objects.digests import canonical_json

Rows = list[tuple[str | None, ...]]


def rows_of(batches: Iterable[Batch]) -> Rows:
    """The rows of batches as tuples of text."""
    rows: Rows = []
    for batch in batches:
        columns = batch.columns.values()
        texts = [[None if code < 0 else c.values[code] for code in c.codes.tolist()] for c in columns]
        rows += zip(*texts, strict=True)
    return rows


class SourceContract:
    """What `penstock.data.source.Source` promises."""

    def test_names_are_ready_for_use(self, source: Source) -> None:
        """Unique, not empty, in one Unicode form, without white space at their ends."""
        names = source.names
        assert len(set(names)) == len(names) >= 2
        assert all(name and name == unicodedata.normalize("NFC", name.strip()) for name in names)

    def test_every_batch_has_the_columns_in_their_order(self, source: Source) -> None:
        """And at least one row; the names are those that were told before reading."""
        for batch in source.batches(7):
            assert batch.names == tuple(batch.columns) == source.names
            assert 1 <= len(batch) <= 7

    def test_columns_are_dictionary_encoded_text(self, source: Source) -> None:
        """One length, each distinct value once, codes that point to one, -1 where there is none."""
        for batch in source.batches():
            for column in batch.columns.values():
                assert len(column.codes) == len(batch)
                assert all(isinstance(value, str) for value in column.values)
                assert len(set(column.values)) == len(column.values)
                assert column.codes.min() >= -1
                assert column.codes.max() < len(column.values)

    def test_it_can_be_read_again(self, source: Source) -> None:
        """The same rows in the same order, each time from the first."""
        first = rows_of(source.batches())
        assert len(first) >= 20
        assert rows_of(source.batches()) == first

    def test_absence_is_absence(self, source: Source) -> None:
        """What the source does not hold is null, not a word for it."""
        assert any(value is None or not value.strip() for row in rows_of(source.batches()) for value in row)

    def test_where_batches_end_changes_nothing(self, source: Source) -> None:
        """One row at a time, some, or as many as fit: the same rows."""
        whole = rows_of(source.batches())
        for rows in (1, 7, len(whole), len(whole) + 1):
            assert rows_of(source.batches(rows)) == whole

    def test_two_readings_do_not_disturb_each_other(self, source: Source) -> None:
        """One may be under way, or given up, while another begins."""
        under_way = source.batches(3)
        first = next(under_way)
        whole = rows_of(source.batches())
        assert rows_of([first, *under_way]) == whole
        next(source.batches(1))
        assert rows_of(source.batches()) == whole

    def test_the_digest_stays_while_the_content_does(self, source: Source) -> None:
        """Reading does not change it."""
        before = source.digest()
        assert before.startswith("sha256:")
        rows_of(source.batches())
        assert source.digest() == before

    def test_other_rows_have_another_digest(self, source: Source, other: Source) -> None:
        """Read in the same way; the rows differ and so does the digest."""
        assert rows_of(source.batches()) != rows_of(other.batches())
        assert source.digest() != other.digest()

    def test_what_is_recorded_is_plain_json(self, source: Source) -> None:
        """Options and origin go into the record; the guesses are sentences."""
        assert canonical_json(source.options) == canonical_json(source.options)
        assert canonical_json(source.origin)
        assert all(isinstance(sentence, str) for sentence in source.why)

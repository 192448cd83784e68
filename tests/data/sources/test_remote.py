"""Files in a bucket, against a server that speaks S3."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from tests.data.sources.conftest import table
from tests.objects.test_remote import s3  # noqa: F401 - a fixture

from penstock.data.source import Source
from penstock.data.sources.declared import InTables
from penstock.errors import SourceError
from penstock.testing.source import SourceContract, rows_of

if TYPE_CHECKING:
    from tests.data.sources.conftest import Place


class Folder:
    """A prefix of its own in the bucket."""

    def __init__(self, endpoint: str) -> None:
        self.client: Any = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
        self.prefix = uuid.uuid4().hex

    def put(self, name: str, text: str) -> None:
        self.client.put_object(Bucket="penstock", Key=f"{self.prefix}/{name}", Body=text.encode())

    def url(self, name: str = "") -> str:
        return f"s3://penstock/{self.prefix}/{name}"


@pytest.fixture
def bucket(s3: str) -> Folder:  # noqa: F811
    return Folder(s3)


class TestBucket(SourceContract):
    """A glob of one."""

    @pytest.fixture
    def source(self, place: Place, bucket: Folder) -> Source:
        bucket.put("in/a.csv", table(range(12)))
        bucket.put("in/b.csv", table(range(12, 24)))
        bucket.put("in/deep/c.csv", table(range(99, 101)))
        return place.open(bucket.url("in/*.csv"))

    @pytest.fixture
    def other(self, place: Place, bucket: Folder) -> Source:
        bucket.put("one.csv", table(range(30)))
        return place.open(bucket.url("one.csv"))


def test_the_same_bytes_have_the_digest_that_they_have_on_this_machine(place: Place, bucket: Folder) -> None:
    """So a data set may move into a bucket."""
    bucket.put("one.csv", table(range(30)))
    place.write("one.csv", table(range(30)))
    assert place.open(bucket.url("one.csv")).digest() == place.open("one.csv").digest()


def test_a_prefix_is_a_folder_with_its_partitions(place: Place, bucket: Folder) -> None:
    """Files that are no tables, and hidden ones, are left out."""
    for year in (2023, 2024):
        bucket.put(f"set/year={year}/p.csv", table(range(3)))
    bucket.put("set/_SUCCESS", "x")
    bucket.put("set/notes.txt", "x")
    source = place.open(bucket.url("set/"))
    assert source.names == ("id", "name", "y", "year")
    assert len(rows_of(source.batches())) == 6
    assert len(rows_of(place.open(bucket.url("set/**/*.csv")).batches())) == 6


def test_nothing_is_fetched_where_nothing_has_changed(
    place: Place, bucket: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the store says of the files is enough."""
    from penstock.data.sources.remote import RemoteSource

    bucket.put("a.csv", table(range(30)))
    digest = place.open(bucket.url("*.csv")).digest()
    with monkeypatch.context() as patch:
        patch.setattr(RemoteSource, "fetch", lambda *_: pytest.fail("fetched"))
        assert place.open(bucket.url("*.csv")).digest() == digest
    bucket.put("b.csv", table(range(5)))
    assert place.open(bucket.url("*.csv")).digest() != digest


def test_an_object_that_changes_between_two_reads_is_told(place: Place, bucket: Folder) -> None:
    """Between listing and fetching, and between two readings."""
    bucket.put("a.csv", table(range(30)))
    source = place.open(bucket.url("a.csv"))
    before = source.digest()
    rows_of(source.batches())
    bucket.put("a.csv", table(range(31)))
    assert source.digest() != before
    with pytest.raises(SourceError, match="changed while it was read"):
        rows_of(source.batches())
    unread = place.open(bucket.url("*.csv"))
    bucket.put("a.csv", table(range(32)))
    with pytest.raises(SourceError, match="its tag is not what it was"):
        _ = unread.names


def test_what_was_fetched_is_removed(place: Place, bucket: Folder) -> None:
    """With the source; and what a dead process left, with the next one."""
    import gc

    bucket.put("a.csv", table(range(30)))
    left = place.root / "state" / "scratch" / "999999999-abc"
    left.mkdir(parents=True)
    source = place.open(bucket.url("a.csv"))
    rows_of(source.batches())
    assert not left.exists()
    assert len(list((place.root / "state" / "scratch").iterdir())) == 1
    del source
    gc.collect()
    assert list((place.root / "state" / "scratch").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "words"), [("none.csv", "names no file"), ("*.parquet", "names no file"), ("no/", "names no file")]
)
def test_nothing_there_is_told(place: Place, bucket: Folder, name: str, words: str) -> None:
    """With the way out."""
    with pytest.raises(SourceError, match=words) as caught:
        place.open(bucket.url(name))
    assert caught.value.way_out


def test_a_bucket_that_is_not_there_is_told(place: Place, bucket: Folder) -> None:
    """By its name; what names a file in it is told the same."""
    for name in ("a*.csv", "a.csv"):
        with pytest.raises(SourceError, match="there is no bucket 'no-such-bucket-here'") as caught:
            place.open(f"s3://no-such-bucket-here/{name}")
        assert f"s3://no-such-bucket-here/{name} names it" in caught.value.why


def test_its_files_are_fetched_one_by_one_and_removed_after(place: Place, bucket: Folder) -> None:
    """What their store says of them is their identity."""
    bucket.put("in/year=2024/a.csv", table(range(3)))
    bucket.put("in/b.csv", table(range(3, 5)))
    source = place.open(bucket.url("in/"))
    assert isinstance(source, InTables)
    first, second = source.tables()
    assert (first.name.rpartition("/")[2], second.constants) == ("b.csv", {"year": "2024"})
    with first.fetched() as path:
        assert path.read_text() == table(range(3, 5))
    assert not path.exists()
    before = second.identity
    bucket.put("in/year=2024/a.csv", table(range(4)))
    assert source.tables()[1].identity != before


def test_a_file_is_the_same_however_its_store_tells_of_it() -> None:
    """Azure quotes a tag in a head and not in a listing; Google's listing has milliseconds, and its head has none."""
    from datetime import UTC, datetime

    from penstock.data.sources.remote import _file

    at = datetime(2026, 11, 30, 8, 10, 31, tzinfo=UTC)
    listed = {"path": "a.csv", "size": 3, "e_tag": "0x8DE2FF", "last_modified": at.replace(microsecond=483_000)}
    head = {**listed, "e_tag": '"0x8DE2FF"', "last_modified": at}
    assert _file(listed).identity == _file(head).identity == '3 "0x8DE2FF" 2026-11-30T08:10:31+00:00'
    assert _file({**listed, "e_tag": None}).identity == "3  2026-11-30T08:10:31+00:00"
    assert _file({**listed, "e_tag": 'W/"1"'}).tag == 'W/"1"'

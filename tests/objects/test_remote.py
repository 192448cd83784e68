"""The remote store: the contract in memory and against a real S3 protocol server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import boto3
import obstore
import pytest
from moto.server import ThreadedMotoServer

from penstock.errors import DamagedStore, DeclarationError, NotFound, SourceError, StoreError
from penstock.objects import remote
from penstock.objects.digests import digest_of
from penstock.objects.remote import RemoteStore, _key
from penstock.objects.store import Stored, open_store
from penstock.testing.object_store import ObjectStoreContract


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A server that speaks S3, with one bucket, and the environment that points to it."""
    with pytest.MonkeyPatch.context() as patch:
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", endpoint)
        patch.setenv("AWS_ALLOW_HTTP", "true")
        boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket="penstock")
        yield endpoint
        server.stop()


class TestMemoryStore(ObjectStoreContract):
    """The contract in memory."""

    @pytest.fixture
    def store(self) -> RemoteStore:
        return RemoteStore.open("memory://")


class TestS3Store(ObjectStoreContract):
    """The contract in a bucket."""

    @pytest.fixture
    def store(self, s3: str) -> RemoteStore:
        return RemoteStore.open(f"s3://penstock/{uuid.uuid4().hex}")


def test_bytes_changed_in_the_bucket_are_noticed(s3: str, tmp_path: Path) -> None:
    """A bucket that anyone may write to cannot hand out another model."""
    store = open_store("s3://penstock/damage")
    digest = store.put(b"model")
    name = digest.removeprefix("sha256:")
    boto3.client("s3", endpoint_url=s3, region_name="us-east-1").put_object(
        Bucket="penstock", Key=f"damage/{name[:2]}/{name[2:]}", Body=b"mOdel"
    )
    with pytest.raises(DamagedStore, match=digest):
        store.get(digest)
    with pytest.raises(DamagedStore, match=digest):
        store.get_file(digest, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_absent_bucket_is_told_apart_from_an_absent_object(s3: str) -> None:
    """The way out differs: create the bucket."""
    with pytest.raises(StoreError, match="create the bucket") as caught:
        open_store("s3://nothing-here").get("sha256:" + "0" * 64)
    assert not isinstance(caught.value, NotFound)


def test_a_url_of_an_unknown_kind_is_refused() -> None:
    """The message lists what can be written."""
    with pytest.raises(DeclarationError, match="s3://, gs:// or az://"):
        open_store("ftp://host/folder")


def test_a_large_file_goes_up_in_parts(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the size of one request the object still appears whole, under its digest."""
    monkeypatch.setattr(remote, "ONE_REQUEST_BYTES", 1_000)
    source = tmp_path / "source"
    source.write_bytes(b"0123456789" * 600_000)  # 6 MB: two parts
    store = open_store("s3://penstock/large")
    assert store.put_file(source) == store.put_file(source) == digest_of(source.read_bytes())
    assert store.get(digest_of(source.read_bytes())) == source.read_bytes()


@pytest.mark.parametrize("one_request_bytes", [1, 1_000])
def test_a_file_that_changes_while_it_goes_up_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_request_bytes: int
) -> None:
    """Nothing stays in the bucket under a digest that is not its own."""
    monkeypatch.setattr(remote, "ONE_REQUEST_BYTES", one_request_bytes)
    monkeypatch.setattr(remote, "sha256_file", lambda path: digest_of(b"zeroth"))
    source = tmp_path / "source"
    source.write_bytes(b"first")
    store = RemoteStore.open("memory://")
    with pytest.raises(SourceError, match="changed while"):
        store.put_file(source)
    assert list(store.digests()) == []


@pytest.mark.parametrize("where", ["memory", "s3"])
def test_what_is_stored_outlives_a_file_that_changes_while_it_is_renewed(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """An object that earlier versions need is neither overwritten nor deleted, and no half upload is left behind."""
    monkeypatch.setattr(remote, "ONE_REQUEST_BYTES", 1_000)
    monkeypatch.setattr(remote, "YOUNG_S", -1.0)
    store = open_store("s3://penstock/renewed") if where == "s3" else RemoteStore.open("memory://")
    source = tmp_path / "source"
    source.write_bytes(b"0123456789" * 1_200_000)  # 12 MB: two parts
    digest = store.put_file(source)
    monkeypatch.setattr(remote, "sha256_file", lambda path: digest)
    source.write_bytes(b"9876543210" * 1_200_000)
    with pytest.raises(SourceError, match="changed while"):
        store.put_file(source)
    store.check(digest)
    if where == "s3":
        client = boto3.client("s3", endpoint_url=s3, region_name="us-east-1")
        assert client.list_multipart_uploads(Bucket="penstock").get("Uploads", []) == []


def test_what_is_put_while_it_is_collected_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket cannot delete on a condition: between the look at its age and the deletion another process made it young, and lost it."""
    monkeypatch.setattr(remote, "YOUNG_S", 0.0)  # all that is there is old
    store = RemoteStore.open("memory://")
    digest = store.put(b"model")
    mark, deleted, put = f"{_key(digest)}.collected", remote.obstore.delete, remote.obstore.put
    written = Event()
    other = Thread(target=store.put, args=(b"model",))

    def put_and_tell(bucket: object, key: str, data: bytes, **how: object) -> object:
        done = put(bucket, key, data, **how)
        if key == _key(digest):
            written.set()
        return done

    def delete_late(bucket: object, key: str) -> None:
        if key != mark:
            other.start()
            assert written.wait(5)
        deleted(bucket, key)

    monkeypatch.setattr(remote.obstore, "put", put_and_tell)
    monkeypatch.setattr(remote.obstore, "delete", delete_late)
    assert store.collect(digest, older_than_s=0.0)
    other.join(10)
    assert store.get(digest) == b"model"
    assert list(store.digests()) == [digest]


def test_an_object_that_became_young_before_it_was_collected_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked at again after it was said that it is collected, and no mark is left."""
    store = RemoteStore.open("memory://")
    digest = store.put(b"model")
    ages = iter([7200.0, 1.0])
    monkeypatch.setattr(RemoteStore, "stat", lambda *_: Stored(5, next(ages)))
    assert not store.collect(digest, older_than_s=3600.0)
    assert [entry["path"] for page in obstore.list(store._bucket) for entry in page] == [_key(digest)]


def test_the_mark_of_a_process_that_died_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts for a minute."""
    monkeypatch.setattr(remote, "YOUNG_S", 0.0)
    monkeypatch.setattr(remote, "MARK_S", 0.0)
    store = RemoteStore.open("memory://")
    digest = store.put(b"model")
    obstore.put(store._bucket, f"{_key(digest)}.collected", b"")
    assert store.put(b"model") == digest
    assert [entry["path"] for page in obstore.list(store._bucket) for entry in page] == [_key(digest)]


def test_an_endpoint_without_tls_is_told_with_the_variable_that_allows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client never asks it, and says "builder error"."""
    for name, value in {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "ENDPOINT_URL": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.delenv("AWS_ALLOW_HTTP", raising=False)
    with pytest.raises(StoreError) as caught:
        open_store("s3://bucket/objects").has(digest_of(b"x"))
    assert "AWS_ALLOW_HTTP=true" in caught.value.way_out

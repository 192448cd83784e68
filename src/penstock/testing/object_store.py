"""The duties of an object store, as tests.

Inherit and supply the fixture `store`, an empty store of your own::

    class TestMyStore(ObjectStoreContract):
        @pytest.fixture
        def store(self, tmp_path):
            return MyStore(tmp_path)
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from penstock.errors import NotFound
from penstock.objects.digests import digest_of
from penstock.objects.store import ObjectStore

ABSENT = "sha256:" + "0" * 64


class ObjectStoreContract:
    """What `penstock.objects.store.ObjectStore` promises."""

    def test_what_is_put_is_got(self, store: ObjectStore) -> None:
        """Bytes come back as they were, the empty ones and those that are no text included."""
        for data in (b"", b"model", bytes(range(256)) * 300):
            assert store.get(store.put(data)) == data

    def test_the_digest_is_that_of_the_bytes(self, store: ObjectStore) -> None:
        """Two stores agree on the address of the same bytes."""
        assert store.put(b"model") == digest_of(b"model")

    def test_the_same_bytes_are_stored_once(self, store: ObjectStore) -> None:
        """Putting again changes nothing."""
        assert store.put(b"model") == store.put(b"model")
        assert list(store.digests()) == [digest_of(b"model")]

    def test_an_unknown_digest_is_named_in_the_error(self, store: ObjectStore) -> None:
        """Absence is NotFound, with the digest."""
        with pytest.raises(NotFound, match=ABSENT):
            store.get(ABSENT)

    def test_what_is_no_digest_is_named_in_the_error(self, store: ObjectStore) -> None:
        """A shortened digest or a path is not looked for."""
        for wrong in ("sha256:0000", "../secret", ""):
            with pytest.raises(NotFound, match="no object"):
                store.get(wrong)

    def test_has_tells_without_reading(self, store: ObjectStore) -> None:
        """An object is there after its put and not before."""
        assert not store.has(digest_of(b"model"))
        store.put(b"model")
        assert store.has(digest_of(b"model"))

    def test_a_file_is_stored_like_its_bytes(self, store: ObjectStore, tmp_path: Path) -> None:
        """`put_file` and `put` agree, and `get_file` writes the same bytes."""
        source, target = tmp_path / "source", tmp_path / "folder" / "target"
        source.write_bytes(b"model" * 100_000)
        digest = store.put_file(source)
        assert digest == digest_of(source.read_bytes())
        store.get_file(digest, target)
        assert target.read_bytes() == source.read_bytes()

    def test_get_file_of_an_unknown_digest_leaves_no_file(self, store: ObjectStore, tmp_path: Path) -> None:
        """Nothing half-written appears under the name."""
        with pytest.raises(NotFound):
            store.get_file(ABSENT, tmp_path / "target")
        assert not (tmp_path / "target").exists()

    def test_a_deleted_object_is_gone(self, store: ObjectStore) -> None:
        """After delete it is absent; deleting what is absent is no error."""
        digest = store.put(b"model")
        store.delete(digest)
        store.delete(digest)
        assert not store.has(digest)
        assert list(store.digests()) == []

    def test_size_and_age_are_told_without_reading(self, store: ObjectStore) -> None:
        """Of an object that was just put, and never of one that is absent."""
        known = store.stat(store.put(b"model"))
        assert known.size_bytes == 5
        assert -60 < known.age_s < 60, "by the clock of the store"
        with pytest.raises(NotFound, match=ABSENT):
            store.stat(ABSENT)

    def test_an_object_is_checked_and_renewed_without_its_bytes(self, store: ObjectStore) -> None:
        """One that was just put is whole and young; an absent one is neither."""
        digest = store.put(b"model")
        store.check(digest)
        assert store.renew(digest)
        assert not store.renew(ABSENT)
        with pytest.raises(NotFound, match=ABSENT):
            store.check(ABSENT)

    def test_only_what_is_old_is_collected(self, store: ObjectStore) -> None:
        """What was put within the grace stays; an absent one is no error."""
        digest = store.put(b"model")
        assert not store.collect(digest, older_than_s=3600)
        assert store.get(digest) == b"model"
        assert store.collect(digest, older_than_s=-3600)
        assert not store.has(digest)
        assert not store.collect(digest, older_than_s=-3600)
        assert not list(store.digests())

    def test_every_object_is_listed(self, store: ObjectStore) -> None:
        """`digests` names each object once."""
        put = [store.put(str(i).encode()) for i in range(20)]
        assert sorted(store.digests()) == sorted(put)

    def test_threads_share_one_store(self, store: ObjectStore) -> None:
        """Many threads put the same few objects at once, and each is whole."""
        bodies = [str(i % 4).encode() * 50_000 for i in range(32)]
        with ThreadPoolExecutor(8) as pool:
            digests = list(pool.map(store.put, bodies))
        assert [store.get(digest) for digest in digests] == bodies

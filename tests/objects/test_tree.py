"""Many files as few objects."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import DamagedStore, NewerFormat, NotFound, SourceError
from penstock.objects import tree as trees
from penstock.objects.digests import canonical_json, digest_of
from penstock.objects.local import LocalStore
from penstock.objects.store import ObjectStore, open_store
from penstock.objects.tree import Entry, entries_of, is_inside, read_tree, store_tree


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "objects")


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_what_is_stored_comes_back(store: LocalStore, tmp_path: Path) -> None:
    """Small, large, empty and equal files, with their modes."""
    files = {
        "a.py": b"print()\n",
        "b/c.txt": b"",
        "b/big.bin": os.urandom(400_000),
        "same.py": b"print()\n",
        "ü.md": b"x",
    }
    source = write(tmp_path / "in", files)
    (source / "a.py").chmod(0o755)
    tree = read_tree(store, store_tree(store, entries_of(source)))
    assert tree.extract(tmp_path / "out") == 5
    assert contents(tmp_path / "out") == files
    assert os.access(tmp_path / "out" / "a.py", os.X_OK)
    assert not os.access(tmp_path / "out" / "same.py", os.X_OK)
    assert {path: tree.read(path) for path in tree.files} == files
    assert tree.size_bytes == sum(map(len, files.values()))
    assert tree.objects() == set(store.digests()), "a manifest, a pack, and the large file"
    assert len(tree.objects()) == 3


def test_a_tree_of_nothing_is_a_tree(store: LocalStore, tmp_path: Path) -> None:
    """A run that wrote no file."""
    tree = read_tree(store, store_tree(store, []))
    assert tree.extract(tmp_path / "out") == 0
    assert tree.files == {}


@settings(max_examples=30, deadline=None)
@given(
    versions=st.lists(
        st.dictionaries(st.sampled_from("abcdefgh"), st.binary(max_size=60), max_size=8), min_size=1, max_size=4
    )
)
def test_each_of_many_versions_comes_back(
    versions: list[dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever was taken over from the tree before; and equal files have equal contents."""
    place = tmp_path_factory.mktemp("tree")
    store, known, seen = LocalStore(place / "objects"), None, {}
    for number, files in enumerate(versions):
        source = write(place / f"in{number}", files)
        source.mkdir(exist_ok=True)
        entries = [Entry(n, source / n, digest_of(d) if number % 2 else None) for n, d in files.items()]
        known = read_tree(store, store_tree(store, entries, known))
        assert {path: known.read(path) for path in known.files} == files
        assert (
            seen.setdefault(canonical_json(sorted((n, d.hex()) for n, d in files.items())), known.content)
            == known.content
        )


def test_what_has_not_changed_is_not_stored_again(store: LocalStore, tmp_path: Path) -> None:
    """Nor read: its digest is known."""
    files = {f"m{i}.py": f"x = {i}\n".encode() * 50 for i in range(20)}
    source = write(tmp_path / "in", files)
    known = read_tree(store, store_tree(store, entries_of(source)))
    before = set(store.digests())
    assert store_tree(store, entries_of(source), known) == known.digest
    assert set(store.digests()) == before
    (source / "m3.py").write_bytes(b"y\n")
    (source / "m4.py").chmod(0o000)
    entries = [Entry(n, source / n, None if n == "m3.py" else digest_of(d), False) for n, d in files.items()]
    new = read_tree(store, store_tree(store, entries, known))
    assert {len(store.get(d)) for d in set(store.digests()) - before - {new.digest}} == {2}
    assert new.read("m4.py") == files["m4.py"]


def test_a_pack_that_is_hardly_of_use_is_left(store: LocalStore, tmp_path: Path) -> None:
    """A chain of trees does not keep all that ever was."""
    source = write(tmp_path / "in", {f"{i}": os.urandom(1000) for i in range(10)})
    known = read_tree(store, store_tree(store, entries_of(source)))
    for i in range(8):
        (source / f"{i}").unlink()
    new = read_tree(
        store, store_tree(store, [Entry(f"{i}", source / f"{i}", known.files[f"{i}"].digest) for i in (8, 9)], known)
    )
    assert not set(new.packs) & set(known.packs)
    assert new.read("9") == (source / "9").read_bytes()


def test_a_pack_that_was_lost_is_stored_again(store: LocalStore, tmp_path: Path) -> None:
    """A purge in between must not leave a tree without its bytes."""
    source = write(tmp_path / "in", {"a": b"1", "b": b"2"})
    known = read_tree(store, store_tree(store, entries_of(source)))
    for digest in known.objects():
        store.delete(digest)
    tree = read_tree(store, store_tree(store, entries_of(source), known))
    assert tree.read("a") == b"1"


@pytest.mark.parametrize(
    "path", ["../a", "/etc/passwd", "a/../../b", "a//b", "./a", "", "C:/x", "a\\b", "a\0b", "\udcff", "a/", "a/."]
)
def test_paths_that_leave_the_folder_are_refused(store: LocalStore, tmp_path: Path, path: str) -> None:
    """When storing, and when reading a manifest that somebody else has made."""
    file = tmp_path / "x"
    file.write_bytes(b"x")
    assert not is_inside(path)
    with pytest.raises(SourceError, match="cannot be part of a tree"):
        store_tree(store, [Entry(path, file)])
    if "\udcff" not in path:
        assert_damaged(store, [{"path": path, "mode": "644", "size": 1, "digest": digest_of(b"x")}])


def assert_damaged(store: ObjectStore, files: list[dict[str, object]], **changes: object) -> None:
    body = {"format": 1, "kind": "tree", "content": digest_of(b""), "packs": [], "files": files, **changes}
    with pytest.raises(DamagedStore):
        read_tree(store, store.put(canonical_json(body)))


@pytest.mark.parametrize(
    "change",
    [{"digest": "x"}, {"size": -1}, {"size": "1"}, {"pack": 0, "offset": 0}, {"pack": 0}, {"mode": "rwx"}, {"path": 3}],
)
def test_a_manifest_that_makes_no_sense_is_refused(store: LocalStore, change: dict[str, object]) -> None:
    """It is read, checked in full, and only then used."""
    assert_damaged(store, [{"path": "a", "mode": "644", "size": 1, "digest": digest_of(b"x"), **change}])
    assert_damaged(store, [], kind="other")
    assert_damaged(store, [], packs=["x"])
    assert_damaged(store, [{"path": p, "mode": "644", "size": 1, "digest": digest_of(b"x")} for p in ("a", "a/b")])
    with pytest.raises(DamagedStore):
        read_tree(store, store.put(b"no JSON"))


def test_a_place_that_holds_other_bytes_is_damage(store: LocalStore, tmp_path: Path) -> None:
    """The digest of each file is checked when it is read."""
    tree = read_tree(store, store_tree(store, entries_of(write(tmp_path / "in", {"a": b"12", "b": b"34"}))))
    body = tree.to_json()
    body["files"][0]["offset"] = 1
    other = read_tree(store, store.put(canonical_json(body)))
    with pytest.raises(DamagedStore, match="file 'a'"):
        other.extract(tmp_path / "out")


def test_a_link_leads_no_file_out_of_the_folder(store: LocalStore, tmp_path: Path) -> None:
    """A folder that is a link is refused; a file that is one is replaced."""
    tree = read_tree(store, store_tree(store, entries_of(write(tmp_path / "in", {"d/a": b"12", "f": b"new"}))))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "kept").write_text("old")
    out = tmp_path / "out"
    out.mkdir()
    (out / "d").symlink_to(tmp_path / "elsewhere")
    (out / "f").symlink_to(tmp_path / "kept")
    with pytest.raises(SourceError, match="is a link"):
        tree.extract(out)
    tree.extract(out, ["f"])
    assert (tmp_path / "kept").read_text() == "old"
    assert (out / "f").read_text() == "new"
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_missing_files_are_named(store: LocalStore, tmp_path: Path) -> None:
    """The nearest too."""
    tree = read_tree(store, store_tree(store, entries_of(write(tmp_path / "in", {"train.py": b"1"}))))
    with pytest.raises(NotFound, match=r"nearest of 1 is 'train\.py'"):
        tree.read("trian.py")
    with pytest.raises(SourceError, match="'gone' cannot be read"):
        store_tree(store, [Entry("gone", tmp_path / "gone")])
    with pytest.raises(SourceError, match="given twice"):
        store_tree(store, [Entry("a", tmp_path / "in" / "train.py")] * 2)


def test_a_newer_format_says_so(store: LocalStore) -> None:
    """An older release must not guess."""
    with pytest.raises(NewerFormat, match="has format 9"):
        read_tree(store, store.put(json.dumps({"format": 9, "kind": "tree"}).encode()))


def test_a_remote_store_holds_trees_too(tmp_path: Path) -> None:
    """Only the calls of every store are used."""
    store = open_store("memory://")
    tree = read_tree(
        store, store_tree(store, entries_of(write(tmp_path / "in", {"a": b"1", "b": os.urandom(300_000)})))
    )
    tree.extract(tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "in")


def test_fifty_thousand_files_take_seconds_and_few_objects(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files of a run that writes too many."""
    monkeypatch.setattr(trees, "PACK_BYTES", 2**20)
    source = tmp_path / "in"
    for i in range(50):
        (source / str(i)).mkdir(parents=True)
    for i in range(50_000):
        with open(source / str(i % 50) / f"{i}.txt", "w") as file:
            file.write(f"sample {i}\n" * 4)
    start = time.monotonic()
    tree = read_tree(store, store_tree(store, entries_of(source)))
    took = time.monotonic() - start
    assert len(tree.files) == 50_000
    assert len(tree.objects()) < 10
    assert took < 20
    assert tree.read("7/7.txt") == b"sample 7\n" * 4

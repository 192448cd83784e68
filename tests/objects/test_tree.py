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
from penstock.objects import cutting
from penstock.objects.digests import canonical_json, digest_of, digest_of_json
from penstock.objects.local import LocalStore
from penstock.objects.store import ObjectStore, open_store
from penstock.objects.tree import (
    Entry,
    Piece,
    Tree,
    TreeFile,
    entries_of,
    is_inside,
    packs,
    parts,
    read_tree,
    store_tree,
    write_tree,
)
from penstock.objects.tree import writing as trees
from penstock.objects.tree.files import check_paths, content_of


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


def test_the_files_of_a_folder_are_its_regular_files_in_order(tmp_path: Path) -> None:
    """Links are not followed, and what is no file is passed over; a folder that is not there has none."""
    folder = write(tmp_path / "in", {"b.txt": b"1", "a/z": b"2", "a/b/c": b"3", "a.txt": b"4", "ü/ x": b"5"})
    (folder / "link.txt").symlink_to("a.txt")
    (folder / "dangling").symlink_to("gone")
    (folder / "folder").symlink_to("a")
    (folder / "empty").mkdir()
    os.mkfifo(folder / "fifo")
    found = list(entries_of(folder))
    assert [entry.path for entry in found] == ["a.txt", "b.txt", "a/z", "a/b/c", "ü/ x"]
    assert all(Path(entry.file) == folder / entry.path for entry in found)
    assert list(entries_of(tmp_path / "gone")) == []


def test_the_tree_that_is_written_is_the_one_that_is_read(store: LocalStore, tmp_path: Path) -> None:
    """Whoever writes one need not read it."""
    files = {"b": b"1", "a/c": b"2", "big": os.urandom(400_000), "a/d": b"1"}
    written = write_tree(store, entries_of(write(tmp_path / "in", files)))
    again = read_tree(store, written.digest)
    assert list(written.files.items()) == list(again.files.items())
    assert (written.content, written.packs, written.size_bytes) == (again.content, again.packs, again.size_bytes)
    assert written.objects() == again.objects()
    assert {path: written.read(path) for path in written.files} == files


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
    monkeypatch.setattr(packs, "PACK_BYTES", 2**20)
    source = tmp_path / "in"
    for i in range(50):
        (source / str(i)).mkdir(parents=True)
    for i in range(50_000):
        with open(source / str(i % 50) / f"{i}.txt", "w") as file:
            file.write(f"sample {i}\n" * 4)
    start = time.process_time()
    tree = read_tree(store, store_tree(store, entries_of(source)))
    took = time.process_time() - start
    assert len(tree.files) == 50_000
    assert len(tree.objects()) < 10
    assert took < 20  # of CPU, whatever else runs here
    assert tree.read("7/7.txt") == b"sample 7\n" * 4


def rows(count: int, start: int = 0) -> bytes:
    return b"".join(f"{i},{i * 7919 % 10007},name{i}\n".encode() for i in range(start, start + count))


def test_a_large_file_is_cut_and_its_next_version_shares_the_pieces(store: LocalStore, tmp_path: Path) -> None:
    """1 % more costs about 1 %, and every version comes back."""
    source = write(tmp_path / "in", {"t.csv": rows(400_000), "small.txt": b"x"})
    first = read_tree(store, store_tree(store, entries_of(source), cut=True))
    assert len(first.files["t.csv"].pieces) > 50
    before = sum(store.stat(digest).size_bytes for digest in store.digests())
    write(source, {"t.csv": rows(404_000)})
    second = read_tree(store, store_tree(store, entries_of(source), first, cut=True))
    after = sum(store.stat(digest).size_bytes for digest in store.digests())
    assert after - before < 0.02 * before
    assert second.to_json()["format"] == 2
    assert second.read("t.csv") == rows(404_000)
    assert second.files["t.csv"].digest == digest_of(rows(404_000)), "the digest of the file is that of its bytes"
    assert second.extract(tmp_path / "out") == 2
    assert contents(tmp_path / "out")["t.csv"] == rows(404_000)
    assert read_tree(store, first.digest).read("t.csv") == rows(400_000)
    assert set(store.digests()) == first.objects() | second.objects()


def test_a_tree_without_large_files_is_the_same_cut_or_not(store: LocalStore, tmp_path: Path) -> None:
    """Format 1, and the same digest: what was stored by an earlier release stays what it is."""
    source = write(tmp_path / "in", {"a": b"1", "b/c": b"22"})
    assert store_tree(store, entries_of(source), cut=True) == store_tree(store, entries_of(source))


def test_the_same_file_again_costs_its_manifest(store: LocalStore, tmp_path: Path) -> None:
    """Known by its digest it is not even read; known by its pieces none is stored again."""
    source = write(tmp_path / "in", {"t.csv": rows(100_000)})
    first = read_tree(store, store_tree(store, entries_of(source), cut=True))
    assert store_tree(store, entries_of(source), first, cut=True) == first.digest
    known = [Entry("t.csv", tmp_path / "gone", first.files["t.csv"].digest)]
    with pytest.raises(SourceError, match=r"t\.csv"):
        store_tree(store, known, first, cut=True)
    known = [Entry("t.csv", source / "t.csv", first.files["t.csv"].digest)]
    assert store_tree(store, known, first, cut=True) == first.digest


def many(count: int) -> dict[str, bytes]:
    return {f"{i % 10}/{i}.txt": b"%d\n" % i for i in range(count)}


def test_the_list_of_many_files_is_split_and_shared(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file more changes the part that it is in; the tree comes back with all it needs, and so does the one before."""
    monkeypatch.setattr(parts, "FILES", 64)
    files = {**many(3000), "t.csv": rows(100_000), "run.sh": b"#!", "twin.txt": b"7\n", "ü/é": b"", "a\nb": b"1"}
    source = write(tmp_path / "in", files)
    (source / "run.sh").chmod(0o755)
    first = write_tree(store, entries_of(source), cut=True)
    again = read_tree(store, first.digest)
    assert again.files == first.files
    assert json.loads(store.get(first.digest))["format"] == 3
    assert len(first.parts) > 20
    assert first.objects() == again.objects() == set(store.digests())
    write(source, {"5/new.txt": b"new", "7/7.txt": b"changed"})
    second = read_tree(store, store_tree(store, entries_of(source), again, cut=True))
    assert 1 <= len(set(second.parts) - set(first.parts)) <= 3
    assert second.extract(tmp_path / "out") == 3006
    assert contents(tmp_path / "out") == files | {"5/new.txt": b"new", "7/7.txt": b"changed"}
    assert os.access(tmp_path / "out" / "run.sh", os.X_OK)
    whole = store.put(canonical_json(Tree(store, "", first.content, first.packs, first.files).to_json()))
    assert read_tree(store, whole).files == first.files, "the older format says the same"


def test_no_part_has_more_files_than_it_may(store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the names that end a part are rare."""
    monkeypatch.setattr(parts, "FILES", 2**40)
    monkeypatch.setattr(parts, "MOST_FILES", 100)
    tree = write_tree(store, entries_of(write(tmp_path / "in", many(1050))), cut=True)
    assert len(tree.parts) == 11
    assert read_tree(store, tree.digest).files == tree.files


def test_a_part_that_is_lost_or_wrong_is_told(store: LocalStore, tmp_path: Path) -> None:
    """Never a tree with fewer files."""
    tree = write_tree(store, entries_of(write(tmp_path / "in", many(1000))), cut=True)
    body, data = json.loads(store.get(tree.digest)), store.get(tree.parts[0])
    for wrong in (b"", data[:-1], data[:30], data[21:], data.replace(b'"skip":[0', b'"skip":[-9'), data + b"0" * 32):
        body["parts"] = [store.put(wrong)]
        with pytest.raises(DamagedStore, match="no tree of files"):
            read_tree(store, store.put(canonical_json(body)))
    store.delete(tree.parts[0])
    with pytest.raises(NotFound):
        read_tree(store, tree.digest)


@given(
    names=st.lists(
        st.text("ab/.é\n0", min_size=1, max_size=12).filter(is_inside), min_size=1, max_size=30, unique=True
    ),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_a_part_says_what_its_files_are(names: list[str], data: st.DataObject) -> None:
    """Whatever they are called, wherever they lie, in pieces or not."""
    digests = st.integers(0, 2**256 - 1).map(lambda n: f"sha256:{n:064x}")
    numbers = st.integers(0, 2**50)
    packs = ["sha256:" + str(n) * 64 for n in range(3)]
    pieces = st.builds(Piece, digests, numbers, st.integers(0, 2), numbers) | digests.map(
        lambda d: Piece(d, 7, None, None)
    )
    files = []
    for path in sorted(names):
        mode = data.draw(st.sampled_from([0o644, 0o755]))
        kind = data.draw(st.sampled_from(["packed", "own", "cut"]))
        if kind == "cut":
            cut = tuple(data.draw(st.lists(pieces, min_size=1, max_size=4)))
            size = sum(piece.size for piece in cut)
            files.append(TreeFile(path, mode, size, data.draw(digests), pieces=cut, aimed=2**15))
        else:
            place = (data.draw(st.integers(0, 2)), data.draw(numbers)) if kind == "packed" else (None, None)
            files.append(TreeFile(path, mode, data.draw(numbers), data.draw(digests), *place))
    numbered = {pack: number for number, pack in enumerate(packs)}
    assert list(parts.read_part(parts.part_of(files, packs), numbered)) == files


def test_pieces_of_a_very_large_file_are_objects_of_their_own(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are hashed twice, not three times; versions share them, and one that is lost is put again from the file."""
    monkeypatch.setattr(trees, "APART_BYTES", 2**15)
    source = write(tmp_path / "in", {"t.csv": rows(300_000), "small": b"1"})
    first = write_tree(store, entries_of(source), cut=True)
    file = first.files["t.csv"]
    assert all(piece.pack is None for piece in file.pieces)
    assert read_tree(store, first.digest).files == first.files
    assert first.objects() == set(store.digests())
    assert first.read("t.csv") == rows(300_000)
    write(source, {"t.csv": rows(303_000)})
    before = sum(store.stat(digest).size_bytes for digest in store.digests())
    second = write_tree(store, entries_of(source), first, cut=True)
    assert sum(store.stat(digest).size_bytes for digest in store.digests()) - before < 0.03 * before
    store.delete(second.files["t.csv"].pieces[5].digest)
    known = [Entry("t.csv", source / "t.csv", second.files["t.csv"].digest)]
    third = write_tree(store, known, second, cut=True)
    assert third.extract(tmp_path / "out") == 1
    assert contents(tmp_path / "out") == {"t.csv": rows(303_000)}


def test_a_file_whose_pieces_lie_in_packs_stays_so(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its next version would share nothing else."""
    source = write(tmp_path / "in", {"t.csv": rows(300_000)})
    first = write_tree(store, entries_of(source), cut=True)
    monkeypatch.setattr(trees, "APART_BYTES", 2**15)
    write(source, {"t.csv": rows(303_000)})
    before = sum(store.stat(digest).size_bytes for digest in store.digests())
    write_tree(store, entries_of(source), first, cut=True)
    assert sum(store.stat(digest).size_bytes for digest in store.digests()) - before < 0.03 * before


def test_crumbs_of_many_versions_are_put_together(store: LocalStore, tmp_path: Path) -> None:
    """A table that grows a hundred times does not end in a hundred packs."""
    known, data = None, rows(50_000)
    for number in range(50):
        data += os.urandom(20_000)
        source = write(tmp_path / "in", {"t": data})
        known = read_tree(store, store_tree(store, entries_of(source), known, cut=True))
        assert len(known.packs) <= trees.CRUMBS + 2, number
    assert known is not None
    assert known.read("t") == data


def test_a_file_that_grows_while_it_is_cut_is_refused(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read is then neither the old file nor the new one."""
    source = write(tmp_path / "in", {"t.csv": rows(100_000)})
    cut = cutting.pieces

    def growing(file, aimed):  # type: ignore[no-untyped-def]
        for piece in cut(file, aimed):
            yield piece
            with open(source / "t.csv", "ab") as more:
                more.write(b"1,2,3\n")

    monkeypatch.setattr(cutting, "pieces", growing)
    with pytest.raises(SourceError, match="changed while it was being read"):
        store_tree(store, entries_of(source), cut=True)


def test_a_damaged_piece_is_named_with_its_file(store: LocalStore, tmp_path: Path) -> None:
    """Neither wrong bytes nor a wrong place are ever handed out."""
    source = write(tmp_path / "in", {"t.csv": rows(100_000)})
    tree = read_tree(store, store_tree(store, entries_of(source), cut=True))
    body = tree.to_json()
    body["files"][0]["pieces"][0][3] += 1
    wrong = read_tree(store, store.put(canonical_json(body)))
    with pytest.raises(DamagedStore, match=r"t\.csv"):
        wrong.extract(tmp_path / "out")
    body["files"][0]["pieces"][0][1] += 1
    with pytest.raises(DamagedStore, match="no tree of files"):
        read_tree(store, store.put(canonical_json(body)))


def test_empty_files_after_a_full_pack_have_a_place(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last file is empty, and the pack before it has just been stored."""
    monkeypatch.setattr(packs, "PACK_BYTES", 4)
    files = {"a": b"1234", "b": b"5678", "c": b"", "d": b"9"}
    tree = read_tree(store, store_tree(store, entries_of(write(tmp_path / "in", files)), cut=True))
    assert {path: tree.read(path) for path in files} == files


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(max_size=6), st.sampled_from([0o644, 0o755]), max_size=5))
def test_the_digest_of_the_content_is_that_of_its_canonical_encoding(modes: dict[str, int]) -> None:
    """It is put together by hand, for speed, from any path that can be stored."""
    files = [(path, mode, digest_of(path.encode())) for path, mode in modes.items() if is_inside(path)]
    listed = [[path, f"{mode:o}", digest] for path, mode, digest in sorted(files)]
    assert content_of(reversed(files)) == digest_of_json({"format": 1, "kind": "tree-content", "files": listed})


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("ab./\\:\0\ud800", max_size=5), max_size=4))
def test_many_paths_are_refused_where_one_of_them_would_be(paths: list[str]) -> None:
    """All are looked at together, for speed: what is wrong with one is found among others."""
    parents = {path[:at] for path in paths for at in range(1, len(path)) if path[at] == "/"}
    fine = all(map(is_inside, paths)) and len(set(paths)) == len(paths) and parents.isdisjoint(paths)
    if fine:
        check_paths(paths)
    else:
        with pytest.raises(SourceError):
            check_paths(paths)

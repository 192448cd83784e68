"""Small files are read many at a time, and by two processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.objects.local import LocalStore
from penstock.objects.tree import Entry, read_tree, small, store_tree

PROGRAM = """
import os, sys
from pathlib import Path
from penstock.objects import second as seconds
from penstock.objects.local import LocalStore
from penstock.objects.tree import Entry, small, store_tree

root, how = Path(sys.argv[1]), sys.argv[2]
small.LOT_FILES, small.SHARED_LOTS = 5, 2
entries = []
for file in sorted((root / "in").rglob("*")):
    if file.is_file():
        size = file.stat().st_size + (1 if "changed" in file.name else 0)
        entries.append(Entry(file.relative_to(root / "in").as_posix(), file, None, False, size))
entries.append(Entry("gone", root / "gone", None, False, 3))
forks = []
fork = os.fork
os.fork = lambda: forks.append(1) or fork()
if how == "alone":
    seconds._may_fork = lambda: False
if how == "dies":
    first, read = os.getpid(), small._read
    small._read = lambda entries: os._exit(9) if os.getpid() != first and entries[0].path > "3" else read(entries)
left, told = [], []
digest = store_tree(
    LocalStore(root / how), entries, cut=True, leave=lambda entry, why: left.append((entry.path, why)),
    tell=lambda size, path, digest: told.append((size, path, digest)),
)
print(digest, left, told, len(forks) if how == "alone" else 1 - len(forks))
"""


def test_who_has_read_what_makes_no_difference(tmp_path: Path) -> None:
    """Alone, by two processes, and by one whose second dies: the same tree and packs, the same files told and left out, in the same order. Among them are
    equal and empty files, and such that have another size by now, are large, or are gone."""
    files = {f"{i % 10}/{i}": f"file {i // 2 * 2}".encode() * (i % 50) for i in range(200)}
    files |= {"4/large": os.urandom(300_000), "5/changed": b"other", "6/changed": b""}
    for name, data in files.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
    printed = {
        how: subprocess.run(
            [sys.executable, "-c", PROGRAM, str(tmp_path), how], check=True, capture_output=True, text=True, timeout=60
        ).stdout
        for how in ("alone", "by two", "dies")
    }
    assert len(set(printed.values())) == 1
    assert "'gone', 'No such file or directory'" in printed["alone"]
    stored = [sorted(LocalStore(tmp_path / how).digests()) for how in printed]
    assert stored[0] == stored[1] == stored[2]
    tree = read_tree(LocalStore(tmp_path / "by two"), printed["by two"].split()[0])
    assert {path: tree.read(path) for path in tree.files} == files


def test_small_files_that_must_be_read_come_in_lots_and_all_others_alone() -> None:
    """A lot ends where it is full, by files or bytes, and where another kind of file comes between."""
    entries = [Entry(str(n), f"at/{n}", None, False, 10) for n in range(small.LOT_FILES + 2)]
    entries += [
        Entry("known", "k", "sha256:" + "0" * 64, False, 10),
        Entry("unseen", "u"),
        Entry("large", "l", None, False, small.SMALL_BYTES),
        *(Entry(f"m{n}", "m", None, False, small.LOT_BYTES // 3 + 1) for n in range(3)),
    ]
    made = list(small.lots(entries))
    assert [(len(lot.entries), lot.small) for lot in made] == [
        (small.LOT_FILES, True), (2, True), (1, False), (1, False), (1, False), (2, True), (1, True),
    ]  # fmt: skip
    assert [entry for lot in made for entry in lot.entries] == entries


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_file_that_is_a_pipe_by_now_is_not_waited_for(tmp_path: Path) -> None:
    """It was a file when it was seen: it is left out with the reason, and the others are stored."""
    os.mkfifo(tmp_path / "a")
    (tmp_path / "b").write_bytes(b"b")
    left: list[str] = []
    store = LocalStore(tmp_path / "objects")
    entries = [Entry(name, tmp_path / name, None, False, 1) for name in ("a", "b")]
    digest = store_tree(store, entries, leave=lambda entry, why: left.append(f"{entry.path}: {why}"))
    assert (list(read_tree(store, digest).files), left) == (["b"], ["a: only regular files can be stored"])

"""Files and folders become versions."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.data.items.adding import add
from penstock.data.items.checkout import checkout
from penstock.data.items.state import states
from penstock.errors import BadParameter, SourceError
from penstock.objects.tree import read_tree
from penstock.project.workspace import Workspace

from .folders import contents, stored_bytes, table, write


def test_a_file_becomes_a_version_and_a_change_the_next_one(workspace: Workspace) -> None:
    """Number, message, size, who and when; a second add without a change is the same version."""
    file = write(workspace.root, {"data/t.csv": table(50_000)}) / "data/t.csv"
    first = add(workspace, file, message="as it came")
    assert (first.version.name, first.version.number, first.version.kind) == ("data/t.csv", 1, "file")
    assert (first.version.files, first.version.size_bytes) == (1, len(table(50_000)))
    assert first.version.message == "as it came"
    assert add(workspace, file).known
    os.utime(file)
    assert add(workspace, file).known, "touched, and the same"
    file.write_bytes(table(50_500))
    second = add(workspace, file)
    assert (second.version.number, second.known) == (2, False)
    assert [v.number for v in workspace.ledger.items.log("data/t.csv")] == [2, 1]
    assert [e.what for e in workspace.ledger.audit.events()] == ["add data", "add data"]


def test_the_same_bytes_under_another_name_are_said_to_be_there(workspace: Workspace) -> None:
    """Nothing is stored of them, whatever their file is called; other bytes of the same size are."""
    write(workspace.root, {"a.csv": table(5000), "b.csv": table(5000), "c.csv": bytes(reversed(table(5000)))})
    first = add(workspace, workspace.root / "a.csv")
    size = stored_bytes(workspace)
    for path, name in (("b.csv", None), ("a.csv", "again")):
        second = add(workspace, workspace.root / path, name=name)
        assert (second.known, second.same_as) == (False, first.version.reference)
        assert second.new_bytes < 2500, "the list of names"
        assert "stored already with a.csv@1" in second.to_text()
    assert stored_bytes(workspace) < size + 5000  # lists of files
    other = add(workspace, workspace.root / "c.csv")
    assert other.new_bytes > 5000
    assert other.same_as == ""


def test_appending_a_hundredth_stores_about_a_hundredth(workspace: Workspace) -> None:
    """Of a table of some megabytes; also rows put in near its beginning cost little."""
    file = write(workspace.root, {"t.csv": table(500_000)}) / "t.csv"
    add(workspace, file)
    before = stored_bytes(workspace)
    file.write_bytes(table(505_000))
    added = add(workspace, file)
    assert stored_bytes(workspace) - before == added.new_bytes < 0.02 * before
    file.write_bytes(table(1_000) + b"a new row\n" + table(504_000, 1_000))
    assert add(workspace, file).new_bytes < 0.04 * before


def test_a_folder_of_many_files_is_few_objects(workspace: Workspace) -> None:
    """Two thousand small files are a pack, a manifest and its parts; one change costs one file and the part that names it."""
    folder = write(workspace.root / "d", {f"{i % 7}/{i}.txt": f"file {i}".encode() * 20 for i in range(2000)})
    added = add(workspace, folder)
    assert (added.version.kind, added.version.files) == ("folder", 2000)
    stored = set(workspace.objects.digests())
    tree = read_tree(workspace.objects, added.version.digest)
    assert stored == tree.objects()
    assert len(tree.packs) == 1
    names = sum(workspace.objects.stat(digest).size_bytes for digest in (tree.digest, *tree.parts))
    assert names < 60 * 2000, "an entry costs little more than its digest"
    (folder / "3/3.txt").write_bytes(b"another")
    assert add(workspace, folder).new_bytes < names + 1000
    assert len(set(workspace.objects.digests()) - stored) == 3, "a pack, a part and the manifest"


def test_what_is_ignored_and_what_is_no_file_is_left_out(workspace: Workspace) -> None:
    """The ignore file counts, as Git's does; links are told; neither Git's folder nor our own is data."""
    folder = write(
        workspace.root / "d",
        {
            ".penstockignore": b"*.tmp\n/raw/\n!keep.tmp\n",
            "a.tmp": b"1",
            "keep.tmp": b"2",
            "raw/x": b"3",
            "in/raw/y": b"4",
            "in/.penstockignore": b"z*\n",
            "in/z": b"5",
            ".git/config": b"6",
            ".gitignore": b"*\n",
        },
    )
    (folder / "link").symlink_to("in/raw/y")
    added = add(workspace, folder)
    assert added.left_out == {"link": "it is a link"}
    checkout(workspace, "d", to=workspace.root / "out")
    kept = {".penstockignore", "keep.tmp", "in/raw/y", "in/.penstockignore", ".gitignore"}
    assert set(contents(workspace.root / "out")) == kept


def test_the_workspace_itself_can_be_an_item_under_a_name(workspace: Workspace) -> None:
    """Without the stores in it."""
    write(workspace.root, {"a": b"1"})
    with pytest.raises(BadParameter, match="--name"):
        add(workspace, workspace.root)
    assert add(workspace, workspace.root, name="all").version.files == 1
    assert add(workspace, workspace.root, name="all").known


def test_files_outside_of_the_workspace_have_their_own_name(workspace: Workspace, tmp_path: Path) -> None:
    """And their absolute place."""
    file = write(tmp_path / "elsewhere", {"x.bin": b"1"}) / "x.bin"
    version = add(workspace, file).version
    assert (version.name, version.place) == ("x.bin", str(file))
    file.write_bytes(b"2")
    checkout(workspace, "x.bin", force=True)
    assert file.read_bytes() == b"1"


@pytest.mark.parametrize("name", ["", "a@b", "a\nb", " a", "x" * 400])
def test_a_name_can_be_written_down_again(workspace: Workspace, name: str) -> None:
    """No empty name, none with a line break, none that looks like a version."""
    with pytest.raises(BadParameter, match="cannot be the name"):
        add(workspace, write(workspace.root, {"a": b"1"}) / "a", name=name)


def test_what_cannot_be_kept_is_told_and_nothing_is_recorded(workspace: Workspace) -> None:
    """Absent, a pipe, a name that is no UTF-8."""
    with pytest.raises(SourceError, match="there is no"):
        add(workspace, workspace.root / "absent")
    os.mkfifo(workspace.root / "pipe")
    with pytest.raises(SourceError, match="neither a file nor a folder"):
        add(workspace, workspace.root / "pipe")
    write(workspace.root / "d", {})
    with open(os.fsencode(workspace.root / "d") + b"/\xff", "wb") as file:
        file.write(b"1")
    with pytest.raises(SourceError, match="cannot be part"):
        add(workspace, workspace.root / "d")
    assert workspace.ledger.items.log() == []


def test_a_file_that_cannot_be_read_is_no_silent_gap(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named, and nothing is recorded."""
    folder = write(workspace.root / "d", {"a": b"1", "b": b"2"})
    real = os.open

    def refusing(path: str, *args: int, **more: int) -> int:
        if str(path).endswith("d/b"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *args, **more)

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(SourceError, match=r"(?s)'b' cannot be read.*Permission denied"):
        add(workspace, folder)
    assert workspace.ledger.items.log() == []


def test_an_empty_folder_and_an_empty_file_are_versions(workspace: Workspace) -> None:
    """Nothing is something to come back to."""
    assert add(workspace, write(workspace.root / "d", {})).version.files == 0
    assert add(workspace, write(workspace.root, {"e": b""}) / "e").version.size_bytes == 0
    assert states(workspace).exit_code == 0


def test_going_back_is_a_version_that_stores_nothing_but_its_list(workspace: Workspace) -> None:
    """The third version is the first one again; its bytes are there."""
    file = write(workspace.root, {"t": table(50_000)}) / "t"
    add(workspace, file)
    file.write_bytes(b"other" * 100_000)
    add(workspace, file)
    file.write_bytes(table(50_000))
    before = stored_bytes(workspace)
    again = add(workspace, file)
    assert again.version.number == 3
    assert stored_bytes(workspace) == before
    assert (again.same_as, again.new_bytes < 10_000) == ("t@1", True)


def test_progress_is_told(workspace: Workspace) -> None:
    """Files and bytes so far, and of all."""
    told: list[tuple[int, int, int, int]] = []
    add(workspace, write(workspace.root / "d", {"a": b"1", "b": b"22"}), tell=lambda *now: told.append(now))
    assert told == [(1, 1, 2, 3), (2, 3, 2, 3)]


names = st.sampled_from(["a", "b/c", "b/d", "e/f/g", "h.csv"])


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    versions=st.lists(st.dictionaries(names, st.binary(max_size=9) | st.just(table(20_000))), min_size=1, max_size=4)
)
def test_every_version_of_a_folder_comes_back_exactly(
    versions: list[dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever was there before it, in any order."""
    workspace = Workspace(tmp_path_factory.mktemp("work"))
    place = workspace.root / "d"
    numbers = {}
    for files in versions:
        for old in contents(place):
            (place / old).unlink()
        write(place, files)
        numbers[add(workspace, place).version.number] = files
    for number in sorted(numbers, reverse=True):
        checkout(workspace, f"d@{number}")
        assert contents(place) == numbers[number]


@pytest.mark.slow
def test_a_hundred_thousand_files_are_no_problem(workspace: Workspace) -> None:
    """Few objects, a list of 50 bytes per file, seconds of work; one change costs its part; all of it comes back."""
    folder = workspace.root / "d"
    for i in range(100_000):
        place = folder / str(i % 317)
        if i < 317:
            place.mkdir(parents=True)
        (place / f"{i:06}.txt").write_bytes(b"%d\n" % i)
    began = time.process_time()
    added = add(workspace, folder)
    assert time.process_time() - began < 30
    assert added.version.files == 100_000
    assert len(list(workspace.objects.digests())) < 150
    plain = sum(len(b"%d\n" % i) for i in range(100_000))
    assert stored_bytes(workspace) - plain < 60 * 100_000
    (folder / "3" / "000003.txt").write_bytes(b"another\n")
    assert add(workspace, folder).new_bytes < 500_000
    began = time.process_time()
    assert states(workspace).exit_code == 0
    assert time.process_time() - began < 10
    (folder / "5" / "000005.txt").unlink()
    assert states(workspace).items[0].removed == ("5/000005.txt",)
    done = checkout(workspace, "d@1")
    assert (done.written, done.kept) == (2, 99_998)
    assert (folder / "3" / "000003.txt").read_bytes() == b"3\n"
    assert (folder / "5" / "000005.txt").read_bytes() == b"5\n"


def test_personal_data_in_an_item_are_told_and_recorded_and_the_item_is_kept_as_it_is(workspace: Workspace) -> None:
    """By file, column and kind, never a value; what cannot be read as a table is kept without a word."""
    mails = [f"zqperson{i}@example.org" for i in range(60)]
    lines = "".join(f"{i},{mail}\n" for i, mail in enumerate(mails))
    letters = {f"d/letters/{i}.txt": f"Dear {mail}, thank you for your order".encode() for i, mail in enumerate(mails)}
    write(workspace.root, {"d/people.csv": f"n,contact\n{lines}".encode(), "d/broken.parquet": b"none", **letters})
    added = add(workspace, workspace.root / "d")
    assert [(hint.file, hint.column, hint.kind) for hint in added.personal] == [
        ("people.csv", "contact", "email"),
        ("", "", "email"),
    ]
    assert added.warnings[0].startswith("people.csv: what looks like personal data (contact: email)")
    checkout(workspace, "d@1", to=workspace.root / "again")
    assert contents(workspace.root / "d") == contents(workspace.root / "again")
    stored = workspace.ledger.items.newest("d")
    assert stored is not None
    (event,) = (e for e in workspace.ledger.audit.events() if e.what == "add data")
    assert event.details["personal"] == ["email"]
    said = f"{added.to_text()}{added.to_json()}{event.details}"
    assert not [mail for mail in mails if mail in said]
    write(workspace.root, {"plain/t.csv": table(500), "one.csv": f"n,contact\n{lines}".encode()})
    assert add(workspace, workspace.root / "plain").personal == ()
    assert [hint.column for hint in add(workspace, workspace.root / "one.csv").personal] == ["contact"]


def test_an_add_without_tables_loads_no_arrays(tmp_path: Path) -> None:
    """Small files are packed in a fraction of the time that numpy takes to load."""
    write(tmp_path, {f"d/{i}": b"%d" % i for i in range(20)})
    code = "import sys\nfrom penstock.cli.app import run\nrun(['data', 'add', 'd'])\nprint('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"

"""The source snapshot: what is taken, what is left out and why, and what it costs."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.experiments.capture.source import CACHE, Snapshot, snapshot
from penstock.experiments.capture.written import FILE as WRITTEN
from penstock.experiments.capture.written import Written
from penstock.objects.tree import read_tree
from penstock.project.workspace import Workspace

Write = Callable[..., None]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace without a repository."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    folder = tmp_path / "up" / "shop"
    folder.mkdir(parents=True)
    return folder


def write(root: Path, *names: str, text: str = "x = 1\n", age_s: float = 60) -> None:
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        os.utime(file, (time.time() - age_s,) * 2)


def taken(root: Path, target: Path | None = None) -> set[str]:
    workspace = Workspace(root)
    return set(read_tree(workspace.objects, snapshot(workspace, target).digest).files)


def left(shot: Snapshot) -> dict[str, str]:
    return {line["path"]: line["why"] for line in shot.left_out}


def test_code_configuration_and_text_are_taken(root: Path) -> None:
    """And nothing else: no data, no tools' leavings, nothing that is ignored."""
    write(
        root,
        "train.py",
        "conf/a.yaml",
        "README",
        "Makefile",
        "notes.md",
        "nb.ipynb",
        "pkg/__init__.py",
        "model.R",
        "own_data/make.py",
    )
    write(root, "data/a.csv", "model.pkl", "pic.png", "runs/events.out.tfevents.1.host", "x.log", "a.tar.gz")
    write(
        root,
        "__pycache__/a.pyc",
        ".venv/lib/x.py",
        "env2/pyvenv.cfg",
        "env2/x.py",
        "node_modules/a.js",
        "mlruns/0/meta.yaml",
    )
    write(root, "out/result.txt", text="y")
    write(root, ".gitignore", text="out/\n")
    assert taken(root) == {
        "train.py", "conf/a.yaml", "README", "Makefile", "notes.md", "nb.ipynb", "pkg/__init__.py", "model.R", "own_data/make.py", ".gitignore"
    }  # fmt: skip


def test_keys_and_passwords_are_never_taken(root: Path) -> None:
    """Not even where the declaration asks for them."""
    write(root, "penstock.toml", text='[run.source]\ninclude = ["*"]\n')
    write(
        root,
        "train.py",
        ".env",
        ".env.example",
        "id_rsa",
        "conf/credentials.json",
        "secrets.yaml",
        "a.pem",
        ".netrc",
        "secrets.py",
    )
    assert taken(root) == {"penstock.toml", "train.py", ".env.example", "secrets.py"}
    assert left(snapshot(Workspace(root)))[".env"] == "it looks like keys or passwords"


def test_the_declaration_takes_and_leaves(root: Path) -> None:
    """Also what is ignored, where it is named."""
    write(root, "penstock.toml", text='[run.source]\ninclude = ["tiny.csv", "gen/*.py"]\nexclude = ["drafts/"]\n')
    write(root, "train.py", "data/tiny.csv", "data/big.csv", "drafts/a.py", "gen/g.py")
    write(root, ".gitignore", text="gen/\n")
    assert taken(root) == {"penstock.toml", "train.py", "data/tiny.csv", "gen/g.py", ".gitignore"}
    assert left(snapshot(Workspace(root)))["drafts/a.py"] == "excluded by [run.source]"


def test_sizes_are_capped_and_the_script_is_always_taken(root: Path) -> None:
    """The largest stay out, and it is told."""
    write(root, "penstock.toml", text="[run.source]\nmax_file_bytes = 1000\nmax_bytes = 1500\n")
    write(root, "small.py", text="x" * 500)
    write(root, "middle.py", text="x" * 800)
    write(root, "large.py", text="x" * 5000)
    write(root, "train.csv", text="x" * 1200)
    assert taken(root) == {"penstock.toml", "small.py", "middle.py"}
    assert left(snapshot(Workspace(root))) == {
        "large.py": "larger than 1,000 bytes",
        "train.csv": "data, a model, a picture or an archive, by its name",
    }
    shot = snapshot(Workspace(root), root / "train.csv")
    assert "train.csv" in taken(root, root / "train.csv")
    assert left(shot)["middle.py"] == "all together are more than 1,500 bytes"


def test_a_script_outside_of_the_folder_is_taken(root: Path) -> None:
    """Under a name that leads nowhere else."""
    write(root, "a.py")
    write(root.parent, "other/train.py")
    assert taken(root, root.parent / "other" / "train.py") == {"a.py", "_outside/1/other/train.py"}
    assert taken(root, root / "gone.py") == {"a.py"}


def test_binary_files_and_odd_names_are_told(root: Path) -> None:
    """A file without an ending is looked into."""
    write(root, "train.py")
    (root / "blob").write_bytes(b"\x7fELF\0\0")
    (root / os.fsdecode(b"\xff.py")).write_text("x")
    (root / "away.py").symlink_to("/etc/hostname")
    (root / "inner.py").symlink_to("train.py")
    (root / "nowhere.py").symlink_to("gone.py")
    os.mkfifo(root / "pipe.py")
    shot = snapshot(Workspace(root))
    assert taken(root) == {"train.py", "inner.py"}
    assert left(shot) == {
        "blob": "binary",
        "\\udcff.py": "its name cannot be stored",
        "away.py": "a link that leads out of the folder",
    }


def test_many_files_of_one_folder_are_told_in_one_line(root: Path) -> None:
    """A folder of pictures does not drown the rest."""
    write(root, *(f"img/{i}.png" for i in range(50)), text="")
    assert snapshot(Workspace(root)).left_out == [
        {"path": "img/*.png", "why": "data, a model, a picture or an archive, by its name", "count": 50}
    ]


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_git_says_which_files_are_its_own(root: Path) -> None:
    """Tracked ones although they are ignored, new ones, and those of a repository within; deleted ones are gone."""
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    write(root, ".gitignore", text="*.txt\n")
    write(root, "train.py", "kept.txt", "gone.py")
    subprocess.run(["git", "add", "-f", "."], cwd=root, check=True)
    (root / "gone.py").unlink()
    write(root, "new.py", "ignored.txt", "lib/inner.py")
    subprocess.run(["git", "init", "-q"], cwd=root / "lib", check=True)
    assert taken(root) == {".gitignore", "train.py", "kept.txt", "new.py", "lib/inner.py"}


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_folder_that_its_repository_ignores_has_source_too(root: Path) -> None:
    """As a scratch folder within a repository."""
    subprocess.run(["git", "init", "-q"], cwd=root.parent, check=True)
    write(root.parent, ".gitignore", text="/shop/\n")
    write(root, "train.py")
    assert taken(root) == {"train.py"}


def test_the_same_files_are_the_same_snapshot(root: Path) -> None:
    """And going back to what was is too."""
    write(root, "a.py", "b.py")
    first = snapshot(Workspace(root))
    assert snapshot(Workspace(root)) == first
    write(root, "a.py", text="x = 2\n", age_s=30)
    second = snapshot(Workspace(root))
    assert second.content != first.content
    write(root, "a.py", age_s=20)
    assert snapshot(Workspace(root)).content == first.content


def test_a_file_that_has_just_changed_is_read_again(root: Path) -> None:
    """Two changes within one tick of the clock have the same time and size."""
    write(root, "a.py", text="x = 1\n", age_s=0)
    status = (root / "a.py").stat()
    first = snapshot(Workspace(root))
    (root / "a.py").write_text("x = 2\n")
    os.utime(root / "a.py", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert snapshot(Workspace(root)).content != first.content


@pytest.mark.parametrize("damage", [b"", b"{", b'{"format": 9}', b"[]"])
def test_a_damaged_cache_costs_time_only(root: Path, damage: bytes) -> None:
    """As a crash may leave it."""
    write(root, "a.py")
    first = snapshot(Workspace(root))
    (root / ".penstock" / CACHE).write_bytes(damage)
    assert snapshot(Workspace(root)) == first


def test_a_purged_store_is_filled_again(root: Path) -> None:
    """The cache believes nothing that the store does not have."""
    write(root, "a.py", "b.py")
    snapshot(Workspace(root))
    shutil.rmtree(root / ".penstock" / "objects")
    assert taken(root) == {"a.py", "b.py"}


def test_what_a_run_has_written_is_left_out_until_a_person_edits_it(root: Path) -> None:
    """By its content: another time of the same file tells nothing. What `[run.source]` includes is taken whoever wrote it."""
    write(root, "train.py", "out.txt", "sub/log.md", "helper.py")
    Written(Workspace(root)).remember({str(root / n): None for n in ("out.txt", "sub/log.md", "helper.py", "gone.txt")})
    shot = snapshot(Workspace(root))
    assert left(shot) == {"out.txt": "written by a run", "sub/log.md": "written by a run"}
    os.utime(root / "out.txt")
    shutil.copy(root / "sub/log.md", root / "copy")
    os.replace(root / "copy", root / "sub/log.md")
    assert taken(root) == {"train.py", "helper.py"}
    write(root, "out.txt", text="x = 2\n")
    assert taken(root) == {"train.py", "helper.py", "out.txt"}
    write(root, "penstock.toml", text='[run.source]\ninclude = ["sub/*"]\n')
    assert "sub/log.md" in taken(root)


def test_a_damaged_memory_of_written_files_takes_them_for_source(root: Path) -> None:
    write(root, "train.py", "a.txt", "b.txt")
    Written(Workspace(root)).remember({str(root / "a.txt"): None, str(root / "b.txt"): None})
    file = root / ".penstock" / WRITTEN
    file.write_bytes(file.read_bytes()[:-10] + b"\n[]\n7\n")
    assert taken(root) == {"train.py", "b.txt"}


def test_the_memory_of_written_files_does_not_grow_without_end(root: Path) -> None:
    write(root, "train.py", "a.txt")
    for number in range(1100):
        (root / "a.txt").write_text(str(number))
        Written(Workspace(root)).remember({str(root / "a.txt"): None})
    assert len((root / ".penstock" / WRITTEN).read_bytes().splitlines()) < 1100
    assert taken(root) == {"train.py"}


def test_five_thousand_written_files_cost_moments_of_cpu(root: Path) -> None:
    names = [f"out/{number}.txt" for number in range(5000)]
    write(root, "train.py", *names)
    begin = time.process_time()
    Written(Workspace(root)).remember({str(root / name): None for name in names})
    remembered = time.process_time()
    assert taken(root) == {"train.py"}
    assert remembered - begin < 3  # of CPU, whatever else runs here
    assert time.process_time() - remembered < 3


def test_five_thousand_files_take_moments_of_cpu(root: Path) -> None:
    """And no more where nothing has changed."""
    for i in range(5000):
        write(root, f"pkg{i % 50}/m{i}.py", text=f"x = {i}\n" * 50)
    times = []
    for _ in range(2):
        start = time.process_time()
        assert snapshot(Workspace(root)).files == 5000
        times.append(time.process_time() - start)
    assert max(times) < 3  # of CPU, whatever else runs here; the benchmark holds it to 1 s

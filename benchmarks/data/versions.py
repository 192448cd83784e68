"""What versions of data cost: a large file, many small ones, an append; beside hashing and copying, and beside DVC.

    python benchmarks/data/versions.py [--dvc PROGRAM] [--mb 1000] [--files 20000]

Prints a Markdown table. All of it runs in one process after the other, in a temporary folder; `--dvc` is the program of another environment.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from penstock.data.items.adding import add
from penstock.objects.files import atomic_file, copy_hashing
from penstock.project.workspace import Workspace


def main() -> None:
    """All scenarios."""
    words = argparse.ArgumentParser()
    words.add_argument("--dvc", help="program of DVC")
    words.add_argument("--mb", type=int, default=1000)
    words.add_argument("--files", type=int, default=20_000)
    asked = words.parse_args()
    print("| scenario | s | reference, s | ratio | to reach |\n|---|--:|--:|--:|---|")
    with tempfile.TemporaryDirectory(prefix="versions-") as folder:
        large(Path(folder, "large"), asked.mb)
        small(Path(folder, "small"), asked.files, asked.dvc)


def large(root: Path, mb: int) -> None:
    """A file of numbers as text; then 1 % more of it."""
    root.mkdir()
    file = root / "table.csv"
    block = os.urandom(1 << 19).hex().encode()
    lines = b"\n".join(block[i : i + 80] for i in range(0, len(block), 80))
    with file.open("wb") as opened:
        for i in range(mb):
            opened.write(b"%08d" % i + lines[8:])
    for _ in range(2):  # the first one warms the cache of the system
        began = time.perf_counter()
        with file.open("rb") as source, atomic_file(root / "copy") as target:
            copy_hashing(source, target)
        reference = time.perf_counter() - began
        (root / "copy").unlink()
    workspace = Workspace(root)
    began = time.perf_counter()
    first = add(workspace, file)
    took = time.perf_counter() - began
    print(f"| add of {mb} MB | {took:.2f} | hashing and copying: {reference:.2f} | {reference / took:.2f} | 0.7 |")
    with file.open("ab") as opened:
        for i in range(max(1, mb // 100)):
            opened.write(b"%08d" % (i + 10**6) + lines[8:])
    second = add(workspace, file)
    share = second.new_bytes / first.version.size_bytes
    print(f"| bytes stored for 1 % more | | | {share:.2%} | about 1 % |")


def small(root: Path, files: int, dvc: str | None) -> None:
    """Many small files: add, no-op status of a whole process, and DVC beside it."""
    root.mkdir()
    for i in range(files):
        place = root / "d" / str(i % 100)
        if i < 100:
            place.mkdir(parents=True)
        (place / str(i)).write_bytes(b"%d\n" % i * 100)
    time.sleep(2.5)
    penstock = [sys.executable, "-m", "penstock"]
    reference = None
    if dvc is not None:
        other = root / "dvc"
        other.mkdir()
        shutil.copytree(root / "d", other / "d")
        subprocess.run([dvc, "init", "--no-scm", "-q"], cwd=other, check=True)
        reference = timed([dvc, "add", "-q", "d"], other)
    took = timed([*penstock, "data", "add", "d"], root)
    shown = "" if reference is None else f"`dvc add`: {reference:.2f}"
    ratio = "" if reference is None else f"{reference / took:.1f}"
    print(f"| add of {files} small files | {took:.2f} | {shown} | {ratio} | 10 |")
    timed([*penstock, "data", "status"], root)
    bare = min(timed([sys.executable, "-c", "pass"], root) for _ in range(3))
    runs = [timed([*penstock, "data", "status"], root) for _ in range(5)]
    print(f"| status with nothing to tell | {min(runs):.2f} | bare `python`: {bare:.2f} | | 0.3 s |")


def timed(command: list[str], where: Path) -> float:
    began = time.perf_counter()
    subprocess.run(command, cwd=where, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()

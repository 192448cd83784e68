"""What versions of data cost: a large file, many small ones, data sets that grow; beside hashing and copying, and beside DVC.

    python benchmarks/data/versions.py [--dvc PROGRAM | --install-dvc] [--mb 1000] [--files 20000] [--rows 500000] [--data DIR]

Prints a Markdown table, with medians of runs that take turns with those of the reference, by the clock and in seconds of processors. All of it
runs in one process after the other, in a temporary folder; `--dvc` is the program of another environment, `--install-dvc` makes one with
`pip` in the folder that is removed at the end. `--data` holds kddcup99 (as `kddcup.data_10_percent.gz`, anywhere below).
"""

from __future__ import annotations

import argparse
import gzip
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from penstock.data.ingest import ingest
from penstock.data.items.adding import add
from penstock.data.sources.file import FileSource
from penstock.ledger.ledger import Ledger
from penstock.objects.files import atomic_file, copy_hashing
from penstock.objects.local import LocalStore
from penstock.objects.tabular import ReadOptions
from penstock.project.workspace import Workspace


def main() -> None:
    """All scenarios."""
    words = argparse.ArgumentParser()
    words.add_argument("--dvc", help="program of DVC")
    words.add_argument("--install-dvc", action="store_true")
    words.add_argument("--mb", type=int, default=1000, help="of the large file; 0: none")
    words.add_argument("--files", type=int, default=20_000, help="0: none")
    words.add_argument("--rows", type=int, default=500_000, help="of the data set that grows; 0: none")
    words.add_argument("--data", type=Path)
    asked = words.parse_args()
    print("| scenario | s (of processors) | reference, s (of processors) | ratio | to reach |\n|---|--:|--:|--:|---|")
    with tempfile.TemporaryDirectory(prefix="versions-") as folder:
        if asked.mb:
            large(Path(folder, "large"), asked.mb)
        if asked.rows:
            grown(Path(folder, "grown"), f"{asked.rows:,} rows of ten different numbers", _numbers(asked.rows))
        if asked.data:
            lines = gzip.decompress(next(asked.data.rglob("kddcup.data_10_percent.gz")).read_bytes()).splitlines(True)
            grown(Path(folder, "kdd"), f"kddcup99, {len(lines):,} rows, most of them repeated", lines)
        if asked.files:
            dvc = _dvc(Path(folder, "dvc")) if asked.install_dvc else asked.dvc
            small(Path(folder, "small"), asked.files, dvc)


def _dvc(place: Path) -> str:
    """The program of DVC, in an environment of its own."""
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    subprocess.run([place / "bin/python", "-m", "pip", "install", "-q", "dvc"], check=True)
    version = subprocess.run([place / "bin/dvc", "--version"], check=True, capture_output=True, text=True)
    print(f"DVC {version.stdout.strip()}", file=sys.stderr)
    return str(place / "bin/dvc")


def _numbers(rows: int) -> list[bytes]:
    """Lines of a table in which no number comes twice."""
    dice = np.random.default_rng(0)
    table = dice.normal(size=(rows, 10))
    return [b"%s,%d\n" % (b",".join(b"%.6f" % v for v in row), row[0] > 0) for row in table]


def grown(root: Path, name: str, lines: list[bytes]) -> None:
    """A data set, then the same table with 1 % more rows: new bytes of all objects, and seconds of the second reading of it."""
    root.mkdir()
    file, objects = root / "table.csv", LocalStore(root / "objects")
    before = int(len(lines) / 1.01)
    target = f"c{lines[0].count(b',') + 1}"
    stored: list[int] = []
    with Ledger.open(root / "ledger.db", objects) as ledger:
        for rows in (before, len(lines)):
            file.write_bytes(b"".join(lines[:rows]))
            with measured() as took:
                ingest(ledger, objects, source=FileSource(file, ReadOptions(header=False)), target=target)
            stored.append(sum(p.stat().st_size for p in (root / "objects").glob("??/*")))
    distinct = len(set(lines[before:]) - set(lines[:before])) / len(set(lines[:before]))
    share = stored[1] / stored[0] - 1
    of_file = (stored[1] - stored[0]) / file.stat().st_size
    told = f"{distinct:.2%} more different rows"
    print(
        f"| data set of {name}: 1 % more rows | {took} | {told} | {share:.2%} stored; {of_file:.2%} of the file | about 1 % |"
    )


def large(root: Path, mb: int) -> None:
    """A file of numbers as text; then 1 % more of it."""
    root.mkdir()
    file = root / "table.csv"
    block = os.urandom(1 << 19).hex().encode()
    lines = b"\n".join(block[i : i + 80] for i in range(0, len(block), 80))
    with file.open("wb") as opened:
        for i in range(mb):
            opened.write(b"%08d" % i + lines[8:])
    costs: list[tuple[Cost, Cost]] = []
    for number in range(
        4
    ):  # one after the other, as other work on the machine comes and goes; the first warms the cache of the system
        with measured() as reference, file.open("rb") as source, atomic_file(root / "copy") as target:
            copy_hashing(source, target)
        (root / "copy").unlink()
        shutil.rmtree(root / ".penstock", ignore_errors=True)
        workspace = Workspace(root)
        with measured() as took:
            first = add(workspace, file)
        if number:
            costs.append((took, reference))
    took, reference = middle([a for a, _ in costs]), middle([b for _, b in costs])
    ratio = statistics.median(b.wall_s / a.wall_s for a, b in costs)
    print(f"| add of {mb} MB | {took} | hashing and copying, durably: {reference} | {ratio:.2f} | 0.7 |")
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
    added: list[Cost] = []
    others: list[Cost] = []
    for number in range(3):
        shutil.rmtree(root / ".penstock", ignore_errors=True)
        added.append(timed([*penstock, "data", "add", "d"], root))
        if dvc is not None:
            other = root / f"dvc{number}"
            other.mkdir()
            shutil.copytree(root / "d", other / "d")
            subprocess.run([dvc, "init", "--no-scm", "-q"], cwd=other, check=True)
            others.append(timed([dvc, "add", "-q", "d"], other))
    shown = f"`dvc add`: {middle(others)}" if others else ""
    ratio = (
        f"{statistics.median(b.wall_s / a.wall_s for a, b in zip(added, others, strict=True)):.1f}" if others else ""
    )
    print(f"| add of {files} small files | {middle(added)} | {shown} | {ratio} | 10 |")
    plain = sum(p.stat().st_size for p in (root / "d").rglob("*") if p.is_file())
    stored = sum(p.stat().st_size for p in (root / ".penstock/objects").glob("??/*"))
    print(f"| bytes stored for each of these files beside its own | | | {(stored - plain) / files:.0f} | |")
    timed([*penstock, "data", "status"], root)
    runs, bare = [], []
    for _ in range(7):
        runs.append(timed([*penstock, "data", "status"], root))
        bare.append(timed([sys.executable, "-c", "pass"], root))
    print(f"| status with nothing to tell, whole process | {middle(runs)} | bare `python`: {middle(bare)} | | 0.3 s |")


class Cost:
    """What something took, in seconds: by the clock, and of processors (user and system, of this process and its children)."""

    def __init__(self) -> None:
        self.wall_s = -time.perf_counter()
        self.cpu_s = -_processors()

    def end(self) -> None:
        self.wall_s += time.perf_counter()
        self.cpu_s += _processors()

    def __str__(self) -> str:
        return f"{self.wall_s:.2f} ({self.cpu_s:.2f})"


@contextmanager
def measured() -> Iterator[Cost]:
    """What the block takes."""
    cost = Cost()
    yield cost
    cost.end()


def middle(costs: list[Cost]) -> Cost:
    """The one with the median time by the clock."""
    return sorted(costs, key=lambda cost: cost.wall_s)[len(costs) // 2]


def timed(command: list[str], where: Path) -> Cost:
    with measured() as cost:
        subprocess.run(command, cwd=where, check=True, stdout=subprocess.DEVNULL)
    return cost


def _processors() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main()

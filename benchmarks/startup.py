"""Start-up: what `import penstock`, `penstock --help` and a `penstock run` with nothing to do cost over a bare interpreter.

Each command runs many times, in turns, so that all see the same machine; the fastest run counts (Chen and Revels 2016, "Robust
benchmarking in noisy environments"), as wall and as processor time. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BARE = "python -c pass"
LIMITS_S = {"import penstock": 0.03, "penstock --help": 0.10, "penstock run, nothing to do": 0.50}
"""Over the bare interpreter, but for `run`, which is absolute."""


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package is compiled: so is this, by its first run
    python, penstock = sys.executable, str(Path(sys.executable).parent / "penstock")
    with tempfile.TemporaryDirectory() as scratch:
        project = make_project(Path(scratch))
        commands = {
            BARE: ([python, "-c", "pass"], None),
            "import penstock": ([python, "-c", "import penstock"], None),
            "penstock --help": ([penstock, "--help"], None),
            "penstock run, nothing to do": ([penstock, "run", "--budget", "2 trials"], project),
            "import mlflow": ([python, "-c", "import mlflow"], None),
        }
        if subprocess.run(commands["import mlflow"][0], capture_output=True, check=False).returncode:
            del commands["import mlflow"]
        best = {name: (float("inf"), float("inf")) for name in commands}
        for _ in range(repeats):
            for name, (command, folder) in commands.items():
                best[name] = tuple(map(min, best[name], once(command, folder)))  # type: ignore[assignment]
    print("| command | wall s | CPU s | over bare, wall s | limit s | |")
    print("|---|---|---|---|---|---|")
    for name, (wall, cpu) in best.items():
        over = wall - best[BARE][0]
        limit = LIMITS_S.get(name)
        judged = over if name != "penstock run, nothing to do" else wall
        verdict = "" if limit is None else ("met" if judged <= limit else "MISSED")
        print(f"| `{name}` | {wall:.3f} | {cpu:.3f} | {over:.3f} | {limit if limit else ''} | {verdict} |")


def once(command: list[str], folder: Path | None) -> tuple[float, float]:
    """Wall and processor seconds of one run."""
    before, start = os.times(), time.perf_counter()
    subprocess.run(command, cwd=folder, capture_output=True, check=True)
    wall, after = time.perf_counter() - start, os.times()
    return wall, after.children_user + after.children_system - before.children_user - before.children_system


def make_project(folder: Path) -> Path:
    """A project in which everything is known."""
    with (folder / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["x", "z", "y"])
        writer.writerows([i % 17, (i * 7) % 23, "yes" if (i % 17) * 2 > (i * 7) % 23 else "no"] for i in range(400))
    penstock = str(Path(sys.executable).parent / "penstock")
    subprocess.run(
        [penstock, "new", "p", "--data", "rows.csv", "--target", "y"], cwd=folder, capture_output=True, check=True
    )
    subprocess.run([penstock, "run", "--budget", "2 trials"], cwd=folder / "p", capture_output=True, check=True)
    return folder / "p"


if __name__ == "__main__":
    main()

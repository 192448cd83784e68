"""Experiments: what capturing costs, and how fast thousands of runs are listed, filtered and compared.

References are measured in the same run, in turns with what is measured; the fastest of the repeats counts. Prints Markdown tables.

    python benchmarks/experiments/run.py [--mlflow PYTHON]

`--mlflow` names an interpreter that has MLflow; without it that reference is left out and said so.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

SCALARS = 10_000
PENSTOCK = str(Path(sys.executable).parent / "penstock")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# An installed package is compiled. A checkout is by its first run, unless this is set: then every start compiles all of it again.

LOG_PENSTOCK = """
import sys, time
from penstock.project.workspace import Workspace
workspace = Workspace(sys.argv[1]); ledger = workspace.ledger
start = time.perf_counter()
with ledger.run("bench", project=workspace.name) as run:
    for i in range({n}):
        run.log(step=i, loss=i * 0.5)
print(time.perf_counter() - start)
"""
LOG_LINES = """
import json, sys, time
from pathlib import Path
start = time.perf_counter()
with (Path(sys.argv[1]) / "log.jsonl").open("a") as file:
    for i in range({n}):
        file.write(json.dumps({{"step": i, "loss": i * 0.5}}) + "\\n")
        file.flush()
print(time.perf_counter() - start)
"""
LOG_MLFLOW = """
import sys, time
import mlflow
mlflow.set_tracking_uri("sqlite:///" + sys.argv[1] + "/mlflow.db"); mlflow.set_experiment("bench")
start = time.perf_counter()
with mlflow.start_run():
    for i in range({n}):
        mlflow.log_metric("loss", i * 0.5, step=i)
print(time.perf_counter() - start)
"""
LOG_IN_SCRIPT = """
import penstock, time
start = time.perf_counter()
for i in range({n}):
    penstock.log(step=i, loss=i * 0.5)
print("logged in", time.perf_counter() - start, flush=True)
"""


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mlflow", help="an interpreter that has MLflow")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--only", help="comma-separated: logging,overhead,listing,snapshot,memory")
    chosen = parser.parse_args()
    parts: dict[str, Callable[[], None]] = {
        "logging": lambda: logging(chosen.mlflow, chosen.repeats),
        "overhead": lambda: overhead(chosen.repeats),
        "listing": lambda: listing(chosen.repeats),
        "snapshot": snapshot,
        "memory": memory,
    }
    for name in chosen.only.split(",") if chosen.only else parts:
        parts[name]()


def logging(mlflow: str | None, repeats: int) -> None:
    """10,000 scalars, one call each, run opened and closed included."""
    ways = {
        "JSON lines, a flush each": (sys.executable, LOG_LINES, SCALARS),
        "penstock": (sys.executable, LOG_PENSTOCK, SCALARS),
    }
    if mlflow:
        ways["MLflow on SQLite"] = (mlflow, LOG_MLFLOW, SCALARS // 10)
    best = dict.fromkeys(ways, float("inf"))
    for turn in range(repeats):
        for name, (python, code, n) in ways.items():
            if name.startswith("MLflow") and turn:
                continue
            with tempfile.TemporaryDirectory() as folder:
                seconds = float(output([python, "-c", code.format(n=n), folder], Path(folder)).split()[-1])
            best[name] = min(best[name], seconds * SCALARS / n)
    lines = best["JSON lines, a flush each"]
    print(
        f"\n### {SCALARS:,} scalars, one call each, the run opened and closed\n\n| | s | ratio | to reach |\n|---|--:|--:|---|"
    )
    for name, seconds in best.items():
        reach = {"penstock": "2 x the JSON lines"}.get(name, "")
        if name.startswith("MLflow"):
            reach = f"100 x Penstock: {seconds / best['penstock']:.0f} x (one run of {SCALARS // 10:,}, times 10)"
        print(f"| {name} | {seconds:.4f} | {seconds / lines:.2f} | {reach} |")
    if not mlflow:
        print("\nMLflow: not measured (no --mlflow).")


def overhead(repeats: int) -> None:
    """`penstock run` of a script that does nothing, over python itself, in turns: fastest, median and processor time."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "empty.py").write_text("pass\n")
        (folder / "log.py").write_text(LOG_IN_SCRIPT.format(n=SCALARS))
        ways = {
            "python empty.py": [sys.executable, "empty.py"],
            "penstock run -y empty.py": [PENSTOCK, "run", "-y", "empty.py"],
        }
        took: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for turn in range(repeats * 3 + 1):
            for name, command in ways.items():
                before, start = os.times(), time.perf_counter()
                output(command, folder)
                wall, after = time.perf_counter() - start, os.times()
                cpu = sum(after[2:4]) - sum(before[2:4])
                if turn:  # the first makes the ledger, and compiles what was not compiled
                    took[name].append((wall, cpu))
        print("\n### A script that does nothing\n")
        print("| | fastest, s | over python, s | median, s | over python, s | CPU, s | to reach |")
        print("|---|--:|--:|--:|--:|--:|---|")
        told = {
            name: (min(w for w, _ in all_), statistics.median(w for w, _ in all_), min(c for _, c in all_))
            for name, all_ in took.items()
        }
        bare = told["python empty.py"]
        for name, (fastest, median, cpu) in told.items():
            over = f"{fastest:.3f} | {fastest - bare[0]:.3f} | {median:.3f} | {median - bare[1]:.3f} | {cpu:.2f}"
            print(f"| `{name}` | {over} | {'0.15 over python' if name.startswith('penstock') else ''} |")
        told_log = output([PENSTOCK, "run", "-y", "log.py"], folder)
        print(
            f"\n`penstock.log` in a script, {SCALARS:,} calls: {float(told_log.split('logged in')[1].split()[0]):.3f} s"
        )


def listing(repeats: int) -> None:
    """`runs` with a filter over 10,000 runs; `compare` of 500."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "train.py").write_text("lr = 0.1\nprint('loss:', lr)\n")
        output([PENSTOCK, "run", "-y", "train.py"], folder)
        fill(folder, 9_999)
        ways = {
            'penstock runs --filter "status=done and lr<0.1"': (
                [PENSTOCK, "runs", "--filter", "status=done and lr<0.1"],
                "0.3",
            ),
            "penstock runs (all defaults)": ([PENSTOCK, "runs"], "0.3"),
            'penstock compare --filter "lr<0.05" (500 runs)': (
                [PENSTOCK, "compare", "--filter", "operation=bench and lr<0.05", "--limit", "500"],
                "1",
            ),
        }
        best = dict.fromkeys(ways, float("inf"))
        for _ in range(repeats):
            for name, (command, _) in ways.items():
                start = time.perf_counter()
                output(command, folder)
                best[name] = min(best[name], time.perf_counter() - start)
        print("\n### 10,000 runs\n\n| whole process | wall s | to reach |\n|---|--:|--:|")
        for name, seconds in best.items():
            print(f"| `{name}` | {seconds:.3f} | {ways[name][1]} |")


def fill(folder: Path, n: int) -> None:
    """Record runs through the ledger, each with flags, metrics and a curve's summary."""
    from penstock.project.workspace import Workspace

    workspace = Workspace(folder)
    ledger, rng = workspace.ledger, random.Random(0)
    for i in range(n):
        lr = rng.random()
        identifier = ledger.begin(
            "bench",
            project=workspace.name,
            params={"lr": lr, "epochs": i % 30, "optimizer": rng.choice(["sgd", "adam"])},
        )
        ledger.set_metrics(identifier, {"loss": lr * 2 + rng.random(), "accuracy": rng.random()})
        ledger.end(identifier, status="done" if i % 10 else "failed")


def snapshot() -> None:
    """A source tree of 5,000 files: the first run that takes it, and the next."""
    from penstock.experiments.capture.source import snapshot as take
    from penstock.project.workspace import Workspace

    with tempfile.TemporaryDirectory() as scratch:
        folder, rng = Path(scratch), random.Random(0)
        for i in range(5_000):
            file = folder / f"pkg{i // 100}" / f"module_{i}.py"
            file.parent.mkdir(exist_ok=True)
            file.write_text("".join(f"value_{j} = {rng.random()}\n" for j in range(80)))
        workspace = Workspace(folder)
        workspace.ledger  # noqa: B018 - opens it
        took = []
        for change in (None, None, "pkg0/module_1.py"):
            if change:
                (folder / change).write_text("changed = True\n")
            start = time.perf_counter()
            taken = take(workspace)
            took.append(time.perf_counter() - start)
        size = sum(f.stat().st_size for f in folder.rglob("*.py"))
        shutil.rmtree(folder / ".penstock")
        print(f"\n### A snapshot of {taken.files:,} files, {size / 1e6:.0f} MB\n\n| | s | to reach |\n|---|--:|--:|")
        for name, seconds in zip(("first", "nothing changed", "one file changed"), took, strict=True):
            print(f"| {name} | {seconds:.3f} | 1 |")


def memory() -> None:
    """Resident memory of a run that logs 10^6 scalars, and of the parent that reads them."""
    code = """
import json, resource, sys
from penstock.project.workspace import Workspace
workspace = Workspace(sys.argv[1]); ledger = workspace.ledger
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
with ledger.run("bench", project=workspace.name) as run:
    for i in range(1_000_000):
        run.log(step=i, loss=i * 0.5)
        if i == 10_000:
            early = peak()
late = peak()
print(json.dumps([early, late]))
"""
    with tempfile.TemporaryDirectory() as scratch:
        early, late = json.loads(output([sys.executable, "-c", code, scratch], Path(scratch)).splitlines()[-1])
        (Path(scratch) / "log.py").write_text(LOG_IN_SCRIPT.format(n=1_000_000))
        before = os.times()
        process = subprocess.Popen(
            [PENSTOCK, "run", "-y", "log.py"], cwd=scratch, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        process.communicate()
        del before
        shown = json.loads(output([PENSTOCK, "runs", "--json", "--limit", "1"], Path(scratch)))["runs"][0]
        cost = json.loads(output([PENSTOCK, "show", shown["id"], "--json"], Path(scratch)))["cost"]
    print("\n### Memory over 10^6 scalars\n\n| | MB |\n|---|--:|")
    print(f"| in the process that logs, after 10^4 | {early:.0f} |\n| after 10^6, the run closed | {late:.0f} |")
    print(f"| of `penstock run` of a script that logs 10^6 (highest) | {cost['peak_memory_bytes'] / 2**20:.0f} |")


def output(command: list[str], folder: Path) -> str:
    """What a command printed; it must have ended well."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise SystemExit(f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()

"""What answering together gains: the same server with and without micro-batching, on models whose execution costs little and much.

``python benchmarks/serving/batching.py`` prints a Markdown table. One row of 20 numbers a request, everything on (journal, metrics, checks,
ids, novelty); `[serving.batching] max_rows` 64, as usual, against 1. The two servers take turns, over 32 connections that ask without a
pause and over one, where nobody ever waits and nothing can be answered together: there it must not be slower. The best of the rounds counts.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from load import ask
from run import write_benchmark_bundle

from penstock.bundle.runtime import Bundle
from penstock.serving.switching import fill_and_switch

TICKS = os.sysconf("SC_CLK_TCK")
MANY, ONE = 32, 1
BESIDE = (1, 64)


@dataclass
class Figures:
    """The best of the rounds."""

    per_s: float = 0.0
    cpu_us: float = float("inf")
    p50_ms: float = float("inf")


@dataclass
class Server:
    """One server; `figures` by the number of connections."""

    state_dir: Path
    max_rows: int
    figures: dict[int, Figures] = field(default_factory=lambda: {MANY: Figures(), ONE: Figures()})

    def __post_init__(self) -> None:
        settings = json.dumps({"batching": {"max_rows": self.max_rows}})
        command = [sys.executable, "-m", "penstock.serving.server", str(self.state_dir), "--port", "0"]
        self._process = subprocess.Popen([*command, "--settings", settings], stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._port = int(json.loads(self._process.stdout.readline())["address"].rpartition(":")[2])

    def round(self, body: bytes, connections: int, seconds: float) -> None:
        before = self._cpu_s()
        told = ask(self._port, body, seconds, connections)
        if told.refused or told.broken:
            raise SystemExit(f"refused {told.refused}, broken {told.broken}")
        answered, best = len(told.took), self.figures[connections]
        best.per_s = max(best.per_s, answered / seconds)
        best.cpu_us = min(best.cpu_us, (self._cpu_s() - before) / answered * 1e6)
        best.p50_ms = min(best.p50_ms, statistics.median(told.took) * 1000)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)

    def _cpu_s(self) -> float:
        stat = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / TICKS


def measured(trees: int, seconds: float, rounds: int) -> dict[int, Server]:
    """Both servers of a model with so many trees, by `max_rows`."""
    with tempfile.TemporaryDirectory() as scratch:
        bundle = Bundle.load(write_benchmark_bundle(Path(scratch) / "bundle", trees))
        body = json.dumps({"rows": json.loads(bundle.read("examples.json"))["rows"]}).encode()
        servers = {}
        for max_rows in BESIDE:
            state_dir = Path(scratch) / f"serving-{max_rows}"
            fill_and_switch(state_dir, bundle.folder, model="benchmark", version=1, digest=bundle.digest)
            servers[max_rows] = Server(state_dir, max_rows)
        for server in servers.values():
            server.round(body, MANY, 1.0)
            server.figures = {MANY: Figures(), ONE: Figures()}
        for _ in range(rounds):
            for connections in (MANY, ONE):
                for server in servers.values():
                    server.round(body, connections, seconds)
        for server in servers.values():
            server.stop()
    return servers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trees", type=int, nargs="+", default=[200, 1000, 4000])
    options = parser.parse_args()
    print(f"load of the machine: {os.getloadavg()[0]:.1f}\n")
    print(
        "| trees | connections | requests/s, alone | together | ratio | CPU per request, us, alone | together | ratio | p50, ms, alone | together |"
    )
    print("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for trees in options.trees:
        servers = measured(trees, options.seconds, options.rounds)
        for connections in (MANY, ONE):
            alone, together = (servers[max_rows].figures[connections] for max_rows in BESIDE)
            print(
                f"| {trees:,} | {connections} | {alone.per_s:,.0f} | {together.per_s:,.0f} | {together.per_s / alone.per_s:.2f} "
                f"| {alone.cpu_us:.0f} | {together.cpu_us:.0f} | {together.cpu_us / alone.cpu_us:.2f} "
                f"| {alone.p50_ms:.2f} | {together.p50_ms:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

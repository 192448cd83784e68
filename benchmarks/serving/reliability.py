"""A server under load while its workers are killed, versions switch, its journal is at its limit, and for a million requests.

``python benchmarks/serving/reliability.py [--minutes 2]`` prints what it found and ends with 1 where a promise was not kept. One row of 20 numbers,
LightGBM with 100 trees (`--trees`), everything on; the clients share the cores with the server. Four parts, which ``--only`` picks from:

kill    load held at 80 % of the highest rate, `kill -9` of a worker each 10 s: every acknowledged prediction is in the journal exactly once
switch  full load, a deploy or rollback each 2 s in every other stretch: nothing fails; p99.9 against that of the stretches without
quota   a journal that may have 20 MB, under full load: how large it ever is
memory  a million requests: resident memory of a worker before and after
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from penstock.bundle.runtime import Bundle
from penstock.serving.acknowledgements import STARTING, wait_for_epoch, workers
from penstock.serving.journal import read
from penstock.serving.segments import ReadReport, segments
from penstock.serving.switching import fill_and_switch, switch_back

HERE = Path(__file__).parent
LIMIT = 20_000_000
"""Of the journal, in the part `quota`: bytes."""


class Bench:
    """A serving folder, a body to ask with, and what is found."""

    def __init__(self, scratch: Path, connections: int, trees: int) -> None:
        sys.path.insert(0, str(HERE))
        from run import write_benchmark_bundle

        self.scratch, self.connections = scratch, connections
        self.bundles = [write_benchmark_bundle(scratch / f"bundle-{n}", trees, seed=n) for n in (0, 1)]
        self.digests = [Bundle.load(folder).digest for folder in self.bundles]
        rows = json.loads(Bundle.load(self.bundles[0]).read("examples.json"))["rows"]
        self.body = scratch / "body.json"
        self.body.write_text(json.dumps({"rows": rows}), encoding="utf-8")
        self.failed: list[str] = []
        self.count = 0

    def fresh(self) -> Path:
        """A serving folder of its own, with the first bundle live."""
        self.count += 1
        state_dir = self.scratch / f"serving-{self.count}"
        fill_and_switch(state_dir, self.bundles[0], model="benchmark", version=1, digest=self.digests[0])
        return state_dir

    @contextmanager
    def serving(self, state_dir: Path, *options: str) -> Iterator[int]:
        """A server; gives its port."""
        command = [sys.executable, "-m", "penstock.serving.server", str(state_dir), "--port", "0", *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        try:
            yield int(json.loads(process.stdout.readline())["address"].rpartition(":")[2])
        finally:
            process.terminate()
            process.wait(60)

    def load(self, port: int, seconds: float, rate: float | None = None) -> Load:
        return Load(self, port, seconds, rate)

    def promise(self, kept: bool, what: str) -> None:
        print(f"  {'kept' if kept else 'BROKEN'}: {what}", flush=True)
        if not kept:
            self.failed.append(what)


class Load:
    """Clients in a process of their own, which ask for so long."""

    def __init__(self, bench: Bench, port: int, seconds: float, rate: float | None) -> None:
        bench.count += 1
        self._out = bench.scratch / f"told-{bench.count}.json"
        command = [sys.executable, str(HERE / "load.py"), str(port), str(bench.body), str(self._out)]
        command += ["--seconds", str(seconds), "--connections", str(bench.connections)]
        self._process = subprocess.Popen(command + ([] if rate is None else ["--rate", str(rate)]))

    @property
    def goes_on(self) -> bool:
        return self._process.poll() is None

    def told(self) -> dict[str, Any]:
        if self._process.wait() != 0:
            raise SystemExit("the clients failed")
        told: dict[str, Any] = json.loads(self._out.read_text(encoding="utf-8"))
        return told


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def kill(bench: Bench, minutes: float) -> None:
    """Workers are killed under load."""
    state_dir = bench.fresh()
    with bench.serving(state_dir, "--workers", "2") as port:
        highest = len(bench.load(port, 8).told()["at"]) / 8
        rate, seconds = 0.8 * highest, minutes * 60
        print(f"kill: highest rate {highest:,.0f}/s; {rate:,.0f}/s held for {seconds:.0f} s with kill -9 each 10 s")
        load, kills, next_kill = bench.load(port, seconds, rate), 0, time.monotonic() + 5
        while load.goes_on:
            time.sleep(0.1)
            if time.monotonic() >= next_kill:
                alive = [worker.pid for worker in workers(state_dir) if worker.epoch != STARTING]
                if alive:
                    os.kill(alive[kills % len(alive)], signal.SIGKILL)
                    kills += 1
                next_kill += 10
        told = load.told()
    report = ReadReport()
    found = Counter(a["id"] for r in read(state_dir / "journal", kinds=["predict"], report=report) for a in r.answers)
    lost = [one for one in told["ids"] if found[one] == 0]
    double = [one for one, times in found.items() if times > 1]
    took = told["took"]
    print(
        f"  {len(took):,} answers ({len(took) / seconds:,.0f}/s), {kills} kills, {told['broken']} requests broken off unanswered, "
        f"{report.torn_tails} torn tails; p50 {quantile(took, 0.5) * 1e3:.1f} ms, p99 {quantile(took, 0.99) * 1e3:.1f} ms"
    )
    bench.promise(not lost and not double, f"{len(lost)} acknowledged predictions lost, {len(double)} journalled twice")
    bench.promise(not told["refused"], f"refused: {told['refused'] or 'none'}")
    bench.promise(report.skipped == 0, f"{report.skipped} damaged stretches in the journal")


def switch(bench: Bench, stretches: int) -> None:
    """Versions switch under full load: every other stretch has a deploy and a rollback each 2 s."""
    state_dir = bench.fresh()
    calm: list[float] = []
    before: list[float] = []
    busy: list[float] = []
    ratios: list[float] = []
    failed = broken = switches = 0
    with bench.serving(state_dir, "--workers", "2") as port:
        bench.load(port, 3).told()
        for stretch in range(2 * stretches):
            load = bench.load(port, 8)
            time.sleep(1)
            while stretch % 2 and load.goes_on:
                number = switches % 2
                if switches % 4 < 2:  # a bundle that no worker has loaded, then one that all have
                    folder, digest = bench.bundles[1 - number], bench.digests[1 - number]
                    state = fill_and_switch(state_dir, folder, model="benchmark", version=2 + switches, digest=digest)
                else:
                    state = switch_back(state_dir)
                wait_for_epoch(state_dir, state.epoch)
                switches += 1
                time.sleep(2)
            told = load.told()
            (busy if stretch % 2 else calm).extend(told["took"])
            if stretch % 2:
                ratios.append(quantile(told["took"], 0.999) / quantile(before, 0.999))
            before = told["took"]
            failed += sum(told["refused"].values())
            broken += told["broken"]
    print(f"switch: {switches} switches under full load, {len(calm):,} answers without and {len(busy):,} with")
    for name, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)):
        print(f"  {name}: {quantile(calm, share) * 1e3:.2f} ms without, {quantile(busy, share) * 1e3:.2f} ms with")
    ratio = quantile(busy, 0.999) / quantile(calm, 0.999)
    bench.promise(failed == broken == 0, f"{failed} refused, {broken} broken off")
    bench.promise(
        ratio <= 1.5, f"p99.9 is {ratio:.2f} times as long (pair by pair: median {statistics.median(ratios):.2f})"
    )


def quota(bench: Bench, seconds: float) -> None:
    """The journal may not outgrow its limit."""
    state_dir = bench.fresh()
    settings = json.dumps({"journal": {"max_bytes": LIMIT}})
    largest = written = 0
    with bench.serving(state_dir, "--workers", "2", "--settings", settings) as port:
        load = bench.load(port, seconds)
        while load.goes_on:
            sizes = []
            for _, path in segments(state_dir / "journal"):
                try:
                    sizes.append(path.stat().st_size)
                except FileNotFoundError:
                    continue
            largest = max(largest, sum(sizes))
            time.sleep(0.02)
        told = load.told()
        written = int(_metric(port, "penstock_journal_bytes_total"))
    print(f"quota: {len(told['at']):,} answers, {written / 1e6:.0f} MB written under a limit of {LIMIT / 1e6:.0f} MB")
    bench.promise(largest <= LIMIT + 4_000, f"at most {largest / 1e6:.2f} MB at any look")
    bench.promise(not told["refused"], f"refused: {told['refused'] or 'none'}")


def memory(bench: Bench, requests: int) -> None:
    """One worker, a million requests."""
    state_dir = bench.fresh()
    settings = json.dumps({"journal": {"max_bytes": 200_000_000}})
    with bench.serving(state_dir, "--settings", settings) as port:
        (worker,) = workers(state_dir)
        marks: list[tuple[int, float]] = []
        done, step = 0, max(1, requests // 20)
        start = time.monotonic()
        while done < requests:
            _pipelined(port, bench.body.read_bytes(), step)
            done += step
            marks.append((done, _rss_mb(worker.pid)))
        seconds = time.monotonic() - start
    first = marks[1][1]  # the first twentieth warms up
    print(
        f"memory: {done:,} requests in {seconds:.0f} s; resident {', '.join(f'{mb:.1f}' for _, mb in marks[1::3])} MB"
    )
    grown = max(mb for _, mb in marks[1:]) - first
    bench.promise(grown <= 5, f"{grown:+.1f} MB at most after the first tenth")


def _pipelined(port: int, body: bytes, requests: int, at_once: int = 50) -> None:
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    burst = (head % len(body) + body) * at_once
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for _ in range(requests // at_once):
            sender = threading.Thread(target=connection.sendall, args=(burst,))
            sender.start()
            seen, tail = 0, b""
            while seen < at_once:
                chunk = tail + connection.recv(262_144)
                seen += chunk.count(b"HTTP/1.1 200 ")
                tail = chunk[-12:]
                if b"HTTP/1.1 5" in chunk:
                    raise SystemExit("the server refused a request")
            while not chunk.endswith(b"]}"):
                chunk = connection.recv(262_144)
            sender.join()


def _rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def _metric(port: int, name: str) -> float:
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as reply:
        text = reply.read().decode()
    return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name} "))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=["kill", "switch", "quota", "memory"])
    parser.add_argument("--minutes", type=float, default=2.0, help="of the part kill")
    parser.add_argument("--stretches", type=int, default=4, help="of the part switch: pairs of 8 s")
    parser.add_argument("--requests", type=int, default=1_000_000, help="of the part memory")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--trees", type=int, default=100, help="of the model")
    options = parser.parse_args()
    parts = options.only or ["kill", "switch", "quota", "memory"]
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(Path(scratch), options.connections, options.trees)
        print(f"{os.cpu_count()} cores, load of the machine before: {os.getloadavg()[0]:.1f}")
        if "kill" in parts:
            kill(bench, options.minutes)
        if "switch" in parts:
            switch(bench, options.stretches)
        if "quota" in parts:
            quota(bench, 30)
        if "memory" in parts:
            memory(bench, options.requests)
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""CPU per request of `penstock serve` with everything on, against a bare ASGI callable that runs the same graph.

``python benchmarks/serving/run.py`` prints a Markdown table. One row of 20 numbers; LightGBM with 100 trees and the
novelty forest in the graph; journal, metrics, checks and ids are on. The two servers take turns, and the least of the
rounds counts, so that another job on the machine disturbs both alike. The ratio is what is promised; microseconds belong to
the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from penstock.bundle.decoder import Decoder
from penstock.bundle.format import write_bundle
from penstock.bundle.frame import Frame
from penstock.bundle.kinds import Kind, Task
from penstock.bundle.packing import Layout
from penstock.bundle.runtime import Bundle
from penstock.bundle.signature import DecisionRule, InputColumn, Signature
from penstock.bundle.specs import ColumnSpec, TargetSpec
from penstock.objects.digests import canonical_json
from penstock.serving.switching import fill_and_switch

COLUMNS = 20
TICKS = os.sysconf("SC_CLK_TCK")


def write_benchmark_bundle(folder: Path, trees: int = 100, *, seed: int = 0) -> Path:
    """LightGBM on 20 numbers, with its novelty forest and decision rule, as a deployed bundle has them."""
    import lightgbm
    import spox
    import spox.opset.ai.onnx.v21 as op

    from penstock.learning.trees import from_lightgbm
    from penstock.packaging.answer import answer_graph
    from penstock.packaging.novelty import fit_novelty

    rng = np.random.default_rng(seed)
    X = rng.normal(size=(5000, COLUMNS))
    y = (X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=5000) > 0).astype(int)
    settings = {"objective": "binary", "num_leaves": 31, "verbosity": -1, "num_threads": 1, "seed": 0}
    booster = lightgbm.train(settings, lightgbm.Dataset(X, y), num_boost_round=trees)
    specs = tuple(ColumnSpec(f"number_{i}", Kind.NUMERIC) for i in range(COLUMNS))
    layout = Layout.of(specs)
    x = spox.argument(spox.Tensor(np.float32, ("n", COLUMNS)))
    positive = op.sigmoid(from_lightgbm(booster.model_to_string(), 1).emit(x))  # (n, 1)
    shares = op.concat([op.sub(op.const(np.float32(1)), positive), positive], axis=1)
    model = spox.build({"numbers": x}, {"probabilities": shares}).SerializeToString()
    frame = Frame({s.name: X[:, i] for i, s in enumerate(specs)}, {s.name: Kind.NUMERIC for s in specs})
    novelty = fit_novelty(frame, layout, seed=0)
    rule = DecisionRule(threshold=0.5, novelty_limit=float(novelty.limit))
    target = TargetSpec("y", Task.BINARY, ("no", "yes"))
    signature = Signature(
        "benchmark", Task.BINARY, target, layout,
        tuple(InputColumn(s.name, Kind.NUMERIC, float(X[0, i])) for i, s in enumerate(specs)), decision=rule,
    )  # fmt: skip
    row = {s.name: float(X[0, i]) for i, s in enumerate(specs)}
    files = {
        "decoder.json": canonical_json(Decoder(specs, target).to_json()),
        "signature.json": canonical_json(signature.to_json()),
        "graph.onnx": answer_graph(model, layout, Task.BINARY, novelty, rule),
        "examples.json": canonical_json({"format": 1, "rows": [], "answers": []}),
        "reference.json": canonical_json({"format": 1}),
        "card.json": canonical_json({"format": 1}),
        "card.md": b"",
    }
    draft = folder.with_name(folder.name + "-draft")
    write_bundle(draft, files, audit_head="")
    files["examples.json"] = canonical_json({"format": 1, "rows": [row], "answers": Bundle.load(draft).predict([row])})
    write_bundle(folder, files, audit_head="")
    return folder


class Contender:
    """A server process and the connections on which it is asked."""

    def __init__(self, name: str, command: list[str], body: bytes, connections: int) -> None:
        self.name = name
        started = time.perf_counter()
        self._process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._port = int(json.loads(self._process.stdout.readline())["address"].rpartition(":")[2])
        self.ready_s = time.perf_counter() - started
        self.rss_mb = self._rss_mb()
        head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self._request = head % len(body) + body
        self._connections = [socket.create_connection(("127.0.0.1", self._port)) for _ in range(connections)]
        for connection in self._connections:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.best_us = float("inf")

    def round(self, requests: int) -> None:
        """Ask so often; remember the CPU per request where it was the least."""
        before = self._cpu_s()
        for _ in range(requests // len(self._connections)):
            for connection in self._connections:
                connection.sendall(self._request)
            for connection in self._connections:
                self._read(connection)
        asked = requests // len(self._connections) * len(self._connections)
        self.best_us = min(self.best_us, (self._cpu_s() - before) / asked * 1e6)

    def stop(self) -> None:
        for connection in self._connections:
            connection.close()
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)

    def _read(self, connection: socket.socket) -> None:
        reply = connection.recv(65536)
        while b"\r\n\r\n" not in reply:
            reply += connection.recv(65536)
        head, _, body = reply.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"{self.name} answered {reply!r}")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(body) < length:
            body += connection.recv(65536)

    def _cpu_s(self) -> float:
        """User and system time of the process and its threads."""
        stat = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / TICKS

    def _rss_mb(self) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000, help="per round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_benchmark_bundle(Path(scratch) / "bundle")
        bundle = Bundle.load(folder)
        state_dir = Path(scratch) / "serving"
        fill_and_switch(state_dir, folder, model="benchmark", version=1, digest=bundle.digest)
        rows = json.loads(bundle.read("examples.json"))["rows"]
        body = json.dumps({"rows": rows}).encode()
        here = Path(__file__).parent
        reference = Contender("bare ASGI", [str(here / "reference.py"), str(folder)], body, options.connections)
        penstock = Contender(
            "penstock serve",
            ["-m", "penstock.serving.server", str(state_dir), "--port", "0"],
            body,
            options.connections,
        )
        for contender in (reference, penstock):
            contender.round(2_000)
            contender.best_us = float("inf")
        for _ in range(options.rounds):
            reference.round(options.requests)
            penstock.round(options.requests)
        for contender in (reference, penstock):
            contender.stop()
    print("| server | CPU per request (us) | ratio | ready (s) | resident when ready (MB) |")
    print("|---|---|---|---|---|")
    for c in (reference, penstock):
        ratio = c.best_us / reference.best_us
        print(f"| {c.name} | {c.best_us:.1f} | {ratio:.2f} | {c.ready_s:.2f} | {c.rss_mb:.0f} |")


if __name__ == "__main__":
    main()

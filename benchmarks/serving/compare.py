"""`penstock serve` with everything on beside a bare ASGI callable and other model servers, in one run, under wrk.

``python benchmarks/serving/compare.py [--venvs FOLDER]`` prints a Markdown table. One row of 20 named numbers, LightGBM with 200 trees and
the novelty forest in the graph. The bare callable (`reference.py`) parses the same body and runs the same graph, and does nothing else.
The others run the same graph, each in the way that its documentation shows first; each has a virtual environment of its own in FOLDER
(``fastapi``, ``litserve``, ``bentoml``, ``mlserver``, ``mlflow``), and those that are not there are left out and named.

CPU is user and system time of all processes of a server, per request. The contenders take turns, and the least of the rounds counts, so that
another job on the machine disturbs all alike. The ratios are what is promised; microseconds belong to the machine, and wrk shares its cores.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from run import TICKS, write_benchmark_bundle  # noqa: E402


@dataclass
class Contender:
    """A server that was started, and what it was found to cost."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    path: str
    body: bytes
    ready_s: float = 0.0
    rss_mb: float = 0.0
    best_us: float = float("inf")
    per_s: dict[int, float] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"

    def wait(self, since: float, seconds: float = 120.0) -> bool:
        """Until it answers; whether it does."""
        asked = urllib.request.Request(self.url, self.body, {"content-type": "application/json"})
        while time.perf_counter() - since < seconds and self.process.poll() is None:
            try:
                with urllib.request.urlopen(asked, timeout=20) as reply:
                    json.loads(reply.read())
            except OSError:
                time.sleep(0.02)
                continue
            self.ready_s, self.rss_mb = time.perf_counter() - since, sum(map(rss_mb, family(self.process.pid)))
            return True
        return False

    def round(self, script: Path, seconds: float, connections: int) -> None:
        """Load it; remember the least CPU per request, and the most requests per second."""
        before = sum(map(cpu_s, family(self.process.pid)))
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", str(script), self.url]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        spent = sum(map(cpu_s, family(self.process.pid))) - before
        found = re.search(r"(\d+) requests in", said)
        rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
        if found is None or rate is None or "Non-2xx" in said or not int(found[1]):
            raise SystemExit(f"{self.name}: {said}")
        self.best_us = min(self.best_us, spent / int(found[1]) * 1e6)
        self.per_s[connections] = max(self.per_s.get(connections, 0.0), float(rate[1]))

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            found += [int(child) for child in children.read_text().split()]
    return found


def cpu_s(pid: int) -> float:
    """User and system time of a process and its threads."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(stat[11]) + int(stat[12])) / TICKS


def rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024 if "VmRSS:" in status else 0.0


def wrk_script(folder: Path, name: str, body: bytes) -> Path:
    path = folder / f"{name}.lua"
    text = body.decode().replace("]]", "] ]")
    path.write_text(f'wrk.method = "POST"\nwrk.body = [[{text}]]\nwrk.headers["Content-Type"] = "application/json"\n')
    return path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def others(venvs: Path, scratch: Path, bundle: Path, rows: list[dict[str, float]]) -> list[tuple[str, Any]]:
    """Name, and command, path and body for a port, of the other servers whose environments are there."""
    code, plain = HERE / "others", json.dumps({"rows": rows}).encode()
    made: list[tuple[str, Any]] = []
    if (python := venvs / "fastapi/bin/python").exists():
        made.append(("FastAPI route", lambda port: ([python, code / "fastapi_route.py", str(port)], "/predict", plain)))
    if (python_ := venvs / "litserve/bin/python").exists():
        made.append(("LitServe", lambda port: ([python_, code / "litserve_server.py", str(port)], "/predict", plain)))
    if (bento := venvs / "bentoml/bin/bentoml").exists():
        made.append(
            (
                "BentoML",
                lambda port: ([bento, "serve", "bentoml_service:Model", "--port", str(port)], "/predict", plain),
            )
        )
    if (mlserver := venvs / "mlserver/bin/mlserver").exists():
        names = json.loads((bundle / "signature.json").read_bytes())["columns"]
        values = [row[column["name"]] for row in rows for column in names]
        shape = [len(rows), len(names)]
        tensor = {"name": "numbers", "shape": shape, "datatype": "FP32", "data": values}

        def start(port: int) -> Any:
            folder = scratch / "mlserver"
            folder.mkdir()
            ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
            settings = {**ports, "host": "127.0.0.1", "parallel_workers": 0, "debug": False}
            (folder / "settings.json").write_text(json.dumps(settings))
            (folder / "model-settings.json").write_text(
                json.dumps({"name": "m", "implementation": "mlserver_model.Model"})
            )
            return [mlserver, "start", folder], "/v2/models/m/infer", json.dumps({"inputs": [tensor]}).encode()

        made.append(("MLServer", start))
    if (mlflow := venvs / "mlflow/bin/mlflow").exists():

        def serve(port: int) -> Any:
            model = scratch / "mlflow"
            command = [str(mlflow.parent / "python"), str(code / "mlflow_model.py"), str(model)]
            subprocess.run(command, check=True, capture_output=True, env=environment(bundle, mlflow))
            body = json.dumps({"dataframe_records": rows}).encode()
            more = ["-m", model, "-p", str(port), "-h", "127.0.0.1", "--env-manager", "local"]
            return [mlflow, "models", "serve", *more], "/invocations", body

        made.append(("MLflow models serve", serve))
    return made


def environment(bundle: Path, program: Path | str) -> dict[str, str]:
    inside = {"BUNDLE": str(bundle), "PYTHONPATH": str(HERE / "others"), "OMP_NUM_THREADS": "1"}
    return {**os.environ, **inside, "PATH": f"{Path(program).parent}:{os.environ['PATH']}"}


def own(scratch: Path, bundle: Path, body: bytes) -> list[tuple[str, Any]]:
    """The bare callable and Penstock."""
    from penstock.bundle.runtime import Bundle
    from penstock.serving.switching import fill_and_switch

    state = scratch / "serving"
    fill_and_switch(state, bundle, model="benchmark", version=1, digest=Bundle.load(bundle).digest)
    serve = [sys.executable, "-m", "penstock.serving.server", state, "--port"]
    return [
        ("bare ASGI callable", lambda _: ([sys.executable, HERE / "reference.py", bundle], "/predict", body)),
        ("penstock serve", lambda port: ([*serve, str(port)], "/predict", body)),
    ]


def start(name: str, made: Any, scratch: Path, bundle: Path) -> Contender | None:
    port = free_port()
    command, path, body = made(port)
    log = (scratch / f"{name}.log").open("wb")
    since = time.perf_counter()
    prints = name == "bare ASGI callable"
    process = subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE if prints else log,
        stderr=log,
        start_new_session=True,
        cwd=HERE / "others",
        env=environment(bundle, str(command[0])) if command[0] != sys.executable else None,
    )
    if prints:
        assert process.stdout is not None
        port = int(json.loads(process.stdout.readline())["address"].rpartition(":")[2])
    contender = Contender(name, process, port, path, body)
    if contender.wait(since):
        return contender
    print(f"{name} does not answer: {(scratch / f'{name}.log').read_text()[-600:]}", file=sys.stderr)
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venvs", type=Path, help="a folder with an environment for each other server")
    parser.add_argument("--seconds", type=float, default=2.0, help="of a round")
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    for program, package in (("wrk", "wrk"), ("h2load", "nghttp2-client")):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is needed: apt-get install {package}")
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        bundle = write_benchmark_bundle(scratch / "bundle", trees=200)
        rows = json.loads((bundle / "examples.json").read_bytes())["rows"]
        body = json.dumps({"rows": rows}).encode()
        listed = own(scratch, bundle, body)
        if options.venvs is not None:
            listed += others(options.venvs.absolute(), scratch, bundle, rows)
        running = [one for name, made in listed if (one := start(name, made, scratch, bundle)) is not None]
        try:
            scripts = {one.name: wrk_script(scratch, one.name, one.body) for one in running}
            for one in running:
                one.round(scripts[one.name], 1.0, 4)
                one.best_us, one.per_s = float("inf"), {}
            for _ in range(options.rounds):
                for one in running:
                    one.round(scripts[one.name], options.seconds, 32)
            half, slow_ms = p99_ms(next(one for one in running if one.name == "penstock serve"), scratch)
        finally:
            for one in running:
                one.stop()
    base = running[0]
    print("| server | CPU per request (us) | ratio | requests/s, 32 connections | ratio | ready (s) | resident (MB) |")
    print("|---|---|---|---|---|---|---|")
    for one in running:
        ratio, rate = one.best_us / base.best_us, one.per_s[32] / base.per_s[32]
        print(
            f"| {one.name} | {one.best_us:.0f} | {ratio:.2f} | {one.per_s[32]:,.0f} | {rate:.2f} | {one.ready_s:.2f} | {one.rss_mb:.0f} |"
        )
    print(f"\npenstock serve, 99th percentile at {half:,.0f} requests/s, half of its highest load: {slow_ms:.2f} ms")


def p99_ms(one: Contender, scratch: Path, seconds: int = 8) -> tuple[float, float]:
    """Half of the highest rate over as many connections, and the 99th percentile at it, both as h2load found them.

    h2load sends at a held rate, all connections at the same beat: a burst of 32 each time, which is the worst that such a rate can do.
    """
    body, log = scratch / "body.json", scratch / "half.tsv"
    body.write_bytes(one.body)
    beat = max(1, round(one.per_s[32] / 2 / 32))
    times = ["-D", str(seconds), "--warm-up-time", "1", f"--rps={beat}", f"--log-file={log}"]
    request = ["-d", str(body), "-H", "content-type: application/json", f"http://127.0.0.1:{one.port}{one.path}"]
    subprocess.run(["h2load", "--h1", "-t", "1", "-c", "32", *times, *request], check=True, capture_output=True)
    took = sorted(int(line.split("\t")[2]) for line in log.read_text().splitlines())
    return len(took) / seconds, took[int(0.99 * len(took))] / 1000


if __name__ == "__main__":
    main()

"""Many models on one server: what a load costs, who waits for it, and whether the memory that is reckoned covers what is taken.

``python benchmarks/serving/many_models.py`` prints two Markdown tables. First bundles of different sizes, each loaded in a fresh process: what the
process grows by against what `[serving] memory_mb` reckons. Then one server whose shelf holds twelve models where six fit: the live model is asked
all the time, beside it the shelf's in turn, so that each of those requests loads a model and lets another go.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
GROW = """
import sys
from penstock.bundle.runtime import Bundle
from penstock.serving.loading import give_memory_back, resident_bytes
small = Bundle.load(sys.argv[1]); small.self_test(); give_memory_back()
before = resident_bytes()
bundle = Bundle.load(sys.argv[2]); bundle.self_test()
peak = resident_bytes() - before
give_memory_back()
taken = resident_bytes() - before
del bundle
give_memory_back()
print(peak, taken, resident_bytes() - before)
"""


def sizes(scratch: Path) -> None:
    """What bundles take."""
    from run import write_benchmark_bundle

    from penstock.bundle.runtime import Bundle
    from penstock.serving.loading import graph_bytes_of, memory_of

    print("| trees | graph (MB) | reckoned (MB) | taken (MB) | at most while loading (MB) | left when let go (MB) |")
    print("|---|---|---|---|---|---|")
    first = write_benchmark_bundle(scratch / "trees-20", 20)
    for trees in (100, 500, 2000):
        folder = write_benchmark_bundle(scratch / f"trees-{trees}", trees)
        graph = graph_bytes_of(Bundle.load(folder))
        done = subprocess.run(
            [sys.executable, "-c", GROW, str(first), str(folder)], capture_output=True, text=True, check=True
        )
        peak, taken, left = (int(word) / 1e6 for word in done.stdout.split())
        print(f"| {trees} | {graph / 1e6:.2f} | {memory_of(graph) / 1e6:.1f} | {taken:.1f} | {peak:.1f} | {left:.1f} |")


def turns(scratch: Path, seconds: float) -> None:
    """The live model, alone and beside models that come and go."""
    from reliability import quantile
    from run import write_benchmark_bundle

    from penstock.bundle.runtime import Bundle
    from penstock.serving.loading import graph_bytes_of, memory_of
    from penstock.serving.shelf import put_on_shelf
    from penstock.serving.switching import fill_and_switch

    state_dir = scratch / "serving"
    folder = write_benchmark_bundle(scratch / "live", 100)
    bundle = Bundle.load(folder)
    size = graph_bytes_of(bundle)
    fill_and_switch(state_dir, folder, model="live", version=1, digest=bundle.digest)
    for n in range(12):
        put_on_shelf(state_dir, folder, model=f"shelf-{n}", version=1, digest=bundle.digest, graph_bytes=size)
    row = json.loads(bundle.read("examples.json"))["rows"][0]
    body = scratch / "body.json"
    body.write_text(json.dumps({"rows": [row]}), encoding="utf-8")
    settings = json.dumps({"memory_mb": 7.5 * memory_of(size) / 1e6})
    command = [sys.executable, "-m", "penstock.serving.server", str(state_dir), "--port", "0", "--settings", settings]
    server = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert server.stdout is not None
    port = int(json.loads(server.stdout.readline())["address"].rpartition(":")[2])

    def live() -> list[float]:
        out = scratch / "told.json"
        line = [sys.executable, str(HERE / "load.py"), str(port), str(body), str(out)]
        subprocess.run([*line, "--seconds", str(seconds), "--connections", "2", "--rate", "100"], check=True)
        told: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        assert not told["refused"], told["refused"]
        return list(told["took"])

    stop, loads = threading.Event(), []

    def shelf() -> None:
        turn = 0
        while not stop.is_set():
            asked = {"model": f"shelf-{turn % 12}", "rows": [row]}
            start = time.perf_counter()
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/predict", json.dumps(asked).encode(), {"content-type": "application/json"}
            )
            with urllib.request.urlopen(request) as reply:
                assert json.loads(reply.read())["model"] == asked["model"]
            loads.append(time.perf_counter() - start)
            turn += 1
            stop.wait(0.1)

    live()
    alone = live()
    other = threading.Thread(target=shelf)
    other.start()
    beside = live()
    stop.set()
    other.join()
    rss = int(Path(f"/proc/{server.pid}/status").read_text(encoding="ascii").partition("VmRSS:")[2].split()[0]) / 1024
    server.terminate()
    server.wait(60)
    print("\n| the live model, 100 requests/s | p50 (ms) | p99 (ms) | p99.9 (ms) |")
    print("|---|---|---|---|")
    for name, took in (("alone", alone), ("beside loads", beside)):
        print(f"| {name} | " + " | ".join(f"{quantile(took, share) * 1e3:.2f}" for share in (0.5, 0.99, 0.999)) + " |")
    print(
        f"\n{len(loads)} requests to models of the shelf, each loaded first: p50 {quantile(loads, 0.5) * 1e3:.0f} ms, ",
        end="",
    )
    print(f"p99 {quantile(loads, 0.99) * 1e3:.0f} ms; {rss:.0f} MB resident at the end")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each stretch")
    options = parser.parse_args()
    sys.path.insert(0, str(HERE))
    print(f"{os.cpu_count()} cores, load of the machine before: {os.getloadavg()[0]:.1f}\n")
    with tempfile.TemporaryDirectory() as scratch:
        sizes(Path(scratch))
        turns(Path(scratch), options.seconds)


if __name__ == "__main__":
    main()

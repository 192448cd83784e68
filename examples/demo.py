"""The main job on real data, from a raw file to a watched model, in about a minute: `make demo`.

The data are the Wisconsin breast cancer table that ships with scikit-learn (569 patients, 30 measurements of cell nuclei). The
first 380 patients are the raw file. The others come later, as traffic, in the morning on which the microscope was exchanged.
"""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("PENSTOCK_DEMO", "demo-project"))
TARGET = "diagnosis"
SHIFTED = ("mean radius", "mean area")
STEP = 0


def main() -> None:
    """Narrate the whole life of a model, each step with its figures."""
    start = time.perf_counter()
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    raw = FOLDER.parent / f"{FOLDER.name}.csv"
    patients = write_table(raw)

    say(f"A raw file: {raw.name}, 380 patients with 30 measurements each and the diagnosis.")
    made = penstock(
        "new", str(FOLDER), "--data", str(raw), "--target", TARGET, "--positive", "malignant", where=Path.cwd()
    )
    raw.unlink()
    rows = made["rows"]
    say(f"new: a {made['task']} task; {rows['train']} training and {rows['valid']} validation rows;")
    tell(f"{rows['test']} test rows are sealed in {made['envelopes']} envelope(s) that nobody has seen.")

    run = penstock("run", "--budget", "15s")
    metric = next(iter(run["validation"])) if "metric" not in run else run["metric"]
    quality = run["validation"][metric]
    say(f"run: {metric} {quality['value']:.3f} ({quality['low']:.3f} to {quality['high']:.3f}) on validation rows;")
    tell(f"the baseline has {run['baseline'][metric]:.3f}. Model version {run['model']['version']} is registered.")
    again = penstock("run", "--budget", "15s")
    known = sum(s["status"] == "known" for s in again["steps"])
    tell(f"run again: {known} of {len(again['steps'])} stages are known, nothing is computed twice.")

    deployed = penstock("deploy")
    test = deployed["test"][metric]
    say(
        f"deploy: one envelope opened: {metric} {test['value']:.3f} ({test['low']:.3f} to {test['high']:.3f}) on sealed rows;"
    )
    tell(f"version {deployed['version']} is live in slot {deployed['slot']}.")

    with Server() as server:
        first = server.post("/predict", {"rows": [inputs(patients[0])]})["predictions"][0]
        say(f"serve: ready on {server.url}. A first patient: {first['prediction']} with probability")
        tell(
            f"{max(first['probabilities'].values()):.3f}, novelty {first['novelty']:.2f}; the truth is {patients[0][TARGET]}."
        )

        answers = [(p, server.predict(p)) for p in patients[:100]]
        calm = penstock("monitor", check=False)
        say(f"An ordinary morning: {len(answers)} patients. monitor: {alarms(calm) or 'no alarm'}.")

        shifted = [shift(p) for p in patients]
        answers += [(p, server.predict(p)) for p in shifted]
        alarm = penstock("monitor", check=False)
        say(f"The microscope is exchanged: {len(shifted)} patients measured 25 % larger. monitor raises")
        tell(f"{'an alarm' if alarm['alarm'] else 'NO alarm'}: {alarms(alarm)}.")

        sent = server.post(
            "/labels", {"labels": [{"id": a["id"], "label": p[TARGET], "author": "pathology"} for p, a in answers]}
        )
        say(f"The laboratory's results come back by prediction id: {sent['accepted']} labels accepted.")

        new = penstock("retrain", "--budget", "15s", check=False)
        champion = new["champion"]
        say(
            f"retrain: version {new['model']['version']} has {metric} {new['validation'][metric]['value']:.3f} on rows old and new;"
        )
        tell(
            f"the champion has {champion['value']:.3f} on the same rows (difference {champion['low']:+.3f} to {champion['high']:+.3f})."
        )

        second = penstock("deploy", "--version", str(new["model"]["version"]))
        test = second["test"][metric]
        say(
            f"deploy: {metric} {test['value']:.3f} on {second['envelope']['rows']} sealed rows that came with the labels;"
        )
        tell(f"the running server answers with version {server.predict(patients[0], whole=True)['version']} now.")

        back = penstock("rollback")
        say(
            f"rollback: version {back['version']} is live again after {back['seconds'] * 1000:.0f} ms, with no request lost;"
        )
        tell(f"the running server answers with version {server.predict(patients[0], whole=True)['version']}.")

    health = penstock("doctor")
    say(
        f"doctor: {len(health['checks'])} checks, {sum(not c['passed'] for c in health['checks'])} problems; the audit chain holds."
    )
    print(
        f"\nThe whole life of a model in {time.perf_counter() - start:.0f} s. The project is in {FOLDER}. Try next:\n"
    )
    print(f"  cd {FOLDER} && {Path(sys.executable).parent / 'penstock'} serve      # then open http://127.0.0.1:8000")
    print(
        f"  cd {FOLDER} && {Path(sys.executable).parent / 'penstock'} runs       # and: show RUN, lineage RUN, reproduce RUN"
    )
    print(f"  open {FOLDER / 'reports'}                  # the report of each version, and of the monitor")


def write_table(path: Path) -> list[dict[str, Any]]:
    """Write the first 380 patients as a CSV file; give the others."""
    from sklearn.datasets import load_breast_cancer

    table = load_breast_cancer()
    names = [str(n) for n in table.feature_names]
    rows = [
        {**dict(zip(names, map(float, x), strict=True)), TARGET: str(table.target_names[y])}
        for x, y in zip(table.data, table.target, strict=True)
    ]
    random.Random(20).shuffle(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*names, TARGET])
        writer.writeheader()
        writer.writerows(rows[:380])
    return rows[380:]


def shift(patient: dict[str, Any]) -> dict[str, Any]:
    """The same patient under a microscope that magnifies more."""
    return {k: v * 1.25 if k in SHIFTED else v for k, v in patient.items()}


def inputs(patient: dict[str, Any]) -> dict[str, Any]:
    """What is known when the prediction is asked for."""
    return {k: v for k, v in patient.items() if k != TARGET}


def alarms(result: dict[str, Any]) -> str:
    """The checks that alarm, as `check of column`."""
    found = [f"{c['id']} of {c['column']}" if c["column"] else c["id"] for c in result["checks"] if c["alarm"]]
    return ", ".join(found[:4]) + (f" and {len(found) - 4} more" if len(found) > 4 else "")


class Server:
    """`penstock serve` as a process, on a free port."""

    def __enter__(self) -> Server:
        self.process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0"], cwd=FOLDER, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if "http://" in line:
                self.url = "http://" + line.partition("http://")[2].split()[0].rstrip("/.,")
                return self
        raise SystemExit("the server did not start")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """One request."""
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return dict(json.load(answer))

    def predict(self, patient: dict[str, Any], *, whole: bool = False) -> dict[str, Any]:
        """The answer for one patient, or the whole response."""
        response = self.post("/predict", {"rows": [inputs(patient)]})
        return response if whole else dict(response["predictions"][0])


COMMAND = (sys.executable, "-m", "penstock")


def penstock(*arguments: str, where: Path = FOLDER, check: bool = True) -> dict[str, Any]:
    """Run one command and give its JSON. Exit 1 (a check said no) ends the demo only where `check` is set."""
    done = subprocess.run([*COMMAND, *arguments, "--json"], cwd=where, capture_output=True, text=True, check=False)
    if done.returncode > 1 or (check and done.returncode):
        raise SystemExit(f"penstock {' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")
    return dict(json.loads(done.stdout))


def say(text: str) -> None:
    """A numbered line."""
    global STEP
    STEP += 1
    print(f"\n{STEP:2d}. {text}", flush=True)


def tell(text: str) -> None:
    """A second line."""
    print(f"    {text}", flush=True)


if __name__ == "__main__":
    main()

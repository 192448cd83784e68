"""Real tables from the raw file to a watched model, through the command line alone.

``python benchmarks/real.py --data DIR`` takes each table through new -> run -> deploy with several seeds (each its own split,
search and sealed envelopes) and writes a Markdown table of the scores on opened envelopes. The first seed of each table is also
served: 1,000 raw rows one by one and in batches must be answered as `penstock predict` answers them, bit for bit; the
envelope's rows as traffic must not alarm the monitor, and must not look novel, while rows with shuffled columns must.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import http.client
import io
import json
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Rows = list[dict[str, Any]]
N_ROWS = 1_000
PER_BATCH = 100
PENSTOCK = (sys.executable, "-m", "penstock")


@dataclass(frozen=True)
class Table:
    """A real table and the least mean score that is good enough.

    novelty : whether its columns depend on each other enough that rows with shuffled columns must be told apart.
    names : of the columns of a file without a header. keep : columns whose names hint at persons, and which are used here.
    """

    file: str
    target: str
    metric: str
    goal: float
    drop: str = ""
    novelty: bool = False
    delimiter: str = ","
    names: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()

    @property
    def options(self) -> list[str]:
        """For `penstock new`."""
        made = ["--target", self.target]
        if self.drop:
            made += ["--drop", self.drop]
        if self.names:
            made += ["--no-header", "--columns", ",".join(self.names)]
        for column in self.keep:
            made += ["--privacy", f"{column}=keep"]
        return made

    def raw_rows(self, folder: Path) -> Rows:
        """Every line of the file as text fields, target and dropped columns left out."""
        data = (folder / self.file).read_bytes()
        text = (gzip.decompress(data) if self.file.endswith(".gz") else data).decode("utf-8-sig")
        quoting = csv.QUOTE_NONE if self.names else csv.QUOTE_MINIMAL
        lines = csv.DictReader(
            io.StringIO(text, newline=""), self.names or None, delimiter=self.delimiter, quoting=quoting
        )
        unused = {self.target, self.drop}
        return [{k: v for k, v in line.items() if k not in unused} for line in lines]


TABLES = {
    "bank_marketing": Table(
        "bank_marketing/bank-additional-full.csv.gz", "y", "roc_auc", 0.79, drop="duration", delimiter=";"
    ),
    "adult": Table("adult/adult.csv.gz", "income", "roc_auc", 0.92, novelty=True),
    "california_housing": Table(
        "california_housing/housing.csv.gz", "median_house_value", "r2", 0.82, keep=("longitude", "latitude")
    ),
    "titanic": Table("titanic/titanic.csv", "Survived", "roc_auc", 0.84, keep=("Name",)),
    "covertype_sample": Table("covertype_sample/covtype.csv.gz", "Cover_Type", "accuracy", 0.80, novelty=True),
    "sms_spam": Table("sms_spam/SMSSpamCollection.tsv", "label", "f1", 0.93, delimiter="\t", names=("label", "text")),
}


@dataclass
class Outcome:
    """What came out of one table with one seed."""

    table: str
    seed: int
    score: float
    low: float
    high: float
    validation: float
    rows: int
    learner: str
    seconds: float  # wall time of `penstock run`
    steps: dict[str, float]
    parity: float  # of the graph against the learner itself
    warnings: list[str]
    checks: dict[str, Any] = field(default_factory=dict)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True, help="the folder that holds the tables")
    options.add_argument("--only", default=",".join(TABLES), help="names of tables, separated by commas")
    options.add_argument("--seeds", type=int, default=5, help="how many")
    options.add_argument("--first-seed", type=int, default=0)
    options.add_argument("--budget", default="60s", help="of the search")
    options.add_argument("--out", type=Path, help="Markdown file; the figures go beside it as .json")
    asked = options.parse_args()
    outcomes: list[Outcome] = []
    for name in asked.only.split(","):
        for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
            outcomes.append(measure(name, asked.data.absolute(), seed, asked.budget))
            print(json.dumps(vars(outcomes[-1])), file=sys.stderr, flush=True)
            if asked.out:
                asked.out.parent.mkdir(parents=True, exist_ok=True)
                asked.out.write_text(report(outcomes, asked.budget), encoding="utf-8")
                asked.out.with_suffix(".json").write_text(json.dumps([vars(o) for o in outcomes], indent=1) + "\n")
    print(report(outcomes, asked.budget))


def measure(name: str, data: Path, seed: int, budget: str) -> Outcome:
    """One table with one seed, in a folder of its own."""
    table = TABLES[name]
    with tempfile.TemporaryDirectory(prefix="penstock-real-") as scratch:
        root = Path(scratch) / name
        penstock("new", root, "--data", data / table.file, "--seed", seed, *table.options, where=Path(scratch))
        declaration = root / "penstock.toml"
        penstock("data", "privacy", "--accept", where=root, may_say_no=True)  # texts of some sets hold addresses
        declared = re.sub(r'(?m)^metric = "\w+"', f'metric = "{table.metric}"', declaration.read_text(), count=1)
        declaration.write_text(declared)
        started = time.perf_counter()
        run = penstock("run", "--budget", budget, where=root)
        seconds = time.perf_counter() - started
        deployed = penstock("deploy", where=root)
        search = penstock("show", next(s["run"] for s in run["steps"] if s["name"] == "search"), where=root)
        test = deployed["test"][table.metric]
        outcome = Outcome(
            table=name,
            seed=seed,
            score=test["value"],
            low=test["low"],
            high=test["high"],
            validation=run["validation"][table.metric]["value"],
            rows=deployed["envelope"]["rows"],
            learner=run["model"]["learner"],
            seconds=seconds,
            steps={s["name"]: s["seconds"] for s in run["steps"]},
            parity=search["outputs"]["parity"]["largest"],
            warnings=[*run["warnings"], *deployed["warnings"]],
        )
        if seed == 0:
            outcome.checks = {**live(table, root, data, run), **novelty(table, root, run)}
        return outcome


def live(table: Table, root: Path, data: Path, run: dict[str, Any]) -> dict[str, Any]:
    """Traffic of fresh rows for the monitor; then raw rows, which every way in must answer alike."""
    from penstock.bundle.kinds import Kind
    from penstock.bundle.runtime import Bundle

    bundle = Bundle.load(root / run["bundle"])
    fresh = some(as_json(envelope(root, run["dataset"]), bundle))
    raw = some(table.raw_rows(data))
    numeric = {c.name for c in bundle.decoder.columns if c.kind is Kind.NUMERIC}
    sent = [{k: number(v) if k in numeric else v for k, v in row.items()} for row in raw]
    with serving(root) as ask:
        traffic = [answer for row in fresh for answer in ask([row])]
        watched = penstock("monitor", where=root, may_say_no=True)
        single = [answer for row in sent for answer in ask([row])]
        batches = [a for i in range(0, len(sent), PER_BATCH) for a in ask(sent[i : i + PER_BATCH])]
    batch = predicted(root, raw)
    alarms = [f"{c['id']} {c['column'] or ''}".strip() for c in watched["checks"] if c["alarm"]]
    return {
        "rows": len(sent),
        "equal": plain(single) == plain(batches) == batch,
        "traffic": len(traffic),
        "alarms": alarms,
    }


def novelty(table: Table, root: Path, run: dict[str, Any]) -> dict[str, Any]:
    """The share of fresh rows that are flagged, and how well rows with shuffled columns are told from them."""
    from sklearn.metrics import roc_auc_score

    from penstock.bundle.frame import Frame
    from penstock.bundle.runtime import Bundle

    bundle = Bundle.load(root / run["bundle"])
    frame = envelope(root, run["dataset"])
    rng = np.random.default_rng(0)
    shuffled = Frame({n: v[rng.permutation(len(v))] for n, v in frame.columns.items()}, frame.kinds, len(frame))
    real, strange = bundle.predict_frame(frame).novelty, bundle.predict_frame(shuffled).novelty
    apart = roc_auc_score(np.repeat([0, 1], len(frame)), np.concatenate([real, strange]))
    return {
        "flagged": float((real > bundle.signature.decision.novelty_limit).mean()),
        "shuffled_roc_auc": float(apart) if table.novelty else None,
    }


# --------------------------------------------------------------------------- rows, and ways to have them answered


def envelope(root: Path, dataset: str) -> Any:
    """The rows of the opened envelope."""
    from penstock.data.seal import read_spent
    from penstock.project.project import Project

    project = Project(root)
    try:
        return read_spent(project.ledger, project.objects, dataset)[0]
    finally:
        project.ledger.close()


def as_json(frame: Any, bundle: Any) -> Rows:
    """Decoded rows as a client would send them."""
    from penstock.packaging.examples import raw_value

    names = [c.name for c in bundle.signature.columns]
    return [{n: raw_value(frame[n][i], bundle.decoder, n) for n in names} for i in range(len(frame))]


def some(rows: Rows) -> Rows:
    """As many rows as are sent, drawn from all: many files are in the order of time."""
    return random.Random(0).sample(rows, min(N_ROWS, len(rows)))


def number(text: str) -> int | float | str:
    """A field as the number that it is, or else as it stands."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


@contextmanager
def serving(root: Path) -> Iterator[Any]:
    """`penstock serve` on a free port; gives a function from rows to predictions."""
    process = subprocess.Popen(
        [*PENSTOCK, "serve", "--port", "0"], cwd=root, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stderr is not None
        address = next((m[1] for line in process.stderr if (m := re.search(r"http://([\w.:]+)", line))), None)
        assert address is not None, "the server did not start"
        connection = http.client.HTTPConnection(address, timeout=60)

        def ask(rows: Rows) -> Rows:
            connection.request("POST", "/predict", json.dumps({"rows": rows}), {"Content-Type": "application/json"})
            response = connection.getresponse()
            body = json.load(response)
            assert response.status == 200, body
            return list(body["predictions"])

        yield ask
        connection.close()
    finally:
        process.terminate()
        process.wait(timeout=30)


def predicted(root: Path, rows: Rows) -> list[tuple[Any, ...]]:
    """`penstock predict` on rows as a CSV file."""
    import pyarrow.parquet as pq

    with (root / "raw.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    penstock("predict", "--input", "raw.csv", "--output", "answers.parquet", where=root)
    answers = pq.read_table(root / "answers.parquet").to_pylist()
    return [tuple(v for k, v in answer.items() if k != "row") for answer in answers]


def plain(answers: Rows) -> list[tuple[Any, ...]]:
    """Served answers as `penstock predict` writes them: prediction, decision, novelty, then probabilities or interval."""
    return [
        (
            a["prediction"],
            a["decision"],
            a["novelty"],
            *(a["probabilities"].values() if "probabilities" in a else a["interval"]),
        )
        for a in answers
    ]


def penstock(*arguments: Any, where: Path, may_say_no: bool = False) -> dict[str, Any]:
    """One command and its JSON."""
    command = [*PENSTOCK, *map(str, arguments), "--json"]
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
    if done.returncode not in ((0, 1) if may_say_no else (0,)):
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return dict(json.loads(done.stdout))


# --------------------------------------------------------------------------- the table


def report(outcomes: list[Outcome], budget: str) -> str:
    """The outcomes as Markdown."""
    by_table: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_table.setdefault(outcome.table, []).append(outcome)
    head = "| data set | metric | seeds | envelope: mean (sd; least to greatest) | to reach | met | validation | learner | run, s |"
    lines = [f"Search budget {budget}; each seed has its own split.", "", head, "|---|---|--:|---|--:|---|--:|---|--:|"]
    for name, some in by_table.items():
        table = TABLES[name]
        scores = [o.score for o in some]
        mean, sd = statistics.mean(scores), statistics.stdev(scores) if len(scores) > 1 else 0.0
        learners = ", ".join(f"{n} {count}" for n, count in Counter(o.learner for o in some).most_common())
        lines.append(
            f"| {name} | {table.metric} | {len(some)} | **{mean:.4f}** ({sd:.4f}; {min(scores):.4f} to {max(scores):.4f}) "
            f"| {table.goal:.2f} | {'yes' if mean >= table.goal else '**no**'} "
            f"| {statistics.mean(o.validation for o in some):.4f} | {learners} "
            f"| {statistics.mean(o.seconds for o in some):.0f} |"
        )
    lines += [
        "",
        "Seed 0, served. *Equal*: `serve` row by row, `serve` in batches and `predict` agree bit for bit on raw rows.",
        "*Learner*: the largest difference between the graph and the learner itself, validation and odd rows.",
        "*Flagged*: fresh rows above the novelty limit. *Shuffled*: ROC-AUC of rows with shuffled columns against real ones.",
        "",
        "| data set | raw rows | equal | learner | fresh rows | alarms | flagged | shuffled |",
        "|---|--:|---|--:|--:|---|--:|--:|",
    ]
    for name, some in by_table.items():
        for o in some:
            if c := o.checks:
                apart = "" if c["shuffled_roc_auc"] is None else f"{c['shuffled_roc_auc']:.3f}"
                lines.append(
                    f"| {name} | {c['rows']} | {'yes' if c['equal'] else '**no**'} | {o.parity:.1e} | {c['traffic']} "
                    f"| {', '.join(c['alarms']) or 'none'} | {c['flagged']:.2%} | {apart} |"
                )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

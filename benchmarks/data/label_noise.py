"""How many wrong labels `label-errors` finds in real tables, and that it is silent where none were planted.

``python benchmarks/data/label_noise.py --data DIR`` exchanges the labels of some rows, drawn by a seed, of up to 9,000 rows of each table, takes it
through `penstock new`, and prints the share of training rows that `penstock data quality` holds for surely suspect; bold where it fails.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

TABLES = {
    "adult": ("adult/adult.csv.gz", "income", ","),
    "bank": ("bank_marketing/bank-additional-full.csv.gz", "y", ";"),
    "compas": ("compas/compas-scores-two-years.csv.gz", "two_year_recid", ","),
    "elec2": ("elec2/elec.csv.gz", "class", ","),
    "titanic": ("titanic/titanic.csv", "Survived", ","),
}
KNOWN_BEFORE = {
    "compas": ("sex", "age", "race", "juv_fel_count", "priors_count", "c_charge_degree")
}  # the others tell the outcome
KEPT = {"titanic": ("--privacy", "Name=keep")}  # what its name hints at is held back else
RATES = (0.0, 0.05, 0.1, 0.2)
ROWS = 9_000


def suspect(name: str, path: Path, target: str, delimiter: str, rate: float) -> tuple[float, bool]:
    """Share that is surely suspect, and whether the check fails."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    header, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    if name in KNOWN_BEFORE:
        kept = [header.index(column) for column in (*KNOWN_BEFORE[name], target)]
        header, *rows = ([row[j] for j in kept] for row in [header, *rows])
    dice = random.Random(1)
    rows = dice.sample(rows, min(ROWS, len(rows)))
    at = header.index(target)
    labels = sorted({row[at] for row in rows})
    for row in rows:
        if dice.random() < rate:
            row[at] = dice.choice([label for label in labels if label != row[at]])
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.csv"
        with table.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
        penstock = [sys.executable, "-m", "penstock"]
        new = [*penstock, "new", "noise", "--data", str(table), "--target", target, *KEPT.get(name, ())]
        subprocess.run([*new, "--json"], cwd=folder, check=True, capture_output=True)
        asked = [*penstock, "data", "quality", "--only", "label-errors", "--json"]
        said = subprocess.run(asked, cwd=Path(folder) / "noise", check=False, capture_output=True, text=True)
    found = json.loads(said.stdout)["findings"][0]
    return found["value"], found["failed"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the real data sets")
    folder = parser.parse_args().data
    print("| table |" + "".join(f" {rate:.0%} wrong |" for rate in RATES) + "\n|---|" + "--:|" * len(RATES))
    for name, (file, target, delimiter) in TABLES.items():
        told = [suspect(name, folder / file, target, delimiter, rate) for rate in RATES]
        print(f"| {name} |" + "".join(f" **{v:.1%}** |" if failed else f" {v:.1%} |" for v, failed in told), flush=True)


if __name__ == "__main__":
    main()

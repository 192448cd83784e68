"""Real tables that come dealt: by a column of theirs, and by files."""

from __future__ import annotations

import csv
import gzip
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DATA = Path(os.environ.get("PENSTOCK_DATA", Path(__file__).parents[3] / "shared" / "data"))
Cli = Callable[..., Any]

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real data sets are not here: set PENSTOCK_DATA to their folder"),
]


def lines_of(file: str, delimiter: str) -> list[list[str]]:
    with gzip.open(DATA / file, "rt", encoding="utf-8", newline="") as opened:
        return list(csv.reader(opened, delimiter=delimiter))


def write(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened).writerows(rows)
    return path


def stages(project: Path) -> Any:
    from penstock.lifecycle.rows import Rows
    from penstock.lifecycle.stages import Context
    from penstock.project.project import Project

    opened = Project(project)
    head = opened.ledger.datasets.head(opened.name)
    assert head is not None
    return Rows(Context(opened), head, [])


def test_a_column_that_says_train_and_test_deals_the_reviews(penstock: Cli, tmp_path: Path) -> None:
    """A ninth of IMDB: its own test films are sealed, those of training are dealt on into validation, and none changes sides."""
    names, *rows = lines_of("imdb_reviews/imdb_25k.csv.gz", ",")
    rows = rows[::9]
    source = write(tmp_path / "reviews.csv", [names, *rows])
    options = ("--target", "label", "--split", "column:split", "--drop", "rating")
    done = penstock(tmp_path, "new", "films", "--data", str(source), *options)
    assert done.code == 0, done
    said = Counter(row[names.index("split")] for row in rows)
    found = stages(tmp_path / "films")
    counts = found.version.rows
    assert counts["test"] == said["test"]
    assert counts["train"] + counts["valid"] == said["train"]
    assert counts["valid"] / said["train"] == pytest.approx(0.2, abs=0.02)


@pytest.mark.slow
def test_files_that_hold_the_parts_deal_the_bank_calls(penstock: Cli, set_line: Cli, tmp_path: Path) -> None:
    """The calls of the last months are a file of their own and are sealed; a row written like one of training joins training."""
    names, *rows = lines_of("bank_marketing/bank-additional-full.csv.gz", ";")
    old, new = rows[:-2_000:8], rows[-2_000:]
    write(tmp_path / "old.csv", [names, *old])
    write(tmp_path / "new.csv", [names, *new])
    options = ("--test-data", "new.csv", "--target", "y")
    done = penstock(tmp_path, "new", "bank", "--data", "old.csv", *options)
    assert done.code == 0, done
    target = names.index("y")
    known = {tuple(v for j, v in enumerate(row) if j != target) for row in old}
    twins = sum(tuple(v for j, v in enumerate(row) if j != target) in known for row in new)
    counts = stages(tmp_path / "bank").version.rows
    assert counts["test"] == len(new) - twins
    assert counts["train"] + counts["valid"] == len(old) + twins
    set_line(tmp_path / "bank", "search", 'learners = ["linear"]')
    ran = penstock(tmp_path / "bank", "run", "--budget", "1 trials")
    assert ran.code == 0, ran
    deployed = penstock(tmp_path / "bank", "deploy", "--override", "the months differ")
    assert deployed.code == 0, deployed

"""A project with columns that look back, from its file to answers over HTTP: the same bits, wherever the past comes from."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.project.live import server_settings
from penstock.project.project import Project

Cli = Callable[..., Any]

HISTORY = """
[history.before]
take = "lag"
of = "price"
by = "store"
over = "sold_at"

[history.week]
take = "mean"
of = "price"
by = "store"
over = "sold_at"
window = "7d"

[serving.history]
rows = 100
"""


def sales(n: int = 500) -> list[dict[str, str]]:
    """A price that goes on as it went; more is sold where it fell."""
    draw = np.random.default_rng(3)
    rows, prices = [], dict.fromkeys("abc", 10.0)
    for i in range(n):
        store = "abc"[i % 3]
        was = prices[store]
        prices[store] = round(max(1.0, was + draw.normal()), 2)
        day = np.datetime64("2024-01-01") + np.timedelta64(i // 3, "D")
        fell = prices[store] < was
        rows.append({"sold_at": str(day), "store": store, "price": f"{prices[store]}", "y": "yes" if fell else "no"})
    return rows


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module")
def made(penstock: Cli, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Deployed."""
    base = tmp_path_factory.mktemp("past")
    source = write(base / "sales.csv", sales())
    new = ("--data", str(source), "--target", "y", "--kind", "sold_at=datetime", "--kind", "store=categorical")
    assert penstock(base, "new", "shop", *new).code == 0
    declared = base / "shop" / "penstock.toml"
    declared.write_text(declared.read_text("utf-8") + HISTORY, encoding="utf-8")
    (base / "shop" / "recipe.toml").write_text('outputs = ["price", "before", "week", "store"]\n')
    ran = penstock(base / "shop", "run", "--budget", "1 trials", "--override", "a test")
    assert ran.code in (0, 1), ran
    assert any("[history] of training rows" in warning for warning in ran.body["warnings"])
    deployed = penstock(base / "shop", "deploy", "--override", "a test")
    assert deployed.code == 0, deployed
    return base / "shop"


def test_over_http_as_in_a_file(penstock: Cli, serve: Callable[..., Any], made: Path, tmp_path: Path) -> None:
    """Later sales: sent with their history, kept by the server one after another, and in one file; the same to the last bit."""
    rows = [{name: value for name, value in row.items() if name != "y"} for row in sales(560)[500:]]
    file, output = write(tmp_path / "later.csv", rows), tmp_path / "answers.csv"
    assert penstock(made, "predict", "--input", str(file), "--output", str(output)).code == 0
    with output.open() as answers:
        batch = [float(row["p_yes"]) for row in csv.DictReader(answers)]
    kept = serve(made, server_settings(Project(made).declaration.serving))
    sent = serve(made)
    try:
        for i, row in enumerate(rows):
            status, online = kept.ask("POST", "/predict", {"rows": [row]})
            assert (status, online["predictions"][0]["probabilities"]["yes"]) == (200, batch[i])
            status, online = sent.ask("POST", "/predict", {"rows": [row], "history": rows[:i]})
            assert (status, online["predictions"][0]["probabilities"]["yes"]) == (200, batch[i])
    finally:
        kept.close()
        sent.close()
    again = penstock(made, "replay", "--since", "1h")  # the journal holds the rows as they were filled
    assert (again.code, again.body["compared"], again.body["different"]) == (0, 2 * len(rows), 0)


def test_predict_takes_the_past_from_another_file(penstock: Cli, made: Path, tmp_path: Path) -> None:
    """The last ten rows, with those before as `--history`, are answered as in the file of all."""
    rows = [{name: value for name, value in row.items() if name != "y"} for row in sales(560)[500:]]
    told = []
    for name, asked, more in (
        ("all", rows, ()),
        ("last", rows[-10:], ("--history", str(write(tmp_path / "before.csv", rows[:-10])))),
    ):
        file, output = write(tmp_path / f"{name}.csv", asked), tmp_path / f"{name}.out.csv"
        assert penstock(made, "predict", "--input", str(file), "--output", str(output), *more).code == 0
        with output.open() as answers:
            told.append([row["p_yes"] for row in csv.DictReader(answers)])
    assert told[0][-10:] == told[1]


def test_a_recipe_is_applied_a_batch_at_a_time(
    penstock: Cli, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of every batch see those of the batches before, as in one table; a table without the columns that are read has no past."""
    rows = [{name: value for name, value in row.items() if name != "y"} for row in sales(90)]
    file, told = write(tmp_path / "later.csv", rows), []
    for cells in (4_000_000, 21):
        monkeypatch.setattr("penstock.data.source.BATCH_CELLS", cells)
        output = tmp_path / f"{cells}.csv"
        assert penstock(made, "recipe", "apply", str(file), "--output", str(output)).body["rows"] == 90
        told.append(output.read_text())
    assert told[0] == told[1]
    with (tmp_path / "21.csv").open() as features:
        found = list(csv.DictReader(features))
    assert [row["before"] for row in found[3:]] == [row["price"] for row in found[:-3]]
    other = write(tmp_path / "other.csv", [{"z": "1"}, {"z": "2"}])
    assert penstock(made, "recipe", "apply", str(other), "--output", str(tmp_path / "z.csv")).body["rows"] == 2

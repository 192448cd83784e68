"""`penstock data quality`: the checks of a project's data, with its limits, and what they may know of test rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.project.project import Project
from penstock.project.quality import LIMITS

Cli = Callable[..., Any]


def test_a_project_is_checked_and_the_look_at_sealed_rows_is_on_record(penstock: Cli, project_at: Any) -> None:
    """All checks say something; the exit code says whether one failed; no envelope is spent."""
    folder = project_at("new")
    done = penstock(folder, "data", "quality")
    assert {f["id"] for f in done.body["findings"]} == set(LIMITS)
    assert done.code == int(done.body["failed"])
    assert done.body["sealed_rows"] == done.body["rows"]["test"] == 440
    project = Project(folder)
    looks = [event for event in project.ledger.audit.events() if event.what == "count sealed rows"]
    assert len(looks) == 1
    head = project.ledger.datasets.head(project.name)
    from penstock.data.seal import envelopes

    assert not any(e.opened_at for e in envelopes(project.ledger, project.objects, head))


def test_limits_and_checks_that_are_off_are_the_declaration_s(penstock: Cli, project_at: Any, set_line: Any) -> None:
    """Each as declared; what is off is told."""
    folder = project_at("new")
    set_line(folder, "quality", 'off = ["enough-rows", "part-shift", "near-duplicate-texts"]')
    set_line(folder, "quality.limits", "rare-classes = 5000")
    done = penstock(folder, "data", "quality")
    assert done.code == 1
    rare = [f for f in done.body["findings"] if f["id"] == "rare-classes"]
    assert {(f["failed"], f["limit"]) for f in rare} == {(True, 5000)}
    assert "enough-rows" not in {f["id"] for f in done.body["findings"]}
    assert done.body["off"] == ["enough-rows", "part-shift", "near-duplicate-texts"]
    assert done.body["sealed_rows"] == 0  # nothing needed them


def test_rows_are_named_by_their_identifier(penstock: Cli, tmp_path: Path) -> None:
    """Which a person can look up in the source; without one, by their place among the training rows."""
    dice = np.random.default_rng(1)
    numbers = [f"{x:.4f}" for x in dice.normal(size=300)]
    rows = [f"k{i:03},{numbers[i % 280]},{'yes' if i % 2 else 'no'}" for i in range(300)]
    source = tmp_path / "table.csv"
    source.write_text("\n".join(["id,x,y", *rows]) + "\n", encoding="utf-8")
    assert penstock(tmp_path, "new", "shop", "--data", str(source), "--target", "y").code == 0
    done = penstock(tmp_path / "shop", "data", "quality", "--only", "duplicate-rows")
    (one,) = done.body["findings"]
    assert one["failed"]
    assert done.body["key"] == "id"
    assert len(one["keys"]) == len(one["rows"]) > 0
    assert set(one["keys"]) <= {f"k{i:03}" for i in range(280, 300)}


def test_one_check_alone_and_a_wrong_name(penstock: Cli, project_at: Any, set_line: Any) -> None:
    """The nearest is named."""
    folder = project_at("new")
    done = penstock(folder, "data", "quality", "--only", "rare-classes")
    assert {f["id"] for f in done.body["findings"]} == {"rare-classes"}
    set_line(folder, "quality", 'off = ["rare-classes"]')
    assert penstock(folder, "data", "quality", "--only", "rare-classes").body["findings"] == done.body["findings"]
    wrong = penstock(folder, "data", "quality", "--only", "rare-class")
    assert wrong.code == 2
    assert "rare-classes" in wrong.error["try"]


@pytest.mark.parametrize("line", ['off = ["labels-errors"]', "limits = { labels-errors = 0.1 }"])
def test_a_check_that_is_none_is_refused_before_anything_runs(
    penstock: Cli, project_at: Any, set_line: Any, line: str
) -> None:
    """With the nearest."""
    folder = project_at("new")
    set_line(folder, "quality", line)
    done = penstock(folder, "data", "log")
    assert done.code == 2
    assert "label-errors" in done.error["try"]


def test_a_limit_below_nothing_is_refused(penstock: Cli, project_at: Any, set_line: Any) -> None:
    """It would mean nothing."""
    folder = project_at("new")
    set_line(folder, "quality", "limits = { duplicate-rows = -1.0 }")
    done = penstock(folder, "data", "quality")
    assert (done.code, "turn the check off" in done.error["try"]) == (2, True)


def test_texts_of_test_rows_that_were_trained_on_are_counted_not_told(penstock: Cli, tmp_path: Path) -> None:
    """Messages that differ in a name: how many, never which."""
    dice = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(300)])
    lines = ["text,y"]
    for number in range(500):
        text = " ".join(dice.choice(words, 25))
        lines += [f"{text} n{number}{k},{number % 2}" for k in range(2)]
    source = tmp_path / "mail.csv"
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert penstock(tmp_path, "new", "mail", "--data", str(source), "--target", "y").code == 0
    done = penstock(tmp_path / "mail", "data", "quality", "--only", "near-duplicate-texts")
    (one,) = done.body["findings"]
    assert done.code == 1
    assert one["value"] > 0.3
    assert "of 200 test rows" in one["why"]


def test_every_check_of_the_data_is_explained(penstock: Cli, tmp_path: Path) -> None:
    """Beside those of the monitor."""
    for check in LIMITS:
        assert "Why it matters" in penstock(tmp_path, "explain-check", check).body["text"]
    listed = {c["id"] for c in penstock(tmp_path, "explain-check").body["checks"]}
    assert {*LIMITS, "drift"} <= listed
    assert penstock(tmp_path, "explain-check", "nonsense").code == 2


def test_the_time_of_a_row_is_a_column_of_instants(penstock: Cli, tmp_path: Path) -> None:
    """Named in the declaration, the others are held against it; another column is refused."""
    rows = [
        f"{i * 7 % 90},2024-01-{1 + i % 28:02},2024-{2 + i % 5:02}-01,{'no' if i % 3 else 'yes'}" for i in range(300)
    ]
    (tmp_path / "t.csv").write_text("x,asked,paid,y\n" + "\n".join(rows))
    assert penstock(tmp_path, "new", "shop", "--data", "t.csv", "--target", "y").code == 0
    ask = ("data", "quality", "--only", "time-travel")
    assert penstock(tmp_path / "shop", *ask).code == 0
    toml = tmp_path / "shop" / "penstock.toml"
    written = toml.read_text()
    toml.write_text(f'{written}\n[quality]\ntime = "asked"\n')
    (found,) = penstock(tmp_path / "shop", *ask).body["findings"]
    assert (found["about"], found["failed"]) == ("paid", True)
    for name, says in (("x", "which is numeric"), ("when", "which is not in the data set")):
        toml.write_text(f'{written}\n[quality]\ntime = "{name}"\n')
        assert says in penstock(tmp_path / "shop", *ask).error["what"]

"""`penstock compare`: tables, CSV, the page with curves."""

from __future__ import annotations

import csv
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from penstock.experiments.curves.curve_chart import Line, draw, thinned
from penstock.experiments.curves.curves import Point


def test_flags_that_differ_and_the_best_of_each_metric(trained: Any, cli: Any, said: Any) -> None:
    """What is the same in all is left out; `--all` shows it."""
    a, b, c = trained.ids["a"], trained.ids["b"], trained.ids["c"]
    body = cli("compare", a, b, c).body
    assert body["differing"] == ["lr", "opt"]
    assert body["best"] == {"val_loss": a, "loss": b}
    assert body["runs"][1]["metrics"]["val_loss"]["min"] == pytest.approx(0.3025, abs=1e-3)
    assert [f["kind"] for f in body["runs"][1]["findings"]] == ["overfitting"]
    text = said("compare", a, b, c)
    assert "epochs" not in text
    assert re.search(r"val_loss +0\.3\d* \* ", text)
    assert f"{b} overfitting: val_loss was best" in text
    assert "epochs" in said("compare", a, b, c, "--all")


def test_runs_come_in_the_order_in_which_they_are_named(trained: Any, cli: Any) -> None:
    """Or as the filter sorts them; by default the newest."""
    a, b, c = trained.ids["a"], trained.ids["b"], trained.ids["c"]
    assert [r["id"] for r in cli("compare", b, a, b).body["runs"]] == [b, a]
    assert [r["id"] for r in cli("compare", "--filter", "lr<0.5", "--sort", "lr").body["runs"]] == [a, b]
    assert [r["id"] for r in cli("compare").body["runs"]] == [c, b, a]
    assert cli("compare", "--filter", "lr>100").error["code"] == "bad-parameter"
    assert cli("compare", a, "nothing").error["code"] == "not-found"


def test_a_limit_that_is_given_counts(bench: Any, cli: Any, said: Any, tmp_path: Path) -> None:
    """Ten are the default where nothing is named, and no more than that; what is left out is said."""
    for i in range(13):
        bench.add(str(i), {"lr": i})
    newest = list(reversed(bench.ids.values()))
    assert [r["id"] for r in cli("compare").body["runs"]] == newest[:10]
    assert cli("compare").body["more"] is True
    assert "the first 10; --limit takes more" in said("compare")
    assert [r["id"] for r in cli("compare", "--limit", "12").body["runs"]] == newest[:12]
    whole = cli("compare", "--limit", "50", "--csv", str(tmp_path / "a.csv"), "--html", str(tmp_path / "a.html")).body
    assert len(whole["runs"]) == 13
    assert whole["more"] is False
    assert len((tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()) == 14
    assert "13 runs of" in (tmp_path / "a.html").read_text(encoding="utf-8")
    assert len(cli("compare", newest[0], newest[1], newest[2], "--limit", "2").body["runs"]) == 2


def test_named_runs_are_sorted_too(trained: Any, cli: Any) -> None:
    """And a name that no run has is refused, with or without runs."""
    a, b, c = trained.ids["a"], trained.ids["b"], trained.ids["c"]
    assert [r["id"] for r in cli("compare", c, a, b, "--sort", "lr").body["runs"]] == [a, b, c]
    assert [r["id"] for r in cli("compare", a, b, "--sort", "-lr", "--filter", "opt=adam").body["runs"]] == [b, a]
    assert [r["id"] for r in cli("compare", a, b, c, "--sort", "-lr", "--limit", "1").body["runs"]] == [c]
    for words in (("--limit", "2"), (a, b)):
        assert cli("compare", *words, "--sort", "nonsense").error["code"] == "query"


def test_a_batch_is_not_the_best_of_its_trials(bench: Any, cli: Any) -> None:
    """Its metric is that of its best trial."""
    batch = bench.add("batch", {"lr": "uniform[0:1]"}, [{"loss": 0.1}], operation="batch")
    first = bench.add("first", {"lr": 0.1}, [{"loss": 0.1}], parent=batch)
    second = bench.add("second", {"lr": 0.2}, [{"loss": 0.2}], parent=batch)
    assert cli("compare", batch, first, second).body["best"] == {"loss": first}


def test_a_run_that_goes_on_is_compared_by_what_it_has_logged(bench: Any, cli: Any) -> None:
    """Its record has no metrics yet."""
    done = bench.add("done", {"lr": 1}, [{"step": 0, "loss": 1.0}])
    with bench.workspace.ledger.run("train.py", params={"lr": 2}) as run:
        run.log(step=0, loss=3.0)
        run.log(step=1, loss=2.0)
        body = cli("compare", done, run.id).body
    assert body["runs"][1]["metrics"]["loss"] == {"last": 2.0, "min": 2.0, "max": 3.0}


def test_many_runs_are_rows(bench: Any, said: Any) -> None:
    """More than five."""
    for i in range(7):
        bench.add(str(i), {"lr": i, "deep": i > 3}, [{"step": 0, "loss": i / 7}])
    text = said("compare")
    assert len(text.splitlines()) == 8
    assert text.splitlines()[0].split() == ["run", "status", "took", "deep", "lr", "loss"]
    assert "0 *" in text.splitlines()[-1]


def test_csv_has_everything(trained: Any, cli: Any, tmp_path: Path) -> None:
    """One row per run, all flags, last, least and greatest of all metrics."""
    file = tmp_path / "runs.csv"
    assert cli("compare", "--csv", str(file)).body["written"] == [str(file)]
    rows = list(csv.DictReader(file.open(encoding="utf-8")))
    assert [row["flag:lr"] for row in rows] == ["1.0", "0.1", "0.01"]
    assert math.isnan(float(rows[0]["metric:loss"]))
    assert float(rows[0]["metric:val_loss.max"]) == pytest.approx(6.9)


def test_csv_makes_no_formula(bench: Any, cli: Any, tmp_path: Path) -> None:
    """A flag of an archive from elsewhere; a negative number stays one."""
    bench.add("evil", {"name": "=cmd|' /C calc'!A0", "at": "@SUM(1)", "low": "-3.5", "number": -2.5, "minus": "-x"})
    file = tmp_path / "runs.csv"
    assert cli("compare", "--csv", str(file)).code == 0
    row = next(csv.DictReader(file.open(encoding="utf-8")))
    assert row["flag:name"] == "'=cmd|' /C calc'!A0"
    assert row["flag:at"] == "'@SUM(1)"
    assert row["flag:minus"] == "'-x"
    assert (row["flag:low"], row["flag:number"]) == ("-3.5", "-2.5")


class Checker(HTMLParser):
    """Collects tags; no page may load or run anything."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [v for n, v in attrs if n in ("src", "href") and v and not v.startswith(("data:", "#"))]


def test_the_page_stands_alone(trained: Any, cli: Any, tmp_path: Path) -> None:
    """Curves of each metric with their diagnosis; no script, nothing from elsewhere, every text escaped."""
    trained.add("evil", {"lr": "<script>alert(1)</script>"}, [{"step": i, "loss": i, "<b>": i} for i in range(3)])
    file = tmp_path / "compare.html"
    assert cli("compare", "--html", str(file)).code == 0
    page = file.read_text(encoding="utf-8")
    checker = Checker()
    checker.feed(page)
    assert "script" not in checker.tags
    assert checker.addresses == []
    assert checker.tags.count("svg") == 3
    assert "&lt;script&gt;" in page
    assert "<b>" not in page
    assert "val_loss was best at step" in page
    assert 'class="kind grave">overfitting' in page
    assert "http" not in page


def test_a_file_that_cannot_be_written_is_told(trained: Any, cli: Any) -> None:
    """No traceback."""
    assert cli("compare", "--csv", "/proc/nothing/runs.csv").error["code"] == "store"


def test_a_folder_that_is_not_there_is_not_made(trained: Any, cli: Any, tmp_path: Path) -> None:
    """Its name may be a slip. So with every file that is asked for."""
    gone = tmp_path / "gone"
    run = trained.ids["a"]
    for words in (
        ("compare", "--csv", f"{gone}/x.csv"),
        ("compare", "--html", f"{gone}/x.html"),
        ("notebook", "--html", f"{gone}/x.html"),
        ("notebook", "--markdown", f"{gone}/x.md"),
        ("graph", "--svg", f"{gone}/x.svg"),
        ("export", f"{gone}/x.zip", run),
        ("export", "--mlflow", f"{gone}/x.db", run),
    ):
        answer = cli(*words)
        assert answer.code == 2, words
        if words[0] != "graph":  # which has no steps to draw here
            assert "there is no folder" in answer.error["why"], words
        assert not gone.exists(), words


def test_logs_are_read_only_for_curves(bench: Any, cli: Any, tmp_path: Path) -> None:
    """A record that says one value of each series says all, so its log is not opened."""
    bench.add("x", {"lr": 1}, [{"step": 0, "loss": 1.0}], outputs={"series": {"loss": {"count": 1, "not_finite": 0}}})
    bench.workspace.ledger.close()
    for file in (bench.workspace.state / "objects").rglob("*"):
        if file.is_file():
            file.unlink()
    assert cli("compare", "--html", str(tmp_path / "a.html")).code == 0


def test_a_chart_takes_any_numbers() -> None:
    """One point, equal values, huge and tiny ranges."""
    for values in ([1.0], [2.0, 2.0], [1e-12, 1e12], [-1e300, 1e300], [0.0, 1e-300], [5, -3.25]):
        points = [Point(i, v, v, v, i) for i, v in enumerate(values)]
        picture = draw([Line("r0", "run", points)], name="loss")
        assert picture.startswith("<svg")
        assert "nan" not in picture
        assert "inf" not in picture
    assert draw([Line("r0", "run", [])], name="loss") == ""


def test_a_thinned_curve_keeps_its_peaks() -> None:
    """A single value that sticks out is not lost."""
    points = [Point(i, 9.0 if i == 777 else 0.1, 0, 0, 0) for i in range(1000)]
    fewer = thinned(points, 100)
    assert len(fewer) <= 100
    assert max(p.value for p in fewer) == 9.0


def test_five_hundred_runs_are_compared(bench: Any, cli: Any) -> None:
    """All of them, with three queries on the ledger."""
    for i in range(60):
        bench.add(str(i), {"lr": i}, [{"step": 0, "loss": float(i)}])
    assert len(cli("compare", "--filter", "lr>=0").body["runs"]) == 60
    assert len(cli("compare", "--filter", "lr>=0", "--limit", "7").body["runs"]) == 7


def test_a_file_is_never_called_like_stdout(trained: Any, cli: Any) -> None:
    """`-` would become a file of that name, which few tools can remove."""
    answer = cli("compare", "--csv", "-")
    assert answer.error["what"] == "- is no file to write to"
    assert not (trained.workspace.root / "-").exists()

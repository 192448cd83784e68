"""The page of a report stands alone and says what matters."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from penstock.bundle.frame import Frame
from penstock.bundle.kinds import Kind, Task
from penstock.evaluation.gates import Gate
from penstock.evaluation.render import shown, to_html
from penstock.evaluation.report import Override, Report, evaluate

VOID = {"meta", "link", "br", "img", "hr", "input"}


class Balanced(HTMLParser):
    """Fails on a tag that is not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def a_report(task: Task, k: int = 2, n: int = 300, *, classes: list[str] | None = None) -> Report:
    rng = np.random.default_rng(0)
    job = np.array(["<b>cook</b>", "smith"], dtype=object)[rng.integers(0, 2, n)]
    frame = Frame({"job": job}, {"job": Kind.CATEGORICAL})
    if task is Task.REGRESSION:
        y = rng.normal(50_000, 9000, n)
        p, metric, names, base = y + rng.normal(0, 3000, n), "r2", [], np.full(n, 50_000.0)
    else:
        y = rng.integers(0, k, n)
        p = rng.random((n, k)) + np.eye(k)[y]
        p /= p.sum(axis=1, keepdims=True)
        metric, names, base = "accuracy", classes or [f"c{i}" for i in range(k)], np.full((n, k), 1 / k)
    report = evaluate(
        task, names, y, p, metric=metric, baseline=base, frame=frame, slices=["job"], title="demo 3", target="y",
        gates=[Gate(metric, at_least=2.0), Gate(metric, beats_baseline=True)], facts=[("audit head", "sha256:abc")],
    )  # fmt: skip
    return report.with_(
        overrides=(Override(f"{metric}>=2", "a pilot <only>", "ann", "2026-11-20T10:00:00Z"),),
        leaderboard=({"learner": "forest", "score": 0.9, "seconds": 2.0, "params": {"depth": 3}, "chosen": True},),
    )


@pytest.mark.parametrize(
    ("task", "k"), [(Task.BINARY, 2), (Task.MULTICLASS, 5), (Task.MULTICLASS, 40), (Task.REGRESSION, 0)]
)
def test_the_page_is_whole_and_needs_nothing_from_outside(task, k):
    """Balanced tags, no script, no address but SVG's own nothing."""
    html = to_html(a_report(task, k))
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    assert "<script" not in html
    assert not re.search(r"https?://|@import|url\(", html)
    assert "nan" not in re.sub(r"<title>.*?</title>", "", html).lower().replace("finance", "")


def test_overrides_gates_and_audit_head_are_on_the_page():
    """Named, reasoned, escaped."""
    html = to_html(a_report(Task.BINARY))
    assert "a pilot &lt;only&gt;" in html
    assert "✕ failed" in html
    assert "✓ passed" in html
    assert "1 of 2 gates passed, overridden" in html
    assert "sha256:abc" in html


def test_values_from_the_data_are_escaped():
    """A category or class may hold markup."""
    html = to_html(a_report(Task.BINARY, classes=["<i>no</i>", 'a"b']))
    assert "<b>cook" not in html
    assert "<i>no" not in html
    assert "&lt;b&gt;cook" in html


def test_a_stored_report_gives_the_same_page():
    """Through JSON and back."""
    report = a_report(Task.MULTICLASS, 3)
    assert to_html(Report.from_json(report.to_json())) == to_html(report)


def test_a_report_of_one_row_has_a_page():
    """Undefined scores are dashes with their reason."""
    html = to_html(evaluate(Task.REGRESSION, [], [1.0], [2.0], metric="r2"))
    assert "one row has no spread" in html
    html = to_html(evaluate(Task.BINARY, ["a", "b"], [1], [[0.1, 0.9]], metric="roc_auc"))
    assert "all 1 rows are of one class" in html


def test_figures_are_written_for_people():
    """Thousands marks, no minus zero."""
    assert shown(-1e-9) == "-1e-09"
    assert shown(1234567.0) == "1,234,567"

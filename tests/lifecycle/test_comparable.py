"""What keeps the live model from answering the decoded rows of another one's data, and what becomes of its gate then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from penstock.bundle.decoder import Decoder
from penstock.bundle.kinds import Kind, Task
from penstock.bundle.privacy.protection import Protection
from penstock.bundle.specs import ColumnSpec, TargetSpec
from penstock.lifecycle.comparable import not_judged, read_otherwise, why_not_comparable

X = ColumnSpec("x", Kind.NUMERIC)
JOB = ColumnSpec("job", Kind.CATEGORICAL)
Y = TargetSpec("y", Task.BINARY, ("no", "yes"))
Cli = Callable[..., Any]


def live(decoder: Decoder) -> Any:
    """A bundle of that data."""
    columns = [SimpleNamespace(name=spec.name) for spec in decoder.columns]
    return cast(
        Any, SimpleNamespace(signature=SimpleNamespace(columns=columns, target=decoder.target), decoder=decoder)
    )


@pytest.mark.parametrize(
    ("now", "found"),
    [
        ((X, JOB), []),
        ((replace(X, missing=("?",), decimal=","), JOB), []),  # written otherwise, and the same once it is read
        ((X,), []),  # what is not there any more is missing, as ever
        ((X, JOB, ColumnSpec("new", Kind.TEXT)), []),
        ((replace(X, kind=Kind.CATEGORICAL), JOB), ["x"]),
        ((replace(X, origin=2**60), JOB), ["x"]),
        ((X, replace(JOB, privacy=Protection("hash"))), ["job"]),
    ],
)
def test_what_is_decoded_in_another_form_cannot_be_shown_to_both(now: tuple[ColumnSpec, ...], found: list[str]) -> None:
    """Kinds, decisions and origins count; how values are written does not."""
    bundle, rows = live(Decoder((X, JOB), Y)), Decoder(now, Y)
    assert read_otherwise(bundle, rows) == found
    why = why_not_comparable(bundle, rows)
    assert (why is None) == (not found)
    assert all(repr(name) in not_judged(1, str(why)) for name in found)


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (Y, None),
        (replace(Y, missing=("?",)), None),  # written otherwise
        (replace(Y, name="z"), "'y', and this one 'z'"),
        (TargetSpec("y", Task.REGRESSION), "by binary, and this one by regression"),
        (replace(Y, classes=("no", "never")), "'never' new, 'yes' gone"),
        (replace(Y, classes=("yes", "no")), "another order"),
        (None, "nothing"),
    ],
)
def test_what_predicts_something_else_cannot_be_held_against_it(now: TargetSpec | None, told: str | None) -> None:
    """Whichever columns both read."""
    why = why_not_comparable(live(Decoder((X, JOB), Y)), Decoder((X,), now))
    assert why is None if told is None else told in str(why)


def test_the_gate_of_the_champion_that_cannot_be_judged_is_kept_and_asks_for_an_override(
    served: Any, penstock: Cli, set_line: Cli, rows_of: Cli, serve: Cli
) -> None:
    """Of the retraining, the verdict, the page, the deployment, the trail and the server; the exam is not taken twice."""
    project: Path = served.project
    asked = rows_of(60, seed=31)
    answers = served.predict(asked)
    labels = [{"id": a["id"], "label": r["bought"]} for a, r in zip(answers, asked, strict=True)]
    assert served.ask("POST", "/labels", {"labels": labels})[1]["accepted"] == 60
    served.close()
    set_line(project, "privacy.columns", 'job = "hash"')
    set_line(project, "retrain", "minimum_labels = 10")
    challenger = penstock(project, "retrain", "--override", "a test")
    assert challenger.code == 0, challenger
    against = challenger.body["champion"]
    assert (against["version"], against["value"], against["better"]) == (1, None, None)
    assert "'job' is read in another way since" in against["why"]
    assert against == penstock(project, "show", challenger.body["run"]).body["outputs"]["champion"]
    assert any("--override" in one and against["why"] in one for one in challenger.body["warnings"])

    refused = penstock(project, "deploy")
    assert (refused.code, refused.body["deployed"]) == (1, False)
    [gate] = [one for one in refused.body["gates"] if not one["passed"]]
    assert (gate["id"].endswith("-not-worse-than-champion"), gate["value"]) == (True, None)
    assert against["why"] in gate["why"]
    assert "--override REASON" in gate["why"]
    assert penstock(project, "models").body["versions"][0]["aliases"] == ["champion"]

    done = penstock(project, "deploy", "--override", "jobs must go")
    assert (done.code, done.body["envelope"]["opened"]) == (0, refused.body["envelope"]["opened"])
    [override] = [one for one in done.body["overrides"] if one["gate"] == gate["id"]]
    assert override["reason"] == "jobs must go"
    page = next((project / "reports").glob("deploy-v2-*.html")).read_text(encoding="utf-8")
    assert "not judged: version 1" in page
    assert "jobs must go" in page
    trail = penstock(project, "doctor", "--trail").body["events"]
    assert [one["details"]["gate"] for one in trail if one["details"].get("reason") == "jobs must go"] == [gate["id"]]
    app = serve(project)
    kept = app.ask("GET", "/model")[1]["deployment"]
    app.close()
    assert gate["id"] in [one["id"] for one in kept["gates"] if not one["passed"]]
    assert kept["overrides"] == done.body["overrides"]

"""`penstock show`: one run, its source, its uncommitted changes, what it printed."""

from __future__ import annotations

from typing import Any


def test_a_run_shows_its_series_and_what_they_say(trained: Any, cli: Any, said: Any) -> None:
    """Last, least and greatest; the diagnosis with its reason."""
    text = said("show", trained.ids["b"])
    assert "least 0.3" in text
    assert "overfitting: val_loss was best at step" in text
    body = cli("show", trained.ids["b"]).body
    assert [f["kind"] for f in body["findings"]] == ["overfitting"]
    assert body["params"] == {"lr": 0.1, "opt": "adam", "epochs": 60}
    assert [f["kind"] for f in cli("show", trained.ids["c"]).body["findings"]][:2] == ["not-finite", "diverging"]


def test_a_run_shows_where_it_is_told_of(bench: Any, cli: Any, said: Any) -> None:
    """Tags, notes, decisions, and that it saw what it should not."""
    run = bench.add("x", {"lr": 1}, outputs={"unsealed": ["data.csv"]})
    cli("tag", run, "best")
    cli("note", run, "too fast")
    cli("decide", "a high rate helps", "--why", "it was faster", "--runs", run)
    text = said("show", run)
    assert "UNSEALED: it opened data.csv itself" in text
    assert "tags #best" in text
    assert "too fast" in text
    assert "d1 (open): a high rate helps" in text
    body = cli("show", run).body
    assert body["unsealed"] is True
    assert body["decisions"][0]["id"] == "d1"


def test_the_source_of_a_run(bench: Any, cli: Any, said: Any) -> None:
    """All files, and one of them; a wrong name is told the nearest."""
    run = bench.add("x", {}, source={"train.py": "print(1)\n", "pkg/model.py": "x = 1\n"})
    assert [f["path"] for f in cli("show", run, "--source").body["files"]] == ["pkg/model.py", "train.py"]
    assert cli("show", run, "--source", "pkg/model.py").body["text"] == "x = 1\n"
    assert said("show", run, "--source", "pkg/model.py") == "x = 1\n"
    assert "'pkg/model.py'" in cli("show", run, "--source", "pkg/modle.py").error["try"]
    assert cli("show", run, "train.py").code == 2  # a path without --source


def test_a_run_without_a_snapshot_says_so(bench: Any, cli: Any) -> None:
    """Source, changes and log of a run that has none."""
    run = bench.add("x", {})
    assert cli("show", run, "--source").error["code"] == "not-found"
    assert cli("show", run, "--diff").body["diff"] is None
    assert cli("show", run, "--log").error["code"] == "not-found"


def test_what_a_run_printed(bench: Any, cli: Any) -> None:
    """As it came, also where it is no UTF-8; of a run that printed nothing, what it logged."""
    run = bench.add("x", {})
    bench.workspace.ledger.keep(run, "console", b"hello \xff\n", media="text/plain")
    assert cli("show", run, "--log").body["console"] == "hello \ufffd\n"
    logged = bench.add("y", {}, [{"step": 1, "loss": 0.5}])
    assert cli("show", logged, "--log").body["log"][0]["loss"] == 0.5


def test_what_was_not_committed(bench: Any, cli: Any, said: Any) -> None:
    """The difference as git told it."""
    run = bench.add("x", {})
    bench.workspace.ledger.keep(run, "diff", b"--- a/x\n+++ b/x\n", media="text/x-diff")
    assert said("show", run, "--diff") == "--- a/x\n+++ b/x\n"
    assert cli("show", run, "--diff", "--log").error["code"] == "usage"


def test_the_words_of_a_command_are_shown(bench: Any, said: Any) -> None:
    """Its name alone, `sh` or `Rscript`, does not say what ran; they can be pasted into a shell."""
    argv = ["Rscript", "train it.R", "--fast"]
    run = bench.add(
        "r", {}, operation="Rscript", inputs={"target": {"kind": "command", "name": "Rscript", "argv": argv}}
    )
    assert "  command Rscript 'train it.R' --fast\n" in said("show", run)

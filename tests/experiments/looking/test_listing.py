"""`penstock runs`: filters, orders, columns, marks, and runs inside others."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def ids(done: Any) -> list[str]:
    return [run["id"] for run in done.body["runs"]]


def test_runs_are_filtered_sorted_and_have_columns(trained: Any, cli: Any) -> None:
    """The names of filters are those of columns and orders."""
    a, b, c = trained.ids["a"], trained.ids["b"], trained.ids["c"]
    assert ids(cli("runs")) == [c, b, a]
    assert ids(cli("runs", "--filter", "status=done and lr<0.5")) == [b, a]
    assert ids(cli("runs", "--sort", "-lr")) == [c, b, a]
    assert ids(cli("runs", "--sort", "val_loss", "--limit", "1")) == [a]
    done = cli("runs", "--filter", "loss is nan", "--columns", "lr,val_loss.min,seconds,opt")
    assert done.body["runs"][0]["columns"]["lr"] == 1.0
    assert done.body["runs"][0]["columns"]["val_loss.min"] == 1.0
    assert done.body["runs"][0]["metrics"]["loss"] is None  # JSON has no NaN


def test_the_table_shows_what_tells_runs_apart(trained: Any, said: Any) -> None:
    """Flags that differ, metrics on validation rows first, NaN as it is."""
    table = said("runs").splitlines()
    assert table[0].split() == ["run", "operation", "status", "started", "(UTC)", "took", "flags", "metrics"]
    assert "lr=1 opt=sgd" in table[1]
    assert "epochs" not in table[1]
    assert "val_loss 6.9, loss NaN" in table[1]


def test_a_wrong_name_is_told_the_nearest(trained: Any, cli: Any) -> None:
    """In filters, columns and orders; exit code 2."""
    for arguments in (("--filter", "lrr<1"), ("--columns", "lrr"), ("--sort", "-lrr")):
        done = cli("runs", *arguments)
        assert done.code == 2
        assert done.error["code"] == "query"
        assert done.error["try"] == "did you mean 'lr'?"


def test_marks_show_tags_notes_and_unsealed_runs(bench: Any, cli: Any, said: Any) -> None:
    """Decisions too."""
    run = bench.add("x", {"lr": 1}, outputs={"unsealed": ["data.csv"]})
    cli("tag", run, "best", "stage=final")
    cli("note", run, "learning rate was too high")
    cli("decide", "a low rate helps", "--runs", run)
    line = said("runs").splitlines()[1]
    assert 'unsealed d1 open #best #stage=final "learning rate was too high"' in line
    body = cli("runs").body["runs"][0]
    assert body["unsealed"] is True
    assert body["tags"] == {"best": "", "stage": "final"}
    assert body["notes"] == 1
    assert body["decisions"] == ["d1"]
    assert ids(cli("runs", "--filter", "unsealed and tag:best and note~'TOO HIGH'")) == [run]


def test_runs_inside_others_are_shown_when_asked_for(bench: Any, cli: Any, said: Any) -> None:
    """By default only the batch; a filter looks at all."""
    with bench.workspace.ledger.run("batch", params={}) as batch:
        trial = bench.add("trial", {"lr": 1}, parent=batch.id)
    alone = bench.add("alone", {"lr": 2})
    assert ids(cli("runs")) == [alone, batch.id]
    assert cli("runs").body["runs"][1]["runs_inside"] == 1
    assert f"--batch {batch.id}" in said("runs")
    assert ids(cli("runs", "--all")) == [alone, trial, batch.id]
    assert ids(cli("runs", "--batch", batch.id)) == [trial]
    assert ids(cli("runs", "--filter", "lr>0")) == [alone, trial]


def test_a_run_whose_process_is_gone_is_interrupted_in_filters_too(bench: Any, cli: Any) -> None:
    """The ledger's row still says running."""
    import multiprocessing

    context = multiprocessing.get_context("fork")
    child = context.Process(target=_begin_and_die, args=(bench.workspace.root,))
    child.start()
    child.join()
    assert len(ids(cli("runs", "--filter", "status=interrupted"))) == 1
    assert ids(cli("runs", "--filter", "status=running")) == []


def _begin_and_die(root: Path) -> None:
    import os

    from penstock.project.workspace import Workspace

    Workspace(root).ledger.begin("train.py", params={"lr": 1})
    os._exit(9)


def test_looking_makes_nothing(penstock: Any, tmp_path: Path) -> None:
    """Where no runs are kept, every verb that looks says so, and leaves no trace."""
    for verb in ("runs", "show x", "compare", "diff x y", "watch", "ls x", "tag x", "delete x", "purge"):
        done = penstock(tmp_path, *verb.split())
        assert (done.code, done.error["code"]) == (2, "project"), verb
    assert list(tmp_path.iterdir()) == []


def test_texts_of_users_do_not_move_the_cursor(bench: Any, said: Any) -> None:
    """A flag or a tag is a text of somebody else."""
    run = bench.add("x", {"name\x1b[2J": "a\nb\x1b[31m"})
    for shown in (said("runs"), said("show", run)):
        assert "\x1b" not in shown


def test_a_batch_is_not_ranked_beside_its_trials(bench: Any, cli: Any) -> None:
    """Its metric is that of its best trial, its flags are what they were drawn from. Asked for, it is there."""
    batch = bench.add("batch", {"lr": "loguniform[1e-5:1e-1]"}, [{"loss": 0.1}], operation="batch")
    first = bench.add("first", {"lr": 0.1}, [{"loss": 0.1}], parent=batch)
    second = bench.add("second", {"lr": "abc"}, [{"loss": 0.2}], parent=batch)

    def ids(*words: str) -> list[str]:
        return [run["id"] for run in cli("runs", *words).body["runs"]]

    assert ids("--sort", "loss", "--all") == [first, second]
    assert ids("--filter", "loss<1 or lr=5") == [second, first]
    assert ids("--filter", "lr<zzz") == [second]
    assert ids("--sort", "loss") == [batch]  # the only one that is listed
    assert ids("--all") == [second, first, batch]
    assert ids("--filter", "status=done") == [second, first, batch]
    assert ids("--operation", "batch", "--filter", "lr~loguniform") == [batch]
    assert ids("--filter", "operation=batch and lr~loguniform") == [batch]
    assert cli("delete", "--filter", "lr<zzz").body["deleted"] == [second]


def test_a_number_that_is_compared_with_a_word_is_named_where_nothing_fits(bench: Any, cli: Any, said: Any) -> None:
    """And the other way round: neither is ever so. What may be so, and is not, needs no hint."""
    for lr in (0.1, float("nan")):
        bench.add("x", {"lr": lr, "opt": "adam", "mixed": lr if lr == 0.1 else "auto"})
    hints = {
        "lr<abc": "lr is a number in every run, and 'abc' is none",
        "opt=sgd or (lr>=abc and not opt=adam)": "lr is a number in every run, and 'abc' is none",
        'flag:lr<"0.3"': "flag:lr is a number in every run, and in quotes 0.3 is a text: write flag:lr<0.3",
        "opt<3": 'opt is a text in every run, and 3 is a number: opt<"3" compares it as a text',
    }
    for text, hint in hints.items():
        assert said("runs", "--filter", text).strip() == f"no run fits: {hint}"
        assert cli("runs", "--filter", text).body["warnings"] == [hint]
        assert cli("compare", "--filter", text).error["why"] == f"no run fits: {hint}"
    for text in ("lr<0.01", "opt=3", "lr=none", "mixed<aaa", "opt<aaa", "status=failed"):
        assert said("runs", "--filter", text).strip() == "no run fits"
        assert cli("runs", "--filter", text).body["warnings"] == []
    assert len(ids(cli("runs", "--filter", "not lr<abc"))) == 2

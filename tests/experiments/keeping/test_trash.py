"""`penstock delete`, `restore` and `purge`: nothing that is needed is ever lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from penstock.objects.digests import canonical_json


def stored(bench: Any) -> set[str]:
    return set(bench.workspace.objects.digests())


def ids(done: Any) -> list[str]:
    return [run["id"] for run in done.body["runs"]]


def test_a_deleted_run_is_hidden_and_comes_back(trained: Any, cli: Any) -> None:
    """By id, by filter; with everything that it had."""
    a, b, c = trained.ids["a"], trained.ids["b"], trained.ids["c"]
    assert cli("delete", a).body["deleted"] == [a]
    assert ids(cli("runs")) == [c, b]
    assert ids(cli("runs", "--deleted")) == [a]
    assert cli("show", a).body["deleted_at"]
    assert cli("delete", "--filter", "lr>0.05").body["deleted"] == [b, c]
    assert cli("restore", "--filter", "lr<0.5").body["restored"] == [a, b]
    assert ids(cli("runs")) == [b, a]
    assert cli("delete").error["code"] == "bad-parameter"


def test_a_batch_goes_and_comes_back_as_a_whole(bench: Any, cli: Any) -> None:
    """With the runs inside it."""
    with bench.workspace.ledger.run("batch", params={}) as batch:
        bench.add("trial", {"lr": 1}, parent=batch.id)
    assert len(cli("delete", batch.id).body["deleted"]) == 2
    assert ids(cli("runs", "--all")) == []
    assert len(cli("restore", batch.id).body["restored"]) == 2


def test_purging_frees_what_nothing_else_needs(bench: Any, cli: Any) -> None:
    """The source that two runs share stays until the second is gone."""
    source = {"train.py": "shared\n"}
    first = bench.add("first", {"lr": 1}, [{"step": 0, "loss": 1.0}], source=source, files={"a.txt": "only here"})
    before = stored(bench)
    second = bench.add("second", {"lr": 2}, [{"step": 0, "loss": 2.0}], source=source, files={"b.txt": "only there"})
    own = stored(bench) - before
    cli("delete", second)
    planned = cli("purge", "--dry").body
    assert planned["planned"] is True
    assert stored(bench) == before | own
    gone = cli("purge", "--yes").body
    assert gone["runs"] == [second]
    assert (gone["objects"], gone["size_bytes"]) == (planned["objects"], planned["size_bytes"])
    assert stored(bench) == before
    assert cli("show", second).error["code"] == "not-found"
    assert cli("cat", first, "a.txt").body["text"] == "only here"
    assert cli("show", first, "--source", "train.py").body["text"] == "shared\n"
    cli("delete", first)
    assert cli("purge", "--yes").body["runs"] == [first]
    assert stored(bench) == set()


def test_purging_spares_what_a_thrown_away_run_still_needs(bench: Any, cli: Any) -> None:
    """A run in the trash can come back whole."""
    source = {"train.py": "shared\n"}
    first, second = bench.add("first", {}, source=source), bench.add("second", {}, source=source)
    cli("delete", first, second)
    assert cli("purge", first, "--yes").body["runs"] == [first]
    cli("restore", second)
    assert cli("show", second, "--source", "train.py").body["text"] == "shared\n"


def test_purging_spares_what_data_sets_and_models_lead_to(bench: Any, cli: Any) -> None:
    """A file that a script copied may be, byte for byte, a part of a data set: lists of objects are followed."""
    large = "x" * 300_000  # an object of its own
    run = bench.add("x", {}, files={"train.parquet": large})
    digest = bench.workspace.objects.put(large.encode())
    manifest = bench.workspace.objects.put(canonical_json({"parts": {"train": {"objects": [digest]}}}))
    bench.workspace.ledger.datasets.add(
        "sha256:" + "1" * 64, parent=None, manifest=manifest, source={}, details={}, run=None
    )
    cli("delete", run)
    cli("purge", "--yes")
    assert bench.workspace.objects.has(digest)
    assert bench.workspace.objects.has(manifest)


def test_the_proof_of_a_model_is_not_purged(bench: Any, cli: Any) -> None:
    """Nothing at all is removed then."""
    run = bench.add("x", {}, files={"a.txt": "proof"})
    bench.workspace.ledger.registry.register(
        "shop", run, "sha256:" + "2" * 64, passed=True, dataset="sha256:" + "3" * 64
    )
    before = stored(bench)
    cli("delete", run)
    done = cli("purge", "--yes")
    assert done.code == 2
    assert "proof" in done.error["why"]
    assert stored(bench) == before


def test_nothing_is_purged_while_a_run_goes_on(bench: Any, cli: Any) -> None:
    """It may be about to use an object that would be freed; and a running run is not thrown away."""
    run = bench.add("x", {})
    cli("delete", run)
    with bench.workspace.ledger.run("train.py", params={}) as going:
        done = cli("purge", "--yes")
        assert done.error["code"] == "project"
        assert done.error["what"] == f"nothing is purged while run {going.id} is going on"
        assert cli("delete", going.id).error["code"] == "project"
    assert cli("purge", "--yes").body["runs"] == [run]


def test_purge_asks_and_wants_what_was_thrown_away(bench: Any, cli: Any) -> None:
    """Without a terminal there is nobody to ask."""
    run = bench.add("x", {})
    assert cli("purge", run, "--yes").error["code"] == "project"
    cli("delete", run)
    assert cli("purge").error["code"] == "usage"
    assert cli("purge", "--yes").body["runs"] == [run]
    assert cli("purge").body["runs"] == []


def test_what_open_laid_out_goes_too(bench: Any, cli: Any) -> None:
    """Nothing of a purged run is left in the state folder."""
    run = bench.add("x", {}, files={"a.txt": "1"})
    folder = Path(cli("open", run).body["folder"])
    cli("delete", run)
    cli("purge", "--yes")
    assert not folder.exists()

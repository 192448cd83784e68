"""The duties of a ledger towards runs that others steer: queued, nested, tagged, thrown away. Use `LedgerContract`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from penstock.errors import BadParameter, NotFound, PenstockError, ProjectError
from penstock.ledger.clock import seconds_between
from penstock.ledger.ledger import Ledger
from penstock.ledger.log import LogFile
from penstock.objects.digests import digest_of

OpenLedger = Callable[[], Ledger]


class LedgerScriptsContract:
    """Runs of scripts: what they are told of later, the queue, tags and notes, the trash, listings, experiments."""

    @pytest.fixture
    def ledger(self, open_ledger: OpenLedger) -> Ledger:
        return open_ledger()

    # ---- what is told of a run

    def test_a_run_knows_who_started_it_where_and_for_what(self, ledger: Ledger) -> None:
        """User, machine, parent and tags; environment and source are what the caller says, if he says."""
        with ledger.run("batch", project="bank") as batch:
            for lr in (0.1, 0.2):
                here, source = {"python": "3.99"}, {"commit": "abc"}
                with ledger.run(
                    "train.py",
                    parent=batch.id,
                    params={"lr": lr},
                    environment=here,
                    source=source,
                    tags={"baseline": ""},
                ):
                    pass
        children = ledger.children(batch.id)
        assert [child.params["lr"] for child in children] == [0.1, 0.2]
        child = children[0]
        assert (child.parent, child.environment, child.source) == (batch.id, {"python": "3.99"}, {"commit": "abc"})
        assert child.tags == {"baseline": ""}
        record = ledger.get(batch.id)
        assert record.parent is None
        assert record.who
        assert record.host
        assert record.to_json()["tags"] == {}

    def test_what_is_known_only_later_is_added(self, ledger: Ledger) -> None:
        """Inputs with their lineage, parameters, the environment of the child, and many things in one go."""
        first, second, made = (digest_of(name) for name in (b"1", b"2", b"made"))
        with ledger.run("train.py", inputs={"files": {"a.csv": first}}, params={"lr": 0.1}, environment={}) as run:
            run.input("files", {"a.csv": second})
            run.input("batch", "b1")
            run.params({"epochs": 3})
            run.environment({"python": "3.12"})
            run.record(
                params={"lr": 0.2},
                outputs={"files": 2, "tree": made},
                metrics={"loss": math.nan, "acc": {"value": 0.9, "low": 0.8, "high": 1.0}},
                artifacts={"console": {"digest": made, "size_bytes": 4, "media": "text/plain"}},
                source={"commit": "abc"},
            )
        record = ledger.get(run.id)
        assert record.inputs == {"files": {"a.csv": second}, "batch": "b1"}
        assert record.params == {"lr": 0.2, "epochs": 3}
        assert (record.environment, record.source) == ({"python": "3.12"}, {"commit": "abc"})
        assert record.outputs == {"files": 2, "tree": made}
        assert math.isnan(record.metrics["loss"]["value"] or 0)
        assert record.metrics["acc"] == {"value": 0.9, "low": 0.8, "high": 1.0}
        assert record.artifacts == {"console": {"digest": made, "size_bytes": 4, "media": "text/plain"}}
        assert ledger.lineage(second).used_by(second) == [run.id]
        assert ledger.lineage(made).made_by(made) == [run.id]
        with pytest.raises(NotFound, match="no run made or used"):
            ledger.lineage(first)

    def test_a_hopeless_run_is_stopped_with_its_reason(self, ledger: Ledger) -> None:
        """That is neither success nor failure; an error still is one."""
        with ledger.run("train.py") as run:
            run.stop("loss 3.2 is worse than the median 1.1 at step 5")
        record = ledger.get(run.id)
        assert record.status == "stopped"
        assert record.outputs["stopped"].startswith("loss 3.2")
        failed = ledger.run("train.py")

        def fail() -> None:
            with failed:
                failed.stop("hopeless")
                print(1 / 0)

        with pytest.raises(ZeroDivisionError):
            fail()
        assert ledger.get(failed.id).status == "failed"
        assert [r.id for r in ledger.runs(status="stopped")] == [run.id]

    def test_other_processes_append_to_the_log(self, ledger: Ledger) -> None:
        """To the same file, on the same clock; it is kept though the run itself logged nothing."""
        with ledger.run("train.py") as run:
            started = time.monotonic() - 100.0
            child = LogFile(run.log_path, started)
            child.append({"step": 1, "loss": 0.5})
            child.close()
        record = ledger.get(run.id)
        assert record.log is not None
        line = next(ledger.log_of(record))
        assert (line["step"], line["loss"]) == (1, 0.5)
        assert 100 <= line["elapsed_s"] < 200

    def test_names_that_are_not_utf8_are_recorded(self, ledger: Ledger) -> None:
        """A file may be called anything; JSON brings it back, elsewhere an escape stands for it."""
        name = b"caf\xe9.py".decode("utf-8", "surrogateescape")
        with ledger.run(name, params={"file": name}, inputs={"target": {"path": name}}, environment={}) as run:
            run.output("files", [name])
        record = ledger.get(run.id)
        assert (record.params["file"], record.inputs["target"]["path"], record.outputs["files"]) == (name, name, [name])
        assert record.operation == "caf\\udce9.py"
        assert ledger.note(run.id, "a\0b") == 1
        assert ledger.get(run.id).notes[0]["text"] == "a\\u0000b"

    # ---- begun here, ended there

    def test_a_run_may_be_begun_and_ended_by_different_processes(self, open_ledger: OpenLedger) -> None:
        """As a tracking server's client does: begin, add, end, each on its own."""
        run_id = open_ledger().begin("fit", params={"lr": 0.1}, tags={"mlflow.user": "ada"}, owned=False)
        assert open_ledger().get(run_id).status == "running"
        open_ledger().set_params(run_id, {"epochs": 3})
        open_ledger().set_metrics(run_id, {"loss": 0.5, "acc": 0.9})
        open_ledger().set_metrics(run_id, {"loss": 0.4})
        open_ledger().set_inputs(run_id, {"data": "bank"})
        open_ledger().set_outputs(run_id, {"rows": 3})
        digest = open_ledger().keep(run_id, "model", b"model", media="text/plain")
        log = LogFile(open_ledger().folder_of(run_id) / "metrics.jsonl")
        log.append({"step": 1, "loss": 0.5})
        log.close()
        open_ledger().end(run_id, status="failed", error={"code": "x", "what": "y"}, cost={"money": 2.0})
        record = open_ledger().get(run_id)
        assert (record.status, record.error, record.cost) == ("failed", {"code": "x", "what": "y"}, {"money": 2.0})
        assert record.params == {"lr": 0.1, "epochs": 3}
        assert {name: metric["value"] for name, metric in record.metrics.items()} == {"loss": 0.4, "acc": 0.9}
        assert (record.inputs, record.outputs) == ({"data": "bank"}, {"rows": 3})
        assert record.artifacts["model"]["digest"] == digest
        assert record.log is not None
        assert record.ended_at is not None
        assert record.seconds == pytest.approx(seconds_between(record.started_at, record.ended_at), abs=1.0)
        open_ledger().resume(run_id)
        assert open_ledger().get(run_id).ended_at is None
        open_ledger().end(run_id)
        assert open_ledger().get(run_id).status == "done"

    def test_what_is_told_of_no_run_is_refused(self, ledger: Ledger) -> None:
        """Nothing is written for it; the nearest is named."""
        with ledger.run("fit") as run:
            pass
        wrong = run.id[:-1] + ("0" if run.id[-1] != "0" else "1")
        for tell in (
            lambda: ledger.set_metrics(wrong, {"loss": 1.0}),
            lambda: ledger.set_params(wrong, {"lr": 1}),
            lambda: ledger.keep(wrong, "model", b""),
            lambda: ledger.tag(wrong, {"a": "b"}),
            lambda: ledger.note(wrong, "seen"),
            lambda: ledger.end(wrong),
            lambda: ledger.resume(wrong),
            lambda: ledger.delete([wrong]),
            lambda: ledger.requeue(wrong),
        ):
            with pytest.raises(NotFound, match=f"(?s)no run '{wrong}'.*{run.id}"):
                tell()
        with pytest.raises(BadParameter, match="does not end as 'running'"):
            ledger.end(run.id, status="running")

    # ---- the queue

    def test_a_queued_run_is_taken_once(self, open_ledger: OpenLedger) -> None:
        """Of any number of workers, also at once, one begins it; it keeps its id and what it was queued with."""
        spec = {"target": "train.py", "argv": ["--lr", "0.1"]}
        ids = [
            open_ledger().enqueue("train.py", params={"lr": n}, inputs={"n": n}, spec=spec, project="bank")
            for n in range(3)
        ]
        assert [r.id for r in open_ledger().runs(status="queued", order="r.id")] == ids

        def attempt(number: int) -> bool:
            ledger = open_ledger()
            try:
                with ledger.run("train.py", takes=ids[0], inputs={"n": 0, "by": number}, environment={"n": number}):
                    assert ledger.get(ids[0]).status == "running"
            except ProjectError:
                return False
            return True

        with ThreadPoolExecutor(6) as pool:
            assert sum(pool.map(attempt, range(6))) == 1
        record = open_ledger().get(ids[0])
        assert (record.status, record.project, record.params) == ("done", "bank", {"lr": 0})
        assert record.inputs["by"] == record.environment["n"]
        assert record.outputs["queued"] == spec
        assert [r.id for r in open_ledger().runs(status="queued", order="r.id")] == ids[1:]
        open_ledger().delete([ids[1]])
        with pytest.raises(ProjectError, match=r"(?s)is not queued.*taken out of the queue"):
            open_ledger().run("train.py", takes=ids[1]).__enter__()

    def test_a_run_from_the_queue_may_be_queued_again(self, ledger: Ledger) -> None:
        """When it failed; not when it is running or done, and not when it never was in the queue."""
        run_id = ledger.enqueue("train.py", params={}, inputs={}, spec={})

        def interrupted() -> None:
            with ledger.run("train.py", takes=run_id):
                with pytest.raises(ProjectError, match=r"(?s)cannot be queued again.*it is running"):
                    ledger.requeue(run_id)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        ledger.requeue(run_id)
        record = ledger.get(run_id)
        assert (record.status, record.error, record.ended_at) == ("queued", None, None)
        with ledger.run("train.py", takes=run_id), ledger.run("other") as other:
            pass
        for done in (run_id, other.id):
            with pytest.raises(ProjectError, match="cannot be queued again"):
                ledger.requeue(done)

    # ---- tags, notes, the trash

    def test_tags_are_set_and_removed_and_notes_only_added(self, ledger: Ledger) -> None:
        """A tag has one value; a note has its author and time."""
        with ledger.run("train.py") as run:
            pass
        ledger.tag(run.id, {"baseline": "", "stage": "pilot"})
        ledger.tag(run.id, {"baseline": None, "stage": "final"})
        assert ledger.note(run.id, "the loss jumps at step 30", who="ada") == 1
        assert ledger.note(run.id, "a bad batch") == 2
        record = ledger.get(run.id)
        assert record.tags == {"stage": "final"}
        assert [(n["number"], n["text"]) for n in record.notes] == [
            (1, "the loss jumps at step 30"),
            (2, "a bad batch"),
        ]
        assert record.notes[0]["who"] == "ada"
        assert seconds_between(record.notes[0]["at"]) < 60
        with pytest.raises(BadParameter, match="a tag has no name"):
            ledger.tag(run.id, {" ": "x"})
        with pytest.raises(BadParameter, match="the note is empty"):
            ledger.note(run.id, "\n")

    def test_what_is_thrown_away_comes_back_with_what_belongs_to_it(self, ledger: Ledger) -> None:
        """It is in no list and no cache, but still known by its id."""
        with ledger.run("batch") as batch, ledger.run("train.py", parent=batch.id) as first:
            pass
        with ledger.run("train.py", parent=batch.id) as second:
            pass
        key = ledger.get(second.id).key
        assert ledger.delete([first.id]) == [first.id]
        assert ledger.delete([batch.id]) == [batch.id, second.id]
        assert ledger.runs() == []
        assert ledger.find("train.py", key) is None
        assert {r.id for r in ledger.runs(deleted=True)} == {batch.id, first.id, second.id}
        assert len(ledger.runs(deleted=None)) == 3
        assert ledger.get(second.id).deleted_at is not None
        assert ledger.restore([batch.id]) == [batch.id, second.id]
        assert [r.id for r in ledger.runs()] == [second.id, batch.id]
        assert ledger.find("train.py", key) is not None
        assert ledger.restore([batch.id]) == []

    def test_what_is_forgotten_is_gone(self, ledger: Ledger) -> None:
        """Rows, lineage and folder, of it and what belongs to it; the audit trail tells that there was something."""
        with ledger.run("batch") as batch:
            with ledger.run("train.py", parent=batch.id, inputs={"a": digest_of(b"a")}, tags={"t": ""}) as run:
                run.log(step=1)
                run.metric("loss", 1.0)
                run.keep("model", b"m")
                ledger.trials.add(batch.id, 0, "x", {}, "done", 0.5)
            ledger.note(run.id, "seen")
            with pytest.raises(ProjectError, match=r"(?s)is still running.*process \d+"):
                ledger.forget([batch.id])
        assert ledger.forget([batch.id]) == [batch.id, run.id]
        for gone in (batch.id, run.id):
            with pytest.raises(NotFound):
                ledger.get(gone)
        with pytest.raises(NotFound):
            ledger.lineage(digest_of(b"a"))
        assert ledger.trials.of(batch.id) == []
        assert not ledger.folder_of(run.id).exists()
        event = ledger.audit.events()[-1]
        assert (event.what, event.details) == ("forget", {"runs": [batch.id, run.id]})
        for table in ("runs", "run_inputs", "run_outputs", "run_metrics", "run_tags", "run_notes", "environments"):
            assert ledger.ask(f"SELECT * FROM {table}") == []

    def test_the_proof_of_a_model_cannot_be_forgotten(self, ledger: Ledger) -> None:
        """Nor that of a data set or of an opened envelope; then nothing is removed."""
        runs = []
        for _ in range(4):
            with ledger.run("package") as run:
                runs.append(run.id)
        ledger.registry.register("bank", runs[0], "sha256:b", passed=True, dataset="sha256:d")
        ledger.datasets.add("sha256:d", None, {}, run=runs[1])
        ledger.seal.add("sha256:d", 0, 10, "sha256:o", "key")
        ledger.seal.open("sha256:d", 0, by_run=runs[2], purpose="deploy")
        for run_id, proof in zip(runs, ("bank@1", "data set d", "envelope 0 of data set d"), strict=False):
            with pytest.raises(ProjectError, match=f"(?s)cannot be forgotten.*the proof of {proof}"):
                ledger.forget([runs[3], run_id])
        assert len(ledger.runs()) == 4
        assert ledger.forget([runs[3]]) == [runs[3]]

    # ---- listings

    def test_listings_are_chosen_ordered_and_light(self, ledger: Ledger) -> None:
        """By a condition in SQL on the run `r`; with what was asked for."""
        for number, lr in enumerate((0.1, 0.3, 0.2)):
            with ledger.run("train.py", params={"lr": lr}, project="bank", tags={"n": str(number)}) as run:
                run.metric("loss", math.nan if number == 2 else lr * 2)
        ledger.note(run.id, "look")
        loss = "(SELECT m.value FROM run_metrics m WHERE m.run = r.id AND m.name = :name)"
        where = (f"{loss} < :most AND r.status = 'done'", {"name": "loss", "most": 1.0})
        found = ledger.summaries(where=where, order=f"{loss} DESC")
        assert [run.params["lr"] for run in found] == [0.3, 0.1]
        assert [run.metrics["loss"] for run in found] == [0.6, 0.2]
        assert [run.tags for run in found] == [{"n": "1"}, {"n": "0"}]
        assert (found[0].outputs, found[0].notes) == ({}, [])
        assert [r.id for r in ledger.runs(where=where, order=f"{loss} DESC")] == [run.id for run in found]
        newest = ledger.summaries(limit=1, columns=["notes", "cost", "metrics", "error"])[0]
        assert (newest.id, newest.params, newest.error) == (run.id, {}, None)
        assert newest.cost["wall_s"] >= 0
        assert newest.notes[0]["text"] == "look"
        assert math.isnan(newest.metrics["loss"])
        assert ledger.summaries(project="other") == []
        assert len(ledger.summaries(where=("", {"unused": 1}))) == 3
        assert ledger.summaries(where=("r.id IN :ids", {"ids": [run.id]}))[0].id == run.id

    def test_a_query_cannot_write(self, ledger: Ledger) -> None:
        """`ask` is for reading, whatever it is given."""
        with ledger.run("train.py"):
            pass
        with pytest.raises(PenstockError):
            ledger.ask("DELETE FROM runs WHERE id <> :x", {"x": ""})
        assert len(ledger.runs()) == 1

    # ---- experiments

    def test_experiments_have_names_and_can_be_thrown_away(self, ledger: Ledger) -> None:
        """A name means one of them, also while it is in the trash."""
        made = ledger.experiments.add("churn", {"tags": {"team": "a"}})
        default = ledger.experiments.add("Default", id="0")
        assert (made.id, default.id) == ("1", "0")
        assert ledger.experiments.get("1") == ledger.experiments.by_name("churn") == made
        assert ledger.experiments.by_name("other") is None
        with pytest.raises(BadParameter, match="there is an experiment 'churn' already"):
            ledger.experiments.add("churn")
        renamed = ledger.experiments.update("1", name="churn-2", details={"place": "s3://x"})
        assert (renamed.name, renamed.details) == ("churn-2", {"tags": {"team": "a"}, "place": "s3://x"})
        with pytest.raises(BadParameter, match="'Default' already"):
            ledger.experiments.update("1", name="Default")
        assert ledger.experiments.delete("1").deleted_at is not None
        assert [e.id for e in ledger.experiments.all()] == ["0"]
        assert [e.id for e in ledger.experiments.all(deleted=True)] == ["1"]
        assert ledger.experiments.delete("1", restore=True).deleted_at is None
        with pytest.raises(NotFound, match=r"(?s)no experiment '7'.*Default, churn-2"):
            ledger.experiments.get("7")

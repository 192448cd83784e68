"""The duties of a ledger towards runs, as tests. Use `penstock.testing.ledger.LedgerContract`."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from penstock.errors import BadParameter, NotFound, TargetError
from penstock.ledger.ledger import Ledger
from penstock.objects.digests import digest_of

OpenLedger = Callable[[], Ledger]


class LedgerRunsContract:
    """Runs: recorded whatever happens, found again, and linked."""

    @pytest.fixture
    def ledger(self, open_ledger: OpenLedger) -> Ledger:
        return open_ledger()

    def test_a_run_that_ends_is_done_and_everything_it_told_is_there(self, open_ledger: OpenLedger) -> None:
        """Another process that opens the ledger later reads all of it."""
        with open_ledger().run(
            "search", inputs={"dataset": digest_of(b"rows")}, params={"budget": "60s"}, seed=7, project="bank"
        ) as run:
            run.log(step=1, roc_auc=0.7)
            run.metric("roc_auc", 0.81, low=0.79, high=0.83)
            run.keep("model", b"graph", media="application/onnx")
            run.output("rows", 123)
            run.output("best", {"learner": "lightgbm"})
            run.note_cost(money_eur=0.4)
        record = open_ledger().get(run.id)
        assert (record.operation, record.status, record.seed, record.project) == ("search", "done", 7, "bank")
        assert record.inputs == {"dataset": digest_of(b"rows")}
        assert record.params == {"budget": "60s"}
        assert record.outputs == {"rows": 123, "best": {"learner": "lightgbm"}}
        assert record.artifacts == {
            "model": {"digest": digest_of(b"graph"), "size_bytes": 5, "media": "application/onnx"}
        }
        assert record.metrics == {"roc_auc": {"value": 0.81, "low": 0.79, "high": 0.83}}
        assert record.error is None
        assert record.ended_at is not None
        assert record.started_at <= record.ended_at
        assert record.seconds == record.cost["wall_s"] >= 0
        assert record.cost["cpu_s"] >= 0
        assert record.cost["money_eur"] == 0.4
        assert record.environment["cpus"] >= 1
        assert "numpy" in record.environment["packages"]
        assert set(record.source) == {"penstock", "commit", "dirty"}
        assert record.to_json()["format"] == 1

    def test_what_an_open_run_told_is_there_already(self, open_ledger: OpenLedger) -> None:
        """A process that dies later loses nothing of it."""
        with open_ledger().run("search") as run:
            digest = run.keep("model", b"graph")
            run.metric("roc_auc", 0.8)
            run.output("rows", 3)
            run.log(step=1, loss=0.5)
            record = open_ledger().get(run.id)
            assert record.status == "running"
            assert record.ended_at is None
            assert record.artifacts["model"]["digest"] == digest
            assert record.metrics["roc_auc"]["value"] == 0.8
            assert record.outputs == {"rows": 3}
            assert [line["loss"] for line in open_ledger().log_of(record)] == [0.5]

    def test_an_error_is_recorded_and_goes_on_its_way(self, ledger: Ledger) -> None:
        """The run is failed, with code, what, why and the way out."""
        error = TargetError("column 'y' is constant", why="all rows hold 'no'", way_out="choose another target")
        with pytest.raises(TargetError) as caught, ledger.run("ingest") as run:
            raise error
        assert caught.value is error
        record = ledger.get(run.id)
        assert record.status == "failed"
        assert record.error == error.to_json()

    def test_a_fault_of_ours_is_recorded_with_its_traceback(self, ledger: Ledger) -> None:
        """What nobody foresaw can be reported later."""
        with pytest.raises(ZeroDivisionError), ledger.run("ingest") as run:
            print(1 / 0)
        record = ledger.get(run.id)
        assert record.status == "failed"
        assert record.error is not None
        assert record.error["code"] == "bug"
        assert "ZeroDivisionError" in record.error["traceback"]

    def test_stopping_by_hand_interrupts(self, ledger: Ledger) -> None:
        """Ctrl-C is no failure."""
        with pytest.raises(KeyboardInterrupt), ledger.run("search") as run:
            raise KeyboardInterrupt
        record = ledger.get(run.id)
        assert record.status == "interrupted"
        assert record.ended_at is not None

    def test_what_is_known_is_found_by_its_key(self, ledger: Ledger) -> None:
        """The newest done run of the same operation, inputs, parameters and code; failed ones do not count."""
        with ledger.run("split", inputs={"dataset": 1}, params={"test": 0.2}) as first:
            pass
        with ledger.run("split", inputs={"dataset": 1}, params={"test": 0.2}) as second:
            pass
        with pytest.raises(ZeroDivisionError), ledger.run("split", inputs={"dataset": 1}, params={"test": 0.2}):
            print(1 / 0)
        found = ledger.find("split", ledger.key_of("split", {"dataset": 1}, {"test": 0.2}))
        assert found is not None
        assert found.id == second.id > first.id
        assert ledger.find("split", ledger.key_of("split", {"dataset": 1}, {"test": 0.3})) is None
        assert ledger.find("split", ledger.key_of("split", {"dataset": 1}, {"test": 0.2}, code="0.0.1")) is None
        assert ledger.find("other", found.key) is None

    def test_a_run_whose_artifact_is_lost_is_not_intact(self, ledger: Ledger) -> None:
        """What is known must still exist."""
        with ledger.run("package") as run:
            digest = run.keep("bundle", b"files")
        record = ledger.get(run.id)
        assert ledger.intact(record)
        ledger.objects.delete(digest)
        assert not ledger.intact(record)
        assert ledger.lost(record) == ["bundle"]
        assert ledger.why("package") == f"run {run.id} made it, but bundle is lost"

    def test_why_names_what_differs_from_the_last_time(self, ledger: Ledger) -> None:
        """Inputs by digest, parameters by value, the code by version."""
        assert ledger.why("search") == "for the first time"
        with pytest.raises(ZeroDivisionError), ledger.run("search") as failed:
            print(1 / 0)
        assert ledger.why("search") == f"never finished: the last attempt, run {failed.id}, is failed"
        old = {"dataset": digest_of(b"1"), "recipe": digest_of(b"r")}
        with ledger.run("search", inputs=old, params={"budget": "60s", "space": {"depth": 3}}, code="1") as run:
            pass
        new = {"dataset": digest_of(b"2"), "recipe": digest_of(b"r")}
        assert ledger.why("search", old, {"budget": "60s", "space": {"depth": 3}}, "1") == f"known from run {run.id}"
        assert ledger.why("search", new, {"budget": "5m", "space": {"depth": 4}, "folds": 5}, "2") == "; ".join(
            [
                f"inputs.dataset changed ({digest_of(b'1')[:19]} -> {digest_of(b'2')[:19]})",
                "params.budget was '60s', is '5m'",
                "params.folds was not given, is 5",
                "params.space.depth was 3, is 4",
                "the code was version 1, is 2",
            ]
        )

    def test_an_artifact_may_come_from_a_file(self, ledger: Ledger, tmp_path: Path) -> None:
        """Stored as its bytes would be."""
        path = tmp_path / "report.html"
        path.write_bytes(b"<html>" * 1000)
        with ledger.run("evaluate") as run:
            digest = run.keep("report", path, media="text/html")
        assert ledger.objects.get(digest) == path.read_bytes()
        record = ledger.get(run.id)
        assert record.artifacts["report"]["size_bytes"] == 6000
        assert ledger.artifact(record, "report") == path.read_bytes()
        with pytest.raises(NotFound, match=r"(?s)no artifact 'model'.*it kept: report"):
            ledger.artifact(record, "model")

    def test_the_last_of_a_name_counts(self, ledger: Ledger) -> None:
        """Metrics, artifacts and outputs can be corrected while the run is open."""
        with ledger.run("evaluate") as run:
            for value in (0.1, 0.2):
                run.metric("roc_auc", value)
                run.output("rows", value)
                run.keep("model", str(value).encode())
        record = ledger.get(run.id)
        assert record.metrics["roc_auc"]["value"] == 0.2
        assert record.outputs["rows"] == 0.2
        assert record.artifacts["model"]["digest"] == digest_of(b"0.2")

    def test_numbers_that_are_not_finite_are_kept(self, ledger: Ledger) -> None:
        """A loss that became NaN is a finding, not an error."""
        with ledger.run("search") as run:
            run.metric("loss", math.nan)
            run.metric("limit", math.inf)
            run.log(step=1, loss=math.nan, best=-math.inf, note="first")
        record = ledger.get(run.id)
        assert math.isnan(record.metrics["loss"]["value"] or 0)
        assert record.metrics["limit"]["value"] == math.inf
        line = next(ledger.log_of(record))
        assert math.isnan(line["loss"])
        assert (line["best"], line["note"]) == (-math.inf, "first")

    def test_the_log_outlives_the_machine_that_wrote_it(self, ledger: Ledger) -> None:
        """The local file may go once the run has ended: the store has it."""
        with ledger.run("search") as run:
            for step in range(3):
                run.log(step=step)
        shutil.rmtree(ledger.state / "runs" / run.id)
        assert [line["step"] for line in ledger.log_of(ledger.get(run.id))] == [0, 1, 2]

    def test_a_run_without_log_has_none(self, ledger: Ledger) -> None:
        """No empty files."""
        with ledger.run("split") as run:
            pass
        assert ledger.get(run.id).log is None
        assert list(ledger.log_of(ledger.get(run.id))) == []
        assert not (ledger.state / "runs" / run.id).exists()

    def test_a_run_is_named_by_the_beginning_of_its_id(self, ledger: Ledger) -> None:
        """As long as only one run begins so; otherwise, and for a mistyped one, the nearest are named."""
        with ledger.run("a") as first:
            pass
        assert ledger.get(first.id[:-1]).id == first.id
        with ledger.run("b") as second:
            pass
        with pytest.raises(NotFound, match=f"(?s)more than one.*{second.id}"):
            ledger.get("20")
        with pytest.raises(NotFound, match=f"(?s)no run '{second.id}x'.*{second.id}"):
            ledger.get(second.id + "x")
        with pytest.raises(NotFound, match="no run '%'"):
            ledger.get("%")

    def test_an_empty_ledger_says_so(self, ledger: Ledger) -> None:
        """The way out is to start a run."""
        with pytest.raises(NotFound, match=r"(?s)no run has been recorded yet.*penstock run"):
            ledger.get("2026")
        assert ledger.runs() == []

    def test_runs_are_listed_newest_first_and_can_be_chosen(self, ledger: Ledger) -> None:
        """By operation, status and number."""
        for operation in ("ingest", "split", "search", "search"):
            with ledger.run(operation):
                pass
        with pytest.raises(ZeroDivisionError), ledger.run("search"):
            print(1 / 0)
        assert [r.operation for r in ledger.runs()] == ["search", "search", "search", "split", "ingest"]
        assert [r.status for r in ledger.runs("search")] == ["failed", "done", "done"]
        assert [r.operation for r in ledger.runs(status="done", limit=2)] == ["search", "search"]
        assert ledger.runs(status="running") == []
        with pytest.raises(BadParameter, match="'dnoe'"):
            ledger.runs(status="dnoe")

    def test_the_lineage_goes_both_ways(self, ledger: Ledger) -> None:
        """From any run or digest, upstream to what came from outside, downstream to what came of it."""
        outside = digest_of(b"file")
        with ledger.run("ingest", inputs={"file": outside}) as ingest:
            rows = ingest.keep("rows", b"rows")
        with ledger.run("search", inputs={"parts": [rows]}) as search:
            model = search.keep("model", b"model")
        with ledger.run("package", inputs={"model": model}) as package:
            package.output("bundle", digest_of(b"bundle"))
        with ledger.run("other", inputs={"file": digest_of(b"elsewhere")}):
            pass
        for ref in (ingest.id, rows, search.id, model, package.id, digest_of(b"bundle"), outside):
            assert set(ledger.lineage(ref).runs) == {ingest.id, search.id, package.id}
        lineage = ledger.lineage(model)
        assert lineage.made_by(model) == [search.id]
        assert lineage.used_by(model) == [package.id]
        assert lineage.made_by(outside) == []
        assert lineage.to_text().splitlines() == [
            model[:19],
            "comes from",
            f"└── made by search {search.id} (done)",
            f"    └── parts.0 {rows[:19]}",
            f"        └── made by ingest {ingest.id} (done)",
            f"            └── file {outside[:19]}",
            "went into",
            f"└── used by package {package.id} (done)",
            f"    └── outputs.bundle {digest_of(b'bundle')[:19]}",
        ]
        assert {edge["name"] for edge in lineage.to_json()["edges"]} == {
            "file",
            "rows",
            "parts.0",
            "model",
            "outputs.bundle",
        }

    def test_a_digest_without_history_is_told_so(self, ledger: Ledger) -> None:
        """Nothing is invented."""
        with pytest.raises(NotFound, match="no run made or used"):
            ledger.lineage(digest_of(b"never seen"))

    def test_runs_within_runs_and_beside_each_other(self, ledger: Ledger) -> None:
        """Each has its own record and cost, also when threads share the ledger."""
        with ledger.run("run") as outer:
            with ledger.run("search") as inner:
                assert inner.id > outer.id
            assert ledger.get(inner.id).status == "done"
            assert ledger.get(outer.id).status == "running"

        def work(number: int) -> str:
            with ledger.run("work", params={"number": number}) as run:
                run.log(step=number)
                run.metric("number", number)
            return run.id

        with ThreadPoolExecutor(4) as pool:
            ids = list(pool.map(work, range(12)))
        assert len(set(ids)) == 12
        for number, run_id in enumerate(ids):
            record = ledger.get(run_id)
            assert record.metrics["number"]["value"] == number
            assert [line["step"] for line in ledger.log_of(record)] == [number]

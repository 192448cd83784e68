"""The duties of a ledger beside runs, as tests. Use `penstock.testing.ledger.LedgerContract`."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from penstock.errors import DamagedStore, NotFound, ProjectError, SealError, StoreError
from penstock.ledger.audit import START
from penstock.ledger.ledger import Ledger
from penstock.objects.digests import digest_of

OpenLedger = Callable[[], Ledger]
DATASET = digest_of(b"dataset")
BUNDLE = digest_of(b"bundle")


class LedgerPartsContract:
    """Trials, the registry, the seal, data sets, the audit trail, and small services."""

    @pytest.fixture
    def ledger(self, open_ledger: OpenLedger) -> Ledger:
        return open_ledger()

    # ---- trials

    def test_trials_come_back_by_number(self, open_ledger: OpenLedger) -> None:
        """A search that was killed finds those it had."""
        trials = open_ledger().trials
        trials.add("s1", 1, "lightgbm", {"depth": 3}, "done", 0.8, seconds=1.5, threads=2, details={"fold": [0.7, 0.9]})
        trials.add("s1", 0, "dummy", {}, "failed", None, details={"error": "too few rows"})
        trials.add("s2", 0, "linear", {}, "done", math.nan)
        first, second = open_ledger().trials.of("s1")
        assert (first.number, first.state, first.value) == (0, "failed", None)
        assert (second.learner, second.params, second.value) == ("lightgbm", {"depth": 3}, 0.8)
        assert (second.seconds, second.threads, second.details) == (1.5, 2, {"fold": [0.7, 0.9]})
        assert open_ledger().trials.of("s2")[0].value is None
        assert trials.of("s3") == []

    def test_a_trial_is_recorded_once(self, ledger: Ledger) -> None:
        """Two processes in one search would otherwise overwrite each other."""
        ledger.trials.add("s1", 0, "dummy", {}, "done", 0.5)
        with pytest.raises(StoreError, match="trial 0 of search 's1' is recorded already"):
            ledger.trials.add("s1", 0, "dummy", {}, "done", 0.6)
        assert ledger.trials.of("s1")[0].value == 0.5

    # ---- registry

    def test_versions_are_numbered_without_gaps(self, ledger: Ledger) -> None:
        """Also when several register at once."""

        def register(_: int) -> int:
            return ledger.registry.register("bank", "run", BUNDLE, passed=True, dataset=DATASET)

        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(register, range(8))) == list(range(1, 9))
        assert ledger.registry.register("other", "run", BUNDLE, passed=True, dataset=DATASET) == 1
        assert [v.version for v in ledger.registry.versions("bank")] == list(range(1, 9))
        assert ledger.registry.names() == ["bank", "other"]

    def test_a_version_comes_back_by_number_and_alias(self, open_ledger: OpenLedger) -> None:
        """With everything it was registered with."""
        overrides = [{"gate": "roc_auc", "reason": "pilot only"}]
        registry = open_ledger().registry
        for report in (None, digest_of(b"report")):
            registry.register(
                "bank", "r1", BUNDLE, report, passed=False, overrides=overrides, dataset=DATASET, metrics={"f1": 0.5}
            )
        registry.set_alias("bank", "champion", 2)
        found = open_ledger().registry.get("bank", "champion")
        assert found == open_ledger().registry.get("bank", 2) == open_ledger().registry.get("bank", "2")
        assert (found.run, found.bundle, found.report) == ("r1", BUNDLE, digest_of(b"report"))
        assert (found.passed, found.overrides, found.dataset, found.metrics) == (False, overrides, DATASET, {"f1": 0.5})
        assert str(found) == "bank@2"

    def test_aliases_move_and_go(self, ledger: Ledger) -> None:
        """One meaning at a time."""
        for _ in range(2):
            ledger.registry.register("bank", "run", BUNDLE, passed=True, dataset=DATASET)
        ledger.registry.set_alias("bank", "champion", 1)
        ledger.registry.set_alias("bank", "challenger", 2)
        assert ledger.registry.aliases("bank") == {"champion": 1, "challenger": 2}
        ledger.registry.set_alias("bank", "champion", 2)
        ledger.registry.set_alias("bank", "challenger", None)
        assert ledger.registry.aliases("bank") == {"champion": 2}
        with pytest.raises(NotFound, match="no version '9'"):
            ledger.registry.set_alias("bank", "champion", 9)

    def test_a_version_learns_more_later(self, ledger: Ledger) -> None:
        """Known fields change, others go into its details, and neither forgets the rest."""
        ledger.registry.register("bank", "run", BUNDLE, passed=False, dataset=DATASET)
        ledger.registry.update("bank", 1, passed=True, test={"roc_auc": 0.8})
        updated = ledger.registry.update("bank", 1, deployed_at="2026-11-20T10:00:00.000000Z")
        assert updated.passed
        assert updated.details == {"test": {"roc_auc": 0.8}, "deployed_at": "2026-11-20T10:00:00.000000Z"}

    def test_what_is_not_registered_is_named_with_the_nearest(self, ledger: Ledger) -> None:
        """Model, version and alias alike."""
        with pytest.raises(NotFound, match="no model has been registered yet"):
            ledger.registry.get("bank", 1)
        ledger.registry.register("bank", "run", BUNDLE, passed=True, dataset=DATASET)
        ledger.registry.set_alias("bank", "champion", 1)
        with pytest.raises(NotFound, match=r"(?s)no model 'bnak'.*write 'bank'"):
            ledger.registry.get("bnak", 1)
        with pytest.raises(NotFound, match=r"(?s)no version 'challenger'.*1, champion"):
            ledger.registry.get("bank", "challenger")

    # ---- seal

    def test_an_envelope_opens_once(self, open_ledger: OpenLedger) -> None:
        """The second attempt is told who opened it, when, and what for."""
        seal = open_ledger().seal
        for index in (1, 0):
            seal.add(DATASET, index, 200, digest_of(str(index).encode()), "key-1", {"yes": 20, "no": 180})
        assert [e.index for e in seal.envelopes(DATASET)] == [0, 1]
        assert seal.spent(DATASET) == []
        opened = seal.open(DATASET, 0, by_run="run-7", purpose="deploy bank@3", who="ada")
        assert opened.is_spent
        assert (opened.opened_by, opened.opened_by_run, opened.purpose) == ("ada", "run-7", "deploy bank@3")
        with pytest.raises(SealError, match=rf"ada opened it at {opened.opened_at} in run run-7 \(deploy bank@3\)"):
            open_ledger().seal.open(DATASET, 0, by_run="run-8", purpose="again")
        assert open_ledger().seal.spent(DATASET) == [opened]
        assert [e.index for e in open_ledger().seal.sealed(DATASET)] == [1]
        assert opened.strata == {"yes": 20, "no": 180}

    def test_of_many_openings_at_once_one_succeeds(self, open_ledger: OpenLedger) -> None:
        """Whoever comes second, even at the same moment, is refused."""
        open_ledger().seal.add(DATASET, 0, 200, BUNDLE, "key-1")

        def attempt(number: int) -> bool:
            try:
                open_ledger().seal.open(DATASET, 0, by_run=f"run-{number}", purpose="race")
            except SealError:
                return False
            return True

        with ThreadPoolExecutor(6) as pool:
            assert sum(pool.map(attempt, range(6))) == 1

    def test_an_envelope_that_was_never_sealed_cannot_be_opened(self, ledger: Ledger) -> None:
        """Nor can one be sealed twice with different rows."""
        with pytest.raises(SealError, match="no envelope 3"):
            ledger.seal.open(DATASET, 3, by_run="run", purpose="deploy")
        ledger.seal.add(DATASET, 0, 200, BUNDLE, "key-1")
        ledger.seal.add(DATASET, 0, 200, BUNDLE, "key-1")
        with pytest.raises(SealError, match="with other rows in it"):
            ledger.seal.add(DATASET, 0, 200, DATASET, "key-1")

    # ---- secrets

    def test_a_secret_is_made_once(self, open_ledger: OpenLedger) -> None:
        """All who ask at once get the same; another name is another secret."""
        with ThreadPoolExecutor(4) as pool:
            found = set(pool.map(lambda _: open_ledger().secret("seal"), range(8)))
        assert len(found) == 1
        assert len(found.pop()) == 64
        assert open_ledger().secret("rows", 32) != open_ledger().secret("other", 32)
        with pytest.raises(DamagedStore, match="has 32 bytes, not 64"):
            open_ledger().secret("rows", 64)

    # ---- data sets

    def test_data_set_versions_have_a_line_of_ancestors(self, open_ledger: OpenLedger) -> None:
        """Newest first; a version that is known already is not recorded again."""
        datasets = open_ledger().datasets
        first, second, other = (digest_of(name) for name in (b"1", b"2", b"3"))
        datasets.add(first, None, {"path": "bank.csv"}, run="r1", details={"rows": 10})
        datasets.add(other, None, {"path": "other.csv"})
        datasets.add(second, first, {"path": "bank.csv"}, manifest=BUNDLE)
        datasets.add(first, second, {"path": "renamed.csv"})
        log = open_ledger().datasets
        assert [record.digest for record in log.log()] == [second, other, first]
        assert [record.digest for record in log.log(second)] == [second, first]
        assert log.get(first[:16]).source == {"path": "bank.csv"}
        assert (log.get(first).manifest, log.get(second).manifest) == (first, BUNDLE)
        assert log.get(first).details == {"rows": 10}
        with pytest.raises(NotFound, match="more than one data set"):
            log.get("sha256:")

    def test_a_project_is_at_one_version(self, open_ledger: OpenLedger) -> None:
        """The head moves; it can only be a version that exists."""
        datasets = open_ledger().datasets
        assert datasets.head("bank") is None
        for name in (b"1", b"2"):
            datasets.add(digest_of(name), None, {})
            datasets.set_head("bank", digest_of(name))
        assert open_ledger().datasets.head("bank") == digest_of(b"2")
        assert open_ledger().datasets.head("other") is None
        with pytest.raises(NotFound, match="no data set"):
            datasets.set_head("bank", digest_of(b"never made"))

    # ---- audit

    def test_the_trail_binds_each_event_to_the_one_before(self, open_ledger: OpenLedger) -> None:
        """Events come back in order, and every head that was ever handed out is contained."""
        audit = open_ledger().audit
        assert audit.head() == START
        audit.verify(head=START)
        heads = [audit.append("deploy", f"bank@{n}", {"n": n, "é": [1.5, None]}, who="ada").hash for n in range(5)]
        assert open_ledger().audit.head() == heads[-1]
        for head in heads:
            open_ledger().audit.verify(head=head)
        events = open_ledger().audit.events()
        assert [event.previous for event in events] == [START, *heads[:-1]]
        assert events[2].details == {"n": 2, "é": [1.5, None]}
        with pytest.raises(DamagedStore, match="cut from its end"):
            audit.verify(head=digest_of(b"another trail"))

    def test_events_appended_at_once_stay_one_chain(self, open_ledger: OpenLedger) -> None:
        """No two events have the same predecessor."""
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda n: open_ledger().audit.append("label", str(n)), range(18)))
        open_ledger().audit.verify()
        assert [event.number for event in open_ledger().audit.events()] == list(range(1, 19))

    # ---- several changes as one

    def test_what_is_recorded_together_is_there_in_full_or_not_at_all(self, open_ledger: OpenLedger) -> None:
        """Inside, each step sees those before it, and nobody else sees any."""
        ledger, other = open_ledger(), open_ledger()

        def ended() -> None:
            with ledger.together():
                ledger.datasets.add(DATASET, None, {})
                ledger.audit.append("seal", DATASET)
                assert ledger.datasets.get(DATASET).digest == DATASET
                assert other.datasets.log() == []
                print(1 / 0)

        with pytest.raises(ZeroDivisionError):
            ended()
        assert (ledger.datasets.log(), ledger.audit.events()) == ([], [])
        with ledger.together():
            ledger.seal.add(DATASET, 0, 200, BUNDLE, "key-1")
            with ledger.together():
                ledger.seal.open(DATASET, 0, by_run="run", purpose="deploy")
            ledger.datasets.add(DATASET, None, {})
            ledger.datasets.set_head("bank", DATASET)
        assert (other.datasets.head("bank"), [e.index for e in other.seal.spent(DATASET)]) == (DATASET, [0])

    def test_together_is_for_one_thread(self, ledger: Ledger) -> None:
        """What others record at the same time is theirs: it waits, and stays where the block is undone."""
        with ThreadPoolExecutor(1) as pool:
            theirs = []

            def ended() -> None:
                with ledger.together():
                    ledger.audit.append("mine", "1")
                    theirs.append(pool.submit(ledger.audit.append, "theirs", "1"))
                    time.sleep(0.05)
                    assert not theirs[0].done()
                    print(1 / 0)

            with pytest.raises(ZeroDivisionError):
                ended()
            assert theirs[0].result(timeout=30).number == 1
        assert [event.what for event in ledger.audit.events()] == ["theirs"]

    # ---- locks

    def test_a_lock_has_one_holder(self, open_ledger: OpenLedger) -> None:
        """The second is told which process holds it; after the block it is free."""
        with open_ledger().lock("run"):
            with pytest.raises(ProjectError, match=f"(?s)already at work here.*process {os.getpid()}"):
                open_ledger().lock("run").__enter__()
            with open_ledger().lock("deploy"):
                pass
        with open_ledger().lock("run"):
            pass

    def test_a_lock_is_freed_by_an_error(self, ledger: Ledger) -> None:
        """Whatever happens inside the block."""
        with pytest.raises(ZeroDivisionError), ledger.lock("run"):
            print(1 / 0)
        with ledger.lock("run"):
            pass

    def test_a_lock_can_be_waited_for(self, open_ledger: OpenLedger) -> None:
        """The second goes on when the first has ended."""
        order: list[str] = []

        def second() -> None:
            with open_ledger().lock("run", wait_s=30):
                order.append("second")

        with ThreadPoolExecutor(1) as pool:
            with open_ledger().lock("run"):
                waiting = pool.submit(second)
                time.sleep(0.2)
                order.append("first")
            waiting.result()
        assert order == ["first", "second"]

    # ---- digests of files

    def test_the_digest_of_a_file_is_remembered_until_the_file_changes(
        self, open_ledger: OpenLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An unchanged file is not read again; a changed one is."""
        path = tmp_path / "bank.csv"
        path.write_bytes(b"a,b\n1,2\n")
        long_ago = time.time() - 60
        os.utime(path, (long_ago, long_ago))
        assert open_ledger().digests.of(path) == digest_of(b"a,b\n1,2\n")
        with monkeypatch.context() as patch:
            patch.setattr("penstock.ledger.digests.sha256_file", lambda path: pytest.fail("read again"))
            assert open_ledger().digests.of(path) == digest_of(b"a,b\n1,2\n")
        path.write_bytes(b"a,b\n1,3\n")
        assert open_ledger().digests.of(path) == digest_of(b"a,b\n1,3\n")

    def test_the_digests_of_many_files_are_remembered_alike(
        self, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In the order in which they are asked for; only the changed one is read again."""
        paths = [tmp_path / f"{i}.csv" for i in range(3)]
        long_ago = time.time() - 60
        for i, path in enumerate(paths):
            path.write_text(str(i))
            os.utime(path, (long_ago, long_ago))
        expected = [digest_of(str(i).encode()) for i in range(3)]
        assert ledger.digests.of_all(paths) == expected
        paths[1].write_text("new")
        read: list[Path] = []

        def reading(path: Path) -> str:
            read.append(path)
            return "sha256:new"

        monkeypatch.setattr("penstock.ledger.digests.sha256_file", reading)
        assert ledger.digests.of_all(paths[::-1]) == [expected[2], "sha256:new", expected[0]]
        assert read == [paths[1].resolve()]
        assert ledger.digests.of_all([]) == []

    def test_a_file_is_remembered_under_one_name_however_it_is_asked_for(
        self, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By itself or among others, it being a link or lying in a folder that is one; a link that leads elsewhere is read again."""
        folder = tmp_path / "real"
        folder.mkdir()
        for name in ("a", "b"):
            (folder / name).write_text(name)
            os.utime(folder / name, (time.time() - 60,) * 2)
        (tmp_path / "linked").symlink_to(folder)
        (folder / "link").symlink_to("a")
        assert ledger.digests.of_all([tmp_path / "linked/link"]) == [digest_of(b"a")]
        with monkeypatch.context() as patch:
            patch.setattr("penstock.ledger.digests.sha256_file", lambda path: pytest.fail("read again"))
            assert ledger.digests.of(folder / "link") == digest_of(b"a")
        (folder / "link").unlink()
        (folder / "link").symlink_to("b")
        assert ledger.digests.of(folder / "link") == digest_of(b"b")

    def test_the_digest_of_a_file_elsewhere_is_remembered_while_its_store_says_the_same(self, ledger: Ledger) -> None:
        """By its size, tag and time."""
        assert ledger.digests.elsewhere("s3://b/f.csv", "tag 1") is None
        ledger.digests.remember("s3://b/f.csv", "tag 1", "sha256:1")
        assert ledger.digests.elsewhere("s3://b/f.csv", "tag 1") == "sha256:1"
        assert ledger.digests.elsewhere("s3://b/f.csv", "tag 2") is None
        ledger.digests.remember("s3://b/f.csv", "tag 2", "sha256:2")
        assert ledger.digests.elsewhere("s3://b/f.csv", "tag 2") == "sha256:2"

    def test_the_digest_of_a_file_that_has_just_been_written_is_not_remembered(
        self, ledger: Ledger, tmp_path: Path
    ) -> None:
        """It may change again without its time telling."""
        path = tmp_path / "bank.csv"
        path.write_bytes(b"1")
        status = path.stat()
        assert ledger.digests.of(path) == digest_of(b"1")
        path.write_bytes(b"2")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert ledger.digests.of(path) == digest_of(b"2")

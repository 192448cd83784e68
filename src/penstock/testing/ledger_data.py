"""The duties of a ledger for data items and access, as tests. Use `penstock.testing.ledger.LedgerContract`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from penstock.errors import AccessError, BadParameter, Forgotten, NotFound
from penstock.ledger import access
from penstock.ledger.items import ItemVersion
from penstock.ledger.ledger import Ledger
from penstock.ledger.process import account
from penstock.objects.digests import digest_of

OpenLedger = Callable[[], Ledger]
VERSION = digest_of(b"version")


def add(ledger: Ledger, content: bytes, name: str = "reviews", **more: Any) -> tuple[ItemVersion, bool]:
    how = {"kind": "file", "place": "data/reviews.csv", "files": 1, "size_bytes": len(content), **more}
    return ledger.items.add(name, digest_of(b"tree" + content), digest_of(content), **how)


class LedgerDataContract:
    """Data items, and who may read which version."""

    def test_item_versions_are_numbered_and_found(self, open_ledger: OpenLedger) -> None:
        """By name, number and digest; another process sees them."""
        first, new = add(open_ledger(), b"1", message="as it came", details={"new_bytes": 1})
        second, _ = add(open_ledger(), b"22")
        items = open_ledger().items
        assert new
        assert (first.number, first.reference, second.number) == (1, "reviews@1", 2)
        assert first.message == "as it came"
        assert items.get("reviews") == items.newest("reviews") == second
        assert items.get("reviews@1") == items.get(f"reviews@{first.digest}") == first
        assert items.get(f"reviews@{first.content[7:15]}") == first
        assert items.log() == [second, first]
        assert items.names() == ["reviews"]
        assert items.newest("other") is None

    def test_the_same_content_is_the_same_version(self, open_ledger: OpenLedger) -> None:
        """Only against the newest: going back to an old state is a new version."""
        ledger = open_ledger()
        first, _ = add(ledger, b"1")
        assert add(ledger, b"1", message="again") == (first, False)
        add(ledger, b"22")
        assert add(ledger, b"1")[0].number == 3

    def test_a_forgotten_data_set_stays_known_and_cannot_be_read(self, open_ledger: OpenLedger) -> None:
        """With who, when and why; until it is made again. Runs that took it keep their digests, and say nothing else of it."""
        ledger = open_ledger()
        ledger.datasets.add(
            VERSION, None, {"path": "a.csv"}, details={"rows": {"train": 3}, "warnings": ["'Ada' is rare"]}
        )
        ledger.datasets.set_head("shop", VERSION)
        with ledger.run("recipe", inputs={"dataset": VERSION}) as run:
            digest = run.keep("recipe", b"Ada")
            run.output("warnings", ["'Ada' is rare"])
        forgotten = ledger.datasets.forget(VERSION, {"rows": {"train": 3}})
        ledger.audit.append(access.FORGOTTEN, VERSION, {"why": "she asked us to"})
        ledger.strip(run.id, artifacts=["recipe"], outputs={"warnings": []})
        ledger.scrub()
        other = open_ledger()
        assert other.datasets.get(VERSION) == forgotten
        assert (other.datasets.forgotten(), other.datasets.heads()) == ({VERSION}, {"shop": VERSION})
        assert other.datasets.forget(VERSION, {}).forgotten_at == forgotten.forgotten_at
        with pytest.raises(Forgotten, match="she asked us to"):
            other.access.read(VERSION, part="train")
        record = other.get(run.id)
        assert (record.artifacts, record.outputs, record.key) == ({}, {"warnings": []}, "")
        assert digest in {row.digest for row in other.ask("SELECT digest FROM run_outputs")}
        again = other.datasets.add(VERSION, None, {"path": "b.csv"})
        assert (again.forgotten_at, again.number, again.source) == (None, forgotten.number, {"path": "b.csv"})
        other.access.read(VERSION, part="train")

    def test_adds_at_once_get_numbers_of_their_own(self, open_ledger: OpenLedger) -> None:
        """No gap, none twice."""
        ledgers = [open_ledger() for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            made = list(pool.map(lambda i: add(ledgers[i % 4], str(i).encode())[0].number, range(12)))
        assert sorted(made) == list(range(1, 13))

    def test_a_name_that_is_missing_is_told_with_the_nearest(self, open_ledger: OpenLedger) -> None:
        """Of a version, those that there are."""
        ledger = open_ledger()
        add(ledger, b"1")
        with pytest.raises(NotFound, match="the nearest is 'reviews'"):
            ledger.items.get("review")
        for wrong in ("reviews@2", "reviews@beef"):
            with pytest.raises(NotFound, match="there is no version"):
                ledger.items.get(wrong)

    def test_a_removed_version_is_found_nowhere_until_it_is_restored(self, open_ledger: OpenLedger) -> None:
        """It comes back as it was; what is forgotten does not, and its number is not given again."""
        items = open_ledger().items
        first, _ = add(open_ledger(), b"1", details={"new_bytes": 1})
        items.remove([first])
        (gone,) = items.log(removed=True)
        assert (items.log(), items.names(), items.newest("reviews")) == ([], [], None)
        assert (replace(gone, removed_at=None), items.log(removed=None)) == (first, [gone])
        with pytest.raises(NotFound, match="penstock data restore reviews@1"):
            items.get("reviews@1")
        assert items.get("reviews@1", removed=True) == gone
        assert open_ledger().items.restore([gone]) == [first]
        assert items.restore([gone]) == []
        assert items.get("reviews") == first
        items.remove([first])
        assert items.forget(removed_before="2000") == []
        assert [v.digest for v in items.forget(removed_before="9999")] == [first.digest]
        assert items.restore([gone]) == items.log(removed=None) == []
        assert add(open_ledger(), b"1")[0].number == 2

    def test_a_name_stays_a_file_or_a_folder(self, open_ledger: OpenLedger) -> None:
        """Versions that cannot be compared would be no versions of one thing."""
        ledger = open_ledger()
        add(ledger, b"1")
        with pytest.raises(BadParameter, match=r"(?s)is a file.*--name"):
            add(ledger, b"2", kind="folder")
        ledger.items.remove(ledger.items.log())
        add(ledger, b"2", kind="folder")
        with pytest.raises(BadParameter, match=r"(?s)is a file.*is a folder.*--name"):
            ledger.items.restore(ledger.items.log(removed=True))

    def test_names_of_all_scripts_are_kept(self, open_ledger: OpenLedger) -> None:
        """Letters, spaces and signs, and a message of many lines."""
        ledger = open_ledger()
        name = "données/приём 10%?.csv"
        add(ledger, b"1", name=name, message="一\n二")
        assert ledger.items.get(f"{name}@1").message == "一\n二"

    def test_who_reads_what_is_recorded_once_per_process_and_verb(self, open_ledger: OpenLedger) -> None:
        """Newest first; a second ledger is another reader."""
        ledger = open_ledger()
        for _ in range(3):
            ledger.access.read(VERSION, part="train", rows=10, verb="profile")
        ledger.access.read(VERSION, part="valid", rows=5, verb="profile")
        open_ledger().access.read(VERSION, part="train", rows=10, verb="profile", run="r1")
        events = open_ledger().access.log(VERSION)
        assert [(e.what, e.details["part"], e.details["rows"]) for e in events] == [
            (access.READ, "train", 10),
            (access.READ, "valid", 5),
            (access.READ, "train", 10),
        ]
        assert events[0].details["run"] == "r1"
        assert events[0].details["host"]
        assert open_ledger().access.log(digest_of(b"other")) == []
        ledger.audit.verify()

    def test_a_restricted_version_is_refused_to_others(
        self, open_ledger: OpenLedger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With who, why and whom to ask; the refusal is in the trail; only those who may read it may free it."""
        ledger = open_ledger()
        monkeypatch.setattr(access, "account", lambda: "ana")
        restriction = ledger.access.restrict(VERSION, ["ana", "bo"], why="patients", name="visits@1")
        assert open_ledger().access.of(VERSION) == restriction
        assert open_ledger().access.all() == [restriction]
        ledger.access.read(VERSION, part="train", verb="run")
        monkeypatch.setattr(access, "account", lambda: "eve")
        for refused in (
            lambda: open_ledger().access.read(VERSION, part="train", verb="run", name="visits@1"),
            lambda: open_ledger().access.restrict(VERSION, ["eve"], why="mine now", name="visits@1"),
            lambda: open_ledger().access.unrestrict(VERSION, why="open data", name="visits@1"),
        ):
            with pytest.raises(AccessError, match=r"(?s)eve may not read visits@1.*ana.*ana, bo: patients"):
                refused()
        assert [(e.what, e.who) for e in ledger.access.log(VERSION)][:3] == [(access.REFUSED, "eve")] * 3
        monkeypatch.setattr(access, "account", lambda: "bo")
        ledger.access.unrestrict(VERSION, why="they agreed")
        monkeypatch.setattr(access, "account", lambda: "eve")
        open_ledger().access.read(VERSION, part="train", verb="run")
        assert ledger.access.of(VERSION) is None

    def test_a_version_is_restricted_as_the_one_it_comes_from(self, open_ledger: OpenLedger) -> None:
        """And stays so when that one is freed."""
        ledger, child = open_ledger(), digest_of(b"child")
        ledger.access.inherit(VERSION, child)
        assert ledger.access.of(child) is None
        ledger.access.restrict(VERSION, ["ana", account()], why="patients")
        ledger.access.inherit(VERSION, child)
        ledger.access.unrestrict(VERSION, why="old")
        found = open_ledger().access.of(child)
        assert found is not None
        assert (found.users, found.why) == (sorted(["ana", account()]), "patients")

    def test_a_restriction_needs_somebody_and_a_reason(self, open_ledger: OpenLedger) -> None:
        """What nobody may read nobody could free."""
        ledger = open_ledger()
        with pytest.raises(BadParameter, match="no user is named"):
            ledger.access.restrict(VERSION, [" "], why="secret")
        with pytest.raises(BadParameter, match="no reason is given"):
            ledger.access.restrict(VERSION, ["ana"], why=" ")
        with pytest.raises(BadParameter, match="is not restricted"):
            ledger.access.unrestrict(VERSION, why="why not")

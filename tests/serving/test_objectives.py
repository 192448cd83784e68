"""Objectives: error budgets, burn rates over windows, alerts, and where they are told."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import BadParameter
from penstock.serving.metrics import levels_of
from penstock.serving.objectives import WINDOWS_S, Levels, Objective, alerts_of, objectives_of
from penstock.serving.settings import LatencyObjective, ObjectiveSettings, ServeSettings
from penstock.serving.slots import SlotState
from penstock.serving.tallies import Tallies, Tally
from penstock.testing.toy_bundle import ROWS

if TYPE_CHECKING:
    from tests.serving.conftest import Client, Server

Deploy = Callable[..., SlotState]
ALL = ObjectiveSettings(0.999, LatencyObjective(0.99, 50), 0.9)


class Clock:
    """A server whose traffic is told by the test."""

    def __init__(self, state_dir: Path, settings: ObjectiveSettings = ALL) -> None:
        self.now = Tally(1_000_000.0, slow_ms=50.0)
        self.levels = Levels(state_dir, settings, lambda: self.now)
        self.tallies = Tallies(state_dir)
        self.tallies.note(lambda: self.now)

    def go(
        self, seconds: float, *, answered: float = 0, failed: float = 0, slow: float = 0, abstained: float = 0
    ) -> None:
        """Let time pass, with so many a second."""
        for _ in range(int(seconds / 15)):
            n = self.now
            self.now = Tally(
                n.at_s + 15,
                n.answered + 15 * answered,
                n.failed + 15 * failed,
                n.timed + 15 * answered,
                n.slow + 15 * slow,
                n.rows + 15 * answered,
                n.abstained + 15 * abstained,
                n.slow_ms,
            )
            self.tallies.note(lambda: self.now)

    def told(self, name: str) -> dict[str, object]:
        return next(one for one in self.levels.to_json() if one["objective"] == name)


def test_the_budget_burns_as_fast_as_requests_fail(tmp_path: Path) -> None:
    """At a failure in a thousand the burn rate is 1 where 99.9 % are wanted; at 2 %, 20."""
    clock = Clock(tmp_path)
    clock.go(7200, answered=999, failed=1)
    told = clock.told("availability")
    assert told["burn"] == pytest.approx({"5m": 1.0, "30m": 1.0, "1h": 1.0, "6h": 1.0, "3d": 1.0})
    assert (told["share"], told["alert"]) == (pytest.approx(0.999), None)
    assert told["budget_left"] == pytest.approx(0.0, abs=1e-9)
    clock.go(3600, answered=980, failed=20)
    burn = clock.told("availability")["burn"]
    all_of_it = (1 * 7200 + 20 * 3600) / 10_800
    assert burn == pytest.approx({"5m": 20.0, "30m": 20.0, "1h": 20.0, "6h": all_of_it, "3d": all_of_it})
    assert clock.told("availability")["alert"] == "page"
    assert clock.told("latency")["alert"] is None


def test_an_alert_ends_when_the_short_window_is_good_again(tmp_path: Path) -> None:
    """An hour that was bad is no reason to wake anybody once the last five minutes were good."""
    clock = Clock(tmp_path)
    clock.go(1800, answered=900, failed=100)
    assert clock.told("availability")["alert"] == "page"
    clock.go(300, answered=1000)
    told = clock.told("availability")
    assert told["burn"]["5m"] == 0.0  # type: ignore[index]
    assert told["burn"]["1h"] > 14.4  # type: ignore[index]
    clock.go(1800, answered=1000)
    assert clock.told("availability")["alert"] is None


def test_the_first_request_that_fails_wakes_nobody(tmp_path: Path) -> None:
    """A server that goes on failing does, five minutes later."""
    clock = Clock(tmp_path)
    clock.go(60, failed=1)
    assert clock.told("availability")["alert"] is None
    clock.go(300, failed=1)
    assert clock.told("availability")["alert"] == "page"


@given(target=st.floats(1e-6, 0.999999), period_s=st.floats(3600, 90 * 86_400))
def test_where_everything_fails_somebody_is_told_whatever_is_declared(target: float, period_s: float) -> None:
    """No limit is above what failures can come to, and none below what may be spent; more urgent ones are no lower."""
    alerts = alerts_of(target, period_s)
    assert alerts[0].severity == "page"
    assert all(1.0 <= alert.limit < 1 / (1 - target) for alert in alerts)
    assert all(WINDOWS_S[alert.long] <= period_s for alert in alerts)
    limits = [alert.limit for alert in alerts]
    assert limits == sorted(limits, reverse=True)


def test_a_short_periods_budget_pages_when_it_is_used_up(tmp_path: Path) -> None:
    """5 % of failures where 1 % may fail within an hour, for two hours: five times its budget, and nobody was told."""
    clock = Clock(tmp_path, ObjectiveSettings(availability=0.99, period_s=3600.0))
    clock.go(7200, answered=95, failed=5)
    told = clock.told("availability")
    assert (told["alert"], told["budget_left"]) == ("page", pytest.approx(-4.0))


def test_all_rows_abstaining_pages_where_a_fifth_may(tmp_path: Path) -> None:
    """Five times the budget is all that can be burnt: less than 14.4, and less than 6."""
    clock = Clock(tmp_path, ObjectiveSettings(answered=0.8, latency=LatencyObjective(0.9, 50)))
    clock.go(3600, answered=10, abstained=10, slow=4)
    assert clock.told("answered")["alert"] == "page"
    assert clock.told("latency")["alert"] is None
    clock.go(6 * 3600, answered=10, slow=4)
    assert clock.told("latency")["alert"] == "ticket"  # four times the budget, for longer than a quarter of a day


def test_latency_and_answers_have_budgets_of_their_own(tmp_path: Path) -> None:
    """Slow answers burn the one, abstentions the other."""
    clock = Clock(tmp_path)
    clock.go(3600, answered=100, slow=2, abstained=50)
    assert clock.told("latency")["burn"]["1h"] == pytest.approx(2.0)  # type: ignore[index]
    assert clock.told("answered")["burn"]["1h"] == pytest.approx(5.0)  # type: ignore[index]
    assert clock.told("availability")["burn"]["1h"] == 0.0  # type: ignore[index]


def test_without_traffic_nothing_is_known(tmp_path: Path) -> None:
    """And nobody is woken; an hour without requests leaves the day's budget as it is."""
    clock = Clock(tmp_path)
    told = clock.told("availability")
    assert (told["share"], told["budget_left"], told["alert"]) == (None, None, None)
    clock.go(600, answered=10, failed=10)
    clock.go(3 * 3600)
    told = clock.told("availability")
    assert told["burn"]["1h"] is None  # type: ignore[index]
    assert told["burn"]["6h"] == pytest.approx(500.0)  # type: ignore[index]


def test_the_budget_is_that_of_the_period(tmp_path: Path) -> None:
    """What was bad before it is forgotten."""
    clock = Clock(tmp_path, ObjectiveSettings(availability=0.9, period_s=2 * 3600.0))
    clock.go(3600, answered=1, failed=1)
    assert clock.told("availability")["budget_left"] == pytest.approx(-4.0)
    clock.go(3600, answered=1)
    assert clock.told("availability")["budget_left"] == pytest.approx(1 - 1 / 3 / 0.1)
    clock.go(3600, answered=1)
    told = clock.told("availability")
    assert (told["budget_left"], told["share"]) == (1.0, 1.0)
    assert told["since"] == "1970-01-12T14:46:40.000000Z"  # two hours ago


def test_what_is_slow_may_be_declared_anew(tmp_path: Path) -> None:
    """From then on it is counted; what was slow by the old measure is not mixed into it."""
    clock = Clock(tmp_path)
    clock.go(600, answered=10, slow=10)
    clock.now = replace(clock.now, slow_ms=80.0)
    clock.levels = Levels(tmp_path, ObjectiveSettings(0.999, LatencyObjective(0.99, 80)), lambda: clock.now)
    clock.go(600, answered=10)
    told = clock.told("latency")
    assert (told["share"], told["count"]) == (1.0, 5850.0)
    assert clock.told("availability")["count"] == 12_000.0


@given(
    target=st.floats(0.01, 0.9999),
    counts=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=5),
)
def test_burn_rates_of_parts_average_to_that_of_the_whole(target: float, counts: list[tuple[int, int]]) -> None:
    """Weighed by their requests."""
    objective = Objective("availability", target, "")
    tallies = [Tally(0.0)]
    for answered, failed in counts:
        last = tallies[-1]
        tallies.append(Tally(last.at_s + 1, last.answered + answered, last.failed + failed))
    whole = objective.burn(tallies[0], tallies[-1])
    pairs = list(pairwise(tallies))
    total = sum(a + f for a, f in counts)
    if total == 0:
        assert whole is None
        return
    weighed = sum((objective.burn(a, b) or 0.0) * sum(n) for (a, b), n in zip(pairs, counts, strict=True)) / total
    assert whole == pytest.approx(weighed)


@pytest.mark.parametrize("wrong", [{"availability": 1.5}, {"answered": -1.0}, {"latency": {"p": 0.9, "ms": 0.0}}])
def test_what_is_no_share_is_refused(wrong: dict[str, object]) -> None:
    """1 would leave no budget."""
    import msgspec

    with pytest.raises(BadParameter, match=r"serving\.objectives"):
        ServeSettings(objectives=msgspec.convert(wrong, ObjectiveSettings)).check()


def test_they_are_told_by_metrics_and_by_an_address_of_their_own(
    deploy: Deploy, open_client: Callable[..., Client]
) -> None:
    """By every protocol's requests; what a client did wrong does not count."""
    deploy(1)
    client = open_client(objectives=ObjectiveSettings(0.9, LatencyObjective(0.5, 1e-6), 0.5))
    Tallies(client.worker.state_dir).note(lambda: Tally(0.0, slow_ms=1e-6))
    for _ in range(4):
        assert client.post("/predict", {"rows": [ROWS[0]]}).status_code == 200
    assert client.post("/invocations", {"dataframe_records": [ROWS[0]]}).status_code == 200
    assert client.post("/predict", {"rows": [{"age": "old"}]}).status_code == 400
    told = {one["objective"]: one for one in client.get("/objectives").json()["objectives"]}
    assert (told["availability"]["share"], told["availability"]["count"]) == (1.0, 5.0)
    assert (told["latency"]["share"], told["latency"]["burn"]["1h"]) == (0.0, 2.0)
    text = client.get("/metrics").text
    assert 'penstock_objective{objective="availability"} 0.9' in text
    assert 'penstock_burn_rate{objective="latency",window="5m"} 2.0' in text
    assert 'penstock_error_budget_left{objective="availability"} 1.0' in text
    assert 'penstock_objective_alert{objective="availability"} 0.0' in text
    assert "penstock_slow_total 5.0" in text


def test_a_deadline_that_nothing_can_meet_uses_up_no_budget(deploy: Deploy, open_client: Callable[..., Client]) -> None:
    """Any client could have woken somebody by it."""
    deploy(1)
    client = open_client(objectives=ObjectiveSettings(0.9))
    Tallies(client.worker.state_dir).note(lambda: Tally(0.0))
    assert client.post("/predict", {"rows": [ROWS[0]]}).status_code == 200
    for _ in range(5):
        refused = client.post("/predict", {"rows": [ROWS[0]], "deadline_ms": 0.001})
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "deadline-too-short")
    (told,) = client.get("/objectives").json()["objectives"]
    assert (told["share"], told["count"]) == (1.0, 1.0)


def test_without_objectives_nothing_is_watched(client: Client) -> None:
    """No file, no metric; the address says so."""
    assert objectives_of(ObjectiveSettings()) == ()
    assert client.get("/objectives").json() == {"objectives": []}
    assert "penstock_burn_rate" not in client.get("/metrics").text
    assert not (client.worker.state_dir / "levels").exists()


def test_a_server_watches_them_over_its_workers(
    deploy: Deploy, start_server: Callable[..., Server], tmp_path: Path
) -> None:
    """And over its restarts, however it ended: stopped, or killed with all its workers."""
    deploy(1)
    settings = json.dumps({"objectives": {"availability": 0.99, "latency": {"p": 0.99, "ms": 1000}}})
    for already, ending in ((0, signal.SIGTERM), (10, signal.SIGKILL), (20, signal.SIGTERM)):
        server = start_server("--workers", "2", "--settings", settings)
        for _ in range(10):
            assert server.ask("POST", "/predict", {"rows": [ROWS[0]]})[0] == 200
        told = {one["objective"]: one for one in server.ask("GET", "/objectives")[1]["objectives"]}
        assert (told["availability"]["count"], told["availability"]["share"]) == (already + 10.0, 1.0)
        assert told["latency"]["count"] == already + 10.0
        assert told["availability"]["burn"] == dict.fromkeys(("5m", "30m", "1h", "6h", "3d"), 0.0)
        server.stop(ending)
    (told,) = levels_of(tmp_path / "serving", ObjectiveSettings(availability=0.99)).to_json()  # with no server there
    assert told["count"] == 30.0

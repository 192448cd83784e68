"""A canary in an app of this process: who answers, what is journalled and counted, and that it costs nobody an answer."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.bundle.runtime import Bundle
from penstock.errors import BundleError, RequestError, StoreFull
from penstock.monitoring.arm import Arm
from penstock.monitoring.differences import differences
from penstock.serving import journal_writer
from penstock.serving.arm_counts import ArmFile, read_counts
from penstock.serving.arm_figures import figures, quantile
from penstock.serving.arms import Arms
from penstock.serving.conditions import parse
from penstock.serving.journal import read
from penstock.serving.line import overloaded, too_late
from penstock.serving.metrics import ROWS as ROWS_ANSWERED
from penstock.serving.releases import Dealer
from penstock.serving.slots import SlotState
from penstock.serving.switching import end_release
from penstock.serving.turns import Turns
from penstock.testing.toy_bundle import ROWS

Deploy = Callable[..., SlotState]
Beside = Callable[..., Any]
ROW = {"age": 30, "income": 20000, "job": "pilot", "member": False}
KEYS = [f"customer-{n}" for n in range(40)]


@pytest.fixture
def beside(deploy: Deploy, release: Deploy, open_client: Callable[..., Any]) -> Beside:
    """A worker in which version 2 is released beside version 1: ``beside("canary", 0.5, sticky="id")``."""

    def make(*how: Any, **more: Any) -> Any:
        deploy(1)
        release(2, *how, **more)
        return open_client()

    return make


def arms_of(client: Any) -> Arms:
    arms = client.worker.serving.arms
    assert arms is not None
    return arms


def counted(client: Any, tmp_path: Path) -> dict[str, dict[str, float]]:
    counts = read_counts(tmp_path / "serving", arms_of(client).release.number)
    return {arm: {name: one.value for name, one in figures(of).items()} for arm, of in counts.items()}


def break_predicting(monkeypatch: pytest.MonkeyPatch, broken: Bundle, error: Exception) -> None:
    """Let one bundle fail at every request."""
    predict = Bundle.predict

    def failing(self: Bundle, *args: Any, **more: Any) -> Any:
        if self is broken:
            raise error
        return predict(self, *args, **more)

    monkeypatch.setattr(Bundle, "predict", failing)


def test_a_key_has_one_arm_in_every_worker_and_while_the_share_grows(
    deploy: Deploy, release: Deploy, open_client: Callable[..., Any]
) -> None:
    """As the dealer says; the response names who answered, and the journal which arm."""
    deploy(1)
    state = release(2, "canary", 0.3, sticky="id")
    assert state.candidate is not None
    dealer = Dealer(state.candidate.bundle, 0.3)
    answered = {}
    for client in (open_client(), open_client()):
        for key in KEYS:
            answer = client.post("/predict", {"rows": [{**ROW, "id": key}]}).json()
            assert answered.setdefault(key, answer["version"]) == answer["version"]
    assert answered == {key: 2 if dealer.takes(key) else 1 for key in KEYS}
    arms = {(record.version, record.arm) for record in read(client.journal)}
    assert arms == {(1, "live"), (2, "candidate")}
    release(2, "canary", 0.8, sticky="id")
    client = open_client()
    later = {key: client.post("/predict", {"rows": [{**ROW, "id": key}]}).json()["version"] for key in KEYS}
    assert all(later[key] == 2 for key in KEYS if answered[key] == 2)
    assert sum(later.values()) > sum(answered.values())


def test_each_arm_answers_its_own_rows_of_a_request(
    deploy: Deploy, release: Deploy, open_client: Callable[..., Any]
) -> None:
    """In their order; the answers of the candidate name it, and labels find them by id."""
    deploy(1)
    state = release(2, "ab", 0.5, sticky="id")
    assert state.candidate is not None
    dealer = Dealer(state.candidate.bundle, 0.5)
    client = open_client()
    rows = [{**ROW, "id": key} for key in KEYS]
    body = client.post("/predict", {"rows": rows}).json()
    assert (body["version"], body["slot"]) == (1, "blue")
    assert [answer["key"] for answer in body["predictions"]] == KEYS
    told = [(answer.get("version", 1), answer.get("slot", "blue")) for answer in body["predictions"]]
    assert told == [(2, "green") if dealer.takes(key) else (1, "blue") for key in KEYS]
    alone = {key: client.predict({**ROW, "id": key})[0]["probabilities"] for key in KEYS}
    assert all(a["probabilities"] == pytest.approx(alone[a["key"]]) for a in body["predictions"])
    labels = [{"id": answer["id"], "label": "yes"} for answer in body["predictions"]]
    assert client.post("/labels", {"labels": labels}).json() == {"accepted": len(KEYS), "rejected": []}


def test_a_request_of_both_arms_is_journalled_whole_or_not_at_all(
    deploy: Deploy, release: Deploy, open_client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By one write: a disk that fills up between two would have kept the rows of one arm, of a request that was refused."""
    deploy(1)
    release(2, "ab", 0.5, sticky="id")
    client = open_client()
    write, written = os.write, []

    def full(fd: int, data: bytes) -> int:
        written.append(len(data))
        return write(fd, data[: len(data) * 3 // 4])

    body = {"rows": [{**ROW, "id": key} for key in KEYS]}
    monkeypatch.setattr(journal_writer.os, "write", full)
    refused = client.post("/predict", body)
    monkeypatch.undo()
    assert (refused.status_code, len(written)) == (
        503,
        2,
    )  # the second is the record of the refusal, which finds no room either
    assert list(read(client.journal)) == []
    assert counted(client, tmp_path)["live"]["rows"] == 0
    answers = client.post("/predict", body).json()["predictions"]
    client.worker.journal.close()
    records = list(read(client.journal, kinds=("predict",)))
    assert [record.arm for record in records] == ["live", "candidate"]
    ids = {answer["id"] for record in records for answer in record.answers}
    assert ids == {answer["id"] for answer in answers}


def test_what_a_fallback_of_the_candidate_answers_is_counted(
    beside: Beside, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In the figures of its arm, in the metrics, and in the comparison that is made from the journal; it is no error."""
    client = beside("canary", 1.0)
    arms, predict = arms_of(client), Bundle.predict

    def falling_back(self: Bundle, *more: Any, **named: Any) -> Any:
        answers = predict(self, *more, **named)
        return [{**answer, "fallback": "missing"} for answer in answers] if self is arms.candidate.bundle else answers

    monkeypatch.setattr(Bundle, "predict", falling_back)
    for _ in range(5):
        client.predict(ROW, ROW)
    figure = counted(client, tmp_path)["candidate"]
    assert (figure["rows"], figure["fallbacks"], figure["errors"]) == (10, 1.0, 0.0)
    assert 'penstock_arm_fallback_rows_total{arm="candidate",version="2"} 10.0' in client.get("/metrics").text
    of_candidate = Arm("candidate", 2, requests=5, rows=10, by_fallback=10)
    told = {one.name: one.value for one in differences(Arm("live", 1, requests=5, rows=10), of_candidate)}
    assert told["fallbacks"] == 1.0
    assert "fallbacks" not in {one.name for one in differences(Arm("live", 1, rows=1), Arm("candidate", 2, rows=1))}
    assert parse("fallbacks > 10%").is_fast


def test_a_wrong_row_is_named_by_its_place_in_the_whole_request(
    deploy: Deploy, release: Deploy, open_client: Callable[..., Any]
) -> None:
    """Whichever arm would have answered it; nothing is counted against the candidate."""
    deploy(1)
    state = release(2, "ab", 0.5, sticky="id")
    assert state.candidate is not None
    dealer = Dealer(state.candidate.bundle, 0.5)
    client = open_client()
    for mine in (True, False):
        rows = [{**ROW, "id": key} for key in KEYS]
        place = max(n for n, key in enumerate(KEYS) if dealer.takes(key) is mine)
        rows[place]["age"] = "old"
        response = client.post("/predict", {"rows": rows})
        assert response.status_code == 400
        assert response.json()["error"]["path"] == f"rows[{place}].age"
        assert f"rows[{place}]" in str(response.json()["error"])


@pytest.mark.parametrize("why", ["wrong row", "no time", "no room", "fault"])
def test_nothing_is_journalled_of_a_request_that_is_refused_by_one_of_both_arms(
    deploy: Deploy, release: Deploy, open_client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """Its client asks again: rows of the other arm would be counted twice."""
    deploy(1)
    state = release(2, "ab", 0.5, sticky="id")
    assert state.candidate is not None
    dealer = Dealer(state.candidate.bundle, 0.5)
    client = open_client()
    rows = [{**ROW, "id": key} for key in KEYS]
    plain = Turns.put
    with monkeypatch.context() as patch:
        if why == "wrong row":
            next(row for row in rows if dealer.takes(row["id"]))["age"] = "old"
        elif why == "fault":  # of whoever answers the rows of the candidate
            predict = Bundle.predict

            def failing(self: Bundle, asked: Any, *more: Any) -> Any:
                if dealer.takes(asked[0]["id"]):
                    raise RuntimeError("a fault of ours")
                return predict(self, asked, *more)

            patch.setattr(Bundle, "predict", failing)
        else:

            def full(self: Turns, job: Any) -> None:
                if dealer.takes(job.asked.rows[0]["id"]):
                    raise too_late(1_000) if why == "no time" else overloaded(1_000)
                plain(self, job)

            patch.setattr(Turns, "put", full)
        response = client.post("/predict", {"rows": rows})
    assert response.status_code == {"wrong row": 400, "fault": 500}.get(why, 503)
    assert [record.code for record in read(client.journal)] == [response.json()["error"]["code"]]
    assert client.worker.metrics.values[ROWS_ANSWERED] == 0
    rows = [{**ROW, "id": key} for key in KEYS]
    answers = client.predict(*rows)
    journalled = [answer["id"] for record in read(client.journal, kinds=["predict"]) for answer in record.answers]
    assert sorted(journalled) == sorted(answer["id"] for answer in answers)
    assert client.worker.metrics.values[ROWS_ANSWERED] == len(KEYS)


def test_a_request_that_names_a_version_is_not_dealt(beside: Beside) -> None:
    """It gets that version, and belongs to no arm."""
    client = beside("canary", 1.0)
    assert client.post("/predict", {"rows": [ROW], "version": 1}).json()["version"] == 1
    assert client.post("/predict", {"rows": [ROW], "version": 2}).json()["version"] == 2
    assert client.post("/predict", {"rows": [ROW]}).json()["version"] == 2
    assert [record.arm for record in read(client.journal)] == ["", "", "candidate"]


def test_without_a_key_requests_are_dealt_by_chance(
    deploy: Deploy, release: Deploy, open_client: Callable[..., Any]
) -> None:
    """All rows of a request together; rows whose key is missing too."""
    deploy(1)
    release(2, "canary", 0.5)
    client = open_client()
    versions = [client.post("/predict", {"rows": [ROW, ROW]}).json()["version"] for _ in range(40)]
    assert set(versions) == {1, 2}
    release(2, "canary", 0.5, sticky="id")
    client = open_client()
    bodies = [client.post("/predict", {"rows": [ROW, {**ROW, "id": None}]}).json() for _ in range(40)]
    assert {body["version"] for body in bodies} == {1, 2}
    assert all("version" not in answer for body in bodies for answer in body["predictions"])


def test_a_failure_of_the_candidate_costs_no_answer(
    beside: Beside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The live version answers in its place, and the failure is counted and journalled against the candidate."""
    client = beside("canary", 1.0)
    break_predicting(monkeypatch, arms_of(client).candidate.bundle, MemoryError("no"))
    body = client.post("/predict", {"rows": [ROW]}).json()
    assert body["version"] == 1
    assert len(body["predictions"]) == 1
    assert counted(client, tmp_path)["candidate"]["errors"] == 1
    error, answer = sorted(read(client.journal), key=lambda record: record.kind)
    assert (error.kind, error.version, error.arm, error.code) == ("error", 2, "candidate", "internal")
    assert (answer.kind, answer.version, answer.arm) == ("predict", 1, "")


def test_a_field_that_only_the_candidate_refuses_is_held_against_it(
    beside: Beside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that both refuse is the client's mistake."""
    client = beside("canary", 1.0)
    assert client.post("/predict", {"rows": [{"age": "old"}]}).status_code == 400
    assert counted(client, tmp_path)["candidate"]["requests"] == 0
    refusal = RequestError("unknown field 'job'", "why", "way", path="rows[0].job", code="unknown-field")
    break_predicting(monkeypatch, arms_of(client).candidate.bundle, refusal)
    assert client.post("/predict", {"rows": [ROW]}).json()["version"] == 1
    assert counted(client, tmp_path)["candidate"]["errors"] == 1


@pytest.mark.parametrize(
    ("refusal", "counts"),
    [(overloaded(9), False), (StoreFull("no space", "why", "way"), False), (too_late(9), True)],
)
def test_a_server_with_too_much_to_do_is_no_fault_of_the_candidate(
    beside: Beside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Exception, counts: bool
) -> None:
    """Though the live version answered a moment later, when there was room. That it alone was in time is one."""
    client = beside("canary", 1.0)
    arms = arms_of(client)
    put = client.app._predicting.put

    def full(loaded: Any, *more: Any, **named: Any) -> None:
        if loaded is arms.candidate:
            raise refusal
        put(loaded, *more, **named)

    monkeypatch.setattr(client.app._predicting, "put", full)
    assert client.post("/predict", {"rows": [ROW]}).json()["version"] == 1
    assert counted(client, tmp_path)["candidate"]["requests"] == counts
    assert [record.kind for record in read(client.journal)].count("error") == counts


@pytest.mark.parametrize("refusal", [overloaded(9), too_late(9), StoreFull("no space", "why", "way")])
def test_a_server_with_too_much_to_do_is_no_fault_of_the_live_version(
    beside: Beside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Exception
) -> None:
    """Else a candidate that is shed alike, and is held to it by `errors > live`, would look the better one."""
    client = beside("canary", 1e-9)
    break_predicting(monkeypatch, arms_of(client).live.bundle, refusal)
    assert client.post("/predict", {"rows": [ROW]}).status_code == 503
    assert counted(client, tmp_path)["live"]["requests"] == 0


def test_a_failure_of_the_live_version_is_counted_and_told(
    beside: Beside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else answers in its place: a release is not there to be relied on."""
    client = beside("canary", 1e-9)
    break_predicting(monkeypatch, arms_of(client).live.bundle, MemoryError("no"))
    assert client.post("/predict", {"rows": [ROW]}).status_code == 500
    assert counted(client, tmp_path)["live"]["errors"] == 1
    assert client.post("/predict", {"rows": [ROW], "version": 1}).status_code == 500
    errors = [(record.version, record.arm) for record in read(client.journal, kinds=["error"])]
    assert errors == [(1, "live"), (1, "")], "by its number it is asked beside the release"


def test_the_arms_are_counted(deploy: Deploy, release: Deploy, open_client: Callable[..., Any], tmp_path: Path) -> None:
    """Requests, rows, abstentions, novel rows and times, of all workers together."""
    deploy(1)
    release(2, "canary", 1.0)
    for client in (open_client(), open_client()):
        for row in ROWS:
            client.predict(row, row)
    told = counted(client, tmp_path)
    assert told["live"]["requests"] == 0
    assert told["candidate"]["requests"] == 2 * len(ROWS)
    assert told["candidate"]["rows"] == 4 * len(ROWS)
    answers = [a for record in read(client.journal) for a in record.answers]
    assert told["candidate"]["abstentions"] == sum(a["decision"] == "abstain" for a in answers) / len(answers)
    assert told["candidate"]["novelty"] > 0
    assert 0.01 < told["candidate"]["latency_p50"] <= told["candidate"]["latency_p99"] < 10_000


def test_a_quantile_is_known_to_within_six_percent(tmp_path: Path) -> None:
    """From 10 microseconds to 100 seconds."""
    counts = ArmFile(tmp_path, 1, "a")
    times = [1e-5 * 1.05**n for n in range(300)]
    for seconds in times:
        counts.live.answered(1, 0, 0, seconds)
    told = read_counts(tmp_path, 1)["live"]
    for share in (0.5, 0.95, 0.99):
        true = times[int(share * len(times)) - 1]
        assert true <= quantile(told, share) <= 1.06 * true


def test_other_protocols_name_who_answered(beside: Beside) -> None:
    """Dealt alike: tensors name the candidate where it answered all rows, MLflow's answers carry it."""
    client = beside("canary", 1.0)
    inputs = [{"name": "age", "datatype": "FP64", "shape": [1], "data": [30]}]
    assert client.post("/v2/models/toy/infer", {"inputs": inputs}).json()["model_version"] == "2"
    assert client.post("/v2/models/toy/versions/1/infer", {"inputs": inputs}).json()["model_version"] == "1"
    answers = client.post("/invocations", {"dataframe_records": [ROW]}).json()["predictions"]
    assert (answers[0]["version"], answers[0]["slot"]) == (2, "green")
    assert client.post("/v1/models/toy:predict", {"instances": [ROW]}).status_code == 200
    assert [record.version for record in read(client.journal)] == [2, 1, 2, 2]


def test_a_candidate_with_another_form_of_answers_is_left_out(beside: Beside) -> None:
    """At the start of a server the live version answers alone."""
    client = beside("canary", 1.0, task="regression")
    assert client.worker.serving.arms is None
    assert client.post("/predict", {"rows": [ROW]}).json()["version"] == 1


def test_a_damaged_candidate_is_refused_with_its_epoch(
    deploy: Deploy, release: Deploy, open_client: Callable[..., Any], tmp_path: Path
) -> None:
    """What is live is untouched; a server that starts now goes without the candidate."""
    import asyncio

    from penstock.serving.acknowledgements import wait_for_epoch, workers
    from penstock.serving.switching import restore

    before = deploy(1)
    client = open_client()
    state = release(2, "canary", 1.0)
    assert state.candidate is not None
    graph = tmp_path / "serving" / state.candidate.path / "graph.onnx"
    graph.write_bytes(graph.read_bytes()[:-9])
    follower = client.worker._follower
    asyncio.run(follower._move())
    with pytest.raises(Exception, match="refused what was deployed"):
        wait_for_epoch(tmp_path / "serving", state.epoch, timeout_s=1.0)
    assert client.post("/predict", {"rows": [ROW]}).json()["version"] == 1
    other = open_client()
    assert other.post("/predict", {"rows": [ROW]}).json()["version"] == 1
    restore(tmp_path / "serving", before, state, by="release was refused")
    asyncio.run(follower._move())
    assert all(worker.version == 1 for worker in workers(tmp_path / "serving"))


def test_another_form_is_refused_by_name(toys: Callable[..., Path]) -> None:
    """With both versions, and the way out."""
    from penstock.serving.arms import refuse_other_form

    signatures = [Bundle.load(toys(1, task)).signature for task in ("binary", "multiclass")]
    with pytest.raises(BundleError, match="version 2 answers in another form than version 1"):
        refuse_other_form((1, signatures[0]), (2, signatures[1]))


def test_ending_a_release_is_followed(
    deploy: Deploy, release: Deploy, open_client: Callable[..., Any], tmp_path: Path
) -> None:
    """A server that starts afterwards knows of no arms."""
    deploy(1)
    release(2, "canary", 1.0)
    end_release(tmp_path / "serving")
    client = open_client()
    assert client.worker.serving.arms is None
    assert 2 not in client.worker.serving.by_version


def test_metrics_and_model_tell_of_the_release(
    deploy: Deploy, release: Deploy, open_client: Callable[..., Any]
) -> None:
    """Counts of each arm, its times, and the share; nothing without a release."""
    deploy(1)
    assert "penstock_arm" not in open_client().get("/metrics").text
    release(2, "canary", 1.0, sticky="job")
    client = open_client()
    client.predict(ROW, ROW)
    text = client.get("/metrics").text
    assert 'penstock_arm_rows_total{arm="candidate",version="2"} 2.0' in text
    assert 'penstock_arm_requests_total{arm="live",version="1"} 0.0' in text
    assert 'penstock_arm_seconds{arm="candidate",quantile="0.99",version="2"}' in text
    assert 'penstock_release{mode="canary",sticky="job",version="2"} 1.0' in text
    told = client.get("/model").json()["release"]
    assert (told["mode"], told["share"], told["candidate"]) == ("canary", 1.0, {"version": 2, "slot": "green"})

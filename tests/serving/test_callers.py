"""Who may ask, by every protocol; and that tokens are in no file, log or answer."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from penstock.errors import BadParameter, ServingError
from penstock.serving import tokens
from penstock.serving.callers import scope_of
from penstock.serving.fast_lane import Call, FastLane
from penstock.serving.jobs import Job
from penstock.serving.journal import find, read
from penstock.serving.openness import open_to_all
from penstock.serving.slots import SlotState
from penstock.serving.urgency import HIGH, LOW, NORMAL
from penstock.testing.toy_bundle import ROWS

if TYPE_CHECKING:
    from tests.serving.conftest import Client, Server

Deploy = Callable[..., SlotState]
Start = Callable[..., "Server"]
ROW = {name: value for name, value in ROWS[0].items() if name != "id"}
ASK = {"rows": [ROW]}


def issue(tmp_path: Path, name: str = "crm", *scopes: str, **more: str) -> str:
    return tokens.create(tmp_path / "serving", name, scopes or ("predict",), **more).text


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
def guarded(deploy: Deploy, open_client: Callable[..., Client], tmp_path: Path) -> tuple[Client, str]:
    """An app with one consumer that may predict, and its token."""
    deploy(1)
    token = issue(tmp_path)
    return open_client(), token


def test_without_consumers_everybody_is_answered(client: Client) -> None:
    """As before there were tokens; a token that is sent all the same is not looked at."""
    assert client.post("/predict", ASK).status_code == 200
    assert client.ask("POST", "/predict", json=ASK, headers=bearer("anything")).status_code == 200
    assert "penstock_consumer_requests_total{" not in client.get("/metrics").text


PREDICTIONS: list[tuple[str, dict[str, Any], Callable[[Any], str]]] = [
    ("/predict", ASK, lambda said: said["error"]["code"]),
    (
        "/v2/models/toy/infer",
        {"inputs": [{"name": "age", "datatype": "FP64", "shape": [1], "data": [41]}]},
        lambda said: said["code"],
    ),
    ("/v1/models/toy:predict", {"instances": [ROW]}, lambda said: said["code"]),
    ("/invocations", {"dataframe_records": [ROW]}, lambda said: said["code"]),
]


@pytest.mark.parametrize(("path", "body", "code"), PREDICTIONS)
def test_each_protocol_asks_for_a_token_in_its_own_words(
    deploy: Deploy,
    open_client: Callable[..., Client],
    tmp_path: Path,
    path: str,
    body: dict[str, Any],
    code: Callable[[Any], str],
) -> None:
    """401 without or with a wrong one, 403 without the scope, 200 with it; www-authenticate says what is wanted."""
    deploy(1)
    good, labeller = issue(tmp_path), issue(tmp_path, "clerk", "label")
    client = open_client()

    def ask(**headers: str) -> httpx.Response:
        return client.ask("POST", path, json=body, headers=headers)

    refused = ask()
    assert (refused.status_code, code(refused.json())) == (401, "no-token")
    assert refused.headers["www-authenticate"] == 'Bearer realm="penstock"'
    for wrong in (f"Bearer {good[:-1]}", f"Bearer {good}x", "Bearer ", "Basic YTpi", f"Token {good}"):
        refused = ask(authorization=wrong)
        assert (refused.status_code, code(refused.json())) == (401, "bad-token")
        assert "invalid_token" in refused.headers["www-authenticate"]
        assert good not in refused.text
    refused = ask(**bearer(labeller))
    assert (refused.status_code, code(refused.json())) == (403, "missing-scope")
    assert 'scope="predict"' in refused.headers["www-authenticate"]
    assert ask(**bearer(good)).status_code == 200
    assert ask(authorization=f"bearer {good}").status_code == 200


def test_who_asked_is_in_the_journal_and_the_metrics_and_who_was_turned_away_is_not(
    guarded: tuple[Client, str], tmp_path: Path
) -> None:
    """By prediction, and by refusal of what a consumer sent."""
    client, token = guarded
    admin = issue(tmp_path, "root", "admin")
    client.worker.callers._take(tokens.read_consumers(tmp_path / "serving"))
    headers = {**bearer(token), "x-request-id": "order-17"}
    answer = client.ask("POST", "/predict", json=ASK, headers=headers)
    assert answer.headers["x-request-id"] == "order-17"
    record, _ = find(client.journal, answer.json()["predictions"][0]["id"])
    assert (record.consumer, record.request_id) == ("crm", "order-17")
    other = client.ask("POST", "/invocations", json={"dataframe_records": [ROW]}, headers=headers).json()
    assert find(client.journal, other["predictions"][0]["id"])[0].consumer == "crm"
    assert client.ask("POST", "/predict", json={"rows": [{"age": "old"}]}, headers=headers).status_code == 400
    assert client.post("/predict", ASK).status_code == 401
    errors = [(record.consumer, record.status) for record in read(client.journal, kinds=["error"])]
    assert errors == [("crm", 400)]
    text = client.ask("GET", "/metrics", headers=bearer(admin)).text
    assert 'penstock_consumer_requests_total{consumer="crm",outcome="answered"} 2.0' in text
    assert 'penstock_consumer_requests_total{consumer="crm",outcome="refused"} 1.0' in text
    assert 'penstock_requests_total{route="predict",status="401"} 1.0' in text


@pytest.mark.parametrize("name", ['a"b', "a b", "x" * 200, "", "é", 'a","consumer":"root'])
def test_a_request_id_that_could_forge_a_record_is_not_taken(client: Client, name: str) -> None:
    """It is neither repeated nor journalled."""
    answer = client.ask("POST", "/predict", json=ASK, headers={b"x-request-id": name.encode()})
    assert answer.status_code == 200
    assert "x-request-id" not in answer.headers
    assert find(client.journal, answer.json()["predictions"][0]["id"])[0].request_id == ""


def test_health_is_open_and_all_else_needs_a_token(guarded: tuple[Client, str]) -> None:
    """What watches the server needs none; the counters need a scope of their own; unknown addresses are no way round."""
    client, token = guarded
    for path in ("/healthz", "/readyz", "/ping", "/v2/health/live", "/v2/health/ready", "/"):
        assert client.get(path).status_code == 200
    for path in ("/model", "/openapi.json", "/v2", "/v2/models/toy", "/v1/models/toy", "/v1/models/toy/metadata"):
        assert client.get(path).status_code == 401
        assert client.ask("GET", path, headers=bearer(token)).status_code == 200
    assert client.get("/nothing").status_code == 401
    assert client.ask("GET", "/metrics", headers=bearer(token)).status_code == 403
    assert client.ask("POST", "/labels", json={"labels": []}, headers=bearer(token)).status_code == 403
    assert client.ask("POST", "/nothing", headers=bearer(token)).status_code == 403
    assert client.ask("DELETE", "/model", headers=bearer(token)).status_code == 403


def test_every_route_of_the_server_has_a_scope_that_was_chosen(client: Client) -> None:
    """What changes something and was forgotten in the table needs admin: none of ours is forgotten."""
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for method in methods:
            changes = path.startswith("/v2/repository/models/")
            assert (scope_of(method.upper(), path.replace("{model}", "toy")) == "admin") is changes, (method, path)


def test_the_policies(deploy: Deploy, open_client: Callable[..., Client], tmp_path: Path) -> None:
    """ "declared" refuses before there is any token; "any" answers who has none, but no wrong one, and counts it."""
    deploy(1)
    assert open_client(consumers="declared").post("/predict", ASK).status_code == 401
    issue(tmp_path)
    client = open_client(consumers="any")
    answer = client.post("/predict", ASK)
    assert answer.status_code == 200
    assert find(client.journal, answer.json()["predictions"][0]["id"])[0].consumer == ""
    assert client.ask("POST", "/predict", json=ASK, headers=bearer("no")).status_code == 401
    assert client.get("/metrics").status_code == 401


def test_whoever_has_no_token_may_change_nothing_where_any_may_ask(
    deploy: Deploy, open_client: Callable[..., Client]
) -> None:
    """Also before the first token is made."""
    deploy(1)
    client = open_client(consumers="any")
    assert client.post("/predict", ASK).status_code == 200
    assert client.get("/model").status_code == 200
    assert client.get("/metrics").status_code == 401
    assert client.post("/v2/repository/models/toy/unload", {}).status_code == 401


def test_a_consumer_over_its_rate_is_told_when_to_come_again(
    deploy: Deploy, open_client: Callable[..., Client], tmp_path: Path
) -> None:
    """Others are answered all the same."""
    deploy(1)
    slow, other = issue(tmp_path, "slow", "predict", rate="2/min"), issue(tmp_path)
    client = open_client()
    statuses = [client.ask("POST", "/predict", json=ASK, headers=bearer(slow)) for _ in range(2)]
    assert [answer.status_code for answer in statuses] == [200, 429]
    assert 25 <= int(statuses[1].headers["retry-after"]) <= 30
    assert statuses[1].json()["error"]["code"] == "rate-limited"
    assert client.ask("POST", "/predict", json=ASK, headers=bearer(other)).status_code == 200
    refused = client.ask("POST", "/invocations", json={"dataframe_records": [ROW]}, headers=bearer(slow))
    assert (refused.status_code, refused.json()["error_code"]) == (429, "REQUEST_LIMIT_EXCEEDED")
    assert "retry-after" in refused.headers


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", {"rows": [ROW] * 10}),
        ("/invocations", {"dataframe_records": [ROW] * 10}),
        ("/v1/models/toy:predict", {"instances": [ROW] * 10}),
        ("/v2/models/toy/infer", {"inputs": [{"name": "age", "datatype": "FP64", "shape": [10], "data": [41] * 10}]}),
        ("/labels", {"labels": [{"id": "x", "label": "yes"}] * 10}),
    ],
)
def test_a_rate_counts_rows_by_every_protocol(
    deploy: Deploy, open_client: Callable[..., Client], tmp_path: Path, path: str, body: object
) -> None:
    """Ten in one request are what ten requests are; of what was turned away nothing is journalled."""
    deploy(1)
    clerk = issue(tmp_path, "clerk", "predict", "label", rate="20/min")
    client = open_client()
    assert client.ask("POST", path, json=body, headers=bearer(clerk)).status_code == 200
    later = client.ask("POST", path, json=body, headers=bearer(clerk))
    assert later.status_code == 429
    assert 25 <= int(later.headers["retry-after"]) <= 30
    assert [record.kind for record in read(client.journal)].count("error") == 0
    assert 'consumer="clerk",outcome="limited"} 1.0' in client.worker.metrics.render(None).decode()


def test_a_request_with_more_rows_than_the_rate_gives_in_a_minute_is_too_large(
    deploy: Deploy, open_client: Callable[..., Client], tmp_path: Path
) -> None:
    """It would lock its consumer out for longer than that; nothing but the request itself is taken from the allowance."""
    deploy(1)
    slow = issue(tmp_path, "slow", "predict", rate="10/min")
    client = open_client()
    refused = client.ask("POST", "/predict", json={"rows": [ROW] * 11}, headers=bearer(slow))
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "too-large")
    assert "may send 10" in refused.json()["error"]["what"]
    again = client.ask("POST", "/predict", json=ASK, headers=bearer(slow))
    assert again.status_code == 429
    assert int(again.headers["retry-after"]) <= 6


def priorities_of(client: Client, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of the requests that wait for their turn from now on."""
    turns, kept = client.app._predicting.turns, []
    put = turns.put

    def noted(job: Job) -> None:
        kept.append(job.priority)
        put(job)

    monkeypatch.setattr(turns, "put", noted)
    return kept


@pytest.mark.parametrize(("path", "body"), [(path, body) for path, body, _ in PREDICTIONS])
def test_a_consumer_has_at_most_the_priority_that_it_was_given(
    deploy: Deploy,
    open_client: Callable[..., Client],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    body: dict[str, Any],
) -> None:
    """By every protocol; whoever has no token as one for whom none was named; where nobody is told apart, what is asked."""
    deploy(1)
    open_to_everybody = open_client()
    token = {given: issue(tmp_path, given, priority=given) for given in ("high", "normal", "low")}
    usual = issue(tmp_path)
    client = open_client(consumers="any")
    kept = priorities_of(client, monkeypatch)
    for asked in ("high", "normal", "low"):
        for one in (token["high"], token["normal"], token["low"], usual):
            for named in ({}, {"x-request-id": "order-17"}):
                headers = {**bearer(one), "x-priority": asked, **named}
                assert client.ask("POST", path, json=body, headers=headers).status_code == 200
        assert client.ask("POST", path, json=body, headers={"x-priority": asked}).status_code == 200
    highest = [HIGH, HIGH, NORMAL, NORMAL, LOW, LOW, NORMAL, NORMAL, NORMAL]
    assert kept == [max(asked, most) for asked in (HIGH, NORMAL, LOW) for most in highest]
    kept = priorities_of(open_to_everybody, monkeypatch)
    assert open_to_everybody.ask("POST", path, json=body, headers={"x-priority": "high"}).status_code == 200
    assert kept == [HIGH]


def test_the_priority_in_the_body_is_held_to_what_was_given_too(
    deploy: Deploy, open_client: Callable[..., Client], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of Triton's parameter, by REST and by gRPC."""
    grpc = pytest.importorskip("grpc", reason="grpcio is not installed")
    from penstock.serving.protocols.grpc_messages import SERVICE, message

    deploy(1)
    token = issue(tmp_path, priority="low")
    client = open_client(grpc_port=0)
    kept = priorities_of(client, monkeypatch)
    _, body, _ = PREDICTIONS[1]
    asked = {**body, "parameters": {"priority": 1}}
    assert client.ask("POST", "/v2/models/toy/infer", json=asked, headers=bearer(token)).status_code == 200
    request = message("ModelInferRequest")(model_name="toy")
    request.inputs.add(name="age", datatype="FP64", shape=[1]).contents.fp64_contents.append(41.0)
    request.parameters["priority"].int64_param = 1

    async def call() -> None:
        server = client.app.grpc
        assert server is not None
        port = await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            infer = channel.unary_unary(f"/{SERVICE}/ModelInfer")
            await infer(request.SerializeToString(), metadata=(("authorization", f"Bearer {token}"),))
        await server.stop(0)

    asyncio.run(call())
    assert kept == [LOW, LOW]


def test_the_fast_lane_holds_to_the_priority_too(
    deploy: Deploy, open_client: Callable[..., Client], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which takes requests before they come to the app."""
    deploy(1)
    token = issue(tmp_path, priority="normal")
    client = open_client()
    kept = priorities_of(client, monkeypatch)
    lane = client.app.lane

    async def ask() -> None:
        call = Call(Untold(lane), keep_alive=True)  # type: ignore[arg-type]
        headers = [(b"authorization", f"Bearer {token}".encode()), (b"x-priority", b"high")]
        lane.admit(call, {"headers": headers})
        lane.ask(call, json.dumps(ASK).encode())
        while not call.response_complete:
            await asyncio.sleep(0.001)

    asyncio.run(ask())
    assert kept == [NORMAL]


class Untold:
    """The connection of a call whose client has gone, so that nobody is told the answer."""

    def __init__(self, lane: FastLane) -> None:
        self.lane = lane
        self.transport = self

    def usual_headers(self) -> bytes:
        return b""

    def write(self, data: bytes) -> None: ...

    def on_response_complete(self) -> None: ...


def test_tokens_of_before_there_were_priorities_have_the_usual_one(tmp_path: Path) -> None:
    """And what is no priority is refused, in the file and on the way into it."""
    issue(tmp_path)
    path = tmp_path / "serving" / "tokens.json"
    plain = json.loads(path.read_bytes())
    del plain["consumers"][0]["priority"]
    path.write_text(json.dumps(plain))
    assert tokens.read_consumers(tmp_path / "serving")[0].priority == "normal"
    plain["consumers"][0]["priority"] = "first"
    path.write_text(json.dumps(plain))
    with pytest.raises(ServingError):
        tokens.read_consumers(tmp_path / "serving")
    with pytest.raises(BadParameter, match="no priority 'first'"):
        issue(tmp_path / "other", priority="first")


def test_an_expired_token_does_not_count(deploy: Deploy, open_client: Callable[..., Client], tmp_path: Path) -> None:
    """From its instant on, without a look at any file."""
    deploy(1)
    token = issue(tmp_path, expires="1m")
    client = open_client()
    assert client.ask("POST", "/predict", json=ASK, headers=bearer(token)).status_code == 200
    callers = client.worker.callers
    (consumer,) = tokens.read_consumers(tmp_path / "serving")
    from dataclasses import replace

    past = tuple(replace(t, expires_at="2020-01-01T00:00:00.000000Z") for t in consumer.tokens)
    callers._take((replace(consumer, tokens=past),))
    answer = client.ask("POST", "/predict", json=ASK, headers=bearer(token))
    assert (answer.status_code, answer.json()["error"]["why"]) == (401, "the token is expired or revoked")


def _until(check: Callable[[], bool], seconds: float) -> float:
    begun = time.monotonic()
    while not check():
        assert time.monotonic() - begun < seconds
        time.sleep(0.01)
    return time.monotonic() - begun


def test_running_servers_follow_what_is_created_and_revoked_within_a_second(
    deploy: Deploy, start_server: Start, tmp_path: Path
) -> None:
    """All workers; and nothing that was planted is in any file of the server or in what it prints."""
    deploy(1)
    server = start_server("--workers", "2")
    assert server.ask("POST", "/predict", ASK)[0] == 200
    token = issue(tmp_path)

    def statuses(headers: dict[str, str]) -> set[int]:
        seen = set()
        for _ in range(12):  # connections of their own, which land on either worker
            connection = server.connect()
            connection.request("POST", "/predict", json.dumps(ASK), headers)
            seen.add(connection.getresponse().status)
            connection.close()
        return seen

    _until(lambda: statuses({}) == {401}, 60)
    for tries in range(6):  # a machine that does much else may be late at times
        assert tries < 5
        assert statuses(bearer(token)) == {200}
        tokens.revoke(tmp_path / "serving", "crm")
        if _until(lambda: statuses(bearer(token)) == {401}, 60) < 1.5:  # noqa: B023
            break
        token = issue(tmp_path)
        _until(lambda: statuses(bearer(token)) == {200}, 60)  # noqa: B023
    (tmp_path / "serving" / "tokens.json").write_text("{")
    time.sleep(0.5)
    assert statuses({}) == {401}  # a file that cannot be read opens no door
    server.stop()
    errors = server.errors()
    assert "tokens.json is not followed" in errors
    for text in (errors, *(p.read_bytes().decode("latin-1") for p in tmp_path.rglob("*") if p.is_file())):
        assert token not in text
        assert token[4:] not in text


def test_grpc_asks_for_the_same_tokens(deploy: Deploy, start_server: Start, tmp_path: Path) -> None:
    """As metadata; with the codes of gRPC."""
    grpc = pytest.importorskip("grpc", reason="grpcio is not installed")
    from penstock.serving.protocols.grpc_messages import SERVICE, message

    deploy(1)
    good, clerk = issue(tmp_path), issue(tmp_path, "clerk", "label")
    slow = issue(tmp_path, "slow", "predict", rate="1/h")
    server = start_server("--settings", '{"grpc_port": 0}')
    request = message("ModelInferRequest")(model_name="toy")
    tensor = request.inputs.add(name="age", datatype="FP64", shape=[1])
    tensor.contents.fp64_contents.append(41.0)

    with grpc.insecure_channel(server.grpc) as channel:

        def ask(name: str, asked: Any, token: str | None) -> Any:
            call = channel.unary_unary(
                f"/{SERVICE}/{name}",
                request_serializer=lambda m: m.SerializeToString(),
                response_deserializer=message(f"{name}Response").FromString,
            )
            return call(asked, metadata=(("authorization", f"Bearer {token}"),) if token else ())

        def code(name: str, asked: Any, token: str | None) -> str:
            try:
                ask(name, asked, token)
            except grpc.RpcError as error:
                return str(error.code().name)
            return "OK"

        assert code("ServerLive", message("ServerLiveRequest")(), None) == "OK"
        assert code("ModelMetadata", message("ModelMetadataRequest")(name="toy"), None) == "UNAUTHENTICATED"
        assert code("ModelMetadata", message("ModelMetadataRequest")(name="toy"), clerk) == "OK"
        assert code("ModelInfer", request, None) == "UNAUTHENTICATED"
        assert code("ModelInfer", request, "pst_wrong") == "UNAUTHENTICATED"
        assert code("ModelInfer", request, clerk) == "PERMISSION_DENIED"
        assert code("ModelInfer", request, slow) == "OK"
        with pytest.raises(grpc.RpcError) as refused:
            ask("ModelInfer", request, slow)
        assert refused.value.code().name == "RESOURCE_EXHAUSTED"
        assert "retry-after" in dict(refused.value.trailing_metadata())
        answer = ask("ModelInfer", request, good)
    named = dict(zip([output.name for output in answer.outputs], answer.raw_output_contents, strict=True))
    record, _ = find(tmp_path / "serving" / "journal", named["id"][4:].decode())
    assert record.consumer == "crm"


def test_a_server_that_strangers_can_reach_says_so(deploy: Deploy, start_server: Start, tmp_path: Path) -> None:
    """Not on loopback; and not where tokens are asked for and travel encrypted."""
    deploy(1)
    state = tmp_path / "serving"
    for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        assert open_to_all(state, host, "auto") is None
    assert "whoever reaches it is answered" in (open_to_all(state, "0.0.0.0", "auto") or "")
    assert "whoever reaches it is answered" in (open_to_all(state, "db.example", "any") or "")
    assert "travel" in (open_to_all(state, "::", "declared") or "")
    issue(tmp_path)
    assert "travel" in (open_to_all(state, "0.0.0.0", "auto") or "")
    assert open_to_all(state, "0.0.0.0", "auto", encrypted=True) is None
    server = start_server("--host", "0.0.0.0", "--settings", json.dumps({"consumers": "any"}))
    server.stop()
    assert "tokens create" in server.errors()


def test_a_server_whose_tokens_cannot_be_read_does_not_start(
    deploy: Deploy, start_server: Start, tmp_path: Path
) -> None:
    """Rather than answer everybody."""
    deploy(1)
    (tmp_path / "serving" / "tokens.json").write_text("{")
    with pytest.raises(AssertionError, match=r"tokens\.json cannot be read"):
        start_server()

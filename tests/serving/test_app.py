"""The HTTP contract, asked of an app in this process."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.bundle.runtime import Bundle
from penstock.errors import StoreFull
from penstock.serving.journal import find, read
from penstock.serving.metrics import MISSING_FIELDS
from penstock.serving.metrics import ROWS as ROWS_ANSWERED
from penstock.serving.slots import SlotState
from penstock.testing.toy_bundle import ROWS

if TYPE_CHECKING:
    from tests.serving.conftest import Client

JSON = {"content-type": "application/json"}
ROW = {name: value for name, value in ROWS[0].items() if name != "id"}

ERROR_FIELDS = {"code", "what", "why", "try", "path"}


def refused(response: httpx.Response, status: int, code: str, path: str = "") -> dict[str, str]:
    """Check the one shape in which everything is refused."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    error: dict[str, str] = response.json()["error"]
    assert set(error) == ERROR_FIELDS
    assert (error["code"], error["path"]) == (code, path)
    return error


# ---------------------------------------------------------------- predict


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_answers_are_those_of_the_bundle_with_an_id(
    deploy: Callable[..., SlotState], open_client: Callable[..., Client], toys: Callable[..., Path], task: str
) -> None:
    """Nothing is lost or changed on the way, and withheld values stay inside."""
    deploy(1, task)
    reply = open_client().post("/predict", {"rows": list(ROWS)}).json()
    assert (reply["model"], reply["version"], reply["slot"]) == ("toy", 1, "blue")
    expected = Bundle.load(toys(1, task)).predict(ROWS)
    for got, answer in zip(reply["predictions"], expected, strict=True):
        assert len(got.pop("id")) == 32
        assert got == json.loads(json.dumps({k: v for k, v in answer.items() if k != "withheld"}))
    assert {"answer", "abstain"} == {got["decision"] for got in reply["predictions"]}


def test_a_key_is_echoed_where_the_row_has_one(client: Client) -> None:
    """As text, whatever type it came in."""
    first, second = client.predict({**ROW, "id": 17}, ROW)
    assert first["key"] == "17"
    assert "key" not in second


def test_every_answered_row_is_in_the_journal(client: Client) -> None:
    """Found by its id, with the row as it was sent and the answer as it left, plus what was withheld."""
    answered = client.predict(*ROWS)
    for row, (sent, answer) in enumerate(zip(ROWS, answered, strict=True)):
        record, place = find(client.journal, answer["id"])
        assert place == row
        assert record.rows[row] == sent
        kept = dict(record.answers[row])
        withheld = kept.pop("withheld", None)
        assert kept == answer
        assert (withheld is None) == (answer["decision"] == "answer")


def test_many_rows_are_answered_like_one(client: Client) -> None:
    """Beside the event loop, in the same words."""
    many = client.predict(*(list(ROWS) * 100))
    few = client.predict(*ROWS)
    for place, answer in enumerate(many):
        assert {**answer, "id": ""} == {**few[place % len(ROWS)], "id": ""}
    assert len({answer["id"] for answer in many}) == len(many)


def test_no_rows_get_no_predictions(client: Client) -> None:
    """And leave no record."""
    assert client.predict() == []
    assert list(read(client.journal)) == []


def test_a_version_in_either_slot_may_be_asked(
    deploy: Callable[..., SlotState], open_client: Callable[..., Client]
) -> None:
    """The live one answers when none is named."""
    deploy(1)
    deploy(2)
    client = open_client()
    replies = [client.post("/predict", {"rows": [ROW], **more}).json() for more in ({}, {"version": 1}, {"version": 2})]
    assert [(r["version"], r["slot"]) for r in replies] == [(2, "green"), (1, "blue"), (2, "green")]
    assert replies[0]["predictions"][0]["probabilities"] != replies[1]["predictions"][0]["probabilities"]
    assert client.post("/predict", {"rows": [ROW], "version": None}).json()["version"] == 2
    error = refused(client.post("/predict", {"rows": [ROW], "version": 3}), 404, "unknown-version", "version")
    assert "1, 2" in error["why"]
    assert client.post("/predict", {"rows": [ROW], "version": "2"}).json()["version"] == 2
    refused(client.post("/predict", {"rows": [ROW], "version": 2.0}), 400, "wrong-type", "version")


@pytest.mark.parametrize(
    ("rows", "code", "path"),
    [
        ([ROW, {"age": "old"}], "wrong-type", "rows[1].age"),
        ([{"age": True}], "wrong-type", "rows[0].age"),
        ([{"job": ["nurse"]}], "wrong-type", "rows[0].job"),
        ([{"agee": 41}], "unknown-field", "rows[0].agee"),
        ([ROW, 5], "bad-row", "rows[1]"),
        ([None], "bad-row", "rows[0]"),
        ({"age": 1}, "wrong-type", "rows"),
        (None, "wrong-type", "rows"),
    ],
)
def test_one_bad_row_refuses_the_request(client: Client, rows: Any, code: str, path: str) -> None:
    """With the path of the field; nothing is journalled as a prediction, only that something was refused."""
    refused(client.post("/predict", {"rows": rows}), 400, code, path)
    (record,) = read(client.journal)
    assert (record.kind, record.status, record.code) == ("error", 400, code)


@pytest.mark.parametrize(
    ("body", "code", "path"),
    [
        (b"", "bad-json", ""),
        (b'{"rows": [{"age": 1}]', "bad-json", ""),
        (b"\xff\xfe", "bad-json", ""),
        (b'{"rows": [{"age": NaN}]}', "bad-json", ""),
        (b'"rows"', "bad-json", ""),
        (b"[]", "bad-json", ""),
        (b"{}", "missing-field", "rows"),
        (b'{"rows": [], "verion": 1}', "unknown-field", "verion"),
        (b"[" * 100_000, "bad-json", ""),
    ],
)
def test_a_body_that_is_no_request_is_refused(client: Client, body: bytes, code: str, path: str) -> None:
    """With the place where it goes wrong."""
    error = refused(client.ask("POST", "/predict", content=body, headers=JSON), 400, code, path)
    if body.startswith(b'{"rows": [{"age": 1}]'):
        assert "line 1, column" in error["why"]


def test_a_strange_web_page_is_refused(client: Client) -> None:
    """A form that another site's page posts does not reach the journal; the server's own page and programs do."""
    form = {"content-type": "text/plain", "origin": "https://evil.example"}
    for path in ("/predict", "/labels"):
        refused(client.ask("POST", path, content=b'{"rows":[]}', headers=form), 403, "cross-origin")
    for host in ("localhost:8000", "127.0.0.1:8000", "[::1]:8000", "model.localhost"):
        own = {"origin": f"http://{host}", "host": host}
        assert client.ask("POST", "/predict", content=b'{"rows":[]}', headers=own).status_code == 200
    curl = {"content-type": "application/x-www-form-urlencoded"}
    assert client.ask("POST", "/predict", content=b'{"rows":[]}', headers=curl).status_code == 200


def test_a_page_that_has_its_own_name_lead_here_is_refused(
    deploy: Callable[..., SlotState], open_client: Callable[..., Client]
) -> None:
    """DNS rebinding: to the browser, page and server are one origin. Nothing is written for it, and nothing told."""
    deploy(1)
    page = {"origin": "http://evil.example:8000", "host": "evil.example:8000", "x-forwarded-host": "localhost"}
    client = open_client()
    for path in ("/predict", "/labels", "/invocations", "/v2/models/toy/infer"):
        answer = client.ask("POST", path, content=b'{"rows":[]}', headers={**JSON, **page})
        assert answer.status_code == 403  # in the shape of each protocol
        assert "does not go by the name 'evil.example:8000'" in answer.text
    for path in ("/model", "/metrics", "/openapi.json", "/models"):
        refused(client.ask("GET", path, headers={"host": "evil.example:8000"}), 403, "unknown-host")
    for path in ("/healthz", "/readyz"):  # for whatever watches it, by whatever name
        assert client.ask("GET", path, headers={"host": "evil.example:8000"}).status_code == 200
    error = client.ask("GET", "/model", headers={"host": "shop.example"}).json()["error"]
    assert "[serving] hosts" in error["try"]


def test_a_declared_name_is_ours_and_elsewhere_any_name_is(
    deploy: Callable[..., SlotState], open_client: Callable[..., Client]
) -> None:
    """Behind a proxy that keeps the name; a server that others reach is called as they like, unless names are declared."""
    deploy(1)
    declared = open_client(hosts=("Shop.example",))
    own = {"origin": "https://shop.example", "host": "shop.example"}
    assert declared.ask("POST", "/predict", content=b'{"rows":[]}', headers=own).status_code == 200
    refused(declared.ask("GET", "/model", headers={"host": "evil.example"}), 403, "unknown-host")
    assert declared.get("/model").status_code == 200
    everywhere = open_client(host="0.0.0.0")
    assert everywhere.ask("GET", "/model", headers={"host": "anything"}).status_code == 200
    named = open_client(host="0.0.0.0", hosts=("shop.example",))
    refused(named.ask("GET", "/model", headers={"host": "anything"}), 403, "unknown-host")


def test_where_others_reach_it_a_server_with_declared_names_is_scraped_by_its_address(
    deploy: Callable[..., SlotState], open_client: Callable[..., Client]
) -> None:
    """As Prometheus asks pods. No page can have an address lead elsewhere; a name that looks like one is a name."""
    deploy(1)
    named = open_client(host="0.0.0.0", hosts=("shop.example",))
    for host in ("10.1.2.3:8000", "10.1.2.3", "[fd00::7]:8000"):
        assert named.ask("GET", "/metrics", headers={"host": host}).status_code == 200
    for host in ("10.1.2.3.example:8000", "10.1.2:8000", "[10.1.2.3.example]"):
        refused(named.ask("GET", "/metrics", headers={"host": host}), 403, "unknown-host")
    at_home = open_client(hosts=("shop.example",))
    refused(at_home.ask("GET", "/metrics", headers={"host": "10.1.2.3:8000"}), 403, "unknown-host")


def test_a_body_over_the_limit_is_refused(deploy: Callable[..., SlotState], open_client: Callable[..., Client]) -> None:
    """Declared or not."""
    deploy(1)
    client = open_client(max_body_bytes=2_000)
    body = json.dumps({"rows": [{**ROW, "note": "x" * 3000}]}).encode()
    refused(client.ask("POST", "/predict", content=body, headers=JSON), 413, "too-large")

    async def parts() -> Any:
        for start in range(0, len(body), 500):
            yield body[start : start + 500]

    refused(client.ask("POST", "/predict", content=parts(), headers=JSON), 413, "too-large")
    refused(client.ask("POST", "/labels", content=body, headers=JSON), 413, "too-large")


def test_too_many_rows_are_refused(deploy: Callable[..., SlotState], open_client: Callable[..., Client]) -> None:
    """The batch job is named as the way out."""
    deploy(1)
    client = open_client(max_rows=3)
    assert len(client.predict(ROW, ROW, ROW)) == 3
    assert "penstock predict" in refused(client.post("/predict", {"rows": [ROW] * 4}), 413, "too-large", "rows")["try"]


def test_a_fault_of_ours_tells_nothing_outside(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """500, and the traceback in the log."""

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the secret inside")

    monkeypatch.setattr(Bundle, "predict", broken)
    response = client.post("/predict", {"rows": [ROW]})
    refused(response, 500, "internal")
    assert "secret" not in response.text
    assert "the secret inside" in caplog.text
    monkeypatch.setattr(type(client.worker._labels), "decide", broken)
    response = client.post("/labels", {"labels": []})
    refused(response, 500, "internal")
    assert "secret" not in response.text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", {"rows": [ROW]}),
        ("/v1/models/toy:predict", {"instances": [ROW]}),
        ("/invocations", {"dataframe_records": [ROW]}),
        (
            "/v2/models/toy/infer",
            {"inputs": [{"name": "age", "datatype": "FP64", "shape": [1], "data": [41.0]}]},
        ),
    ],
)
def test_a_fault_of_ours_is_journalled_by_whatever_protocol_it_was_met(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, path: str, body: Any
) -> None:
    """The error rate of monitors and releases counts it; the log has it once."""

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the secret inside")

    monkeypatch.setattr(Bundle, "predict", broken)
    assert client.post(path, body).status_code == 500
    assert [(error.status, error.code) for error in read(client.journal, kinds=["error"])] == [(500, "internal")]
    assert caplog.text.count("RuntimeError: the secret inside") == 1


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from([*ROW, "id", "bought", "other"])
REQUESTS = JSON_VALUES | st.fixed_dictionaries(
    {"rows": st.lists(st.dictionaries(FIELDS, JSON_VALUES, max_size=4) | JSON_VALUES, max_size=4)},
    optional={"version": JSON_VALUES},
)
BODIES = st.binary(max_size=60) | REQUESTS.map(lambda value: json.dumps(value).encode())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES)
def test_whatever_is_sent_is_answered_or_refused(client: Client, body: bytes) -> None:
    """Never a fault of ours: 200 with one answer for each row, or 4xx in the one shape."""
    for path in ("/predict", "/labels"):
        response = client.ask("POST", path, content=body, headers=JSON)
        assert response.status_code in (200, 400, 404), response.text
        if response.status_code == 200 and path == "/predict":
            assert len(response.json()["predictions"]) == len(json.loads(body)["rows"])
        elif response.status_code != 200:
            assert set(response.json()["error"]) == ERROR_FIELDS


def test_what_was_fuzzed_is_read_back(client: Client) -> None:
    """Odd but valid bodies: the journal keeps the bytes and reads them."""
    bodies = [
        b' {"rows" : [ {"note":"\\ud83d\\ude00 \\u0000"} ] }\n',
        '{"rows":[{"note":"ü\u2028"}],"version":null}'.encode(),
        b'{"rows":[{"age":1e400}]}',
        b'{"rows":[{"age":123456789012345678901234567890}]}',
    ]
    answered = [
        response.json()["predictions"][0]
        for body in bodies
        if (response := client.ask("POST", "/predict", content=body, headers=JSON)).status_code == 200
    ]
    assert len(answered) >= 2
    for answer in answered:
        find(client.journal, answer["id"])


# ---------------------------------------------------------------- labels


def test_labels_come_back_by_id_and_by_key(client: Client) -> None:
    """As the contract says: accepted, and rejected with index, code and why."""
    first, _ = client.predict(ROW, {**ROW, "id": "c-9"})
    items = [
        {"id": first["id"], "label": "yes"},
        {"key": "c-9", "label": "no", "author": "ann"},
        {"id": first["id"], "label": "perhaps"},
        {"id": "0" * 26, "label": "yes"},
    ]
    for _ in range(2):
        reply = client.post("/labels", {"labels": items}).json()
        assert reply["accepted"] == 2
        assert [(r["index"], r["code"]) for r in reply["rejected"]] == [(2, "bad-label"), (3, "unknown-prediction")]
    assert sum(len(r.labels) for r in read(client.journal, kinds=["label"])) == 2


@pytest.mark.parametrize("body", [{}, {"labels": {}}, {"labels": [], "more": 1}])
def test_a_label_request_of_another_shape_is_refused(client: Client, body: Any) -> None:
    """One shape."""
    refused(client.post("/labels", body), 400, "bad-request", "labels")


# ---------------------------------------------------------------- the rest


def test_health_and_readiness_differ(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alive is not ready: without a live slot only /healthz answers 200."""
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").json() == {"status": "ready", "version": 1, "epoch": 1}
    monkeypatch.setattr(client.worker._follower, "serving", None)
    assert client.get("/healthz").status_code == 200
    for response in (client.get("/readyz"), client.get("/model"), client.post("/predict", {"rows": [ROW]})):
        refused(response, 503, "serving")
    assert client.get("/metrics").status_code == 200


def test_the_model_tells_its_signature_card_and_lineage(
    deploy: Callable[..., SlotState], open_client: Callable[..., Client]
) -> None:
    """And what is known from its deployment."""
    state = deploy(1, deployment={"accept_spent": "nothing left"})
    model = open_client().get("/model").json()
    assert (model["model"], model["version"], model["slot"], model["epoch"]) == ("toy", 1, "blue", 1)
    assert [c["name"] for c in model["signature"]["columns"]] == list(ROW)
    assert model["card"]["model"] == "toy"
    assert model["deployment"] == {"accept_spent": "nothing left"}
    assert state.live_entry is not None
    assert model["lineage"]["bundle"] == state.live_entry.bundle
    assert model["lineage"]["audit_head"] == "toy"


def test_rows_that_a_full_disk_left_unanswered_are_not_counted(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is anything in them; the next ones are."""

    def full(*_: Any, **__: Any) -> None:
        raise StoreFull("the journal cannot be written", "no space", "make some")

    with monkeypatch.context() as patch:
        patch.setattr(type(client.worker.journal), "_write", full)
        refused(client.post("/predict", {"rows": [{}]}), 503, "store-full")
    before = client.worker.metrics.values
    assert (before[ROWS_ANSWERED], before[MISSING_FIELDS]) == (0, 0)
    client.predict({})
    assert (before[ROWS_ANSWERED], before[MISSING_FIELDS]) == (1, len(ROW))


def test_where_the_journal_lies_is_told_to_the_log_alone(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What a stranger is told names no folder and no user."""

    def fails(*_: Any) -> int:
        raise OSError(errno.EACCES, "Permission denied")

    folder = str(client.worker.journal.folder)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fails)
        response = client.post("/predict", {"rows": [{}]})
    refused(response, 503, "not-writable")
    assert folder not in response.text
    assert "chown" not in response.text
    assert f":{os.getegid()} {folder}" in caplog.text


ROUTES = {
    "/predict": "POST", "/labels": "POST", "/healthz": "GET", "/readyz": "GET",
    "/model": "GET", "/metrics": "GET", "/openapi.json": "GET", "/": "GET",
}  # fmt: skip


@pytest.mark.parametrize(("path", "method"), ROUTES.items())
def test_another_method_is_refused_in_the_one_shape(client: Client, path: str, method: str) -> None:
    """405, and the method that is taken."""
    for other in {"GET", "POST", "PUT", "DELETE", "PATCH"} - {method}:
        response = client.ask(other, path)
        error = refused(response, 405, "method-not-allowed")
        assert method in error["why"]
        assert method in response.headers["allow"]


@pytest.mark.parametrize("path", ["/nowhere", "/predict/", "/../etc/passwd", "/model/1", "/%ff"])
def test_another_address_is_refused_in_the_one_shape(client: Client, path: str) -> None:
    """404, and what there is."""
    assert "/predict" in refused(client.get(path), 404, "not-found")["why"]


@pytest.mark.parametrize(
    ("method", "path", "status", "shape"),
    [
        ("GET", "/v2/models/toy/config", 404, {"error", "code", "path"}),
        ("GET", "/v2/models/toy/infer", 405, {"error", "code", "path"}),
        ("GET", "/v1/models/toy/nothing", 404, {"error", "code", "path"}),
        ("POST", "/v1/models/toy:classify", 405, {"error", "code", "path"}),
        ("GET", "/invocations", 405, {"error_code", "message", "code", "path"}),
        ("GET", "/invocations/more", 404, {"error_code", "message", "code", "path"}),
    ],
)
def test_what_a_protocol_does_not_have_here_is_refused_in_its_own_shape(
    client: Client, method: str, path: str, status: int, shape: set[str]
) -> None:
    """Its clients print a text, and break on an object."""
    response = client.ask(method, path)
    told = response.json()
    assert (response.status_code, set(told)) == (status, shape)
    text = told.get("error", told.get("message"))
    assert path in text
    assert path.split("/")[1] in text.partition("this server has")[2] or response.headers["allow"] in text


def test_the_page_needs_nothing_from_outside(client: Client) -> None:
    """No address but its own server's, and a policy that says so."""
    response = client.get("/")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    addresses = response.text.replace("http://www.w3.org/2000/svg", "")
    assert "http://" not in addresses
    assert "https://" not in addresses
    assert "src=" not in addresses

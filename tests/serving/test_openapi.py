"""The OpenAPI description: valid, and true of the live model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from openapi_spec_validator import validate

from penstock.bundle.runtime import Bundle
from penstock.serving import tokens
from penstock.serving.callers import ANY, scope_of
from penstock.serving.slots import SlotState
from penstock.serving.switching import fill_and_switch
from penstock.testing.toy_bundle import ROWS, write_toy_bundle

if TYPE_CHECKING:
    from tests.serving.conftest import Client


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_description_is_openapi_3_1(
    deploy: Callable[..., SlotState], open_client: Callable[..., Client], task: str
) -> None:
    """By the public validator."""
    deploy(1, task)
    description = open_client().get("/openapi.json").json()
    validate(description)
    assert set(description["paths"]) >= {
        "/predict", "/labels", "/healthz", "/readyz", "/model", "/metrics", "/openapi.json", "/"
    }  # fmt: skip


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_what_is_sent_and_answered_fits_the_description(
    deploy: Callable[..., SlotState], open_client: Callable[..., Client], task: str
) -> None:
    """Its own example, a row, the answers and a refusal."""
    deploy(1, task)
    client = open_client()
    description = client.get("/openapi.json").json()
    post = description["paths"]["/predict"]["post"]

    def check(value: object, schema: dict[str, object]) -> None:
        jsonschema.validate(value, {**schema, "components": description["components"]})

    request = post["requestBody"]["content"]["application/json"]["schema"]
    for body in (*request["examples"], {"rows": [ROWS[0], {}, {"age": 150}]}):
        check(body, request)
        reply = client.post("/predict", body)
        check(reply.json(), post["responses"]["200"]["content"]["application/json"]["schema"])
    with pytest.raises(jsonschema.ValidationError):
        check({"rows": [{"agee": 1}]}, request)


def test_a_row_is_described_with_what_becomes_of_a_missing_field(
    open_client: Callable[..., Client], tmp_path: Path
) -> None:
    """A field that is refused where it is missing is required, and never null."""
    folder = write_toy_bundle(tmp_path / "toy", missing={"income": "refuse", "job": "fallback"})
    fill_and_switch(tmp_path / "serving", folder, model="toy", version=1, digest=Bundle.load(folder).digest)
    client = open_client()
    row = client.get("/openapi.json").json()["components"]["schemas"]["Row"]
    for sent, status in (
        ({}, 400),
        ({"income": None}, 400),
        ({"income": 5.0}, 200),
        ({"income": 5.0, "job": None}, 200),
    ):
        assert client.post("/predict", {"rows": [sent]}).status_code == status
        assert jsonschema.Draft202012Validator(row).is_valid(sent) == (status == 200)
    assert "another model answers" in row["properties"]["job"]["description"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/invocations", {"instances": "lists"}),
        ("/invocations", {"inputs": "lists"}),
        ("/invocations", {"inputs": {"age": [41], "job": ["nurse"]}}),
        ("/invocations", {"inputs": [{"age": 41}]}),
        ("/v1/models/{model}:predict", {"instances": "lists"}),
        ("/v2/models/{model}/infer", {"inputs": [{"name": "age", "datatype": "FP64", "shape": [1], "data": [41.0]}]}),
    ],
)
def test_every_form_that_another_protocol_takes_fits_the_description(
    deploy: Callable[..., SlotState], open_client: Callable[..., Client], path: str, body: dict[str, Any]
) -> None:
    """As lists, too, and as columns."""
    deploy(1)
    client = open_client()
    lists = [[None] * len(client.get("/v2/models/toy").json()["inputs"])]
    body = {name: lists if value == "lists" else value for name, value in body.items()}
    assert client.post(path.format(model="toy"), body).status_code == 200
    description = client.get("/openapi.json").json()
    asked = description["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    fits = jsonschema.Draft202012Validator({**asked, "components": description["components"]}).is_valid
    assert fits(body)
    assert not fits({"inputs": 5})
    assert not fits({"inputs": [{"name": "age", "datatype": "", "shape": [1], "data": [41.0]}]})


def test_every_address_is_described_with_the_token_that_it_asks_for(
    deploy: Callable[..., SlotState], open_client: Callable[..., Client], tmp_path: Path
) -> None:
    """All routes that there are, by the table that admits requests; where nobody is asked for a token, that is said."""
    deploy(1)
    described = open_client().get("/openapi.json").json()["paths"]
    routes = {(route.path, method.lower()) for route in _routes(open_client()) for method in route.methods - {"HEAD"}}
    assert {(path, method) for path, item in described.items() for method in item} == routes
    for path, method in routes:
        needed = scope_of(method.upper(), path)
        with_token = [] if needed is None else [{"token": [] if needed == ANY else [needed]}]
        assert described[path][method]["security"] == ([{}, *with_token] if with_token else []), (method, path)
    token = tokens.create(tmp_path / "serving", "crm", ["predict"]).text
    asked = open_client().ask("GET", "/openapi.json", headers={"authorization": f"Bearer {token}"})
    assert asked.json()["paths"]["/predict"]["post"]["security"] == [{"token": ["predict"]}]
    assert asked.json()["paths"]["/healthz"]["get"]["security"] == []
    beside = open_client(consumers="any").get("/openapi.json").json()["paths"]
    assert beside["/predict"]["post"]["security"] == [{}, {"token": ["predict"]}]
    assert beside["/metrics"]["get"]["security"] == [{"token": ["metrics"]}]


def test_every_address_is_described_with_what_a_head_alone_is_refused_for(client: Client) -> None:
    """One that is ambiguous, slow or too long, whatever is asked: also where nothing is taken."""
    described = client.get("/openapi.json").json()["paths"]
    for path, item in described.items():
        for method, operation in item.items():
            assert operation["responses"].keys() >= {"400", "408", "431", "500", "503"}, (method, path)
    for path in ("/healthz", "/ping", "/v2", "/model"):
        twice = [("authorization", "Bearer a"), ("authorization", "Bearer b")]
        assert client.ask("GET", path, headers=twice).status_code == 400


def _routes(client: Client) -> Any:
    return client.app._rest.routes


ASKED = {
    "/predict": {"rows": [ROWS[0]]},
    "/v2/models/toy/infer": {"inputs": [{"name": "age", "datatype": "FP64", "shape": [1], "data": [41]}]},
    "/v1/models/toy/versions/1:predict": {"instances": [{"age": 41}]},
    "/invocations": {"dataframe_records": [{"age": 41}]},
}


@pytest.mark.parametrize("path", ASKED)
def test_every_refusal_that_comes_is_described_with_its_headers(
    deploy: Callable[..., SlotState],
    open_client: Callable[..., Client],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
) -> None:
    """Each status, in the shape of its protocol."""
    deploy(1)
    issued = {
        name: tokens.create(tmp_path / "serving", name, [scope], rate=rate).text
        for name, scope, rate in (("crm", "predict", None), ("clerk", "label", None), ("slow", "predict", "1/h"))
    }
    client = open_client(max_body_bytes=1_000)
    bearer = {name: {"authorization": f"Bearer {token}"} for name, token in issued.items()}
    description = client.ask("GET", "/openapi.json", headers=bearer["crm"]).json()
    template = path.replace("toy", "{model}").replace("versions/1", "versions/{version}")
    responses = description["paths"][template]["post"]["responses"]

    def ask(given: dict[str, str], at: str = path, **more: Any) -> int:
        more = more or {"json": ASKED[path]}
        response = client.ask("POST", at, headers={**given, **more.pop("headers", {})}, **more)
        said = responses[str(response.status_code)]
        if "$ref" in said:
            said = description["components"]["responses"][said["$ref"].rpartition("/")[2]]
        schema = said["content"][response.headers["content-type"]]["schema"]
        jsonschema.validate(response.json(), {**schema, "components": description["components"]})
        for name, header in said.get("headers", {}).items():
            assert name in response.headers or not header["required"], (response.status_code, name)
        return response.status_code

    crm = bearer["crm"]
    in_no_time = {"x-deadline-ms": "0.001"}
    assert ask(crm, json=ASKED[path], headers=in_no_time) == 503
    assert ask(crm) == 200
    assert ask(crm, json=ASKED[path], headers=in_no_time) == 400  # now it is known that nothing can meet it
    assert ask(crm, content=b"{") == 400
    assert ask({}) == 401
    assert ask(bearer["clerk"]) == 403
    if path == "/predict":
        assert ask(crm, json={**ASKED[path], "model": "cat"}) == 404
    elif "toy" in path:
        assert ask(crm, path.replace("toy", "cat")) == 404
    assert ask(crm, content=b" " * 2_000) == 413
    assert ask(crm, content=b"", headers={"content-encoding": "gzip"}) == 415
    ask(bearer["slow"])
    assert ask(bearer["slow"]) == 429
    assert ask(crm, json=ASKED[path], headers={f"x-{number}": "1" for number in range(250)}) == 431

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("told to nobody")

    monkeypatch.setattr(client.app._predicting, "put", broken)
    assert ask(crm) == 500

"""The OpenAPI description: valid, and true of the live model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import jsonschema
import pytest
from openapi_spec_validator import validate

from penstock.serving.slots import SlotState
from penstock.testing.toy_bundle import ROWS

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
    refusal = client.post("/predict", {"rows": [{"agee": 1}]})
    check(refusal.json(), post["responses"]["400"]["content"]["application/json"]["schema"])

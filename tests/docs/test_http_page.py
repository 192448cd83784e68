"""docs/http.md holds for a server: the requests on the page are answered as the page says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

TEXT = (Path(__file__).parents[2] / "docs/http.md").read_text(encoding="utf-8")
ASK, ANSWER, LABEL, LABELLED = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", TEXT, re.S)[:4])
CODED = set(re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", TEXT, flags=re.S)))


def test_the_request_on_the_page_gets_the_answer_on_the_page(served: Any) -> None:
    """The same keys; the same fields missing among those that the row leaves out."""
    status, answer = served.ask("POST", "/predict", ASK)
    assert status == 200
    assert answer.keys() == ANSWER.keys()
    assert answer["predictions"][0].keys() == ANSWER["predictions"][0].keys()
    assert answer["predictions"][0]["key"] == ASK["rows"][0]["id"]
    label = {"labels": [{**LABEL["labels"][0], "id": answer["predictions"][0]["id"]}]}
    assert served.ask("POST", "/labels", label) == (200, {"accepted": 1, "rejected": []})
    wrong = {"labels": [{**label["labels"][0], "label": "perhaps"}]}
    status, answer = served.ask("POST", "/labels", wrong)
    assert status == 200
    assert answer["rejected"][0].keys() == LABELLED["rejected"][0].keys()
    assert answer["rejected"][0]["code"] == LABELLED["rejected"][0]["code"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/model"])
def test_every_key_of_the_small_answers_is_named(served: Any, path: str) -> None:
    """In the table of addresses."""
    status, answer = served.ask("GET", path)
    assert status == 200
    assert f"GET {path}" in CODED
    assert set(answer) <= CODED


def test_a_refusal_has_the_five_fields(served: Any) -> None:
    """And the path of the field."""
    status, answer = served.ask("POST", "/predict", {"rows": [{"age": "old"}]})
    assert status == 400
    assert set(answer["error"]) == {"code", "what", "why", "try", "path"}
    assert answer["error"]["path"] == "rows[0].age"
    assert served.ask("POST", "/predict", {"rows": [{}], "version": 99})[0] == 404


def test_every_address_is_on_the_page(served: Any) -> None:
    """As `/openapi.json` lists them; versions and labels once for all models."""
    _, described = served.ask("GET", "/openapi.json")
    for path, methods in described["paths"].items():
        of_model = path.replace("/versions/{version}", "").replace("/labels/{label}", "")
        assert all(f"{method.upper()} {of_model}" in TEXT for method in methods)

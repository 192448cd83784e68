"""Lines of the log, request ids, and what must never be in them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from penstock.bundle.runtime import Bundle
from penstock.serving import tokens
from penstock.serving.journal import find
from penstock.serving.logs import configured
from penstock.serving.settings import LogSettings
from penstock.serving.slots import SlotState
from penstock.testing.toy_bundle import ROWS

if TYPE_CHECKING:
    from tests.serving.conftest import Client, Server

Deploy = Callable[..., SlotState]
Start = Callable[..., "Server"]
ASK = {"rows": [ROWS[0]]}


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_each_request_has_a_line_with_its_id_and_consumer(
    deploy: Deploy, open_client: Callable[..., Client], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The id is the client's or one of ours; it is in the answer, in the log and in the journal alike."""
    deploy(1)
    token = tokens.create(tmp_path / "serving", "crm", ["predict"]).text
    logs = LogSettings(format="json", level="info")
    client = open_client(logs=logs)
    headers = {"authorization": f"Bearer {token}"}
    with configured(logs):
        ours = client.ask("POST", "/predict", json=ASK, headers=headers)
        theirs = client.ask("POST", "/predict?secret=1", json=ASK, headers={**headers, "x-request-id": "order-17"})
        forged = client.ask("GET", "/healthz", headers={"x-request-id": 'a"b'})
        client.ask("GET", "/model")
    told = lines(capsys.readouterr().err)
    assert [(line["method"], line["path"], line["status"]) for line in told] == [
        ("POST", "/predict", 200),
        ("POST", "/predict", 200),
        ("GET", "/healthz", 200),
        ("GET", "/model", 401),
    ]
    assert [line.get("consumer") for line in told] == ["crm", "crm", None, None]
    assert told[1]["request_id"] == theirs.headers["x-request-id"] == "order-17"
    assert told[0]["request_id"] == ours.headers["x-request-id"]
    assert told[2]["request_id"] == forged.headers["x-request-id"] != 'a"b'
    assert len({line["request_id"] for line in told}) == 4
    record, _ = find(client.journal, ours.json()["predictions"][0]["id"])
    assert record.request_id == told[0]["request_id"]
    for line in told:
        assert line["level"] == "info"
        assert line["ms"] > 0
        assert token not in json.dumps(line)
        assert "secret" not in json.dumps(line)


def test_a_fault_of_ours_is_told_with_its_place_and_without_a_value_of_the_request(
    client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What an error says may hold what somebody sent; at level "debug", for whoever looks for the fault, it is told."""

    sent = "Jane" + " Planted"

    def broken(*_: object) -> None:
        raise ValueError(f"could not read {sent!r}")

    monkeypatch.setattr(Bundle, "predict", broken)
    for level, is_told in (("warning", False), ("debug", True)):
        for path, body in (("/predict", ASK), ("/invocations", {"dataframe_records": ASK["rows"]})):
            with configured(LogSettings(format="json", level=level)):  # type: ignore[arg-type]
                answer = client.post(path, body)
            assert answer.status_code == 500
            assert "Jane" not in answer.text
            (line,) = (one for one in lines(capsys.readouterr().err) if "fault" in one)
            assert "ValueError" in line["fault"]
            assert "test_logs.py" in line["fault"]
            assert ("Jane" in line["fault"]) is is_told


def test_a_part_of_the_requests_can_be_told(
    deploy: Deploy,
    open_client: Callable[..., Client],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """None at 0, nor of what is refused for lack of time, which comes by the thousand; a fault of ours always."""
    deploy(1)
    logs = LogSettings(level="info", sample=0.0)
    client = open_client(logs=logs, deadline_ms=0.001)
    with configured(logs):
        for _ in range(20):
            assert client.post("/predict", {**ASK, "deadline_ms": 60_000}).status_code == 200
            assert client.post("/predict", ASK).status_code == 503
        assert capsys.readouterr().err == ""
        monkeypatch.setattr(Bundle, "predict", lambda *_: 1 / 0)
        assert client.post("/predict", {**ASK, "deadline_ms": 60_000}).status_code == 500
    assert "error request" in capsys.readouterr().err


def test_lines_of_text_cannot_be_forged(capsys: pytest.CaptureFixture[str]) -> None:
    """A line break in an address is no line of the log."""
    with configured(LogSettings(level="info")):
        logging.getLogger("penstock.serving").info("request", extra={"told": {"path": "/a\nforged", "status": 404}})
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith('request path="/a\\nforged" status=404')


def test_logging_is_as_before_once_the_server_is_gone() -> None:
    """Nothing stays in a process that served."""
    logger = logging.getLogger("penstock")
    before = (list(logger.handlers), logger.level, logger.propagate)
    with configured(LogSettings()):
        assert logger.handlers != before[0]
    assert (list(logger.handlers), logger.level, logger.propagate) == before


def test_workers_write_their_lines_to_the_servers_stderr(deploy: Deploy, start_server: Start) -> None:
    """Whole lines, of both; a line each request; nothing of the rows."""
    deploy(1)
    settings = json.dumps({"logs": {"format": "json", "level": "info"}})
    server = start_server("--workers", "2", "--settings", settings)
    for _ in range(30):
        assert server.ask("POST", "/predict", ASK)[0] == 200
    server.stop()
    told = lines(server.errors())
    assert sum(line["message"] == "request" for line in told) == 30
    assert str(ROWS[0]["income"]) not in json.dumps(told)


def test_without_logs_and_traces_no_request_is_watched(client: Client) -> None:
    """So that they cost nothing; an id that the client sends comes back all the same."""
    assert client.worker.watching is None
    answer = client.ask("POST", "/predict", json=ASK, headers={"x-request-id": "a1"})
    assert answer.headers["x-request-id"] == "a1"
    assert "x-request-id" not in client.post("/predict", ASK).headers

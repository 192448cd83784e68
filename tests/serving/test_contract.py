"""Every address answers as the description says it does: generated requests, well-formed and not, against a real server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from penstock.serving import tokens

if TYPE_CHECKING:
    from tests.serving.conftest import Server

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "response_headers_conformance,ignored_auth"
)
# A generated deadline may be too short for any answer, and a model too many for the room: described, and no fault.
CONFIG = '[checks]\nnot_a_server_error.expected-statuses = ["2xx", "4xx", "503"]\n'


@pytest.fixture
def guarded(deploy: Any, shelve: Any, start_server: Callable[..., Server], tmp_path: Path) -> tuple[Server, str]:
    """A server with further models on its shelf, which asks for tokens; and one that may do everything."""
    deploy(1)
    shelve("fraud", 2, of=2, labels=["champion"])
    shelve("grades", 4, task="multiclass", labels=["best"])
    token = tokens.create(tmp_path / "serving", "tester", ["admin"]).text
    return start_server(), token


def schemathesis(at: Path, description: str, token: str, *options: str) -> subprocess.CompletedProcess[str]:
    at.mkdir(exist_ok=True)
    (at / "schemathesis.toml").write_text(CONFIG)
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", description, "--checks", CHECKS]
    command += ["--header", f"Authorization: Bearer {token}", "--seed", "1", "--no-color", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=at, timeout=270)


@pytest.mark.timeout(280)
def test_generated_requests_are_answered_as_openapi_json_says(guarded: tuple[Server, str], tmp_path: Path) -> None:
    """No server error, no status, header and shape beyond those that are described; nothing without a token that asks for one."""
    server, token = guarded
    options = ("--phases", "examples,fuzzing", "--max-examples", "5")
    done = schemathesis(tmp_path / "all", f"{server.address}/openapi.json", token, *options)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert server.stop() == 0
    assert "could not be answered" not in server.errors()  # as a fault of ours is told in the log


def test_a_status_that_is_not_described_would_be_found(guarded: tuple[Server, str], tmp_path: Path) -> None:
    """By the same checks, where the description is silent on one that comes."""
    import httpx

    server, token = guarded
    described = httpx.get(f"{server.address}/openapi.json", headers={"authorization": f"Bearer {token}"}).json()
    del described["paths"]["/predict"]["post"]["responses"]["400"]
    (tmp_path / "silent.json").write_text(json.dumps(described))
    options = ("--url", server.address, "--include-path", "/predict", "--phases", "fuzzing", "--max-examples", "30")
    done = schemathesis(tmp_path / "silent", str(tmp_path / "silent.json"), token, *options)
    assert done.returncode == 1
    assert "Undocumented status code" in done.stdout, done.stdout

"""Every address answers as the description says it does: generated requests, well-formed and not, against a real server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.timeout(280)
def test_generated_requests_are_answered_as_openapi_json_says(deploy: Any, start_server: Any, tmp_path: Path) -> None:
    """No server error, no status and no shape beyond those that are described."""
    deploy(1)
    server = start_server()
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    command = [Path(sys.executable).with_name("schemathesis"), "run", f"{server.address}/openapi.json"]
    options = ["--checks", checks, "--max-examples", "12", "--seed", "1", "--phases", "fuzzing", "--no-color"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=270)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert server.stop() == 0
    assert "could not be answered" not in server.errors()  # as a fault of ours is told in the log

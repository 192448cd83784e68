"""`penstock serve` reads `[serving]` anew at SIGHUP."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


def status_of(address: str, size: int) -> int:
    """Of a request with a body of this size."""
    row = {"age": 41, "job": "nurse", "note": "x" * size}
    body = json.dumps({"rows": [row]}).encode()
    request = urllib.request.Request(f"{address}/predict", body, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_declaration_is_read_again_and_one_with_a_fault_changes_nothing(
    projects: Any, set_line: Cli, tmp_path: Path
) -> None:
    """A new limit holds once the new process serves."""
    project = projects.copy("binary", "live", tmp_path)
    command = [sys.executable, "-m", "penstock", "serve", "--port", "0"]
    log = tmp_path / "log"
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=project, stdout=out, stderr=out)
    try:
        ends = time.monotonic() + 60
        while not (found := re.search(r"http://\S+:\d+", log.read_text(encoding="utf-8"))):
            assert time.monotonic() < ends
            time.sleep(0.05)
        address = found[0]
        assert status_of(address, 3_000) == 200
        set_line(project, "serving", "max_body_bytes = 2000")
        os.kill(process.pid, signal.SIGHUP)
        while status_of(address, 3_000) != 413:
            assert time.monotonic() < ends
            time.sleep(0.05)
        set_line(project, "serving", "max_body_bytes = -1")
        os.kill(process.pid, signal.SIGHUP)
        while "nothing is reloaded" not in log.read_text(encoding="utf-8"):
            assert time.monotonic() < ends
            time.sleep(0.05)
        assert (status_of(address, 10), status_of(address, 3_000)) == (200, 413)
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


@contextmanager
def serving(project: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """`penstock serve` in a project, and its address."""
    log = project / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "penstock", "serve", "--port", "0", *options], cwd=project, stdout=out, stderr=out
        )
    try:
        ends = time.monotonic() + 60
        while not (found := re.search(r"https?://\S+:\d+", log.read_text(encoding="utf-8"))):
            assert time.monotonic() < ends
            assert process.poll() is None, log.read_text(encoding="utf-8")
            time.sleep(0.05)
        yield process, found[0]
    finally:
        process.kill()
        process.wait()


def test_a_certificate_may_be_named_on_the_command_line_and_stays_at_a_reload(projects: Any, tmp_path: Path) -> None:
    """Relative to where the command is given, not to the project."""
    tls = pytest.importorskip("tests.serving.test_tls", reason="cryptography is not installed")
    project = projects.copy("binary", "live", tmp_path)
    settings = tls.issue(tmp_path)
    named = ["--certificate", os.path.relpath(settings.certificate, project)]
    with serving(project, *named, "--key", os.path.relpath(settings.key, project)) as (process, address):
        assert address.startswith("https://")
        port, context = int(address.rpartition(":")[2]), tls.context_of(settings)

        def workers() -> list[str]:
            with urllib.request.urlopen(f"https://localhost:{port}/metrics", context=context, timeout=30) as reply:
                return re.findall(r'penstock_epoch\{worker="(\d+)"\}', reply.read().decode())

        (before,) = workers()
        os.kill(process.pid, signal.SIGHUP)
        ends = time.monotonic() + 60
        while before in workers():
            assert time.monotonic() < ends
            time.sleep(0.1)


def test_a_certificate_without_its_key_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """And the other way round."""
    from penstock.cli.app import run

    for option in ("--certificate", "--key"):
        assert run(["serve", option, "x.pem"]) == 2
        assert "belong together" in capsys.readouterr().err


def test_the_declared_port_of_grpc_is_taken_and_that_of_the_command_line_goes_before_it(
    projects: Any, set_line: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start and at each reload alike."""
    from penstock.cli.app import run
    from penstock.serving.settings import ServeSettings

    told: list[tuple[ServeSettings, ServeSettings]] = []

    def noted(state_dir: Path, *, settings: ServeSettings, reload: Callable[[], ServeSettings], **_: Any) -> None:
        told.append((settings, reload()))

    monkeypatch.setattr("penstock.serving.server.serve", noted)
    project = projects.copy("binary", "live", tmp_path)
    monkeypatch.chdir(project)
    for options in ([], ["--grpc-port", "9001"]):
        assert run(["serve", *options]) == 0
    set_line(project, "serving", "grpc_port = 8001")
    for options in ([], ["--grpc-port", "9001"], ["--grpc-port", "0"]):
        assert run(["serve", *options]) == 0
    assert [(at_start.grpc_port, again.grpc_port) for at_start, again in told] == [
        (port, port) for port in (None, 9001, 8001, 9001, 0)
    ]

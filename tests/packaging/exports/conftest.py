"""Shipments of toy bundles, a browser, and what npm brings."""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.bundle.runtime import Bundle
from penstock.packaging.exports.exporter import Shipment
from penstock.packaging.exports.in_browser import RUNTIME, RUNTIME_VERSION
from penstock.testing.toy_bundle import write_toy_bundle

TASKS = ("binary", "multiclass", "regression")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def shipment(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Shipment]:
    """A toy bundle of a task, as version 3."""
    folder = tmp_path_factory.mktemp("toys")

    def of(task: str = "binary", **more: Any) -> Shipment:
        path = folder / task
        bundle = Bundle.load(path if path.exists() else write_toy_bundle(path, task=task))  # type: ignore[arg-type]
        return Shipment(bundle, version=3, **more)

    return of


@pytest.fixture(scope="session")
def ort_runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The npm package onnxruntime-web, unpacked, with what it needs in Node.js beside it."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed: it brings onnxruntime-web")
    folder = tmp_path_factory.mktemp("npm")
    done = subprocess.run(
        [npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", f"{RUNTIME}@{RUNTIME_VERSION}"],
        cwd=folder, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"npm cannot fetch onnxruntime-web: {done.stderr[-200:]}")
    return folder / "node_modules"


class _Handler(http.server.SimpleHTTPRequestHandler):
    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, *_: Any) -> None:
        """Quiet."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A tab that is closed while it loads is no fault."""


@pytest.fixture
def hosted() -> Iterator[Callable[[Path], str]]:
    """Serves a folder as any static web server does; gives its address."""
    servers = []

    def host(folder: Path) -> str:
        handler = functools.partial(_Handler, directory=str(folder))
        server = _Server(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield host
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real Chromium. Its driver keeps an event loop running in this thread: it must end before tests that start their own."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    from playwright.sync_api import sync_playwright

    quiet = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=list(quiet))
        yield chromium
        chromium.close()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A page; what it complains of, or asks of another address, fails the test."""
    tab, complaints = browser.new_page(), []
    tab.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    tab.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    tab.on("request", lambda asked: None if _is_local(asked.url) else complaints.append(f"asks {asked.url}"))
    yield tab
    tab.close()
    assert complaints == []


def _is_local(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "data:", "blob:"))

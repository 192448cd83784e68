"""Toy bundles, serving folders, an app in this process and servers in processes of their own."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.bundle.runtime import Bundle
from penstock.serving.app import App
from penstock.serving.loading import graph_bytes_of
from penstock.serving.releases import Mode, Release
from penstock.serving.server import ServeSettings
from penstock.serving.shelf import Shelf, put_on_shelf
from penstock.serving.slots import SlotState
from penstock.serving.switching import fill_and_switch, offer
from penstock.serving.worker import Worker
from penstock.testing.toy_bundle import ROWS, write_toy_bundle

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="session")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A toy bundle by task and version, written once."""
    folder = tmp_path_factory.mktemp("toys")

    def toy(version: int = 1, task: str = "binary") -> Path:
        path = folder / f"{task}-{version}"
        return path if path.exists() else write_toy_bundle(path, task=task, version=version)  # type: ignore[arg-type]

    return toy


@pytest.fixture
def deploy(toys: Callable[..., Path], tmp_path: Path) -> Callable[..., SlotState]:
    """Deploys a toy version into `tmp_path / "serving"`."""

    def into(version: int = 1, task: str = "binary", **more: Any) -> SlotState:
        folder = toys(version, task)
        digest = Bundle.load(folder).digest
        return fill_and_switch(tmp_path / "serving", folder, model="toy", version=version, digest=digest, **more)

    return into


@pytest.fixture
def shelve(toys: Callable[..., Path], tmp_path: Path) -> Callable[..., Shelf]:
    """Puts a toy on the shelf of `tmp_path / "serving"`: ``shelve(model, version, of=toy_version)``."""

    def put(model: str, version: int, *, of: int = 1, task: str = "binary", **more: Any) -> Shelf:
        bundle = Bundle.load(toys(of, task))
        size = graph_bytes_of(bundle)
        return put_on_shelf(
            tmp_path / "serving",
            bundle.folder,
            model=model,
            version=version,
            digest=bundle.digest,
            graph_bytes=size,
            **more,
        )

    return put


@pytest.fixture
def release(toys: Callable[..., Path], tmp_path: Path) -> Callable[..., SlotState]:
    """Releases a toy version beside the live one: ``release(2, "canary", 0.5, sticky="id")``."""

    def beside(version: int, mode: Mode = "canary", share: float = 0.5, task: str = "binary", **more: Any) -> SlotState:
        folder = toys(version, task)
        digest = Bundle.load(folder).digest
        return offer(
            tmp_path / "serving", folder, Release(mode, share, **more), model="toy", version=version, digest=digest
        )

    return beside


class Client:
    """Asks an app in this process."""

    def __init__(self, state_dir: Path, settings: ServeSettings) -> None:
        self.worker = Worker(state_dir, settings)
        self.worker._follower.acknowledge()  # as it is once it serves
        self.app = App(self.worker)
        self.journal = state_dir / "journal"

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.request(method, path, **more)

        return asyncio.run(ask())

    def get(self, path: str) -> httpx.Response:
        return self.ask("GET", path)

    def post(self, path: str, body: Any) -> httpx.Response:
        return self.ask("POST", path, json=body)

    def predict(self, *rows: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
        response = self.post("/predict", {"rows": list(rows), **more})
        assert response.status_code == 200, response.text
        predictions: list[dict[str, Any]] = response.json()["predictions"]
        return predictions


@pytest.fixture
def open_client(tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """An app over what was deployed, with settings."""
    clients = []

    def make(**settings: Any) -> Client:
        clients.append(Client(tmp_path / "serving", ServeSettings(**settings)))
        return clients[-1]

    yield make
    for client in clients:
        client.worker.close()


@pytest.fixture
def client(deploy: Callable[..., SlotState], open_client: Callable[..., Client]) -> Client:
    """An app with the toy bundle, version 1."""
    deploy(1)
    return open_client()


class Server:
    """A server in a process of its own."""

    def __init__(self, state_dir: Path, *options: str) -> None:
        self.state_dir = state_dir
        command = [sys.executable, "-m", "penstock.serving.server", str(state_dir), "--port", "0", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the server did not start: {self.errors()}")
        said = json.loads(line)
        self.address, self.grpc = said["address"], said.get("grpc")
        self.port = int(self.address.rpartition(":")[2])

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(
        self, method: str, path: str, body: Any = None, *, on: http.client.HTTPConnection | None = None
    ) -> tuple[int, Any]:
        """Status and JSON; `on` a connection that stays open."""
        connection = on or self.connect()
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, JSON if data else {})
        response = connection.getresponse()
        text = response.read()
        if on is None:
            connection.close()
        return response.status, json.loads(text)

    def ask_text(self, path: str) -> tuple[int, str]:
        """Status and text of what is no JSON."""
        connection = self.connect()
        connection.request("GET", path)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, text

    def errors(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        return self.process.wait(30)

    def close(self) -> None:
        self.stop(signal.SIGKILL)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers over what was deployed."""
    servers = []

    def start(*options: str) -> Server:
        servers.append(Server(tmp_path / "serving", *options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(scope="module")
def shared_server(
    toys: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Server]]:
    """Starts servers with the toy bundle, version 1, that a whole file of tests shares."""
    servers = []

    def start(*options: str) -> Server:
        folder = tmp_path_factory.mktemp("shared") / "serving"
        fill_and_switch(folder, toys(1), model="toy", version=1, digest=Bundle.load(toys(1)).digest)
        servers.append(Server(folder, *options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


class Load:
    """Clients that ask without a pause on connections that stay open, and keep every answer.

    Parameters
    ----------
    again : connect anew where a connection breaks; such a failure is kept, too.
    body : what is asked; default: one row.
    """

    def __init__(self, server: Server, clients: int = 4, *, again: bool = False, body: Any = None) -> None:
        self.replies: list[dict[str, Any]] = []
        self.failures: list[object] = []
        self._server, self._again, self._stop = server, again, threading.Event()
        self._body = body or {"rows": [ROWS[0]]}
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def _ask(self) -> None:
        connection = self._server.connect()
        while not self._stop.is_set():
            try:
                status, reply = self._server.ask("POST", "/predict", self._body, on=connection)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(error)
                connection.close()
                if not self._again:
                    return
                connection = self._server.connect()
                continue
            if status == 200:
                self.replies.append(reply)
            else:
                self.failures.append(reply)
        connection.close()

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        self.wait(50)
        return self

    def wait(self, more: int) -> None:
        """Until `more` further answers have come."""
        target = len(self.replies) + more
        while len(self.replies) < target and any(thread.is_alive() for thread in self._threads):
            time.sleep(0.002)

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def load_on() -> type[Load]:
    """Clients that ask a server all the time: ``with load_on(server) as load: ...``."""
    return Load

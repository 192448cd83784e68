"""The remote store, files by name and the batch job against Azurite, Microsoft's own emulator of Azure's blobs."""

from __future__ import annotations

import base64
import csv
import email.utils
import hashlib
import hmac
import shutil
import socket
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.bundle.runtime import Bundle
from penstock.errors import StoreError
from penstock.objects.named import open_named
from penstock.objects.remote import RemoteStore
from penstock.testing.object_store import ObjectStoreContract
from penstock.testing.toy_bundle import write_toy_bundle

pytestmark = pytest.mark.slow

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The account of every Azurite, as its documentation has it."""


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that speaks Azure's protocol, with one container, and the environment that points to it."""
    folder = tmp_path_factory.mktemp("azurite")
    program = shutil.which("azurite-blob") or _installed(folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, "--location", str(folder / "data"), "--blobPort", str(port), "--silent", "--disableTelemetry"]
    server = subprocess.Popen([*command, "--skipApiVersionCheck"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    endpoint = f"http://127.0.0.1:{port}"
    try:
        _make_container(endpoint, "penstock")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT)
            patch.setenv("AZURE_STORAGE_ACCOUNT_KEY", KEY)
            patch.setenv("AZURE_STORAGE_USE_EMULATOR", "true")
            patch.setenv("AZURITE_BLOB_STORAGE_URL", endpoint)
            patch.setenv("AZURE_ALLOW_HTTP", "true")
            yield endpoint
    finally:
        server.kill()
        server.wait()


def _installed(folder: Path) -> str:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("neither azurite-blob nor npm is installed")
    done = subprocess.run(
        [npm, "install", "--silent", "--no-audit", "--no-fund", "azurite"],
        cwd=folder, capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"npm cannot fetch azurite: {done.stderr[-200:]}")
    return str(folder / "node_modules" / ".bin" / "azurite-blob")


def _make_container(endpoint: str, name: str) -> None:
    """By the shared key; source: learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key."""
    ends = time.monotonic() + 30
    while True:
        date, version = email.utils.formatdate(usegmt=True), "2021-08-06"
        signed = (
            "PUT"
            + "\n" * 12
            + f"x-ms-date:{date}\nx-ms-version:{version}\n/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
        )
        digest = hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()
        headers = {
            "x-ms-date": date,
            "x-ms-version": version,
            "authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}",
            "content-length": "0",
        }
        place = f"{endpoint}/{ACCOUNT}/{name}?restype=container"
        try:
            with urllib.request.urlopen(urllib.request.Request(place, method="PUT", headers=headers), timeout=10):
                return
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.1)


class TestAzureStore(ObjectStoreContract):
    """The contract in a container."""

    @pytest.fixture
    def store(self, azure: str) -> RemoteStore:
        return RemoteStore.open(f"az://penstock/{uuid.uuid4().hex}")


def test_a_file_by_name_is_written_found_and_replaced(azure: str) -> None:
    """Names may have folders and other letters; a container that is not there is told."""
    files = open_named(f"az://penstock/{uuid.uuid4().hex}/")
    assert files.size("a/b.csv") is None
    for body in (b"first", b"2nd"):
        files.put("a/b.csv", lambda file, body=body: _write(file, body))  # type: ignore[misc]
    files.put("a/é c.csv", lambda file: _write(file, b"x"))
    assert list(files.below("a/")) == [b"2nd", b"x"]
    with pytest.raises(StoreError, match="does not answer as it should"):
        open_named("az://nothing-here/x").put("a", lambda file: _write(file, b"x"))


def _write(file: Any, body: bytes) -> int:
    return int(file.write(body))


def test_a_prefix_of_a_container_is_answered_into_another(
    azure: str, penstock: Callable[..., Any], tmp_path: Path
) -> None:
    """Each file once, the answers those of the bundle."""
    toy, place = write_toy_bundle(tmp_path / "bundle"), f"az://penstock/{uuid.uuid4().hex}"
    rows = open_named(f"{place}/in/")
    rows.put("a.csv", lambda file: _write(file, b"age,job\n41,nurse\n30,nurse\n"))
    rows.put("deep/b.csv", lambda file: _write(file, b"age,job\n20,nurse\n"))
    asked = ("predict", "--bundle", str(toy), "--input", f"{place}/in/", "--output", f"{place}/out/")
    first, again = penstock(tmp_path, *asked), penstock(tmp_path, *asked)
    assert (first.code, again.code) == (0, 0), first
    assert first.body["files"] == 2
    assert (again.body["files"], again.body["skipped"]) == (0, ["a.csv", "deep/b.csv"])
    body, _ = [body for body in open_named(f"{place}/out/").below("") if body.startswith(b"row")]  # by name
    found = [row["p_yes"] for row in csv.DictReader(body.decode().splitlines())]
    told = Bundle.load(toy).predict([{"age": 41, "job": "nurse"}, {"age": 30, "job": "nurse"}])
    assert found == [str(answer["probabilities"]["yes"]) for answer in told]


def test_a_table_in_a_container_becomes_a_project(azure: str, penstock: Callable[..., Any], tmp_path: Path) -> None:
    """Read by its address, as from any bucket."""
    place = f"az://penstock/{uuid.uuid4().hex}/people.csv"
    body = "age,job,bought\n" + "".join(f"{20 + n % 50},nurse,{'yes' if n % 3 else 'no'}\n" for n in range(300))
    open_named(place.rpartition("/")[0] + "/").put("people.csv", lambda file: _write(file, body.encode()))
    made = penstock(tmp_path, "new", "shop", "--data", place, "--target", "bought")
    assert made.code == 0, made
    assert sum(made.body["rows"].values()) == 300

"""The container's instructions are followed in an environment of its own, and the server that comes of it answers."""

from __future__ import annotations

import datetime
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from penstock.errors import ExportError
from penstock.packaging.exports.as_container import USER_ID, Container
from penstock.packaging.exports.closure import SERVER
from penstock.packaging.exports.exporter import Shipment, export
from penstock.serving.tokens import create, revoke
from penstock.testing.toy_bundle import ROWS


def instructions(folder: Path) -> list[tuple[str, str]]:
    """The Dockerfile as (instruction, rest) pairs, continued lines joined."""
    text = (folder / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def test_the_context_holds_all_that_is_copied(shipment: Callable[..., Shipment], tmp_path: Path) -> None:
    """Nothing from outside the folder, nothing as root at run time, no lock or journal of this machine."""
    folder = export(Container(), shipment(serving={"deadline_ms": 50}), tmp_path / "c").folder
    steps = instructions(folder)
    copied = [word for step, rest in steps if step == "COPY" for word in rest.split()[:-1] if not word.startswith("--")]
    assert all((folder / name).exists() for name in copied)
    assert ("USER", str(USER_ID)) in steps
    assert steps[0] == ("FROM", f"python:{sys.version_info.major}.{sys.version_info.minor}-slim")
    assert sorted(p.name for p in (folder / "serving").iterdir()) == ["bundles", "slots.json"]
    entry = json.loads(dict(steps)["ENTRYPOINT"])
    assert json.loads(entry[entry.index("--settings") + 1]) == {"deadline_ms": 50}
    named = [line.partition("==")[0] for line in (folder / "requirements.txt").read_text().split()]
    assert named[: len(SERVER)] == list(SERVER)
    assert {"anyio", "click", "flatbuffers", "h11", "idna", "protobuf"} <= set(named)  # which those need


@pytest.mark.slow
def test_its_own_instructions_make_a_server_of_less_than_250_mb(
    shipment: Callable[..., Shipment], tmp_path: Path
) -> None:
    """The RUN lines install into an empty environment; the ENTRYPOINT answers the bundle's own examples."""
    shipped = shipment()
    folder = export(Container(workers=2), shipped, tmp_path / "c").folder
    environment = tmp_path / "env"
    venv.create(environment, with_pip=True)
    steps = instructions(folder)
    (run,) = (rest for step, rest in steps if step == "RUN" and rest.startswith("pip "))
    for command in re.split(r"\s*&&\s*", run):
        words = [word.replace("/tmp/", f"{folder}/") for word in shlex.split(command)]
        if words[:2] == ["pip", "install"]:
            subprocess.run([environment / "bin" / "python", "-m", *words, "-q"], check=True, timeout=280)
    site = next(environment.glob("lib/python*/site-packages"))
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    assert size < 250e6
    assert not list(site.glob("lightgbm*"))
    entry = json.loads(dict(steps)["ENTRYPOINT"])
    words = [word.replace("/srv/serving", str(folder / "serving")) for word in entry[1:]]
    words[words.index("--port") + 1] = "0"
    server = subprocess.Popen(
        [environment / "bin" / "python", *words], stdout=subprocess.PIPE, cwd="/", env={"PATH": os.environ["PATH"]}
    )
    try:
        assert server.stdout is not None
        address = json.loads(server.stdout.readline())["address"].replace("0.0.0.0", "127.0.0.1")
        body = json.dumps({"rows": ROWS}).encode()
        request = urllib.request.Request(f"{address}/predict", body, {"content-type": "application/json"})
        answers = json.loads(urllib.request.urlopen(request, timeout=10).read())
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)
    expected = json.loads(json.dumps(shipped.bundle.predict(ROWS)))
    assert answers["version"] == 3
    for answer, of_bundle in zip(answers["predictions"], expected, strict=True):
        assert {k: v for k, v in answer.items() if k != "id"} == {k: v for k, v in of_bundle.items() if k != "withheld"}


def test_another_folder_can_be_taken_as_the_state_of_a_server(
    shipment: Callable[..., Shipment], tmp_path: Path
) -> None:
    """The slot is live, and its bundle is the one that was shipped."""
    from penstock.serving.slots import read_slots

    shipped = shipment(deployment={"test": {"roc_auc": {"value": 0.8}}})
    folder = export(Container(), shipped, tmp_path / "c").folder
    entry = read_slots(folder / "serving").live_entry
    assert entry is not None
    assert (entry.model, entry.version, entry.bundle) == ("toy", 3, shipped.bundle.digest)
    assert entry.deployment["test"]["roc_auc"]["value"] == 0.8


@pytest.fixture
def started() -> Iterator[Callable[..., str]]:
    """Does what the image's instructions say after the build, in a folder; gives the address of the server."""
    servers = []

    def start(folder: Path) -> str:
        def here(text: str) -> str:
            return text.replace("/srv/", f"{folder}/")

        steps = instructions(folder)
        for step, rest in steps:
            if step == "RUN" and rest.startswith("ln "):
                subprocess.run(shlex.split(here(rest)), check=True)
        entry = json.loads(here(dict(steps)["ENTRYPOINT"]))[1:]
        entry[entry.index("--port") + 1] = "0"
        server = subprocess.Popen([sys.executable, *entry], stdout=subprocess.PIPE)
        servers.append(server)
        assert server.stdout is not None
        return str(json.loads(server.stdout.readline())["address"]).replace("0.0.0.0", "127.0.0.1")

    yield start
    for server in servers:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def status(address: str, path: str, token: str | None = None, body: Any = None) -> int:
    headers = {"content-type": "application/json"} | ({} if token is None else {"authorization": f"Bearer {token}"})
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(address + path, data, headers), timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize(
    ("policy", "strangers"), [("auto", 401), ("declared", 401), ("any", 200)], ids=["auto", "declared", "any"]
)
def test_where_the_project_has_consumers_the_image_answers_no_stranger(
    shipment: Callable[..., Shipment], started: Callable[..., str], tmp_path: Path, policy: str, strangers: int
) -> None:
    """Also before their tokens are mounted; from then on it answers them, and follows what is revoked."""
    shipped = shipment(serving={"consumers": policy}, has_consumers=True)
    done = export(Container(), shipped, tmp_path / "c")
    assert any("/srv/consumers:ro" in hint for hint in done.hints)
    assert not list(done.folder.rglob("tokens.json"))
    address = started(done.folder)
    ask = {"rows": ROWS[:1]}
    assert status(address, "/predict", body=ask) == strangers
    assert status(address, "/metrics") == 401
    assert status(address, "/v2/repository/models/toy/unload", body={}) == 401
    token = create(tmp_path / "project", "crm", ["predict", "metrics"]).text
    (done.folder / "consumers").mkdir()
    shutil.copyfile(tmp_path / "project" / "tokens.json", done.folder / "consumers" / "tokens.json")
    until(lambda: status(address, "/predict", token, ask) == 200)
    assert status(address, "/metrics") == 401
    revoke(tmp_path / "project", "crm")
    shutil.copyfile(tmp_path / "project" / "tokens.json", done.folder / "consumers" / "tokens.json")
    until(lambda: status(address, "/predict", token, ask) == 401)


def test_an_image_without_consumers_says_that_it_answers_everybody(
    shipment: Callable[..., Shipment], tmp_path: Path
) -> None:
    """It is right for some, and nothing to find out later."""
    done = export(Container(), shipment(), tmp_path / "c")
    assert any("whoever reaches it is answered" in hint for hint in done.hints)
    assert [rest for step, rest in instructions(done.folder) if step == "RUN" and rest.startswith("ln ")] == []


def test_the_journal_is_a_folder_of_the_user_who_runs_before_it_is_a_volume(
    shipment: Callable[..., Shipment], tmp_path: Path
) -> None:
    """A container engine makes a missing one for root alone: the server ended before it answered anybody."""
    folder = export(Container(), shipment(), tmp_path / "c").folder
    steps = instructions(folder)
    (volume,) = (place for place, (step, _) in enumerate(steps) if step == "VOLUME")
    journal = Path(steps[volume][1].replace("/srv", str(folder)))
    for step, rest in steps[:volume]:
        if step == "RUN" and rest.startswith("install "):
            words = shlex.split(rest.replace("/srv/", f"{folder}/"))
            if os.geteuid() != 0:  # only root may give a folder away
                words = [word for word in words if word not in ("-o", "-g", str(USER_ID))]
            subprocess.run(words, check=True)
    assert journal.is_dir()
    if os.geteuid() == 0:
        assert (journal.stat().st_uid, journal.stat().st_gid) == (USER_ID, USER_ID)
    copied = next(rest for step, rest in steps if step == "COPY" and rest.endswith("/srv/serving"))
    assert f"--chown={USER_ID}:{USER_ID}" in copied


def test_where_a_privacy_key_is_needed_the_image_says_how_it_gets_it(
    shipment: Callable[..., Shipment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it the server does not start: in the line that starts it, and in words."""
    plain = export(Container(), shipment(), tmp_path / "c")
    assert "PRIVACY_KEY" not in (plain.folder / "README.md").read_text() + "".join(plain.hints)
    monkeypatch.setattr(Shipment, "is_keyed", True)
    done = export(Container(), shipment(), tmp_path / "d")
    for told in (*done.hints, (done.folder / "README.md").read_text()):
        assert ("-e PENSTOCK_PRIVACY_KEY" in told) is ("docker run" in told)


def test_a_certificate_comes_from_outside_and_the_health_of_the_image_is_asked_with_tls(
    shipment: Callable[..., Shipment], started: Callable[..., str], tmp_path: Path
) -> None:
    """The paths of this machine are not in the image."""
    mine = {"certificate": "/home/me/chain.pem", "key": "/home/me/key.pem"}
    done = export(Container(), shipment(serving={"tls": mine}), tmp_path / "c")
    assert "/home/me" not in (done.folder / "Dockerfile").read_text()
    assert any("/srv/tls:ro" in hint for hint in done.hints)
    certified(done.folder / "tls")
    address = started(done.folder)
    assert address.startswith("https://")
    (health,) = (rest for step, rest in instructions(done.folder) if step == "HEALTHCHECK")
    command = json.loads(health.partition("CMD ")[2])
    command[-1] = command[-1].replace("https://127.0.0.1:8000", address)
    subprocess.run([sys.executable, *command[1:]], check=True, timeout=60)


def test_grpc_is_answered_where_it_is_asked_for(shipment: Callable[..., Shipment], tmp_path: Path) -> None:
    """By the image's own command, and with what it needs; its port is named wherever that of HTTP is."""
    grpc = pytest.importorskip("grpc", reason="grpcio is not installed: penstock[grpc]")
    done = export(Container(grpc=True), shipment(), tmp_path / "c")
    required = (done.folder / "requirements.txt").read_text().split()
    assert f"grpcio=={grpc.__version__}" in required
    assert len(required) == len({line.partition("==")[0] for line in required})
    steps = dict(instructions(done.folder))
    assert steps["EXPOSE"] == "8000 8001"
    for told in (*done.hints, (done.folder / "README.md").read_text()):
        assert ("-p 8000:8000 -p 8001:8001" in told) is ("docker run" in told)
    words = json.loads(steps["ENTRYPOINT"].replace("/srv/", f"{done.folder}/").replace("8001", "0"))[1:]
    words[words.index("--port") + 1] = "0"
    server = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        place = json.loads(server.stdout.readline())["grpc"].replace("0.0.0.0", "127.0.0.1")
        with grpc.insecure_channel(place) as channel:
            live = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")
            assert live(b"", timeout=20) == b"\x08\x01"  # live: true
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def test_a_project_that_declares_grpc_has_it_in_its_image(shipment: Callable[..., Shipment], tmp_path: Path) -> None:
    """On the port of images, whichever this machine has for it."""
    pytest.importorskip("grpc", reason="grpcio is not installed: penstock[grpc]")
    folder = export(Container(), shipment(serving={"grpc_port": 9001}), tmp_path / "c").folder
    steps = dict(instructions(folder))
    assert steps["EXPOSE"] == "8000 8001"
    assert '\\"grpc_port\\": 8001' in steps["ENTRYPOINT"].replace('":8001', '": 8001')


def test_what_traces_need_is_installed_where_they_are_wanted(
    shipment: Callable[..., Shipment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the tested version; where it is not installed here, nothing is exported that could not start."""
    monkeypatch.setattr("penstock.packaging.exports.in_image.TRACES", ("pytest",))  # which is here for certain
    folder = export(Container(), shipment(serving={"traces": True}), tmp_path / "c").folder
    assert f"pytest=={pytest.__version__}" in (folder / "requirements.txt").read_text().split()
    monkeypatch.setattr("penstock.packaging.exports.in_image.TRACES", ("no-such-distribution",))
    with pytest.raises(ExportError, match="no-such-distribution"):
        export(Container(), shipment(serving={"traces": True}), tmp_path / "d")
    assert not (tmp_path / "d").exists()


def certified(folder: Path) -> None:
    """A certificate for localhost under the names that the image looks for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    folder.mkdir()
    pem = serialization.Encoding.PEM
    (folder / "tls.crt").write_bytes(signed.public_bytes(pem))
    plain = serialization.NoEncryption()
    (folder / "tls.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))


def until(holds: Callable[[], bool]) -> None:
    """Wait for it; a loaded machine may take long."""
    ends = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.05)

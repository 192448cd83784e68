"""TLS by file, over HTTP and gRPC, and its renewal while a server runs."""

from __future__ import annotations

import datetime
import json
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from http.client import HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from penstock.errors import ServingError
from penstock.serving.settings import TlsSettings
from penstock.serving.slots import SlotState
from penstock.serving.tls import Certificate
from penstock.testing.toy_bundle import ROWS

if TYPE_CHECKING:
    from tests.serving.conftest import Server

Deploy = Callable[..., SlotState]
Start = Callable[..., "Server"]


def issue(folder: Path, serial: int = 1) -> TlsSettings:
    """A certificate of its own for localhost, in two files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    chain = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    settings = TlsSettings(str(folder / "chain.pem"), str(folder / "key.pem"))
    Path(settings.certificate).write_bytes(chain.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    Path(settings.key).write_bytes(pem)
    return settings


def options(settings: TlsSettings, **more: object) -> tuple[str, str]:
    return "--settings", json.dumps({"tls": {"certificate": settings.certificate, "key": settings.key}, **more})


def context_of(settings: TlsSettings) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=settings.certificate)


def ask(server: Server, context: ssl.SSLContext) -> tuple[int, int]:
    """Status of a prediction, and the serial number of the certificate."""
    connection = HTTPSConnection("localhost", server.port, context=context, timeout=10)
    connection.request("POST", "/predict", json.dumps({"rows": [ROWS[0]]}))
    status = connection.getresponse().status
    certificate = connection.sock.getpeercert()  # type: ignore[attr-defined]
    connection.close()
    return status, int(certificate["serialNumber"], 16)


def test_http_is_encrypted_and_a_renewed_certificate_is_taken(
    deploy: Deploy, start_server: Start, tmp_path: Path
) -> None:
    """Clients that trust it are answered; half-written files change nothing; new connections get the new one."""
    deploy(1)
    settings = issue(tmp_path, 17)
    server = start_server(*options(settings))
    assert server.address.startswith("https://")
    assert ask(server, context_of(settings)) == (200, 17)
    with pytest.raises(ssl.SSLError):
        ask(server, ssl.create_default_context())
    old = context_of(settings)
    Path(settings.key).write_text("half")
    time.sleep(1.5)
    assert ask(server, old) == (200, 17)
    issue(tmp_path, 18)
    new, ends = context_of(settings), time.monotonic() + 60
    while time.monotonic() < ends:
        try:
            assert ask(server, new) == (200, 18)
            break
        except ssl.SSLError:
            time.sleep(0.1)
    else:
        pytest.fail("the renewed certificate was not taken")
    server.stop()
    assert "not renewed" in server.errors()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
@pytest.mark.parametrize(
    "begun",
    [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"POST /predict HTTP/1.1\r\n", bytes(300)],
    ids=["nothing", "a byte", "half a hello", "no TLS", "rubbish"],
)
def test_a_handshake_that_does_not_end_is_ended(encrypted: tuple[Server, TlsSettings], begun: bytes) -> None:
    """Within the time of a head; a thousand of them keep nobody from an answer."""
    server, settings = encrypted
    with ExitStack() as held:
        connections = [
            held.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10)) for _ in range(200)
        ]
        for connection in connections:
            connection.sendall(begun)
        started = time.monotonic()
        assert ask(server, context_of(settings))[0] == 200
        for connection in connections:
            with suppress(ConnectionResetError):
                while connection.recv(4096):
                    pass
        assert time.monotonic() - started < 9, "not the ten seconds that others have"
    assert ask(server, context_of(settings))[0] == 200


def test_who_has_shaken_hands_is_held_to_the_times_of_http(encrypted: tuple[Server, TlsSettings]) -> None:
    """Half a head, and then nothing; the client does not even say farewell."""
    server, settings = encrypted
    with (
        socket.create_connection(("localhost", server.port), timeout=10) as plain,
        context_of(settings).wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\n")
        started = time.monotonic()
        assert connection.recv(100).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - started < 9, "not the ten seconds that others have"
    assert ask(server, context_of(settings))[0] == 200


@pytest.fixture(scope="module")
def encrypted(
    shared_server: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Server, TlsSettings]:
    """A server with short times, shared by the tests of handshakes."""
    settings = issue(tmp_path_factory.mktemp("tls"))
    return shared_server(*options(settings, header_timeout_s=1, keep_alive_s=2)), settings


def test_old_versions_of_tls_are_refused(deploy: Deploy, start_server: Start, tmp_path: Path) -> None:
    """1.1 and before; who speaks plain HTTP gets nothing."""
    deploy(1)
    settings = issue(tmp_path)
    server = start_server(*options(settings))
    old = context_of(settings)
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError):  # ssl.SSLError is one
        ask(server, old)
    twelve = context_of(settings)
    twelve.maximum_version = ssl.TLSVersion.TLSv1_2
    assert ask(server, twelve)[0] == 200
    plain = server.connect()
    plain.timeout = 3
    plain.request("GET", "/healthz")
    with pytest.raises(OSError):  # reset, or closed without a word
        plain.getresponse()


def test_grpc_is_encrypted_with_the_same_files(deploy: Deploy, start_server: Start, tmp_path: Path) -> None:
    """And renewed with them; a client without them is not answered."""
    grpc = pytest.importorskip("grpc", reason="grpcio is not installed")
    from penstock.serving.protocols.grpc_messages import SERVICE, message

    deploy(1)
    settings = issue(tmp_path)
    server = start_server(*options(settings, grpc_port=0))

    def is_live(channel: object) -> bool:
        call = channel.unary_unary(  # type: ignore[attr-defined]
            f"/{SERVICE}/ServerLive",
            request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=message("ServerLiveResponse").FromString,
        )
        return bool(call(message("ServerLiveRequest")(), timeout=5).live)

    def trusting() -> object:
        pem = Path(settings.certificate).read_bytes()
        port = server.grpc.rpartition(":")[2]
        return grpc.secure_channel(f"localhost:{port}", grpc.ssl_channel_credentials(pem))

    with trusting() as channel:  # type: ignore[attr-defined]
        assert is_live(channel)
    with grpc.insecure_channel(server.grpc) as channel, pytest.raises(grpc.RpcError):
        is_live(channel)
    issue(tmp_path, 2)
    with trusting() as channel:  # type: ignore[attr-defined]
        assert is_live(channel)


def test_files_that_do_not_belong_together_stop_the_start(deploy: Deploy, start_server: Start, tmp_path: Path) -> None:
    """With which files they are; never a server in the clear instead."""
    deploy(1)
    settings = issue(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    for wrong in (
        TlsSettings(settings.certificate, issue(other).key),
        TlsSettings(settings.certificate, str(tmp_path / "gone.pem")),
        TlsSettings(settings.key, settings.certificate),
    ):
        with pytest.raises(ServingError, match="cannot be used"):
            Certificate(wrong)
    with pytest.raises(AssertionError, match="cannot be used"):
        start_server(*options(TlsSettings(settings.certificate, "/nowhere.pem")))


def test_a_key_with_a_password_is_told_and_not_asked_for(tmp_path: Path) -> None:
    """Nobody sits before a server."""
    settings = issue(tmp_path)
    key = serialization.load_pem_private_key(Path(settings.key).read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"secret")
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    Path(settings.key).write_bytes(pem)
    with pytest.raises(ServingError, match="without a password") as refused:
        Certificate(settings)
    assert "secret" not in str(refused.value)

"""TLS by file: certificate and key, for HTTP and gRPC, read again when they change."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from pathlib import Path

from penstock.errors import ServingError
from penstock.serving.settings import TlsSettings

log = logging.getLogger("penstock.serving")

_LOOK_S = 1.0


class Certificate:
    """A certificate chain and its key, as they are in their files now. TLS 1.2 and later.

    Raises
    ------
    ServingError : a file cannot be read, or the two do not belong together.
    """

    def __init__(self, settings: TlsSettings) -> None:
        self._chain, self._key = Path(settings.certificate), Path(settings.key)
        self._seen = self._fingerprint()
        self.context = self._load()

    async def follow(self) -> None:
        """Take a renewed certificate for the connections that come then, until cancelled."""
        told = None
        while True:
            await asyncio.sleep(_LOOK_S)
            seen = self._fingerprint()
            if seen == self._seen:
                continue
            try:
                self._load()
                self.context.load_cert_chain(self._chain, self._key)
            except (ServingError, OSError) as error:  # perhaps one of the two is not written yet: look again
                if seen != told:
                    log.error("the certificate is not renewed, the one before is used: %s", error)
                told = seen
                continue
            self._seen = seen
            log.info("the certificate is renewed")

    def pem(self) -> tuple[bytes, bytes]:
        """Key and certificate chain as they are now."""
        return self._key.read_bytes(), self._chain.read_bytes()

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        try:
            # An encrypted key would be asked for on the terminal of whoever started the server, and again at each renewal.
            context.load_cert_chain(self._chain, self._key, password=lambda: "")
        except OSError as error:  # ssl.SSLError is one
            raise ServingError(
                f"the certificate {str(self._chain)!r} or its key {str(self._key)!r} cannot be used",
                why=error.strerror or str(error),
                way_out="[serving.tls] names two files in PEM: the certificate with its chain, and its key without a password",
            ) from None
        return context

    def _fingerprint(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_fingerprint(path) for path in (self._chain, self._key))


def _fingerprint(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def grpc_credentials(grpc: object, certificate: Certificate) -> object:
    """Of a gRPC server; each new connection gets the certificate of its time."""
    last = certificate.pem()

    def configuration(pem: tuple[bytes, bytes]) -> object:
        return grpc.ssl_server_certificate_configuration([pem])  # type: ignore[attr-defined]

    def fetch() -> object:
        nonlocal last
        try:
            now = certificate.pem()
        except OSError:
            return None
        if now == last:
            return None
        last = now
        return configuration(now)

    return grpc.dynamic_ssl_server_credentials(configuration(last), fetch, False)  # type: ignore[attr-defined]

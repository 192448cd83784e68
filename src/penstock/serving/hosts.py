"""The names by which a server may be asked, so that no web page reaches one on this machine by a name of its own.

A page of a stranger may have its name resolved to 127.0.0.1 (DNS rebinding): a browser then takes the server for the page's own, and lets
the page read what it answers. Only the header `Host` still tells. Source: Jackson et al. (2007), "Protecting Browsers from DNS Rebinding
Attacks", CCS.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from penstock.errors import RequestError


class Hosts:
    """Tells whether a request names this server as it may be named.

    Parameters
    ----------
    listens_on : where the server listens. On the machine's own address it goes by that address and by ``localhost``; on one that others
        reach, by whatever name they have for it.
    declared : further names. Once there are some, no other names count anywhere, but for those of the machine's own address. Where others
        reach the server, addresses in figures go on to count: what watches it asks by them (pods on Kubernetes are), and no page can have
        one lead elsewhere.
    """

    def __init__(self, listens_on: str, declared: Iterable[str] = ()) -> None:
        self._declared = frozenset(name.lower() for name in declared)
        self._reached = not is_loopback(listens_on)
        self._any = not self._declared and self._reached

    def refuse_others(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """
        Parameters
        ----------
        headers : of a request; browsers always send `Host`, so one without is no page's.

        Raises
        ------
        RequestError : status 403, it names another server.
        """
        if self._any:
            return
        for name, value in headers:
            if name == b"host" and not self._is_ours(value):
                raise _unknown(value.decode("latin-1")[:200])

    def _is_ours(self, value: bytes) -> bool:
        name = _without_port(value.decode("latin-1").strip().lower())
        return name in self._declared or is_loopback(name) or (self._reached and _is_address(name))


def is_loopback(host: str) -> bool:
    """Whether this is the machine's own address, or a name that can be nothing else (RFC 6761, 6.3).

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "app.localhost", "0.0.0.0", "localhost.example")]
    [True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _is_address(host: str) -> bool:
    """
    >>> [_is_address(host) for host in ("10.1.2.3", "fd00::7", "10.1.2", "10.1.2.3.example", "0x0a010203")]
    [True, True, False, False, False]
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _without_port(host: str) -> str:
    """
    >>> [_without_port(host) for host in ("shop:80", "shop", "[::1]:80", "[::1]", "::1")]
    ['shop', 'shop', '::1', '::1', '::1']
    """
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host


def _unknown(host: str) -> RequestError:
    return RequestError(
        f"this server does not go by the name {host!r}",
        why="a page of a stranger may have its own name lead to this machine, and would read what is answered here",
        way_out="ask 127.0.0.1 or localhost, or declare the name: [serving] hosts",
        code="unknown-host",
        status=403,
    )

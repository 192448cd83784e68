"""Who may ask a server: named consumers, what each may do, how often and how urgently, and the digests of their tokens.

A token is 256 random bits, so its plain SHA-256 is enough at rest: nobody can guess what has so many values, and a slow hash,
which guards what people think up, would cost every request its time. See docs/decisions/0033.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from penstock.errors import BadParameter, NewerFormat, NotFound, ServingError
from penstock.objects.files import write_atomic
from penstock.serving.folder import ServingFolder
from penstock.serving.instants import iso_now, iso_of, parse_instant
from penstock.serving.urgency import PRIORITIES

FORMAT = 1
SCOPES: Mapping[str, str] = {
    "predict": "ask for predictions",
    "label": "send labels",
    "metrics": "read /metrics",
    "admin": "everything, also what changes the server",
}
"""What a token may be for."""

USUAL_PRIORITY = "normal"
"""The highest priority of a consumer for whom none was named: to go before all others is granted, not taken."""

NEVER = "never"
"""How it is said that a token does not expire, where the one before it did."""

PREFIX = "pst_"
"""What every token starts with, so that scanners for leaked secrets know one when they see it."""

ANONYMOUS = "anonymous"
"""How a request without a token is called in the journal and in metrics, where tokens are not asked of everybody."""

MOST_CONSUMERS = 1_000
_MOST_TOKENS = 50  # of one consumer; the earliest are forgotten, as they have ended or should have

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)
_RATE = re.compile(r"(\d+(?:\.\d+)?)/(s|min|h)", re.ASCII)
_LENGTH = re.compile(r"(\d+)(m|h|d)", re.ASCII)
_SECONDS = {"s": 1, "min": 60, "h": 3600}
_LENGTHS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a consumer.

    Attributes
    ----------
    id : the first eight digits of the digest, to name it by.
    digest : SHA-256 of the token, in hex. The token itself is stored nowhere.
    created_at, expires_at, revoked_at : ISO, UTC; None where it never expires, or is not revoked.
    """

    digest: str
    created_at: str
    expires_at: str | None = None
    revoked_at: str | None = None

    @property
    def id(self) -> str:
        return self.digest[:8]

    def state(self, now: str) -> str:
        """``valid``, ``expired`` or ``revoked``."""
        if self.revoked_at is not None and self.revoked_at <= now:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "valid"


@dataclass(frozen=True, slots=True)
class Consumer:
    """Somebody who asks: a program, a team.

    Attributes
    ----------
    rate_per_s : rows per second; None: as many as it likes. priority : the highest that counts of what its requests name.
    """

    name: str
    scopes: tuple[str, ...]
    rate_per_s: float | None = None
    tokens: tuple[Token, ...] = ()
    priority: str = USUAL_PRIORITY

    def to_json(self) -> dict[str, Any]:
        tokens = [
            {
                "digest": token.digest,
                "created_at": token.created_at,
                "expires_at": token.expires_at,
                "revoked_at": token.revoked_at,
            }
            for token in self.tokens
        ]
        return {
            "name": self.name,
            "scopes": list(self.scopes),
            "rate_per_s": self.rate_per_s,
            "priority": self.priority,
            "tokens": tokens,
        }


@dataclass(frozen=True, slots=True)
class Issued:
    """A token that was made just now: the one moment at which its text is known."""

    consumer: Consumer
    token: Token
    text: str


def read_consumers(state_dir: Path) -> tuple[Consumer, ...]:
    """The consumers of a serving folder, in the order in which they were declared; empty where there never was one.

    Raises
    ------
    NewerFormat : a later release of Penstock wrote tokens.json. ServingError : it is no such file.
    """
    path = ServingFolder(state_dir).tokens
    try:
        return parse_consumers(path.read_bytes(), str(path))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ServingError(
            f"{path} cannot be read",
            why=error.strerror or str(error),
            way_out="run the server as the user that made the tokens",
        ) from error


def parse_consumers(data: bytes, where: str) -> tuple[Consumer, ...]:
    """What tokens.json holds. Raises as `read_consumers`."""
    try:
        plain = json.loads(data)
        if plain["format"] != FORMAT:
            raise NewerFormat(
                f"{where} has format {plain['format']!r}",
                why=f"this release of Penstock reads format {FORMAT}",
                way_out="upgrade Penstock to the release that made the tokens",
            )
        return tuple(_consumer(entry) for entry in plain["consumers"])
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ServingError(
            f"{where} cannot be read",
            why=f"it is not what Penstock writes there ({error or type(error).__name__})",
            way_out="put back a copy of it, or delete it and make the tokens again: penstock tokens create",
        ) from error


def create(
    state_dir: Path,
    name: str,
    scopes: Sequence[str],
    *,
    expires: str | None = None,
    rate: str | None = None,
    priority: str = USUAL_PRIORITY,
) -> Issued:
    """Declare a consumer and give it a token.

    Parameters
    ----------
    scopes : of `SCOPES`. expires : a length such as ``"90d"``, ``"12h"``. rate : such as ``"100/s"``, ``"600/min"``, ``"50/h"``.
    priority : the highest that its requests may have: ``high``, ``normal`` or ``low``.

    Raises
    ------
    BadParameter : one of them is none, or there is such a consumer already.
    """
    if not _NAME.fullmatch(name) or name == ANONYMOUS:
        raise BadParameter(
            f"{name!r} is no name of a consumer",
            why=f"it is in logs and metrics: up to 63 of a-z, 0-9, '.', '_', '-', and not {ANONYMOUS!r}",
            way_out="write for example crm or web-shop",
        )
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise BadParameter(
            f"there is no scope {unknown[0]!r}" if unknown else "the token has no scope",
            why="; ".join(f"{scope}: {text}" for scope, text in SCOPES.items()),
            way_out="write for example --scope predict --scope label",
        )
    if priority.encode() not in PRIORITIES:
        raise BadParameter(
            f"there is no priority {priority!r}",
            why="there are high, normal and low",
            way_out="write for example --priority high",
        )
    rate_per_s = None if rate is None else _rate(rate)
    with _changing(state_dir) as consumers:
        known = _find(consumers, name)
        if known is not None and any(token.state(iso_now()) == "valid" for token in known.tokens):
            raise BadParameter(
                f"there is a consumer {name!r} already",
                why="each consumer is one, so that journal and metrics tell who asked",
                way_out=f"give it another token: penstock tokens rotate {name}; or revoke it first",
            )
        if known is None and len(consumers) >= MOST_CONSUMERS:
            raise BadParameter(
                f"there are {len(consumers):,} consumers",
                why="each is a label of the metrics, and no server counts more",
                way_out="let several programs share one",
            )
        text, token = _issue(expires)
        kept = known.tokens if known is not None else ()
        consumer = Consumer(name, tuple(s for s in SCOPES if s in scopes), rate_per_s, (*kept, token), priority)
        consumers[:] = [c for c in consumers if c.name != name] + [consumer]
    return Issued(consumer, token, text)


def rotate(state_dir: Path, name: str, *, keep: str | None = None, expires: str | None = None) -> Issued:
    """Give a consumer another token; its earlier ones end after `keep` (a length such as ``"24h"``), or at once.

    Parameters
    ----------
    expires : a length, or ``"never"``. Default: the new token counts for as long as the one before it was made for.

    Raises
    ------
    NotFound : there is no such consumer.
    """
    ends = iso_now() if keep is None else _in(keep)
    with _changing(state_dir) as consumers:
        known = _known(consumers, name)
        text, token = _issue(None if expires == NEVER else expires)
        if expires is None and known.tokens:
            token = replace(token, expires_at=_as_long_as(known.tokens[-1]))
        earlier = (
            replace(old, expires_at=min(old.expires_at or ends, ends)) if keep else _revoked(old, ends)
            for old in known.tokens
        )
        consumer = replace(known, tokens=(*earlier, token)[-_MOST_TOKENS:])
        consumers[:] = [consumer if c.name == name else c for c in consumers]
    return Issued(consumer, token, text)


def revoke(state_dir: Path, name: str) -> Consumer:
    """End all tokens of a consumer. It stays listed: a server that has ever had consumers is not open again without them.

    Raises
    ------
    NotFound : there is no such consumer.
    """
    with _changing(state_dir) as consumers:
        known = _known(consumers, name)
        now = iso_now()
        consumer = replace(known, tokens=tuple(_revoked(token, now) for token in known.tokens))
        consumers[:] = [consumer if c.name == name else c for c in consumers]
    return consumer


def digest_of(text: bytes) -> bytes:
    """The digest by which a token is known."""
    return hashlib.sha256(text).digest()


def _issue(expires: str | None) -> tuple[str, Token]:
    text = PREFIX + secrets.token_urlsafe(32)
    ends = None if expires is None else _in(expires)
    return text, Token(digest_of(text.encode()).hex(), iso_now(), ends)


def _as_long_as(before: Token) -> str | None:
    """When a token ends that begins now and counts for as long as another one was made for."""
    if before.expires_at is None:
        return None
    return iso_of(datetime.now(UTC) + (parse_instant(before.expires_at) - parse_instant(before.created_at)))


def _revoked(token: Token, now: str) -> Token:
    return token if token.state(now) != "valid" else replace(token, revoked_at=now)


def _find(consumers: Sequence[Consumer], name: str) -> Consumer | None:
    return next((consumer for consumer in consumers if consumer.name == name), None)


def _known(consumers: Sequence[Consumer], name: str) -> Consumer:
    known = _find(consumers, name)
    if known is None:
        names = ", ".join(consumer.name for consumer in consumers[:20]) or "none"
        raise NotFound(
            f"there is no consumer {name!r}", why=f"there are: {names}", way_out="see `penstock tokens list`"
        )
    return known


def _rate(text: str) -> float:
    found = _RATE.fullmatch(text)
    rate = float(found[1]) / _SECONDS[found[2]] if found else 0.0
    if not 0 < rate <= 1_000_000:
        raise BadParameter(
            f"{text!r} is no rate",
            why="it is a number of rows per s, min or h",
            way_out='write for example "100/s"',
        )
    return rate


def _in(text: str) -> str:
    found = _LENGTH.fullmatch(text)
    if found is None or not 0 < int(found[1]) <= 100_000:
        raise BadParameter(
            f"{text!r} is no length of time", why="it is a number of m, h or d", way_out='write for example "90d"'
        )
    return iso_of(datetime.now(UTC) + int(found[1]) * _LENGTHS[found[2]])


def _consumer(plain: dict[str, Any]) -> Consumer:
    rate, priority = plain["rate_per_s"], plain.get("priority", USUAL_PRIORITY)
    scopes = tuple(plain["scopes"])
    if not _NAME.fullmatch(plain["name"]) or not all(scope in SCOPES for scope in scopes):
        raise ValueError("a consumer has an impossible name or scope")
    if rate is not None and not 0 < float(rate) <= 1_000_000:
        raise ValueError("a rate is none")
    if priority.encode() not in PRIORITIES:
        raise ValueError("a priority is none")
    tokens = tuple(_token(token) for token in plain["tokens"])
    return Consumer(plain["name"], scopes, None if rate is None else float(rate), tokens, priority)


def _token(plain: dict[str, Any]) -> Token:
    ends = [plain[name] for name in ("created_at", "expires_at", "revoked_at")]
    for at in ends:
        if at is not None:
            parse_instant(at)
    if len(bytes.fromhex(plain["digest"])) != 32:
        raise ValueError("a digest has another length")
    return Token(plain["digest"], *ends)


@contextmanager
def _changing(state_dir: Path) -> Iterator[list[Consumer]]:
    """The consumers, to be changed in place; one change at a time, across processes."""
    folder = ServingFolder(state_dir)
    folder.root.mkdir(parents=True, exist_ok=True)
    with folder.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        consumers = list(read_consumers(state_dir))
        yield consumers
        plain = {"format": FORMAT, "consumers": [consumer.to_json() for consumer in consumers]}
        text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
        write_atomic(folder.tokens, text.encode(), mode=0o600)

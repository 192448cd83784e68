"""Who asks, and may they: the token of a request against the declared consumers, their scopes and their rates.

While no consumer was ever declared, everybody may ask (`consumers = "auto"`); from the first `penstock tokens create` on, who has no
token is refused. `"declared"` refuses from the start; `"any"` also answers who has none, under the name `anonymous`. tokens.json is
followed like slots.json: what is created or revoked holds within a second.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import math
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from penstock.errors import PenstockError, RequestError
from penstock.serving.consumer_counts import ConsumerCounts
from penstock.serving.folder import ServingFolder
from penstock.serving.followed import Followed
from penstock.serving.heads import Heads
from penstock.serving.instants import parse_instant
from penstock.serving.rates import CREDIT_S, Rate
from penstock.serving.tokens import ANONYMOUS, USUAL_PRIORITY, Consumer, digest_of, parse_consumers, read_consumers
from penstock.serving.urgency import HIGH, PRIORITIES

log = logging.getLogger("penstock.serving")

ANY = "any"
"""What an address needs that every consumer may ask, whatever its scopes."""

_LOOK_S = 0.2
_KEY_BYTES = 8


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks what is being answered, for the journal, how often they may, and how urgently.

    `record` is what the journal's records say of that, as part of their JSON; `highest` the priority that counts of what they name.
    """

    consumer: str
    request_id: str
    record: bytes
    rate: Rate | None = None
    highest: int = HIGH

    @classmethod
    def of(cls, caller: Caller | None, request_id: str | None) -> Asking | None:
        """None where there is nothing to say."""
        if request_id is None:
            return None if caller is None else caller.asking
        if caller is None:
            return cls.made("", request_id)
        asking = caller.asking
        return cls.made(asking.consumer, request_id, asking.rate, asking.highest)

    @classmethod
    def made(cls, consumer: str, request_id: str = "", rate: Rate | None = None, highest: int = HIGH) -> Asking:
        record = b',"consumer":"%b"' % consumer.encode() if consumer else b""
        if request_id:
            record += b',"request_id":"%b"' % request_id.encode()
        return cls(consumer, request_id, record, rate, highest)

    def take(self, rows: int) -> None:
        """Count the rows of a request against the rate; it was admitted as one already.

        Raises
        ------
        RequestError : status 413, more than its rate allows in one request; 429, others have taken them meanwhile.
        """
        if self.rate is None or rows < 2:
            return
        if rows > self.rate.most_rows:
            raise _too_much(self.rate, rows)
        wait_s = self.rate.more_s(rows - 1)
        if wait_s:
            raise _too_often(self.rate, wait_s)


@dataclass(frozen=True, slots=True)
class Caller:
    """A consumer, as a request of it is admitted. `asking`: of its requests without an id, made once."""

    name: str
    scopes: frozenset[str]
    asking: Asking
    rate: Rate | None = None

    def may(self, scope: str) -> bool:
        return scope == ANY or scope in self.scopes or "admin" in self.scopes


ASKING: ContextVar[Asking | None] = ContextVar("asking", default=None)
"""Of the request that is being answered; each is a task of its own."""


def take(rows: int) -> None:
    """Count the rows of the request that is being answered against the rate of its consumer. Raises as `Asking.take`."""
    who = ASKING.get()
    if who is not None:
        who.take(rows)


@dataclass(frozen=True, slots=True)
class _Held:
    """A token that was made: whose it is, and until when (seconds since 1970) it counts."""

    digest: bytes
    caller: Caller
    ends_s: float


class Callers:
    """Admits the requests of one worker.

    Raises
    ------
    ServingError : tokens.json cannot be read. Whoever could not be told apart is not let in.
    """

    def __init__(self, state_dir: Path, worker: str, *, consumers: str = "auto") -> None:
        self.counts = ConsumerCounts(state_dir, worker)
        self._state_dir, self._policy = state_dir, consumers
        self._path = ServingFolder(state_dir).tokens
        usual = Asking.made("", highest=PRIORITIES[USUAL_PRIORITY.encode()])  # as a consumer for whom none was named
        self._anonymous = Caller(ANONYMOUS, frozenset({"predict", "label"}), usual)
        self._rates: dict[str, Rate] = {}
        self._held: Mapping[bytes, _Held] = {}
        self._followed = Followed(self._path, _LOOK_S)
        self.is_open = consumers == "auto"
        self._take(read_consumers(state_dir))

    def admit(self, heads: Heads, scope: str | None) -> Caller | None:
        """Who asks; None where that is not asked.

        Parameters
        ----------
        scope : what the address needs; `ANY` for any token, None where it is open to all.

        Raises
        ------
        RequestError : status 401, no token, or none that counts; 403, one without the scope; 429, over its rate.
        """
        if self.is_open or scope is None:
            return None
        given = heads.get(b"authorization")
        if given is None:
            if self.answers_without(scope):
                return self._anonymous
            raise _no_token()
        caller = self._caller(given)
        if not caller.may(scope):
            raise _missing_scope(caller, scope)
        if caller.rate is not None:
            wait_s = caller.rate.wait_s()
            if wait_s:
                self.counts.add(caller.name, 429)
                raise _too_often(caller.rate, wait_s)
        return caller

    def answers_without(self, scope: str) -> bool:
        """Whether whoever has no token may do what needs a scope, as it stands now."""
        return self.is_open or (self._policy == "any" and self._anonymous.may(scope))

    async def follow(self) -> None:
        """Look at tokens.json again and again until cancelled."""
        await self._followed.follow(self._take_again)

    async def _take_again(self) -> None:
        try:
            data = await asyncio.to_thread(self._path.read_bytes)
            self._take(parse_consumers(data, str(self._path)))
        except FileNotFoundError:
            log.error("tokens.json is gone; the tokens that it held last still count")
        except PenstockError as error:
            log.error("tokens.json is not followed, and the tokens that it held last still count: %s", error)

    def _caller(self, given: bytes) -> Caller:
        if given[:7].lower() != b"bearer ":
            raise _bad_token("the header authorization is no Bearer token")
        digest = digest_of(given[7:].strip())
        held = self._held.get(digest[:_KEY_BYTES])
        if held is None or not hmac.compare_digest(held.digest, digest):
            raise _bad_token("no consumer has that token")
        if held.ends_s <= time.time():
            raise _bad_token("the token is expired or revoked")
        return held.caller

    def _take(self, consumers: tuple[Consumer, ...]) -> None:
        """Let these ask from now on, and no others."""
        held = {}
        rates = {}
        for consumer in consumers:
            rate = self._rate(consumer)
            if rate is not None:
                rates[consumer.name] = rate
            asking = Asking.made(consumer.name, rate=rate, highest=PRIORITIES[consumer.priority.encode()])
            caller = Caller(consumer.name, frozenset(consumer.scopes), asking, rate)
            for token in consumer.tokens:
                digest = bytes.fromhex(token.digest)
                ends = [at for at in (token.expires_at, token.revoked_at) if at is not None]
                ends_s = parse_instant(min(ends)).timestamp() if ends else math.inf
                held[digest[:_KEY_BYTES]] = _Held(digest, caller, ends_s)
        self._held, self._rates = held, rates
        self.is_open = self._policy == "auto" and not consumers

    def _rate(self, consumer: Consumer) -> Rate | None:
        if consumer.rate_per_s is None:
            return None
        known = self._rates.get(consumer.name)
        if known is not None and known.per_s == consumer.rate_per_s:
            return known
        return Rate(self._state_dir, consumer.name, consumer.rate_per_s)


def scope_of(method: str, path: str) -> str | None:
    """What an address of the server needs. What changes something and is not named here needs ``admin``.

    >>> scope_of("POST", "/predict"), scope_of("GET", "/healthz"), scope_of("GET", "/model")
    ('predict', None, 'any')
    """
    if path in _OPEN:
        return None
    if path == "/metrics":
        return "metrics"
    if method == "POST":
        if path == "/labels":
            return "label"
        if path in ("/predict", "/invocations"):
            return "predict"
        if path.endswith("/infer" if path.startswith("/v2/") else ":predict"):
            return "predict"
        return ANY if path == "/v2/repository/index" else "admin"
    return ANY if method in ("GET", "HEAD", "OPTIONS") else "admin"


_OPEN = frozenset({"/", "/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/ping"})
"""Whether the server lives, for whatever watches it; and the page, which holds nothing of the model itself."""


def is_turned_away(error: Exception) -> bool:
    """Whether a request was refused for who asks: it is counted, but not journalled, so that no stranger can fill the journal."""
    return isinstance(error, RequestError) and error.status in (401, 403, 429)


def _no_token() -> RequestError:
    return RequestError(
        "the request has no token",
        why="this server answers declared consumers",
        way_out="send the header authorization: Bearer TOKEN; `penstock tokens create` makes one",
        code="no-token",
        status=401,
        headers={"www-authenticate": 'Bearer realm="penstock"'},
    )


def _bad_token(why: str) -> RequestError:
    return RequestError(
        "the token does not count",
        why=why,
        way_out="ask whoever runs this server for another one: penstock tokens rotate CONSUMER",
        code="bad-token",
        status=401,
        headers={"www-authenticate": 'Bearer realm="penstock", error="invalid_token"'},
    )


def _missing_scope(caller: Caller, scope: str) -> RequestError:
    return RequestError(
        f"the consumer {caller.name!r} may not do this",
        why=f"it needs the scope {scope!r}, and the token has {', '.join(sorted(caller.scopes))}",
        way_out=f"ask whoever runs this server for a consumer with --scope {scope}",
        code="missing-scope",
        status=403,
        headers={"www-authenticate": f'Bearer realm="penstock", error="insufficient_scope", scope="{scope}"'},
    )


def _too_much(rate: Rate, rows: int) -> RequestError:
    return RequestError(
        f"the request has {rows:,} rows, and its consumer may send {rate.most_rows:,}",
        why=f"its rate is {rate.per_s:g} rows per second, and one request may have {CREDIT_S:g} seconds' worth of them",
        way_out="send fewer rows in one request, or ask for a higher rate",
        code="too-large",
        status=413,
    )


def _too_often(rate: Rate, wait_s: float) -> RequestError:
    return RequestError(
        "the consumer asks too often",
        why=f"its rate is {rate.per_s:g} rows per second, over all workers of the server",
        way_out=f"wait {max(1, math.ceil(wait_s))} s, or ask for a higher rate",
        code="rate-limited",
        status=429,
        headers={"retry-after": str(max(1, math.ceil(wait_s)))},
    )

"""`penstock tokens`: who may ask the server of a project. Each change is in the audit trail; tokens themselves are nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.experiments.sheets import Listing, Sheet
from penstock.project.project import Project
from penstock.serving.instants import iso_now
from penstock.serving.tokens import USUAL_PRIORITY, Consumer, Issued, create, read_consumers, revoke, rotate


def create_token(
    project: Project,
    name: str,
    scopes: Sequence[str],
    *,
    expires: str | None = None,
    rate: str | None = None,
    priority: str = USUAL_PRIORITY,
) -> Sheet:
    """Declare a consumer and show its token, this once. Errors: as `penstock.serving.tokens.create`."""
    _ = project.ledger  # opened first: what cannot be recorded is not done, as a token that is not shown would be lost
    issued = create(project.serving_state, name, scopes, expires=expires, rate=rate, priority=priority)
    _note(project, "create token", issued.consumer, issued.token.id)
    return _shown(issued)


def rotate_token(project: Project, name: str, *, keep: str | None = None, expires: str | None = None) -> Sheet:
    """Give a consumer another token, and end its earlier ones. Errors: as `penstock.serving.tokens.rotate`."""
    _ = project.ledger  # as above: earlier tokens may end with this
    issued = rotate(project.serving_state, name, keep=keep, expires=expires)
    _note(project, "rotate token", issued.consumer, issued.token.id)
    return _shown(issued)


def revoke_tokens(project: Project, name: str) -> Sheet:
    """End all tokens of a consumer. Errors: as `penstock.serving.tokens.revoke`."""
    consumer = revoke(project.serving_state, name)
    _note(project, "revoke token", consumer, "")
    return Sheet(
        {"consumer": consumer.name, "revoked": True},
        f"{consumer.name} is not answered any more; running servers follow within a second",
    )


def list_tokens(project: Project) -> Listing:
    """All consumers and their tokens, by the first digits of their digests."""
    consumers = read_consumers(project.serving_state)
    now = iso_now()
    body = [_described(consumer, now) for consumer in consumers]
    rows = [
        (
            consumer.name,
            " ".join(consumer.scopes),
            _rate(consumer),
            consumer.priority,
            token.id,
            token.state(now),
            _day(token.expires_at),
        )
        for consumer in consumers
        for token in consumer.tokens
    ]
    policy = project.declaration.serving.consumers
    return Listing(
        {"policy": policy, "consumers": body},
        ("consumer", "scopes", "rate", "priority", "token", "state", "expires (UTC)"),
        rows,
        "no consumer is declared; "
        + ("nobody is answered" if policy == "declared" else "everybody who reaches the server is answered"),
    )


def _shown(issued: Issued) -> Sheet:
    consumer, token = issued.consumer, issued.token
    body = {
        "consumer": consumer.name,
        "scopes": list(consumer.scopes),
        "rate_per_s": consumer.rate_per_s,
        "priority": consumer.priority,
        "id": token.id,
        "expires_at": token.expires_at,
        "token": issued.text,
    }
    until = "does not expire" if token.expires_at is None else f"expires {_day(token.expires_at)} UTC"
    text = (
        f"{issued.text}\n\n{consumer.name} may {', '.join(consumer.scopes)}, with {consumer.priority} priority at most; the token {until}.\n"
        "It is shown this once and stored nowhere. Send it as the header: authorization: Bearer TOKEN"
    )
    return Sheet(body, text)


def _described(consumer: Consumer, now: str) -> dict[str, Any]:
    tokens = [
        {
            "id": token.id,
            "state": token.state(now),
            "created_at": token.created_at,
            "expires_at": token.expires_at,
            "revoked_at": token.revoked_at,
        }
        for token in consumer.tokens
    ]
    return {
        "consumer": consumer.name,
        "scopes": list(consumer.scopes),
        "rate_per_s": consumer.rate_per_s,
        "priority": consumer.priority,
        "tokens": tokens,
    }


def _note(project: Project, what: str, consumer: Consumer, token: str) -> None:
    scopes = list(consumer.scopes)
    details = {"consumer": consumer.name, "scopes": scopes, "priority": consumer.priority, "token": token}
    project.ledger.audit.append(what, project.name, details)


def _rate(consumer: Consumer) -> str:
    return "" if consumer.rate_per_s is None else f"{consumer.rate_per_s:g}/s"


def _day(at: str | None) -> str:
    return "" if at is None else at[:16].replace("T", " ")

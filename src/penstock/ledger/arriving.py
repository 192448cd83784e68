"""Runs of another ledger that are taken over, as they were: records of an archive (`penstock.experiments.keeping.archive`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from penstock.errors import ArchiveError
from penstock.ledger.clock import now_text
from penstock.ledger.database import Database
from penstock.ledger.runs import ENDS, NOBODY, edges_in, edges_out, put_environment
from penstock.ledger.schema import insert, put_many
from penstock.ledger.status import INTERRUPTED
from penstock.objects.digests import is_digest

RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9a-f]{6}")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z")
KEY = "imported:"
"""Before the key of a run that was taken over: what others have computed is shown, but never taken for a known result."""
EVIDENCE = frozenset({"reproduction"})
"""Operations by which a gate is passed: taken over under another name, as whoever wrote the archive could have written anything."""
_NUMBERS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def checked(body: Mapping[str, Any]) -> dict[str, Any]:
    """A record from outside, as far as it makes sense.

    Raises
    ------
    ArchiveError : it is no record of a run that has ended.
    """

    def need(right: bool, name: str) -> None:
        if not right:
            raise ArchiveError(
                f"the record of run {str(body.get('id'))[:60]!r} makes no sense",
                why=f"its {name} is {str(body.get(name))[:100]!r}",
                way_out="export the run again with this release of Penstock",
            )

    def text(name: str) -> bool:
        return body.get(name) is None or isinstance(body[name], str)

    need(isinstance(body.get("id"), str) and RUN_ID.fullmatch(body["id"]) is not None, "id")
    for name in ("operation", "status", "key", "code"):
        need(isinstance(body.get(name), str) and bool(body[name]), name)
    for name in ("project", "parent", "who", "host"):
        need(text(name), name)
    for name, optional in (("started_at", False), ("ended_at", True)):
        value = body.get(name)
        need((optional and value is None) or (isinstance(value, str) and _INSTANT.fullmatch(value) is not None), name)
    need(body.get("seconds") is None or _is_number(body["seconds"]), "seconds")
    need(body.get("seed") is None or type(body["seed"]) is int, "seed")
    need(body.get("log") is None or is_digest(body["log"]), "log")
    for name in ("params", "inputs", "outputs", "source", "cost", "environment", "artifacts", "metrics", "tags"):
        need(isinstance(body.get(name), dict), name)
    need(body.get("error") is None or isinstance(body["error"], dict), "error")
    need(
        all(
            isinstance(a, dict)
            and is_digest(a.get("digest"))
            and type(a.get("size_bytes")) is int
            and isinstance(a.get("media"), str)
            for a in body["artifacts"].values()
        ),
        "artifacts",
    )
    need(
        all(
            isinstance(m, dict) and all(_is_number(m.get(p)) for p in ("value", "low", "high"))
            for m in body["metrics"].values()
        ),
        "metrics",
    )
    need(all(isinstance(v, str) and n.strip() for n, v in body["tags"].items()), "tags")
    notes = body.get("notes")
    need(
        isinstance(notes, list)
        and all(isinstance(n, dict) and all(isinstance(n.get(p), str) for p in ("at", "who", "text")) for n in notes),
        "notes",
    )
    return dict(body)


def take_over(database: Database, bodies: Iterable[Mapping[str, Any]]) -> list[str]:
    """Record runs under their own ids, all or none; gives the ids of those that were not known.

    A run that had not ended when it was exported has not ended well: it is interrupted. A run whose parent is not here stands
    for itself.
    """
    wanted = [checked(body) for body in bodies]
    with database.write() as connection:
        known = set(connection.values("SELECT id FROM runs WHERE id IN :ids", ids=[body["id"] for body in wanted]))
        new = [body for body in wanted if body["id"] not in known]
        parents = {body["parent"] for body in new if body.get("parent")}
        here = {body["id"] for body in new} | set(
            connection.values("SELECT id FROM runs WHERE id IN :ids", ids=parents)
        )
        for body in new:
            run = body["id"]
            row = {
                n: body.get(n) for n in ("id", "code", "project", "seed", "started_at", "ended_at", "seconds", "params")
            }
            row |= {n: body.get(n) for n in ("inputs", "outputs", "source", "cost", "error", "log", "who", "host")}
            row.update(
                operation=f"imported {body['operation']}" if body["operation"] in EVIDENCE else body["operation"],
                status=body["status"] if body["status"] in ENDS else INTERRUPTED,
                key=body["key"] if body["key"].startswith(KEY) else KEY + body["key"],
                parent=body.get("parent") if body.get("parent") in here else None,
                process=NOBODY.to_json(),
                environment=put_environment(connection, body["environment"]),
            )
            insert(connection, "runs", row)
            edges_in(connection, run, body["inputs"], new=True)
            edges_out(connection, run, body["outputs"], new=True)
            metrics = [
                {"run": run, "name": n, **{p: _stored(m.get(p)) for p in ("value", "low", "high")}}
                for n, m in body["metrics"].items()
            ]
            put_many(connection, "run_metrics", metrics)
            artifacts = [
                {"run": run, "name": n, **{p: a[p] for p in ("digest", "size_bytes", "media")}}
                for n, a in body["artifacts"].items()
            ]
            put_many(connection, "run_outputs", artifacts)
            tags = {**body["tags"], "imported": now_text()}
            put_many(connection, "run_tags", [{"run": run, "name": n, "value": v} for n, v in tags.items()])
            notes = [
                {"run": run, "number": i, **{p: n[p] for p in ("at", "who", "text")}}
                for i, n in enumerate(body["notes"], 1)
            ]
            put_many(connection, "run_notes", notes)
    return [body["id"] for body in new]


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool)) or value in _NUMBERS


def _stored(value: Any) -> float | None:
    """NaN is stored as an absent value."""
    number = _NUMBERS.get(value, value) if isinstance(value, str) else value
    return None if number is None or number != number else float(number)

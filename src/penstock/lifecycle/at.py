"""`penstock models at INSTANT`: which version answered then, who had put it there, and what the journal has of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from penstock.errors import BadParameter
from penstock.ledger.audit import Event
from penstock.lifecycle.settle import EVENTS, settle_if_free
from penstock.project.project import Project
from penstock.serving.changes import Change, read_changes
from penstock.serving.instants import iso_of, parse_instant
from penstock.serving.journal import read
from penstock.serving.releases import Release, told_length
from penstock.serving.slots import read_slots

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CLOCK = re.compile(r"(?:(?P<day>[a-z]+)\s+)?(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d))?")


@dataclass(frozen=True)
class AtResult:
    """Outcome of `penstock models at`.

    Attributes
    ----------
    at, until : the minute (or second) that is asked, UTC.
    change : what made it so; None: nothing was live. event : how the audit trail has it.
    within : further changes before `until`.
    answers : (model, version, slot, arm) -> requests and rows in the journal. The arm is "" outside a release.
    """

    at: datetime
    until: datetime
    change: Change | None
    event: Event | None
    within: tuple[Change, ...]
    answers: Mapping[tuple[str, int, str, str], tuple[int, int]]

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        event = self.event
        return {
            "at": iso_of(self.at),
            "until": iso_of(self.until),
            "change": None if self.change is None else _plain(self.change),
            "event": None if event is None else {"number": event.number, "what": event.what, "who": event.who},
            "within": [_plain(change) for change in self.within],
            "answers": [
                {
                    **dict(zip(("model", "version", "slot", "arm"), key, strict=True)),
                    "requests": requests,
                    "rows": rows,
                }
                for key, (requests, rows) in sorted(self.answers.items())
            ],
        }

    def to_text(self) -> str:
        lines = [f"{_minute(self.at)} UTC: {_told(self.change)}"]
        if self.change is not None:
            who = "" if self.event is None else f" by {self.event.who} (event {self.event.number} of the audit trail)"
            lines.append(
                f"  since {_minute(self.change.at)}, epoch {self.change.epoch}{who}: {self.change.by or 'deploy'}"
            )
        lines += [f"  from {change.at[11:19]} on {_told(change)}: {change.by}" for change in self.within]
        for (model, version, slot, arm), (requests, rows) in sorted(self.answers.items()):
            of = f", {arm}" if arm else ""
            lines.append(
                f"  {requests:,} requests ({rows:,} rows) were answered by {model} version {version} ({slot}{of})"
            )
        if not self.answers:
            lines.append("  the journal has no answers of then")
        return "\n".join(lines)


def which_answered(project: Project, instant: str) -> AtResult:
    """What was live at an instant, and what answered within that minute (or second, where seconds are given).

    Parameters
    ----------
    instant : ISO 8601 (``2026-11-24 14:03``), a clock time (``14:03``: the last one), or one with a day (``tuesday 14:03``, ``yesterday
        14:03``). Without a time zone it is UTC, as all instants here.

    Raises
    ------
    BadParameter : it is no instant, or lies ahead.
    """
    settle_if_free(project)
    now = datetime.now(UTC)
    at, length = parse_when(instant, now)
    if at > now:
        raise BadParameter(
            f"{instant!r} lies ahead", why=f"it is {_minute(now)} UTC", way_out="name an instant that is over"
        )
    until = at + length
    events = [event for event in project.ledger.audit.events() if event.what in EVENTS]
    changes = _known_changes(project, events)
    before = [change for change in changes if parse_instant(change.at) <= at]
    within = tuple(change for change in changes if at < parse_instant(change.at) < until)
    change = before[-1] if before else None
    event = None
    if change is not None:
        event = next((e for e in reversed(events) if e.details.get("epoch") == change.epoch), None)
    requests: Counter[tuple[str, int, str, str]] = Counter()
    rows: Counter[tuple[str, int, str, str]] = Counter()
    for record in read(project.journal_folder, at, until, ("predict",)):
        key = record.model, record.version, record.slot, record.arm
        requests[key] += 1
        rows[key] += len(record.answers)
    return AtResult(at, until, change, event, within, {key: (requests[key], rows[key]) for key in requests})


def parse_when(text: str, now: datetime) -> tuple[datetime, timedelta]:
    """An instant, and how long it lasts: a minute, or a second where seconds are given.

    Raises
    ------
    BadParameter : it is none.

    >>> parse_when("Tuesday 14:03", datetime(2026, 11, 30, 9, tzinfo=UTC))[0].isoformat()
    '2026-11-24T14:03:00+00:00'
    """
    words = text.strip().lower()
    clock = _CLOCK.fullmatch(words)
    try:
        if clock is None:
            at = parse_instant(text.strip())
            return at, timedelta(seconds=1 if re.search(r"\d\d:\d\d:\d\d", words) else 60)
        hour, minute, second = int(clock["hour"]), int(clock["minute"]), int(clock["second"] or 0)
        at = now.replace(hour=hour, minute=minute, second=second, microsecond=0)
        day = clock["day"]
        if day is None:
            at -= timedelta(days=at > now)
        elif day in ("today", "yesterday"):
            at -= timedelta(days=day == "yesterday")
        else:
            number = next(i for i, name in enumerate(DAYS) if len(day) >= 2 and name.startswith(day))
            at -= timedelta(days=(now.weekday() - number) % 7)
            at -= timedelta(days=7 * (at > now))
        return at, timedelta(seconds=1 if clock["second"] else 60)
    except (ValueError, StopIteration) as error:
        raise BadParameter(
            f"{text!r} is no instant",
            why=str(error) or f"days are {', '.join(DAYS)}, today and yesterday",
            way_out='write "2026-11-24 14:03", "tuesday 14:03" or "14:03" (UTC)',
        ) from error


def _known_changes(project: Project, events: list[Event]) -> list[Change]:
    """Those that the serving folder has written down, and before these those of the audit trail, oldest first."""
    written = read_changes(project.serving_state, read_slots(project.serving_state).epoch)
    first = written[0].epoch if written else None
    older = []
    for event in events:
        details = event.details
        epoch, version = details.get("epoch"), details.get("to", details.get("version"))
        if epoch is None or version is None or (first is not None and epoch >= first):
            continue
        live = {"model": event.subject, "version": version, "slot": details.get("slot")}
        older.append(Change(epoch, details.get("changed_at", event.at), details.get("by", event.what), live))
    return [*sorted(older, key=lambda change: change.epoch), *written]


def _plain(change: Change) -> dict[str, Any]:
    names = ("model", "version", "slot")
    live = None if change.live is None else {name: change.live.get(name) for name in names}
    release = None
    if change.release is not None:
        release = {name: change.release[name] for name in ("mode", "share", "sticky", *names)}
    watch = None
    if change.watch is not None:
        watch = {name: change.watch[name] for name in ("watch_s", *names)}
    return {"epoch": change.epoch, "at": change.at, "by": change.by, "live": live, "release": release, "watch": watch}


def _told(change: Change | None) -> str:
    if change is None or change.live is None:
        return "nothing was live"
    live, release, watch = change.live, change.release, change.watch
    told = f"{live['model']} version {live['version']} was live in slot {live['slot']}"
    if watch is not None:
        return f"{told}, watched for {told_length(watch['watch_s'])}, with version {watch['version']} standing by"
    if release is None:
        return told
    how = Release(release["mode"], release["share"], release["sticky"]).told()
    return f"{told}, beside it version {release['version']} as {how}"


def _minute(at: datetime | str) -> str:
    return (at if isinstance(at, str) else iso_of(at))[:19].replace("T", " ")

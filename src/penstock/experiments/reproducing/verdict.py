"""What came of doing a run again: the verdict, each difference with its likely cause, and how it is told."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, final

IDENTICAL, CLOSE, DIFFERENT = "identical", "within tolerance", "different"
PASSING = (IDENTICAL, CLOSE)
TOLERANCE = 1e-6
"""Relative difference of a number that still counts as the same."""
BYTES = frozenset({"file", "rounding"})
"""Kinds of differences that leave every metric the same within the tolerance."""
SHOWN = 20
CONSEQUENCE = "the run ended otherwise"
"""The cause of all that differs beside the end."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was.

    Attributes
    ----------
    kind : ``metric``, ``series``, ``file``, ``rounding`` (a number within the tolerance), ``exit`` or ``input``.
    what : its name. was, now : both values, as JSON has them.
    cause : what is likely to have made it.
    """

    kind: str
    what: str
    was: Any
    now: Any
    cause: str

    def to_json(self, stage: str) -> dict[str, Any]:
        return {
            "stage": stage,
            "kind": self.kind,
            "what": self.what,
            "was": self.was,
            "is": self.now,
            "cause": self.cause,
        }


def verdict_of(differences: list[Difference], *, has_metrics: bool) -> str:
    """Identical, within tolerance (numbers agree, only bytes of files differ), or different."""
    if not differences:
        return IDENTICAL
    close = has_metrics and all(difference.kind in BYTES for difference in differences)
    return CLOSE if close or all(difference.kind == "rounding" for difference in differences) else DIFFERENT


@final
@dataclass(frozen=True)
class ScriptReproduction:
    """Outcome of doing the run of a script again.

    Attributes
    ----------
    run, again : ids of the run and of its repetition. operation : what both ran.
    env : ``same`` or ``fresh``.
    compared : numbers and files that were compared. not_compared : names of those that measure time or tell it, and why.
    around : what differs around the two runs, in the order in which it is likely to matter.
    not_restored : inputs that could not be brought back: ``{"path", "why"}``.
    not_installed : packages that a fresh environment lacks: ``{"package", "why"}``.
    folder : where it was done, where that was kept.
    """

    run: str
    again: str
    operation: str
    verdict: str
    differences: list[Difference]
    compared: int
    env: str = "same"
    around: list[str] = field(default_factory=list)
    not_compared: list[dict[str, str]] = field(default_factory=list)
    not_restored: list[dict[str, str]] = field(default_factory=list)
    not_installed: list[dict[str, str]] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    folder: str | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        return 0 if self.verdict in PASSING else 1

    def to_json(self) -> dict[str, Any]:
        body = asdict(self)
        body["differences"] = [difference.to_json(self.operation) for difference in self.differences]
        return {**body, "stages": [self.again]}

    @property
    def _with_causes(self) -> list[Difference]:
        """The differences that have a cause of their own."""
        return [d for d in self.differences if d.cause != CONSEQUENCE]

    @property
    def _consequences(self) -> list[str]:
        """Those that follow from how the run ended, in one line."""
        names = [d.what for d in self.differences if d.cause == CONSEQUENCE]
        if not names:
            return []
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        return [f"different as a consequence: {', '.join(names[:SHOWN])}{more}"]

    def to_text(self) -> str:
        lines = [
            f"run {self.run} ({self.operation}): {self.verdict}; {self.compared} result{'s' if self.compared != 1 else ''} "
            f"compared with run {self.again}"
        ]
        causes = self._with_causes
        lines += [
            f"  {d.what}: was {shown(d.was)}, is {shown(d.now)}; likely because of {d.cause}" for d in causes[:SHOWN]
        ]
        if len(causes) > SHOWN:
            lines.append(f"  and {len(causes) - SHOWN} more differences; `--json` lists them all")
        lines += [f"  {line}" for line in self._consequences]
        lines += [f"  not restored: {line['path']}: {line['why']}" for line in self.not_restored]
        lines += [f"  not installed: {line['package']}: {line['why']}" for line in self.not_installed]
        if self.around and not self.differences:
            lines.append(f"  the same although {'; '.join(self.around)}")
        if self.not_compared:
            lines.append(
                f"  not compared: {', '.join(line['what'] for line in self.not_compared[:SHOWN])} (they tell of time)"
            )
        if self.folder:
            lines.append(f"  done in {self.folder}")
        return "\n".join(lines)

    def to_markdown(self) -> str:
        """A summary for a pull request."""
        mark = {IDENTICAL: "✅", CLOSE: "✅", DIFFERENT: "❌"}[self.verdict]
        lines = [
            f"## {mark} `{self.operation}` is {'reproducible' if self.exit_code == 0 else 'not reproducible'}: {self.verdict}",
            "",
            f"Run `{self.run}` was done again as `{self.again}` in a clean folder, in {_ENV[self.env]}. "
            f"{self.compared} result{' was' if self.compared == 1 else 's were'} compared.",
            "",
        ]
        if self.metrics:
            lines += ["| metric | was | is | |", "|---|---:|---:|---|"]
            for row in self.metrics:
                same = {"same": "", "close": "within tolerance"}.get(row["verdict"], "**differs**")
                lines.append(f"| {_cell(row['name'])} | {shown(row['was'])} | {shown(row['is'])} | {same} |")
            lines.append("")
        if causes := self._with_causes:
            lines += ["| what differs | was | is | likely cause |", "|---|---|---|---|"]
            for d in causes[:SHOWN]:
                lines.append(f"| {_cell(d.what)} | {_cell(shown(d.was))} | {_cell(shown(d.now))} | {_cell(d.cause)} |")
            if len(causes) > SHOWN:
                lines.append(f"| and {len(causes) - SHOWN} more | | | |")
            lines.append("")
        lines += [f"- {_cell(line)}" for line in self._consequences]
        lines += [f"- around it: {_cell(line)}" for line in self.around]
        lines += [f"- not restored: `{line['path']}`: {_cell(line['why'])}" for line in self.not_restored]
        lines += [f"- not installed: `{line['package']}`: {_cell(line['why'])}" for line in self.not_installed]
        if self.not_compared:
            lines.append(f"- not compared: {', '.join(_cell(line['what']) for line in self.not_compared[:SHOWN])}")
        return "\n".join(lines).rstrip() + "\n"


_ENV = {"same": "the same environment", "fresh": "a fresh environment made from the recorded packages"}


def shown(value: Any) -> str:
    """A value for a person: digests short, numbers in full, lists cut.

    >>> shown("sha256:" + "ab" * 32), shown(0.1), shown(None)
    ('abababababab', '0.1', 'nothing')
    """
    if value is None:
        return "nothing"
    if isinstance(value, str) and value.startswith("sha256:"):
        return value[7:19]
    text = repr(value) if isinstance(value, float) else str(value)
    return text if len(text) <= 120 else text[:117] + "..."


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")

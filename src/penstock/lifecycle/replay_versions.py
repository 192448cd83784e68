"""The versions that answer journalled predictions again, and in what they differ from those that answered then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.bundle.runtime import Bundle
from penstock.bundle.signature import Signature
from penstock.errors import BundleError, NotFound, PenstockError, ServingError
from penstock.lifecycle.bundles import bundle_of
from penstock.project.live import asked_bundle
from penstock.project.project import Project
from penstock.serving.journal import Record


@dataclass(frozen=True)
class LoadedVersion:
    version: int
    bundle: Bundle
    ours: bool = True  # a version of this project's registry


class Versions:
    """Bundles of the registry, loaded once each: the one of a record, or the one that was named."""

    def __init__(self, project: Project, named: int | None) -> None:
        self.project, self._named = project, named
        self._asked_of: set[int] = set()  # versions of this project that had answered
        self._loaded: dict[tuple[str, int], LoadedVersion | PenstockError] = {}
        if named is not None:
            self._of(named)  # what is wrong with it is told at once

    def of(self, record: Record) -> LoadedVersion:
        if record.model and record.model != self.project.name:
            return self._of(record.version, record.model)
        self._asked_of.add(record.version)
        return self._of(self._named if self._named is not None else record.version)

    def notes(self) -> list[str]:
        """What must be known of the version that was named beside those whose predictions it answered."""
        named = self._named
        if named is None:
            return []
        found: list[str] = []
        for version in sorted(self._asked_of - {named}):
            try:
                old = self._of(version)
            except PenstockError as error:
                found.append(f"in what version {named} differs from version {version} is not known: {error.what}")
            else:
                found += told_apart(version, old.bundle, named, self._of(named).bundle)
        return list(dict.fromkeys(found))

    def _of(self, version: int, other: str = "") -> LoadedVersion:
        """A version of this project, or one that stands on the shelf of its server under another model's name."""
        asked = (other, version)
        if asked not in self._loaded:
            try:
                self._loaded[asked] = self._from_shelf(other, version) if other else self._load(version)
            except PenstockError as error:
                self._loaded[asked] = error
        found = self._loaded[asked]
        if isinstance(found, PenstockError):
            raise found
        return found

    def _from_shelf(self, model: str, version: int) -> LoadedVersion:
        try:
            return LoadedVersion(version, asked_bundle(self.project, model, str(version))[1], ours=False)
        except (NotFound, ServingError) as error:
            raise NotFound(
                f"the model {model!r} is not that of this project",
                why=f"this project makes {self.project.name!r}; {error.why}",
                way_out="replay it in the project that made it, or put that version on the shelf again",
            ) from error

    def _load(self, version: int) -> LoadedVersion:
        project = self.project
        entry = project.ledger.registry.get(project.name, version)
        try:
            return LoadedVersion(version, Bundle.load(bundle_of(project, entry), key=project.privacy_key))
        except (NotFound, BundleError) as error:
            raise NotFound(
                f"the bundle of version {version} is not stored any more",
                why=f"{error.what}: {error.why}",
                way_out="`penstock reproduce` its run makes it again; or compare another version with --with",
            ) from error


def told_apart(version: int, old: Bundle, by: int, new: Bundle) -> Iterator[str]:
    """In what a version that answers in the place of another is another model: what it says, and what it takes."""
    then, now = old.signature, new.signature
    if (then.task, then.target.name) != (now.task, now.target.name):
        yield (
            f"version {by} answers another question than version {version}: {_question(now)}, not {_question(then)}; the two are told "
            "beside each other"
        )
    else:
        fresh, gone = _apart(then.target.classes, now.target.classes)
        if fresh:
            yield f"version {by} knows the classes {fresh}, which version {version} does not"
        if gone:
            yield f"version {by} does not know the classes {gone}, which version {version} does"
    before, after = ({spec.name: spec.privacy for spec in bundle.decoder.columns} for bundle in (old, new))
    fresh, gone = _apart([c.name for c in then.columns], [c.name for c in now.columns])
    if fresh:
        yield f"version {by} uses {fresh}, which version {version} does not: rows need not have it, and are answered as if it were missing"
    if gone:
        yield f"version {by} does not use {gone}"
    private = sorted(name for name in {*before} & {*after} if before[name] != after[name])
    if private:
        yield f"version {by} protects {', '.join(private)} otherwise; rows are kept as version {version} had it"


def _question(signature: Signature) -> str:
    classes = " or ".join(map(str, signature.target.classes[:4])) + (
        " or ..." if len(signature.target.classes) > 4 else ""
    )
    return f"{signature.target.name} ({classes or 'a number'})"


def _apart(old: Sequence[Any], new: Sequence[Any]) -> tuple[str, str]:
    """What only the new ones are, and what only the old ones are."""
    fresh, gone = (
        ", ".join(map(str, [one for one in some if one not in others])) for some, others in ((new, old), (old, new))
    )
    return fresh, gone

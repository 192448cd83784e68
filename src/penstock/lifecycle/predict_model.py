"""What answers in `penstock predict`: a bundle, a version of the project, or what is live at the moment; and its settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from penstock.bundle.runtime import Bundle
from penstock.errors import ContractBroken
from penstock.lifecycle.bundles import bundle_of
from penstock.project.live import live_bundle
from penstock.project.project import Project
from penstock.serving.slots import read_slots

if TYPE_CHECKING:
    from penstock.bundle.frame import Frame
    from penstock.objects.tabular import ReadOptions
    from penstock.serving.batch.answering import Answering
    from penstock.serving.batch.inputs import Input

MAX_TOLD = 10  # rules of one file that a warning names


@dataclass
class PredictModel:
    """One for all inputs of a job. Called, it gives what answers the next of them, with its version."""

    project: Project | None
    version: int | None
    bundle: Path | str | None
    on_unreadable: Literal["refuse", "missing"]
    keep: tuple[str, ...]
    history: Path | str | None
    options: ReadOptions
    _now: tuple[Answering, int | None] | None = None
    _epoch: int = -1

    @property
    def named(self) -> bool:
        return self.version is not None or self.bundle is not None

    def __call__(self) -> tuple[Answering, int | None]:
        """The model that answers next."""
        if self._now is None or self._switched():
            self._now = self._load()
        return self._now

    def look(self, given: Input) -> list[str]:
        return [] if self.project is None else _held(self.project, given)

    def settings(self) -> dict[str, Any]:
        """What decides the answers beside the rows and the model."""
        from penstock.objects.files import sha256_file

        return {
            "read": self.options.to_json(),
            "on_unreadable": self.on_unreadable,
            "keep": list(self.keep),
            "history": None if self.history is None else sha256_file(Path(self.history)),
        }

    def _switched(self) -> bool:
        if self.project is None or self.named:
            return False
        return read_slots(self.project.serving_state).epoch != self._epoch

    def _load(self) -> tuple[Answering, int | None]:
        from penstock.serving.batch.answering import Answering

        number: int | None = None
        if self.bundle is not None:
            loaded = Bundle.load(self.bundle)
        else:
            assert self.project is not None
            if not self.named:
                self._epoch = read_slots(self.project.serving_state).epoch
            number, loaded = _bundle_of(self.project, self.version)
        made = Answering(loaded, on_unreadable=self.on_unreadable, keep=self.keep, earlier=self._earlier(loaded))
        return made, number

    def _earlier(self, loaded: Bundle) -> Frame | None:
        if self.history is None:
            return None
        from penstock.serving.batch.history import earlier_rows
        from penstock.serving.batch.inputs import FileInput

        return earlier_rows(loaded, FileInput(Path(self.history), self.options))


def _held(project: Project, given: Input) -> list[str]:
    """What breaks the contract among the rows to answer, as warnings.

    Raises
    ------
    ContractBroken : ``[contract] at_predict`` is "stop"; none of these rows is answered.
    """
    from penstock.lifecycle.contract import check_asked, lines_of
    from penstock.lifecycle.predict_inputs import as_source

    name, stop = project.declaration.contract.file, project.declaration.contract.at_predict == "stop"
    found = check_asked(project, as_source(given), project.declaration.data.target)
    if found is None or found.passed:
        return []
    if stop:
        raise ContractBroken(
            f"{given.name} breaks {name}\n" + "\n".join(lines_of(found.breaches)),
            why='none of its rows was answered, as [contract] at_predict = "stop"',
            way_out='have the rows put right, or change the contract; at_predict = "warn" answers and warns',
            breaches=[breach.to_json() for breach in found.breaches],
        )
    warnings = [f"{given.name} breaks {name}: {b.id} {b.about}: {b.why}" for b in found.breaches[:MAX_TOLD]]
    if len(found.breaches) > MAX_TOLD:
        warnings.append(f"{given.name} breaks {len(found.breaches) - MAX_TOLD} more rules of {name}")
    return warnings


def _bundle_of(project: Project, version: int | None) -> tuple[int, Bundle]:
    if version is None:
        if read_slots(project.serving_state).live_entry is not None:
            entry, bundle = live_bundle(project)
            return entry.version, bundle
        passed = [v for v in project.ledger.registry.versions(project.name) if v.passed or v.overrides]
        version = max((v.version for v in passed), default=1)
    chosen = project.ledger.registry.get(project.name, version)
    return version, Bundle.load(bundle_of(project, chosen), key=project.privacy_key)

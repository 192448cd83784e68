"""`penstock predict`: files in, answers out, streamed; the same answers as online, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from penstock.bundle.runtime import Bundle
from penstock.errors import BadParameter, ContractBroken
from penstock.lifecycle.bundles import bundle_of
from penstock.project.live import live_bundle
from penstock.project.project import Project
from penstock.serving.slots import read_slots

if TYPE_CHECKING:
    from penstock.objects.tabular import ReadOptions

MAX_TOLD = 10  # rules of one file that a warning names


@dataclass(frozen=True)
class PredictResult:
    """Outcome of `penstock predict`."""

    rows: int
    files: int
    abstained: int
    output: str
    model: str
    version: int | None
    warnings: list[str]

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "files": self.files,
            "abstained": self.abstained,
            "output": self.output,
            "model": self.model,
            "version": self.version,
            "warnings": self.warnings,
        }

    def to_text(self) -> str:
        by = self.model if self.version is None else f"{self.model} version {self.version}"
        lines = [f"{self.rows} rows of {self.files} file(s) answered by {by}: {self.output}"]
        if self.abstained:
            lines.append(f"  {self.abstained} rows: abstained")
        return "\n".join([*lines, *(f"  warning: {w}" for w in self.warnings)])


def predict_files(
    source: Path | str,
    output: Path | str,
    *,
    project: Project | None = None,
    version: int | None = None,
    bundle: Path | str | None = None,
    on_unreadable: Literal["refuse", "missing"] = "refuse",
    history: Path | str | None = None,
    header: bool = True,
    columns: tuple[str, ...] | None = None,
    delimiter: str | None = None,
    quote: str | None = None,
    encoding: str = "utf-8",
) -> PredictResult:
    """Answer every row of a file or of a folder of files; within a project they are held against its contract first.

    Parameters
    ----------
    source, output : files, or two folders.
    version : of the project's registry; default: the live one, or the champion, or the newest that passed.
    bundle : a bundle folder; then no project is needed.
    on_unreadable : ``"refuse"`` (an error that names the field, nothing is written) or ``"missing"``.
    history : a file of earlier rows, for columns that look back.
    """
    from penstock.objects.tabular import ReadOptions
    from penstock.serving.batch import predict_files as predict_batch

    if on_unreadable not in ("refuse", "missing"):
        raise BadParameter(
            f"--unreadable {on_unreadable!r} is unknown",
            why="known are 'refuse' and 'missing'",
            way_out="--unreadable missing",
        )
    number: int | None = None
    options = ReadOptions(header=header, columns=columns, delimiter=delimiter, quote=quote, encoding=encoding)
    broken: list[str] = []
    if bundle is not None:
        loaded = Bundle.load(bundle)
    else:
        project = project or Project.here()
        number, loaded = _bundle_of(project, version)
        broken = _held(project, Path(source), options)
    done = predict_batch(
        loaded,
        Path(source),
        Path(output),
        read_options=options,
        on_unreadable=on_unreadable,
        history=None if history is None else Path(history),
    )
    return PredictResult(
        rows=done.rows,
        files=len(done.files),
        abstained=done.abstained,
        output=str(output),
        model=loaded.signature.model,
        version=number,
        warnings=[*broken, *done.warnings],
    )


def _held(project: Project, source: Path, options: ReadOptions) -> list[str]:
    """What breaks the contract among the rows to answer, as warnings.

    Raises
    ------
    ContractBroken : ``[contract] at_predict`` is "stop"; nothing is answered.
    """
    from penstock.lifecycle.contract import check_asked, lines_of
    from penstock.serving.batch import tables_of

    name, stop = project.declaration.contract.file, project.declaration.contract.at_predict == "stop"
    warnings = []
    for path in tables_of(source):
        found = check_asked(project, path, options, project.declaration.data.target)
        if found is None or found.passed:
            continue
        if stop:
            raise ContractBroken(
                f"{path} breaks {name}\n" + "\n".join(lines_of(found.breaches)),
                why='nothing was answered, as [contract] at_predict = "stop"',
                way_out='have the rows put right, or change the contract; at_predict = "warn" answers and warns',
                breaches=[breach.to_json() for breach in found.breaches],
            )
        warnings += [f"{path.name} breaks {name}: {b.id} {b.about}: {b.why}" for b in found.breaches[:MAX_TOLD]]
        if len(found.breaches) > MAX_TOLD:
            warnings.append(f"{path.name} breaks {len(found.breaches) - MAX_TOLD} more rules of {name}")
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

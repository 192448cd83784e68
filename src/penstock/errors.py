"""The tree of errors. Every one says what happened, why, and the way out, and carries a stable code.

    PenstockError                       the user can put it right: exit code 2
    ├── DeclarationError                penstock.toml or an option is wrong
    │   └── BadParameter                a parameter is outside its declared bounds
    ├── ProjectError                    no project here, or one that is in use or cannot be made
    ├── DataError                       the data themselves
    │   ├── SourceError                 a source cannot be read (missing, empty, malformed, changed while read)
    │   ├── SchemaMismatch              columns or values do not fit the declared types
    │   ├── TargetError                 the target is missing, constant or empty
    │   ├── SplitError                  rows cannot be dealt as they are told to be
    │   ├── SealError                   test rows: an envelope is spent, missing, or does not decrypt
    │   ├── AccessError                 a version of the data that is restricted to others
    │   └── Forgotten                   a version of the data that was forgotten: its rows are gone for good
    ├── PrivacyError                    the privacy key is missing, wrong, or open to others
    │   └── PrivacyUndecided            personal data were found, and nobody has decided what becomes of them
    ├── ContractError                   the text of a contract, with line and column
    ├── RecipeError                     the text of a recipe, with line and column
    ├── SearchError                     a search cannot start
    ├── ExperimentError                 a script as a run
    │   ├── ScriptError                 what is to be run is missing, or of no kind that can be run
    │   ├── FlagError                   a flag that is unknown or has a wrong value
    │   ├── ScriptFailed                it ran, and ended with an error, overran its time, or was killed
    │   ├── StepError                   the steps of a pipeline: a cycle, two makers of one file, a missing output
    │   └── ArchiveError                an archive of runs that is damaged or leaves its folder
    ├── QueryError                      a filter of runs that cannot be read, with its column
    ├── GateRefused                     a gate said no and there is no override: exit code 1
    │   └── ContractBroken              rows do not keep the contract: exit code 1, with the list of what broke
    ├── ParityError                     the graph does not answer as the learner did
    ├── BundleError                     a bundle is missing, damaged, or of an unknown format
    ├── ExportError                     a bundle cannot be had in the form that is asked for
    ├── RequestError                    a prediction request is wrong (HTTP 4xx), with the path of the field
    ├── ServingError                    slots, ports, a server that does not answer
    ├── LabelError                      a label that cannot be taken
    ├── StoreError                      the ledger or an object store
    │   ├── NotFound                    a run, version, artifact or prediction that is not there
    │   ├── DamagedStore                stored bytes do not match their digest, or the audit chain is broken
    │   ├── NewerFormat                 written by a later release of Penstock
    │   ├── StoreFull                   no space left on the device
    │   └── NotWritable                 no permission to write there, or nothing can be
    └── MissingExtra                    an optional dependency is not installed

A code is permanent: scripts, tests and HTTP replies rely on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class PenstockError(Exception):
    """Something the user can put right. Anything else is a bug and keeps its traceback.

    >>> print(PenstockError("no file 'a.csv'", why="the path does not exist", way_out="check the path"))
    no file 'a.csv'
      why: the path does not exist
      try: check the path
    """

    code: ClassVar[str] = "penstock-error"

    def __init__(self, what: str, why: str, way_out: str, *, seen: str = "") -> None:
        """`seen` : what stands in the source, which may be personal and of test rows: it is shown on the terminal, and kept nowhere."""
        super().__init__(what, why, way_out)  # kept in args, so that it survives pickling between processes
        self.what, self.why, self.way_out, self.seen = what, why, way_out, seen

    def __str__(self) -> str:
        return f"{self.what}\n  why: {self.why}\n  try: {self.way_out}"

    def on_terminal(self) -> str:
        """All of it, for the eyes of who gave the command.

        >>> print(PenstockError("line 2 is torn", why="it has one value", way_out="mend it", seen="ada@example.org").on_terminal())
        line 2 is torn
          why: it has one value
          seen: ada@example.org
          try: mend it
        """
        if not self.seen:
            return str(self)
        return f"{self.what}\n  why: {self.why}\n  seen: {self.seen}\n  try: {self.way_out}"

    def to_json(self) -> dict[str, Any]:
        """The one shape in which every door (command line, HTTP) tells an error."""
        return {"code": self.code, "what": self.what, "why": self.why, "try": self.way_out}


class DeclarationError(PenstockError):
    code = "bad-declaration"


class BadParameter(DeclarationError):
    code = "bad-parameter"


class ProjectError(PenstockError):
    code = "project"


class DataError(PenstockError):
    code = "data"


class SourceError(DataError):
    code = "source"


class SchemaMismatch(DataError):
    code = "schema-mismatch"


class TargetError(DataError):
    code = "target"


class SplitError(DataError):
    code = "split"


class SealError(DataError):
    code = "seal"


class AccessError(DataError):
    code = "restricted"


class Forgotten(DataError):
    code = "forgotten"


class PrivacyError(PenstockError):
    code = "privacy"


class PrivacyUndecided(PrivacyError):
    """Personal columns that nobody has decided on; `found` holds what was found of them."""

    code = "privacy-undecided"
    found: tuple[object, ...] = ()


class ContractError(PenstockError):
    """`line` and `column`, from 1, say where in the file; None where the whole is meant."""

    code = "contract"
    line: int | None = None
    column: int | None = None


class RecipeError(PenstockError):
    """The text of a recipe is wrong; `line` and `column` (from 1) say where, when it can be said."""

    code = "recipe"
    line: int | None = None
    column: int | None = None


class SearchError(PenstockError):
    code = "search"


class ExperimentError(PenstockError):
    code = "experiment"


class ScriptError(ExperimentError):
    code = "script"


class FlagError(ExperimentError):
    code = "flag"


class ScriptFailed(ExperimentError):
    """The program itself failed. `exit_status` is its own, as a shell tells it: 128 + n where signal n ended it."""

    code = "script-failed"

    def __init__(self, what: str, why: str, way_out: str, *, exit_status: int = 1) -> None:
        super().__init__(what, why, way_out)
        self.exit_status = exit_status

    def __reduce__(self) -> tuple[object, ...]:
        return (_script_failed, (self.what, self.why, self.way_out, self.exit_status))


def _script_failed(what: str, why: str, way_out: str, exit_status: int) -> ScriptFailed:
    return ScriptFailed(what, why, way_out, exit_status=exit_status)


class StepError(ExperimentError):
    code = "step"


class ArchiveError(ExperimentError):
    code = "archive"


class QueryError(PenstockError):
    code = "query"


class GateRefused(PenstockError):
    code = "gate-refused"


class ContractBroken(GateRefused):
    """`breaches` is what broke, as data."""

    code = "contract-broken"

    def __init__(self, what: str, why: str, way_out: str, *, breaches: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(what, why, way_out)
        self.breaches = list(breaches)

    def __reduce__(self) -> tuple[object, ...]:
        return (_contract_broken, (self.what, self.why, self.way_out, self.breaches))

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "breaches": self.breaches}


def _contract_broken(what: str, why: str, way_out: str, breaches: list[dict[str, Any]]) -> ContractBroken:
    return ContractBroken(what, why, way_out, breaches=breaches)


class ParityError(PenstockError):
    code = "parity"


class BundleError(PenstockError):
    code = "bundle"


class ExportError(PenstockError):
    code = "export"


class RequestError(PenstockError):
    """A request that cannot be answered. `path` names the field, as in ``rows[3].age``; `status` is the HTTP status.

    `headers` go out with the refusal, such as ``retry-after``.

    `code` is per instance here: ``bad-json``, ``wrong-type``, ``unknown-field``, ``unknown-version``, ``too-large`` ...
    """

    code = "bad-request"

    def __init__(
        self,
        what: str,
        why: str,
        way_out: str,
        *,
        path: str = "",
        code: str = "bad-request",
        status: int = 400,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(what, why, way_out)
        self.path, self.status, self.headers = path, status, dict(headers or {})
        self.code = code  # type: ignore[misc]  # refines the class's own code

    def __reduce__(self) -> tuple[object, ...]:
        return (_request_error, (self.what, self.why, self.way_out, self.path, self.code, self.status, self.headers))

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "path": self.path}


def _request_error(
    what: str, why: str, way_out: str, path: str, code: str, status: int, headers: Mapping[str, str]
) -> RequestError:
    return RequestError(what, why, way_out, path=path, code=code, status=status, headers=headers)


class ServingError(PenstockError):
    code = "serving"


class LabelError(PenstockError):
    code = "label"


class StoreError(PenstockError):
    code = "store"


class NotFound(StoreError):
    code = "not-found"


class DamagedStore(StoreError):
    code = "damaged"


class NewerFormat(StoreError):
    code = "newer-format"


class StoreFull(StoreError):
    code = "store-full"


class NotWritable(StoreError):
    code = "not-writable"


class MissingExtra(PenstockError):
    code = "missing-extra"

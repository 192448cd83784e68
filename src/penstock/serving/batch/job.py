"""The batch job: into one output, whole or not at all; or an output for each file, each once, whenever the job is killed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.bundle.runtime import Bundle
from penstock.errors import BadParameter
from penstock.objects.digests import digest_of_json
from penstock.objects.files import asked
from penstock.objects.named import FolderFiles, NamedFiles
from penstock.serving.batch.answering import Answering, OnUnreadable, Tally
from penstock.serving.batch.done import Done, Place
from penstock.serving.batch.history import earlier_rows
from penstock.serving.batch.inputs import FileInput, FilePart, Input, Part
from penstock.serving.batch.writing import checked, write_batches

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.objects.tabular import ReadOptions

Look = Callable[[Input], Sequence[str]]
"""Looks at a table before it is answered; gives warnings, or raises."""


@dataclass(slots=True)
class BatchResult:
    """What a batch job did.

    Attributes
    ----------
    rows, abstained : rows in all, and those for which the model abstained.
    unreadable : values that were taken as missing because they could not be read (`on_unreadable="missing"`).
    files, outputs : names of what was read, and what was written. skipped : names of what was answered before.
    digests : of what was read into one output, by name; "" where that is not known.
    """

    rows: int = 0
    abstained: int = 0
    unreadable: int = 0
    files: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)

    def add(self, tally: Tally) -> None:
        self.rows += tally.rows
        self.abstained += tally.abstained
        self.unreadable += tally.unreadable
        self.warnings += tally.warnings


def predict_files(
    bundle: Bundle,
    input: Path | Sequence[Path],  # noqa: A002  # as the option is called
    output: Path,
    *,
    read_options: ReadOptions | None = None,
    on_unreadable: OnUnreadable = "refuse",
    keep: tuple[str, ...] = (),
    history: Path | None = None,
    threads: int | None = None,
) -> BatchResult:
    """Answer every row of a file, or of several one after the other, in one output.

    Written are the columns ``row`` (counted from 0), those of `keep`, ``prediction``, ``decision``, ``novelty`` and
    ``p_<class>`` of a classifier or ``low``, ``high`` of a regression. Where the model abstains, the prediction is empty, as
    online. The output appears whole or not at all; memory is bounded by a few chunks of rows.

    Parameters
    ----------
    input : CSV, TSV, JSONL or Parquet, also gzipped.
    output : ``.csv``, ``.csv.gz`` or ``.parquet``.
    on_unreadable : a value that cannot be read refuses the job, or counts as missing.
    keep, threads : as in `Answering`.
    history : a file of earlier rows, written as the input is, which the rows of each input see besides those of their own file
        where the model has columns that look back.

    Raises
    ------
    SourceError : the input cannot be read. SchemaMismatch : a value cannot be read, or no column of the model is there.
    BadParameter : the output has another ending, or would replace an input. StoreError : its folder is not there.
    StoreFull : no space is left.
    """
    paths = [input] if isinstance(input, Path) else list(input)
    checked(str(output))
    target = asked(output)
    refuse_overwriting(paths, [target])
    earlier = None if history is None else earlier_rows(bundle, FileInput(history, read_options))
    answering = Answering(bundle, on_unreadable=on_unreadable, keep=keep, earlier=earlier, threads=threads)
    parts = [FilePart(path, path.name, read_options) for path in paths]
    return answer_together(answering, parts, FolderFiles(target.parent), target.name, shown=str(output))


def nothing_to_say(given: Input) -> Sequence[str]:
    """A `Look` that finds nothing."""
    return ()


def answer_together(
    answering: Answering,
    parts: Iterable[Part],
    files: NamedFiles,
    name: str,
    *,
    shown: str = "",
    look: Look = nothing_to_say,
    digests: bool = False,
) -> BatchResult:
    """The answers to all tables, one after the other, in one file, which appears whole or not at all.

    Parameters
    ----------
    shown : what the output is called in the result; default: its name.
    look : looks at each table before it is answered. digests : whether those of the tables are made, too.
    """
    result, tally = BatchResult(), Tally()

    def batches() -> Iterator[pa.RecordBatch]:
        for part in parts:
            result.files.append(part.name)
            with part.opened() as given:
                tally.warnings += look(given)
                if digests:
                    result.digests[part.name] = given.digest()
                yield from answering.answers(given, tally)

    files.put(name, lambda file: write_batches(file, name, answering.schema(), batches()))
    result.add(tally)
    result.outputs.append(shown or name)
    return result


@dataclass
class Each:
    """Answers files one by one, each once: what was answered before is left as it is.

    A file is done where its bytes and the `settings` are those of its record, and its output is still there; with `named` the model must
    be that of the record, too. Everything else is answered, and takes the place of earlier answers to a file of that name.

    Attributes
    ----------
    model : gives the model that answers next and its version; asked before each file.
    settings : JSON: what decides the answers beside the rows and the model.
    named : somebody said which model is to answer. again : nothing counts as done.
    look : looks at each table before it is answered.
    """

    place: Place
    model: Callable[[], tuple[Answering, int | None]]
    settings: Mapping[str, Any]
    named: bool = False
    again: bool = False
    look: Look = nothing_to_say

    def __post_init__(self) -> None:
        self._settings = digest_of_json({"kind": "batch", **self.settings})
        self._records = self.place.records()

    def answer(self, part: Part, result: BatchResult) -> Done | None:
        """Answer one file, unless it is done (None).

        Raises
        ------
        SourceError, SchemaMismatch, StoreError : nothing of it was written.
        BadParameter : its answers would take its own place.
        """
        source, target = getattr(part, "place", None), self.place.path(part.name)
        if source is not None and target is not None:
            refuse_overwriting([source], [target])  # for each, as a link may lead back to what is read
        answering, version = self.model()
        record = self._records.get(part.name)
        if (
            record is not None
            and part.identity
            and part.identity == record.identity
            and self._is_done(record, answering)
        ):
            result.skipped.append(part.name)
            return None
        with ExitStack() as reading:
            given = reading.enter_context(part.opened())
            digest = given.digest()
            if record is not None and digest and digest == record.digest and self._is_done(record, answering):
                result.skipped.append(part.name)
                return None
            tally = Tally(warnings=list(self.look(given)))

            def batches() -> Iterator[pa.RecordBatch]:
                yield from answering.answers(given, tally)
                given.refuse_change()
                reading.close()  # a database may be one that the answers go into: it is read no more when they are written

            def done() -> Done:
                return Done(
                    part.name, digest, part.identity, self._settings, answering.bundle.digest,
                    answering.bundle.signature.model, version, tally.rows, tally.abstained, tally.unreadable,
                    datetime.now(UTC).isoformat(timespec="seconds"),
                )  # fmt: skip

            kept = self.place.keep(part.name, answering.schema(), batches(), done)
        self._records[part.name] = kept
        result.files.append(part.name)
        result.outputs.append(kept.output)
        result.add(tally)
        return kept

    def _is_done(self, record: Done, answering: Answering) -> bool:
        same = record.settings == self._settings and (not self.named or record.bundle == answering.bundle.digest)
        return same and not self.again and self.place.holds(record)


def answer_each(each: Each, parts: Iterable[Part], told: Callable[[Done], None] = lambda done: None) -> BatchResult:
    """Answer files one by one. What was answered stays, also where a later file cannot be."""
    result = BatchResult()
    for part in parts:
        done = each.answer(part, result)
        if done is not None:
            told(done)
    return result


def refuse_overwriting(sources: Iterable[Path], targets: Iterable[Path]) -> None:
    """No answers in the place of rows that are read, under whatever name.

    Raises
    ------
    BadParameter : an output is an input.
    """
    read = {source.resolve() for source in sources}
    for target in targets:
        if target.resolve() in read:
            raise BadParameter(
                f"the output {target} is an input, too",
                why="its rows would be replaced by their answers",
                way_out="write to another file or folder",
            )

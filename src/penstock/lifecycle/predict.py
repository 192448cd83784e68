"""`penstock predict`: rows of any source in, answers out, streamed; the same answers as online, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Literal

from penstock.errors import BadParameter, PenstockError
from penstock.lifecycle.predict_model import PredictModel
from penstock.project.project import Project

if TYPE_CHECKING:
    from penstock.objects.tabular import ReadOptions
    from penstock.serving.batch.done import Done, Place
    from penstock.serving.batch.inputs import Part
    from penstock.serving.batch.job import BatchResult

MAX_NAMED = 10  # files that the text names


@dataclass(frozen=True)
class PredictResult:
    """Outcome of `penstock predict`.

    Attributes
    ----------
    skipped : files that were answered before. refused : files that could not be answered while a folder was watched.
    """

    rows: int
    files: int
    abstained: int
    output: str
    model: str
    version: int | None
    warnings: list[str]
    unreadable: int = 0
    skipped: list[str] = field(default_factory=list)
    refused: list[dict[str, str]] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        return 1 if self.refused else 0

    def to_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "files": self.files,
            "abstained": self.abstained,
            "unreadable": self.unreadable,
            "output": self.output,
            "model": self.model,
            "version": self.version,
            "skipped": self.skipped,
            "refused": self.refused,
            "warnings": self.warnings,
        }

    def to_text(self) -> str:
        by = self.model if self.version is None else f"{self.model} version {self.version}"
        lines = [f"{self.rows} rows of {self.files} file(s) answered by {by}: {self.output}"]
        if self.abstained:
            lines.append(f"  {self.abstained} rows: abstained")
        if self.unreadable:
            lines.append(f"  {self.unreadable} values that cannot be read: taken as missing")
        if self.skipped:
            more = f" and {len(self.skipped) - MAX_NAMED} more" if len(self.skipped) > MAX_NAMED else ""
            lines.append(f"  answered before, left as they are: {', '.join(self.skipped[:MAX_NAMED])}{more}")
        lines += [f"  not answered: {r['input']}: {r['what']}" for r in self.refused]
        return "\n".join([*lines, *(f"  warning: {w}" for w in self.warnings)])


@dataclass(frozen=True)
class Following:
    """That a folder is to be watched.

    Attributes
    ----------
    stop : set when the file in hand is to be the last. every_s : between two looks. quiet_s : so long nobody writes to a whole file.
    told : a line for each file that was answered or refused.
    """

    stop: Event
    every_s: float = 1.0
    quiet_s: float = 2.0
    told: Callable[[str], None] = lambda line: None


def predict_files(
    source: Path | str,
    output: Path | str,
    *,
    project: Project | None = None,
    version: int | None = None,
    bundle: Path | str | None = None,
    query: str = "",
    on_unreadable: Literal["refuse", "missing"] = "refuse",
    keep: Sequence[str] = (),
    history: Path | str | None = None,
    again: bool = False,
    following: Following | None = None,
    header: bool = True,
    columns: tuple[str, ...] | None = None,
    delimiter: str | None = None,
    quote: str | None = None,
    encoding: str = "utf-8",
) -> PredictResult:
    """Answer every row of a source; within a project the rows are held against its contract first.

    Parameters
    ----------
    source : a file, folder, glob, bucket, or a database with ``?table=`` or a `query`.
    output : a file (``.csv``, ``.csv.gz``, ``.parquet``), which appears whole; or a folder, a prefix of a bucket or a table, where the answers
        to each file are kept once: what was answered before is left as it is.
    version : of the project's registry; default: the live one, or the champion, or the newest that passed.
    bundle : a bundle folder; then no project is needed.
    on_unreadable : ``"refuse"`` (an error that names the field, nothing of that file is written) or ``"missing"``.
    keep : columns of the input that go into the output, too.
    history : a file of earlier rows, for columns that look back.
    again : answer also what was answered before.
    following : watch the folder instead of answering what lies there now.
    """
    from penstock.objects.tabular import ReadOptions

    if on_unreadable not in ("refuse", "missing"):
        raise BadParameter(
            f"--unreadable {on_unreadable!r} is unknown",
            why="known are 'refuse' and 'missing'",
            way_out="--unreadable missing",
        )
    options = ReadOptions(header=header, columns=columns, delimiter=delimiter, quote=quote, encoding=encoding)
    if bundle is None:
        project = project or Project.here()
    elif version is not None:
        raise BadParameter(
            "--version and --bundle are both given", why="either names what answers", way_out="leave one of them out"
        )
    model = PredictModel(
        project if bundle is None else None, version, bundle, on_unreadable, tuple(keep), history, options
    )
    job = _Job(str(source), str(output), options, query, model, again)
    if following is not None:
        return job.follow(following)
    return job.do()


@dataclass
class _Job:
    """What is read, where the answers go, and what answers."""

    source: str
    output: str
    options: ReadOptions
    query: str
    model: PredictModel
    again: bool

    def do(self) -> PredictResult:
        """Answer what is there now."""
        from penstock.lifecycle.predict_inputs import find_inputs, places_of, refuse_to_read_answers
        from penstock.project.sections.data import is_database
        from penstock.serving.batch.done import Done, output_name, refuse_one_output
        from penstock.serving.batch.job import answer_each, refuse_overwriting

        found = find_inputs(self.source, self.options, query=self.query, scratch=self._scratch())
        together = self._is_one_file(found.single)
        refuse_to_read_answers(self.source, found.base, self.output)
        if "://" not in self.output:
            read, target = places_of(found.parts), Path(self.output)
            refuse_overwriting(read.values(), [target] if together else [target / output_name(name) for name in read])
        if not together and not is_database(self.output):
            refuse_one_output(part.name for part in found.parts)
        if together:
            done = self._together(found.parts)
        else:
            place, each_done = self._place(), list[Done]()
            try:
                done = answer_each(self._each(place), found.parts, each_done.append)
            finally:  # what was answered stays, also where a later file cannot be
                self._record(place, each_done)
        done.warnings[:0] = found.warnings
        return self._result(done)

    def follow(self, following: Following) -> PredictResult:
        """Answer what comes, until it is said to stop."""
        from penstock.lifecycle.predict_inputs import base_of, refuse_to_read_answers, watched
        from penstock.serving.batch.watching import Watch, follow

        if self._is_one_file(False):
            raise BadParameter(
                f"the answers of a watched folder do not go into one file ({self.output})",
                why="a file is written whole, and it is not known when the last input has come",
                way_out="name a folder, a prefix of a bucket, or a table of a database",
            )
        refuse_to_read_answers(self.source, base_of(self.source), self.output)

        def told(done: Done) -> None:
            self._record(place, [done])
            following.told(f"{done.input}: {done.rows} rows answered by version {done.version}: {done.output}"
                           if done.version is not None else f"{done.input}: {done.rows} rows answered: {done.output}")  # fmt: skip

        def told_refused(name: str, error: PenstockError) -> None:
            following.told(f"{name}: not answered: {error}")

        def told_unseen(error: PenstockError) -> None:
            following.told(f"no new files are seen, and it is tried again: {error}")

        watch = Watch(watched(self.source, self.options, scratch=self._scratch()), following.quiet_s)
        place = self._place()
        each = self._each(place)
        self.model()  # what is wrong with it is told before anything comes
        followed = follow(
            each,
            watch,
            following.stop,
            every_s=following.every_s,
            told=told,
            told_refused=told_refused,
            told_unseen=told_unseen,
        )
        refused = [{"input": n, "code": e.code, "what": e.what} for n, e in sorted(followed.refused.items())]
        return self._result(followed.result, refused)

    def _together(self, parts: Sequence[Part]) -> BatchResult:
        """All answers in one file."""
        from penstock.lifecycle.predict_record import Answered, record_answers
        from penstock.objects.files import asked
        from penstock.serving.batch.job import answer_together

        files, name = self._one_file()
        (answering, version), project = self.model(), self.model.project
        done = answer_together(
            answering, parts, files, name, shown=self.output, look=self.model.look, digests=project is not None
        )
        if project is not None and done.files:
            path = None if "://" in self.output else asked(Path(self.output))
            of, bundle = answering.bundle.signature.model, answering.bundle.digest
            answered = [Answered(n, d, self.output, path, 0, bundle, of, version) for n, d in done.digests.items()]
            answered[0] = replace(answered[0], rows=done.rows)
            record_answers(project, answered)
        return done

    def _record(self, place: Place, done: Sequence[Done]) -> None:
        """In the ledger, where there is one."""
        if self.model.project is None or not done:
            return
        from penstock.lifecycle.predict_record import Answered, record_answers

        record_answers(
            self.model.project,
            [
                Answered(d.input, d.digest, d.output, place.path(d.input), d.rows, d.bundle, d.model, d.version)
                for d in done
            ],
        )

    # ------------------------------------------------------------ where the answers go

    def _is_one_file(self, single: bool) -> bool:
        """Whether the answers go into one file. `single`: the input is one table, rather than files that are answered one by one.

        Raises
        ------
        BadParameter : it looks like a file of a form that cannot be written.
        """
        from penstock.project.sections.data import is_database
        from penstock.serving.batch.writing import ENDINGS, checked

        output = self.output
        local = "://" not in output
        if is_database(output) or output.endswith("/") or (local and Path(output).is_dir()):
            return False
        if output.lower().endswith(ENDINGS) or single or (local and Path(output).suffix):
            checked(output)
            return True
        return False

    def _one_file(self) -> tuple[Any, str]:
        from penstock.objects.files import asked
        from penstock.objects.named import FolderFiles, is_bucket, open_named

        if is_bucket(self.output):
            place, _, name = self.output.rpartition("/")
            return open_named(place), name
        path = asked(Path(self.output))
        return FolderFiles(path.parent), path.name

    def _place(self) -> Place:
        from penstock.objects.named import FolderFiles, open_named
        from penstock.project.sections.data import is_database
        from penstock.serving.batch.done import FilePlace

        if is_database(self.output):
            from penstock.lifecycle.answer_tables import AnswerTable

            table = AnswerTable(self.output)
            if is_database(self.source) and _table_of(self.source) == _table_of(self.output):
                raise BadParameter(
                    f"the output table {table.table!r} is the input, too",
                    why="its rows would be replaced by their answers",
                    way_out="write to another table",
                )
            return table
        files = open_named(self.output)
        if isinstance(files, FolderFiles):
            files.sweep()
        return FilePlace(files)

    def _each(self, place: Place) -> Any:
        from penstock.serving.batch.job import Each

        return Each(
            place,
            self.model,
            self.model.settings(),
            named=self.model.named,
            again=self.again,
            look=self.model.look,
        )

    def _scratch(self) -> Path | None:
        return None if self.model.project is None else self.model.project.state / "fetched"

    def _result(self, done: BatchResult, refused: list[dict[str, str]] | None = None) -> PredictResult:
        answering, number = self.model()
        return PredictResult(
            rows=done.rows,
            files=len(done.files),
            abstained=done.abstained,
            output=self.output,
            model=answering.bundle.signature.model,
            version=number,
            warnings=done.warnings,
            unreadable=done.unreadable,
            skipped=done.skipped,
            refused=refused or [],
        )


def _table_of(url: str) -> tuple[str, str]:
    """A database without its options, and the table that a URL names."""
    from penstock.data.sources.databases import without_table

    database, table = without_table(url)
    return database.partition("?")[0], table

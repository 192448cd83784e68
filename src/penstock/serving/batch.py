"""The batch job: files in, answers out, streamed, and bit for bit what a server answers to the same rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast

import numpy as np

from penstock.bundle.answers import ANSWER, Answers
from penstock.bundle.decoder import Decoder
from penstock.bundle.frame import Frame
from penstock.bundle.history import History
from penstock.bundle.runtime import Bundle
from penstock.bundle.specs import EncodedColumn, Problem
from penstock.bundle.values import class_text
from penstock.errors import BadParameter, SchemaMismatch, SourceError
from penstock.objects.files import asked, atomic_file

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.objects.tabular import Detected, ReadOptions

OnUnreadable = Literal["refuse", "missing"]
_SUFFIXES = (".csv", ".csv.gz", ".parquet")
_TABLES = frozenset({".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json", ".parquet"})
_BATCH_ROWS = 50_000


@dataclass(slots=True)
class BatchResult:
    """What a batch job did.

    Attributes
    ----------
    rows, abstained : rows in all, and those for which the model abstained.
    unreadable : values that were taken as missing because they could not be read (`on_unreadable="missing"`).
    files, outputs : what was read and what was written.
    """

    rows: int = 0
    abstained: int = 0
    unreadable: int = 0
    files: list[Path] = field(default_factory=list)
    outputs: list[Path] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def predict_files(
    bundle: Bundle,
    input: Path,  # noqa: A002  # as the option is called
    output: Path,
    *,
    read_options: ReadOptions | None = None,
    on_unreadable: OnUnreadable = "refuse",
    history: Path | None = None,
) -> BatchResult:
    """Answer every row of a file, or of all files of a folder in the order of their names.

    Written are the columns ``row`` (counted from 0 in each output), ``prediction``, ``decision``, ``novelty`` and ``p_<class>``
    of a classifier or ``low``, ``high`` of a regression. Where the model abstains, the prediction is empty, as online. The output appears whole or not at all; memory is bounded by one chunk of rows.

    Parameters
    ----------
    input : CSV, TSV, JSONL or Parquet, also gzipped; or a folder of such files, where other files are left out with a
        warning.
    output : ``.csv``, ``.csv.gz`` or ``.parquet``; for a folder also a folder, which gets one file for each.
    on_unreadable : a value that cannot be read refuses the job, or counts as missing.
    history : a file of earlier rows, written as the input is, which the rows of each input see besides those of their own file
        where the model has columns that look back.

    Raises
    ------
    SourceError : the input cannot be read. SchemaMismatch : a value cannot be read, or no column of the model is there.
    BadParameter : the output has another ending, or would replace an input. StoreError : its folder is not there.
    StoreFull : no space is left.
    """
    from penstock.objects.tabular import ReadOptions

    options = read_options or ReadOptions()
    result = BatchResult()
    asked(Path(output))
    jobs = _jobs(Path(input), Path(output), result)
    _refuse_overwriting(jobs)
    earlier = None if history is None else _earlier(bundle, history, options)
    for sources, target in jobs:
        job = _Job(bundle, options, on_unreadable, result, earlier)
        with _writer(target, job.schema()) as write:
            for source in sources:
                job.read(source, write)
        result.outputs.append(target)
    return result


def tables_of(source: Path) -> list[Path]:
    """The files that are answered: the one, or those of a folder that are tables by their names."""
    if not source.is_dir():
        return [source]
    return sorted(p for p in source.iterdir() if p.is_file() and not p.name.startswith(".") and _is_table(p))


def _jobs(source: Path, output: Path, result: BatchResult) -> list[tuple[list[Path], Path]]:
    """Which files go into which output."""
    if not source.is_dir():
        return [([source], _checked(output))]
    there = sorted(path for path in source.iterdir() if path.is_file() and not path.name.startswith("."))
    files = [path for path in there if _is_table(path)]
    if not files:
        raise SourceError(
            f"{source} holds no tables",
            why=f"no file in it ends in {', '.join(sorted(_TABLES))}" if there else "the folder is empty",
            way_out="name the folder with the data, or one file of it",
        )
    result.warnings += [f"{path.name}: no table by its ending: left out" for path in there if path not in files]
    if output.suffix and not output.is_dir():
        return [(files, _checked(output))]
    targets = [output / f"{path.name}{'.parquet' if path.suffix == '.parquet' else '.csv'}" for path in files]
    return [([path], _without_double(target)) for path, target in zip(files, targets, strict=True)]


def _is_table(path: Path) -> bool:
    """Whether the name says that the file holds rows; ``rows.csv.gz`` is named as ``rows.csv``."""
    name = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return name.suffix.lower() in _TABLES


def _refuse_overwriting(jobs: list[tuple[list[Path], Path]]) -> None:
    """No answers in the place of rows that are read, under whatever name."""
    sources = {source.resolve() for files, _ in jobs for source in files}
    for _, target in jobs:
        if target.resolve() in sources:
            raise BadParameter(
                f"the output {target} is an input, too",
                why="its rows would be replaced by their answers",
                way_out="write to another file or folder",
            )


def _without_double(path: Path) -> Path:
    """``a.csv.csv`` is ``a.csv``."""
    first, _, last = path.name.rpartition(".")
    return path.with_name(first) if first.endswith("." + last) else path


def _checked(output: Path) -> Path:
    if output.name.lower().endswith(_SUFFIXES):
        return output
    raise BadParameter(
        f"the output {output.name!r} has an ending that is not known",
        why=f"the ending says what is written: {', '.join(_SUFFIXES)}",
        way_out=f"write {output.stem or 'answers'}.csv",
    )


class _Job:
    """Reads the files of one output, row by row in order."""

    def __init__(
        self,
        bundle: Bundle,
        options: ReadOptions,
        on_unreadable: OnUnreadable,
        result: BatchResult,
        earlier: Frame | None = None,
    ) -> None:
        self._earlier = earlier
        self._bundle, self._options, self._on_unreadable, self._result = bundle, options, on_unreadable, result
        signature = bundle.signature
        self._inputs = [column.name for column in signature.columns]
        specs = [bundle.decoder.spec(name) for name in self._inputs]
        subjects = {spec.privacy.subject for spec in specs if spec.privacy is not None} - {"", *self._inputs}
        self._read = [
            *self._inputs,
            *sorted(subjects),
        ]  # dates may be shifted by the value of a column that is no input
        self._known = {*(spec.name for spec in bundle.decoder.columns), signature.target.name}
        self._classes = signature.target.classes
        self._row = 0

    def read(self, path: Path, write: Callable[[pa.RecordBatch], None]) -> None:
        from penstock.objects.tabular import detect, text_batches

        detected = detect(path, self._options)
        behind = self._behind(detected, text_batches(path, detected, _BATCH_ROWS))
        self._check_columns(path, (*detected.names, *behind))
        self._result.files.append(path)
        first = 0
        for batch in text_batches(path, detected, _BATCH_ROWS):
            write(self._answers(path, batch, first, behind))
            first += batch.num_rows

    def schema(self) -> pa.Schema:
        import pyarrow as pa

        more = [(f"p_{class_text(label)}", pa.float64()) for label in self._classes]
        if not self._classes:
            more = [("low", pa.float64()), ("high", pa.float64())]
        return pa.schema(
            [
                ("row", pa.int64()),
                ("prediction", _class_type(self._classes)),
                ("decision", pa.string()),
                ("novelty", pa.float64()),
                *more,
            ]
        )

    def _check_columns(self, path: Path, names: tuple[str, ...]) -> None:
        there = set(names)
        absent = [name for name in self._inputs if name not in there]
        if len(absent) == len(self._inputs):
            raise SchemaMismatch(
                f"{path.name} has no column of the model",
                why=f"it has {_listed(names)}; the model takes {_listed(self._inputs)}",
                way_out="name its columns in the first line, or say --no-header and name them with --columns",
            )
        if absent:
            self._result.warnings.append(f"{path.name}: no column {_listed(absent)}: all missing")
        extra = [name for name in names if name not in self._known]
        if extra:
            self._result.warnings.append(f"{path.name}: column {_listed(extra)} is unknown to the model: ignored")

    def _behind(self, detected: Detected, batches: Iterator[pa.RecordBatch]) -> dict[str, np.ndarray]:
        """The columns that look back and that the file does not have, by name: each row sees the earlier rows of the file."""
        history = self._bundle.decoder.history
        if history is None:
            return {}
        there = set(detected.names)
        able = [p for p in history.columns if p.name not in there and there.issuperset(p.needs)]
        if not able:
            return {}
        earlier = self._earlier
        read = Decoder(
            tuple(s for s in history.specs if s.name in there and (earlier is None or s.name in earlier)), None
        )
        able = [past for past in able if set(past.needs) <= {spec.name for spec in read.columns}]
        frames = [_looked_at(read, batch) for batch in batches]
        if not frames or not able:
            return {}
        before = 0 if earlier is None else len(earlier)
        if earlier is not None:
            frames.insert(0, earlier.select([spec.name for spec in read.columns]))
        frame = History(tuple(able), history.specs).onto(Frame.concat(frames))
        return {past.name: frame[past.name][before:] for past in able}

    def _answers(
        self, path: Path, batch: pa.RecordBatch, first: int, behind: Mapping[str, np.ndarray]
    ) -> pa.RecordBatch:
        columns = {name: _encoded(batch.column(name)) for name in self._read if name in batch.schema.names}
        frame, problems = self._bundle.decoder.decode_columns(columns)
        for name, values in behind.items():
            frame.columns[name] = values[first : first + len(frame)]
        if problems and self._on_unreadable == "refuse":
            raise _unreadable(path, problems[0], first, len(problems))
        answers = self._bundle.predict_frame(frame)
        self._result.rows += len(answers)
        self._result.abstained += int((answers.decision != ANSWER).sum())
        self._result.unreadable += len(problems)
        rows = self._row + np.arange(len(answers))
        self._row += len(answers)
        return self._table(answers, rows)

    def _table(self, answers: Answers, rows: np.ndarray) -> pa.RecordBatch:
        import pyarrow as pa

        schema = self.schema()
        withheld = answers.decision != ANSWER  # (n,)
        decisions = pa.array(["answer", "abstain"]).take(pa.array(withheld.astype(np.int8)))
        if answers.probabilities is not None and answers.label is not None:
            labels = pa.array(answers.label, mask=withheld)
            prediction = pa.array(_plain(self._classes), schema.field("prediction").type).take(labels)
            content = [answers.probabilities[:, k].astype(np.float64) for k in range(len(self._classes))]
        else:
            prediction = pa.array(answers.value, mask=withheld)
            nothing = np.full(len(answers), np.nan)
            content = [nothing if bound is None else bound for bound in (answers.low, answers.high)]
        more = [pa.array(values, mask=np.isnan(values)) for values in content]
        novelty = pa.array(answers.novelty.astype(np.float64))
        return pa.RecordBatch.from_arrays([pa.array(rows), prediction, decisions, novelty, *more], schema=schema)


def _looked_at(read: Decoder, batch: pa.RecordBatch) -> Frame:
    return read.decode_columns({spec.name: _encoded(batch.column(spec.name)) for spec in read.columns})[0]


def _earlier(bundle: Bundle, path: Path, options: ReadOptions) -> Frame:
    """What columns that look back read of a file of earlier rows.

    Raises
    ------
    SchemaMismatch : the model does not look back, or no such column can be worked out from the file.
    """
    from penstock.objects.tabular import detect, text_batches

    history = bundle.decoder.history
    if history is None:
        raise SchemaMismatch(
            "the model has no column that looks back at earlier rows",
            why="so that no history says anything to it",
            way_out="leave --history out; such columns are declared as [history] in penstock.toml",
        )
    detected = detect(path, options)
    read = Decoder(tuple(spec for spec in history.specs if spec.name in detected.names), None)
    there = {spec.name for spec in read.columns}
    if not any(there.issuperset(past.needs) for past in history.columns):
        raise SchemaMismatch(
            f"the history {path.name} has nothing to look back at",
            why=f"it has {_listed(detected.names)}; columns that look back read {_listed([s.name for s in history.specs])}",
            way_out="give earlier rows with the columns of key, time and value",
        )
    frames = [_looked_at(read, batch) for batch in text_batches(path, detected, _BATCH_ROWS)]
    return Frame.concat(frames) if frames else Frame({}, {}, 0)


def _encoded(column: pa.Array) -> EncodedColumn:
    import pyarrow.compute as pc

    encoded = pc.dictionary_encode(column)
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    return EncodedColumn(encoded.dictionary.to_pylist(), codes)


def _class_type(classes: tuple[Any, ...]) -> pa.DataType:
    """The Arrow type of a prediction: the target's own, or text where the classes are of several types."""
    import pyarrow as pa

    types: Mapping[type, pa.DataType] = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
    if not classes:
        return pa.float64()
    kinds = {type(label) for label in classes}
    return types[kinds.pop()] if len(kinds) == 1 else pa.string()


def _plain(classes: tuple[Any, ...]) -> list[Any]:
    return list(classes) if len({type(label) for label in classes}) == 1 else [class_text(label) for label in classes]


def _unreadable(path: Path, problem: Problem, first: int, count: int) -> SchemaMismatch:
    more = f" (and {count - 1} more values among these rows)" if count > 1 else ""
    return SchemaMismatch(
        f"{path.name}: row {first + problem.row}, column {problem.column!r} cannot be read{more}",
        why=problem.why,
        way_out="put the file right, or say --unreadable missing to take such values as missing",
    )


def _listed(names: tuple[str, ...] | list[str], limit: int = 8) -> str:
    return ", ".join(map(repr, names[:limit])) + (f" and {len(names) - limit} more" if len(names) > limit else "")


@contextmanager
def _writer(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """Writes batches to a file that takes its name when all are written."""
    with atomic_file(path) as file:
        if path.name.lower().endswith(".parquet"):
            import pyarrow.parquet as pq

            with pq.ParquetWriter(file, schema) as writer:
                yield writer.write_batch
        elif path.name.lower().endswith(".gz"):
            import gzip

            with gzip.GzipFile(fileobj=file, mode="wb", mtime=0, filename="") as zipped:
                yield _csv_into(cast("BinaryIO", zipped), schema)
        else:
            yield _csv_into(file, schema)


def _csv_into(file: BinaryIO, schema: pa.Schema) -> Callable[[pa.RecordBatch], None]:
    import pyarrow.csv as pacsv

    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(schema.names)
    file.write(header.getvalue().encode())
    options = pacsv.WriteOptions(include_header=False, quoting_style="needed")

    def write(batch: pa.RecordBatch) -> None:
        pacsv.write_csv(batch, file, options)

    return write

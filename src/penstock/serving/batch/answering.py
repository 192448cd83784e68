"""From the rows of a table to their answers, in order, on all cores: every batch is read, decoded and answered by itself."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from penstock.bundle.answers import ANSWER, Answers
from penstock.bundle.decoder import Decoder
from penstock.bundle.frame import Frame
from penstock.bundle.kinds import Kind
from penstock.bundle.runtime import Bundle
from penstock.bundle.specs import Problem
from penstock.bundle.values import class_text
from penstock.errors import BadParameter, SchemaMismatch
from penstock.serving.batch.columns import encoded, listed
from penstock.serving.batch.history import behind
from penstock.serving.batch.inputs import Input
from penstock.serving.batch.numbers import may_be_plain, plain_numbers

if TYPE_CHECKING:
    import pyarrow as pa

OnUnreadable = Literal["refuse", "missing"]
ENOUGH_ROWS = 4_096
BATCH_BYTES = 16 * 1024 * 1024
"""Rows that are read are put together until there are as many, or as many bytes of them, and worked on at a time."""
_MOST_THREADS = 8
DEEP = 2
"""Batches under way for each thread, so that none waits while answers are written and rows are read."""


@dataclass(slots=True)
class Tally:
    """What became of the rows of one output.

    Attributes
    ----------
    rows, abstained : rows in all, and those for which the model abstained.
    unreadable : values that were taken as missing because they could not be read.
    """

    rows: int = 0
    abstained: int = 0
    unreadable: int = 0
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Rows to be answered: `first` is the place of the first among those of its table, `row` among those of the output."""

    batch: pa.RecordBatch
    first: int
    row: int


@dataclass(frozen=True, slots=True)
class _Answered:
    table: pa.RecordBatch
    abstained: int
    unreadable: int


class Answering:
    """Answers tables with one bundle.

    Parameters
    ----------
    keep : columns of the input that go into the output as they are, in front of the answers.
    earlier : rows that columns which look back see besides those of each table; see `penstock.serving.batch.history`.
    threads : batches that are worked on at once; default: one for each core, 8 at most. Each is answered on one thread, so that
        their number changes no bit.

    Raises
    ------
    BadParameter : a personal column is to be kept, or one that has the name of an answer.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        on_unreadable: OnUnreadable = "refuse",
        keep: tuple[str, ...] = (),
        earlier: Frame | None = None,
        threads: int | None = None,
    ) -> None:
        self.bundle = bundle
        self._on_unreadable, self._keep, self._earlier = on_unreadable, keep, earlier
        self._threads = threads or min(_MOST_THREADS, _cores())
        signature, decoder = bundle.signature, bundle.decoder
        self._inputs = [column.name for column in signature.columns]
        self._specs = {name: decoder.spec(name) for name in self._inputs}
        subjects = {spec.privacy.subject for spec in self._specs.values() if spec.privacy is not None}
        self._subjects = sorted(subjects - {"", *self._inputs})  # dates may be shifted by a column that is no input
        self._known = {*(spec.name for spec in decoder.columns), signature.target.name, *keep}
        self._classes = signature.target.classes
        self._decoders: dict[tuple[str, ...], Decoder] = {}
        looked_at = {name for past in decoder.history.columns for name in past.needs} if decoder.history else set()
        self._plain = {name: spec for name, spec in self._specs.items() if may_be_plain(spec)}
        # Float32 of a file is not the double that its text is; to the graph they are one, but not to who compares doubles.
        self._numbers = {
            name for name, spec in self._plain.items() if not spec.missing and name not in {*looked_at, *keep}
        }
        self._refuse_kept(bundle)

    def schema(self) -> pa.Schema:
        """The columns of the output."""
        import pyarrow as pa

        return pa.schema([("row", pa.int64()), *((name, pa.string()) for name in self._keep), *self._answer_fields()])

    def answers(self, given: Input, tally: Tally) -> Iterator[pa.RecordBatch]:
        """The answers to a table, batch by batch; rows are counted on from `tally.rows`.

        Raises
        ------
        SourceError : it cannot be read. SchemaMismatch : it has no column of the model, or a value cannot be read.
        """
        looking_back = behind(self.bundle.decoder.history, given, self._earlier)
        self._check_columns(given, (*given.names, *looking_back), tally)

        def asked() -> Iterator[_Asked]:
            first, start = 0, tally.rows
            for batch in larger(given.batches(self._numbers)):
                yield _Asked(batch, first, start + first)
                first += batch.num_rows

        def answer(rows: _Asked) -> _Answered:
            return self._answer(given.name, rows, looking_back)

        for part in in_order(answer, asked(), self._threads):
            tally.rows += part.table.num_rows
            tally.abstained += part.abstained
            tally.unreadable += part.unreadable
            yield part.table

    def _answer_fields(self) -> list[tuple[str, Any]]:
        import pyarrow as pa

        more = [(f"p_{class_text(label)}", pa.float64()) for label in self._classes]
        if not self._classes:
            more = [("low", pa.float64()), ("high", pa.float64())]
        return [
            ("prediction", _class_type(self._classes)),
            ("decision", pa.string()),
            ("novelty", pa.float64()),
            *more,
        ]

    def _refuse_kept(self, bundle: Bundle) -> None:
        personal = {spec.name for spec in bundle.decoder.columns if spec.privacy is not None}
        taken = {"row", *(name for name, _ in self._answer_fields())} if self._keep else set()
        for name in self._keep:
            if name in personal:
                raise BadParameter(
                    f"the personal column {name!r} does not go into the answers",
                    why="its values are protected on the way in, and nothing behind that shows them as they were",
                    way_out="keep another column that names the row",
                )
            if name in taken:
                raise BadParameter(
                    f"the answers have a column {name!r} of their own",
                    why="two columns of an output cannot have one name",
                    way_out="rename it in the input",
                )

    def _check_columns(self, given: Input, names: tuple[str, ...], tally: Tally) -> None:
        there = set(names)
        absent = [name for name in self._inputs if name not in there]
        if len(absent) == len(self._inputs):
            raise SchemaMismatch(
                f"{given.name} has no column of the model",
                why=f"it has {listed(names)}; the model takes {listed(self._inputs)}",
                way_out="name its columns in the first line, or say --no-header and name them with --columns",
            )
        lost = [name for name in self._keep if name not in there]
        if lost:
            raise SchemaMismatch(
                f"{given.name} has no column {listed(lost)}, which is to be kept",
                why=f"it has {listed(names)}",
                way_out="name columns of the input with --keep",
            )
        if absent:
            tally.warnings.append(f"{given.name}: no column {listed(absent)}: all missing")
        extra = [name for name in names if name not in self._known]
        if extra:
            tally.warnings.append(f"{given.name}: column {listed(extra)} is unknown to the model: ignored")

    def _answer(self, name: str, asked: _Asked, looking_back: Mapping[str, np.ndarray]) -> _Answered:
        frame, problems = self._decoded(asked.batch)
        for column, values in looking_back.items():
            frame.columns[column] = values[asked.first : asked.first + len(frame)]
            frame.kinds[column] = Kind.NUMERIC
        if problems and self._on_unreadable == "refuse":
            raise _unreadable(name, problems[0], asked.first, len(problems))
        if self._on_unreadable == "refuse" and (lacks := self.bundle.missing_where_refused(frame)) is not None:
            raise _lacking(name, asked.first + lacks[0], lacks[1])
        answers = self.bundle.predict_frame(frame)
        withheld = int((answers.decision != ANSWER).sum())
        return _Answered(self._table(answers, asked), withheld, len(problems))

    def _decoded(self, batch: pa.RecordBatch) -> tuple[Frame, list[Problem]]:
        """The columns of the model that are there. Plain numbers are read at once, all others by the decoder."""
        there = set(batch.schema.names)
        plain: dict[str, np.ndarray] = {}
        for name, spec in self._plain.items():
            if name in there:
                numbers = plain_numbers(batch.column(name), spec)
                if numbers is not None:
                    plain[name] = numbers
        rest = tuple(name for name in self._inputs if name in there and name not in plain)
        columns = {name: encoded(batch.column(name)) for name in (*rest, *self._subjects) if name in there}
        frame, problems = self._decoder_of(rest).decode_columns(columns)
        kinds = dict(frame.kinds) | {name: spec.kind for name, spec in self._plain.items() if name in plain}
        return Frame({**frame.columns, **plain}, kinds, batch.num_rows), problems

    def _decoder_of(self, names: tuple[str, ...]) -> Decoder:
        if names not in self._decoders:
            specs = tuple(spec for spec in self.bundle.decoder.columns if spec.name in names)
            self._decoders[names] = replace(self.bundle.decoder, columns=specs, target=None, history=None)
        return self._decoders[names]

    def _table(self, answers: Answers, asked: _Asked) -> pa.RecordBatch:
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
        rows = pa.array(asked.row + np.arange(len(answers)))
        kept = [asked.batch.column(name).cast(pa.string()) for name in self._keep]
        return pa.RecordBatch.from_arrays([rows, *kept, prediction, decisions, novelty, *more], schema=schema)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def larger(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches put together until they are worth the overhead of one."""
    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        if waiting and batch.schema != waiting[0].schema:  # a column of a file may be text from some place on
            yield _joined(waiting)
            waiting, rows, size = [], 0, 0
        waiting.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if rows >= ENOUGH_ROWS or size >= BATCH_BYTES:
            yield _joined(waiting)
            waiting, rows, size = [], 0, 0
    if rows:
        yield _joined(waiting)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    import pyarrow as pa

    if len(batches) == 1:
        return batches[0]
    table = pa.Table.from_batches(batches).unify_dictionaries().combine_chunks()
    return pa.RecordBatch.from_arrays([c.chunk(0) for c in table.columns], names=table.schema.names)


def in_order(work: Callable[[Any], Any], items: Iterator[Any], threads: int) -> Iterator[Any]:
    """What `work` makes of each item, in order; at most `DEEP` items for each thread are under way, and one more."""
    if threads == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="answering") as pool:
        waiting: deque[Future[Any]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > DEEP * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for left in waiting:
                left.cancel()


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


def _lacking(name: str, row: int, column: str) -> SchemaMismatch:
    return SchemaMismatch(
        f"{name}: row {row}, column {column!r} is missing",
        why=f'the model was declared with [serving.missing] {column} = "refuse"',
        way_out="put the file right, or say --unreadable missing to have it filled as in training",
    )


def _unreadable(name: str, problem: Problem, first: int, count: int) -> SchemaMismatch:
    more = f" (and {count - 1} more values among these rows)" if count > 1 else ""
    return SchemaMismatch(
        f"{name}: row {first + problem.row}, column {problem.column!r} cannot be read{more}",
        why=problem.why,
        way_out="put the file right, or say --unreadable missing to take such values as missing",
    )

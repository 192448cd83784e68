"""`penstock recipe fit | apply`: a recipe alone, without a learner: fitted on training rows, applied to any table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.errors import BadParameter
from penstock.lifecycle.own_steps import use_steps
from penstock.lifecycle.recipes import SUITS, head_of, plan_of, recipe_of, tail_of
from penstock.lifecycle.rows import of_inputs
from penstock.lifecycle.sentence_models import keep_files, keep_with
from penstock.lifecycle.stages import CODE, Context
from penstock.project.project import Project

if TYPE_CHECKING:
    import numpy as np

    from penstock.bundle.decoder import Decoder
    from penstock.bundle.frame import Frame
    from penstock.data.source import Source
    from penstock.ledger.record import RunRecord
    from penstock.ledger.run import Run

OPERATION = "features"
CHUNK_ROWS = 4_096
CHUNK_CHARACTERS = 1_000_000
LARGE = 1_000_000
"""Bytes from which the size of a graph is told."""
NARROW = 10
"""Rows for each feature below which a model may learn them by heart."""


def features(context: Context, run: Run, inputs: dict[str, Any], params: dict[str, Any]) -> None:
    """Stage `features`: fit a recipe, finished for a learner, on the training rows of a data-set version, or as many as fit into memory."""
    from penstock.features.fit import fit_recipe
    from penstock.features.recipe import Recipe

    rows = of_inputs(context, inputs)
    frame, y = rows.train
    tail = tail_of(params["learner"], context.project)
    recipe = Recipe.parse(params["recipe"], name="the recipe")
    if recipe.steps:
        use_steps(context.objects, recipe.steps)
    keep_with(run, context.objects, recipe)
    specs, task = rows.decoder.columns, rows.target.task
    fitted = fit_recipe(recipe, tail, frame, specs, y, task, params["seed"], **rows.ties)
    keep_files(run, fitted.layout.files)
    run.keep("graph", fitted.model(), media="application/onnx")
    described = {"format": 1, "layout": fitted.layout.to_json(), "names": list(fitted.names), "rows": len(frame)}
    described["choices"] = [selection.to_json() for selection in fitted.selections]
    described["costs"] = fitted.costs.to_json()
    run.keep("features", json.dumps(described, sort_keys=True).encode(), media="application/json")
    run.output("width", fitted.width)
    run.output("rows", len(frame))


@dataclass(frozen=True)
class Fitted:
    """A recipe that was fitted, as the ledger keeps it."""

    recipe: str
    learner: str | None
    run: str
    rows: int
    names: list[str]
    graph: bytes
    layout: dict[str, Any]
    known: bool
    choices: list[dict[str, Any]]
    costs: dict[str, Any]
    sampled: tuple[str, ...] = ()

    exit_code = 0

    @property
    def inputs(self) -> list[str]:
        """The columns of the table that a prediction needs."""
        return [*self.layout["numbers"], *self.layout["strings"], *self.layout["times"]]

    @property
    def offsets(self) -> dict[str, float]:
        """What is subtracted of columns of numbers before they become float32."""
        return dict(self.layout.get("offsets", {}))

    @property
    def warnings(self) -> list[str]:
        """What a person should know about the width."""
        if len(self.names) * NARROW <= self.rows:
            return [*self.sampled]
        return [
            *self.sampled,
            f"{len(self.names):,} features for {self.rows:,} training rows: with fewer than {NARROW} rows for each, most"
            " learners find patterns that are not there; keep rarer values together (min_frequency, min_df, max_features),"
            " hash, or leave columns out",
        ]

    def to_json(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe,
            "learner": self.learner,
            "run": self.run,
            "known": self.known,
            "rows": self.rows,
            "width": len(self.names),
            "features": self.names,
            "inputs": self.inputs,
            "offsets": self.offsets,
            "selection": self.choices,
            "costs": self.costs,
            "size_bytes": len(self.graph),
            "warnings": self.warnings,
        }

    def to_text(self) -> str:
        from penstock.bundle.numbers import number_text
        from penstock.features.language import one_line

        finish = SUITS if self.learner is None else self.learner
        lines = [
            f"{self.recipe}, finished for {finish}: {len(self.names):,} features from {self.rows:,} training rows (run {self.run})",
            *(f"  {one_line(name)}" for name in self.names[:40]),
        ]
        if len(self.names) > 40:
            lines.append(f"  and {len(self.names) - 40:,} more")
        lines += [
            f"{one_line(name)} is taken less {number_text(offset)}, so that its numbers stay different in float32"
            for name, offset in self.offsets.items()
        ]
        lines += [line for selection in self.choices for line in _selected(selection)]
        if len(self.graph) >= LARGE:
            lines.append(f"the graph has {len(self.graph) / 1e6:,.1f} MB, and each bundle that is made of it as many")
        if self.costs["columns"] or self.costs["saved"]:
            lines.append(_priced(self.costs))
        return "\n".join([*lines, *(f"  warning: {warning}" for warning in self.warnings)])


def fit(project: Project, file: Path | None = None, learner: str | None = None, output: Path | None = None) -> Fitted:
    """Fit a recipe on the training rows; what is known is not fitted again.

    Parameters
    ----------
    learner : whose tail finishes the recipe; by default numbers stay as they are and categories become codes.
    output : a file for the graph (ONNX).

    Raises
    ------
    RecipeError : the recipe is wrong, with line and column.
    """
    from penstock.data.versions import load_version
    from penstock.lifecycle.limits import row_limit, told
    from penstock.objects.files import write_asked

    name, recipe = recipe_of(project, file)
    dataset = head_of(project)
    version = load_version(project.objects, dataset)
    plan_of(project, recipe)  # with the places of the user's own text
    tail_of(learner, project)
    params = {"recipe": recipe.canonical(), "learner": learner, "seed": 0}
    inputs: dict[str, Any] = {"dataset": dataset, **row_limit(Context(project), dataset)}
    limit, rows = inputs.get("max_rows"), version.rows["train"]
    ledger = project.ledger
    record: RunRecord | None = ledger.find(OPERATION, ledger.key_of(OPERATION, inputs, params, CODE[OPERATION]))
    known = record is not None and ledger.intact(record)
    if record is None or not known:
        with ledger.run(
            OPERATION, inputs=inputs, params=params, code=CODE[OPERATION], seed=0, project=project.name
        ) as run:
            features(Context(project), run, inputs, params)
        record = ledger.get(run.id)
    described = json.loads(project.objects.get(record.artifacts["features"]["digest"]))
    graph = project.objects.get(record.artifacts["graph"]["digest"])
    if output is not None:
        write_asked(output, graph)
    return Fitted(
        name, learner, record.id, described["rows"], described["names"], graph, described["layout"], known,
        described["choices"], described["costs"], () if limit is None or limit >= rows else (told("training", limit, rows),),
    )  # fmt: skip


def _selected(selection: dict[str, Any]) -> list[str]:
    """What a step chose, the dropped columns with the reason."""
    from penstock.features.language import one_line

    columns = selection["columns"]
    dropped = [column for column in columns if not column["kept"]]
    lines = [f"{selection['step']} keeps {len(columns) - len(dropped):,} of {len(columns):,}"]
    lines += [f"  dropped {one_line(column['name'])}: {column['why']}" for column in dropped[:40]]
    return [*lines, f"  and {len(dropped) - 40:,} more"] if len(dropped) > 40 else lines


def _priced(costs: dict[str, Any]) -> str:
    unit = f" {costs['unit']}" if costs["unit"] else ""
    told = ", ".join(f"{name} {cost:g}" for name, cost in costs["columns"].items())
    line = f"one prediction costs {costs['total']:g}{unit} of inputs" + (f" ({told})" if told else "")
    saved = ", ".join(costs["saved"])
    return line + (
        f"; not asked for: {saved}, which would cost {sum(costs['saved'].values()):g}{unit}" if saved else ""
    )


@dataclass(frozen=True)
class Applied:
    """Rows of a table as features."""

    file: str
    output: str
    run: str
    rows: int
    width: int
    unreadable: int
    test_rows: int
    lost: tuple[str, ...] = ()

    exit_code = 0

    @property
    def warnings(self) -> list[str]:
        said = [*self.lost]
        if self.test_rows:
            said.append(
                f"{self.test_rows} of these rows are sealed test rows of this project: a model that is trained on them has"
                " seen its exam"
            )
        if self.unreadable:
            said.append(f"{self.unreadable} values cannot be read as the data set declares them; they are missing")
        return said

    def to_json(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "output": self.output,
            "run": self.run,
            "rows": self.rows,
            "width": self.width,
            "unreadable": self.unreadable,
            "test_rows": self.test_rows,
            "warnings": self.warnings,
        }

    def to_text(self) -> str:
        text = f"{self.rows:,} rows of {self.file} as {self.width:,} features: {self.output}"
        return "\n".join([text, *(f"  warning: {warning}" for warning in self.warnings)])


def apply(
    project: Project, table: Path, output: Path, recipe: Path | None = None, learner: str | None = None
) -> Applied:
    """Features of the rows of a table that is written as the declared source is, as CSV or Parquet; fitted on training rows.

    The table is read, and the features are written, a batch at a time: it may be larger than memory. Where the data set has columns that look
    back it is read twice: what they read is held of all rows, as each sees the ones before it, and nothing else.

    Raises
    ------
    SourceError : the table cannot be read. BadParameter : the output is neither .csv nor .parquet.
    """
    from penstock.data.append import find_returned
    from penstock.data.digits import kept
    from penstock.data.sources.file import FileSource
    from penstock.data.versions import load_memory, load_version
    from penstock.lifecycle.ingest import declared_ingest
    from penstock.objects.tabular import ReadOptions

    if output.suffix not in (".csv", ".parquet"):
        raise BadParameter(
            f"--output {output.name} is neither .csv nor .parquet",
            why="features are written in one of these",
            way_out=f"--output {output.stem or 'features'}.parquet",
        )
    fitted = fit(project, recipe, learner)
    version = load_version(project.objects, head_of(project))
    declared = declared_ingest(project)["options"]
    columns = None if declared["columns"] is None else tuple(declared["columns"])
    found = _Found()
    memory, decoder = load_memory(project.objects, version), version.keyed(project.ledger).decoder
    source = FileSource(table, ReadOptions(**{**declared, "columns": columns}))
    behind = _behind(decoder, source)

    def frames() -> Iterator[Frame]:
        for batch in source.batches():
            frame, problems = decoder.decode_columns(batch.columns)
            for name, values in behind.items():
                frame.columns[name] = values[found.rows : found.rows + len(frame)]
            if not found.rows:
                found.lost = tuple(
                    f"{name}: {told}"
                    for name in fitted.layout["numbers"]
                    for told in kept(frame[name], fitted.offsets.get(name, 0.0)).told(name)
                )
            found.rows += len(frame)
            found.unreadable += len(problems)
            found.test_rows += find_returned(project.ledger, version, memory, frame)
            yield frame

    _write(project, output, fitted, frames())
    return Applied(
        table.name,
        str(output),
        fitted.run,
        found.rows,
        len(fitted.names),
        found.unreadable,
        found.test_rows,
        found.lost,
    )


@dataclass
class _Found:
    """Counts of the rows of a table."""

    rows: int = 0
    unreadable: int = 0
    test_rows: int = 0
    lost: tuple[str, ...] = ()  # of the first batch


def _behind(decoder: Decoder, source: Source) -> dict[str, np.ndarray]:
    """The columns that look back, float64 (n,) by name: of rows that see all earlier ones of their table."""
    from penstock.bundle.frame import Frame

    history = decoder.history
    names = set() if history is None else {*history.names, *(name for past in history.columns for name in past.needs)}
    if history is None or names.isdisjoint(source.names):
        return {}
    own = replace(decoder, columns=tuple(spec for spec in decoder.columns if spec.name in names), history=None)
    read = (
        own.decode_columns({name: batch.columns[name] for name in names & {*batch.names}}) for batch in source.batches()
    )
    frame = history.onto(Frame.concat([some for some, _ in read]))
    return {name: frame[name] for name in history.names}


def _write(project: Project, path: Path, fitted: Fitted, frames: Iterator[Frame]) -> None:
    """One column for each feature, in chunks; the file takes its name when all rows are in it."""
    import pyarrow as pa
    import pyarrow.csv as pacsv
    import pyarrow.parquet as pq

    from penstock.objects.files import asked, atomic_file

    schema = pa.schema([(name, pa.float32()) for name in fitted.names])
    with atomic_file(asked(path)) as file:
        writer = pq.ParquetWriter(file, schema) if path.suffix == ".parquet" else pacsv.CSVWriter(file, schema)
        with writer:
            for block in _chunks(project, fitted, frames):
                writer.write_batch(pa.record_batch([pa.array(column) for column in block.T], schema=schema))


def _chunks(project: Project, fitted: Fitted, frames: Iterator[Frame]) -> Iterator[np.ndarray]:
    from penstock.bundle.graph import open_session
    from penstock.bundle.packing import Layout, pack

    session, layout = open_session(fitted.graph), Layout.from_json(fitted.layout, project.objects.get)
    for frame in frames:
        for rows in _slices(frame):
            yield session.run(None, pack(frame.take(rows), layout))[0]


def _slices(frame: Frame) -> Iterator[slice]:
    """Rows for the graph at a time: few, and few characters, each word of which becomes a value of its own there. What comes of a row does
    not depend on those beside it."""
    import numpy as np

    texts = [column for column in frame.columns.values() if column.dtype == object]
    start = 0
    while start < len(frame):
        stop = min(start + CHUNK_ROWS, len(frame))
        sizes = np.zeros(stop - start, dtype=np.int64)
        for column in texts:
            sizes += np.fromiter((len(v) if v else 0 for v in column[start:stop]), np.int64, stop - start)
        within = int(np.searchsorted(np.cumsum(sizes), CHUNK_CHARACTERS, side="right"))
        stop = min(stop, start + max(1, within))
        yield slice(start, stop)
        start = stop

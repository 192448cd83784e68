"""The rows that a script may see: training and validation rows as Parquet files. Test rows stay sealed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.errors import SourceError
from penstock.objects.digests import canonical_json, digest_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from penstock.bundle.decoder import ColumnSpec, Frame, TargetSpec
    from penstock.project.project import Project

FORMAT = 1
TRAIN, VALID, TARGET = "PENSTOCK_TRAIN", "PENSTOCK_VALID", "PENSTOCK_TARGET"


@dataclass(frozen=True)
class Parts:
    """Training and validation rows, each a Parquet file of typed columns; the target is a column of both.

    Attributes
    ----------
    dataset : digest of the data-set version; "" where the environment alone tells of the files.
    spent : indices of the opened envelopes whose rows are among the validation rows.
    """

    train_file: Path
    valid_file: Path
    target: str
    dataset: str = ""
    spent: tuple[int, ...] = ()

    @property
    def train(self) -> pa.Table:
        """Training rows. ``parts.train.to_pandas()`` where pandas is liked better."""
        return _read(self.train_file)

    @property
    def valid(self) -> pa.Table:
        """Validation rows, with those of envelopes that were opened."""
        return _read(self.valid_file)

    def to_env(self) -> dict[str, str]:
        """What a script finds in its environment."""
        return {TRAIN: str(self.train_file), VALID: str(self.valid_file), TARGET: self.target}


def data() -> Parts:
    """The rows that a script may see: those its run was given, else those of the project around the working folder.

    >>> parts = penstock.data()                                     # doctest: +SKIP
    >>> X, y = parts.train.drop_columns(parts.target), parts.train[parts.target]      # doctest: +SKIP

    Raises
    ------
    ProjectError : there is no project here. SourceError : its source is not there, or a file of the run is gone.
    """
    if TRAIN in os.environ and VALID in os.environ:
        return Parts(Path(os.environ[TRAIN]), Path(os.environ[VALID]), os.environ.get(TARGET, ""))
    from penstock.project.project import Project

    return visible_parts(Project.here())


def visible_parts(project: Project) -> Parts:
    """Parts of the current data-set version as files under `.penstock/cache/parts`, written once per version.

    The source is ingested, and its test rows sealed, where that has not happened yet.
    """
    from penstock.lifecycle.ingest import current_dataset, spent_envelopes
    from penstock.lifecycle.stages import Context, Stages

    context = Context(project)
    with project.ledger.lock(f"run {project.name}", wait_s=600.0), Stages(context, "run") as stages:
        dataset = current_dataset(stages)
    return parts_of(project, dataset, spent_envelopes(context, dataset))


def visible_version(project: Project) -> dict[str, Any]:
    """The data set and the opened envelopes whose rows a script sees; nothing is read. ``dataset`` is "" where it has to be first."""
    from penstock.lifecycle.ingest import current_dataset, spent_envelopes
    from penstock.lifecycle.stages import Context, Stages, WouldRun

    context = Context(project)
    with Stages(context, "run", dry=True) as stages:
        try:
            dataset = current_dataset(stages)
        except WouldRun:
            return {"dataset": "", "spent": []}
    return {"dataset": dataset, "spent": spent_envelopes(context, dataset)}


def parts_of(project: Project, dataset: str, spent: Sequence[int]) -> Parts:
    """Parts of a version, as they were when these envelopes had been opened."""
    from penstock.data.versions import load_version
    from penstock.lifecycle.rows import Rows
    from penstock.lifecycle.stages import Context

    spent = sorted(spent)
    name = digest_of(canonical_json({"format": FORMAT, "kind": "parts", "dataset": dataset, "spent": spent}))[7:23]
    folder = project.state / "cache" / "parts" / name
    train, valid = folder / "train.parquet", folder / "valid.parquet"
    counts = load_version(project.objects, dataset).rows
    for part in ("train", "valid"):  # the files may be there already: who is given them is asked for all the same
        project.ledger.access.read(dataset, part=part, rows=counts[part])
    if not (train.is_file() and valid.is_file()):
        rows = Rows(Context(project), dataset, spent)
        for file, (frame, y) in ((train, rows.train), (valid, rows.valid)):
            _write(file, table_of(frame, y, rows.target, rows.decoder.columns))
    return Parts(train, valid, project.declaration.data.target, dataset, tuple(spent))


def table_of(frame: Frame, y: np.ndarray, target: TargetSpec, specs: Sequence[ColumnSpec] = ()) -> pa.Table:
    """Typed columns under their own names, whole numbers beyond 2^53 as integers, then the target as it stands in the source: class names or numbers."""
    import numpy as np
    import pyarrow as pa

    from penstock.bundle.kinds import MISSING_TIME, Kind

    columns: dict[str, Any] = {}
    origins = {spec.name: spec.origin for spec in specs if spec.origin}
    for name, values in frame.columns.items():
        if frame.kinds[name] is Kind.DATETIME:
            columns[name] = pa.array(values, type=pa.int64(), mask=values == MISSING_TIME).cast(
                pa.timestamp("us", tz="UTC")
            )
        elif frame.kinds[name] is Kind.NUMERIC:
            columns[name] = pa.array(values, type=pa.float64(), mask=np.isnan(values))
            if name in origins:
                columns[name] = _with_origin(values, origins[name])
        else:
            columns[name] = pa.array(values, type=pa.string())
    if target.classes:
        columns[target.name] = pa.array(list(target.classes)).take(pa.array(y))
    else:
        columns[target.name] = pa.array(y, type=pa.float64())
    return pa.table(columns)


def _with_origin(values: np.ndarray, origin: int) -> pa.Array:
    """Numbers that are kept less an origin as they are: int64 where all are whole and it holds them, else float64."""
    import pyarrow as pa

    whole = [None if v != v else int(v) + origin if v.is_integer() else v + origin for v in values.tolist()]
    if all(v is None or (isinstance(v, int) and -(2**63) <= v < 2**63) for v in whole):
        return pa.array(whole, type=pa.int64())
    return pa.array([None if v is None else float(v) for v in whole], type=pa.float64())


def _write(file: Path, table: pa.Table) -> None:
    import io

    import pyarrow.parquet as pq

    from penstock.objects.files import naming_full_disk, write_atomic

    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    with naming_full_disk(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, buffer.getvalue())


def _read(file: Path) -> pa.Table:
    import pyarrow.parquet as pq

    if not file.is_file():
        raise SourceError(
            f"the file {file.name} of this run's rows is not there",
            why=f"{file} was removed while the script ran",
            way_out="run it again with `penstock run`, which writes the file anew",
        )
    with file.open("rb") as opened:  # by Python: so the run sees that it was read
        # Without Arrow's threads: of a Python file they outlive a script that ends at once, and abort it (SIGABRT).
        return pq.ParquetFile(opened, pre_buffer=False).read(use_threads=False)

"""Export `airflow`: a DAG that runs the pipeline of the project, deploys what passes, and answers the rows of the day."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, final

from penstock.packaging.exports.exporter import Shipment
from penstock.packaging.exports.templating import fill


@final
class Airflow:
    """One Python file for Airflow's folder of DAGs. Its tasks are commands of Penstock, whose exit codes they take over.

    Parameters
    ----------
    project : folder of the project on the machine that runs the tasks.
    schedule : when it runs: a preset of Airflow or a cron expression.
    rows, answers : what the batch job reads and writes, for ``penstock predict``: files, folders, buckets, tables; None leaves the
        job out. They may hold Airflow's places, such as ``{{ ds }}``. Into a folder, a bucket or a table each file is answered once, so
        that a task that is tried again goes on where it was.
    query : SQL, where `rows` is a database.
    """

    name: ClassVar[str] = "airflow"
    takes_key: ClassVar[bool] = True

    def __init__(
        self,
        project: Path,
        schedule: str = "@daily",
        rows: str | None = None,
        answers: str | None = None,
        query: str | None = None,
    ) -> None:
        self.project, self.schedule, self.rows, self.answers, self.query = project, schedule, rows, answers, query

    def write(self, shipment: Shipment, folder: Path) -> list[str]:
        """
        Raises
        ------
        ExportError : only one of `rows` and `answers` is given, or a query without them.
        """
        from penstock.errors import ExportError

        if (self.rows is None) != (self.answers is None) or (self.query is not None and self.rows is None):
            raise ExportError(
                "the batch job has no input, or no output",
                why="--rows names what is read, --answers what is written",
                way_out="give both, or neither for a DAG without a batch job",
            )
        name = f"{shipment.name.replace('-', '_')}_dag.py"
        text = fill(
            "airflow/dag.py",
            dag=f"penstock_{shipment.name.replace('-', '_')}",
            model=shipment.model,
            project=str(Path(self.project).absolute()),
            schedule=self.schedule,
            rows=None if self.rows is None else quoted(self.rows),
            answers=None if self.answers is None else quoted(self.answers),
            query=None if self.query is None else quoted(self.query),
        )
        (folder / name).write_text(text, encoding="utf-8")
        return [f"copy {name} into Airflow's folder of DAGs; `penstock` must be installed where its tasks run"]


def quoted(path: str) -> str:
    """A word for a shell, within which Airflow still fills in its places.

    >>> quoted("in box/{{ ds }}.csv")
    "'in box/{{ ds }}.csv'"
    """
    return "'" + path.replace("'", "'\"'\"'") + "'"

"""`penstock export`: a model in another form, or runs as one file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.output import PATH, emit, json_option

if TYPE_CHECKING:
    from penstock.packaging.exports.exporter import Exporter


class Forms(click.Group):
    """The forms of a model, and `runs`, which need not be said: ``penstock export runs.zip RUN``."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            args = ["runs", *args]
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0].startswith("-") and args[0] not in ("--help", "-h"):
            args = ["runs", *args]
        return super().parse_args(ctx, args)


@click.group(cls=Forms)
def export() -> None:
    """Write a model in the form in which it is wanted elsewhere, or runs into one archive."""


@export.command("runs")
@click.argument("archive", type=PATH)  # Such as runs.zip.
@click.argument("runs", nargs=-1)
@click.option("--filter", "-f", "filter_text", help="All runs that fit, as in `penstock runs`.")
@click.option(
    "--mlflow", "mlflow", is_flag=True, help="Into a database of MLflow (SQLite) instead; all runs, if none is named."
)
@json_option
def runs_(archive: Path, runs: tuple[str, ...], filter_text: str | None, mlflow: bool, as_json: bool) -> int:
    """Write runs, with those inside them and all that they need, into one archive; `penstock import` reads it anywhere."""
    from penstock.experiments.keeping.archive import export_runs
    from penstock.experiments.keeping.trash import chosen_ids
    from penstock.experiments.looking.here import workspace_here
    from penstock.objects.files import asked

    asked(archive)
    workspace = workspace_here()
    if mlflow:
        from penstock.experiments.mlflow.export_sqlite import export_mlflow

        named = runs or filter_text is not None
        ids = chosen_ids(workspace, runs, filter_text=filter_text, deleted=False) if named else []
        return emit(export_mlflow(workspace, ids, archive), as_json=as_json)
    ids = chosen_ids(workspace, runs, filter_text=filter_text, deleted=False)
    return emit(export_runs(workspace, ids, archive), as_json=as_json)


def _form(
    name: str, help_text: str, *options: Callable[..., Any]
) -> Callable[[Callable[..., Exporter]], click.Command]:
    """A form of export: its own options go to the function, which makes the exporter; the rest is the same for all."""

    def make(exporter_of: Callable[..., Exporter]) -> click.Command:
        def do(
            folder: Path, version: int | None, bundle: Path | None, override: str | None, as_json: bool, **own: Any
        ) -> int:
            from penstock.lifecycle.exports import export_model

            exporter = exporter_of(**own)
            done = export_model(exporter, folder, version=version, bundle=bundle, override=override)
            return emit(done, as_json=as_json)

        common = (
            click.argument("folder", type=PATH),
            *options,
            click.option("--version", "version", type=int, help="Default: the live one, or the newest that passed."),
            click.option("--bundle", "bundle", type=PATH, help="A bundle folder instead of a version of the project."),
            click.option("--override", "override", help="Why a version that did not pass its gates is exported."),
            json_option,
        )
        for decorate in reversed(common):
            do = decorate(do)
        return export.command(name, help=help_text)(do)

    return make


@_form("wheel", "A pip-installable package with predict() and a command; it needs numpy and onnxruntime alone.")
def wheel() -> Exporter:
    from penstock.packaging.exports.as_wheel import Wheel

    return Wheel()


@_form(
    "container",
    "All that an image of the server is built from: Dockerfile, pinned requirements, the version in its slot.",
    click.option(
        "--workers",
        "workers",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Processes of the server.",
    ),
    click.option("--grpc", "grpc", is_flag=True, help="Answer gRPC as well, on port 8001 (extra: penstock[grpc])."),
)
def container(workers: int, grpc: bool) -> Exporter:
    from penstock.packaging.exports.as_container import Container

    return Container(workers, grpc=grpc)


@_form(
    "kubernetes",
    "Deployment, Service, autoscaler and disruption budget for the image of `export container`.",
    click.option("--image", "image", help="The image's name; default: the model's name and version."),
    click.option(
        "--replicas", "replicas", type=click.IntRange(min=1), default=2, show_default=True, help="Pods, at least."
    ),
    click.option(
        "--most-replicas", "most_replicas", type=click.IntRange(min=1), default=10, show_default=True, help="At most."
    ),
    click.option("--grpc", "grpc", is_flag=True, help="The image was exported with --grpc."),
)
def kubernetes(image: str | None, replicas: int, most_replicas: int, grpc: bool) -> Exporter:
    from penstock.packaging.exports.as_kubernetes import Kubernetes

    return Kubernetes(image, replicas, most_replicas, grpc=grpc)


@_form(
    "browser",
    "A static page that runs the very graph in a browser, without a server.",
    click.option(
        "--runtime",
        "runtime",
        type=PATH,
        help="Folder of the npm package onnxruntime-web; default: in node_modules, else fetched by npm.",
    ),
)
def browser(runtime: Path | None) -> Exporter:
    from penstock.packaging.exports.in_browser import Browser

    return Browser(runtime)


@_form("onnx", "The graph with its decoder, an example to check it by, and programs in Python, C++ and JavaScript.")
def onnx() -> Exporter:
    from penstock.packaging.exports.as_onnx import Onnx

    return Onnx()


@_form(
    "prometheus",
    "Alert rules for Prometheus from the declared objectives, and the part of its configuration that asks the server.",
    click.option(
        "--target", "target", default="localhost:8000", show_default=True, help="Where Prometheus finds the server."
    ),
)
def prometheus(target: str) -> Exporter:
    from penstock.packaging.exports.as_prometheus import Prometheus

    return Prometheus(target)


@_form("grafana", "A dashboard for Grafana of what the server counts.")
def grafana() -> Exporter:
    from penstock.packaging.exports.as_grafana import Grafana

    return Grafana()


@_form(
    "airflow",
    "A DAG for Airflow: run the pipeline, deploy what is new and passes, answer new rows, watch the traffic.",
    click.option("--schedule", "schedule", default="@daily", show_default=True, help="When; also a cron expression."),
    click.option("--rows", "rows", help="What the batch job reads; may hold {{ ds }} and other places of Airflow."),
    click.option("--answers", "answers", help="What the batch job writes."),
    click.option("--query", "query", help="SQL for the batch job, where it reads a database."),
)
def airflow(schedule: str, rows: str | None, answers: str | None, query: str | None) -> Exporter:
    from penstock.packaging.exports.as_airflow import Airflow
    from penstock.project.project import Project

    return Airflow(Project.here().root, schedule, rows, answers, query)

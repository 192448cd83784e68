"""`penstock run`: the pipeline, the steps of `penstock.toml`, or any script, module, notebook or command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from penstock.cli.asking import NOT_RUN, agreed, no_such_option
from penstock.cli.output import emit, json_option

if TYPE_CHECKING:
    from penstock.experiments.running.options import RunOptions
    from penstock.project.workspace import Workspace

BEHIND = "penstock.command"
PIPELINE, STEPS, SCRIPT, BATCH = "the pipeline", "steps", "a script", "a batch of runs"
RESUMED = "a batch that goes on"
ONLY_FOR = {
    "module": (SCRIPT, BATCH),
    "steps": (STEPS,),
    "budget": (PIPELINE,),
    "override": (PIPELINE,),
    "bring_back": (PIPELINE,),
    "why": (PIPELINE, STEPS),
    "force": (STEPS,),
    "keep_going": (STEPS,),
    "workers": (STEPS, BATCH, RESUMED),
    "python": (SCRIPT, BATCH, RESUMED),
    "timeout": (SCRIPT, BATCH, RESUMED),
    "tag": (SCRIPT, BATCH, RESUMED),
    "note": (SCRIPT, BATCH, RESUMED),
    "yes": (SCRIPT, BATCH, RESUMED),
    "queue": (SCRIPT, BATCH),
    "trials": (BATCH, RESUMED),
    "search": (BATCH,),
    "minimize": (BATCH, RESUMED),
    "maximize": (BATCH, RESUMED),
    "stop_early": (BATCH,),
    "seed": (BATCH,),
}
"""What each option is about. Given with anything else, it would be ignored, so it is refused."""


class _Run(click.Command):
    """Keeps what stands behind ``--`` apart: it is a command of the user's own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            at = args.index("--")
            ctx.meta[BEHIND] = args[at + 1 :]
            if not ctx.meta[BEHIND]:
                ctx.fail("nothing stands behind --: write the command to run there")
            args = args[:at]
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if not error.option_name.startswith("--"):
                raise
            raise no_such_option(error, given) from error


@click.command(cls=_Run)
@click.argument("words", nargs=-1, metavar="[SCRIPT] [FLAG=VALUE]... [-- COMMAND...]")
@click.option("-m", "--module", "module", help="Run a Python module, such as pkg.train.")
@click.option("-y", "--yes", "yes", is_flag=True, help="Do not ask before a script runs.")
@click.option("--tag", "tag", multiple=True, metavar="NAME[=VALUE]", help="Tag the run; may be given more than once.")
@click.option("--note", "note", help="A text recorded with the run.")
@click.option("--python", "python", help="Interpreter of the script; default: the one that runs Penstock.")
@click.option("--timeout", "timeout", metavar="TIME", help="End the script after this time: 90s, 10m, 2h.")
@click.option("--queue", "queue", is_flag=True, help="Only record it; `penstock queue run` runs it.")
@click.option("-n", "--trials", "trials", type=click.IntRange(min=1), help="How many runs, of a batch.")
@click.option("--search", "search", help="How a batch chooses: grid, random, bayesian or evolutionary.")
@click.option("--minimize", "minimize", metavar="METRIC", help="What a batch is about.")
@click.option("--maximize", "maximize", metavar="METRIC", help="What a batch is about.")
@click.option("--stop-early", "stop_early", metavar="RULE", help="End hopeless trials of a batch: median or halving.")
@click.option("--seed", "seed", type=int, help="Of what a batch proposes.")
@click.option("--resume", "resume", metavar="BATCH", help="Go on with a batch that was interrupted, or extend it.")
@click.option("--workers", "workers", type=click.IntRange(min=1), help="Runs or steps at a time.")
@click.option("--steps", "steps", is_flag=True, help="Run the [[step]]s of penstock.toml; all, or those named.")
@click.option("--force", "force", is_flag=True, help="Run steps although they are known.")
@click.option("--keep-going", "keep_going", is_flag=True, help="After a failed step, run those that do not need it.")
@click.option("--budget", "budget", help='For the search: "60s", "5m" or "50 trials".')
@click.option("--override", "override", help="Go on although a gate said no; the reason is shown for ever.")
@click.option(
    "--bring-back",
    "bring_back",
    metavar="REASON",
    help="Make a version of the data again that was forgotten; the audit trail keeps the reason.",
)
@click.option("--why", "why", is_flag=True, help="Say why each stage or step would run, and run nothing.")
@json_option
@click.pass_context
def run(context: click.Context, words: tuple[str, ...], as_json: bool, **given: Any) -> int:
    """The whole pipeline: ingest, split, recipe, search, evaluate, judge, package, register; or any script as a run.

    \b
    penstock run                                   the pipeline, or the steps, of penstock.toml
    penstock run train.py lr=0.1 epochs=10         a script or notebook, with flags that it has
    penstock run -m pkg.train lr=0.1               a module
    penstock run lr=0.1 -- Rscript train.R         any command; flags become --name value
    penstock run train.py lr=[0.1,0.01] -n 20      a batch: lists, uniform[0:1], loguniform[1e-5:1], int[1:9]
    """
    command: Sequence[str] = context.meta.get(BEHIND, ())
    if given["resume"] is not None:
        _refuse_others(context, RESUMED)
        if command:
            context.fail("--resume goes on with what the batch runs; no command may stand behind --")
        return _resume(words, given, as_json)
    if given["steps"]:
        _refuse_others(context, STEPS)
        if command:
            context.fail("--steps runs what penstock.toml says; no command may stand behind --")
        return _steps(words, given, as_json)
    if words or command or given["module"] is not None:
        return _script(context, words, command, given, as_json)
    from penstock.project.workspace import Workspace

    declared = Workspace.here().declaration
    if declared.step and not declared.data.source:
        _refuse_others(context, STEPS)
        return _steps((), given, as_json)
    _refuse_others(context, PIPELINE)
    if given["why"] and given["bring_back"] is not None:
        context.fail("--why runs nothing, so that --bring-back would bring nothing back")
    return _pipeline(given["budget"], given["override"], given["bring_back"], given["why"], as_json)


def _refuse_others(context: click.Context, what: str) -> None:
    """Refuse options that say nothing about what is run, whatever their values."""
    for name, about in ONLY_FOR.items():
        if what in about or context.get_parameter_source(name) is ParameterSource.DEFAULT:
            continue
        spelled = "--" + name.replace("_", "-")
        if what == RESUMED and BATCH in about:
            context.fail(f"{spelled} was settled when the batch began; --resume keeps it")
        context.fail(f"{spelled} is about {' or '.join(one for one in about if one != RESUMED)}; this runs {what}")


def _pipeline(budget: str | None, override: str | None, bring_back: str | None, why: bool, as_json: bool) -> int:
    from penstock.errors import ProjectError
    from penstock.lifecycle.pipeline import explain, run_project
    from penstock.project.project import Project

    try:
        project = Project.here()
    except ProjectError as error:
        way_out = f"{error.way_out}; a script of your own needs none: `penstock run SCRIPT`"
        raise ProjectError(error.what, why=error.why, way_out=way_out) from None
    if why:
        return emit(explain(project, budget=budget, override=override), as_json=as_json)
    from penstock.cli.progress import Progress

    with Progress(quiet=as_json) as progress:
        result = run_project(
            project,
            budget=budget,
            override=override,
            bring_back=bring_back,
            progress=progress.trial,
            listener=progress.stage,
        )
    return emit(result, as_json=as_json)


def _steps(names: Sequence[str], given: dict[str, Any], as_json: bool) -> int:
    from penstock.experiments.running.options import RunOptions
    from penstock.experiments.steps.execute import run_steps
    from penstock.lifecycle.script import rows_now, with_visible_rows
    from penstock.project.workspace import Workspace

    workspace = Workspace.here()
    dry = given["why"]
    done = run_steps(
        workspace,
        only=names,
        workers=given["workers"],
        force=given["force"],
        keep_going=given["keep_going"],
        dry=dry,
        echo="stderr" if as_json else True,
        options=RunOptions(inputs=rows_now(workspace)) if dry else with_visible_rows(workspace, RunOptions()),
    )
    return emit(done, as_json=as_json)


def _script(
    context: click.Context, words: Sequence[str], command: Sequence[str], given: dict[str, Any], as_json: bool
) -> int:
    from penstock.lifecycle.script import prepare

    prepared = prepare(words, module=given["module"], command=command, python=given["python"])
    batch = prepared.is_batch or given["trials"] is not None
    _refuse_others(context, BATCH if batch else SCRIPT)
    if not agreed(prepared, sure=given["yes"] or as_json or given["queue"]):
        return NOT_RUN
    options = _options(prepared.workspace, given, as_json)
    if not batch and given["queue"]:
        return emit(prepared.queue(options), as_json=as_json)
    if not batch:
        from penstock.cli.files_line import FilesLine

        with FilesLine(quiet=as_json) as line:
            done = prepared.run(replace(options, on_files=line.show))
        return emit(done, as_json=as_json)
    from penstock.cli.batch_line import BatchLine
    from penstock.experiments.running.interrupts import ended_in_good_order

    with ended_in_good_order(), BatchLine(quiet=as_json) as line:
        result = prepared.run_batch(
            replace(options, on_begin=line.begin),
            listener=line.show,
            n=given["trials"],
            search=given["search"],
            minimize=given["minimize"],
            maximize=given["maximize"],
            workers=1 if given["workers"] is None else given["workers"],
            seed=0 if given["seed"] is None else given["seed"],
            stop_early=given["stop_early"],
            queue=given["queue"],
        )
    return emit(result, as_json=as_json)


def _resume(words: Sequence[str], given: dict[str, Any], as_json: bool) -> int:
    from penstock.cli.batch_line import BatchLine
    from penstock.experiments.batches.batch import resume_batch
    from penstock.experiments.running.interrupts import ended_in_good_order
    from penstock.lifecycle.script import flags_of, with_visible_rows
    from penstock.project.workspace import Workspace

    workspace = Workspace.here()
    options = with_visible_rows(workspace, _options(workspace, given, as_json))
    with ended_in_good_order(), BatchLine(quiet=as_json) as line:
        result = resume_batch(
            workspace,
            given["resume"],
            lambda target, cwd, python: flags_of(workspace, target, cwd, python=python),
            words=words,
            n=given["trials"],
            minimize=given["minimize"],
            maximize=given["maximize"],
            workers=given["workers"],
            options=replace(options, on_begin=line.begin),
            listener=line.show,
        )
    return emit(result, as_json=as_json)


def _options(workspace: Workspace, given: dict[str, Any], as_json: bool) -> RunOptions:
    from penstock.experiments.running.durations import seconds
    from penstock.experiments.running.options import RunOptions

    timeout = given["timeout"]
    return RunOptions(
        python=given["python"],
        timeout_s=None if timeout is None else seconds(timeout, what="--timeout"),
        tags=dict(_tag(text) for text in given["tag"]),
        note=given["note"],
        echo="stderr" if as_json else True,
    )


def _tag(text: str) -> tuple[str, str]:
    """
    >>> _tag("team=risk"), _tag("baseline")
    (('team', 'risk'), ('baseline', ''))
    """
    name, _, value = text.partition("=")
    if not name.strip():
        raise click.UsageError(f"--tag {text!r} has no name; write --tag name or --tag name=value")
    return name.strip(), value

"""All verbs, and the one place where exit codes are set.

0 done; 1 a gate, check or comparison said no; 2 the user can put it right; 3 our bug, with a traceback in the log.
"""

from __future__ import annotations

import importlib
import keyword
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from penstock import __version__
from penstock.cli.output import dump, say
from penstock.errors import GateRefused, PenstockError

VERBS = (
    "new",
    "run",
    "status",
    "graph",
    "evaluate",
    "deploy",
    "promote",
    "rollback",
    "serve",
    "tokens",
    "predict",
    "replay",
    "monitor",
    "label",
    "retrain",
    "models",
    "data",
    "recipe",
    "runs",
    "show",
    "compare",
    "diff",
    "watch",
    "ls",
    "cat",
    "open",
    "tag",
    "note",
    "delete",
    "restore",
    "purge",
    "quantise",
    "export",
    "import",
    "queue",
    "lineage",
    "reproduce",
    "decide",
    "notebook",
    "tensorboard",
    "explain-check",
    "doctor",
)
"""In the order of a model's life. Each is a file of this folder, loaded when it is asked for."""


class Verbs(click.Group):
    """The command `penstock`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        name = cmd_name.replace("-", "_") + ("_" if keyword.iskeyword(cmd_name) else "")
        command = getattr(importlib.import_module(f"penstock.cli.{name}"), name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, naming the nearest verb where there is none of that name."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], VERBS, 1)
            ctx.fail(f"there is no verb {args[0]!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)


@click.command(
    cls=Verbs,
    name="penstock",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
@click.version_option(__version__, prog_name="penstock", message="%(version)s")
@click.pass_context
def app(context: click.Context) -> None:
    """From a raw file to a served, watched model, with the proof of every step."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def run(arguments: Sequence[str]) -> int:
    """Run one command line; gives the exit code and never raises."""
    as_json = "--json" in arguments
    try:
        code = app.main(args=list(arguments), prog_name="penstock", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except PenstockError as error:
        return _refused(error, as_json)
    except (KeyboardInterrupt, click.Abort) as error:
        way = str(error.__cause__ or error) or "the same command goes on from there."  # click's own has ours behind it
        say(f"penstock: stopped. What was finished is kept; {way}")
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone: nothing to say and nobody to say it to
        return 0
    except click.ClickException as error:
        why = error.format_message()
        context = error.ctx if isinstance(error, click.UsageError) else None
        usage = f"penstock {' '.join(arguments[:1])}" if context is None else _usage(context)
        more = f"{'penstock' if context is None else context.command_path} --help"
        if as_json:
            what = {"code": "usage", "what": "the command line is wrong", "why": why, "try": f"{usage}; see {more}"}
            print(dump({"format": 1, "error": what}))
        elif isinstance(error, click.exceptions.NoArgsIsHelpError):
            say(why)
        else:
            say(f"penstock: {why}\n  usage: {usage}\n  try: {more}")
        return 2
    except Exception as error:  # noqa: BLE001 - the one place where a bug is told to the user
        told = _of_the_system(error) if isinstance(error, OSError) else None
        return _bug(error, as_json) if told is None else _refused(told, as_json)


def _of_the_system(error: OSError) -> PenstockError | None:
    from penstock.cli.permission import worded

    return worded(error)


def _refused(error: PenstockError, as_json: bool) -> int:
    if as_json:
        print(dump({"format": 1, "error": error.to_json()}))
    else:
        say(f"penstock: {error.on_terminal()}")
    return 1 if isinstance(error, GateRefused) else 2


def _usage(context: click.Context) -> str:
    """How a command is called, with the options that it cannot do without."""
    command = context.command
    needed = [
        f"{option.opts[0]} {option.make_metavar(context)}"
        for option in command.params
        if isinstance(option, click.Option) and option.required
    ]
    pieces = command.collect_usage_pieces(context)
    if not isinstance(command, click.Group):  # options come last where no other command follows
        pieces = [*pieces[1:], *needed, *pieces[:1]]
    return " ".join((context.command_path, *pieces))


def _bug(error: Exception, as_json: bool) -> int:
    """Write the traceback to the log and say where it is."""
    import traceback

    state = next((p / ".penstock" for p in (Path.cwd(), *Path.cwd().parents) if (p / "penstock.toml").is_file()), None)
    trace = "".join(traceback.format_exception(error))
    where = "below"
    try:
        if state is None or not state.is_dir():
            raise NotADirectoryError
        with (state / "penstock.log").open("a", encoding="utf-8") as log:
            log.write(trace + "\n")
        where = str(state / "penstock.log")
    except OSError:  # no project here, or one that cannot be written
        say(trace)
    what = f"{type(error).__name__}: {error}"
    if as_json:
        print(
            dump(
                {
                    "format": 1,
                    "error": {
                        "code": "bug",
                        "what": what,
                        "why": "this is a bug of Penstock",
                        "try": f"report it with the traceback ({where})",
                    },
                }
            )
        )
    else:
        say(f"penstock: a bug of ours: {what}\n  the traceback is {where}; please report it")
    return 3

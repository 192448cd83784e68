"""All verbs, and the one place where exit codes are set.

0 done; 1 a gate, check or comparison said no; 2 the user can put it right; 3 our bug, with a traceback in the log.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import typer

from penstock.cli import (
    data,
    deploy,
    doctor,
    explain_check,
    label,
    lineage,
    models,
    monitor,
    new,
    predict,
    reproduce,
    retrain,
    rollback,
    runs,
    serve,
    show,
)
from penstock.cli import run as run_verb
from penstock.cli.output import dump, say
from penstock.errors import GateRefused, PenstockError

app = typer.Typer(
    name="penstock",
    help="From a raw file to a served, watched model, with the proof of every step.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # rich costs 0.05 s of start-up; help is plain text
    pretty_exceptions_enable=False,
)
for verb in (
    new,
    run_verb,
    deploy,
    rollback,
    serve,
    predict,
    monitor,
    retrain,
    models,
    runs,
    show,
    lineage,
    reproduce,
    explain_check,
    doctor,
):
    name = verb.__name__.rpartition(".")[2]
    app.command(name.replace("_", "-"))(getattr(verb, name))
app.add_typer(data.app, name="data")
app.add_typer(label.app, name="label")


@app.callback(invoke_without_command=True)
def _root(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        from penstock import __version__

        print(__version__)
        raise typer.Exit


def run(arguments: Sequence[str]) -> int:
    """Run one command line; gives the exit code and never raises."""
    as_json = "--json" in arguments
    command = typer.main.get_command(app)
    try:
        code = command.main(args=list(arguments), prog_name="penstock", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except PenstockError as error:
        if as_json:
            print(dump({"format": 1, "error": error.to_json()}))
        else:
            say(f"penstock: {error}")
        return 1 if isinstance(error, GateRefused) else 2
    except typer.Exit as stop:
        return stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        say("penstock: stopped. What was finished is kept; the same command goes on from there.")
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone: nothing to say and nobody to say it to
        return 0
    except Exception as error:  # noqa: BLE001 - the one place where a bug is told to the user
        if hasattr(error, "format_message"):  # usage error of the option parser
            if as_json:
                why = error.format_message()
                print(
                    dump(
                        {
                            "format": 1,
                            "error": {
                                "code": "usage",
                                "what": "the command line is wrong",
                                "why": why,
                                "try": "see --help",
                            },
                        }
                    )
                )
            else:
                say(f"penstock: {error.format_message()}\n  try: penstock {' '.join(arguments[:1])} --help")
            return 2
        return _bug(error, as_json)


def _bug(error: Exception, as_json: bool) -> int:
    """Write the traceback to the log and say where it is."""
    state = next((p / ".penstock" for p in (Path.cwd(), *Path.cwd().parents) if (p / "penstock.toml").is_file()), None)
    trace = "".join(traceback.format_exception(error))
    where = "below"
    if state is not None and state.is_dir():
        with (state / "penstock.log").open("a", encoding="utf-8") as log:
            log.write(trace + "\n")
        where = str(state / "penstock.log")
    else:
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

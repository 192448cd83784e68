"""Flags of click and typer, read from decorators and signatures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from penstock.errors import FlagError

Make = Callable[..., Any]

CLICK = """
    import click
    common = click.option("--seed", default=1)

    def shared(f):
        f = click.option("--decay", default=0.5)(f)
        return click.option("--n-iter", "-n", default=3, show_default=True, help="how many")(f)

    @click.group()
    @click.option("--verbose/--quiet", "-v/-q", default=False)
    def cli(verbose):
        print(verbose)

    @cli.command()
    @common
    @shared
    @click.option("--opt", type=click.Choice(["adam", "sgd"]), default="adam")
    @click.option("--tag", multiple=True)
    @click.option("--size", nargs=2, type=int, default=(3, 4))
    @click.option("--flag", is_flag=True)
    @click.argument("path")
    def train(**values):
        print(sorted(values.items()))

    @cli.command("eval")
    @click.option("--lr", type=float, required=True)
    def evaluate(lr):
        print(lr)

    if __name__ == "__main__":
        cli()
"""


def test_click_reads_what_was_assigned(script: Make) -> None:
    """Groups, shared options, pairs of switches, several values, an argument that looks like an option."""
    one = script(CLICK)
    assert not one.flags.notes
    told = one.says(
        "verbose=true",
        "command=train",
        "path=-1",
        "decay=-2",
        "n_iter=4",
        "opt=sgd",
        "tag=a,b",
        "size=[5,-6]",
        "flag=true",
    )
    assert told.splitlines()[1] == str(
        sorted(
            {
                "decay": -2.0,
                "flag": True,
                "n_iter": 4,
                "opt": "sgd",
                "path": "-1",
                "seed": 1,
                "size": (5, -6),
                "tag": ("a", "b"),
            }.items()
        )
    )


def test_click_flags_are_known_with_type_help_and_line(script: Make) -> None:
    """A default tells the type where nothing else does."""
    flag = script(CLICK).flags.get("n-iter")
    assert (flag.type, flag.default, flag.help, flag.under, flag.origin) == (
        "int",
        3,
        "how many",
        ("train",),
        "click, train.py:6",
    )


def test_a_click_command_must_be_given_what_it_needs(script: Make) -> None:
    """As click itself would say later."""
    with pytest.raises(FlagError, match="'lr' must be given"):
        script(CLICK).made("command=eval")
    with pytest.raises(FlagError, match="'command' must be given"):
        script(CLICK).made()
    with pytest.raises(FlagError, match="did you mean command=eval"):
        script(CLICK).assigned("command=evla")


def test_a_click_command_in_another_file_is_followed(script: Make) -> None:
    """The script only calls it."""
    one = script(
        "from cli import main\nif __name__ == '__main__':\n    main()\n",
        files={
            "cli.py": "import click\n@click.command()\n@click.option('--lr', default=0.1)\ndef main(lr):\n    print(lr)\n"
        },
    )
    assert one.says("lr=3") == "3.0"


TYPER = """
    from __future__ import annotations
    from enum import Enum
    from pathlib import Path
    from typing import Annotated, Literal, Optional
    import typer

    class Opt(str, Enum):
        adam = "adam"
        sgd = "sgd"

    app = typer.Typer()

    @app.command()
    def main(
        data: Path,
        lr: float = 0.1,
        epochs: Annotated[int, typer.Option("--epochs", "-e", help="how many")] = 10,
        amp: bool = True,
        opt: Opt = Opt.adam,
        names: Optional[list[str]] = None,
        kind: Literal["a", "b"] = "a",
        cuda: bool = typer.Option(False, "--cuda"),
        depth: int | None = None,
    ):
        print(sorted((k, str(v)) for k, v in locals().items()))

    @app.command()
    def two_words(n: int = 3):
        print(n)

    if __name__ == "__main__":
        app()
"""


def test_typer_reads_what_was_assigned(script: Make) -> None:
    """Signatures with every usual way to write a type."""
    one = script(TYPER)
    assert not one.flags.notes
    told = one.says(
        "command=main", "data=d", "lr=3", "epochs=4", "amp=no", "opt=sgd", "names=x,y", "kind=b", "cuda=1", "depth=-2"
    )
    assert told == str(
        sorted({
            "data": "d", "lr": "3.0", "epochs": "4", "amp": "False", "opt": "Opt.sgd", "names": "['x', 'y']", "kind": "b", "cuda": "True",
            "depth": "-2",
        }.items())
    )  # fmt: skip
    assert one.says("command=two-words", "n=5") == "5"


def test_typer_flags_are_known_with_choices_and_help(script: Make) -> None:
    """Of enumerations and literals, and of `typer.Option`."""
    flags = script(TYPER).flags
    assert flags.get("opt").choices == ("adam", "sgd")
    assert flags.get("kind").choices == ("a", "b")
    assert (flags.get("epochs").help, flags.get("epochs").option) == ("how many", "--epochs")
    assert flags.get("data").required


def test_a_single_function_needs_no_app(script: Make) -> None:
    """`typer.run`, and an app of one command, have no subcommand."""
    source = "import typer\ndef main(n: int = 1, fast: bool = False):\n    print(n, fast)\ntyper.run(main)\n"
    assert script(source).says("n=2", "fast=true") == "2 True"
    source = "import typer\napp = typer.Typer()\n@app.command()\ndef main(n: int = 1):\n    print(n)\napp()\n"
    assert script(source).says("n=2") == "2"


RANGES = {
    "click": """
        import click
        @click.command()
        @click.option("--n", type=click.IntRange(1, 10), default=3)
        @click.option("--p", type=click.FloatRange(min=0, max=1, min_open=True), default=0.5)
        @click.option("--c", type=click.IntRange(0, 5, clamp=True), default=3)
        @click.option("--many", type=click.IntRange(min=0), multiple=True)
        def main(**given): print(sorted(given.items()))
        main()
    """,
    "click, asked": """
        import click
        kinds = eval("[click.IntRange(1, 10), click.FloatRange(0, 1, min_open=True), click.IntRange(0, 5, clamp=True)]")
        names = "".join(["n", "p", "c"])
        @click.command()
        @click.option("--" + eval("names")[0], type=kinds[0], default=3)
        @click.option("--" + eval("names")[1], type=kinds[1], default=0.5)
        @click.option("--" + eval("names")[2], type=kinds[2], default=3)
        @click.option("--many", type=click.IntRange(min=0), multiple=True)
        def main(**given): print(sorted(given.items()))
        main()
    """,
    "typer": """
        from typing import Annotated, List
        import typer
        def main(
            n: int = typer.Option(3, min=1, max=10),
            p: Annotated[float, typer.Option(min=1e-9, max=1)] = 0.5,
            c: Annotated[int, typer.Option(min=0, max=5, clamp=True)] = 3,
            many: Annotated[List[int], typer.Option(min=0)] = [],
        ):
            print([("c", c), ("many", tuple(many)), ("n", n), ("p", p)])
        typer.run(main)
    """,
}


@pytest.mark.parametrize("kind", RANGES)
def test_bounds_are_checked_before_anything_runs(script: Make, kind: str) -> None:
    """As the script itself would; a number that it moves to the end of its range is handed to it."""
    one = script(RANGES[kind])
    for word in ("n=0", "n=11", "p=0", "p=1.5", "many=1,-1"):
        with pytest.raises(FlagError, match=r"it takes .*(at least|above)"):
            one.assigned(word)
    with pytest.raises(FlagError) as refused:
        one.assigned("n=11")
    assert "a number that is at least 1 and at most 10" in str(refused.value)
    assert one.says("n=10", "p=1", "c=9", "many=0,4") == "[('c', 5), ('many', (0, 4)), ('n', 10), ('p', 1.0)]"

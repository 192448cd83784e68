"""Parsers that the tree cannot tell: the script is run up to where it reads its command line, and asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.experiments.flags import asking, detect

Make = Callable[..., Any]

COMPUTED = """
    import argparse, json
    from pathlib import Path
    open("started", "a").write("x")
    p = argparse.ArgumentParser()
    for name, value in json.loads('{"lr": 0.1, "n": 3}').items():
        p.add_argument("--" + name, type=type(value), default=value, help=f"the {name}")
    p.add_argument("--where", type=Path, default=Path("x"))
    p.add_argument("--on", action="store_true")
    p.add_argument("--no-on", dest="on", action="store_false")
    p.add_argument("--many", nargs="+", type=int)
    s = p.add_subparsers(dest="task")
    s.add_parser("go").add_argument("x", type=int)
    args = p.parse_args()
    open("trained", "w").close()
    print(sorted((k, str(v)) for k, v in vars(args).items()))
"""


def test_a_computed_parser_is_asked(script: Make) -> None:
    """It tells names, types, defaults and help; nothing behind its command line runs; where the tree knows the line, it is shown."""
    one = script(COMPUTED)
    assert "it was run to be asked for its flags: train.py, line 6" in one.flags.notes[0]
    assert not (one.folder / "trained").exists()
    flag = one.flags.get("lr")
    assert (flag.type, flag.default, flag.help, flag.origin) == ("float", 0.1, "the lr", "argparse, told by train.py")
    assert one.flags.get("where").origin == "argparse, train.py:7"
    told = one.says("lr=-2", "on=true", "many=[1,2]", "task=go", "x=4")
    assert told == str(
        [("lr", "-2.0"), ("many", "[1, 2]"), ("n", "3"), ("on", "True"), ("task", "go"), ("where", "x"), ("x", "4")]
    )


def test_the_answer_is_kept_until_a_file_of_its_own_changes(script: Make, tmp_path: Path) -> None:
    """The second look starts no process; an imported file counts too."""
    one = script(
        "import argparse\nfrom names import NAMES\nopen('started', 'a').write('x')\np = argparse.ArgumentParser()\nfor n in open(NAMES): p.add_argument('--' + n.strip())\np.parse_args()\n",
        files={"names.py": "NAMES = 'names.txt'\n", "names.txt": "a\nb"},
    )
    (tmp_path / "started").unlink(missing_ok=True)
    cache = tmp_path / "cache"

    def look() -> list[str]:
        return [flag.name for flag in detect(one.target, cwd=tmp_path, cache=cache)]

    assert look() == look() == ["a", "b"]
    assert (tmp_path / "started").read_text() == "x"
    (tmp_path / "names.py").write_text("NAMES = 'other.txt'\n")
    (tmp_path / "other.txt").write_text("c")
    assert look() == ["c"]
    next(cache.iterdir()).write_text("{damaged")
    assert look() == ["c"]


def test_click_and_typer_are_asked_too(script: Make) -> None:
    """Options from a list that only running makes."""
    click = script("""
        import click
        def shared(f):
            for name in open(__file__).read().split("# option" + " ")[1:]:
                f = click.option("--" + name.strip(), default=1, type=int)(f)
            return f
        @click.group()
        @click.option("-v", count=True)
        def cli(v): print(v)
        @cli.command()
        @shared
        @click.argument("files", nargs=-1)
        def go(**k): print(sorted(k.items()))
        cli()
        # option alpha
        # option beta
    """)
    assert click.says("v=2", "command=go", "alpha=3", "files=a,b").splitlines() == [
        "2",
        "[('alpha', 3), ('beta', 1), ('files', ('a', 'b'))]",
    ]
    typer = script("""
        import enum, typer
        from typing import Literal, Optional
        class E(enum.Enum):
            a = "a"
            b = "b"
        app = typer.Typer()
        for name in open(__file__).read().split("# command" + " ")[1:]:
            @app.command(name.strip())
            def f(x: int = 3, e: E = E.a, l: Literal["u", "v"] = "u", o: Optional[float] = None, ns: list[str] = [], b: bool = True):
                print(x, e, l, o, ns, b)
        app()
        # command one
        # command two
    """)
    assert typer.says("command=two", "x=7", "e=b", "l=v", "o=3", "ns=1,2", "b=no") == "7 E.b v 3.0 ['1', '2'] False"


def test_a_parser_of_another_package_is_asked(script: Make) -> None:
    """One that derives from argparse's own; a first look at some flags does not end it."""
    one = script(
        "from vendored.parsing import Parser\np = Parser()\np.add_argument('--lr', type=float)\nfirst, _ = p.parse_known_args()\np.add_argument('--more')\nprint(p.parse_args())\n",
        files={
            "vendored/__init__.py": "",
            "vendored/parsing.py": "import argparse\nexec('class Parser(argparse.ArgumentParser): pass')\n",
        },
    )
    assert [flag.name for flag in one.flags] == ["lr", "more"]


def test_an_action_of_the_users_own_is_asked(script: Make) -> None:
    """It may take no word at all."""
    one = script("""
        import argparse
        class Loud(argparse.Action):
            def __init__(self, *a, **k):
                super().__init__(*a, nargs=0, **k)
            def __call__(self, parser, namespace, values, option=None):
                namespace.loud = 1
        p = argparse.ArgumentParser()
        p.add_argument("--loud", action=Loud)
        p.add_argument("-v", action="count")
        p.add_argument("rest", nargs="*")
        print(p.parse_args())
    """)
    assert one.says("loud=true", "v=2", "rest=a,b") == "Namespace(loud=1, v=2, rest=['a', 'b'])"
    assert one.says() == "Namespace(loud=None, v=None, rest=[])"


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("open('not there')", "No such file"),
        ("raise SystemExit(0)", "ended without reading"),
        ("import os; os.kill(os.getpid(), 9)", "ended by signal 9"),
    ],
)
def test_a_script_that_cannot_be_asked_says_why(script: Make, end: str, reason: str) -> None:
    """What was found in the tree is kept."""
    one = script(
        f"import argparse\np = argparse.ArgumentParser()\np.add_argument('--lr')\n{end}\nfor n in unknown(): p.add_argument('--' + n)\np.parse_args()\n"
    )
    assert [flag.name for flag in one.flags] == ["lr"]
    assert "flags may be missing" in one.flags.notes[0]
    assert reason in one.flags.notes[0]


def test_a_script_that_trains_before_it_reads_its_flags_is_ended(script: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all that it started."""
    monkeypatch.setattr(asking, "TIMEOUT_S", 2.0)
    one = script(
        "import argparse, subprocess\np = argparse.ArgumentParser()\nsubprocess.run(['sleep', '61'])\nfor n in unknown(): p.add_argument(n)\np.parse_args()\n"
    )
    assert "did not read its command line within 2 s" in one.flags.notes[0]


def test_a_script_is_asked_outside_of_a_run(script: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """It logs nothing, and gets no constants of another script."""
    monkeypatch.setenv("PENSTOCK_RUN_FOLDER", "/nowhere")
    one = script(
        "import argparse, os\np = argparse.ArgumentParser()\nfor n in os.environ: p.add_argument('--' + n)\np.parse_args()\n"
    )
    assert "PATH" in one.flags
    assert not any(flag.name.startswith("PENSTOCK_") for flag in one.flags)


def test_other_ways_to_read_a_command_line_are_named(script: Make) -> None:
    """Their flags are not found, and constants are not taken for flags."""
    one = script("import hydra\nLR = 0.1\n@hydra.main()\ndef main(cfg): pass\nmain()\n")
    assert len(one.flags) == 0
    assert "Hydra" in one.flags.notes[0]

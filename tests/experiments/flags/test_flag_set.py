"""Words assigned to flags; what is refused, and how it is said; what `penstock.toml` changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from penstock.errors import FlagError
from penstock.experiments.capture.target import parse_target
from penstock.experiments.flags import Flag, FlagSet, detect
from penstock.experiments.flags.flag import Bounds
from penstock.project.declaration import parse_declaration

Make = Callable[..., Any]
FLAGS = FlagSet((
    Flag("learning_rate", "float", 0.1, origin="argparse, train.py:3", option="--learning-rate", aliases=("lr",)),
    Flag("epochs", "int", 10, origin="argparse, train.py:4", option="--epochs"),
    Flag("optimizer", "str", "adam", choices=("adam", "sgd"), origin="argparse, train.py:5", option="--optimizer"),
    Flag("layers", "int", [64], origin="argparse, train.py:6", option="--layers", multiple=True, arity="+"),
    Flag("depth", "int", None, option="--depth"),
    Flag("api_key", "str", None, option="--api-key", secret=True),
    Flag("size", "int", [1, 2], option="--size", multiple=True, arity="2"),
))  # fmt: skip


def test_words_become_typed_values_under_the_flags_own_names() -> None:
    """Dashes, aliases and the case of letters do not matter where one flag alone is meant."""
    words = ["lr=1e-3", "Epochs=3", "optimizer=sgd", "layers=64,32", "depth=none"]
    assert FLAGS.assign(words) == {
        "learning_rate": 0.001,
        "epochs": 3,
        "optimizer": "sgd",
        "layers": [64, 32],
        "depth": None,
    }
    assert FLAGS.assign(["learning-rate=2"]) == {"learning_rate": 2.0}
    assert FLAGS.get("LR") is FLAGS.get("learning_rate")


def test_values_are_those_assigned_and_the_defaults() -> None:
    """Everything that the run will have."""
    values = FLAGS.values({"epochs": 3})
    assert values == {
        "learning_rate": 0.1, "epochs": 3, "optimizer": "adam", "layers": [64], "depth": None, "api_key": None, "size": [1, 2],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("word", "what", "way_out"),
    [
        ("learning_rat=1", "no flag 'learning_rat'", "did you mean learning_rate?"),
        ("l=1", "no flag 'l'", "did you mean learning_rate?"),
        ("zzz=1", "no flag 'zzz'", "penstock.toml"),
        ("epochs=0.5", "'epochs' cannot be '0.5'", "write for example epochs=10"),
        ("epochs=", "'epochs' cannot be empty", "epochs=10"),
        ("epochs=none", "'epochs' cannot be 'none'", "epochs=10"),
        ("optimizer=adm", "'optimizer' cannot be 'adm'", "did you mean optimizer=adam?"),
        ("layers=1,x", "'layers' cannot be '1,x'", "layers=[64]"),
        ("layers=[]", "'layers' cannot be '[]'", "layers=[64]"),
        ("size=1", "'size' cannot be", "exactly 2 values"),
        ("--epochs=3", "'--epochs' is not how a flag is written", "write epochs=3"),
        ("--epochs", "'--epochs' is not how a flag is written", "write epochs=..."),
        ("data.csv", "'data.csv' is no flag", "NAME=data.csv"),
        ("=3", "'=3' is no flag", "NAME=3"),
        ("sgd", "'sgd' is no flag", "write optimizer=sgd"),
        ("epochs=\udcff", "'epochs' cannot be", "epochs=10"),
        ("optimizer=a\0", "'optimizer' cannot be", "UTF-8"),
    ],
)
def test_what_is_wrong_is_refused_with_the_way_out(word: str, what: str, way_out: str) -> None:
    """The name, what was found, what it takes, and the nearest."""
    with pytest.raises(FlagError) as refused:
        FLAGS.assign([word])
    assert what in refused.value.what
    assert way_out in str(refused.value)


def test_a_flag_given_twice_is_refused() -> None:
    """Under an alias too."""
    with pytest.raises(FlagError, match="given twice"):
        FLAGS.assign(["lr=1", "learning_rate=2"])


def test_a_secret_value_is_in_no_message_and_no_table() -> None:
    """Nor in what is told as JSON."""
    flags = FlagSet((Flag("token", "int", 5, secret=True, origin="global, a.py:1"),))
    with pytest.raises(FlagError) as refused:
        flags.assign(["token=hunter22"])
    assert "hunter22" not in str(refused.value)
    assert "5" not in flags.table({"token": 7}).replace("a.py:1", "")
    assert "7" not in flags.table({"token": 7})
    assert flags.to_json()["flags"][0]["default"] == "***"


def test_the_table_shows_help_as_far_as_there_is_room() -> None:
    """Behind what is told anyway, in a column of its own."""
    long = "the step of the optimizer, " * 9
    flags = FlagSet((
        Flag("lr", "float", 0.1, help=long, origin="a.py:1"),
        Flag("n", "int", 3, bounds=Bounds(1, 5), help="how many", origin="a.py:2"),
        Flag("x", "int", 3, origin="a.py:3"),
    ))  # fmt: skip
    assert flags.table(width=70).splitlines() == [
        f"  lr  0.1  a.py:1                            {long[:22]}...",
        "  n   3    a.py:2, at least 1 and at most 5  how many",
        "  x   3    a.py:3",
    ]
    narrow = flags.table(width=50).splitlines()
    assert narrow[0] == "  lr  0.1  a.py:1", "a few letters say nothing"


def test_the_table_says_where_each_value_is_from() -> None:
    """One line per flag."""
    lines = FLAGS.table({"learning_rate": 0.5}).splitlines()
    assert lines[0] == "  learning_rate  0.5     given; 0.1 in argparse, train.py:3"
    assert lines[2] == "  optimizer      adam    argparse, train.py:5, one of adam, sgd"


def test_values_of_an_earlier_run_are_taken_as_they_are() -> None:
    """Checked as words are; an unknown one is refused."""
    assert FLAGS.take({"learning_rate": 1, "layers": [3]}) == {"learning_rate": 1.0, "layers": [3]}
    with pytest.raises(FlagError, match="no flag 'gone'"):
        FLAGS.take({"gone": 1})
    with pytest.raises(FlagError, match="cannot be 'x'"):
        FLAGS.take({"epochs": "x"})


def test_a_command_takes_any_flag() -> None:
    """Typed as TOML is; what would be spelled otherwise stays text."""
    flags = FlagSet(open=True)
    assert flags.assign(["lr=1e-3", "release=1.10", "name=a b", "on=true", "api-key=x1"]) == {
        "lr": 0.001, "release": "1.10", "name": "a b", "on": True, "api-key": "x1",
    }  # fmt: skip
    assert flags.find("api-key").secret
    assert "api-key  ***" in flags.table({"api-key": "x1"})
    assert "lr  0.1  given" in flags.table({"lr": 0.1})


def declared(script: Make, source: str, text: str) -> Any:
    section = parse_declaration(text, needs_data=False).scripts["train.py"]
    return script(source, section=section)


PARSER = "import argparse\np = argparse.ArgumentParser()\np.add_argument('--lr', type=float, default=0.1)\nEXTRA = 5\nif __name__ == '__main__':\n    print(p.parse_known_args(), EXTRA)\n"


def test_penstock_toml_overrides_what_was_found(script: Make) -> None:
    """A default of its own is passed, as the script has another one."""
    one = declared(
        script, PARSER, '[scripts."train.py".flags]\nlr = {default = 0.5, choices = [0.5, 1.0], help = "the rate"}\n'
    )
    flag = one.flags.get("lr")
    assert (flag.default, flag.choices, flag.help) == (0.5, (0.5, 1.0), "the rate")
    assert flag.origin == "argparse, train.py:3, changed in penstock.toml"
    assert "lr=0.5" in one.says()
    with pytest.raises(FlagError, match=r"one of 0\.5, 1\.0"):
        one.assigned("lr=0.7")


def test_penstock_toml_adds_flags(script: Make) -> None:
    """An option, a switch, and a constant beside a parser."""
    one = declared(
        script, PARSER,
        '[scripts."train.py".flags]\nEXTRA = {}\nmore = {type = "int", default = 3, option = "-m"}\nfast = {type = "bool"}\nkey = {secret = true}\n',
    )  # fmt: skip
    assert one.flags.get("EXTRA").how == "global"
    assert one.says("EXTRA=7", "fast=true", "lr=2") == "(Namespace(lr=2.0), ['-m', '3', '--fast']) 7"
    assert one.flags.get("key").secret
    assert one.flags.get("more").origin == "penstock.toml"


def test_detection_can_be_turned_off(script: Make) -> None:
    """Then the declared flags are all there are."""
    one = declared(
        script, PARSER, '[scripts."train.py"]\ndetect = false\n[scripts."train.py".flags]\nn = {type = "int"}\n'
    )
    assert [flag.name for flag in one.flags] == ["n"]
    assert "detect = false" in one.flags.notes[0]


def test_names_declared_secret_are_secret(script: Make, tmp_path: Any) -> None:
    """Beside those that look it."""
    one = script("PIN = 1\nPASSWORD = 'a'\nLR = 1\n")
    flags = detect(one.target, cwd=tmp_path, secrets=["pin"])
    assert [flag.secret for flag in flags] == [True, True, False]


def test_a_script_that_is_no_python_is_said_to_be_none(script: Make) -> None:
    """It runs nevertheless: Python itself will say it best."""
    one = script("def (:\n")
    assert "train.py, line 1" in one.flags.notes[0]
    assert "SyntaxError" in one.run().stderr


def test_a_value_too_long_for_the_system_is_refused(script: Make) -> None:
    """Before anything runs."""
    with pytest.raises(FlagError, match="cannot be passed"):
        script("import argparse\np = argparse.ArgumentParser()\np.add_argument('--a')\np.parse_args()\n").made(
            "a=" + "x" * 200_000
        )


def test_other_programs_get_name_and_value(tmp_path: Any) -> None:
    """As `--name value`, as they were typed."""
    from penstock.experiments.flags import command

    target, words = parse_target(
        ["lr=1e-3", "name=a b", "on=true", "shift=-1"], command=["echo", "x"], cwd=tmp_path, root=tmp_path
    )
    flags = detect(target, cwd=tmp_path)
    values = flags.values(flags.assign(words))
    assert command(target, flags, values).argv == [
        "echo",
        "x",
        "--lr",
        "0.001",
        "--name",
        "a b",
        "--on",
        "true",
        "--shift=-1",
    ]

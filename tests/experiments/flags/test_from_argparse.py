"""Flags of argparse: found in the tree, passed on, and read by the script as they were meant."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.errors import FlagError
from penstock.experiments.capture.target import Target
from penstock.experiments.flags import command, detect

Make = Callable[..., Any]

WHOLE = """
    import argparse
    DEFAULT_LR = 1e-3
    OPTIMIZERS = {"adam": 1, "sgd": 2}

    def str2bool(text):
        return text.lower() == "true"

    def get_parser():
        p = argparse.ArgumentParser(description="train a model")
        p.add_argument("data", help="the data")
        p.add_argument("-l", "--learning-rate", "--lr", type=float, default=DEFAULT_LR, help="step (default: %(default)s)")
        p.add_argument("--epochs", type=int, default=2 * 5)
        p.add_argument("--optimizer", choices=list(OPTIMIZERS), default="adam")
        p.add_argument("--layers", type=int, nargs="+", default=[64, 32])
        p.add_argument("--cuda", action="store_true")
        p.add_argument("--no-shuffle", dest="shuffle", action="store_false")
        p.add_argument("--amp", action=argparse.BooleanOptionalAction, default=True)
        p.add_argument("--flag", type=str2bool, default=False)
        p.add_argument("--naive", type=bool, default=True)
        p.add_argument("-v", action="count", default=0)
        g = p.add_argument_group("more")
        g.add_argument("--api-key")
        g.add_argument("--tag", action="append")
        for n in ("a", "c"):
            g.add_argument(f"--weight-{n}", type=float, default=1)
        return p

    def main():
        args = get_parser().parse_args()
        print(sorted(vars(args).items()))

    if __name__ == "__main__":
        main()
"""


def test_everything_that_stands_in_the_file_is_found(script: Make) -> None:
    """Types, defaults, choices, help, and the line of each."""
    flags = {flag.name: flag for flag in script(WHOLE).flags}
    assert list(flags) == [
        "data", "learning_rate", "epochs", "optimizer", "layers", "cuda", "shuffle", "amp", "flag", "naive", "v", "api_key", "tag",
        "weight_a", "weight_c",
    ]  # fmt: skip
    rate = flags["learning_rate"]
    assert (rate.type, rate.default, rate.option, rate.help) == (
        "float",
        0.001,
        "--learning-rate",
        "step (default: 0.001)",
    )
    assert rate.origin == "argparse, train.py:11"
    assert (flags["epochs"].type, flags["epochs"].default) == ("int", 10)
    assert flags["optimizer"].choices == ("adam", "sgd")
    assert (flags["data"].required, flags["data"].how) == (True, "positional")
    assert flags["api_key"].secret
    assert not script(WHOLE).flags.notes, "nothing had to be run"


def test_the_script_reads_what_was_assigned(script: Make) -> None:
    """Negative numbers, lists, switches in both directions, counts, a positional that looks like an option."""
    told = script(WHOLE).says(
        "data=-x", "lr=-1e-2", "layers=[1,-2]", "cuda=yes", "shuffle=no", "amp=false", "flag=true", "naive=no", "v=2", "tag=a,b", "weight_c=-3",
    )  # fmt: skip
    assert told == str(
        sorted({
            "data": "-x", "learning_rate": -0.01, "epochs": 10, "optimizer": "adam", "layers": [1, -2], "cuda": True, "shuffle": False,
            "amp": False, "flag": True, "naive": False, "v": 2, "api_key": None, "tag": ["a", "b"], "weight_a": 1, "weight_c": -3.0,
        }.items())
    )  # fmt: skip


def test_only_what_differs_is_passed(script: Make) -> None:
    """The script's own defaults stay its own."""
    made = script(WHOLE).made("data=d", "epochs=12", "optimizer=adam")
    assert made.argv[1:] == ["train.py", "--epochs", "12", "--optimizer", "adam", "d"]


def test_an_untyped_flag_is_passed_as_it_was_typed(script: Make) -> None:
    """A version number is no number."""
    one = script(
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--release')\nprint(p.parse_args().release)"
    )
    assert one.says("release=1.10") == "1.10"
    assert one.says("release=") == ""
    assert one.says("release= a 'b' \"ü\"") == "a 'b' \"ü\""


SUBCOMMANDS = """
    import argparse
    parser = argparse.ArgumentParser()
    parser.add_argument("--verbose", action="store_true")
    commands = parser.add_subparsers(dest="task", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--seed", type=int, default=0)
    train = commands.add_parser("train", parents=[common], help="fit")
    train.add_argument("--lr", type=float, default=0.1)
    test = commands.add_parser("test", parents=[common])
    test.add_argument("--lr", type=int, default=1)
    test.add_argument("files", nargs="*")
    print(sorted(vars(parser.parse_args()).items()))
"""


def test_subcommands_have_flags_of_their_own(script: Make) -> None:
    """The chosen one decides which of two flags of one name is meant."""
    one = script(SUBCOMMANDS)
    assert one.says("verbose=true", "task=train", "lr=0.5") == str(
        [("lr", 0.5), ("seed", 0), ("task", "train"), ("verbose", True)]
    )
    assert one.says("task=test", "lr=3", "files=a,-b", "seed=7") == str(
        [("files", ["a", "-b"]), ("lr", 3), ("seed", 7), ("task", "test"), ("verbose", False)]
    )
    with pytest.raises(FlagError, match="whole number"):
        one.assigned("task=test", "lr=0.5")


def test_a_flag_of_another_subcommand_is_refused(script: Make) -> None:
    """And the way to it is told."""
    one = script(SUBCOMMANDS)
    with pytest.raises(FlagError, match="belongs to the subcommand 'test'") as refused:
        one.made("task=train", "files=a")
    assert "task=test" in str(refused.value)
    with pytest.raises(FlagError, match="'task' must be given"):
        one.made("verbose=true")


def test_a_parser_in_other_files_and_classes_is_followed(script: Make) -> None:
    """The way of a well-known family of image models: options in classes, one on top of the other."""
    one = script(
        "from options.train_options import TrainOptions\nopt = TrainOptions().parse()\nprint(opt.name, opt.lr, opt.phase)\n",
        files={
            "options/base_options.py": """
            import argparse
            class BaseOptions():
                def __init__(self):
                    self.initialized = False
                def initialize(self, parser):
                    parser.add_argument("--name", default="x", type=str, help="its name")
                    parser.set_defaults(phase="none")
                    self.initialized = True
                    return parser
                def gather_options(self):
                    if not self.initialized:
                        parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
                        parser = self.initialize(parser)
                    opt, _ = parser.parse_known_args()
                    self.parser = parser
                    return parser.parse_args()
                def parse(self):
                    self.opt = self.gather_options()
                    return self.opt
        """,
            "options/train_options.py": """
            from .base_options import BaseOptions
            class TrainOptions(BaseOptions):
                def initialize(self, parser):
                    parser = super().initialize(parser)
                    parser.add_argument("--lr", type=float, default=0.1)
                    parser.add_argument("--phase", default="train")
                    return parser
        """,
        },
    )
    assert one.flags.get("lr").origin == "argparse, options/train_options.py:5"
    assert not one.flags.notes
    assert one.says("name=é", "lr=2") == "é 2.0 train"
    assert one.flags.get("phase").default == "train", "a later default counts, as in argparse"


def test_set_defaults_counts_for_what_was_there_before(script: Make) -> None:
    """And for a flag that comes later without a default of its own."""
    one = script("""
        import argparse
        p = argparse.ArgumentParser()
        p.add_argument("--a", default=1, type=int)
        p.set_defaults(a=2, b=3, c=4)
        p.add_argument("--b", default=5, type=int)
        p.add_argument("--c", type=int)
        print(p.parse_args())
    """)
    assert one.flags.values() == {"a": 2, "b": 5, "c": 4}
    assert one.says() == "Namespace(a=2, b=5, c=4)"


def test_a_module_reads_files_beside_it(script: Make) -> None:
    """`-m pkg` runs its `__main__`, which imports relatively."""
    one = script(
        "",
        name="unused.py",
        module="pkg",
        files={
            "pkg/__init__.py": "",
            "pkg/__main__.py": "from .cli import main\nmain()\n",
            "pkg/cli.py": "import argparse\ndef main(argv=None):\n    p = argparse.ArgumentParser()\n    p.add_argument('--n', type=int, default=1)\n    print(p.parse_args(argv).n)\n",
        },
    )
    assert one.says("n=4") == "4"


def test_a_subclass_of_the_parser_is_followed(script: Make) -> None:
    """Its constructor adds flags."""
    one = script("""
        from argparse import ArgumentParser
        class Options(ArgumentParser):
            def __init__(self, seed=3):
                super().__init__(description="x")
                self.add_argument("--seed", type=int, default=seed)
        parser = Options(seed=5)
        parser.add_argument("--lr", type=float, default=.1)
        print(parser.parse_args())
    """)
    assert one.flags.values() == {"seed": 5, "lr": 0.1}
    assert one.says("seed=9") == "Namespace(seed=9, lr=0.1)"


def test_a_default_that_only_running_tells_is_not_guessed(script: Make) -> None:
    """Its expression is shown, and it is left out of the values."""
    one = script(
        "import argparse, os\np = argparse.ArgumentParser()\np.add_argument('--home', default=os.getcwd())\nprint(p.parse_args().home)"
    )
    assert one.flags.get("home").computed == "os.getcwd()"
    assert one.flags.values() == {}
    assert "os.getcwd() in argparse, train.py:3" in one.flags.table()
    assert one.says("home=/x") == "/x"


def test_flags_in_both_branches_and_behind_a_guard_are_found(script: Make) -> None:
    """Whichever runs; a comparison that the file itself decides is followed."""
    one = script("""
        import argparse, sys
        def build(p, extra=True):
            if extra:
                p.add_argument("--extra", default=1, type=int)
            else:
                p.add_argument("--never", default=1, type=int)
            if sys.platform == "win32":
                p.add_argument("--a", default=1, type=int)
            else:
                p.add_argument("--b", default=1, type=int)
            return p
        def cli():
            with open(__file__) as f:
                p = build(argparse.ArgumentParser())
            try:
                p.add_argument("--c", default=1, type=int)
            finally:
                pass
            return p.parse_args()
        if __name__ == "__main__":
            print(cli())
    """)
    assert [flag.name for flag in one.flags] == ["extra", "a", "b", "c"]


NAMES = st.from_regex(r"[a-z][a-z0-9]{0,6}(-[a-z0-9]{1,4})?", fullmatch=True)
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)
KINDS: dict[str, tuple[str, Any]] = {
    "int": ("type=int, default=3", st.integers(-(2**53), 2**53)),
    "float": ("type=float, default=0.5", st.floats(allow_nan=False)),
    "str": ("default='x'", WORDS),
    "switch": ("action='store_true'", st.booleans()),
    "both": ("action=argparse.BooleanOptionalAction, default=True", st.booleans()),
    "many": (
        "type=float, nargs='+', default=[1.0]",
        st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=3),
    ),
    "append": ("action='append', type=int", st.lists(st.integers(-99, 99), min_size=1, max_size=3)),
}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_parser_reads_back_what_was_assigned(data: st.DataObject, tmp_path: Any) -> None:
    """Whatever its flags and their values: the script's own parser is the judge."""
    chosen = data.draw(
        st.dictionaries(
            NAMES,
            st.sampled_from(sorted(KINDS)),
            min_size=1,
            max_size=6,
        ).filter(_no_clash)
    )
    lines = [f"p.add_argument('--{name}', {KINDS[kind][0]})" for name, kind in chosen.items()]
    source = (
        "import argparse\np = argparse.ArgumentParser(allow_abbrev=False)\n"
        + "\n".join(lines)
        + "\nargs = p.parse_args()\n"
    )
    path = tmp_path / "generated.py"
    path.write_text(source, encoding="utf-8")
    target = Target("script", "generated.py", path)
    flags = detect(target, cwd=tmp_path)
    own = {
        name.replace("-", "_"): data.draw(KINDS[kind][1]) for name, kind in chosen.items() if data.draw(st.booleans())
    }
    values = flags.values(flags.take(own))
    argv = command(target, flags, values, cwd=tmp_path, given=own).argv[2:]
    parser = _parser(source)
    assert vars(parser.parse_args(argv)) == {**flags.values(), **own}


def _no_clash(names: dict[str, str]) -> bool:
    plain = [name.replace("-", "_") for name in names]
    taken = {f"no_{name}" for name in plain} | {"h", "help"}
    return len(set(plain)) == len(plain) and not taken & set(plain)


def _parser(source: str) -> argparse.ArgumentParser:
    scope: dict[str, Any] = {"__name__": "generated"}
    exec(source.replace("args = p.parse_args()", ""), scope)
    parser = scope["p"]
    assert isinstance(parser, argparse.ArgumentParser)
    return parser

"""Constants of a file as its flags, and a run that differs from a plain one in them alone."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import FlagError
from penstock.experiments.flags.command import literal
from penstock.experiments.flags.values import same
from penstock.experiments.inside.penstock_constants import constants, replaced

Make = Callable[..., Any]


def found(source: str) -> dict[str, Any]:
    return {name: value for name, (_, value, _) in constants(ast.parse(source)).items()}


def test_plain_values_are_constants() -> None:
    """Numbers, texts, arithmetic, lists; capital letters or not; with or without annotation."""
    source = "LR = 1e-3\nepochs: int = 2 * 10\nNAME = 'a' 'b'\nON = True\nNONE = None\nHIDDEN = (64, -32)\nA, b = 1, 'z'\nM = 2**20\nINF = float('inf')\n"
    assert found(source) == {
        "LR": 1e-3, "epochs": 20, "NAME": "ab", "ON": True, "NONE": None, "HIDDEN": (64, -32), "A": 1, "b": "z", "M": 2**20, "INF": float("inf"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "source",
    [
        "X = 1\nX = 2", "X = 0\nX += 1", "X = 1\nfor X in range(3): pass", "X = 1\nif True: X = 2", "X = 1\ndef f():\n    global X\n    X = 2",
        "X = 1\ndel X", "X = 1\nimport os as X", "X = 1\ndef X(): pass", "X = 1\nwith open('a') as X: pass", "_X = 1", "__version__ = '1'",
        "X = []", "X = {}", "X = f(1)", "X = Y * 2", "X = f'{a}'", "if __name__ == '__main__':\n    X = 1", "class A:\n    X = 1",
        "def f():\n    X = 1", "X = b'1'", "X = [1, [2]]", "X = 10**10**10", "X = 'a' * 3", "X = Z = 1", "X: int", "X = 1\n[X := i for i in y]",
        "X = 1\ntry: pass\nexcept E as X: pass", "X = 1/0", "X = [None, 1]",
    ],
)  # fmt: skip
def test_what_changes_or_is_no_plain_value_is_no_constant(source: str) -> None:
    """State, results, names of modules and functions, and what is computed from others."""
    assert found(source).get("X") is None
    assert not {"_X", "__version__"} & set(found(source))


@given(
    st.one_of(
        st.integers(-(2**60), 2**60),
        st.floats(),
        st.booleans(),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    )
)
def test_any_value_takes_the_place_of_another(value: Any) -> None:
    """And what the file derives from it follows."""
    code = replaced(b"import math\nX = 1\nY = [X, X]\n", "x.py", {"X": literal(value)})
    scope: dict[str, Any] = {}
    exec(code, scope)
    assert same(scope["Y"], [value, value])


SCRIPT = """
    '''What it is.'''
    import numpy
    LR = 0.1  # the learning rate
    EPOCHS: int = 10
    HIDDEN = (64, 32)
    NAME = "x"
    LIMIT = None
    TWICE = EPOCHS * 2
    if __name__ == "__main__":
        print(LR, EPOCHS, HIDDEN, NAME, LIMIT, TWICE)
"""


def test_a_script_without_a_parser_has_its_constants_as_flags(script: Make) -> None:
    """With the comment behind one as its help; a tuple stays a tuple."""
    one = script(SCRIPT.replace("import numpy\n", "import os\n"))
    flags = {flag.name: flag for flag in one.flags}
    assert list(flags) == ["LR", "EPOCHS", "HIDDEN", "NAME", "LIMIT"]
    assert (flags["LR"].type, flags["LR"].help, flags["LR"].origin) == (
        "float",
        "the learning rate",
        "global, train.py:3",
    )
    assert one.says("lr=1", "EPOCHS=3", "hidden=[8]", "name=", "limit=5") == "1.0 3 (8,)  5 6"
    assert one.made("LR=0.1").env == {} or "LR" in one.made("LR=0.1").env["PENSTOCK_VALUES"]
    assert one.made().argv[1:] == ["train.py"], "nothing assigned: a plain run"


def test_a_whole_number_may_get_a_fraction_but_no_text(script: Make) -> None:
    """`DROPOUT = 0` says little about what it may be."""
    one = script("DROPOUT = 0\nprint(DROPOUT)")
    assert one.says("DROPOUT=0.5") == "0.5"
    with pytest.raises(FlagError, match="number"):
        one.assigned("DROPOUT=high")


ODD = """
    import multiprocessing, os, pickle, sys
    RATE = 1
    class Point:
        pass
    def work(x):
        return RATE * x
    if __name__ == "__main__":
        print(sys.argv, os.path.samefile(sys.path[0], os.path.dirname(__file__)), __file__, __spec__, __doc__)
        print(sorted(globals()), type(pickle.loads(pickle.dumps(Point()))))
        for method in ("spawn", "forkserver", "fork"):
            with multiprocessing.get_context(method).Pool(2) as pool:
                print(method, pool.map(work, [1, 2]))
        import train
        print(train.RATE, open(__file__).read().count("RATE"))
        raise ValueError("its end")
"""


def test_a_run_with_other_constants_is_a_plain_run_otherwise(script: Make) -> None:
    """Arguments, paths, globals, pickled classes, the traceback; and every way to start workers sees the same values."""
    one = script(ODD)
    plain = subprocess.run([sys.executable, "train.py"], cwd=one.folder, capture_output=True, text=True)
    changed = one.run("RATE=5")
    assert changed.returncode == plain.returncode == 1
    assert changed.stderr == plain.stderr
    assert changed.stdout.splitlines()[:2] == plain.stdout.splitlines()[:2]
    assert changed.stdout.splitlines()[2:] == ["spawn [5, 10]", "forkserver [5, 10]", "fork [5, 10]", "5 4"]


def test_a_module_runs_with_other_constants(script: Make) -> None:
    """As `python -m`: relative imports work."""
    one = script(
        "", name="unused.py", module="pkg.train",
        files={"pkg/__init__.py": "", "pkg/other.py": "N = 2\n", "pkg/train.py": "from .other import N\nRATE = 1\nprint(RATE * N, __package__)\n"},
    )  # fmt: skip
    assert one.says("RATE=4") == "8 pkg"


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("import sys; sys.exit(3)", 3),
        ("raise SystemExit('no')", 1),
        ("import os; os.kill(os.getpid(), 9)", -9),
        ("raise KeyboardInterrupt", -2),
    ],
)
def test_the_way_it_ends_is_its_own(script: Make, end: str, code: int) -> None:
    """Exit statuses and signals pass through."""
    one = script(f"X = 1\n{end}\n")
    assert one.run("X=2").returncode == code


def test_a_file_in_another_encoding_is_read_as_python_reads_it(tmp_path: Path, script: Make) -> None:
    """Its first line names the encoding."""
    one = script("# -*- coding: latin-1 -*-\nNAME = 'x'\nOTHER = 'é'\nprint(NAME + OTHER)\n")
    (one.folder / "train.py").write_bytes(
        b"# -*- coding: latin-1 -*-\nNAME = 'x'\nOTHER = '\xe9'\nprint(NAME + OTHER)\n"
    )
    assert one.says("NAME=ü") == "üé"


def test_a_hook_of_the_scripts_own_sees_no_frames_of_ours(script: Make) -> None:
    """Such as one that sends errors somewhere."""
    one = script("""
        import sys, traceback
        X = 1
        sys.excepthook = lambda kind, value, tb: print([f.name for f in traceback.extract_tb(tb)], file=sys.stderr)
        raise ValueError
    """)
    assert one.run("X=2").stderr.strip() == "['<module>']"


def test_only_the_scripts_own_file_is_changed(script: Make) -> None:
    """Another program of the same name, started by it, is not."""
    one = script(
        "import subprocess, sys\nX = 1\nprint(X, flush=True)\nsubprocess.run([sys.executable, '-m', 'other.train'])\n",
        files={"other/__init__.py": "", "other/train.py": "X = 1\nprint('other', X)\n"},
    )
    assert one.says("X=2").split("\n") == ["2", "other 1"]


def notebook(*sources: str, tags: dict[int, list[str]] | None = None, **metadata: Any) -> dict[str, Any]:
    cells = [
        {
            "cell_type": "code",
            "id": f"c{i}",
            "metadata": {"tags": (tags or {}).get(i, [])},
            "source": s,
            "outputs": [],
            "execution_count": None,
        }
        for i, s in enumerate(sources)
    ]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}


def write_notebook(script: Make, body: dict[str, Any]) -> Any:
    return script(json.dumps(body), name="report.ipynb")


def test_a_notebook_runs_with_other_constants_live(script: Make, tmp_path: Path) -> None:
    """Cells print as they run, and the executed notebook is kept with its outputs."""
    body = notebook(
        "%time 1\n# é\nlr = 0.1; n = 3  # how many\nlayers = (1,\n  2)\nname = 'é'",
        "import os\n!echo shell\nprint(lr, n, layers, name, os.getcwd() == os.path.dirname(os.path.abspath('report.ipynb')))\nlr * 2",
    )
    one = write_notebook(script, body)
    assert one.flags.found_in == "constants of the cells"
    assert one.flags.get("n").help == "how many"
    (tmp_path / "out").mkdir()
    done = one.run("lr=0.5", "layers=[3]", "name=it\"s 'ü'", PENSTOCK_OUTPUT=str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert "0.5 3 (3,) it\"s 'ü' True\n1.0\n" in done.stdout
    assert "shell" in done.stdout
    kept = json.loads((tmp_path / "out" / "report.ipynb").read_text(encoding="utf-8"))
    assert "lr = 0.5; n = 3  # how many\n" in "".join(kept["cells"][0]["source"])
    assert kept["cells"][1]["outputs"]
    assert json.loads((one.folder / "report.ipynb").read_text())["cells"][1]["outputs"] == [], (
        "the file itself is untouched"
    )


def test_words_of_a_script_without_a_parser_have_a_way_out(script: Make) -> None:
    """As the command that it is; and the place in penstock.toml is the script's own."""
    one = script("import sys\nLR = 0.1\nprint(sys.argv[1])\n", name="my argv.py")
    for word in ("5", "--fast"):
        with pytest.raises(FlagError) as refused:
            one.flags.assign([word])
        assert f"`penstock run -- python 'my argv.py' {word}`" in refused.value.way_out
    with pytest.raises(FlagError) as refused:
        one.flags.assign(["zzz=1"])
    assert '[scripts."my argv.py".flags]' in refused.value.way_out
    parsed = script("import argparse\np = argparse.ArgumentParser()\np.add_argument('--lr')\np.parse_args()\n")
    with pytest.raises(FlagError) as refused:
        parsed.flags.assign(["5"])
    assert "penstock run train.py`" in refused.value.way_out
    assert " -- " not in refused.value.way_out, "what it has are flags"


def test_a_secret_of_a_notebook_is_in_no_kept_cell_and_no_output(script: Make, tmp_path: Path) -> None:
    """The cells themselves get it, and other values stay as they were given."""
    secret = """hun'ter"2 é"""
    body = notebook(
        "lr = 0.1\napi_key = ''\npin_code_secret = 1", "print(len(api_key), api_key)\nprint([api_key])\n(api_key, lr)"
    )
    one = write_notebook(script, body)
    done = one.run("lr=0.5", f"api_key={secret}", "pin_code_secret=98765", PENSTOCK_OUTPUT=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert f"11 {secret}\n" in done.stdout, "what it prints is masked by whoever shows it"
    text = (tmp_path / "report.ipynb").read_text(encoding="utf-8")
    assert not [part for part in ("hun'ter", "ter\\", "2 é", "98765") if part in text], text
    kept = json.loads(text)
    assert "".join(kept["cells"][0]["source"]) == "lr = 0.5\napi_key = '***'\npin_code_secret = '***'"
    assert "".join(kept["cells"][1]["outputs"][0]["text"]).startswith("11 ***\n")
    assert "0.5" in str(kept["cells"][1]["outputs"][1]["data"])


def test_a_failing_cell_fails_the_run_and_keeps_what_there_is(script: Make, tmp_path: Path) -> None:
    """With its traceback once, and no kernel left over."""
    one = write_notebook(script, notebook("x = 1", "print('before')", "1/0", "print('never')"))
    done = one.run(PENSTOCK_OUTPUT=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.count("ZeroDivisionError: division by zero") == 1
    assert "before" in done.stdout
    assert "never" not in done.stdout
    assert (tmp_path / "report.ipynb").is_file()


def test_the_cell_tagged_parameters_is_the_one_that_counts(script: Make) -> None:
    """As other tools for notebooks have it."""
    one = write_notebook(script, notebook("a = 1", "b = 2", "c = 3\nb = b + 1", tags={1: ["parameters"]}))
    assert [flag.name for flag in one.flags] == ["b"]
    assert one.flags.get("b").origin == "parameters cell, report.ipynb, cell 2"


def test_cells_that_are_no_python_are_passed_over(script: Make) -> None:
    """Magic commands, other languages, half-written cells; a notebook in another language says so."""
    one = write_notebook(script, notebook("%%bash\nx=1", "y = !ls\nz = 3", "def (", "w?\nv = 1"))
    assert [flag.name for flag in one.flags] == ["z", "v"]
    other = write_notebook(script, notebook("x <- 1", kernelspec={"name": "ir", "language": "R"}))
    assert "notebook in r" in other.flags.notes[0]


def test_a_damaged_notebook_is_said_to_be_one(script: Make) -> None:
    """Instead of a traceback."""
    assert "is no notebook" in script("{", name="report.ipynb").flags.notes[0]


def test_an_interpreter_without_the_extra_is_told_what_to_install(script: Make, tmp_path: Path) -> None:
    """The line to type, for that interpreter."""
    from penstock.errors import MissingExtra
    from penstock.experiments.flags.command import needs_notebooks

    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec "{os.path.realpath(sys.executable)}" -I -S "$@"\n')
    bare.chmod(0o755)
    with pytest.raises(MissingExtra, match=r"-m pip install nbclient ipykernel"):
        needs_notebooks(str(bare))

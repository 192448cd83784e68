"""What the way with nothing to do may load: it has half a second, so no numerical library is among it."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "numpy",
    "pyarrow",
    "duckdb",
    "onnxruntime",
    "onnx",
    "scipy",
    "sklearn",
    "lightgbm",
    "optuna",
    "rich",
    "pydantic",
)
LOADED = "import sys; print([m for m in sys.argv[1].split(',') if m in sys.modules])"


def test_a_run_with_nothing_to_do_loads_no_numerical_library(penstock, project_at):
    """The pipeline follows what is known by its records alone."""
    project = project_at("run")
    program = (
        "import sys, contextlib, io\n"
        "from penstock.cli.app import run\n"
        "with contextlib.redirect_stdout(io.StringIO()) as out:\n"
        "    code = run(['run', '--json'])\n"
        "assert code == 0 and '\"ran\"' not in out.getvalue(), out.getvalue()\n"
    ) + LOADED
    done = subprocess.run(
        [sys.executable, "-c", program, ",".join(HEAVY)], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_help_loads_no_library_but_click():
    """Neither the ledger nor the declaration is needed to say what there is."""
    program = "import sys; from penstock.cli.app import run; run(['--help'])\n" + LOADED
    more = (*HEAVY, "sqlalchemy", "msgspec")
    done = subprocess.run([sys.executable, "-c", program, ",".join(more)], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")

"""`penstock.log` in scripts: whatever is given to it, training goes on."""

from __future__ import annotations

import sys
import time
from typing import Any

import penstock


def test_outside_of_a_run_nothing_happens(capfd: Any) -> None:
    """Not even a word."""
    assert penstock.log(step=1, loss=0.5) is None
    assert capfd.readouterr() == ("", "")


def test_what_is_logged_is_the_series_of_the_run(place: Any) -> None:
    """Steps, and names that are no Python words."""
    run = place.run_text("import penstock\nfor i in range(3): penstock.log(step=i, **{'val/loss': 1 / (i + 1)})\n")
    assert [line["val/loss"] for line in place.lines(run)] == [1, 0.5, 1 / 3]
    assert run.metrics == {"val/loss": 1 / 3}


def test_numbers_of_other_libraries_are_numbers(place: Any) -> None:
    """NumPy, PyTorch, decimals, booleans; of a tensor with a gradient too."""
    text = (
        "import penstock, numpy as np, torch, decimal, fractions\n"
        "penstock.log(step=np.int64(3), a=np.float32(0.5), b=np.array([2.0]), c=torch.tensor(1.5, requires_grad=True),\n"
        "    d=decimal.Decimal('0.25'), e=True, f=np.float64('nan'), g=fractions.Fraction(1, 2))\n"
    )
    run = place.run_text(text)
    (line,) = place.lines(run)
    assert line.pop("f") != line.get("f")
    assert line == {"step": 3, "a": 0.5, "b": 2.0, "c": 1.5, "d": 0.25, "e": 1, "g": 0.5}


def test_what_is_no_number_is_left_out_and_said_once(place: Any) -> None:
    """And the rest of the line is kept."""
    text = (
        "import penstock, numpy as np\n"
        "for i in range(3): penstock.log(step=i, loss=0.5, name='adam', arr=np.zeros(3), obj=object(), none=None)\n"
    )
    run = place.run_text(text, echo=False)
    assert run.status == "done"
    assert place.lines(run) == [{"step": i, "loss": 0.5} for i in range(3)]
    said = place.console(run).decode()
    assert said.count("'name' is left out, as it is no number but str 'adam'") == 1
    assert said.count("'arr' is left out, as it is no number but a ndarray") == 1
    assert said.count("penstock.log") == 4


def test_names_and_arguments_that_cannot_be_written_do_not_end_the_training(place: Any) -> None:
    """Lone surrogates have no bytes of their own; nothing, and a step alone, are no line."""
    text = "import penstock\npenstock.log(**{'bad\\ud800': 1.0})\npenstock.log()\npenstock.log(step=3)\npenstock.log(step=None, ok=1)\n"
    run = place.run_text(text, echo=False)
    assert run.status == "done"
    assert place.lines(run) == [{"bad\ud800": 1.0}, {"ok": 1}]


def test_forked_and_threaded_loggers_share_the_log_without_mixing_lines(place: Any) -> None:
    """Eight processes and eight threads at once."""
    text = (
        "import multiprocessing as mp, threading, penstock\n"
        "def work(n):\n"
        "    for i in range(500): penstock.log(step=i, **{f'p{n}': i, f'long_name_to_make_lines_longer_{n}': i / 7})\n"
        "penstock.log(step=0, first=1)\n"
        "ps = [mp.get_context('fork').Process(target=work, args=(n,)) for n in range(8)]\n"
        "ts = [threading.Thread(target=work, args=(n + 8,)) for n in range(8)]\n"
        "for x in ps + ts: x.start()\n"
        "for x in ps + ts: x.join()\n"
    )
    run = place.run_text(text)
    series = place.record(run).outputs["series"]
    assert {name: s["count"] for name, s in series.items() if name.startswith("p")} == {f"p{n}": 500 for n in range(16)}


def test_the_time_of_a_line_counts_from_the_start_of_the_run(place: Any) -> None:
    """All processes of a run have one clock."""
    run = place.run_text("import time, penstock\ntime.sleep(0.5)\npenstock.log(x=1)\nprint('y: 1')\n")
    times = [line["elapsed_s"] for line in place.workspace.ledger.log_of(place.record(run))]
    assert all(0.5 <= t <= 20 for t in times)


def test_a_full_disk_while_logging_loses_lines_and_not_the_training(place: Any) -> None:
    """Said once; the script ends well."""
    text = (
        "import penstock, resource\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))\n"
        "for i in range(50): penstock.log(step=i, loss=1.0)\n"
        "print('trained')\n"
    )
    run = place.run_text(text, echo=False)
    assert place.console(run).decode().count("a line of metrics is lost") == 1
    assert b"trained" in place.console(run)
    assert place.lines(run) == [{"step": i, "loss": 1.0} for i in range(4)]


def test_logging_costs_microseconds(place: Any) -> None:
    """Ten thousand calls within a run, beside writing JSON lines by hand with a flush each, in the same process."""
    text = (
        "import json, os, time, penstock\n"
        "best = 9\n"
        "for _ in range(5):\n"
        "    with open(os.environ['PENSTOCK_OUTPUT'] + '/plain.jsonl', 'w') as f:\n"
        "        a = time.process_time()\n"
        "        for i in range(10000):\n"
        "            f.write(json.dumps({'step': i, 'loss': i * .5}) + '\\n'); f.flush()\n"
        "    b = time.process_time()\n"
        "    for i in range(10000): penstock.log(step=i, loss=i * .5)\n"
        "    best = min(best, (time.process_time() - b) / (b - a))\n"
        "print('ratio:', best)\n"
    )
    run = place.run_text(text, echo=False)
    assert run.metrics["ratio"] < 2, run.metrics


def test_importing_it_is_cheap() -> None:
    """Nothing heavy comes along."""
    import subprocess

    code = "import sys, penstock\npenstock.log(x=1)\nprint(*sorted(m for m in sys.modules if m in ('numpy', 'sqlite3', 'msgspec', 'click', 'json', 'pathlib', 'dataclasses')))"
    begun = time.monotonic()
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"
    assert time.monotonic() - begun < 10

"""A process that fits candidates for a search: tasks come in on stdin, answers go out on stdout, one JSON object a line.

It is a process of its own so that a fit that overruns can be killed, and a crash in a library costs one trial. Arrays
travel as .npy files in the search's folder, mapped, not copied; nothing is pickled. When stdin ends (the parent is done, or
dead) the worker removes that folder and ends.

    {"id", "learner", "params", "shape", "seed", "threads", "limit_s", "stop_at",
     "jobs": [{"X", "y", "predict", "answer", "nominal"?, "use"?}, ...]}
    -> {"id", "params", "stopped_at", "seconds": [...]}  or  {"id", "error"}

The first job is fitted with `params` within `limit_s`, or until check `stop_at` of its deadline, and the answer says what it
returned as parameters and at which check it was stopped; the others are fitted with these parameters. No library may use
more than `threads` threads.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import queue
import shutil
import signal
import sys
import threading
import time
from typing import Any

import numpy as np

from penstock import parts
from penstock.bundle.kinds import Task
from penstock.errors import PenstockError
from penstock.learning.imbalance import fit
from penstock.learning.learner import Deadline, Shape
from penstock.learning.matrices import load_matrix


def answer(task: dict[str, Any]) -> dict[str, Any]:
    """Fit and predict all jobs of a task."""
    from threadpoolctl import threadpool_limits

    learner = parts.load("penstock.learners", task["learner"])()
    shape = Shape(**{**task["shape"], "task": Task(task["shape"]["task"])})
    params, seconds = task["params"], []
    deadline = Deadline.after(task["limit_s"])
    deadline.stop_at = task["stop_at"]
    with threadpool_limits(task["threads"]):
        for number, job in enumerate(task["jobs"]):
            started = time.perf_counter()
            X, y = load_matrix(job["X"]), np.load(job["y"])
            fitted = fit(
                learner,
                X,
                y,
                shape=shape,
                params=params,
                nominal=np.load(job["nominal"]) if "nominal" in job else None,
                use=np.load(job["use"]) if "use" in job else None,
                budget=deadline if number == 0 else None,
                seed=task["seed"],
                threads=task["threads"],
            )
            seconds.append(time.perf_counter() - started)
            if number == 0:
                params = dict(fitted.params)
            np.save(job["answer"], fitted.predict(load_matrix(job["predict"])))
    return {"id": task["id"], "params": params, "stopped_at": deadline.stopped_at, "seconds": seconds}


def main(folder: str, *slow_imports: str) -> None:
    """Serve tasks until stdin ends; `slow_imports` are imported first, so that their second does not count as a trial's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever libraries print goes to the log
    tasks: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(tasks, folder), daemon=True).start()
    for module in slow_imports:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    while True:
        task = json.loads(tasks.get())
        try:
            result = answer(task)
        except PenstockError as error:
            result = {"id": task["id"], "error": error.what}
        except MemoryError:
            result = {"id": task["id"], "error": "not enough memory"}
        except Exception as error:  # noqa: BLE001 - whatever a learner does, it costs one trial and is recorded
            result = {"id": task["id"], "error": f"{type(error).__name__}: {error}"}
        out.write(json.dumps(result) + "\n")
        out.flush()


def _read(tasks: queue.SimpleQueue[str], folder: str) -> None:
    for line in sys.stdin:
        tasks.put(line)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])

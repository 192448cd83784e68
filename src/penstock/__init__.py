"""Penstock: from a raw file to a served, watched model, with the proof of every step.

>>> import penstock
>>> penstock.__version__
'0.1.0'

The names of the first day: `new`, `run`, `deploy`, `rollback`, `predict`, `replay`, `monitor`, `retrain`, `reproduce`, `Project` and
`Bundle`; `run_script`; in scripts, `log` and `data`. Each is loaded when it is first used, so that importing costs next to nothing.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

_NAMES = {
    "Bundle": "penstock.bundle.runtime:Bundle",
    "PenstockError": "penstock.errors:PenstockError",
    "Project": "penstock.project.project:Project",
    "data": "penstock.data:",
    "deploy": "penstock.lifecycle.deploy:deploy_version",
    "import_labels": "penstock.feedback.labels:import_labels",
    "log": "penstock.experiments.metrics.log:log",
    "monitor": "penstock.lifecycle.monitor:monitor_project",
    "new": "penstock.lifecycle.new:new_project",
    "predict": "penstock.lifecycle.predict:predict_files",
    "promote": "penstock.lifecycle.promote:promote_release",
    "release": "penstock.lifecycle.release:release_version",
    "replay": "penstock.lifecycle.replay:replay",
    "reproduce": "penstock.lifecycle.repeat:reproduce",
    "retrain": "penstock.lifecycle.retrain:retrain_project",
    "rollback": "penstock.lifecycle.deploy:rollback_project",
    "run": "penstock.lifecycle.pipeline:run_project",
    "run_script": "penstock.lifecycle.script:run_script",
}

__all__ = ["Bundle", "PenstockError", "Project", "__version__", "data", "deploy", "import_labels", "log", "monitor", "new", "predict", "promote", "release", "replay", "reproduce", "retrain", "rollback", "run", "run_script"]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'penstock' has no attribute {name!r}")
    from importlib import import_module

    module, _, attribute = _NAMES[name].partition(":")
    found = import_module(module)
    globals()[name] = found = getattr(found, attribute) if attribute else found  # `log` is called ten thousand times
    return found


def __dir__() -> list[str]:
    return sorted(__all__)

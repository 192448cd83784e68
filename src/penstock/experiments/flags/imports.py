"""What an import binds: a name of another package, or one of the user's own files, which is read when it is needed."""

from __future__ import annotations

import ast
from typing import Any

from penstock.experiments.flags.files import Files
from penstock.experiments.flags.module import Env
from penstock.experiments.flags.things import Lazy, Named


def imported(node: ast.Import, files: Files) -> dict[str, Any]:
    """``import a.b as c``."""
    names: dict[str, Any] = {}
    for alias in node.names:
        top = alias.name.partition(".")[0]
        whole = alias.name if alias.asname else top
        path = files.find(whole)
        names[alias.asname or top] = Lazy(path, "") if path else Named(whole)
    return names


def imported_from(node: ast.ImportFrom, env: Env, files: Files) -> dict[str, Any]:
    """``from .a import b as c``. The name ``*`` stands for all of a file that may have to do with flags."""
    base = None
    if node.level and env.module.package is not None:
        base = env.module.package
        for _ in range(node.level - 1):
            base = base.parent
    names: dict[str, Any] = {}
    path = files.find(node.module or "", base=base)
    for alias in node.names:
        bound = alias.asname or alias.name
        if alias.name == "*":
            if path is not None and files.may_parse(path):
                names["*"] = Lazy(path, "")
            continue
        inner = None
        if path is None or path.name == "__init__.py":  # the name may be a file of its own
            inner = files.find(f"{node.module or ''}.{alias.name}", base=base)
        if inner is not None:
            names[bound] = Lazy(inner, "")
        else:
            names[bound] = Lazy(path, alias.name) if path else Named(f"{node.module or ''}.{alias.name}")
    return names

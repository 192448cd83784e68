"""A file of the user's own with what is known of its names: as `penstock.experiments.flags.files` parses it."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(eq=False, repr=False)
class Env:
    """Names and their values: of a module, a class or a call."""

    module: Module
    names: dict[str, Any] = field(default_factory=dict)
    outer: Env | None = None
    of_class: bool = False  # seen by the class's own statements, but not by its methods


@dataclass(eq=False, repr=False)
class Module:
    """A file of the user's own."""

    path: Path
    tree: ast.Module
    label: str  # how it is named to a person
    package: Path | None  # the folder that relative imports begin at
    env: Env = field(init=False)
    executed: bool = False

    def __post_init__(self) -> None:
        self.env = Env(self)

"""All figures of `penstock data profile`, from training rows alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.bundle.decoder import Frame, Kind, TargetSpec
from penstock.bundle.kinds import INPUT_KINDS
from penstock.bundle.values import class_text
from penstock.data.profile import Profile, profile
from penstock.data.profiling.relations import (
    MOST_COLUMNS,
    Relation,
    associations,
    groups_of,
    missing_patterns,
    relation,
)
from penstock.data.profiling.shapes import Shape, shape_of

SAMPLE_ROWS = 20_000
"""Rows from which associations and relations are told; more would change them by less than can be seen."""
THREADS = 2


@dataclass(frozen=True)
class Survey:
    """What training rows look like.

    Attributes
    ----------
    profile : statistics of each column. shapes : their distributions, by name. target : that of the target.
    names, associations : columns (at most 40, those with the strongest relation to the target) and how they go together.
    gaps, patterns : columns with missing values, and which are missing together (the names, rows).
    relations : how the target varies with each column, the strongest first. shown : the class whose share they tell.
    sampled : rows that associations and relations come from.
    """

    profile: Profile
    shapes: dict[str, Shape]
    target: Shape
    names: tuple[str, ...]
    associations: np.ndarray
    gaps: tuple[str, ...]
    patterns: tuple[tuple[tuple[str, ...], int], ...]
    relations: tuple[Relation, ...]
    shown: str | None
    sampled: int

    def to_json(self) -> dict[str, Any]:
        body = self.profile.to_json()
        body["columns"] = [{**c, "shape": self.shapes[c["name"]].to_json()} for c in body["columns"]]
        matrix = [[None if np.isnan(v) else round(float(v), 4) for v in row] for row in self.associations]
        return {
            **body,
            "associations": {"columns": list(self.names), "matrix": matrix},
            "missing_together": [{"columns": list(names), "rows": rows} for names, rows in self.patterns],
            "relations": [one.to_json() for one in self.relations],
            "shown_class": self.shown,
            "sampled_rows": self.sampled,
        }


def survey(
    frame: Frame, y: np.ndarray, target: TargetSpec, *, seed: int = 0, origins: Mapping[str, int] | None = None
) -> Survey:
    """Look at rows: give it training rows only. `origins`: what numbers of the frame are kept less."""
    names, less = list(frame.columns), dict.fromkeys(frame.columns, 0) | dict(origins or {})
    with ThreadPoolExecutor(THREADS) as pool:
        found = pool.map(lambda n: shape_of(frame[n], frame.kinds[n], seed=seed, origin=less[n]), names)
        shapes = dict(zip(names, found, strict=True))
        known = _profile(frame, y, target, pool, less)
    n = frame.n_rows
    rows = np.arange(n) if n <= SAMPLE_ROWS else np.sort(np.random.default_rng(seed).choice(n, SAMPLE_ROWS, False))
    some, some_y = frame.take(rows), y[rows]
    inputs = [name for name in names if frame.kinds[name] in INPUT_KINDS]
    grouped = {name: groups_of(some[name], some.kinds[name], less[name]) for name in inputs}
    shown = _shown(y, target)
    told = [relation(name, *grouped[name], some_y, shown) for name in inputs] if len(rows) else []
    told.sort(key=lambda one: (-one.strength, one.column))
    strongest = {one.column for one in told[:MOST_COLUMNS]}
    paired = [name for name in inputs if name in strongest]
    matrix = associations(some, grouped, paired) if len(rows) else np.zeros((0, 0))
    gaps, patterns = missing_patterns(frame)
    return Survey(
        known, shapes, _target_shape(y, target), tuple(paired if len(rows) else ()), matrix, tuple(gaps), tuple(patterns),
        tuple(told), None if shown is None else class_text(target.classes[shown]), len(rows),
    )  # fmt: skip


def _profile(
    frame: Frame, y: np.ndarray, target: TargetSpec, pool: ThreadPoolExecutor, less: Mapping[str, int]
) -> Profile:
    """As `penstock.data.profile.profile`, several columns at a time."""
    from penstock.data.profile import profile_column

    whole = profile(Frame({}, {}, frame.n_rows), y, target)
    columns = pool.map(lambda name: profile_column(name, frame[name], frame.kinds[name], less[name]), frame.columns)
    return Profile(frame.n_rows, tuple(columns), whole.classes, whole.target)


def _shown(y: np.ndarray, target: TargetSpec) -> int | None:
    """The class whose share is told: the positive one of two, the most frequent of several."""
    if not target.task.is_classification:
        return None
    return len(target.classes) - 1 if len(target.classes) <= 2 else int(np.bincount(y[y >= 0], minlength=1).argmax())


def _target_shape(y: np.ndarray, target: TargetSpec) -> Shape:
    if not target.task.is_classification:
        return shape_of(y, Kind.NUMERIC)
    rows: Sequence[int] = np.bincount(y[y >= 0], minlength=len(target.classes)).tolist()
    labels = np.array([class_text(label) for label in target.classes], dtype=object)
    from penstock.data.profiling.shapes import shape_of_categories

    return shape_of_categories(labels.tolist(), np.asarray(rows))

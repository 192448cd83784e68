"""Whether a step has to run, and why: its command, parameters, inputs, scripts and outputs against its finished runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from penstock.experiments.capture.secrets import Masker
from penstock.experiments.steps.contents import Content, Digests, changes, content
from penstock.experiments.steps.graph import Node
from penstock.experiments.steps.history import History
from penstock.experiments.steps.keeping import link_before, stored_files
from penstock.experiments.steps.record import Basis, Past

if TYPE_CHECKING:
    from penstock.objects.store import ObjectStore

Standing = Literal["known", "stale", "waits", "blocked"]


@dataclass(frozen=True)
class State:
    """How a step stands.

    Attributes
    ----------
    standing : ``known`` (nothing to do), ``stale`` (it has to run), ``waits`` (for a step before it that is stale: whether it
        has to run shows then), or ``blocked`` (an input is missing).
    why : the reasons.
    basis : what it depends on now; None where that cannot be told yet.
    past : the finished run whose result is known, or, of a stale step, the newest one.
    restore : outputs that are gone and will be put back from the store.
    missing : inputs that are not there.
    """

    name: str
    standing: Standing
    why: str
    basis: Basis | None = None
    past: Past | None = None
    restore: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Surroundings:
    """What a step's state is judged in. `rows` : `rows_of` the project's, as they are now; None where nobody told."""

    root: Path
    objects: ObjectStore
    digest: Digests
    history: History
    masker: Masker
    rows: str | None = None


def state_of(node: Node, around: Surroundings, *, beside: Mapping[str, str]) -> State:
    """How a step stands, all steps before it being known.

    Parameters
    ----------
    beside : path -> digest of outputs of earlier steps that are gone but can be put back: they count as there.
    """
    inputs = {path: content(around.root, path, around.digest, beside=beside) for path in node.inputs}
    basis = Basis.of(node, inputs, around.masker)
    missing = tuple(path for path, found in inputs.items() if not found.there)
    if missing:
        return State(node.name, "blocked", f"its input {missing[0]} is missing", basis, missing=missing)
    reasons: list[str] = []
    for past in around.history.of_key(node.name, basis.key):
        changed = _changed_needs(past, around, beside) or _changed_rows(past, around)
        if changed:
            reasons.append(changed)
            continue
        restore, hurt = _outputs(node, past, around)
        if not hurt:
            why = f"unchanged since run {past.record.id}"
            if restore:
                why += f"; {', '.join(restore)} {'is' if len(restore) == 1 else 'are'} put back"
            return State(node.name, "known", why, basis, past, restore)
        reasons.append(hurt)
    newest = around.history.newest(node.name)
    if not reasons:
        reasons = [why_stale(basis, newest, around)] if newest else [around.history.attempt(node.name)]
    return State(node.name, "stale", reasons[0], basis, newest)


def why_stale(basis: Basis, past: Past, around: Surroundings) -> str:
    """What differs from a finished run of the step, declared things first."""
    told = declared_changes(basis, past)
    for path, found in basis.inputs.items():
        if path not in past.inputs:
            told.append(f"the input {path} is new")
        elif past.inputs[path] != found.digest:
            told.append(_input_changed(path, found, past.inputs[path], around))
    told += [f"the input {path} is gone" for path in past.inputs if path not in basis.inputs]
    told += [f"the output {path} is new" for path in basis.outputs if path not in past.outputs]
    told += [f"the output {path} is no longer declared" for path in past.outputs if path not in basis.outputs]
    return "; ".join(told) or f"it differs from run {past.record.id}"


def declared_changes(basis: Basis, past: Past) -> list[str]:
    """How command and parameters differ from those of a finished run."""
    told = ["its command was changed"] if basis.run != past.run else []
    for name in sorted({*basis.params, *past.params}):
        if name not in past.params:
            told.append(f"the parameter {name} is new")
        elif name not in basis.params:
            told.append(f"the parameter {name} is gone")
        elif basis.params[name] != past.params[name] or type(basis.params[name]) is not type(past.params[name]):
            told.append(f"{name} is {shown(basis.params[name])} instead of {shown(past.params[name])}")
    return told


def shown(value: object) -> str:
    """A parameter as it is written in the declaration."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value) if value != "" else '""'


def _input_changed(path: str, found: Content, before: str, around: Surroundings) -> str:
    if found.single:
        return f"its input {path} was changed"
    listed = around.history.listing(before)
    return f"its input {path} was changed" + (f" ({changes(listed, found.files)})" if listed is not None else "")


def _changed_needs(past: Past, around: Surroundings, beside: Mapping[str, str]) -> str:
    """Which of the files that a run depended on beside its inputs are others now; "" where none is."""
    now: dict[str, str] = {}
    for path in past.needs:
        place = around.root / path
        if place.is_file():
            now[path] = around.digest(place)
        elif path in beside:
            now[path] = beside[path]
    return changes(past.needs, now)


def _changed_rows(past: Past, around: Surroundings) -> str:
    """Whether the rows of the project that a run has read are others now."""
    if past.rows is None or around.rows is None or past.rows == around.rows:
        return ""
    return "the rows of the project have changed" if around.rows else "the data of the project is to be read anew"


def _is_part(found: Content, past: Past, path: str, around: Surroundings) -> bool:
    """Whether all that is left of a folder is as a run had made it."""
    if found.single or past.tree is None or not around.objects.has(past.tree):
        return False
    return found.files.items() <= stored_files(around.objects, past, [path]).items()


def _outputs(node: Node, past: Past, around: Surroundings) -> tuple[tuple[str, ...], str]:
    """Outputs to put back, and why that does not do: an output that is gone for good, or that somebody has changed."""
    restore: list[str] = []
    for path in node.outputs:
        recorded = past.outputs[path]
        found = content(around.root, path, around.digest)
        if found.there and found.digest == recorded.digest:
            continue
        ours = (
            not found.there or _is_part(found, past, path, around) or around.history.made(node.name, path, found.digest)
        )
        if ours and recorded.kept and past.tree is not None and around.objects.has(past.tree):
            stored = (
                *stored_files(around.objects, past, [path]),
                f"{path.rstrip('/')}/" if not recorded.single else path,
            )
            link = next(filter(None, (link_before(around.root, file) for file in stored)), None)
            if link is not None:
                return (
                    (),
                    f"its output {path} is not as run {past.record.id} had made it, and is not put back behind the link {link}",
                )
            restore.append(path)
        elif not found.there:
            return (), f"its output {path} is gone, and the store does not have it"
        elif ours:
            return (), f"its output {path} is that of another run, and the store does not have this one"
        else:
            return (), f"its output {path} was changed after run {past.record.id} had made it"
    return tuple(restore), ""

"""Why a run that was done again gave something else: what differs around the two, in the order in which it is likely to matter."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.errors import StoreError
from penstock.experiments.capture.places import tree_path
from penstock.experiments.reproducing.verdict import CONSEQUENCE
from penstock.objects.tree import read_tree

if TYPE_CHECKING:
    from penstock.ledger.ledger import Ledger
    from penstock.ledger.record import RunRecord

_SEEDS = re.compile(
    rb"(?i)(?:random_)?seed\w*\s*[=(:]\s*[\w.\[]|random_state\s*=\s*(?!None)\w|manual_seed\s*\(|default_rng\s*\(\s*[\w.]|RandomState\s*\(\s*\w|set\.seed\s*\("
)
_MACHINE = (("machine", "machine"), ("cpu", "processor"), ("cpus", "number of processors"), ("gpus", "graphics cards"))
_NO_MODULE = re.compile(r"No module named '?([\w.]+)")


def around(
    was: RunRecord, now: RunRecord, not_restored: Sequence[Mapping[str, str]], roots: tuple[Path, Path]
) -> list[str]:
    """What differs around two runs of the same source and flags: data, code, packages, system, machine, variables.

    `roots` are the folders in which they ran.
    """
    found = [f"data: {_list([line['path'] for line in not_restored])} could not be restored"] if not_restored else []
    found += [f"data: {line}" for line in _inputs(was, now, roots)]
    if was.source.get("penstock") != now.source.get("penstock"):
        found.append(f"code: Penstock {was.source.get('penstock')} then, {now.source.get('penstock')} now")
    before, after = was.environment, now.environment
    packages = _packages(before.get("packages") or {}, after.get("packages") or {})
    if packages:
        found.append(f"package versions: {_list(packages)}")
    for name, shown in (("python", "Python"), ("platform", "system")):
        if before.get(name) != after.get(name):
            found.append(f"{shown}: {before.get(name)} -> {after.get(name)}")
    machine = [
        f"{shown} {_plain(before.get(n))} -> {_plain(after.get(n))}"
        for n, shown in _MACHINE
        if before.get(n) != after.get(n)
    ]
    if machine:
        found.append(f"hardware: {_list(machine)}")
    variables = _variables(before.get("variables") or {}, after.get("variables") or {})
    if variables:
        found.append(f"environment variables: {_list(variables)}")
    return found


def cause_of(
    kind: str, *, around: Sequence[str], metrics_differ: bool, seed: str, ended_otherwise: bool, crash: str | None
) -> str:
    """The likely cause of one difference.

    Parameters
    ----------
    seed : what is said of randomness, where nothing else differs.
    ended_otherwise : one of the two failed, or in another way; what else differs follows from that.
    crash : why the repetition failed, where the first run did not.
    """
    if ended_otherwise and kind != "exit":
        return CONSEQUENCE
    if crash is not None:
        module = _NO_MODULE.search(crash)
        if module:
            return f"package versions: {module[1]!r} is not installed here"
        missing = "No such file or directory" in crash or "FileNotFoundError" in crash
        if missing and not any(line.startswith("data:") for line in around):
            return f"data: a file was not captured ({crash}); name it in [run] inputs of penstock.toml"
        return f"{around[0]}; it failed: {crash}" if around else f"the program failed: {crash}"
    if around:
        return "; ".join(around[:3])
    if kind == "file" and not metrics_differ:
        return "time, order or padding within the file: every number is the same"
    return seed


def seed_of(ledger: Ledger, record: RunRecord) -> str:
    """What can be said of randomness, where data, code, packages and machine are the same."""
    target = record.inputs.get("target", {})
    name = str(target.get("path") or record.operation)
    if any("seed" in flag or "random_state" in flag for flag in record.params) or _sets_seed(
        ledger, record, tree_path(name)
    ):
        return f"seed: randomness or an order that the seed in {name} does not reach, such as threads, a set's order, a GPU, or the clock"
    return f"seed: none is set in {name}, so that each run draws other random numbers"


def _sets_seed(ledger: Ledger, record: RunRecord, path: str) -> bool:
    """Whether the script, or a file of the same source that it imports, sets one."""
    try:
        tree = read_tree(ledger.objects, str(record.inputs["source"]))
        texts = {p: tree.read(p) for p in tree.files if p == path or p.endswith(".py")}
    except (StoreError, KeyError):  # purged: nothing can be said
        return False
    own = texts.get(path, b"")
    imported = re.findall(rb"(?m)^\s*(?:from|import)\s+\.?([\w.]+)", own)
    names = {name.decode().rpartition(".")[2] for name in imported} | {
        name.decode().partition(".")[0] for name in imported
    }
    return any(
        _SEEDS.search(text)
        for p, text in texts.items()
        if p == path or p.rpartition("/")[2].removesuffix(".py") in names
    )


def _inputs(was: RunRecord, now: RunRecord, roots: tuple[Path, Path]) -> list[str]:
    """Inputs that both have read, with other bytes: the same name, or (of an absolute path in the script) the same place."""
    before, after = (record.inputs.get("files") or {} for record in (was, now))
    places = {os.path.normpath(roots[1] / name): digest for name, digest in after.items()}
    changed = [
        name
        for name, digest in before.items()
        if after.get(name, digest) != digest or places.get(os.path.normpath(roots[0] / name), digest) != digest
    ]
    found = [f"{_list(changed)} has changed"] if changed else []
    parts = [(record.inputs.get("dataset"), record.inputs.get("parts")) for record in (was, now)]
    if parts[0] != parts[1]:
        found.append("the training and validation rows that it was given are others")
    return found


def _packages(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Those that changed first, then those that are gone, then those that are new."""
    changed = [f"{n} {before[n]} -> {after[n]}" for n in sorted({*before} & {*after}) if before[n] != after[n]]
    gone = [f"{n} {before[n]} -> not installed" for n in sorted({*before} - {*after})] if after else []
    new = (
        [f"{n} not installed -> {after[n]}" for n in sorted({*after} - {*before})]
        if before and not changed and not gone
        else []
    )
    return changed + gone + new


def _variables(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    names = sorted(
        n for n in {*before, *after} if before.get(n) != after.get(n) and n not in ("VIRTUAL_ENV", "PYTHONPATH")
    )
    return [f"{name} {_plain(before.get(name))} -> {_plain(after.get(name))}" for name in names]


def _plain(value: Any) -> str:
    if value in (None, [], ""):
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _list(items: Sequence[str], most: int = 5) -> str:
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")

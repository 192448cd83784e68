"""Corrected labels: a row that a version holds gets another outcome, wherever it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from penstock.bundle.decoder import Frame
from penstock.data import chunks
from penstock.data import fingerprints as prints
from penstock.data.memory import RowMemory
from penstock.data.seal import read_sealed
from penstock.data.split import PARTS, TEST
from penstock.data.store import seal_rows
from penstock.data.versions import DatasetVersion, Envelope
from penstock.ledger.ledger import Ledger
from penstock.objects.store import ObjectStore


@dataclass(frozen=True)
class Corrections:
    """Rows with the outcome they were taken in with, and the one that holds.

    Attributes
    ----------
    content : fingerprints of the decoded rows, uint64, shape (n, 2).
    was, y : outcomes as the target decodes them, shape (n,). was_hash, y_hash : their keyed hashes, uint64, shape (n,).
    """

    content: np.ndarray
    was: np.ndarray
    y: np.ndarray
    was_hash: np.ndarray
    y_hash: np.ndarray


@dataclass(frozen=True)
class Relabelled:
    """What a version becomes.

    Attributes
    ----------
    parts : as in the manifest. envelopes : by index. done : which corrections found their row: bool, shape (n,).
    """

    parts: dict[str, list[dict[str, Any]]]
    envelopes: dict[int, Envelope]
    memory: RowMemory
    done: np.ndarray


def relabel(
    ledger: Ledger, objects: ObjectStore, version: DatasetVersion, memory: RowMemory, corrections: Corrections
) -> Relabelled:
    """Give each correction to one row of the version that is like it and has the outcome that is corrected.

    Rows that are alike in all inputs and in the outcome are the same row to everybody: which one is taken does not matter.
    """
    places, memory = _remember(memory, corrections)
    parts = {name: list(listed) for name, listed in version.manifest["parts"].items()}
    sealed = {envelope.index: envelope for envelope in version.envelopes}
    for part, index in sorted(set(places.values())):
        waiting = [i for i, place in places.items() if place == (part, index)]
        if part == TEST:
            frame, y = read_sealed(ledger, objects, version, index)
            y = y.copy()
            if _apply(ledger, version, frame, y, corrections, waiting):
                sealed[index] = seal_rows(ledger, objects, version.lineage, index, frame, y, version.decoder)
            continue
        for number, chunk in enumerate(parts[PARTS[part]]):
            frame, y = chunks.from_bytes(objects.get(chunk["object"]), version.decoder.columns)
            y = y.copy()
            if _apply(ledger, version, frame, y, corrections, waiting):
                stored = objects.put(chunks.to_bytes(frame, y, version.decoder.columns))
                parts[PARTS[part]][number] = {"object": stored, "rows": chunk["rows"]}
    done = np.zeros(len(corrections.y), dtype=bool)
    done[list(places)] = True
    return Relabelled(parts, sealed, memory, done)


def _remember(memory: RowMemory, corrections: Corrections) -> tuple[dict[int, tuple[int, int]], RowMemory]:
    """Part and envelope of the row of each correction that has one, and the memory with the new outcomes."""
    entries: dict[tuple[bytes, int], list[int]] = {}
    for i, (print_, target) in enumerate(zip(_bytes(memory.content), memory.target.tolist(), strict=True)):
        entries.setdefault((print_, target), []).append(i)
    count = memory.count.copy()
    places: dict[int, tuple[int, int]] = {}
    taken = []
    wanted = zip(_bytes(corrections.content), corrections.was_hash.tolist(), strict=True)
    for i, key in enumerate(wanted):
        found = next((e for e in entries.get(key, []) if count[e] > 0 and memory.part[e] >= 0), None)
        if found is not None:
            count[found] -= 1
            places[i] = int(memory.part[found]), int(memory.envelope[found])
            taken.append(found)
    corrected = RowMemory.of(
        row=memory.row[taken],
        content=memory.content[taken],
        target=corrections.y_hash[list(places)],
        group=memory.group[taken],
        part=memory.part[taken],
        envelope=memory.envelope[taken],
    )
    return places, RowMemory.joined(replace(memory, count=count), corrected)


def _apply(
    ledger: Ledger,
    version: DatasetVersion,
    frame: Frame,
    y: np.ndarray,
    corrections: Corrections,
    waiting: list[int],
) -> bool:
    """Write the outcomes of waiting corrections into `y`, where their rows are; whether any was."""
    at: dict[tuple[bytes, float], list[int]] = {}
    content = prints.frame_fingerprints(frame, version.inputs, ledger.secret("fingerprints"))
    for row, (print_, outcome) in enumerate(zip(_bytes(content), y.tolist(), strict=True)):
        at.setdefault((print_, outcome), []).append(row)
    asked = _bytes(corrections.content[waiting])
    changed = False
    for i, print_ in zip(list(waiting), asked, strict=True):
        rows = at.get((print_, corrections.was[i].item()))
        if rows:
            y[rows.pop()] = corrections.y[i]
            waiting.remove(i)
            changed = True
    return changed


def _bytes(fingerprints: np.ndarray) -> list[bytes]:
    raw: list[bytes] = np.ascontiguousarray(fingerprints).view("V16").ravel().tolist()
    return raw

"""Triton's model repository extension: which models there are, load one ahead, unload one. What may be loaded is what stands on the shelf.

Source: https://github.com/triton-inference-server/server, `docs/protocol/extension_model_repository.md`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from penstock.errors import NotFound, RequestError
from penstock.serving.acknowledgements import shelf_followed
from penstock.serving.models import Offered
from penstock.serving.shelf import State, set_state
from penstock.serving.worker import Worker

_STATES = {"ready": "READY", "loading": "LOADING"}
_REASONS = {"offered": "it is loaded when first asked", "unloaded": "unloaded"}


def index(worker: Worker, *, only_ready: bool) -> list[dict[str, str]]:
    """All versions as this worker has them now."""
    offered = [] if worker.serving_or_none is None else worker.models.offered()
    return [_entry(one) for one in offered if one.state == "ready" or not only_ready]


async def load(worker: Worker, model: str, asked: Mapping[str, Any]) -> None:
    """Have all versions of a model loaded by every worker; returns when they are. What a slot holds is loaded already.

    Raises
    ------
    RequestError : 404, the shelf has no such model; 400, the request brings files or a configuration of its own;
        503, a version cannot be loaded here.
    """
    parameters = asked.get("parameters") or {}
    if parameters:
        named = ", ".join(map(repr, parameters)) if isinstance(parameters, dict) else "parameters"
        raise RequestError(
            f"a model cannot be loaded with {named}",
            why="what is loaded is what `penstock models shelve` has put there, as it was tested",
            way_out="leave the parameters out",
            path="parameters",
        )
    if model in _in_slots(worker) and model not in worker.models.shelf.models:
        return
    await _change(worker, model, "loaded")
    for one in worker.models.states_of(model):
        if one.state == "failed":
            await worker.models.find(model, one.version)  # raises why, as a prediction would


async def unload(worker: Worker, model: str) -> None:
    """Have every worker drop a model and refuse requests for it, until it is loaded again.

    Raises
    ------
    RequestError : 404, the shelf has no such model; 400, it is in a slot.
    """
    if model in _in_slots(worker):
        raise RequestError(
            f"{model} cannot be unloaded",
            why="it is in a slot, and one version of it is live",
            way_out="deploy another model's version, or take single versions off the shelf: penstock models unshelve",
            path="model",
            code="pinned",
        )
    await _change(worker, model, "unloaded")


async def _change(worker: Worker, model: str, state: State) -> None:
    """One change at a time in this worker: who waits for another process, or for all workers, holds nothing that those need to follow."""
    async with worker.one_changes_shelf:
        try:
            shelf = await asyncio.to_thread(set_state, worker.state_dir, model, state, by="model repository")
        except NotFound as error:
            raise RequestError(
                f"there is no model {model!r} on the shelf",
                why=error.why,
                way_out="put it there: penstock models shelve",
                path="model",
                code="unknown-model",
                status=404,
            ) from None
        await shelf_followed(worker.state_dir, shelf.epoch)


def _in_slots(worker: Worker) -> set[str]:
    return {slot.entry.model for slot in worker.serving.by_version.values()}


def _entry(one: Offered) -> dict[str, str]:
    reason = one.reason or _REASONS.get(one.state, "")
    return {
        "name": one.model,
        "version": str(one.version),
        "state": _STATES.get(one.state, "UNAVAILABLE"),
        "reason": reason,
    }

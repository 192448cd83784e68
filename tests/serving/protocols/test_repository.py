"""The model repository: loads and unloads that come at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from penstock.serving.protocols import repository
from penstock.serving.slots import SlotState

if TYPE_CHECKING:
    from tests.serving.conftest import Client


def test_many_changes_at_once_leave_the_threads_to_whoever_follows(
    deploy: Callable[..., SlotState], shelve: Callable[..., Any], open_client: Callable[..., Client]
) -> None:
    """More of them than there are threads: each waits for all workers, and these need a thread to follow."""
    deploy(1)
    shelve("other", 1, of=2)
    worker = open_client().worker

    async def ask() -> list[str]:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
        following = asyncio.create_task(worker.models.follow())
        async with asyncio.timeout(20):
            changes = [repository.load(worker, "other", {}), repository.unload(worker, "other")]
            await asyncio.gather(*changes, *(repository.load(worker, "other", {}) for _ in range(4)))
        following.cancel()
        return [one["state"] for one in repository.index(worker, only_ready=False) if one["name"] == "other"]

    assert asyncio.run(ask()) == ["READY"]

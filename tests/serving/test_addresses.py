"""A version is found by its number, its alias or its slot."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.errors import RequestError
from penstock.serving.addresses import address


def test_latest_is_the_highest_number_and_champion_the_live_one(deploy: Any, open_client: Any) -> None:
    """Also when an older version is live again."""
    from penstock.serving.switching import switch_back

    deploy(1)
    deploy(2)
    client = open_client()
    serving = client.worker.serving
    assert address(serving, "toy").entry.version == 2
    switch_back(client.journal.parent)
    back = open_client().worker.serving
    assert address(back, "toy").entry.version == 1
    assert address(back, "toy", "champion").entry.version == 1
    assert address(back, "toy", "latest").entry.version == 2
    assert address(back, "toy", "green").entry.version == 2


@pytest.mark.parametrize("version", ["", "0", "3", "-1", "²", "green"])
def test_what_is_not_there_is_refused(client: Any, version: str) -> None:
    """With what is there."""
    with pytest.raises(RequestError, match="is in no slot of this server"):
        address(client.worker.serving, "toy", version)

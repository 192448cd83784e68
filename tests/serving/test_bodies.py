"""Reading the body of a request, part by part."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import RequestError
from penstock.serving.bodies import read_body

LIMIT = 20


def received(parts: list[bytes], headers: list[tuple[bytes, bytes]] | None = None) -> bytes | None:
    """What is read of a body that comes in these parts; a wait for more than was sent has no end."""
    messages: Iterator[dict[str, Any]] = iter(
        {"type": "http.request", "body": part, "more_body": number < len(parts)}
        for number, part in enumerate(parts, start=1)
    )

    async def receive() -> Any:
        message = next(messages, None)
        if message is None:
            await asyncio.Event().wait()
        return message

    async def read() -> bytes | None:
        return await asyncio.wait_for(read_body({"headers": headers or []}, receive, LIMIT), 1.0)

    return asyncio.run(read())


@given(st.lists(st.binary(max_size=12), min_size=1, max_size=8))
def test_a_body_is_whole_or_refused_however_it_is_cut(parts: list[bytes]) -> None:
    """A part that crosses the limit may be the last one: the answer never waits for more than the client sends."""
    whole = b"".join(parts)
    if len(whole) <= LIMIT:
        assert received(parts) == whole
    else:
        with pytest.raises(RequestError) as caught:
            received(parts)
        assert caught.value.status == 413


@pytest.mark.parametrize("asks_first", [False, True])
def test_a_declared_length_over_the_limit_is_refused(asks_first: bool) -> None:
    """With `expect`, nothing is read at all: the client waits for leave to send."""
    headers = [(b"content-length", b"30"), *([(b"expect", b"100-continue")] if asks_first else [])]
    with pytest.raises(RequestError) as caught:
        received([] if asks_first else [b"x" * 15, b"x" * 15], headers)
    assert caught.value.status == 413

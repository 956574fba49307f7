from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from elute_wire.ahead import made_ahead


async def counting(made: list[int], fail_at: int = -1) -> AsyncIterator[int]:
    for number in range(5):
        if number == fail_at:
            raise ValueError("made no more")
        made.append(number)
        yield number


async def test_items_come_in_order_and_no_more_than_the_depth_waits() -> None:
    made: list[int] = []
    async with made_ahead(counting(made), 2) as items:
        assert await anext(items) == 0
        await asyncio.sleep(0.01)
        assert made == [0, 1, 2, 3]
        assert [item async for item in items] == [1, 2, 3, 4]


async def test_a_failure_comes_after_what_was_made_before_it() -> None:
    got = []
    with pytest.raises(ValueError, match="no more"):
        async with made_ahead(counting([], fail_at=2), 4) as items:
            async for item in items:
                got.append(item)  # noqa: PERF401 - what came before the failure must stay
    assert got == [0, 1]


async def test_leaving_early_stops_the_making() -> None:
    stopped = asyncio.Event()

    async def endless() -> AsyncGenerator[int, None]:
        try:
            while True:
                yield 1
        finally:
            stopped.set()

    source = endless()
    async with made_ahead(source, 1) as items:
        await anext(items)
    await source.aclose()
    assert stopped.is_set()

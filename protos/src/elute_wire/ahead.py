"""Makes the next items of an iterator while the one before is in use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import TypeAlias, TypeVar

T = TypeVar("T")
Put: TypeAlias = Callable[[T], Awaitable[None]]

_END = object()


@asynccontextmanager
async def made_ahead(items: AsyncIterator[T], depth: int) -> AsyncIterator[AsyncIterator[T]]:
    """Make up to `depth` items ahead of their use; leaving the block stops the making.

    Args:
        items: What is made; an exception of it is raised where the item would have been taken.
        depth: How many finished items wait at most.
    """

    async def produce(put: Put[T]) -> None:
        async for item in items:
            await put(item)

    async with pushed(produce, depth) as made:
        yield made


@asynccontextmanager
async def pushed(produce: Callable[[Put[T]], Awaitable[None]], depth: int) -> AsyncIterator[AsyncIterator[T]]:
    """Turn what pushes items into an iterator of them; leaving the block stops the pushing.

    Args:
        produce: Hands over each item; an exception of it is raised where the next item would have been taken.
        depth: How many items wait at most: the next is handed over when one has been taken.
    """
    queue: asyncio.Queue[T | BaseException | object] = asyncio.Queue(depth)

    async def fill() -> None:
        try:
            await produce(queue.put)
        except Exception as error:  # noqa: BLE001 - raised again where the items are taken
            await queue.put(_Failed(error))
        else:
            await queue.put(_END)

    async def taken() -> AsyncGenerator[T, None]:
        while (item := await queue.get()) is not _END:
            if isinstance(item, _Failed):
                raise item.error
            yield item  # type: ignore[misc] # neither the end nor a failure: an item

    task = asyncio.create_task(fill())
    try:
        async with aclosing(taken()) as iterator:
            yield iterator
    finally:
        task.cancel()
        await asyncio.wait([task])


class _Failed:
    def __init__(self, error: Exception) -> None:
        self.error = error

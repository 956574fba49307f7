"""The places of a gateway in which partitions load: one each, or all of them for one that must be alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Places:
    """A number of places; who needs all of them is not overtaken for ever by those who need one."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._used = 0
        self._waiting_alone = 0
        self._freed = asyncio.Event()

    @property
    def free(self) -> int:
        """How many places nobody has or waits for."""
        return 0 if self._waiting_alone else self._count - self._used

    @asynccontextmanager
    async def taken(self, *, alone: bool = False) -> AsyncIterator[None]:
        """Have one place, or all, while the block runs."""
        wanted = self._count if alone else 1
        self._waiting_alone += alone
        try:
            while self._used + wanted > self._count:
                self._freed.clear()
                await self._freed.wait()
            self._used += wanted
        finally:
            self._waiting_alone -= alone
        try:
            yield
        finally:
            self._used -= wanted
            self._freed.set()

"""A run as one gateway executes it: what it holds in memory, and how it is made to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from elute_gateway.application.snapshot import SnapshotKeeper
from elute_gateway.domain.plan import Plan
from elute_gateway.domain.run import Run
from elute_gateway.domain.transfer import Ends

T = TypeVar("T")


class Stop(Enum):
    """Why a session ends before its run does."""

    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    """Another gateway has taken the run over."""
    LEAVING = "leaving"
    """This gateway stops; another one goes on."""


class Stopped(Exception):
    """What the session was doing has been given up."""

    def __init__(self, why: Stop) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(eq=False)
class RunSession:
    """A run that this gateway has taken over.

    Attributes:
        run: The run as it was then; its epoch is the session's claim on it.
        plan: What it does; None before it was checked.
        ends: Its two stores.
        keeper: Its snapshot, while it reads under one.
        generation: That snapshot's number.
    """

    run: Run
    plan: Plan | None = None
    ends: Ends | None = None
    keeper: SnapshotKeeper | None = None
    generation: int = 0
    _cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    _left: asyncio.Future[Stop] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def stop(self, why: Stop) -> None:
        """Give up whatever the session is doing."""
        if why is Stop.CANCELLED:
            self._cancelled.set()
        elif not self._left.done():
            self._left.set_result(why)

    async def guard(self, work: Coroutine[Any, Any, T], *, settling: bool = False) -> T:
        """Do something until it is done or the session is told to stop.

        Args:
            work: What to do.
            settling: Whether the run is being brought to its end, which a cancelled one must reach too.

        Raises:
            Stopped: The session was told to stop; the work has been cancelled and has ended.
        """
        task = asyncio.ensure_future(work)
        cancelled = asyncio.ensure_future(self._cancelled.wait())
        first: list[asyncio.Future[Any]] = [task, self._left] if settling else [task, self._left, cancelled]
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        finally:
            cancelled.cancel()
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
        if task.cancelled():
            raise Stopped(self._left.result() if self._left.done() else Stop.CANCELLED)
        return task.result()

    async def close(self) -> None:
        """Stop holding the snapshot; its lease lets another gateway re-attach."""
        if self.keeper:
            await self.keeper.stop()
            self.keeper = None

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
    _why: asyncio.Future[Stop] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def stop(self, why: Stop) -> None:
        """Give up whatever the session is doing; the first reason counts."""
        if not self._why.done():
            self._why.set_result(why)

    @property
    def stopped(self) -> Stop | None:
        """Why the session was told to stop, if it was."""
        return self._why.result() if self._why.done() else None

    async def guard(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something until it is done or the session is told to stop.

        Raises:
            Stopped: The session was told to stop; the work has been cancelled and has ended.
        """
        task = asyncio.ensure_future(work)
        first: list[asyncio.Future[Any]] = [task, self._why]
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
        if task.cancelled():
            raise Stopped(self.stopped or Stop.LEAVING)
        return task.result()

    async def close(self) -> None:
        """Stop holding the snapshot; its lease lets another gateway re-attach."""
        if self.keeper:
            await self.keeper.stop()
            self.keeper = None

"""Pooled sessions whose calls block: each call is made in a worker thread, and one that hangs is cancelled.

Between two uses a session must hold nothing at its server, no transaction and no lock: it may wait here for long.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from typing import Any, Generic, Protocol, TypeVar, TypeVarTuple

from elute_connector.application.meters import IDLE, LENT

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

_IDLE_SECONDS = 60.0
_MOST_IDLE = 8
_CANCEL_AGAIN_SECONDS = 0.2


class Session(Protocol):
    """A session with a store; it connects at its first use."""

    def cancel(self) -> None:
        """Make the running call fail, from another thread; do nothing when none is running."""
        ...

    def close(self) -> None:
        """End the session; called when no other call is running."""
        ...


AnySession = TypeVar("AnySession", bound=Session)


class Pooled(Generic[AnySession]):
    """A session and the call that is running in it."""

    def __init__(self, session: AnySession, executor: Executor) -> None:
        self.session = session
        self.idle_since = 0.0
        self._executor = executor
        self._running: asyncio.Future[Any] | None = None

    async def run(self, function: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """Call something of the session in a worker thread; a cancelled caller leaves, the thread goes on."""
        self._running = asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)
        return await asyncio.shield(self._running)

    async def discard(self) -> None:
        """End the session, whatever it does."""
        # Another thread may be inside the driver: it must come out before the session is closed. A cancel that came
        # before the server had begun is lost, so it is repeated.
        while self._running and not self._running.done():
            await asyncio.to_thread(self.session.cancel)
            await asyncio.wait([self._running], timeout=_CANCEL_AGAIN_SECONDS)
        await asyncio.to_thread(self.session.close)


class SessionPool(Generic[AnySession]):
    """The sessions of one connection."""

    def __init__(self, make: Callable[[], AnySession], executor: Executor) -> None:
        self._make = make
        self._executor = executor
        self._idle: list[Pooled[AnySession]] = []
        self._trimming: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[Pooled[AnySession]]:
        """Lend a session for the length of the block. One that leaves it by an exception is cancelled and closed."""
        pooled = self._taken() or Pooled(self._make(), self._executor)
        LENT.inc()
        try:
            yield pooled
        except BaseException:
            await asyncio.shield(self._closed_soon(pooled))
            raise
        finally:
            LENT.dec()
        pooled.idle_since = time.monotonic()
        self._idle.append(pooled)
        IDLE.inc()
        self._trim()

    async def close(self) -> None:
        """End all idle sessions."""
        if self._trimming:
            self._trimming.cancel()
        while pooled := self._taken():
            self._closed_soon(pooled)
        if self._closing:
            await asyncio.wait(self._closing)

    def _taken(self, place: int = -1) -> Pooled[AnySession] | None:
        if not self._idle:
            return None
        IDLE.dec()
        return self._idle.pop(place)

    def _trim(self) -> None:
        """End the sessions that nobody needs, now and when those that are left have been idle for long."""
        if self._trimming:
            self._trimming.cancel()
        now = time.monotonic()
        while self._idle and (len(self._idle) > _MOST_IDLE or now - self._idle[0].idle_since >= _IDLE_SECONDS):
            if oldest := self._taken(0):
                self._closed_soon(oldest)
        if self._idle:
            self._trimming = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._trim)

    def _closed_soon(self, pooled: Pooled[AnySession]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(pooled.discard())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        return task

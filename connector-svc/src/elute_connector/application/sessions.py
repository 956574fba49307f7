"""Pooled sessions: what is costly to open is lent again and again.

Between two uses a session must hold nothing at its server, no transaction and no lock: it may wait here for long.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from elute_connector.application.meters import IDLE, LENT

_IDLE_SECONDS = 60.0
_MOST_IDLE = 8


class Session(Protocol):
    """A session with a store; it connects at its first use."""

    async def discard(self) -> None:
        """End the session, whatever it does."""
        ...


AnySession = TypeVar("AnySession", bound=Session)


@dataclass(frozen=True, slots=True)
class _Idle(Generic[AnySession]):
    session: AnySession
    since: float


class SessionPool(Generic[AnySession]):
    """The sessions of one connection."""

    def __init__(self, make: Callable[[], AnySession]) -> None:
        self._make = make
        self._idle: list[_Idle[AnySession]] = []
        self._trimming: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[AnySession]:
        """Lend a session for the length of the block. One that leaves it by an exception is discarded."""
        session = self._taken() or self._make()
        LENT.inc()
        try:
            yield session
        except BaseException:
            await asyncio.shield(self._closed_soon(session))
            raise
        finally:
            LENT.dec()
        self._idle.append(_Idle(session, time.monotonic()))
        IDLE.inc()
        self._trim()

    async def close(self) -> None:
        """End all idle sessions."""
        if self._trimming:
            self._trimming.cancel()
        while session := self._taken():
            self._closed_soon(session)
        if self._closing:
            await asyncio.wait(self._closing)

    def _taken(self, place: int = -1) -> AnySession | None:
        if not self._idle:
            return None
        IDLE.dec()
        return self._idle.pop(place).session

    def _trim(self) -> None:
        """End the sessions that nobody needs, now and when those that are left have been idle for long."""
        if self._trimming:
            self._trimming.cancel()
        now = time.monotonic()
        while self._idle and (len(self._idle) > _MOST_IDLE or now - self._idle[0].since >= _IDLE_SECONDS):
            if oldest := self._taken(0):
                self._closed_soon(oldest)
        if self._idle:
            self._trimming = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._trim)

    def _closed_soon(self, session: AnySession) -> asyncio.Task[None]:
        task = asyncio.ensure_future(session.discard())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        return task

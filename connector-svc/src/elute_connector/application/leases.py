"""Leases of snapshots: a snapshot lives while somebody holds its stream, and for a while after the last one broke."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from elute_connector.domain.connector import HeldSnapshot
from elute_wire.errors import AlreadyExists, SnapshotLost


@dataclass
class Lease:
    """A held snapshot and who is attached to it."""

    handle: str
    connection_id: str
    snapshot: HeldSnapshot
    taken_at: float = field(default_factory=time.monotonic)
    attached: int = 0
    expiry: asyncio.TimerHandle | None = None

    @property
    def age_seconds(self) -> float:
        """Seconds since the snapshot was taken."""
        return time.monotonic() - self.taken_at


class Leases:
    """The snapshots that this process holds, by their callers' handles."""

    def __init__(self) -> None:
        self._leases: dict[str, Lease] = {}
        # A lock lives as long as somebody waits for it.
        self._taking: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._closing: set[asyncio.Task[None]] = set()
        self.draining = asyncio.Event()

    def __len__(self) -> int:
        return len(self._leases)

    @property
    def oldest_age_seconds(self) -> float:
        """The age of the oldest snapshot; 0 when there is none."""
        return max((lease.age_seconds for lease in self._leases.values()), default=0.0)

    @asynccontextmanager
    async def attached(
        self, handle: str, connection_id: str, lease_seconds: float, hold: Callable[[], Awaitable[HeldSnapshot]]
    ) -> AsyncIterator[Lease]:
        """Attach to the snapshot of a handle, taking it first when nobody has.

        When the block ends and no other is attached, the lease starts: after it, the snapshot is released.

        Args:
            handle: The caller's name of the snapshot.
            connection_id: The connection it is of.
            lease_seconds: How long it outlives the last attachment.
            hold: Takes the snapshot.

        Raises:
            AlreadyExists: The handle names a snapshot of another connection.
            SnapshotLost: The snapshot was held here and its session has ended.
        """
        lease = await self._find_or_take(handle, connection_id, hold)
        if lease.expiry:
            lease.expiry.cancel()
            lease.expiry = None
        lease.attached += 1
        try:
            yield lease
        finally:
            lease.attached -= 1
            if not lease.attached and self._leases.get(handle) is lease:
                lease.expiry = asyncio.get_running_loop().call_later(lease_seconds, self._expire, lease)

    async def _find_or_take(
        self, handle: str, connection_id: str, hold: Callable[[], Awaitable[HeldSnapshot]]
    ) -> Lease:
        lock = self._taking.setdefault(handle, asyncio.Lock())
        async with lock:
            lease = self._leases.get(handle)
            if lease is None:
                lease = self._leases[handle] = Lease(handle, connection_id, await hold())
        if lease.connection_id != connection_id:
            raise AlreadyExists(f"attaching to snapshot {handle}: it is one of connection {lease.connection_id}")
        if lease.snapshot.lost:
            await self.refuse_lost(lease)
        return lease

    async def refuse_lost(self, lease: Lease) -> None:
        """Forget a snapshot whose session has ended; does nothing when it was let go on purpose.

        Raises:
            SnapshotLost: The session ended by itself.
        """
        if await self._let_go(lease):
            raise SnapshotLost(
                f"holding snapshot {lease.handle}: the session that held it has ended", hint="take a new snapshot"
            )

    async def release(self, handle: str) -> bool:
        """Let a snapshot go; answers whether it was held here."""
        lease = self._leases.get(handle)
        return lease is not None and await self._let_go(lease)

    async def close(self) -> None:
        """Let all snapshots go."""
        for handle in list(self._leases):
            await self.release(handle)
        if self._closing:
            await asyncio.wait(self._closing)

    async def _let_go(self, lease: Lease) -> bool:
        """End a lease; answers whether it was one: its handle may name a later one by now."""
        if self._leases.get(lease.handle) is not lease:
            return False
        del self._leases[lease.handle]
        if lease.expiry:
            lease.expiry.cancel()
        await lease.snapshot.release()
        return True

    def _expire(self, lease: Lease) -> None:
        # Forgotten here and now: whoever comes a moment later must not attach to what is about to end.
        del self._leases[lease.handle]
        task = asyncio.ensure_future(lease.snapshot.release())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

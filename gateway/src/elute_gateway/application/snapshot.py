"""Keeps a run's snapshot alive while the run reads under it, and knows when it is gone.

Its id lives here, in memory, and nowhere else: it is void once its holder ends. What is written down is what the
snapshot *sees*. Whoever comes back with another id and sees the same, reads the same moment; whoever sees anything
else has lost it. (A rewriting `ALTER`, `CLUSTER` or `TRUNCATE` in between takes a transaction id, so it shows.)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, suppress

from elute_gateway.application.pace import TRANSIENT, Pace, Patience
from elute_gateway.application.ports import DataPlane, HoldOrder
from elute_gateway.domain.connection import Connection
from elute_gateway.domain.plan import Plan
from elute_gateway.domain.transfer import HeldSnapshot
from elute_wire.errors import EluteError, SnapshotLost, foreign_fault


class SnapshotKeeper:
    """Holds one snapshot of a run at one connector, or at two, of which the later adopts what the other holds."""

    def __init__(
        self, plane: DataPlane, pace: Pace, source: Connection, plan: Plan, *, name: str, visible: str
    ) -> None:
        """Describe the snapshot; `start` takes it.

        Args:
            plane: Where it is held.
            pace: How to wait.
            source: The store.
            plan: What is read.
            name: The run's and the generation's; the handles are made of it.
            visible: What it must see; empty when it is new.
        """
        self._plane = plane
        self._pace = pace
        self._source = source
        self._plan = plan
        self._name = name
        self._visible = visible
        self._held: dict[str, HeldSnapshot] = {}
        self._handles: dict[str, int] = {}
        self._hopeless: set[int] = set()
        self._away_since: dict[int, float] = {}
        self._gone: EluteError | None = None
        self._failure: EluteError | None = None
        self._turn = asyncio.Lock()
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> HeldSnapshot:
        """Take the snapshot, or re-attach to it.

        Raises:
            SnapshotLost: What there is now does not see what it must.
            EluteError: It cannot be taken.
        """
        for holder in range(self._plane.holders):
            self._begin(holder, 0)
        return await self._current()

    async def snapshot_id(self) -> str:
        """Return an id that reads under the snapshot, waiting while its holder is being reached again.

        Raises:
            SnapshotLost: It is gone.
            EluteError: It cannot be reached for good.
        """
        return (await self._current()).snapshot_id

    @property
    def age_seconds(self) -> float:
        """The snapshot's age; 0 while it is not held."""
        return max((held.age_seconds for held in self._held.values()), default=0.0)

    async def stop(self) -> None:
        """Stop holding; the lease lets another gateway re-attach for a while."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._held.clear()

    async def release(self) -> None:
        """Let the snapshot go. Never fails: one that is not let go ends with its lease."""
        await self.stop()
        for handle, holder in self._handles.items():
            with suppress(EluteError):
                await self._plane.release(holder, handle)

    async def _current(self) -> HeldSnapshot:
        async with self._changed:
            await self._changed.wait_for(lambda: self._failure is not None or bool(self._held))
            if self._failure is not None:
                raise self._failure
            return min(self._held.values(), key=lambda held: held.handing_over)

    def _begin(self, holder: int, move: int) -> None:
        handle = f"{self._name}-{holder}-{move}"
        self._handles[handle] = holder
        task = asyncio.create_task(self._hold(holder, move, handle))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _hold(self, holder: int, move: int, handle: str) -> None:
        """Hold the snapshot under one handle, again and again, until it is lost or another one takes over."""
        patience = Patience(self._pace)
        moved = False
        while self._failure is None:
            try:
                async with aclosing(self._signs_of_life(holder, handle)) as signs:
                    async for held in signs:
                        await self._see(handle, held)
                        patience.progress()
                        if held.handing_over and not moved:
                            self._begin(holder, move + 1)
                            moved = True
            except EluteError as error:
                await self._miss(holder, handle, error, tried_enough=patience.is_over)
            except Exception as error:  # noqa: BLE001  # a defect of ours must not leave a run waiting
                await self._fail(foreign_fault(error, "holding the snapshot"))
            finally:
                self._held.pop(handle, None)
            if moved:
                return
            await asyncio.sleep(patience.failure())

    async def _signs_of_life(self, holder: int, handle: str) -> AsyncGenerator[HeldSnapshot]:
        """Hold the snapshot. One holder at a time begins: the next finds what it can adopt, and never takes its own."""
        async with AsyncExitStack() as turn:
            await turn.enter_async_context(self._turn)
            async with aclosing(self._plane.hold(self._order(holder, handle))) as stream:
                async for held in stream:
                    yield held
                    await turn.aclose()  # the first has been seen by now

    def _order(self, holder: int, handle: str) -> HoldOrder:
        adopt = next((held.snapshot_id for held in self._others(handle)), "")
        lease = self._pace.snapshot_lease_seconds
        return HoldOrder(holder, handle, self._source, self._plan, adopt, lease)

    async def _see(self, handle: str, held: HeldSnapshot) -> None:
        """Take a sign of life, if it is one of the same moment."""
        self._visible = self._visible or held.visible
        holder = self._handles[handle]
        if held.visible != self._visible:
            await self._plane.release(holder, handle)
            self._gone = SnapshotLost("holding the snapshot: it has ended, and another one sees other rows")
            raise self._gone
        self._hopeless.discard(holder)
        self._away_since.pop(holder, None)
        self._gone = self._gone if self._hopeless else None
        async with self._changed:
            self._held[handle] = held
            self._changed.notify_all()

    async def _miss(self, holder: int, handle: str, error: EluteError, *, tried_enough: bool) -> None:
        """Learn that a holder does not hold the snapshot, and give up when none can hold it any more.

        A new snapshot that cannot be taken is given up at once. One that was taken may still be held by a connector
        that is away: it is gone when every connector has said so, or has been away for longer than its lease.
        """
        if error.recovery not in TRANSIENT or error is self._gone:
            self._gone = error
            self._hopeless.add(holder)
        else:  # away, or ended: another one may see the same
            now = asyncio.get_running_loop().time()
            if now - self._away_since.setdefault(holder, now) > self._pace.snapshot_lease_seconds:
                self._hopeless.add(holder)
        if self._others(handle):
            return
        is_gone = self._gone is not None and (not self._visible or len(self._hopeless) == self._plane.holders)
        if is_gone or tried_enough:
            await self._fail(self._gone or error)

    def _others(self, handle: str) -> list[HeldSnapshot]:
        return [held for other, held in self._held.items() if other != handle]

    async def _fail(self, error: EluteError) -> None:
        async with self._changed:
            self._failure = error
            self._changed.notify_all()

"""Holding a snapshot at one connector or two, while holders die, move and come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest

from elute_gateway.application.pace import Pace
from elute_gateway.application.ports import HoldOrder
from elute_gateway.application.snapshot import SnapshotKeeper
from elute_gateway.clients.testing import FakeDataPlane
from elute_gateway.domain.connection import Connection
from elute_gateway.domain.transfer import HeldSnapshot
from elute_wire.errors import CatalogChanged, SnapshotLost
from tests.support.gateway import ORDERS, SHOP, run_plan

PACE = Pace(first_wait_seconds=0.01, longest_wait_seconds=0.05, snapshot_lease_seconds=5)


class MovingPlane(FakeDataPlane):
    """Two connectors, of which one may be told to stop, or may refuse."""

    draining: frozenset[str] = frozenset()
    refusal: CatalogChanged | None = None

    async def hold(self, order: HoldOrder) -> AsyncGenerator[HeldSnapshot]:
        if self.refusal:
            raise self.refusal
        async for held in super().hold(order):
            leaving = order.handle in self.draining
            yield HeldSnapshot(held.snapshot_id, held.visible, held.age_seconds, leaving)


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[MovingPlane]:
    plane = MovingPlane(tmp_path / "plane.db", {ORDERS: 1}, holders=2)
    yield plane
    plane.close()


def keeper_of(plane: FakeDataPlane, visible: str = "") -> SnapshotKeeper:
    return SnapshotKeeper(plane, PACE, Connection(SHOP, "postgresql"), run_plan(), name="r1-1", visible=visible)


async def until(plane: FakeDataPlane, *handles: str) -> None:
    async with asyncio.timeout(5):
        while not set(handles) <= set(plane.held()):
            await asyncio.sleep(0.01)


async def moment(plane: FakeDataPlane, keeper: SnapshotKeeper) -> str:
    """Read under the snapshot; a holder that has just ended shows at the next try."""
    async with asyncio.timeout(5):
        while True:
            try:
                return plane._visible(await keeper.snapshot_id())
            except SnapshotLost:
                await asyncio.sleep(0.01)


def end(plane: FakeDataPlane, handle: str) -> None:
    plane._database.execute("DELETE FROM snapshot WHERE handle = ?", (handle,))


async def test_the_second_connector_adopts_what_the_first_holds_and_either_may_die(plane: MovingPlane) -> None:
    keeper = keeper_of(plane)
    held = await keeper.start()
    await until(plane, "r1-1-0-0", "r1-1-1-0")
    plane.change_source(ORDERS, 1)
    for handle in ("r1-1-0-0", "r1-1-1-0", "r1-1-0-0"):
        end(plane, handle)
        await until(plane, handle)
        assert await moment(plane, keeper) == held.visible
    await keeper.release()
    assert plane.held() == []


async def test_a_holder_that_is_about_to_stop_is_replaced_before_it_does(plane: MovingPlane) -> None:
    keeper = keeper_of(plane)
    await keeper.start()
    await until(plane, "r1-1-0-0", "r1-1-1-0")
    plane.change_source(ORDERS, 1)
    plane.draining = frozenset({"r1-1-0-0"})
    await until(plane, "r1-1-0-1")
    end(plane, "r1-1-0-0")
    end(plane, "r1-1-1-0")
    assert await moment(plane, keeper) == "1:"
    await keeper.release()


async def test_a_snapshot_that_sees_other_rows_is_another_one(plane: MovingPlane) -> None:
    keeper = keeper_of(plane)
    await keeper.start()
    await until(plane, "r1-1-0-0", "r1-1-1-0")
    plane.change_source(ORDERS, 1)
    plane.end_snapshots()
    with pytest.raises(SnapshotLost):
        async with asyncio.timeout(5):
            while True:
                await keeper.snapshot_id()
                await asyncio.sleep(0.01)
    await keeper.release()
    assert plane.held() == [], "the new one was let go too"


async def test_another_gateway_re_attaches_inside_the_lease(plane: MovingPlane) -> None:
    first = keeper_of(plane)
    held = await first.start()
    await first.stop()
    plane.change_source(ORDERS, 1)
    second = keeper_of(plane, visible=held.visible)
    assert (await second.start()).snapshot_id == held.snapshot_id
    await second.release()


async def test_a_structure_that_has_changed_is_told_at_once(plane: MovingPlane) -> None:
    plane.refusal = CatalogChanged("taking a snapshot: column national_id has appeared")
    keeper = keeper_of(plane)
    with pytest.raises(CatalogChanged):
        async with asyncio.timeout(5):
            await keeper.start()
    await keeper.stop()


async def test_stores_that_are_away_are_waited_for(plane: MovingPlane) -> None:
    plane.go_away()
    keeper = keeper_of(plane)
    starting = asyncio.create_task(keeper.start())
    await asyncio.sleep(0.2)
    assert not starting.done()
    plane.come_back()
    async with asyncio.timeout(5):
        assert (await starting).visible == "1:"
    await keeper.release()

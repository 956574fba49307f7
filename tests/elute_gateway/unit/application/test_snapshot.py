"""Holding a snapshot at one connector or two, while holders die, move and come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from elute_gateway.application.pace import Pace
from elute_gateway.application.ports import HoldOrder
from elute_gateway.application.snapshot import SnapshotKeeper
from elute_gateway.clients.testing import FakeDataPlane
from elute_gateway.domain.connection import Connection
from elute_gateway.domain.transfer import HeldSnapshot
from elute_wire.errors import CatalogChanged, ServiceUnavailable, SnapshotLost
from tests.support.gateway import ORDERS, SHOP, run_plan

PACE = Pace(first_wait_seconds=0.01, longest_wait_seconds=0.05, snapshot_lease_seconds=5)


class MovingPlane(FakeDataPlane):
    """Two connectors, of which one may be told to stop, or may refuse."""

    draining: frozenset[str] = frozenset()
    away: frozenset[int] = frozenset()
    refusal: CatalogChanged | None = None

    async def hold(self, order: HoldOrder) -> AsyncGenerator[HeldSnapshot]:
        if self.refusal:
            raise self.refusal
        if order.holder in self.away:
            raise ServiceUnavailable("holding a snapshot: the connector is away")
        async for held in super().hold(order):
            leaving = order.handle in self.draining
            yield HeldSnapshot(held.snapshot_id, held.visible, held.age_seconds, leaving)


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[MovingPlane]:
    plane = MovingPlane(tmp_path / "plane.db", {ORDERS: 1}, holders=2)
    yield plane
    plane.close()


def keeper_of(
    plane: FakeDataPlane, visible: str = "", lease_seconds: float = PACE.snapshot_lease_seconds, name: str = "r1-1"
) -> SnapshotKeeper:
    pace = replace(PACE, snapshot_lease_seconds=lease_seconds)
    return SnapshotKeeper(plane, pace, Connection(SHOP, "postgresql"), run_plan(), name=name, visible=visible)


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


async def test_a_connector_that_is_away_from_the_start_keeps_no_run_waiting(plane: MovingPlane) -> None:
    plane.away = frozenset({0})
    keeper = keeper_of(plane)
    async with asyncio.timeout(5):
        held = await keeper.start()
    plane.change_source(ORDERS, 1)
    plane.away = frozenset()
    await until(plane, "r1-1-0-0", "r1-1-1-0")
    end(plane, "r1-1-1-0")
    assert await moment(plane, keeper) == held.visible, "the one that came back has adopted it"
    await keeper.release()


async def test_another_gateway_finds_the_snapshot_at_the_connector_that_is_left(plane: MovingPlane) -> None:
    first = keeper_of(plane)
    held = await first.start()
    await until(plane, "r1-1-0-0", "r1-1-1-0")
    await first.stop()
    plane.change_source(ORDERS, 1)
    end(plane, "r1-1-0-0")  # by now it would see other rows
    second = keeper_of(plane, visible=held.visible)
    async with asyncio.timeout(5):
        assert (await second.start()).visible == held.visible
    await until(plane, "r1-1-0-0")
    assert await moment(plane, second) == held.visible
    await second.release()


async def test_a_snapshot_is_not_lost_while_the_connector_that_may_hold_it_is_away(plane: MovingPlane) -> None:
    first = keeper_of(plane)
    held = await first.start()
    await first.stop()
    plane.change_source(ORDERS, 1)
    end(plane, "r1-1-1-0")
    plane.away = frozenset({0})
    second = keeper_of(plane, visible=held.visible)
    starting = asyncio.create_task(second.start())
    await asyncio.sleep(0.2)
    assert not starting.done()
    plane.away = frozenset()
    async with asyncio.timeout(5):
        assert (await starting).visible == held.visible
    await second.release()


async def test_a_connector_that_is_away_for_longer_than_its_lease_holds_nothing(plane: MovingPlane) -> None:
    first = keeper_of(plane)
    held = await first.start()
    await first.stop()
    plane.change_source(ORDERS, 1)
    plane.end_snapshots()
    plane.away = frozenset({0})
    second = keeper_of(plane, visible=held.visible, lease_seconds=0.3)
    with pytest.raises(SnapshotLost):
        async with asyncio.timeout(5):
            await second.start()
    await second.release()


async def test_two_connectors_take_one_snapshot_between_them(plane: MovingPlane) -> None:
    for number in range(20):
        keeper = keeper_of(plane, name=f"r1-{number}")
        held = await keeper.start()
        await until(plane, f"r1-{number}-0-0", f"r1-{number}-1-0")
        plane.change_source(ORDERS, 1)
        end(plane, f"r1-{number}-{number % 2}-0")
        assert await moment(plane, keeper) == held.visible
        await keeper.release()


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

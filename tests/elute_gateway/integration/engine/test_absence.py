"""A gateway whose own store goes away and comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from elute_gateway.clients.testing import FakeDataPlane
from elute_gateway.domain.run import RunState
from elute_gateway.embedded.postgresql import PostgresServer
from elute_gateway.engine.execution import Place, executing
from elute_gateway.store import schema
from elute_gateway.store.access import found_workspace
from elute_gateway.store.database import Database
from elute_wire.errors import EluteError
from tests.support.gateway import ITEMS, NOTES, ORDERS, WORKSPACE, declare, new_run
from tests.support.gateway_process import QUICK, Planned, small_partitions

AWAY_SECONDS = 6.0


@pytest.fixture
async def store_url(own_server: PostgresServer) -> str:
    url = f"postgresql://postgres@127.0.0.1:{own_server.port}/postgres"
    store = Database.at(url)
    await schema.upgrade(store)
    await found_workspace(store, WORKSPACE)
    await declare(store)
    await store.close()
    return url


async def test_a_run_survives_that_the_gateways_own_postgresql_is_away_for_six_seconds(
    own_server: PostgresServer, store_url: str, tmp_path: Path
) -> None:
    store = Database.at(store_url)
    source = {ORDERS: 400, ITEMS: 200, NOTES: 100}
    plane = FakeDataPlane(tmp_path / "plane.db", source, load_seconds=0.1)
    planned = Planned(small_partitions(ORDERS, ITEMS, NOTES))
    async with executing(store, Place(store_url, WORKSPACE, "here"), plane, planned, QUICK) as runs:
        run = await runs.start(new_run(parallel_partitions=1))
        async with asyncio.timeout(10):
            while not plane.arrived():
                await asyncio.sleep(0.02)
        await asyncio.to_thread(own_server.kill)
        await asyncio.sleep(AWAY_SECONDS)
        with pytest.raises(EluteError):
            await runs.get(run.id)
        await asyncio.to_thread(own_server.start)
        async with asyncio.timeout(20):
            while not (await runs.get(run.id)).state.is_final:
                await asyncio.sleep(0.1)
        assert (await runs.get(run.id)).state is RunState.SUCCEEDED
    assert plane.arrived() == {"public.orders": 400, "public.items": 200, "public.notes": 100}
    assert plane.loaded_twice() == []
    plane.close()
    await store.close()

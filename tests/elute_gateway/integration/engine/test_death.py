"""Gateways that are killed, stopped and replaced, as processes of their own."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from elute_gateway.domain.run import RunState
from elute_gateway.engine.execution import open_books
from elute_gateway.store.database import Database
from tests.support.gateway import ITEMS, NOTES, ORDERS, WORKSPACE
from tests.support.gateway_process import Scene, deaths, gateway_process

SOURCE = {ORDERS: 400, ITEMS: 200, NOTES: 100}
WHOLE = {"public.orders": 400, "public.items": 200, "public.notes": 100}

EVERY_BOUNDARY = (
    "hold:before",
    "hold:after",
    "cut:after",
    "prepare:after",
    "load:before",
    "load:after",
    "finish:after",
    "digest:before",
    "release:after",
)
"""Before the first step's effect, and after each step's effect while its answer is not yet kept."""


@pytest.fixture
def scene(store: Database, store_url: str, tmp_path: Path) -> Scene:
    del store  # its schema must be there
    return Scene(store_url, tmp_path / "plane.db", SOURCE)


async def state(store: Database) -> RunState | None:
    page = await open_books(store, WORKSPACE).runs.page()
    assert len(page) <= 1, "one key starts one run"
    return page[0].state if page else None


async def until_ended(store: Database, seconds: float = 30.0) -> RunState:
    async with asyncio.timeout(seconds):
        while (found := await state(store)) is None or not found.is_final:
            await asyncio.sleep(0.05)
    return found


@contextmanager
def nobody_writing(plane_file: Path) -> Iterator[None]:
    """Keep every process from writing to the fake data plane: one that is stopped then holds no lock on its file."""
    with closing(sqlite3.connect(plane_file, isolation_level=None, timeout=10)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


async def test_a_gateway_killed_at_each_boundary_of_its_steps_goes_on_without_losing_or_doubling_a_row(
    store: Database, scene: Scene
) -> None:
    scene = Scene(scene.url, scene.plane_file, SOURCE, die_at=EVERY_BOUNDARY)
    plane = scene.plane()
    starts = 0
    while (found := await state(store)) is None or not found.is_final:
        starts += 1
        assert starts <= len(EVERY_BOUNDARY) + 1, "each start gets further"
        with gateway_process(scene, start="key") as process:
            async with asyncio.timeout(30):
                while process.is_alive() and not ((found := await state(store)) and found.is_final):
                    await asyncio.sleep(0.02)
    assert found is RunState.SUCCEEDED
    assert deaths(scene.plane_file) == set(EVERY_BOUNDARY)
    assert plane.arrived() == WHOLE
    assert plane.loaded_twice() == []
    assert {visible for seen in plane.visible().values() for visible in seen} == {"1:"}, "one moment, re-attached to"
    plane.close()


@pytest.mark.parametrize("store_kind", ["postgresql"])  # a SQLite file has one gateway
async def test_another_gateway_takes_over_and_the_former_one_writes_nothing_when_it_wakes(
    store: Database, scene: Scene
) -> None:
    plane = Scene(scene.url, scene.plane_file, SOURCE).plane()
    first_scene, second_scene = (
        Scene(scene.url, scene.plane_file, SOURCE, name, load_seconds=0.4) for name in ("first", "second")
    )
    with gateway_process(first_scene, start="key") as first:
        async with asyncio.timeout(20):
            while not plane.arrived():
                await asyncio.sleep(0.02)
        assert first.pid is not None
        with nobody_writing(scene.plane_file):
            os.kill(first.pid, signal.SIGSTOP)
        stopped = time.monotonic()
        with gateway_process(second_scene):
            arrived = sum(plane.arrived().values())
            async with asyncio.timeout(20):
                while sum(plane.arrived().values()) == arrived:
                    await asyncio.sleep(0.02)
            assert time.monotonic() - stopped < 15
            os.kill(first.pid, signal.SIGCONT)
            assert await until_ended(store) is RunState.SUCCEEDED
            assert plane.arrived() == WHOLE
            assert plane.loaded_twice() == []
            assert first.is_alive(), "it has let go of its run, and lives on"
    plane.close()

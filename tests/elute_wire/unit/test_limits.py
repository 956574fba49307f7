from __future__ import annotations

import asyncio

import pyarrow as pa
import pytest

from elute_wire.errors import CellTooLarge
from elute_wire.limits import ByteSemaphore, check_cells


async def test_large_messages_wait_for_their_turn_in_order() -> None:
    semaphore, order = ByteSemaphore(10), []

    async def hold(name: str, size: int, seconds: float) -> None:
        async with semaphore.holding(size):
            order.append(name)
            await asyncio.sleep(seconds)

    async with asyncio.TaskGroup() as tasks:
        for name, size in (("first", 8), ("large", 9), ("small", 1)):
            tasks.create_task(hold(name, size, 0.02))
            await asyncio.sleep(0)
    assert order == ["first", "large", "small"]


async def test_a_message_larger_than_everything_takes_everything() -> None:
    semaphore = ByteSemaphore(10)
    async with semaphore.holding(1_000):
        waiting = asyncio.ensure_future(semaphore.holding(1).__aenter__())
        await asyncio.sleep(0.01)
        assert not waiting.done()
    await asyncio.wait_for(waiting, 1)


async def test_whoever_gives_up_waiting_leaves_no_hole() -> None:
    semaphore = ByteSemaphore(10)
    async with semaphore.holding(10):
        impatient = asyncio.ensure_future(semaphore.holding(10).__aenter__())
        patient = asyncio.ensure_future(semaphore.holding(5).__aenter__())
        await asyncio.sleep(0.01)
        impatient.cancel()
    await asyncio.wait_for(patient, 1)
    async with asyncio.timeout(1), semaphore.holding(5):
        pass


def test_a_cell_over_the_limit_is_named_by_column_and_ordinal_without_its_value() -> None:
    batch = pa.record_batch({"id": [1, 2, 3], "body": ["short", "secret" * 100, None]})
    with pytest.raises(CellTooLarge) as caught:
        check_cells(batch, max_cell_bytes=64, first_ordinal=10, dataset="public.notes")
    assert (caught.value.place.dataset, caught.value.place.column, caught.value.place.ordinal) == (
        "public.notes",
        "body",
        11,
    )
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("limit", [0, 600])
def test_cells_within_the_limit_pass(limit: int) -> None:
    check_cells(pa.record_batch({"body": ["secret" * 100]}), max_cell_bytes=limit, first_ordinal=0, dataset="x.y")

from __future__ import annotations

import asyncio
import gc

import pytest
import sqlalchemy as sa

from elute_gateway.domain.run import EventKind
from elute_gateway.store.database import Database
from elute_gateway.store.history import History
from elute_wire.errors import StoreBusy
from tests.support.gateway import running


@pytest.mark.parametrize("store_kind", ["postgresql"])
async def test_a_statement_that_is_not_done_in_time_is_given_up_and_may_be_tried_again(store: Database) -> None:
    async with store.reading() as connection:
        assert await connection.scalar(sa.text("SHOW statement_timeout")) == "8s"
    with pytest.raises(StoreBusy):
        async with store.writing() as connection:
            await connection.execute(sa.text("SET LOCAL statement_timeout = '20ms'"))
            await connection.execute(sa.text("SELECT pg_sleep(5)"))


async def test_callers_that_are_cancelled_leave_whole_transactions_and_sound_connections(store: Database) -> None:
    await running(store, "r1", "g1", 1)
    history = History(store)
    for number in range(30):
        call = asyncio.create_task(history.tell("r1", EventKind.PROGRESS, {"n": number}))
        await asyncio.sleep(number / 10_000)
        call.cancel()
        await asyncio.wait({call})
    gc.collect()  # a connection that was not given back warns here, and a warning is an error
    last = await history.tell("r1", EventKind.PROGRESS, {"n": "last"})
    events = await history.events("r1")
    assert [event.number for event in events] == list(range(1, last + 1))
    assert last > 2, "some had begun when they were cancelled, and came to their end"

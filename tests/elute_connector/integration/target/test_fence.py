from __future__ import annotations

import asyncio

import asyncpg
import pytest

from elute_connector.connectors.postgresql.target import fence
from elute_connector.domain.dataset_name import DatasetName
from elute_connector.domain.target import FencePartition
from elute_wire.errors import FenceLost, InvalidRequest
from tests.elute_connector.integration.target.conftest import Opener
from tests.support.postgresql import Database

FENCE = fence.fence_of("run-1")
ORDERS = DatasetName("public", "orders")


async def fenced(connection: asyncpg.Connection, *partition_ids: str) -> None:
    await connection.execute("CREATE SCHEMA elute; CREATE TABLE public.orders (id int)")
    await fence.create(connection, FENCE)
    await fence.insert(connection, FENCE, [FencePartition(name, (ORDERS,)) for name in partition_ids])


async def load(connection: asyncpg.Connection, epoch: int, rows: int) -> None:
    """Load a partition of `rows` rows, as a sink does."""
    async with connection.transaction():
        await fence.lock(connection, FENCE, "p", epoch)
        await connection.execute(f"INSERT INTO public.orders SELECT generate_series(1, {rows})")
        await fence.mark_done(connection, FENCE, "p", epoch, b"result")


async def test_a_claimed_partition_is_loaded_once_and_answers_its_result_ever_after(
    target: Database, open_session: Opener
) -> None:
    first, second = await open_session(target), await open_session(target)
    await fenced(first, "p")
    assert await fence.claim(first, FENCE, "p", 1) is None
    assert await fence.read_result(first, FENCE, "p") is None
    await load(first, 1, rows=3)
    assert await fence.claim(second, FENCE, "p", 2) == b"result"
    assert await fence.read_result(second, FENCE, "p") == b"result"
    with pytest.raises(FenceLost):
        await load(second, 2, rows=3)
    assert target.run("SELECT count(*) FROM orders") == "3"


async def test_an_older_or_equal_epoch_claims_nothing(target: Database, open_session: Opener) -> None:
    first, second = await open_session(target), await open_session(target)
    await fenced(first, "p")
    await fence.claim(first, FENCE, "p", 5)
    for epoch in (4, 5):
        with pytest.raises(FenceLost) as lost:
            await fence.claim(second, FENCE, "p", epoch)
        assert lost.value.place.partition == "p"
    await load(first, 5, rows=1)


async def test_a_paused_writer_is_ended_by_the_next_claim_and_its_rows_are_gone(
    target: Database, open_session: Opener
) -> None:
    paused, next_one = await open_session(target), await open_session(target)
    await fenced(paused, "p")
    await fence.claim(paused, FENCE, "p", 1)
    transaction = paused.transaction()
    await transaction.start()
    await fence.lock(paused, FENCE, "p", 1)
    await paused.execute("INSERT INTO public.orders VALUES (7)")
    assert await fence.claim(next_one, FENCE, "p", 2) is None
    await load(next_one, 2, rows=2)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await transaction.commit()
    assert target.run("SELECT count(*), max(id) FROM orders") == "2|2"


async def test_a_writer_that_wakes_up_after_another_claim_cannot_lock_its_row(
    target: Database, open_session: Opener
) -> None:
    zombie, heir = await open_session(target), await open_session(target)
    await fenced(zombie, "p")
    await fence.claim(heir, FENCE, "p", 2)
    with pytest.raises(FenceLost):
        await load(zombie, 1, rows=1)
    assert target.run("SELECT count(*) FROM orders") == "0"


async def test_a_writer_that_wakes_up_after_the_run_has_ended_writes_nothing(
    target: Database, open_session: Opener
) -> None:
    zombie, other = await open_session(target), await open_session(target)
    await fenced(zombie, "p")
    await fence.claim(zombie, FENCE, "p", 1)
    await other.execute(f"DROP TABLE {fence.relation(FENCE)}")
    with pytest.raises(FenceLost, match="its run has ended"):
        await load(zombie, 1, rows=1)
    assert target.run("SELECT count(*) FROM orders") == "0"


async def test_of_two_claims_at_once_the_later_epoch_wins(target: Database, open_session: Opener) -> None:
    first, second = await open_session(target), await open_session(target)
    await fenced(first, "p")
    outcomes = await asyncio.gather(
        fence.claim(first, FENCE, "p", 1), fence.claim(second, FENCE, "p", 2), return_exceptions=True
    )
    assert outcomes[1] is None
    await load(second, 2, rows=1)


async def test_a_retired_partition_ends_its_loader_and_can_be_claimed_no_more(
    target: Database, open_session: Opener
) -> None:
    paused, preparer = await open_session(target), await open_session(target)
    await fenced(paused, "p", "q")
    await fence.claim(paused, FENCE, "p", 1)
    await paused.execute("BEGIN")
    await fence.lock(paused, FENCE, "p", 1)
    await paused.execute("INSERT INTO public.orders VALUES (7)")
    async with preparer.transaction():
        await fence.retire(preparer, FENCE, ["p"])
        await preparer.execute("TRUNCATE public.orders")
    with pytest.raises(FenceLost):
        await fence.claim(preparer, FENCE, "p", 9)
    assert await fence.missing(preparer, FENCE) == (FencePartition("q", (ORDERS,)),)


def test_a_run_id_that_cannot_name_a_table_is_refused() -> None:
    for run_id in ("", "a.b", 'a"b', "x" * 57):
        with pytest.raises(InvalidRequest):
            fence.fence_of(run_id)

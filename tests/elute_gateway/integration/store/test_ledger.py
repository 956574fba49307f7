from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import replace

import pytest
import sqlalchemy as sa

from elute_gateway.domain.ledger import Claim, PartitionState, Snapshot
from elute_gateway.store.connections import Connections
from elute_gateway.store.database import Database
from elute_gateway.store.generations import Generations
from elute_gateway.store.ledger import Ledger
from elute_gateway.store.runs import Runs
from elute_gateway.store.tables import partition
from elute_wire.errors import FenceLost
from tests.support.gateway import ITEMS, ORDERS, SHOP, SHOP_QA, WORKSPACE, partitions, result, running

LEASE = 60.0


async def limit_connection(store: Database, connection_id: str, parallel: int) -> None:
    connections = Connections(store, WORKSPACE)
    await connections.update(replace(await connections.get(connection_id), parallel_partitions=parallel))


async def expire(store: Database, claim: Claim) -> None:
    same = (partition.c.run_id == claim.run_id, partition.c.id == claim.partition.id)
    async with store.writing() as connection:
        await connection.execute(sa.update(partition).where(*same).values(lease=1.0))


async def test_a_run_takes_no_more_partitions_than_it_may(store: Database) -> None:
    await running(store, "r1", "g1", 10, parallel_partitions=3)
    ledger = Ledger(store)
    first = await ledger.claim("g1", ["r1"], 100, LEASE)
    assert [claim.partition.id for claim in first] == ["s1p000001", "s1p000002", "s1p000003"]
    assert await ledger.claim("g1", ["r1"], 100, LEASE) == []
    await ledger.finish([(first[0], [result(ORDERS, 10)])])
    assert [claim.partition.id for claim in await ledger.claim("g1", ["r1"], 100, LEASE)] == ["s1p000004"]


async def test_a_connection_takes_no_more_partitions_than_it_may_from_all_runs_together(store: Database) -> None:
    await limit_connection(store, SHOP_QA, 5)
    await running(store, "r1", "g1", 10, parallel_partitions=4)
    await running(store, "r2", "g1", 10, parallel_partitions=4)
    claims = await Ledger(store).claim("g1", ["r1", "r2"], 100, LEASE)
    # Runs take turns, so that neither waits for the other's end.
    assert Counter(claim.run_id for claim in claims) == {"r1": 3, "r2": 2}


async def test_a_full_run_does_not_keep_another_from_its_connection(store: Database) -> None:
    await limit_connection(store, SHOP, 4)
    await running(store, "r1", "g1", 50, parallel_partitions=2)
    ledger = Ledger(store)
    assert len(await ledger.claim("g1", ["r1"], 100, LEASE)) == 2
    await running(store, "r2", "g1", 50, parallel_partitions=4)
    claims = await ledger.claim("g1", ["r1", "r2"], 100, LEASE)
    assert Counter(claim.run_id for claim in claims) == {"r2": 2}


async def test_a_gateway_claims_only_for_runs_that_it_owns(store: Database) -> None:
    await running(store, "r1", "g1", 3)
    ledger = Ledger(store)
    assert await ledger.claim("g2", ["r1"], 10, LEASE) == []
    await Runs(store, WORKSPACE).take_over("r1", "g2", LEASE)
    assert await ledger.claim("g1", ["r1"], 10, LEASE) == []
    assert len(await ledger.claim("g2", ["r1"], 10, LEASE)) == 3


async def test_an_expired_partition_is_claimed_with_the_next_epoch_and_its_former_claim_is_void(
    store: Database,
) -> None:
    await running(store, "r1", "g1", 1)
    ledger = Ledger(store)
    (former,) = await ledger.claim("g1", ["r1"], 1, LEASE)
    assert await ledger.claim("g1", ["r1"], 1, LEASE) == []
    await expire(store, former)
    (later,) = await ledger.claim("g1", ["r1"], 1, LEASE)
    assert (later.epoch, later.attempt) == (former.epoch + 1, 2)

    await ledger.finish([(former, [result(ORDERS, 10)])])
    await ledger.give_back(former, error_code="late")
    assert (await ledger.partitions("r1"))[0].state is PartitionState.RUNNING
    assert await ledger.renew("g1", LEASE) == {("r1", "s1p000001"): later.epoch}
    for _ in range(2):  # the answer to the first commit may have been lost
        await ledger.finish([(later, [result(ORDERS, 10)])])
    assert (await ledger.partitions("r1"))[0].state is PartitionState.DONE
    (orders,) = await Runs(store, WORKSPACE).datasets("r1")
    assert (orders.rows_written, orders.partitions_done) == (10, 1)


async def test_a_partition_given_back_waits_and_remembers_its_deaths(store: Database) -> None:
    await running(store, "r1", "g1", 1)
    ledger = Ledger(store)
    (claim,) = await ledger.claim("g1", ["r1"], 1, LEASE)
    await ledger.give_back(claim, after_seconds=30, error_code="service-unavailable", deaths=2)
    assert await ledger.claim("g1", ["r1"], 1, LEASE) == []
    assert (await ledger.backlog()).partitions == 1
    async with store.writing() as connection:
        await connection.execute(sa.update(partition).values(not_before=0))
    (again,) = await ledger.claim("g1", ["r1"], 1, LEASE)
    assert (again.deaths, again.attempt) == (2, 2)


async def test_a_lost_snapshot_retires_the_partitions_of_what_starts_again_and_nothing_else(store: Database) -> None:
    await running(store, "r1", "g1", 2)
    runs, generations, ledger = Runs(store, WORKSPACE), Generations(store), Ledger(store)
    epoch = (await runs.get("r1")).epoch
    second = partitions(1, ITEMS, generation=2)
    await generations.begin("r1", epoch, Snapshot(2, "30:40:"), second, ends=(SHOP, SHOP_QA))
    done = (await ledger.claim("g1", ["r1"], 1, LEASE))[0]
    await ledger.finish([(done, [result(ORDERS, 10)])])

    third = partitions(3, ORDERS, generation=3)
    for _ in range(2):  # a step that is repeated writes nothing twice
        await generations.begin("r1", epoch, Snapshot(3, "50:60:"), third, ends=(SHOP, SHOP_QA), again=[ORDERS])
    states = Counter((row.generation, row.state) for row in await ledger.partitions("r1"))
    assert states == {(1, PartitionState.RETIRED): 2, (2, PartitionState.QUEUED): 1, (3, PartitionState.QUEUED): 3}
    progress = {row.name: row for row in await runs.datasets("r1")}
    assert (progress[ORDERS].snapshot, progress[ORDERS].rows_written) == ("50:60:", 0)
    assert progress[ITEMS].snapshot == "30:40:"
    await ledger.finish([(done, [result(ORDERS, 10)])])
    assert (await ledger.partitions("r1"))[0].state is PartitionState.RETIRED, "a late answer changes nothing"


async def test_a_gateway_that_lost_its_run_cannot_plan_it(store: Database) -> None:
    await running(store, "r1", "g1", 1)
    epoch = (await Runs(store, WORKSPACE).get("r1")).epoch
    await Runs(store, WORKSPACE).take_over("r1", "g2", LEASE)
    with pytest.raises(FenceLost):
        await Generations(store).begin("r1", epoch, Snapshot(2, "1:2:"), [], ends=(SHOP, SHOP_QA))


@pytest.mark.parametrize("seed", [1, 2])
async def test_claimers_at_once_never_exceed_a_limit_and_never_take_the_same_claim(store: Database, seed: int) -> None:
    """Five claimers, some of which die, work off three runs; every state in between keeps both limits."""
    chance = random.Random(seed)
    await limit_connection(store, SHOP, 7)
    limits = {"r1": 2, "r2": 3, "r3": 5}
    for run_id, limit in limits.items():
        await running(store, run_id, "g1", 12, parallel_partitions=limit)
    ledger = Ledger(store)
    live: dict[tuple[str, str], int] = {}
    taken: set[tuple[str, str, int]] = set()

    async def work() -> None:
        while await ledger.open_count("r1") + await ledger.open_count("r2") + await ledger.open_count("r3"):
            for claim in await ledger.claim("g1", list(limits), chance.randint(1, 4), LEASE):
                key = (claim.run_id, claim.partition.id)
                assert (*key, claim.epoch) not in taken, "a claim is one claimer's"
                taken.add((*key, claim.epoch))
                async with store.reading() as connection:
                    query = sa.select(partition.c.run_id).where(partition.c.state == "running", partition.c.lease > 2)
                    held = Counter((await connection.execute(query)).scalars())
                assert held.total() <= 7, "the connection's limit"
                assert all(held[run_id] <= limit for run_id, limit in limits.items()), "the run's limit"
                await asyncio.sleep(chance.random() / 500)
                if chance.random() < 0.2:
                    await expire(store, claim)  # the claimer dies
                else:
                    await ledger.finish([(claim, [result(ORDERS, 10)])])
                    assert key not in live, "a partition is finished once"
                    live[key] = claim.epoch

    await asyncio.gather(*(work() for _ in range(5)))
    assert len(live) == 36
    for run_id in limits:
        (orders,) = await Runs(store, WORKSPACE).datasets(run_id)
        assert (orders.rows_written, orders.partitions_done) == (120, 12)

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from elute_gateway.domain.ledger import Snapshot
from elute_gateway.domain.pipeline import Extra, Verify
from elute_gateway.domain.run import EventKind, Failure, Heartbeat, LogLevel, LogLine, Phase, RunState
from elute_gateway.store.database import Database
from elute_gateway.store.gateways import Gateways
from elute_gateway.store.generations import Generations
from elute_gateway.store.history import History
from elute_gateway.store.runs import Runs
from elute_gateway.store.tables import run
from elute_wire.errors import AlreadyExists, FenceLost, NotFound, StoreUnreachable
from tests.support.gateway import ITEMS, ORDERS, WORKSPACE, new_run, run_plan, running


async def test_the_same_key_and_request_answer_the_same_run(store: Database) -> None:
    runs = Runs(store, WORKSPACE)
    first = await runs.insert("r1", new_run(), "key", b"a" * 32)
    answers = await asyncio.gather(*(runs.insert(f"r{n}", new_run(), "key", b"a" * 32) for n in range(2, 6)))
    assert {answer.id for answer in answers} == {first.id}
    with pytest.raises(AlreadyExists):
        await runs.insert("r9", new_run(), "key", b"b" * 32)
    assert (await runs.insert("r9", new_run(), None, b"a" * 32)).id == "r9"


async def test_requests_with_one_new_key_at_once_make_one_run(store: Database) -> None:
    runs = Runs(store, WORKSPACE)
    answers = await asyncio.gather(*(runs.insert(f"r{n}", new_run(), "key", b"a" * 32) for n in range(6)))
    assert len({answer.id for answer in answers}) == 1


async def test_a_plan_comes_back_as_it_was_pinned(store: Database) -> None:
    await running(store, "r1", "g1", 1)
    runs = Runs(store, WORKSPACE)
    assert await runs.plan("r1") is None
    plan = run_plan(ORDERS, ITEMS, take_along=frozenset({Extra.GRANTS}), verify=Verify.ROWS)
    await runs.pin("r1", (await runs.get("r1")).epoch, plan)
    assert await runs.plan("r1") == plan


async def test_only_the_last_gateway_that_took_a_run_over_may_write(store: Database) -> None:
    runs = Runs(store, WORKSPACE)
    await runs.insert("r1", new_run(), None, b"r" * 32)
    first = await runs.take_over("r1", "g1", 10)
    second = await runs.take_over("r1", "g2", 10)
    assert first is not None
    assert second is not None
    with pytest.raises(FenceLost):
        await runs.enter("r1", first.epoch, Phase.LOAD)
    with pytest.raises(FenceLost):
        await runs.settle("r1", first.epoch, RunState.FAILED, None, {})
    await runs.enter("r1", second.epoch, Phase.LOAD)
    await runs.settle("r1", second.epoch, RunState.FAILED, Failure("store-failed", "loading"), {"rows": 1})
    assert await runs.take_over("r1", "g3", 10) is None
    ended = await runs.get("r1")
    assert (ended.state, ended.phase, ended.report) == (RunState.FAILED, Phase.LOAD, {"rows": 1})
    assert ended.failure == Failure("store-failed", "loading")


async def test_a_failed_run_begins_again_and_a_succeeded_one_does_not(store: Database) -> None:
    runs = Runs(store, WORKSPACE)
    for run_id, state in (("r1", RunState.FAILED), ("r2", RunState.SUCCEEDED)):
        await runs.insert(run_id, new_run(), None, b"r" * 32)
        taken = await runs.take_over(run_id, "g1", 10)
        assert taken is not None
        await runs.settle(run_id, taken.epoch, state, None, {})
    again = await runs.begin_again("r1")
    assert again is not None
    assert (again.state, again.round, again.ended_at) == (RunState.QUEUED, 2, None)
    assert await runs.begin_again("r2") is None
    assert await runs.begin_again("r1") is None, "it is running already"


async def test_pages_go_from_new_to_old(store: Database) -> None:
    runs = Runs(store, WORKSPACE)
    for number in range(5):
        await runs.insert(f"r{number}", new_run(), None, b"r" * 32)
    first = await runs.page(limit=2)
    assert [entry.id for entry in first] == ["r4", "r3"]
    assert [entry.id for entry in await runs.page(before="r3")] == ["r2", "r1", "r0"]
    assert await runs.page(states=[RunState.FAILED]) == []
    with pytest.raises(NotFound):
        await Runs(store, "another").get("r1")


async def test_events_are_numbered_without_gaps_in_the_order_of_their_commits(store: Database) -> None:
    await running(store, "r1", "g1", 1)
    history = History(store)
    await asyncio.gather(*(history.tell("r1", EventKind.PROGRESS, {"n": n}) for n in range(20)))
    events = await history.events("r1")
    assert events[0].data["state"] == "running", "whoever takes a run over tells it in the same transaction"
    assert [event.number for event in events] == list(range(1, 22))
    assert [event.number for event in await history.events("r1", after=18)] == [19, 20, 21]
    await history.write("r1", [LogLine("one"), LogLine("two", LogLevel.WARNING, "code", "public.orders", "p1")])
    await history.write("r1", [LogLine("three")])
    lines = await history.log("r1", after=1)
    assert [(line.number, line.message) for line in lines] == [(2, "two"), (3, "three")]
    assert (lines[0].code, lines[0].dataset, lines[0].partition) == ("code", "public.orders", "p1")


async def test_a_heartbeat_tells_what_became_of_a_gateways_runs(store: Database) -> None:
    runs, gateways = Runs(store, WORKSPACE), Gateways(store, WORKSPACE)
    for run_id in ("r1", "r2", "r3"):
        await running(store, run_id, "g1", 1)
    await runs.request_cancel("r2")
    await runs.take_over("r3", "g2", 10)
    told = await gateways.beat("g1", ["r1", "r2", "r3"], 10)
    assert told == {"r1": Heartbeat(1, cancelling=False), "r2": Heartbeat(1, cancelling=True)}


async def test_a_run_without_a_living_gateway_is_an_orphan_once(store: Database) -> None:
    gateways = Gateways(store, WORKSPACE)
    await gateways.enroll("g1", "here", 10)
    await running(store, "r1", "g1", 1)
    assert await gateways.orphans(5) == []
    async with store.writing() as connection:
        await connection.execute(sa.update(run).values(lease=1.0))
    assert await gateways.orphans(5) == [("r1", 1)]
    assert await gateways.orphans(5) == [], "the one who resumes it gets time"


async def test_a_gateway_that_starts_under_the_same_name_ends_its_forerunners_leases(store: Database) -> None:
    gateways = Gateways(store, WORKSPACE)
    await gateways.enroll("g1", "here", 60)
    await running(store, "r1", "g1", 1)
    assert await gateways.lead("g1", 60)
    await gateways.enroll("g2", "elsewhere", 60)
    assert not await gateways.lead("g2", 60)
    assert await gateways.orphans(5) == []
    await gateways.enroll("g3", "here", 60)
    assert await gateways.lead("g3", 60)
    assert await gateways.orphans(5) == [("r1", 1)]


async def test_one_gateway_leads_until_its_lease_ends(store: Database) -> None:
    gateways = Gateways(store, WORKSPACE)
    answers = await asyncio.gather(*(gateways.lead(f"g{n}", 0.3) for n in range(4)))
    assert answers.count(True) == 1
    leader = f"g{answers.index(True)}"
    assert await gateways.lead(leader, 0.3)
    assert not await gateways.lead("later", 0.3)
    await asyncio.sleep(0.35)
    assert await gateways.lead("later", 0.3)


async def test_ended_runs_go_with_all_that_belongs_to_them(store: Database) -> None:
    runs = Runs(store, WORKSPACE)
    for run_id in ("r1", "r2"):
        await running(store, run_id, "g1", 2)
    await History(store).tell("r1", EventKind.STATE, {})
    await runs.settle("r1", 1, RunState.SUCCEEDED, None, {})
    assert await runs.ended(3600, 10) == []
    async with store.writing() as connection:
        await connection.execute(sa.update(run).where(run.c.id == "r1").values(ended_at=1.0))
    assert [entry.id for entry in await runs.ended(3600, 10)] == ["r1"]
    await runs.delete(["r1", "r2"])
    assert [entry.id for entry in await runs.page()] == ["r2"], "a running one stays"
    assert await History(store).events("r1") == []
    assert await Generations(store).snapshots("r1") == []
    assert await Generations(store).snapshots("r2") == [Snapshot(1, "10:20:")]


async def test_a_store_that_is_away_is_said_to_be_away_in_our_own_words() -> None:
    store = Database.at("postgresql://nobody:hunter2@127.0.0.1:1/nowhere")
    with pytest.raises(StoreUnreachable) as caught:
        await Runs(store, WORKSPACE).get("r1")
    assert "hunter2" not in f"{caught.value!r}"
    await store.close()

"""Runs over the real services and real databases, with the connector killed and its snapshot taken away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from elute_gateway.application.planning import Planner
from elute_gateway.application.runs import RunUseCases
from elute_gateway.clients.planning import AnonymizerPlanning, ConnectorPlanning, TransformPlanning
from elute_gateway.clients.runtime import ConnectorPlane
from elute_gateway.clients.spreading import SpreadChannel
from elute_gateway.domain.connection import Connection, SealedSecret, StoredConnection
from elute_gateway.domain.pattern import DatasetPattern
from elute_gateway.domain.pipeline import Limits, Pipeline, Source, Structure, Target, Verify
from elute_gateway.domain.plan import Plan
from elute_gateway.domain.run import NewRun, Run, RunState, ScrubMode
from elute_gateway.engine.execution import Place, executing
from elute_gateway.store import schema
from elute_gateway.store.access import found_workspace
from elute_gateway.store.connections import Connections
from elute_gateway.store.database import Database as Store
from elute_gateway.store.documents import pipelines
from elute_wire.errors import PlanRefused, Severity
from elute_wire.identity import ServiceName
from tests.support.gateway import WORKSPACE
from tests.support.gateway_process import QUICK
from tests.support.postgresql import Database
from tests.support.services import ServiceProcess, System

ROWS = 20_000
SHOP = f"""
    CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL, note text);
    CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, total numeric(12, 2));
    CREATE TABLE empty_one (id int PRIMARY KEY);
    INSERT INTO customers SELECT n, 'customer ' || n, repeat(md5(n::text), 20) FROM generate_series(1, {ROWS}) n;
    INSERT INTO orders SELECT n, 1 + n % {ROWS}, n / 7.0 FROM generate_series(1, {ROWS}) n;
    ANALYZE;
"""


class Planning:
    """Plans the whole source, kept as it is."""

    def __init__(self, system: System, store: Store, structure: Structure) -> None:
        self._system = system
        self._connections = Connections(store, WORKSPACE)
        self._structure = structure

    async def plan(self, run: Run) -> Plan:
        del run
        pipeline = Pipeline(
            "copy",
            Source("shop", (DatasetPattern.parse("public.*"),)),
            Target("shop-qa", structure=self._structure),
            scrub=None,
            verify=Verify.ROWS,
            limits=Limits(partition_bytes=1024 * 1024),
        )
        async with (
            self._system.channel(ServiceName.CONNECTOR) as connector,
            self._system.channel(ServiceName.TRANSFORM) as transform,
            self._system.channel(ServiceName.ANONYMIZER) as anonymizer,
        ):
            planner = Planner(
                ConnectorPlanning(connector), TransformPlanning(transform), AnonymizerPlanning(anonymizer)
            )
            ends = [await self._connections.resolve(name) for name in ("shop", "shop-qa")]
            plan = await planner.plan(pipeline, *ends)
        if not plan.runnable:
            raise PlanRefused("; ".join(p.message for p in plan.problems if p.severity is Severity.ERROR))
        return plan


@asynccontextmanager
async def gateway(
    system: System,
    source: Database,
    target: Database,
    folder: Path,
    *,
    structure: Structure,
    connectors: Sequence[ServiceProcess] = (),
) -> AsyncIterator[RunUseCases]:
    """Open a gateway over a system, and over several connectors if any are given."""
    url = f"sqlite:///{folder / 'gateway.db'}"
    store = Store.at(url)
    await schema.upgrade(store)
    await found_workspace(store, WORKSPACE)
    for name, database in (("shop", source), ("shop-qa", target)):
        sent = system.connection(name, database)
        secret = SealedSecret(sent.secret.key_id, sent.secret.ephemeral_public_key, sent.secret.ciphertext)
        connection = Connection(sent.id, sent.system, sent.settings, secret)
        await Connections(store, WORKSPACE).insert(StoredConnection(name, connection))
    await pipelines(store, WORKSPACE).save("pip-1", "copy", "{}", b"d" * 32, "key-1")
    async with AsyncExitStack() as stack:
        processes = connectors or [system.connector]
        channels = [await stack.enter_async_context(process.channel()) for process in processes]
        plane = ConnectorPlane(SpreadChannel(channels), channels)
        place = Place(url, WORKSPACE, "here")
        planning = Planning(system, store, structure)
        yield await stack.enter_async_context(executing(store, place, plane, planning, QUICK))
    await store.close()


def copy_run() -> NewRun:
    return NewRun("pip-1", 1, parallel_partitions=2, scrub=ScrubMode.OFF)


async def ended(runs: RunUseCases, run_id: str, seconds: float = 60) -> Run:
    async with asyncio.timeout(seconds):
        while not (run := await runs.get(run_id)).state.is_final:
            await asyncio.sleep(0.05)
    return run


async def some_rows(runs: RunUseCases, run_id: str, partitions: int = 2) -> None:
    async with asyncio.timeout(30):
        while sum(entry.partitions_done for entry in await runs.datasets(run_id)) < partitions:
            assert not (run := await runs.get(run_id)).state.is_final, run.failure
            await asyncio.sleep(0.01)


def content(database: Database, table: str) -> str:
    sums = f"SELECT md5(t::text) AS sum FROM {table} t"
    return database.run(f"SELECT count(*), md5(string_agg(sum, '' ORDER BY sum)) FROM ({sums}) t")


def assert_same(source: Database, target: Database) -> None:
    for table in ("customers", "orders", "empty_one"):
        assert content(source, table) == content(target, table), table


@pytest.mark.parametrize("structure", list(Structure))
async def test_a_database_arrives_as_it_is(
    services: System, source: Database, target: Database, tmp_path: Path, structure: Structure
) -> None:
    source.run(SHOP)
    if structure is Structure.KEEP:
        target.run(SHOP.split("INSERT", maxsplit=1)[0])
    async with gateway(services, source, target, tmp_path, structure=structure) as runs:
        run = await ended(runs, (await runs.start(copy_run())).id)
        assert run.state is RunState.SUCCEEDED, (run.failure, await runs.log(run.id))
        verified = {row["dataset"]: row["verified"] for row in run.report["datasets"]}  # type: ignore[attr-defined]
        assert verified == dict.fromkeys(["public.customers", "public.empty_one", "public.orders"], "equal")
    assert_same(source, target)


async def test_a_killed_connector_and_a_lost_snapshot_lose_and_double_nothing(
    own_services: System, source: Database, target: Database, tmp_path: Path
) -> None:
    source.run(SHOP)
    async with gateway(own_services, source, target, tmp_path, structure=Structure.CREATE) as runs:
        run = await runs.start(copy_run())
        await some_rows(runs, run.id)
        own_services.connector.kill()
        source.run("UPDATE customers SET name = 'another' WHERE id = 1")  # so that another snapshot sees other rows
        own_services.connector.start()
        run = await ended(runs, run.id)
        assert run.state is RunState.SUCCEEDED, (run.failure, await runs.log(run.id))
        assert len(run.report["snapshots"]) == 1  # type: ignore[arg-type]  # the keys tie all of it together
    assert_same(source, target)


@pytest.mark.parametrize("killed", [0, 1], ids=["the first holder", "the second holder"])
async def test_with_two_connectors_one_may_die_and_the_run_goes_on_under_the_same_snapshot(
    own_services: System, source: Database, target: Database, tmp_path: Path, killed: int
) -> None:
    source.run(SHOP)
    two = [own_services.connector, own_services.start_another(ServiceName.CONNECTOR)]
    await two[1].ready()
    async with gateway(own_services, source, target, tmp_path, structure=Structure.CREATE, connectors=two) as runs:
        run = await runs.start(copy_run())
        await some_rows(runs, run.id)
        assert [(await one.metrics()).series["elute_snapshots_held"] for one in two] == [1, 1]
        before = (await runs.datasets(run.id))[0].snapshot
        two[killed].kill()
        source.run("UPDATE customers SET name = 'another' WHERE id = 1")  # so that another snapshot sees other rows
        run = await ended(runs, run.id)  # nobody starts the dead one again
        assert run.state is RunState.SUCCEEDED, (run.failure, await runs.log(run.id))
        assert run.report["snapshots"] == [before]
        verified = {row["verified"] for row in run.report["datasets"]}  # type: ignore[attr-defined]
        assert verified == {"equal"}, "the source still shows that moment"
    source.run("UPDATE customers SET name = 'customer 1' WHERE id = 1")
    assert_same(source, target)


async def test_cancelling_ends_every_copy_on_both_databases_within_two_seconds(
    services: System, source: Database, target: Database, tmp_path: Path
) -> None:
    source.run(SHOP)
    query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state <> 'idle' AND datname = $1"

    async def copies(connection: asyncpg.Connection) -> int:
        names = (source.name, target.name)
        return sum([await connection.fetchval(query, name) for name in names])

    watcher = await source.connect()
    async with gateway(services, source, target, tmp_path, structure=Structure.CREATE) as runs:
        run = await runs.start(copy_run())
        async with asyncio.timeout(30):
            while not await copies(watcher):
                await asyncio.sleep(0.002)
        asked = time.monotonic()
        await runs.cancel(run.id)
        while await copies(watcher):
            assert time.monotonic() - asked < 2
            await asyncio.sleep(0.01)
        assert (await ended(runs, run.id)).state is RunState.CANCELLED
        await runs.resume(run.id)
        again = await ended(runs, run.id)
        assert again.state is RunState.SUCCEEDED, (again.failure, await runs.log(run.id))
    await watcher.close()
    assert_same(source, target)

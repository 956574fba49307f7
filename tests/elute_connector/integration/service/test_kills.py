"""Whoever dies or freezes in the middle of a load: a repeated one loses no row and doubles none."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import grpc.aio
import pytest

from elute.v1 import connector_pb2
from elute_gateway.embedded.postgresql import PostgresServer
from elute_wire.errors import FenceLost, Recovery, StoreUnreachable
from elute_wire.identity import ServiceName
from tests.elute_connector.integration.service.copying import FENCE, Copier, copier
from tests.elute_connector.integration.service.holding import through, until
from tests.elute_connector.integration.service.scrubbing import POLICY, scrubbed
from tests.elute_connector.integration.service.test_load import copying, failed, until_copying
from tests.support.postgresql import DEFAULT_VERSION, Database, PostgresFleet
from tests.support.services import ServiceProcess, System

PEOPLE = "CREATE TABLE people (id bigint PRIMARY KEY, name text, padding text)"
TECHNIQUES = {"name": ("token", "{}")}
SLICE_BYTES = 512 * 1024
ROWS = """
    INSERT INTO people
    SELECT g, 'name ' || g, repeat('x', CASE WHEN g BETWEEN 5000 AND 7000 THEN {width} ELSE 100 END)
    FROM generate_series(1, 12000) g
"""
# The target sleeps now and then, and so leaves time for accidents.
SLOWLY = """
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.1); RETURN NEW; END';
    CREATE TRIGGER slow BEFORE INSERT ON people FOR EACH ROW WHEN (NEW.id > 4000 AND NEW.id % 200 = 0)
    EXECUTE FUNCTION slow();
"""
ASLEEP = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
AHEAD = 60_000
"""A width of rows, small on disk, that makes a slice more than what runs ahead of the target: 120 MB."""


def prepare(source: Database, target: Database, width: int = 100) -> None:
    source.run(PEOPLE)
    source.run(ROWS.format(width=width))
    target.run(PEOPLE)
    target.run(SLOWLY)


class Partitions:
    """The partitions of one run, cut once; each is loaded again under higher epochs until it is in."""

    def __init__(self, slices: Sequence[connector_pb2.PlannedSlice]) -> None:
        self._slices = slices
        self._epoch = 0

    def request(self, copy: Copier, place: int) -> connector_pb2.LoadRequest:
        self._epoch += 1
        unit = scrubbed(copy, "people", TECHNIQUES, self._slices[place].slice)
        scrub = connector_pb2.SCRUB_MODE_REQUIRED
        return copy.request(f"p{place}", unit, epoch=self._epoch, scrub=scrub, policy_digest=POLICY)

    async def rest(self, copy: Copier) -> None:
        for place in range(len(self._slices)):
            await copy.load(self.request(copy, place))

    @asynccontextmanager
    async def broken(self, copy: Copier, target: Database) -> AsyncIterator[None]:
        """Load the first partition; while the second is written, run the block, which ends that load."""
        await copy.load(self.request(copy, 0))
        breaking = asyncio.ensure_future(failed(copy, self.request(copy, 1)))
        await until_copying(target)
        yield
        error = await asyncio.wait_for(breaking, 30)
        assert error.recovery in (Recovery.RETRY, Recovery.RECONNECT), error


async def cut(copy: Copier) -> Partitions:
    slices = await copy.slices("people", SLICE_BYTES)
    assert len(slices) > 2
    return Partitions(slices)


async def assert_same(source: Database, target: Database) -> None:
    kept = (
        "SELECT count(*), count(DISTINCT id), sum(hashtextextended(id || padding, 0)), count(DISTINCT name) FROM people"
    )
    assert target.run(kept) == source.run(kept)
    assert target.run("SELECT count(*) FROM people WHERE name LIKE 'name %'") == "0"


async def until_idle(database: Database) -> None:
    async with asyncio.timeout(20):
        while await copying(database):
            await asyncio.sleep(0.05)


async def restart(process: ServiceProcess) -> None:
    process.start()
    await process.ready()


@pytest.mark.parametrize(
    "victim", [ServiceName.CONNECTOR, pytest.param(ServiceName.ANONYMIZER, marks=pytest.mark.slow)]
)
async def test_a_service_is_killed(
    own_services: System, source: Database, target: Database, victim: ServiceName
) -> None:
    prepare(source, target, AHEAD if victim is ServiceName.ANONYMIZER else 100)
    process = {"connector": own_services.connector, "anonymizer": own_services.anonymizer}[victim]
    async with copier(own_services, source, target) as copy:
        async with copy.snapshot("people", handle="first"):
            partitions = await cut(copy)
            async with partitions.broken(copy, target):
                process.kill()
            await restart(process)
        await until_idle(target)
        async with copy.snapshot("people", handle="second"):
            await partitions.rest(copy)
    await assert_same(source, target)


@pytest.mark.slow
async def test_the_connector_at_the_source_is_killed_and_the_one_at_the_target_lives(
    own_services: System, source: Database, target: Database
) -> None:
    prepare(source, target, AHEAD)
    at_target = own_services.start_another(ServiceName.CONNECTOR)
    await at_target.ready()
    async with copier(own_services, source, target) as copy, through(copy, at_target) as loading:
        async with copy.snapshot("people", handle="first"):
            loading.snapshot_id = copy.snapshot_id
            partitions = await cut(copy)
            async with partitions.broken(loading, target):
                own_services.connector.kill()
            await restart(own_services.connector)
        async with copy.snapshot("people", handle="second"):
            loading.snapshot_id = copy.snapshot_id
            await partitions.rest(loading)
    await assert_same(source, target)


@pytest.mark.parametrize("run", ["goes on", pytest.param("has ended", marks=pytest.mark.slow)])
async def test_a_loader_that_was_frozen_writes_nothing_after_another_claimed_its_partition(
    own_services: System, source: Database, target: Database, run: str
) -> None:
    prepare(source, target)
    frozen = own_services.start_another(ServiceName.CONNECTOR)
    await frozen.ready()
    async with (
        copier(own_services, source, target) as copy,
        through(copy, frozen) as zombie,
        copy.snapshot("people"),
    ):
        zombie.snapshot_id = copy.snapshot_id
        partitions = await cut(copy)
        loading = asyncio.ensure_future(failed(zombie, partitions.request(zombie, 1)))
        await until_copying(target)
        frozen.signal(signal.SIGSTOP)
        await partitions.rest(copy)
        await assert_same(source, target)
        if run == "has ended":
            target.run(f"DROP TABLE {FENCE.schema}.{FENCE.table}")
        frozen.signal(signal.SIGCONT)
        error = await asyncio.wait_for(loading, 30)
        assert isinstance(error, FenceLost | StoreUnreachable), error
        if run == "goes on":
            assert (await zombie.load(partitions.request(zombie, 1))).already_done
        else:
            assert isinstance(await failed(zombie, partitions.request(zombie, 1)), FenceLost)
    await assert_same(source, target)


async def test_a_load_whose_session_ends_while_the_server_reads_nothing_fails_at_once(
    services: System, source: Database, target: Database
) -> None:
    prepare(source, target, width=6000)
    target.run(
        SLOWLY.split("CREATE TRIGGER", maxsplit=1)[0].replace("CREATE", "CREATE OR REPLACE").replace("0.1", "60")
    )
    async with copier(services, source, target) as copy, copy.snapshot("people"):
        partitions = await cut(copy)
        loading = asyncio.ensure_future(failed(copy, partitions.request(copy, 1)))
        await until(target, f"EXISTS (SELECT {ASLEEP})")
        await asyncio.sleep(0.5)  # for what is on its way to fill every buffer
        target.run(f"SELECT pg_terminate_backend(pid) {ASLEEP}")
        assert isinstance(await asyncio.wait_for(loading, 10), StoreUnreachable)


@pytest.mark.slow
@pytest.mark.parametrize("end", ["source", "target"])
async def test_a_database_is_killed_and_comes_back(
    own_services: System, own_server: PostgresServer, postgresql: PostgresFleet, end: str
) -> None:
    Database(own_server, "postgres", DEFAULT_VERSION).run("CREATE DATABASE shop")
    own = Database(own_server, "shop", DEFAULT_VERSION)
    with postgresql.database(DEFAULT_VERSION) as other:
        source, target = (own, other) if end == "source" else (other, own)
        prepare(source, target, AHEAD)
        async with copier(own_services, source, target) as copy:
            async with copy.snapshot("people", handle="first"):
                partitions = await cut(copy)
                loading = asyncio.ensure_future(copy.load(partitions.request(copy, 1)))
                await until_copying(target)
                own_server.kill()
                # A source that had sent its last row may be killed without a loss.
                (outcome,) = await asyncio.gather(loading, return_exceptions=True)
                assert end == "source" or isinstance(outcome, grpc.aio.AioRpcError)
                own_server.start()
            async with copy.snapshot("people", handle="second"):
                await partitions.rest(copy)
        await assert_same(source, target)

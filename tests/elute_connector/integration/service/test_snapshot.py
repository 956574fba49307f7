"""A snapshot is one moment, whatever happens to the tables, its holder, its stream or its connector."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from elute.v1 import connector_pb2
from elute_wire.errors import AlreadyExists, CatalogChanged, SnapshotLost, StoreBusy
from elute_wire.identity import ServiceName
from tests.elute_connector.integration.service.copying import Copier, copier, fingerprint
from tests.elute_connector.integration.service.holding import HOLDER, held, refused, through, until, until_free
from tests.elute_connector.integration.service.test_load import failed
from tests.support.postgresql import Database
from tests.support.services import System

PEOPLE = "CREATE TABLE people (id bigint PRIMARY KEY, name text, padding text)"
ROWS = "INSERT INTO people SELECT g, 'name ' || g, repeat('x', 100) FROM generate_series(1, 4000) g"
SLICE_BYTES = 128 * 1024
END_HOLDER = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {HOLDER}"


@pytest.fixture
async def copy(services: System, source: Database, target: Database) -> AsyncIterator[Copier]:
    """A run over a table of several slices, the later rows in the earlier pages."""
    source.run(PEOPLE)
    source.run(ROWS)
    source.run("DELETE FROM people WHERE id <= 1000")
    source.run("VACUUM people")
    source.run("INSERT INTO people SELECT g, 'new', 'y' FROM generate_series(5001, 5500) g")
    target.run(PEOPLE)
    async with copier(services, source, target) as made:
        yield made


async def load_slice(copy: Copier, place: int, planned: connector_pb2.PlannedSlice, epoch: int = 1) -> None:
    await copy.load(copy.request(f"p{place}", copy.unit("people", copy.stage("people", planned.slice)), epoch=epoch))


REWRITES = (
    "CLUSTER people USING people_pkey",
    "TRUNCATE people",
    "ALTER TABLE people ALTER COLUMN id TYPE numeric",
    "VACUUM FULL people",
    "DROP TABLE people",
)


async def test_no_rewrite_gets_between_two_slices(copy: Copier, source: Database, target: Database) -> None:
    before = await fingerprint(source, "people")
    writer = await source.connect()
    await writer.execute("SET lock_timeout = '50ms'")
    async with copy.snapshot("people"):
        slices = await copy.slices("people", SLICE_BYTES)
        assert len(slices) > 2
        for place, planned in enumerate(slices):
            for rewrite in REWRITES:
                with pytest.raises(asyncpg.LockNotAvailableError):
                    await writer.execute(rewrite)
            await load_slice(copy, place, planned)
    await writer.close()
    assert await fingerprint(target, "people") == before


async def test_a_rewrite_that_waits_makes_reads_fail_in_time_and_changes_nothing(
    services: System, copy: Copier, source: Database, target: Database
) -> None:
    copy.source.CopyFrom(services.connection("source", source, lock_timeout_seconds=1))
    before = await fingerprint(source, "people")
    async with copy.snapshot("people"):
        first, *rest = await copy.slices("people", SLICE_BYTES)
        writer = await source.connect()
        truncating = asyncio.ensure_future(writer.execute("TRUNCATE people"))
        await until(source, "EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        error = await failed(copy, copy.request("p0", copy.unit("people", copy.stage("people", first.slice))))
        assert isinstance(error, StoreBusy)
        assert error.place.dataset == "public.people"
        truncating.cancel()
        await asyncio.wait([truncating])
        for place, planned in enumerate([first, *rest]):
            await load_slice(copy, place, planned, epoch=2)
        writer.terminate()
    assert await fingerprint(target, "people") == before


async def test_when_the_holder_s_session_ends_nothing_more_is_read_under_its_snapshot(
    copy: Copier, source: Database, target: Database
) -> None:
    holding = await held(copy, "people")
    copy.snapshot_id = holding.first.snapshot_id
    first, second, *_ = await copy.slices("people", SLICE_BYTES)
    await load_slice(copy, 0, first)
    rows = (await fingerprint(target, "people"))[0]
    source.run(END_HOLDER)
    # The session that read the first slice lives on; without the holder's locks it would now read an empty table.
    source.run("TRUNCATE people")
    error = await failed(copy, copy.request("p1", copy.unit("people", copy.stage("people", second.slice))))
    assert isinstance(error, SnapshotLost)
    assert isinstance(await holding.error(), SnapshotLost)
    assert (await fingerprint(target, "people"))[0] == rows


async def test_who_comes_back_to_a_lost_snapshot_is_told(copy: Copier, source: Database) -> None:
    holding = await held(copy, "people")
    holding.call.cancel()
    source.run(END_HOLDER)
    await until(source, f"NOT EXISTS (SELECT FROM pg_stat_activity WHERE {HOLDER})")
    assert isinstance(await refused(copy, "people"), SnapshotLost)


async def test_a_broken_stream_is_attached_again_within_the_lease(copy: Copier, source: Database) -> None:
    holding = await held(copy, "people")
    holding.call.cancel()
    source.run("INSERT INTO people SELECT 0, 'late', ''")
    again = await held(copy, "people")
    assert (again.first.snapshot_id, again.first.visible) == (holding.first.snapshot_id, holding.first.visible)
    assert again.first.age_seconds > 0
    assert isinstance(await refused(replace(copy, source=copy.target), "people"), AlreadyExists)
    await copy.stub.ReleaseSnapshot(connector_pb2.ReleaseSnapshotRequest(handle="held"))


async def test_after_the_lease_the_snapshot_is_gone_and_its_locks_are_free(copy: Copier, source: Database) -> None:
    holding = await held(copy, "people", lease_seconds=1)
    copy.snapshot_id = holding.first.snapshot_id
    (first, *_) = await copy.slices("people", SLICE_BYTES)
    await load_slice(copy, 0, first)
    holding.call.cancel()
    await until_free(source, "people")
    assert isinstance(
        await failed(copy, copy.request("p1", copy.unit("people", copy.stage("people", first.slice)))), SnapshotLost
    )
    source.run("INSERT INTO people SELECT 0, 'late', ''")
    again = await held(copy, "people", lease_seconds=1)
    assert again.first.visible != holding.first.visible
    await copy.stub.ReleaseSnapshot(connector_pb2.ReleaseSnapshotRequest(handle="held"))


async def test_a_released_snapshot_ends_its_streams_and_frees_its_locks(copy: Copier, source: Database) -> None:
    first, second = await held(copy, "people"), await held(copy, "people")
    assert first.first.snapshot_id == second.first.snapshot_id
    assert (await copy.stub.ReleaseSnapshot(connector_pb2.ReleaseSnapshotRequest(handle="held"))).released
    for holding in (first, second):
        assert await holding.next() is None
    await until_free(source, "people")
    assert not (await copy.stub.ReleaseSnapshot(connector_pb2.ReleaseSnapshotRequest(handle="held"))).released


async def test_locks_that_are_not_to_be_had_are_said_in_time(copy: Copier, source: Database) -> None:
    writer = await source.connect()
    async with writer.transaction():
        await writer.execute("LOCK TABLE people IN ACCESS EXCLUSIVE MODE")
        started = time.monotonic()
        assert isinstance(await refused(copy, "people", lock_timeout_seconds=1), StoreBusy)
        assert time.monotonic() - started < 10
    await writer.close()
    assert not (await copy.stub.ReleaseSnapshot(connector_pb2.ReleaseSnapshotRequest(handle="held"))).released


@pytest.mark.parametrize("change", ["ALTER TABLE people ADD COLUMN national_id text", "DROP TABLE people"])
async def test_a_change_between_discovery_and_snapshot_names_the_dataset(
    copy: Copier, source: Database, change: str
) -> None:
    source.run("CREATE TABLE pets (id int)")
    await copy.discover()
    source.run(change)
    error = await refused(copy, "people", "pets")
    assert isinstance(error, CatalogChanged)
    assert [problem.dataset for problem in error.problems] == ["public.people"]
    await until_free(source, "pets")


async def test_a_snapshot_that_another_connector_adopted_outlives_its_first_holder(
    own_connector: System, source: Database, target: Database
) -> None:
    source.run(PEOPLE)
    source.run(ROWS)
    target.run(PEOPLE)
    second = own_connector.start_another(ServiceName.CONNECTOR)
    before = await fingerprint(source, "people")
    async with copier(own_connector, source, target) as copy, through(copy, second) as other:
        await second.ready()
        first = await held(copy, "people")
        adopted = await held(other, "people", adopt_snapshot_id=first.first.snapshot_id)
        assert adopted.first.visible == first.first.visible
        source.run("UPDATE people SET name = 'late'")
        own_connector.connector.kill()
        await until(source, f"1 = (SELECT count(*) FROM pg_stat_activity WHERE {HOLDER})")
        other.snapshot_id = adopted.first.snapshot_id
        with pytest.raises(AssertionError, match="lock timeout"):
            source.run("SET lock_timeout = '100ms'; TRUNCATE people")
        await other.copy("people", SLICE_BYTES)
        assert await fingerprint(target, "people") == before


@pytest.mark.parametrize("patience", ["leaves when told", "stays"])
async def test_a_connector_that_is_told_to_stop_says_so_to_holders_and_exits_in_time(
    own_connector: System, source: Database, target: Database, patience: str
) -> None:
    source.run(PEOPLE)
    own_connector.connector.kill()
    own_connector.connector.environment["ELUTE_DRAIN_SECONDS"] = "2" if patience == "stays" else "30"
    own_connector.connector.start()
    await own_connector.connector.ready()
    target.run(PEOPLE)
    async with copier(own_connector, source, target) as copy:
        holding = await held(copy, "people")
        assert not holding.first.handing_over
        started = time.monotonic()
        own_connector.connector.signal(signal.SIGTERM)
        told = await holding.next(2)
        assert told is not None
        assert told.handing_over
        if patience == "leaves when told":
            holding.call.cancel()
        assert await asyncio.to_thread(own_connector.connector.wait, 15) == 0
        assert time.monotonic() - started < 10
    await until(source, f"NOT EXISTS (SELECT FROM pg_stat_activity WHERE {HOLDER})")


async def test_an_idle_reader_holds_nothing_at_the_source(copy: Copier, source: Database) -> None:
    async with copy.snapshot("people"):
        await copy.copy("people", SLICE_BYTES)
        idle = "application_name = 'elute reader' AND datname = current_database()"
        await until(source, f"EXISTS (SELECT FROM pg_stat_activity WHERE {idle})")
        await until(source, f"NOT EXISTS (SELECT FROM pg_stat_activity WHERE {idle} AND state <> 'idle')")

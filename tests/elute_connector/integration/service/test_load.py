from __future__ import annotations

import asyncio

import grpc
import pytest

from elute.v1 import connector_pb2, stage_pb2
from elute_wire.errors import (
    CatalogChanged,
    CellTooLarge,
    EluteError,
    FenceLost,
    InvalidRequest,
    Recovery,
    TreatmentMissing,
)
from elute_wire.status import from_rpc
from tests.elute_connector.integration.service.copying import FENCE, Copier, copier, fingerprint
from tests.support.postgresql import Database, every_pair
from tests.support.services import System

TABLE = "CREATE TABLE people (id bigint, name varchar(40), notes text, born date, balance numeric, tags text[])"
ROWS = """
    INSERT INTO people
    SELECT g, 'name ' || g, repeat('x', g % 50), date '2000-01-01' + g, g * 1.5, ARRAY['a', NULL]
    FROM generate_series(1, 20000) g
"""


def prepared(source: Database, target: Database, table: str = TABLE, rows: str = ROWS) -> None:
    source.run(table)
    source.run(rows)
    target.run(table)


async def copying(database: Database) -> bool:
    """Whether a session of the database is in a COPY."""
    connection = await database.connect()
    try:
        active = "datname = current_database() AND state = 'active' AND query LIKE '%COPY%' AND pid <> pg_backend_pid()"
        return bool(await connection.fetchval(f"SELECT count(*) FROM pg_stat_activity WHERE {active}"))
    finally:
        await connection.close()


async def until_copying(database: Database) -> None:
    async with asyncio.timeout(20):
        while not await copying(database):
            await asyncio.sleep(0.02)


async def failed(copy: Copier, request: connector_pb2.LoadRequest) -> EluteError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await copy.load(request)
    return from_rpc(caught.value, "loading", "connector")


@every_pair
async def test_a_table_arrives_equal_in_many_slices(services: System, source: Database, target: Database) -> None:
    prepared(source, target)
    async with copier(services, source, target) as copy, copy.snapshot("people"):
        results = await copy.copy("people", target_bytes=256 * 1024)
    assert len(results) > 3
    assert sum(unit.rows_written for result in results for unit in result.units) == 20_000
    assert await fingerprint(target, "people") == await fingerprint(source, "people")


@pytest.mark.parametrize("rows", [0, 1])
async def test_small_tables_arrive(services: System, source: Database, target: Database, rows: int) -> None:
    prepared(source, target, rows=f"INSERT INTO people (id) SELECT generate_series(1, {rows})")
    async with copier(services, source, target) as copy, copy.snapshot("people"):
        (result,) = await copy.copy("people")
    assert [unit.rows_written for unit in result.units] == [rows]


async def test_rows_that_come_after_the_snapshot_are_not_copied(
    services: System, source: Database, target: Database
) -> None:
    prepared(source, target)
    before = await fingerprint(source, "people")
    async with copier(services, source, target) as copy, copy.snapshot("people"):
        source.run("UPDATE people SET name = 'late'; INSERT INTO people SELECT * FROM people")
        await copy.copy("people", target_bytes=256 * 1024)
    assert await fingerprint(target, "people") == before


async def test_names_of_63_quoted_bytes_arrive(services: System, source: Database, target: Database) -> None:
    name, column = 't"' + "é" * 30 + "x", 'c."' + "ü" * 30
    quoted = '"' + name.replace('"', '""') + '"'
    prepared(
        source,
        target,
        f'CREATE TABLE {quoted} ("{column.replace(chr(34), chr(34) * 2)}" int)',
        f"INSERT INTO {quoted} VALUES (1), (2)",
    )
    async with copier(services, source, target) as copy, copy.snapshot(name):
        await copy.copy(name)
    assert await fingerprint(target, quoted) == await fingerprint(source, quoted)


async def test_a_repeated_load_answers_and_writes_nothing_twice(
    services: System, source: Database, target: Database
) -> None:
    prepared(source, target)
    async with copier(services, source, target) as copy, copy.snapshot("people"):
        request = copy.request("p0", copy.unit("people", copy.stage("people")))
        first = await copy.load(request)
        request.epoch = 2
        again = await copy.load(request)
    assert (first.already_done, again.already_done) == (False, True)
    assert list(again.units) == list(first.units)
    assert (await fingerprint(target, "people"))[0] == 20_000


async def test_an_older_claim_writes_nothing(services: System, source: Database, target: Database) -> None:
    prepared(source, target)
    async with copier(services, source, target) as copy, copy.snapshot("people"):
        target.run(f"UPDATE {FENCE.schema}.{FENCE.table} SET epoch = 5 WHERE partition_id = 'p0'")
        error = await failed(copy, copy.request("p0", copy.unit("people", copy.stage("people")), epoch=5))
    assert isinstance(error, FenceLost)
    assert (await fingerprint(target, "people"))[0] == 0


async def test_a_load_after_the_run_has_ended_writes_nothing(
    services: System, source: Database, target: Database
) -> None:
    prepared(source, target)
    async with copier(services, source, target) as copy, copy.snapshot("people"):
        target.run(f"DROP TABLE {FENCE.schema}.{FENCE.table}")
        error = await failed(copy, copy.request("p0", copy.unit("people", copy.stage("people"))))
    assert isinstance(error, FenceLost)
    assert (await fingerprint(target, "people"))[0] == 0


async def test_a_stage_tree_without_the_anonymizer_writes_nothing(
    services: System, source: Database, target: Database
) -> None:
    prepared(source, target)
    async with copier(services, source, target) as copy, copy.snapshot("people"):
        request = copy.request(
            "p0",
            copy.unit("people", copy.stage("people")),
            scrub=connector_pb2.SCRUB_MODE_REQUIRED,
            policy_digest=bytes(32),
        )
        for field in request.units[0].fields:
            field.treatment = "keep"
        error = await failed(copy, request)
    assert isinstance(error, TreatmentMissing)
    assert (await fingerprint(target, "people"))[0] == 0


async def test_scrubbing_cannot_be_left_unsaid(services: System, source: Database, target: Database) -> None:
    prepared(source, target)
    async with copier(services, source, target) as copy, copy.snapshot("people"):
        unit = copy.unit("people", copy.stage("people"))
        error = await failed(copy, copy.request("p0", unit, scrub=connector_pb2.SCRUB_MODE_UNSPECIFIED))
    assert isinstance(error, InvalidRequest)


async def test_a_table_whose_column_changed_since_the_plan_is_not_written(
    services: System, source: Database, target: Database
) -> None:
    prepared(source, target)
    async with copier(services, source, target) as copy, copy.snapshot("people"):
        target.run("ALTER TABLE people ALTER COLUMN born TYPE timestamptz")
        error = await failed(copy, copy.request("p0", copy.unit("people", copy.stage("people"))))
    assert isinstance(error, CatalogChanged)
    assert error.place.column == "born"


async def test_a_row_filter_is_pushed_down(services: System, source: Database, target: Database) -> None:
    prepared(source, target)
    async with copier(services, source, target) as copy, copy.snapshot("people"):
        stage = copy.stage("people", filter="id <= 100 AND name LIKE 'name %'")
        result = await copy.load(copy.request("p0", copy.unit("people", stage)))
    assert [unit.rows_read for unit in result.units] == [100]


async def test_a_huge_cell_passes_and_one_over_the_limit_is_named(
    services: System, source: Database, target: Database
) -> None:
    prepared(source, target, rows="INSERT INTO people (id, notes) VALUES (1, 'a'), (2, repeat('kestrel', 8000000))")
    async with copier(services, source, target) as copy, copy.snapshot("people"):
        request = copy.request("p0", copy.unit("people", copy.stage("people")))
        request.context.max_cell_bytes = 1024 * 1024
        error = await failed(copy, request)
        assert isinstance(error, CellTooLarge)
        place = error.place
        assert (place.dataset, place.column, place.partition, place.ordinal) == ("public.people", "notes", "p0", 1)
        request.context.max_cell_bytes = 64 * 1024 * 1024
        request.epoch = 2
        await copy.load(request)
    assert await fingerprint(target, "people") == await fingerprint(source, "people")
    assert "kestrel" not in services.logs()


async def test_a_cancelled_load_ends_both_sessions_within_two_seconds(
    services: System, source: Database, target: Database
) -> None:
    prepared(source, target, rows=ROWS.replace("20000", "2000000"))
    async with copier(services, source, target) as copy, copy.snapshot("people"):
        loading = asyncio.ensure_future(copy.load(copy.request("p0", copy.unit("people", copy.stage("people")))))
        await until_copying(source)
        loading.cancel()
        async with asyncio.timeout(2):
            for database in (source, target):
                while await copying(database):
                    await asyncio.sleep(0.05)
    assert (await fingerprint(target, "people"))[0] == 0


@pytest.mark.parametrize("statement", ["COPY%", "COMMIT%"])
async def test_a_load_whose_session_is_ended_may_be_tried_again(
    services: System, source: Database, target: Database, statement: str
) -> None:
    prepared(source, target)
    # Committing waits here: a deferred constraint is checked by it.
    target.run("""
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON people DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (NEW.id <= 40) EXECUTE FUNCTION slow();
    """)
    if statement == "COPY%":
        source.run(ROWS.replace("20000", "1500000"))
    async with copier(services, source, target) as copy, copy.snapshot("people"):
        loading = asyncio.ensure_future(failed(copy, copy.request("p0", copy.unit("people", copy.stage("people")))))
        ended = f"""SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'elute load p0'
                    AND state = 'active' AND query LIKE '{statement}'"""
        async with asyncio.timeout(60):
            while target.run(ended) == "0":
                await asyncio.sleep(0.02)
        error = await loading
    assert error.recovery is Recovery.RECONNECT
    assert (await fingerprint(target, "people"))[0] == 0


async def test_a_source_that_cannot_be_read_is_said_with_its_table_and_no_value(
    services: System, source: Database, target: Database
) -> None:
    prepared(source, target)
    source.run("CREATE ROLE reader LOGIN; GRANT SELECT (id) ON people TO reader")
    try:
        async with copier(services, source, target) as copy, copy.snapshot("people"):
            copy.source.CopyFrom(services.connection("reader", source, user="reader"))
            stage = copy.stage("people", snapshot_id="")
            error = await failed(copy, copy.request("p0", copy.unit("people", stage)))
    finally:
        source.run("DROP OWNED BY reader; DROP ROLE reader")
    assert error.code == "store-forbidden"
    assert error.place.dataset == "public.people"


async def test_no_service_opens_a_stage_of_an_unknown_kind(
    services: System, source: Database, target: Database
) -> None:
    prepared(source, target)
    async with copier(services, source, target) as copy, copy.snapshot("people"):
        error = await failed(copy, copy.request("p0", copy.unit("people", stage_pb2.Stage())))
    assert isinstance(error, InvalidRequest)

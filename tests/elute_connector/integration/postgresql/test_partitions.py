"""Slices cover each dataset once and whole, and never show a value."""

from __future__ import annotations

import asyncpg

from elute_connector.connectors.postgresql.catalog import discover
from elute_connector.connectors.postgresql.partitions import key_condition, plan_partitions
from elute_connector.domain.connector import PlannedSlice
from elute_connector.domain.dataset_name import DatasetName
from elute_connector.domain.extraction import KeyRange, PageRange
from tests.support.carrying import session
from tests.support.postgresql import Database, every_version

SCRIPT = """
CREATE TABLE wide (id bigint PRIMARY KEY, body text); ALTER TABLE wide ALTER body SET STORAGE EXTERNAL;
INSERT INTO wide SELECT i, repeat('x', 3000) FROM generate_series(1, 500) i;
CREATE TABLE keyless (a int); INSERT INTO keyless SELECT generate_series(1, 20000);
CREATE TABLE empty (a int);
CREATE TABLE single (a int); INSERT INTO single VALUES (1);
CREATE TABLE parent (a int); CREATE TABLE child () INHERITS (parent);
INSERT INTO parent SELECT generate_series(1, 10); INSERT INTO child SELECT generate_series(1, 10);
CREATE TABLE events (id int, at date, kind text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE events_old PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
CREATE TABLE events_new PARTITION OF events FOR VALUES FROM ('2020-01-01') TO (MAXVALUE) PARTITION BY HASH (id);
CREATE TABLE events_new_0 PARTITION OF events_new FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE events_new_1 PARTITION OF events_new FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO events SELECT i, date '2019-06-01' + i % 400, 'k' FROM generate_series(1, 20000) i;
CREATE TABLE nothing_yet (a int) PARTITION BY LIST (a);
CREATE MATERIALIZED VIEW summary AS SELECT a, 'x' || a AS b FROM keyless;
CREATE VIEW seen AS SELECT NULLIF(a % 997, 0) AS a, repeat('y', 100) AS b FROM keyless;
CREATE VIEW unordered AS SELECT 'text ' || a AS b FROM keyless;
CREATE VIEW nulls AS SELECT NULL::int AS a FROM keyless;
ANALYZE;
"""
LONG = 'a "quoted" näme of sixty-three bytes, as long as names may be!'


async def _planned(connection: asyncpg.Connection, table: str, target_bytes: int = 64 * 1024) -> list[PlannedSlice]:
    dataset = (await discover(connection)).dataset(DatasetName("public", table))
    assert dataset is not None
    return list(await plan_partitions(connection, [dataset], target_bytes))


def _condition(planned: PlannedSlice) -> str:
    match planned.slice.range:
        case PageRange(first, None):
            return f"ctid >= '({first},0)'::tid"
        case PageRange(first, end):
            return f"ctid >= '({first},0)'::tid AND ctid < '({end},0)'::tid"
        case KeyRange() as keys:
            return key_condition(keys)
        case _:
            return "true"


async def _rows_seen(connection: asyncpg.Connection, planned: list[PlannedSlice]) -> int:
    total = 0
    for part in planned:
        name = part.slice.leaf or part.dataset
        only = "ONLY" if part.slice.leaf else ""
        query = f'SELECT count(*) FROM {only} "{name.schema}"."{name.name.replace(chr(34), chr(34) * 2)}" r'
        total += await connection.fetchval(f"{query} WHERE {_condition(part)}")
    return total


@every_version
async def test_slices_cover_every_kind_of_dataset_once_and_whole(database: Database) -> None:
    database.run(SCRIPT)
    connection = await session(database)
    expected = {"wide": 500, "keyless": 20000, "single": 1, "empty": 0, "events": 20000, "nothing_yet": 0}
    expected |= {"summary": 20000, "seen": 20000, "unordered": 20000, "nulls": 20000}
    for table, rows in expected.items():
        planned = await _planned(connection, table)
        assert await _rows_seen(connection, planned) == rows, table
    await connection.close()


async def test_slices_are_as_large_as_asked_for_counting_large_values(database: Database) -> None:
    database.run(SCRIPT)
    connection = await session(database)
    planned = await _planned(connection, "wide", 256 * 1024)
    size = await connection.fetchval("SELECT pg_table_size('public.wide')")
    assert all(isinstance(part.slice.range, PageRange) for part in planned)
    # The main part alone has few pages: most of the bytes are stored out of line.
    assert 3 <= len(planned) <= -(-size // (256 * 1024))
    assert sum(part.estimated_rows for part in planned) in range(480, 501)
    assert planned[-1].slice.range == PageRange(planned[-1].slice.range.first, None)  # type: ignore[union-attr]
    await connection.close()


async def test_small_empty_and_single_row_tables_are_one_slice(database: Database) -> None:
    database.run(SCRIPT)
    connection = await session(database)
    for table in ("empty", "single", "parent", "nothing_yet"):
        (planned,) = await _planned(connection, table)
        assert planned.slice.range is None
    await connection.close()


async def test_leaves_of_all_levels_are_slices_of_their_root(database: Database) -> None:
    database.run(SCRIPT)
    connection = await session(database)
    planned = await _planned(connection, "events", 1 << 30)
    assert [part.slice.leaf.name for part in planned if part.slice.leaf] == [
        "events_new_0",
        "events_new_1",
        "events_old",
    ]
    assert {part.dataset.name for part in planned} == {"events"}
    await connection.close()


async def test_views_are_cut_by_values_which_nothing_prints(database: Database) -> None:
    database.run(SCRIPT)
    connection = await session(database)
    planned = await _planned(connection, "seen")
    assert len(planned) > 5
    assert all(isinstance(part.slice.range, KeyRange) for part in planned)
    middle = planned[3].slice.range
    assert isinstance(middle, KeyRange)
    assert repr(middle) == "KeyRange(column='a')"
    # Nothing to cut by: one slice each.
    assert len(await _planned(connection, "unordered")) == 1
    assert len(await _planned(connection, "nulls")) == 1
    await connection.close()


async def test_names_of_63_bytes_and_quotes_are_cut_like_any_other(database: Database) -> None:
    quoted = '"' + LONG.replace('"', '""') + '"'
    assert len(LONG.encode()) == 63
    database.run(f"CREATE TABLE {quoted} (a int); INSERT INTO {quoted} SELECT generate_series(1, 20000)")
    database.run(f"CREATE VIEW v AS SELECT a AS {quoted} FROM {quoted}; ANALYZE")
    connection = await session(database)
    assert await _rows_seen(connection, await _planned(connection, LONG)) == 20000
    planned = await _planned(connection, "v")
    assert len(planned) > 1
    assert await _rows_seen(connection, planned) == 20000
    await connection.close()


async def test_rows_that_come_after_the_plan_are_in_the_last_slice(database: Database) -> None:
    database.run(SCRIPT)
    connection = await session(database)
    planned = await _planned(connection, "keyless")
    await connection.execute("INSERT INTO public.keyless SELECT generate_series(1, 50000)")
    assert await _rows_seen(connection, planned) == 70000
    await connection.close()

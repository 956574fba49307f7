"""Huge values, tiny batches and NULLs at odd places pass through both lanes and both formats."""

from __future__ import annotations

from tests.support.carrying import carry, fingerprints
from tests.support.postgresql import Database


async def test_a_cell_of_fifty_mebibytes_arrives(source: Database, target: Database) -> None:
    for database in (source, target):
        database.run("CREATE TABLE t (id int, huge text, blob bytea, doc jsonb)")
    filling = "repeat(md5('a'), 1638400), NULL, to_jsonb(repeat('b', 1000000))"
    source.run(f"INSERT INTO t VALUES (1, {filling}), (2, NULL, decode(repeat('00ff', 1000000), 'hex'), NULL)")
    for touched in ((), None):
        await carry(source, target, "t", touched=touched)
        assert await fingerprints(target, "t") == await fingerprints(source, "t")
        target.run("TRUNCATE t")


async def test_batches_of_a_few_rows_arrive_whole_and_in_order(source: Database, target: Database) -> None:
    for database in (source, target):
        database.run("CREATE TABLE t (n int, a numeric, b uuid, c date, d jsonb, e timestamptz, f varchar(9))")
    source.run("""
        INSERT INTO t SELECT i, CASE WHEN i % 3 > 0 THEN i / 7.0 END, CASE WHEN i % 5 > 0 THEN gen_random_uuid() END,
            CASE WHEN i % 4 > 0 THEN date '2000-01-01' - i END, CASE WHEN i % 2 > 0 THEN to_jsonb(i) END,
            CASE WHEN i % 6 > 0 THEN now() - i * interval '1 year' END, CASE WHEN i % 7 > 0 THEN 'v' || i END
        FROM generate_series(1, 2000) i""")
    for text in (False, True):
        await carry(source, target, "t", touched=None, text=text, batch_bytes=2000)
        assert await fingerprints(target, "t") == await fingerprints(source, "t")
        assert (
            target.run("SELECT count(*) FROM (SELECT n, row_number() OVER (ORDER BY ctid) r FROM t) x WHERE n <> r")
            == "0"
        )
        target.run("TRUNCATE t")

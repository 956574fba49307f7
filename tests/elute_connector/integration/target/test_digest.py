from __future__ import annotations

import hashlib

import pytest

from elute_connector.connectors.postgresql.digest import digest
from elute_connector.domain.dataset_name import DatasetName
from elute_connector.domain.target import DatasetDigest, DigestSelection
from elute_wire.errors import InvalidRequest, NotFound
from tests.elute_connector.integration.target.conftest import Opener
from tests.support.postgresql import CONTRIB_VERSION, VERSIONS, Database, PostgresFleet

T = DatasetName("public", "t")

ROWS = """
CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TYPE pair AS (a int, b text); CREATE DOMAIN age AS int;
CREATE TABLE t (
    id int, f real, d float8, n numeric, at timestamptz, day date, i interval, b bytea, m money, j jsonb, x mood,
    p pair, g age, c char(5), "quo""ted" text, a text[], r int4range, o regclass, k inet);
INSERT INTO t VALUES
    (1, 0.1, 1e-300, 1.50, '2024-03-31 01:59:59.5+02', '0044-03-15 BC', '1 year -2 days', '\\x00ff', '12.50',
     '{"b": 1, "a": [null]}', 'happy', (1, 'x,"'), 7, 'ab', 'ünï', '{a,NULL,"b c"}', '[1,5)', 'pg_class', '10.0.0.1'),
    (2, 'NaN', '-Infinity', 'NaN', 'infinity', '-infinity', '0', '', '0', 'null', 'sad', NULL, NULL, '', '', '{}',
     'empty', NULL, '::1/64'),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
"""


async def content(database: Database, open_session: Opener, *columns: str, condition: str = "") -> DatasetDigest:
    session = await open_session(database)
    return (await digest(session, [DigestSelection(T, columns, condition)]))[0]


async def all_columns(database: Database, open_session: Opener) -> list[str]:
    session = await open_session(database)
    query = (
        "SELECT attname::text FROM pg_attribute WHERE attrelid = 'public.t'::regclass AND attnum > 0 ORDER BY attnum"
    )
    return [row["attname"] for row in await session.fetch(query)]


async def test_the_same_rows_have_the_same_sums_in_every_version_and_encoding(
    postgresql: PostgresFleet, open_session: Opener
) -> None:
    sums = set()
    for version in VERSIONS:
        with postgresql.database(version) as database:
            database.run(ROWS)
            columns = await all_columns(database, open_session)
            answer = await content(database, open_session, *columns)
            assert answer.rows == 3
            sums.add(answer.content)
    with postgresql.database(18) as home:
        home.run("CREATE DATABASE elute_latin1 TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
        try:
            latin1 = Database(home.server, "elute_latin1", 18)
            latin1.run(f"SET client_encoding = 'UTF8'; {ROWS}")
            sums.add((await content(latin1, open_session, *await all_columns(latin1, open_session))).content)
        finally:
            home.run("DROP DATABASE elute_latin1 WITH (FORCE)")
    assert len(sums) == 1


async def test_the_sums_are_those_of_the_halves_of_md5_over_length_prefixed_text(
    database: Database, open_session: Opener
) -> None:
    database.run("CREATE TABLE t (a text, b int); INSERT INTO t VALUES ('äb', 12), (NULL, 3)")
    high = low = 0
    for row in ("2:äb2:12", "-1:3"):
        value = hashlib.md5(row.encode(), usedforsecurity=False).digest()
        high += int.from_bytes(value[:8], signed=True)
        low += int.from_bytes(value[8:], signed=True)
    assert await content(database, open_session, "a", "b") == DatasetDigest(T, 2, f"{high}:{low}")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE t SET a = 'x', b = 'yz' WHERE a = 'xy'",
        "UPDATE t SET b = NULL WHERE a = 'xy'",
        "UPDATE t SET a = '' WHERE a IS NULL",
        "DELETE FROM t WHERE a = 'xy'; INSERT INTO t SELECT * FROM t WHERE a IS NULL",
        "UPDATE t SET a = b, b = a",
    ],
)
async def test_any_change_of_content_changes_the_sums(change: str, database: Database, open_session: Opener) -> None:
    database.run("CREATE TABLE t (a text, b text); INSERT INTO t VALUES ('xy', 'z'), (NULL, '1:')")
    before = await content(database, open_session, "a", "b")
    database.run(change)
    after = await content(database, open_session, "a", "b")
    assert after.rows == before.rows
    assert after.content != before.content


async def test_the_order_of_rows_and_unsummed_columns_do_not_count(database: Database, open_session: Opener) -> None:
    database.run("CREATE TABLE t (a int, b int); INSERT INTO t SELECT i, i FROM generate_series(1, 9) i")
    before = await content(database, open_session, "a")
    database.run("UPDATE t SET b = 0; CREATE TABLE u AS TABLE t; TRUNCATE t; INSERT INTO t TABLE u ORDER BY a DESC")
    assert await content(database, open_session, "a") == before


async def test_partitions_count_and_heirs_do_not(database: Database, open_session: Opener) -> None:
    database.run(
        "CREATE TABLE t (i int) PARTITION BY RANGE (i); CREATE TABLE t1 PARTITION OF t DEFAULT;"
        "INSERT INTO t VALUES (1);"
        "CREATE TABLE base (i int); CREATE TABLE heir () INHERITS (base); INSERT INTO heir VALUES (1)"
    )
    session = await open_session(database)
    counted = await digest(session, [DigestSelection(T), DigestSelection(DatasetName("public", "base"))])
    assert [(answer.rows, answer.content) for answer in counted] == [(1, ""), (0, "")]


async def test_a_filter_chooses_the_rows(database: Database, open_session: Opener) -> None:
    database.run("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2), (3)")
    assert (await content(database, open_session, "a", condition="a > 1")).rows == 2
    assert (await content(database, open_session, condition="a > 1")).rows == 2
    with pytest.raises(InvalidRequest):
        await content(database, open_session, condition="pg_sleep(1) IS NULL")


async def test_an_empty_table_sums_to_zero(database: Database, open_session: Opener) -> None:
    database.run("CREATE TABLE t (a int)")
    assert await content(database, open_session, "a") == DatasetDigest(T, 0, "0:0")


async def test_rows_without_any_column_are_counted(database: Database, open_session: Opener) -> None:
    database.run("CREATE TABLE t (); INSERT INTO t DEFAULT VALUES; INSERT INTO t DEFAULT VALUES")
    assert await content(database, open_session) == DatasetDigest(T, 2)


async def test_the_declaration_of_xml_is_no_content(postgresql: PostgresFleet, open_session: Opener) -> None:
    with postgresql.database(CONTRIB_VERSION) as database:
        database.run('CREATE TABLE t (x xml); INSERT INTO t VALUES (\'<?xml version="1.0" encoding="UTF-8"?><a/>\')')
        before = await content(database, open_session, "x")
        database.run("UPDATE t SET x = '<a/>'")
        assert await content(database, open_session, "x") == before


async def test_what_is_not_there_is_named(database: Database, open_session: Opener) -> None:
    with pytest.raises(NotFound, match=r"no dataset public\.t"):
        await content(database, open_session)
    database.run("CREATE TABLE t (a int)")
    with pytest.raises(NotFound, match="no column b"):
        await content(database, open_session, "b")


async def test_more_columns_than_a_function_takes_arguments_are_summed(
    database: Database, open_session: Opener
) -> None:
    names = [f"c{i}" for i in range(300)]
    database.run(f"CREATE TABLE t ({', '.join(f'{name} int' for name in names)}); INSERT INTO t DEFAULT VALUES")
    assert (await content(database, open_session, *names)).rows == 1

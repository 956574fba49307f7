"""Between two types a value arrives unchanged, arrives converted by name, or the plan refuses."""

from __future__ import annotations

import pyarrow as pa
import pytest

from elute_connector.connectors.postgresql.lanes import CopyFormat, Refused, Typed, Use, Wire, choose_lane
from elute_connector.domain.datatype import DataType
from elute_wire.errors import StoreDataRejected
from elute_wire.schema import LogicalType
from tests.support.carrying import carry, dataset_of, fingerprints
from tests.support.postgresql import Database, every_version

TYPES = """
CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE mood_copy AS ENUM ('sad', 'ok');
CREATE TYPE doom AS ENUM ('ok', 'sad');
CREATE TYPE pair AS (a int, b text); CREATE TYPE reordered AS (b text, a int);
CREATE TYPE longer AS (a int, b text, c int);
CREATE TYPE retyped AS (a int, b varchar(3)); CREATE DOMAIN words AS text CHECK (value <> '');
CREATE DOMAIN amount AS numeric(10,2); CREATE TYPE deep AS (p pair); CREATE TYPE deep_reordered AS (p reordered);
"""

WIRE = [
    ("numeric(10,2)", "numeric(10,2)"), ("text", "text"), ("text", "words"), ("words", "text"), ("mood", "mood_copy"),
    ("mood[]", "mood_copy[]"), ("amount", "numeric(10,2)"), ("pair[]", "pair[]"), ("timestamptz(3)", "timestamptz(3)"),
    ("tsvector", "tsvector"), ("regclass", "regclass"), ("int4range", "int4range"), ("xml", "xml"),
]  # fmt: skip
CONVERTED = [
    ("int4", "int8"), ("int2", "int4"), ("int8", "int4"), ("int4", "numeric"), ("varchar(10)", "text"),
    ("text", "varchar(5)"), ("text", "char(5)"), ("numeric", "numeric(5,2)"), ("mood", "text"), ("text", "mood"),
    ("mood", "doom"), ("jsonb", "json"), ("jsonb", "text"), ("uuid", "text"), ("timestamp", "timestamp(3)"),
    ("float4", "float8"), ("words", "varchar(9)"), ("oid", "int8"), ("numeric", "text"),
]  # fmt: skip
REFUSED = [
    ("int4", "float4"), ("int8", "timestamptz"), ("text", "int4"), ("timestamp", "timestamptz"),
    ("timestamptz", "timestamp"), ("pair", "reordered"), ("pair", "longer"), ("pair", "retyped"),
    ("deep", "deep_reordered"), ("pair[]", "reordered[]"), ("pair", "text"), ("interval", "uuid"), ("json", "jsonb"),
    ("text", "uuid"), ("float8", "float4"), ("numeric", "int8"), ("numeric(8,2)[]", "numeric(8,3)[]"),
    ("int4[]", "int8[]"), ("int4range", "int8range"), ("bit(3)", "bit(4)"), ("inet", "cidr"), ("date", "timestamp"),
    ("interval", "interval(0)"), ("time", "timetz"), ("text", "bytea"), ("bool", "int4"), ("text[]", "text"),
]  # fmt: skip


async def _types(database: Database, pairs: list[tuple[str, str]]) -> list[tuple[DataType, DataType]]:
    columns = ", ".join(f"s{i} {source}, t{i} {target}" for i, (source, target) in enumerate(pairs))
    database.run(f"{TYPES} CREATE TABLE every ({columns})")
    types = {column.name: column.type for column in (await dataset_of(database, "every")).columns}
    return [(types[f"s{i}"], types[f"t{i}"]) for i in range(len(pairs))]


async def test_the_same_type_travels_as_its_own_bytes(database: Database) -> None:
    for source, target in await _types(database, WIRE):
        assert choose_lane(source, target, Use.CARRIED) == Wire(), (source.formatted, target.formatted)


async def test_a_conversion_that_keeps_values_is_named(database: Database) -> None:
    for source, target in await _types(database, CONVERTED):
        for use in Use:
            lane = choose_lane(source, target, use)
            assert isinstance(lane, Typed), lane
            assert lane.cast == f"{source.formatted} → {target.formatted}"


async def test_what_would_change_values_is_refused(database: Database) -> None:
    for source, target in await _types(database, REFUSED):
        for use in Use:
            lane = choose_lane(source, target, use)
            assert isinstance(lane, Refused), (source.formatted, target.formatted)
            assert lane.reason
            assert lane.hint


async def test_a_touched_column_needs_a_type_that_techniques_read(database: Database) -> None:
    (text, opaque, domain) = await _types(database, [("text", "text"), ("tsvector", "tsvector"), ("amount", "amount")])
    assert choose_lane(*text, Use.TOUCHED) == Typed(LogicalType.TEXT)
    assert choose_lane(*domain, Use.TOUCHED) == Typed(LogicalType.DECIMAL)
    lane = choose_lane(*opaque, Use.TOUCHED)
    assert isinstance(lane, Refused)
    assert "tsvector" in lane.reason


FITTING = [
    ("int4", "int8", "-5"), ("int8", "int2", "32767"), ("int8", "numeric(20,3)", "-12"),
    ("varchar(10)", "text", "'a  '"),
    ("text", "varchar(5)", "'äöüäö'"), ("text", "char(5)", "'ab'"), ("numeric", "numeric(5,2)", "12.5000"),
    ("mood", "text", "'ok'"), ("text", "mood", "'ok'"), ("jsonb", "json", "'{\"a\":1}'"),
    ("uuid", "text", "gen_random_uuid()"),
    ("timestamp", "timestamp(3)", "'2024-01-01 00:00:00.123'"),
    ("float4", "float8", "0.5"), ("oid", "int8", "4294967295"),
    ("numeric", "numeric(5,2)", "'NaN'"), ("numeric", "numeric(3,-2)", "12300"), ("int4", "text", "'-7'"),
]  # fmt: skip
LOSING = [
    ("int8", "int4", "2147483648"), ("int8", "int2", "-32769"), ("text", "varchar(5)", "'abcde '"),
    ("text", "char(5)", "'ab '"), ("text", "char(2)", "'abc'"), ("numeric", "numeric(5,2)", "1.005"),
    ("numeric", "numeric(3,-2)", "12350"), ("timestamp", "timestamp(3)", "'2024-01-01 00:00:00.1234'"),
    ("time", "time(0)", "'00:00:00.5'"), ("int8", "oid", "-1"),
]  # fmt: skip


in_both_formats = pytest.mark.parametrize("form", CopyFormat)


@in_both_formats
async def test_converted_values_are_equal(source: Database, target: Database, form: CopyFormat) -> None:
    for kinds, database in ((0, source), (1, target)):
        columns = ", ".join(f"c{i} {pair[kinds]}" for i, pair in enumerate(FITTING))
        database.run(f"{TYPES} CREATE TABLE every ({columns})")
    source.run(
        f"INSERT INTO every VALUES ({', '.join(value for *_, value in FITTING)}); INSERT INTO every DEFAULT VALUES"
    )
    await carry(source, target, "every", text=form is CopyFormat.TEXT)
    cast = ", ".join(f"c{i}::{into}" for i, (_, into, _) in enumerate(FITTING))
    source.run(f"CREATE TABLE cast_there AS SELECT {cast} FROM every")
    assert await fingerprints(target, "every") == await fingerprints(source, "cast_there")


@in_both_formats
async def test_a_value_that_would_change_fails_by_column_and_ordinal_without_being_shown(
    source: Database, target: Database, form: CopyFormat
) -> None:
    for i, (kind, into, value) in enumerate(LOSING if form is CopyFormat.BINARY else LOSING[2:5]):
        source.run(f"CREATE TABLE t{i} (a {kind}); INSERT INTO t{i} VALUES (NULL), ({value})")
        target.run(f"CREATE TABLE t{i} (a {into})")
        with pytest.raises(StoreDataRejected) as failure:
            await carry(source, target, f"t{i}", text=form is CopyFormat.TEXT)
        assert (failure.value.place.column, failure.value.place.ordinal) == ("a", 1)
        assert value.strip("'") not in str(failure.value)
        assert await fingerprints(target, f"t{i}") == []


@every_version
async def test_a_nulled_column_of_any_type_arrives_as_null(database: Database) -> None:
    database.run("CREATE TABLE every (a int, b tsvector NOT NULL, c int4range[])")
    database.run("INSERT INTO every VALUES (1, 'a b', NULL)")
    database.run("ALTER TABLE every ALTER b DROP NOT NULL")

    def null(batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch.set_column(1, batch.schema.field(1), pa.nulls(batch.num_rows, pa.binary()))

    await carry(database, database, "every", change=null)
    assert database.run("SELECT count(*), count(b) FROM every") == "2|1"


async def test_text_of_a_latin_database_arrives_in_unicode(source: Database, target: Database) -> None:
    source.run("CREATE DATABASE latin ENCODING LATIN1 TEMPLATE template0 LOCALE 'C'")
    latin = Database(source.server, "latin", source.version)
    script = TYPES.replace("'sad', 'ok'", "'säd', 'ok'")
    table = "CREATE TABLE every (a text, b varchar(5), c mood, d pair, e jsonb, f tsvector, g text[], h bpchar, i name)"
    values = "('äé', 'öß', 'säd', ROW(1,'ü'), '{\"ä\":\"é\"}', 'ñandú', '{å}', 'ø', 'þ')"
    latin.run(f"SET client_encoding = UTF8; {script} {table}; INSERT INTO every VALUES {values}")
    target.run(f"{script} {table}")
    try:
        for touched, text in (((), False), (None, False), ((), True), (None, True)):
            await carry(latin, target, "every", touched=touched, text=text)
            # md5 is of the server's own bytes: text is compared by what a client sees.
            assert target.run("SELECT t FROM every t") == latin.run("SET client_encoding = UTF8; SELECT t FROM every t")
            target.run("TRUNCATE every")
    finally:
        source.run("DROP DATABASE latin WITH (FORCE)")


async def test_tables_without_columns_keep_their_count_of_rows(database: Database) -> None:
    database.run("CREATE TABLE bare (); INSERT INTO bare DEFAULT VALUES; INSERT INTO bare DEFAULT VALUES")
    for text in (False, True):
        await carry(database, database, "bare", text=text)
    assert database.run("SELECT count(*) FROM bare") == "8"

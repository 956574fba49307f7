"""Every type of PostgreSQL arrives equal, into a database whose user types have other object identifiers."""

from __future__ import annotations

import pytest

from elute_connector.connectors.postgresql.lanes import CopyFormat
from tests.support.carrying import carry, fingerprints
from tests.support.postgresql import CONTRIB_VERSION, Database, every_pair

TYPES = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'hap''py "x" , \\');
CREATE TYPE pair AS (left_side int, "Right ""Side" text);
CREATE TYPE nest AS (p pair, m mood[], n numeric(12,3));
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE DOMAIN feeling AS mood;
CREATE DOMAIN amounts AS numeric(10,2)[];
CREATE DOMAIN pairing AS pair;
CREATE TYPE floats AS RANGE (subtype = float8, multirange_type_name = floats_multi);
"""

SHIFT = """
CREATE TYPE shift_1 AS ENUM ('a'); CREATE TABLE shift_2 (a int); CREATE TYPE shift_3 AS (a int, b shift_2);
"""

COLUMNS: dict[str, tuple[str, list[str]]] = {
    "bool": ("bool", ["true", "false"]),
    "int2": ("int2", ["-32768", "32767"]),
    "int4": ("int4", ["-2147483648", "2147483647"]),
    "int8": ("int8", ["'-9223372036854775808'::int8", "9223372036854775807"]),
    "float4": ("float4", ["'NaN'", "'-Infinity'", "1e-45", "'-0'", "3.4028235e38"]),
    "float8": ("float8", ["'NaN'", "'Infinity'", "5e-324", "'-0'", "0.1"]),
    "numeric": (
        "numeric",
        [
            *("'NaN'", "'Infinity'", "'-Infinity'", "0", "0.000", "-10000.00010", "1e131071"),
            *("repeat('9', 1000)::numeric", "('0.' || repeat('123', 333))::numeric", "12345678901234567890.1234567000"),
        ],
    ),
    "numeric_typmod": ("numeric(10,2)", ["12345678.90", "'NaN'", "-0.01", "0"]),
    "money": ("money", ["-92233720368547758.08", "12.34"]),
    "text": (
        "text",
        ["''", "E'a\\nb\\r\\n\\t\\\\.\\n\\\\.'", "'ä€😀'", "'\"q\"'", "'\\.'", "'NULL'", "repeat('x', 70000)"],
    ),
    "varchar": ("varchar(10)", ["'ab  '", "''", "'äöüäöüäöü€'"]),
    "char": ("char(6)", ["'ab'", "''", "'äöü'"]),
    "bpchar": ("bpchar", ["'ab  '", "''"]),
    "internal_char": ('"char"', ["'a'", "''", "'\\200'"]),
    "name": ("name", ["'a name'", "''"]),
    "bytea": ("bytea", ["''", "'\\x00ff5c2e0a'"]),
    "uuid": ("uuid", ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'00000000-0000-0000-0000-000000000000'"]),
    "date": (
        "date",
        ["'infinity'", "'-infinity'", "'4713-01-01 BC'", "'5874897-12-31'", "'2024-02-29'", "'1999-12-31'"],
    ),
    "time": ("time", ["'24:00'", "'00:00'", "'12:34:56.789012'"]),
    "time_typmod": ("time(3)", ["'12:34:56.789'"]),
    "timetz": ("timetz", ["'24:00+15:59'", "'12:34:56.789-08:30:15'"]),
    "timestamp": (
        "timestamp",
        [
            "'infinity'",
            "'-infinity'",
            "'4713-01-01 00:00:00 BC'",
            "'294246-12-31 23:59:59.999999'",
            "'1999-01-01 00:00:00.5'",
        ],
    ),
    "timestamp_typmod": ("timestamp(0)", ["'infinity'", "'2024-01-01 01:02:03'"]),
    "timestamptz": (
        "timestamptz",
        ["'infinity'", "'-infinity'", "'0044-03-15 12:00:00+00 BC'", "'2024-01-01 00:00:00.000001+14'"],
    ),
    "interval": ("interval", ["'-178000000 years'", "'1 year -2 days 03:04:05.678901'", "'0'"]),
    "interval_typmod": ("interval day to second(3)", ["'1 02:03:04.567'"]),
    "json": ("json", ['\'{"a" : 1, "a":"\\\\u0041"}\'', "'null'", "' [1,  2] '"]),
    "jsonb": ("jsonb", ['\'{"b":[1.50,null],"a":"ä"}\'', "'null'", "'\"\"'"]),
    "jsonpath": ("jsonpath", ["'$.a[*] ? (@ > 1)'"]),
    "inet": ("inet", ["'192.168.1.5/24'", "'::1'", "'10.0.0.1'"]),
    "cidr": ("cidr", ["'10.0.0.0/8'", "'2001:db8::/32'"]),
    "macaddr": ("macaddr", ["'08:00:2b:01:02:03'"]),
    "macaddr8": ("macaddr8", ["'08:00:2b:01:02:03:04:05'"]),
    "bit": ("bit(5)", ["B'10101'"]),
    "varbit": ("varbit", ["B''", "B'101010101'"]),
    "tsvector": ("tsvector", ["'a:1A fat:2B,4C cat:5D ''it''''s'''", "''"]),
    "tsquery": ("tsquery", ["'fat & (rat | !cat:AB) <-> dog:*'"]),
    "point": ("point", ["'(0.1,-2)'", "'(NaN,Infinity)'"]),
    "line": ("line", ["'{1,2,3}'"]),
    "lseg": ("lseg", ["'[(0,0),(1,1)]'"]),
    "box": ("box", ["'(1,1),(0,0)'"]),
    "path": ("path", ["'[(0,0),(1,1)]'", "'((0,0),(1,1))'"]),
    "polygon": ("polygon", ["'((0,0),(1,1),(2,0))'"]),
    "circle": ("circle", ["'<(0,0),5>'"]),
    "oid": ("oid", ["4294967295", "0"]),
    "xid": ("xid", ["'4294967295'"]),
    "xid8": ("xid8", ["'18446744073709551615'"]),
    "cid": ("cid", ["'7'"]),
    "tid": ("tid", ["'(4294967295,65535)'"]),
    "pg_lsn": ("pg_lsn", ["'FFFFFFFF/FFFFFFFF'"]),
    "pg_snapshot": ("pg_snapshot", ["'10:20:10,14,15'"]),
    "txid_snapshot": ("txid_snapshot", ["'10:20:10,14,15'"]),
    "int2vector": ("int2vector", ["'1 2 3'"]),
    "oidvector": ("oidvector", ["'1 2 3'"]),
    "enum": ("mood", ["'sad'", "'hap''py \"x\" , \\'"]),
    "composite": ("pair", ["ROW(1, NULL)", "ROW(NULL, NULL)", "ROW(2, E'q\"\\\\,()')"]),
    "nested": ("nest", ["ROW(ROW(1, 'x'), ARRAY['ok', NULL]::mood[], 1.5)", "ROW(NULL, NULL, 'NaN')"]),
    "domain": ("positive", ["1"]),
    "domain_enum": ("feeling", ["'ok'"]),
    "domain_array": ("amounts", ["'{1.50,NULL}'"]),
    "domain_composite": ("pairing", ["ROW(1, 'a')", "ROW(NULL, NULL)"]),
    "ints": ("int4[]", ["'{}'", "'{1,NULL,3}'", "'[0:1][-1:0]={{1,2},{3,NULL}}'", "'[5:7]={1,2,3}'"]),
    "texts": ("text[]", ["ARRAY['', NULL, 'NULL', E'a\\\\b\"c,{}']"]),
    "numerics": ("numeric(8,3)[]", ["'{1.500,NaN,NULL}'"]),
    "enums": ("mood[]", ["'{sad,NULL}'"]),
    "composites": ("pair[]", ["ARRAY[ROW(1,'x'), NULL, ROW(NULL,NULL)]::pair[]"]),
    "domains": ("positive[]", ["'{1,2}'"]),
    "ranges": ("int4range", ["'[1,5)'", "'empty'", "'(,)'", "'[3,)'"]),
    "numrange": ("numrange", ["'(1.50,2.0]'"]),
    "tstzrange": ("tstzrange", ["'[-infinity,infinity]'", "'[2024-01-01,)'"]),
    "daterange": ("daterange", ["'[2024-01-01,2024-02-01)'"]),
    "multirange": ("int8multirange", ["'{[1,3),[5,7)}'", "'{}'"]),
    "user_range": ("floats", ["'[0.1,0.2)'"]),
    "user_ranges": ("floats[]", ["ARRAY['[0.1,0.2)', 'empty']::floats[]"]),
    "user_multirange": ("floats_multi", ["'{[0.1,0.2),[1,2]}'"]),
}
"""Columns by name: type and the values that are hard."""

CONTRIB = {
    "xml": ("xml", ["'<a b=\"c\">ä</a>'", '\'<?xml version="1.0" encoding="UTF-8"?><a/>\'', "'text'"]),
    "citext": ("public.citext", ["'MiXed'", "''"]),
    "hstore": ("public.hstore", ["'a=>1, b=>NULL'", "''", "public.hstore('c d', E'\"\\\\')"]),
    "citexts": ("public.citext[]", ["'{A,NULL}'"]),
}

OBJECTS = {
    "regclass": ("regclass", ["'public.every'::regclass", "'pg_catalog.pg_class'::regclass"]),
    "regtype": ("regtype", ["'public.mood'::regtype"]),
    "regproc": ("regproc", ["'pg_catalog.now'::regproc"]),
    "regprocedure": ("regprocedure", ["'pg_catalog.lower(text)'::regprocedure"]),
    "regnamespace": ("regnamespace", ["'public'::regnamespace"]),
    "regclasses": ("regclass[]", ["ARRAY['public.every'::regclass, NULL]"]),
    "aclitem": ("aclitem", ["'postgres=r/postgres'::aclitem"]),
}


def table(columns: dict[str, tuple[str, list[str]]]) -> str:
    listed = ", ".join(f'"{name}" {kind}' for name, (kind, _) in columns.items())
    return f"{TYPES} CREATE TABLE every (number int, {listed});"


def rows(columns: dict[str, tuple[str, list[str]]]) -> str:
    """One row per value, the other columns cycling through theirs; one row of NULLs first."""
    names = ", ".join(f'"{name}"' for name in columns)
    most = max(len(values) for _, values in columns.values())
    tuples = [
        f"({number}, " + ", ".join(values[number % len(values)] for _, values in columns.values()) + ")"
        for number in range(most)
    ]
    return "INSERT INTO every (number) VALUES (-1); " + "".join(
        f"INSERT INTO every (number, {names}) VALUES {row};" for row in tuples
    )


def columns_of(source: Database, target: Database) -> tuple[dict[str, tuple[str, list[str]]], str]:
    if source.version == target.version == CONTRIB_VERSION:
        return COLUMNS | CONTRIB, "CREATE EXTENSION citext; CREATE EXTENSION hstore;"
    return dict(COLUMNS), ""


MODES = [(touched, text) for touched in ((), None) for text in (False, True)]
"""Nothing touched or all that can be, through COPY's binary format or its csv."""

some_pairs = pytest.mark.parametrize(("source_version", "target_version"), [(15, 18), (18, 16), (16, 15)])


@every_pair
async def test_every_type_arrives_equal_in_every_lane_and_format(source: Database, target: Database) -> None:
    columns, extensions = columns_of(source, target)
    source.run(extensions + table(columns) + rows(columns))
    target.run(SHIFT + extensions + table(columns))
    for touched, text in MODES:
        if touched is None:
            # `character` without a length keeps blanks that mean nothing to it; the typed lane does not.
            source.run("UPDATE every SET bpchar = rtrim(bpchar)")
        sent = await fingerprints(source, "every")
        form = await carry(source, target, "every", touched=touched, text=text)
        assert form is (CopyFormat.TEXT if text else CopyFormat.BINARY)
        assert len(sent) > 10
        assert await fingerprints(target, "every") == sent, (touched, text)
        target.run("TRUNCATE every")


@some_pairs
async def test_columns_without_meaning_elsewhere_take_their_dataset_to_text(source: Database, target: Database) -> None:
    columns = {**COLUMNS, **OBJECTS}
    source.run(table(columns) + rows(columns))
    target.run(SHIFT + table(columns))
    assert await carry(source, target, "every") is CopyFormat.TEXT
    assert await fingerprints(target, "every") == await fingerprints(source, "every")
    own = "SELECT bool_and(regclass = 'public.every'::regclass) FROM public.every WHERE number % 2 = 0"
    assert target.run(own) == "t"

"""What the codecs write is what the server reads, and what it sends is what they read: the server is the oracle."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elute_connector.connectors.postgresql.codecs.families import codec_of, logical_of
from elute_connector.connectors.postgresql.lanes import CopyFormat
from elute_connector.connectors.postgresql.rows import TargetColumn, row_writer
from elute_connector.domain.datatype import DataType, TypeKind
from elute_wire.schema import ARROW_TYPES, FieldFacts, Lane, arrow_field
from tests.support.carrying import session
from tests.support.postgresql import Database

few = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

_DIGITS = st.text("0123456789", min_size=1, max_size=60)


@st.composite
def decimals(draw: st.DrawFn) -> str:
    """Canonical decimal texts of any length, some with zeros where groups of four begin and end."""
    sign = draw(st.sampled_from(["", "-"]))
    whole = draw(_DIGITS | st.sampled_from(["0", "10000", "9999", "100000000", "7" * 700]))
    places = draw(_DIGITS | st.sampled_from(["", "", "0000", "0001", "3" * 500]))
    return f"{sign}{whole}" + (f".{places}" if places else "")


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
moments = st.integers(-(2**57), 2**57)


def _type(name: str, typmod: int = -1) -> DataType:
    return DataType(TypeKind.BASE, "pg_catalog", name, name, name, typmod=typmod)


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    opened = await session(database)
    yield opened
    await opened.close()


async def _written(connection: asyncpg.Connection, kind: str, values: Sequence[Any], form: CopyFormat) -> list[Any]:
    """Write values as a column of a type, and answer what the server then says that they are, as text."""
    data_type = _type(kind)
    facts = FieldFacts("a", kind, Lane.TYPED, logical_of(data_type))
    array = pa.array(values, ARROW_TYPES[facts.logical])
    # A slice at an odd place: the codecs must not read an array from its buffers' beginnings.
    padded = pa.concat_arrays([array[:1], array, array[:1]]).slice(len(array[:1]), len(array))
    batch = pa.RecordBatch.from_arrays([padded], schema=pa.schema([arrow_field(facts)]))
    writer = row_writer(form, [TargetColumn(facts, data_type)])

    async def stream() -> AsyncIterator[bytes]:
        yield writer.opening()
        yield writer.rows(batch)
        yield writer.closing()

    await connection.execute(f"CREATE TEMP TABLE IF NOT EXISTS t (n int GENERATED ALWAYS AS IDENTITY, a {kind})")
    await connection.execute("TRUNCATE t")
    await connection.copy_to_table("t", columns=["a"], source=stream(), format=writer.format)
    return [row["a"] for row in await connection.fetch("SELECT a::text FROM t ORDER BY n")]


forms = st.sampled_from(CopyFormat)


@few
@given(values=st.lists(st.none() | decimals(), max_size=30), form=forms)
async def test_decimals_of_any_length_are_written_exactly(
    connection: asyncpg.Connection, values: list[str | None], form: CopyFormat
) -> None:
    expected = [value and await connection.fetchval("SELECT $1::text::numeric::text", value) for value in values]
    assert await _written(connection, "numeric", values, form) == expected


async def test_decimals_beyond_numbers_are_written_exactly(connection: asyncpg.Connection) -> None:
    values = ["NaN", None, "Infinity", "1.50", "-Infinity", "-0", "0.00"]
    for form in CopyFormat:
        answer = await _written(connection, "numeric", values, form)
        assert answer == ["NaN", None, "Infinity", "1.50", "-Infinity", "0", "0.00"]


@few
@given(values=st.lists(st.none() | texts, max_size=30), form=forms)
async def test_texts_are_written_as_they_are(
    connection: asyncpg.Connection, values: list[str | None], form: CopyFormat
) -> None:
    assert await _written(connection, "text", values, form) == values


@few
@given(values=st.lists(st.none() | st.uuids(), max_size=30), form=forms)
async def test_uuids_are_written_as_they_are(
    connection: asyncpg.Connection, values: list[uuid.UUID | None], form: CopyFormat
) -> None:
    written = [None if value is None else str(value) for value in values]
    assert await _written(connection, "uuid", written, form) == written


@few
@given(values=st.lists(st.none() | moments, max_size=30), form=forms)
async def test_moments_are_written_and_read_as_the_server_counts_them(
    connection: asyncpg.Connection, values: list[int | None], form: CopyFormat
) -> None:
    codec = codec_of(_type("timestamp"))
    assert codec
    answer = await _written(connection, "timestamp", values, form)
    origin = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - timestamps without zone
    for text, value in zip(answer, values, strict=True):
        if value is not None and abs(value) < 10**16:
            moment = origin + dt.timedelta(microseconds=value)
            assert dt.datetime.fromisoformat(text) == moment
    sent = await connection.fetch("SELECT timestamp_send(a) AS a FROM t ORDER BY n")
    read = codec.decode(pa.array([row["a"] for row in sent], pa.binary()))
    assert read.cast(pa.int64()).to_pylist() == values


@few
@given(values=st.lists(st.none() | st.floats(), max_size=30), form=forms)
async def test_floats_are_written_to_the_last_bit(
    connection: asyncpg.Connection, values: list[float | None], form: CopyFormat
) -> None:
    answer = await _written(connection, "float8", values, form)
    expected = [None if value is None else repr(value) for value in values]
    assert [None if text is None else repr(float(text)) for text in answer] == expected

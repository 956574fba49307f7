"""Carries a table from one PostgreSQL database into another through the lanes, without any service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

import asyncpg
import pyarrow as pa

from elute_connector.connectors.postgresql.catalog import discover
from elute_connector.connectors.postgresql.client import Config, Secrets, connect
from elute_connector.connectors.postgresql.codecs.families import logical_of
from elute_connector.connectors.postgresql.copy_binary import FieldReader, Fields
from elute_connector.connectors.postgresql.lanes import CopyFormat, Refused, Typed, Use, choose_lane, copy_format
from elute_connector.connectors.postgresql.readers import Reader
from elute_connector.connectors.postgresql.rows import TargetColumn, row_writer
from elute_connector.connectors.postgresql.selection import SelectedColumn, Selection
from elute_connector.domain.catalog import Column, Dataset
from elute_connector.domain.dataset_name import DatasetName
from elute_gateway.embedded.postgresql import SUPERUSER
from elute_wire.schema import Lane, LogicalType, field_facts
from tests.support.postgresql import Database

Change = Callable[[pa.RecordBatch], pa.RecordBatch]


def config_of(database: Database) -> Config:
    server = database.server
    return Config(host=str(server.socket_directory), port=server.port, database=database.name, user=SUPERUSER)


async def session(database: Database) -> asyncpg.Connection:
    """Open a session with the pinned settings; the caller closes it."""
    return await connect(config_of(database), Secrets(), application_name="test")


async def dataset_of(database: Database, table: str) -> Dataset:
    """Discover one table of the schema `public`."""
    connection = await session(database)
    try:
        found = (await discover(connection)).dataset(DatasetName("public", table))
    finally:
        await connection.close()
    assert found is not None
    return found


async def read_fields(database: Database, columns: Sequence[str], statement: str, piece_bytes: int) -> list[Fields]:
    """Run a SELECT in a session with the pinned settings, and take its answer apart."""
    reader, fields = Reader(config_of(database), Secrets()), FieldReader(columns)
    try:
        async with reader.copied(statement, piece_bytes) as lists:
            found = [fields.read(pieces) async for pieces in lists]
        fields.finish()
    finally:
        await reader.discard()
    return found


def use_of(column: Column, touched: Sequence[str] | None) -> Use:
    if touched is None:
        return Use.CARRIED if logical_of(column.type) is LogicalType.OPAQUE else Use.TOUCHED
    return Use.TOUCHED if column.name in touched else Use.CARRIED


async def carry(
    source: Database,
    target: Database,
    table: str,
    *,
    touched: Sequence[str] | None = (),
    text: bool = False,
    change: Change = lambda batch: batch,
    batch_bytes: int = 1 << 20,
) -> CopyFormat:
    """Copy all rows of a table into the table of that name in the other database, which has the same column names.

    Args:
        source: Where the rows are.
        target: Where they go.
        table: A table of the schema `public` in both.
        touched: The columns that go through the typed lane; None for all that can.
        text: Whether the text format is taken even where binary would do.
        change: What happens to each batch on the way.
        batch_bytes: How large a batch is.
    """
    read, written = await dataset_of(source, table), await dataset_of(target, table)
    targets = {column.name: column for column in written.columns}
    lanes: dict[str, Lane] = {}
    for column in read.columns:
        choice = choose_lane(column.type, targets[column.name].type, use_of(column, touched))
        assert not isinstance(choice, Refused), choice
        lanes[column.name] = Lane.TYPED if isinstance(choice, Typed) else Lane.WIRE
    carried = [column.type for column in read.columns if lanes[column.name] is Lane.WIRE]
    form = CopyFormat.TEXT if text else copy_format(carried)
    selection = Selection([SelectedColumn(column, lanes[column.name]) for column in read.columns], form)
    statement = selection.statement(read.name, leaf_only=True)
    found = await read_fields(source, selection.schema.names, statement, batch_bytes)
    batches = [change(selection.decode(fields)) for fields in found if fields.rows]
    columns = [TargetColumn(field_facts(field), targets[field.name].type) for field in selection.schema]
    writer = row_writer(form, columns)

    async def stream() -> AsyncIterator[bytes]:
        yield writer.opening()
        for batch in batches:
            yield writer.rows(batch)
        yield writer.closing()

    connection = await session(target)
    try:
        await connection.copy_to_table(
            table, schema_name="public", columns=list(lanes), source=stream(), format=writer.format
        )
    finally:
        await connection.close()
    return form


async def fingerprints(database: Database, table: str) -> list[tuple[object, ...]]:
    """One md5 of the text of each row, sorted."""
    connection = await session(database)
    try:
        rows = await connection.fetch(f'SELECT md5(t::text) AS row FROM public."{table}" t ORDER BY 1')
    finally:
        await connection.close()
    return [tuple(row) for row in rows]

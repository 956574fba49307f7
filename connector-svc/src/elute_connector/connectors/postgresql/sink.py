"""Loads one partition: claims its fence row, pulls its units' streams into COPY, and marks it done, all or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager

import asyncpg
import pyarrow as pa

from elute.v1 import catalog_pb2, connector_pb2, stage_pb2
from elute_connector.connectors.postgresql.client import unless_lost
from elute_connector.connectors.postgresql.copy_binary import Layout
from elute_connector.connectors.postgresql.errors import mapped
from elute_connector.connectors.postgresql.lanes import CopyFormat
from elute_connector.connectors.postgresql.rows import RowWriter, TargetColumn, row_writer
from elute_connector.connectors.postgresql.target import fence
from elute_connector.domain.catalog import Catalog
from elute_connector.domain.dataset_name import DatasetName
from elute_connector.domain.datatype import DataType
from elute_connector.domain.load import PartitionLoad, Progress, UnitLoad, refuse_untreated
from elute_connector.domain.target import ColumnBinding
from elute_wire.ahead import made_ahead
from elute_wire.errors import CatalogChanged, EluteError, LimitExceeded, Place, StreamCorrupted
from elute_wire.schema import is_packed, stream_facts
from elute_wire.streams import Stream

Opener = Callable[[int], AbstractAsyncContextManager[Stream]]
"""Opens the stream of the unit with that index."""

_CHUNKS_AHEAD = 2

_COLUMN_TYPES = """
    SELECT n.nspname::text AS schema, c.relname::text AS name, a.attname::text AS column,
           format_type(a.atttypid, a.atttypmod) AS formatted
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE (n.nspname, c.relname) IN (SELECT * FROM unnest($1::text[], $2::text[]))
      AND a.attnum > 0 AND NOT a.attisdropped
"""


class PartitionLoader:
    """One load of one partition, in one session of the target."""

    def __init__(self, load: PartitionLoad, catalog: Catalog, executor: Executor, progress: Progress) -> None:
        self._progress = progress
        self._load = load
        self._catalog = catalog
        self._executor = executor
        self._rejected: list[stage_pb2.Rejected] = []

    async def run(self, connection: asyncpg.Connection, open_unit: Opener) -> connector_pb2.LoadResult:
        """Load the partition, or answer what an earlier load of it came to.

        Args:
            connection: A session of the target, outside of any transaction.
            open_unit: Opens the stream of a unit.

        Raises:
            FenceLost: Another claimant owns the partition, or its run has ended.
            TreatmentMissing: A stream is not scrubbed as the policy says; nothing was written.
            CatalogChanged: A stream or a table is not what the plan saw; nothing was written.
            EluteError: Anything that a stage or the target raised; nothing was written.
        """
        load = self._load
        stored = await fence.claim(connection, load.fence, load.partition_id, load.epoch)
        if stored is not None:
            result = connector_pb2.LoadResult.FromString(stored)
            result.already_done = True
            return result
        # Mapped as a whole: deferred constraints speak at the commit.
        with mapped(f"loading partition {load.partition_id}"):
            async with connection.transaction():
                await fence.lock(connection, load.fence, load.partition_id, load.epoch)
                await self._refuse_changed_tables(connection)
                units = [await self._unit(connection, unit, open_unit(place)) for place, unit in enumerate(load.units)]
                result = connector_pb2.LoadResult(units=units, rejected=self._rejected)
                await fence.mark_done(connection, load.fence, load.partition_id, load.epoch, result.SerializeToString())
        return result

    async def _refuse_changed_tables(self, connection: asyncpg.Connection) -> None:
        # COPY binary does not check that bytes were meant for a column's type: we do, under the transaction.
        targets = sorted({unit.target for unit in self._load.units})
        with mapped("reading the target's column types"):
            rows = await connection.fetch(_COLUMN_TYPES, [t.schema for t in targets], [t.name for t in targets])
        found = {(DatasetName(row["schema"], row["name"]), row["column"]): row["formatted"] for row in rows}
        for unit in self._load.units:
            for column in unit.columns:
                if found.get((unit.target, column.name)) != column.target_formatted:
                    raise CatalogChanged(
                        f"loading dataset {unit.dataset}: column {column.name} of table {unit.target} "
                        f"is not {column.target_formatted} in the target",
                        hint="plan again: the target's structure has changed",
                        place=Place(dataset=str(unit.dataset), column=column.name),
                    )

    async def _unit(
        self, connection: asyncpg.Connection, unit: UnitLoad, opening: AbstractAsyncContextManager[Stream]
    ) -> connector_pb2.UnitResult:
        try:
            async with opening as stream:
                fields = stream_facts(stream.schema)
                refuse_untreated(unit, fields, stream.policy_digest, self._load.policy_digest)
                types = self._types(unit)
                writer = row_writer(
                    CopyFormat.TEXT if unit.text_mode else CopyFormat.BINARY,
                    [TargetColumn(facts, types[facts.name]) for facts in fields],
                    Layout.PACKED if is_packed(stream.schema) else Layout.COLUMNS,
                )
                written = await self._copy(connection, unit, stream, writer)
        except EluteError as error:
            raise error.within(f"loading dataset {unit.dataset}", Place(dataset=str(unit.dataset))) from None
        return _accounted(unit, stream, written)

    def _types(self, unit: UnitLoad) -> dict[str, DataType]:
        dataset = self._catalog.dataset(unit.dataset)
        types = {column.name: column.type for column in dataset.columns} if dataset else {}
        return {column.name: _planned(unit, column, types.get(column.name)) for column in unit.columns}

    async def _copy(self, connection: asyncpg.Connection, unit: UnitLoad, stream: Stream, writer: RowWriter) -> int:
        async with made_ahead(self._encoded(stream, writer), _CHUNKS_AHEAD) as chunks:
            with mapped(f"writing table {unit.target}"):
                copying = connection.copy_to_table(
                    unit.target.name,
                    schema_name=unit.target.schema,
                    columns=[column.name for column in unit.columns],
                    source=chunks,
                    format="csv" if unit.text_mode else "binary",
                )
                status = await unless_lost(connection, copying)
        return int(status.rpartition(" ")[2])

    async def _encoded(self, stream: Stream, writer: RowWriter) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        received = stream.tally.payload_bytes
        yield writer.opening()
        async for item in stream.items:
            if isinstance(item, pa.RecordBatch):
                yield await loop.run_in_executor(self._executor, writer.rows, item)
                self._progress.rows += item.num_rows
                self._progress.bytes += stream.tally.payload_bytes - received
                received = stream.tally.payload_bytes
            else:
                self._set_aside(item)
        yield writer.closing()

    def _set_aside(self, row: stage_pb2.Rejected) -> None:
        self._rejected.append(row)
        if len(self._rejected) > self._load.max_rejected_rows:
            raise LimitExceeded(
                f"setting rows aside: more than {self._load.max_rejected_rows} of one partition",
                hint="mend the rows or the steps that reject them, or raise the limit on rejected rows",
            )


def _planned(unit: UnitLoad, column: ColumnBinding, found: DataType | None) -> DataType:
    if found is None or found.fingerprint != column.target_type:
        raise CatalogChanged(
            f"column {column.name} is not {column.target_formatted} in the target",
            hint="plan again: the target's structure has changed",
            place=Place(dataset=str(unit.dataset), column=column.name),
        )
    return found


def _accounted(unit: UnitLoad, stream: Stream, written: int) -> connector_pb2.UnitResult:
    """Prove that no row was lost on the way.

    Raises:
        StreamCorrupted: rows read are not rows written + filtered + set aside, or a stage filtered that cannot.
    """
    counts = stream.tally.counts
    read = counts[0].rows_in if counts else 0
    filtered = sum(count.rows_filtered for count in counts)
    rejected = sum(count.rows_rejected for count in counts)
    # Only steps leave rows out. A stage that cannot, and says that it did, has lost them.
    astray = any(count.rows_filtered and count.operation != "transform" for count in counts)
    if not counts or astray or read != written + filtered + rejected:
        raise StreamCorrupted(
            f"loading dataset {unit.dataset}: {read} rows were read, "
            f"{written} written, {filtered} filtered and {rejected} set aside",
            place=Place(dataset=str(unit.dataset)),
        )
    return connector_pb2.UnitResult(
        dataset=catalog_pb2.DatasetName(schema=unit.dataset.schema, name=unit.dataset.name),
        rows_read=read,
        rows_filtered=filtered,
        rows_rejected=rejected,
        rows_written=written,
        bytes=stream.tally.payload_bytes,
        digest=stream.tally.digest,
        stages=counts,
    )

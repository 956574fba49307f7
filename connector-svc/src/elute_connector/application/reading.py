"""What every source's stream has in common: cells within the limit, and a count of what was read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import pyarrow as pa

from elute.v1 import stage_pb2
from elute_connector.domain.extraction import Extraction
from elute_wire.limits import check_cells
from elute_wire.streams import Stream, Tally


@dataclass(frozen=True, slots=True)
class Read:
    """What a source has read.

    Attributes:
        batch: At least one row.
        busy_seconds: Processor time that making the batch took.
    """

    batch: pa.RecordBatch
    busy_seconds: float


@asynccontextmanager
async def streaming(extraction: Extraction, schema: pa.Schema, reads: AsyncIterator[Read]) -> AsyncIterator[Stream]:
    """Make a stream of the batches that a source reads.

    Args:
        extraction: What was asked for.
        schema: The schema of the batches, every field with Elute's metadata.
        reads: The batches of the slice, in order.

    Raises:
        CellTooLarge: A cell is over the limit; out of the stream's items.
    """
    tally = Tally()
    async with aclosing(_items(extraction, reads, tally)) as items:
        yield Stream(schema, items, tally=tally)


async def _items(
    extraction: Extraction, reads: AsyncIterator[Read], tally: Tally
) -> AsyncGenerator[pa.RecordBatch, None]:
    count = stage_pb2.StageCount(operation="extract")
    async for read in reads:
        count.busy_seconds += read.busy_seconds
        batch = read.batch
        check_cells(
            batch,
            max_cell_bytes=extraction.max_cell_bytes,
            first_ordinal=count.rows_in,
            dataset=str(extraction.dataset),
        )
        count.rows_in += batch.num_rows
        yield batch
    count.rows_out = count.rows_in
    tally.counts.append(count)

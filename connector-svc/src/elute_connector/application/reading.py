"""What every source's stream has in common: cells within the limit, and a count of what was read."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

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


Reads: TypeAlias = AsyncGenerator[Read, None]
Run = Callable[..., Awaitable[Any]]
"""Calls a function that blocks, with its arguments, in a worker thread."""


@asynccontextmanager
async def streaming(extraction: Extraction, schema: pa.Schema, reads: Reads) -> AsyncIterator[Stream]:
    """Make a stream of the batches that a source reads.

    Args:
        extraction: What was asked for.
        schema: The schema of the batches, every field with Elute's metadata.
        reads: The batches of the slice, in order; closed at the end. Who packs rows measures the cells in them.

    Raises:
        CellTooLarge: A cell is over the limit; out of the stream's items.
    """
    tally = Tally()
    async with aclosing(reads), aclosing(_items(extraction, reads, tally)) as items:
        yield Stream(schema, items, tally=tally)


async def in_threads(batches: Iterator[pa.RecordBatch], run: Run) -> Reads:
    """Read from a source whose calls block.

    Args:
        batches: The batches of the slice, in order; `next` may block.
        run: How to call what blocks.
    """
    while (read := await run(_timed_next, batches)) is not None:
        if read.batch.num_rows:
            yield read


def _timed_next(batches: Iterator[pa.RecordBatch]) -> Read | None:
    started = time.thread_time()
    batch = next(batches, None)
    return None if batch is None else Read(batch, time.thread_time() - started)


async def _items(extraction: Extraction, reads: Reads, tally: Tally) -> AsyncGenerator[pa.RecordBatch, None]:
    count = stage_pb2.StageCount(operation="extract")
    async for read in reads:
        count.busy_seconds += read.busy_seconds
        if not extraction.packed:
            check_cells(
                read.batch,
                max_cell_bytes=extraction.max_cell_bytes,
                first_ordinal=count.rows_in,
                dataset=str(extraction.dataset),
            )
        count.rows_in += read.batch.num_rows
        yield read.batch
    count.rows_out = count.rows_in
    tally.counts.append(count)

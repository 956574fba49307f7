"""What every source's stream has in common: cells within the limit, and a count of what was read."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pyarrow as pa

from elute.v1 import stage_pb2
from elute_connector.domain.extraction import Extraction
from elute_wire.limits import check_cells
from elute_wire.streams import Stream, Tally

Run = Callable[..., Awaitable[Any]]
"""Calls a function that blocks, with its arguments, in a worker thread."""


@asynccontextmanager
async def streaming(
    extraction: Extraction, schema: pa.Schema, batches: Iterator[pa.RecordBatch], run: Run
) -> AsyncIterator[Stream]:
    """Make a stream of the batches that a source reads.

    Args:
        extraction: What was asked for.
        schema: The schema of the batches, every field with Elute's metadata.
        batches: The batches of the slice, in order; `next` may block.
        run: How to call what blocks.

    Raises:
        CellTooLarge: A cell is over the limit; out of the stream's items.
    """
    tally = Tally()
    async with aclosing(_items(extraction, batches, tally, run)) as items:
        yield Stream(schema, items, tally=tally)


async def _items(
    extraction: Extraction, batches: Iterator[pa.RecordBatch], tally: Tally, run: Run
) -> AsyncGenerator[pa.RecordBatch, None]:
    count = stage_pb2.StageCount(operation="extract")
    while (read := await run(_timed_next, batches)) is not None:
        batch, seconds = read
        count.busy_seconds += seconds
        if not batch.num_rows:
            continue
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


def _timed_next(batches: Iterator[pa.RecordBatch]) -> tuple[pa.RecordBatch, float] | None:
    started = time.thread_time()
    batch = next(batches, None)
    return None if batch is None else (batch, time.thread_time() - started)

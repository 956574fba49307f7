"""Limits on memory: how large a cell may be, and how many bytes of large messages a process holds."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from elute_wire.errors import CellTooLarge, Place


class ByteSemaphore:
    """Bounds the bytes that are held at once for messages larger than a frame; first come, first served."""

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity = capacity_bytes
        self._free = capacity_bytes
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def held_bytes(self) -> int:
        """Bytes that are held now."""
        return self._capacity - self._free

    @asynccontextmanager
    async def holding(self, size_bytes: int) -> AsyncIterator[None]:
        """Hold `size_bytes`, or everything when there is less, for the length of the block."""
        size = min(size_bytes, self._capacity)
        await self._take(size)
        try:
            yield
        finally:
            self._free += size
            self._wake()

    async def _take(self, size: int) -> None:
        if not self._waiting and size <= self._free:
            self._free -= size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (size, turn)
        self._waiting.append(entry)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._free += size
            else:
                self._waiting.remove(entry)
            self._wake()
            raise

    def _wake(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            size, turn = self._waiting.popleft()
            if not turn.done():
                self._free -= size
                turn.set_result(None)


def check_cells(batch: pa.RecordBatch, *, max_cell_bytes: int, first_ordinal: int, dataset: str) -> None:
    """Refuse a batch that holds a cell over the limit.

    Args:
        batch: n rows.
        max_cell_bytes: The limit; 0 for none.
        first_ordinal: The ordinal of the batch's first row in its partition.
        dataset: The dataset, for the error's place.

    Raises:
        CellTooLarge: Names dataset, column and ordinal, and no value.
    """
    if not max_cell_bytes or batch.nbytes <= max_cell_bytes:
        return
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if not (pa.types.is_binary(column.type) or pa.types.is_string(column.type)):
            continue
        sizes = pc.binary_length(cast("pa.BinaryArray", column))
        largest = pc.max(sizes).as_py() or 0
        if largest > max_cell_bytes:
            row = pc.index(sizes, largest).as_py()
            raise CellTooLarge(
                f"a cell of column {name} has {largest} bytes, the limit is {max_cell_bytes}",
                hint="raise the pipeline's limit `max_cell_bytes` (at most 1 GiB), or leave the column out",
                place=Place(dataset=dataset, column=name, ordinal=first_ordinal + row),
            )

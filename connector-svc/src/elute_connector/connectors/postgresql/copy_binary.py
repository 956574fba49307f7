"""Takes COPY's binary format apart: rows into one binary Arrow array per column, or into whole rows.

A row is a 16-bit count of fields, then for each field its 32-bit length and its bytes, -1 for NULL, all big-endian.
Nothing but walking from length to length finds where a field lies, so that walk is compiled; so is the copying that
lays the fields of a column side by side.

Source: https://www.postgresql.org/docs/current/sql-copy.html (Binary Format)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from elute_connector.connectors.postgresql.codecs.buffers import Bytes, Ints, Values, as_buffer
from elute_wire.compiled import SLACK_BYTES, compiled, copy_words, let_compiler_go
from elute_wire.errors import CellTooLarge, Place, StreamCorrupted

OPENING = b"PGCOPY\n\xff\r\n\0" + bytes(8)
"""What stands before the first row: a signature, no flags, no extension."""

CLOSING = b"\xff\xff"
"""What stands behind the last row: -1 for its number of fields."""

_MORE, _END, _MALFORMED = 0, 1, 2
"""How a walk over rows ended: where the bytes end, at the end's mark, or at a row of another number of fields."""

Places = npt.NDArray[np.int32]
_BINARY = pa.binary()


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of n rows.

    Attributes:
        columns: Per column a binary array of n values: the fields' bytes as the server sent them. Of packed rows one
            array, whose values are whole rows as COPY writes them.
        rows: How many rows they are.
    """

    columns: list[Values]
    rows: int


class Layout(Enum):
    """How rows are handed on."""

    COLUMNS = "columns"
    PACKED = "packed"


class FieldReader:
    """Reads the bytes of one COPY, piece by piece.

    Args:
        names: The columns in the order of the fields, for errors.
        max_cell_bytes: The most bytes of one field; 0 for no limit.
        layout: Whether rows are taken apart, or stay packed.
    """

    def __init__(self, names: Sequence[str], max_cell_bytes: int = 0, layout: Layout = Layout.COLUMNS) -> None:
        self._names = names
        self._layout = layout
        self._max_cell_bytes = max_cell_bytes or np.iinfo(np.int32).max
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._needed_bytes = len(OPENING)
        self._opened = False
        self._ended = False
        self._rows_read = 0

    def read(self, pieces: Sequence[bytes]) -> Fields:
        """Read the rows that the next bytes make whole, perhaps none; the rest waits for the bytes that follow.

        Raises:
            CellTooLarge: A field is over the limit, whole or not.
            StreamCorrupted: The bytes are not of the format.
        """
        self._waiting += pieces
        self._waiting_bytes += sum(map(len, pieces))
        if self._ended and self._waiting_bytes:
            raise StreamCorrupted("reading rows: the server's answer goes on after its end")
        if self._ended or self._waiting_bytes < self._needed_bytes:
            return Fields([], 0)
        data = np.frombuffer(b"".join([*self._waiting, bytes(SLACK_BYTES)]), np.uint8)
        start = 0 if self._opened else _opening(data)
        self._opened = True
        fields, end, self._needed_bytes = self._taken(data, start)
        self._waiting = [data[end:-SLACK_BYTES].tobytes()]
        self._waiting_bytes -= end
        self._needed_bytes -= end
        self._rows_read += fields.rows
        return fields

    def finish(self) -> None:
        """Prove that all has been read.

        Raises:
            StreamCorrupted: The bytes ended before the mark of their end, or go on behind it.
        """
        if not self._ended or self._waiting_bytes:
            raise StreamCorrupted("reading rows: the server's answer ended within a row, or goes on after its end")

    def _taken(self, data: Bytes, start: int) -> tuple[Fields, int, int]:
        """Take the whole rows; answer them, where they end, and up to where bytes are needed for another row."""
        count = len(self._names)
        most_rows = (len(data) - start) // (2 + 4 * count) + 1
        places = np.empty((count, most_rows, 2), np.int32)
        sums = np.zeros((count, 3), np.int64)
        outcome, rows, end, needed = _walk(data, start, places, sums)
        if outcome == _MALFORMED:
            raise StreamCorrupted(f"reading rows: a row is not one of {count} fields")
        self._refuse_large(sums[:, _LARGEST], places[:, : rows + 1, 1])
        self._ended = outcome == _END
        whole = places[:, :rows]
        columns = [_packed(data, start, whole)] if self._layout is Layout.PACKED else _gathered(data, whole, sums)
        return Fields(columns, rows), end, needed

    def _refuse_large(self, largest: Ints, lengths: Places) -> None:
        for column in np.flatnonzero(largest > self._max_cell_bytes).tolist():
            name, size = self._names[column], int(largest[column])
            row = int(np.flatnonzero(lengths[column] == size)[0])
            raise CellTooLarge(
                f"a cell of column {name} has {size} bytes, the limit is {self._max_cell_bytes}",
                hint="raise the pipeline's limit `max_cell_bytes` (at most 1 GiB), or leave the column out",
                place=Place(column=name, ordinal=self._rows_read + row),
            )


_TOTAL, _NULLS, _LARGEST = 0, 1, 2
"""What is summed of a column: bytes of its fields, how many are NULL, and the bytes of the largest, whole or not."""


def make_ready() -> None:
    """Compile, or read from the disk, what is compiled; takes a second where nothing is there yet."""
    for layout in Layout:
        FieldReader(["column"], layout=layout).read([OPENING, bytes((0, 1, 0, 0, 0, 0)), CLOSING])
    let_compiler_go()


def _opening(data: Bytes) -> int:
    """Read what stands before the first row; answers where that starts."""
    if data[: len(OPENING)].tobytes() != OPENING:
        raise StreamCorrupted("reading rows: the server's answer is not in COPY's binary format")
    return len(OPENING)


def _packed(data: Bytes, start: int, places: Places) -> Values:
    """See rows that lie one behind the other as values, without copying them."""
    rows = places.shape[1]
    offsets = np.empty(rows + 1, np.int32)
    offsets[0] = start
    np.add(places[-1, :, 0], np.maximum(places[-1, :, 1], 0), out=offsets[1:])
    return pa.Array.from_buffers(_BINARY, rows, [None, as_buffer(offsets), as_buffer(data)])


def _gathered(data: Bytes, places: Places, sums: Ints) -> list[Values]:
    """Copy the fields of each column into an array of its own."""
    arrays = []
    rows = places.shape[1]
    for column, (total, nulls, _) in enumerate(sums.tolist()):
        offsets = np.empty(rows + 1, np.int32)
        values = np.empty(total + SLACK_BYTES, np.uint8)
        valid = np.zeros((rows + 7) // 8 if nulls else 0, np.uint8)
        _gather(data, places[column], offsets, values, valid)
        buffers = [as_buffer(valid) if nulls else None, as_buffer(offsets), as_buffer(values)]
        arrays.append(pa.Array.from_buffers(_BINARY, rows, buffers, nulls))
    return arrays


@compiled
def _walk(data: Bytes, start: int, places: Places, sums: Ints) -> tuple[int, int, int, int]:
    """Walk over the whole rows of `data` from `start`.

    Args:
        data: The bytes, and the slack behind them.
        start: Where the first row starts.
        places: (c, r, 2) for c columns and at least as many rows as there can be: gets where each field starts, and
            its length, -1 for NULL.
        sums: Per column total, NULLs and largest: gets what the whole rows add; the largest of the next row too.

    Returns:
        How the walk ended, the number of whole rows, where the last of them ends, and up to where bytes are needed for
        the next one.
    """
    columns, size = len(sums), len(data) - SLACK_BYTES
    row, position = 0, start
    while True:
        here = position + 2
        if here > size:
            return _MORE, row, position, here
        count = _number(data, position, 2)
        if count != columns:
            return _END if count == -1 else _MALFORMED, row, here, here
        for column in range(columns):
            if here + 4 > size:
                return _MORE, row, position, here + 4
            length = _number(data, here, 4)
            if length < -1:
                return _MALFORMED, row, position, here
            here += 4
            places[column, row, 0] = here
            places[column, row, 1] = length
            sums[column, 2] = max(sums[column, 2], length)
            here += max(length, 0)
            if here > size:
                return _MORE, row, position, here
        for column in range(columns):
            sums[column, 0] += max(places[column, row, 1], 0)
            sums[column, 1] += places[column, row, 1] < 0
        row, position = row + 1, here


@compiled
def _number(data: Bytes, here: int, size: int) -> int:
    """Read a signed number of `size` bytes, big-endian."""
    number = 0
    for byte in range(size):
        number = number << 8 | int(data[np.uint64(here + byte)])
    return number - (number >> 8 * size - 1 << 8 * size)


@compiled
def _gather(data: Bytes, places: Places, offsets: Places, values: Bytes, valid: Bytes) -> None:
    """Copy n fields side by side.

    Args:
        data: The bytes that the fields lie in, and the slack behind them.
        places: (n, 2): where each starts, and its length, -1 for NULL.
        offsets: Gets n + 1 offsets into `values`.
        values: As long as all fields together and the slack: gets their bytes.
        valid: Zeroed bits of the n fields, the first in the lowest: gets those that are not NULL; empty if none is.
    """
    end = 0
    for row in range(len(places)):
        offsets[row] = end
        length = places[row, 1]
        if length >= 0:
            copy_words(data, np.uint64(places[row, 0]), values, np.uint64(end), np.uint64(length))
            end += length
            if len(valid):
                valid[row >> 3] |= np.uint8(1 << (row & 7))
    offsets[len(places)] = end

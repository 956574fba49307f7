"""COPY's binary format, taken apart: whole rows however the bytes come, and an error for every other byte."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elute_connector.connectors.postgresql import copy_binary
from elute_connector.connectors.postgresql.codecs.buffers import Values
from elute_connector.connectors.postgresql.copy_binary import CLOSING, OPENING, FieldReader, Layout
from elute_wire.compiled import SLACK_BYTES, interpreted
from elute_wire.errors import CellTooLarge, StreamCorrupted

Row = Sequence[bytes | None]

rows_of_three = st.lists(st.tuples(*[st.none() | st.binary(max_size=40)] * 3), max_size=30)


def written(rows: Iterable[Row]) -> bytes:
    return OPENING + b"".join(map(packed, rows)) + CLOSING


def packed(row: Row) -> bytes:
    fields = [struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value for value in row]
    return struct.pack(">h", len(row)) + b"".join(fields)


def read(reader: FieldReader, pieces: Iterable[bytes]) -> list[list[bytes | None]]:
    found: list[list[bytes | None]] = []
    for piece in pieces:
        fields = reader.read([piece])
        if fields.rows:
            found += [list(row) for row in zip(*(column.to_pylist() for column in fields.columns), strict=True)]
    return found


@given(rows_of_three, st.lists(st.integers(1, 60), min_size=1, max_size=10))
def test_rows_are_read_whole_however_their_bytes_are_cut(rows: list[Row], sizes: list[int]) -> None:
    data = written(rows)
    pieces: list[bytes] = []
    while data:
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(data[:size])
        data = data[size:]
    reader = FieldReader(["a", "b", "c"])
    assert read(reader, pieces) == [list(row) for row in rows]
    reader.finish()


@given(rows_of_three, st.integers(1, 200))
def test_packed_rows_are_the_bytes_of_the_rows(rows: list[Row], size: int) -> None:
    data = written(rows)
    reader = FieldReader(["a", "b", "c"], layout=Layout.PACKED)
    found = read(reader, [data[start : start + size] for start in range(0, len(data), size)])
    assert [value for (value,) in found] == [packed(row) for row in rows]
    reader.finish()


def test_rows_without_any_column_are_counted() -> None:
    assert FieldReader([]).read([written([(), (), ()])]).rows == 3


@pytest.mark.parametrize("layout", Layout)
def test_a_cell_over_the_limit_is_named_by_column_and_ordinal_before_its_bytes_have_come(layout: Layout) -> None:
    whole = written([(b"x", b"12345"), (b"x", None), (b"x", b"123456789")])
    reader = FieldReader(["small", "large"], 8, layout)
    with pytest.raises(CellTooLarge) as raised:
        reader.read([whole[:-8]])
    assert (raised.value.place.column, raised.value.place.ordinal) == ("large", 2)
    assert "12345" not in str(raised.value)


def test_the_ordinal_counts_the_rows_of_earlier_pieces() -> None:
    reader = FieldReader(["a"], 3)
    reader.read([written([(b"1",), (b"2",)])[: -len(CLOSING)]])
    with pytest.raises(CellTooLarge) as raised:
        reader.read([packed((b"1234",))])
    assert raised.value.place.ordinal == 2


@pytest.mark.parametrize(
    "data",
    [
        b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 1 << 16, 0) + CLOSING,
        b"1\t2\t3\n" * 5,
        OPENING + packed((b"1", b"2")) + CLOSING,
        OPENING + struct.pack(">hi", 1, -2),
        OPENING + CLOSING + b"more",
        OPENING + packed((b"1",)),
        OPENING + packed((b"1",))[:-1],
    ],
    ids=["flags", "text", "another number of fields", "negative length", "after the end", "no end", "cut"],
)
def test_bytes_that_are_not_of_the_format_are_refused(data: bytes) -> None:
    reader = FieldReader(["a"])
    with pytest.raises(StreamCorrupted):
        reader.read([data])
        reader.finish()


def test_bytes_behind_the_end_are_refused() -> None:
    reader = FieldReader(["a"])
    reader.read([OPENING + CLOSING])
    with pytest.raises(StreamCorrupted):
        reader.read([b"more"])


def test_the_compiled_walk_is_the_written_one() -> None:
    rows: list[Row] = [(b"one", None, b""), (None, b"x" * 20, b"\xff\xff"), (b"", b"", None)] * 7
    data = np.frombuffer(written(rows) + bytes(SLACK_BYTES), np.uint8)
    places, sums = np.empty((3, 50, 2), np.int32), np.zeros((3, 3), np.int64)
    compiled_places, compiled_sums = places.copy(), sums.copy()
    outcome = interpreted(copy_binary._walk)(data, len(OPENING), places, sums)
    assert outcome == copy_binary._walk(data, len(OPENING), compiled_places, compiled_sums)
    assert outcome[1] == len(rows)
    np.testing.assert_array_equal(places[:, : len(rows)], compiled_places[:, : len(rows)])
    np.testing.assert_array_equal(sums, compiled_sums)
    for column in range(3):
        offsets, values = np.empty(len(rows) + 1, np.int32), np.empty(sums[column, 0] + SLACK_BYTES, np.uint8)
        valid = np.zeros((len(rows) + 7) // 8, np.uint8)
        interpreted(copy_binary._gather)(data, places[column, : len(rows)], offsets, values, valid)
        buffers: list[pa.Buffer | None] = [pa.py_buffer(part.tobytes()) for part in (valid, offsets, values)]
        array: Values = pa.Array.from_buffers(pa.binary(), len(rows), buffers)
        assert array.to_pylist() == [row[column] for row in rows]

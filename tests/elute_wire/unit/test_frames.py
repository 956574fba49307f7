from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elute.v1 import stage_pb2
from elute_wire.errors import StreamCorrupted
from elute_wire.frames import HEADER_BYTES, MAX_MESSAGE_BYTES, FrameDecoder, FrameEncoder

FIELDS: dict[str, pa.DataType] = {"text": pa.string(), "bytes": pa.binary(), "number": pa.int64()}
SCHEMA = pa.schema(FIELDS)
ROWS = st.lists(
    st.tuples(st.none() | st.text(), st.none() | st.binary(), st.none() | st.integers(-(2**63), 2**63 - 1)), max_size=20
)


def batch_of(rows: list[tuple[str | None, bytes | None, int | None]]) -> pa.RecordBatch:
    columns = [[row[place] for row in rows] for place in range(3)]
    return pa.RecordBatch.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )


def encoded(*batches: pa.RecordBatch) -> list[bytes]:
    encoder = FrameEncoder()
    frames = list(encoder.schema(SCHEMA))
    for batch in batches:
        frames += encoder.batch(batch)
    return [*frames, encoder.trailer([], b"")]


@given(st.lists(ROWS, max_size=4))
def test_batches_arrive_as_they_were_sent(rows: list[list[tuple[str | None, bytes | None, int | None]]]) -> None:
    batches = [batch_of(some) for some in rows]
    decoder = FrameDecoder()
    items = [decoder.feed(frame) for frame in encoded(*batches)]
    assert items[0] == SCHEMA
    assert items[1:-1] == batches
    assert decoder.trailer is not None
    assert decoder.rows == sum(len(some) for some in rows)


@given(ROWS)
def test_any_protobuf_parser_reads_our_frames(rows: list[tuple[str | None, bytes | None, int | None]]) -> None:
    for frame in encoded(batch_of(rows))[:-1]:
        message = stage_pb2.Frame.FromString(frame)
        assert message.ipc == frame[HEADER_BYTES:]
        assert not message.more


def test_frames_that_others_encoded_are_read() -> None:
    batch = batch_of([("a", b"b", 1)])
    decoder = FrameDecoder()
    items = [
        decoder.feed(stage_pb2.Frame.FromString(frame).SerializeToString(deterministic=True))
        for frame in encoded(batch)
    ]
    assert items[:2] == [SCHEMA, batch]


def test_payloads_are_aligned_as_arrow_wants_them() -> None:
    batch = batch_of([("a", b"b", 1), (None, None, 2)])
    decoder = FrameDecoder()
    received = [decoder.feed(frame) for frame in encoded(batch)][1]
    assert isinstance(received, pa.RecordBatch)
    assert all(buffer.address % 8 == 0 for column in received.columns for buffer in column.buffers() if buffer)


def test_a_cell_of_fifty_mebibytes_is_cut_into_frames_below_the_limit() -> None:
    batch = batch_of([("x", bytes(50 * 1024 * 1024), 1)])
    frames = encoded(batch)
    assert len(frames) > 12
    assert max(map(len, frames)) <= MAX_MESSAGE_BYTES
    decoder = FrameDecoder()
    items = [item for frame in frames if (item := decoder.feed(frame)) is not None]
    assert items[1] == batch


def test_rejected_rows_pass_between_batches_unread() -> None:
    encoder, decoder = FrameEncoder(), FrameDecoder()
    rejected = stage_pb2.Rejected(pointer="/clean/0", reason="check", ordinal=7, sealed=b"opaque")
    for frame in encoder.schema(SCHEMA):
        decoder.feed(frame)
    assert decoder.feed(encoder.rejected(rejected)) == rejected


def mutations(frames: list[bytes]) -> dict[str, list[bytes]]:
    other = encoded(batch_of([("b", b"b", 1)]))
    return {
        "a batch is missing": [frames[0], frames[-1]],
        "a batch came twice": [frames[0], frames[1], frames[1], frames[-1]],
        "a batch is another of the same size": [frames[0], other[1], frames[-1]],
        "a frame after the trailer": [*frames, frames[1]],
        "a message that is no frame": [b"\xff\xff\xff"],
        "an empty frame": [frames[0], b""],
        "a message that is not Arrow": [stage_pb2.Frame(ipc=b"not arrow at all").SerializeToString()],
        "a message that was cut off": [
            frames[0],
            stage_pb2.Frame(ipc=frames[1][HEADER_BYTES:-8], more=True).SerializeToString(),
            frames[-1],
        ],
    }


@pytest.mark.parametrize("name", mutations(encoded(batch_of([("a", b"b", 1)]))))
def test_a_stream_that_is_not_what_was_sent_is_refused(name: str) -> None:
    frames = mutations(encoded(batch_of([("a", b"b", 1)])))[name]
    decoder = FrameDecoder()
    with pytest.raises(StreamCorrupted):
        for frame in frames:
            decoder.feed(frame)

"""Frames: how Arrow batches, rejected rows and the trailer become the messages of a stream, and back.

A frame that carries an Arrow IPC message is written with a header of always 8 bytes in front of the payload: the field
`more`, then the tag and the length of `ipc` as a varint of five bytes. Any protobuf parser reads it as an
`elute.v1.Frame`, protobuf's own encoder and decoder stay out of the way of the bytes, and the payload starts at a
multiple of 8, where Arrow wants its buffers. Frames that others wrote in another form are read just as well.

Source: https://protobuf.dev/programming-guides/encoding/ and
https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import xxhash
from google.protobuf.message import DecodeError

from elute.v1 import stage_pb2
from elute_wire.errors import StreamCorrupted

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""No gRPC message is larger: larger ones stall the event loop."""

HEADER_BYTES = 8
MAX_PAYLOAD_BYTES = MAX_MESSAGE_BYTES - HEADER_BYTES
MAX_IPC_BYTES = 2**31 - 1

_MORE_TAG, _IPC_TAG = 0x20, 0x0A


class FrameEncoder:
    """Encodes one stream, and keeps the sums that its trailer tells."""

    def __init__(self) -> None:
        self.rows = 0
        self.payload_bytes = 0
        self._digest = xxhash.xxh3_128()

    def schema(self, schema: pa.Schema) -> Iterator[bytes]:
        """Encode the schema: the first message of a stream."""
        return self._frames(schema.serialize())

    def batch(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        """Encode a record batch.

        Args:
            batch: n rows of the stream's schema.

        Returns:
            One frame, or several when the message is larger than one may be.
        """
        self.rows += batch.num_rows
        return self._frames(batch.serialize())

    def rejected(self, rejected: stage_pb2.Rejected) -> bytes:
        """Encode a row that a stage set aside."""
        return stage_pb2.Frame(rejected=rejected).SerializeToString()

    def trailer(self, stages: Sequence[stage_pb2.StageCount], policy_digest: bytes) -> bytes:
        """Encode the end of the stream."""
        return stage_pb2.Frame(
            trailer=stage_pb2.Trailer(
                rows=self.rows,
                payload_bytes=self.payload_bytes,
                digest=self._digest.digest(),
                stages=stages,
                policy_digest=policy_digest,
            )
        ).SerializeToString()

    def _frames(self, message: pa.Buffer) -> Iterator[bytes]:
        payload = memoryview(message)
        self.payload_bytes += len(payload)
        self._digest.update(payload)
        for start in range(0, len(payload), MAX_PAYLOAD_BYTES):
            piece = payload[start : start + MAX_PAYLOAD_BYTES]
            yield b"".join((_header(len(piece), more=start + len(piece) < len(payload)), piece))


class FrameDecoder:
    """Decodes one stream and checks it against its trailer."""

    def __init__(self) -> None:
        self.schema: pa.Schema | None = None
        self.trailer: stage_pb2.Trailer | None = None
        self.rows = 0
        self.payload_bytes = 0
        self._digest = xxhash.xxh3_128()
        self._pieces: list[memoryview] = []
        self._pending_bytes = 0

    def feed(self, message: bytes) -> pa.Schema | pa.RecordBatch | stage_pb2.Rejected | stage_pb2.Trailer | None:
        """Decode one frame.

        Args:
            message: One gRPC message. A batch that comes back refers to its memory.

        Returns:
            What the frame completes; None when the IPC message goes on in the next frame.

        Raises:
            StreamCorrupted: The frame is malformed, out of order, or the trailer does not agree with what came.
        """
        if self.trailer is not None:
            raise StreamCorrupted("decoding a stream: a frame after the trailer")
        fast = _read_header(message)
        if fast is not None:
            return self._ipc(memoryview(message)[HEADER_BYTES:], more=fast)
        try:
            frame = stage_pb2.Frame.FromString(message)
        except DecodeError:
            raise StreamCorrupted("decoding a stream: a message that is no frame") from None
        body = frame.WhichOneof("body")
        if body == "ipc":
            return self._ipc(memoryview(frame.ipc), more=frame.more)
        if self._pieces:
            raise StreamCorrupted("decoding a stream: an IPC message was cut off")
        if body == "rejected":
            return frame.rejected
        if body == "trailer":
            return self._end(frame.trailer)
        raise StreamCorrupted("decoding a stream: an empty frame")

    def _ipc(self, payload: memoryview, *, more: bool) -> pa.Schema | pa.RecordBatch | None:
        self.payload_bytes += len(payload)
        self._pending_bytes += len(payload)
        if self._pending_bytes > MAX_IPC_BYTES:
            raise StreamCorrupted("decoding a stream: an IPC message of more than 2 GiB")
        self._digest.update(payload)
        if more or self._pieces:
            self._pieces.append(payload)
        if more:
            return None
        buffer = pa.py_buffer(b"".join(self._pieces) if self._pieces else payload)
        self._pieces, self._pending_bytes = [], 0
        try:
            if self.schema is None:
                self.schema = pa.ipc.read_schema(buffer)
                return self.schema
            batch = pa.ipc.read_record_batch(buffer, self.schema)
        except (pa.ArrowInvalid, OSError):
            raise StreamCorrupted("decoding a stream: a message that is not Arrow IPC") from None
        self.rows += batch.num_rows
        return batch

    def _end(self, trailer: stage_pb2.Trailer) -> stage_pb2.Trailer:
        if (trailer.rows, trailer.payload_bytes) != (self.rows, self.payload_bytes):
            raise StreamCorrupted(
                f"decoding a stream: {self.rows} rows in {self.payload_bytes} bytes came, "
                f"the trailer says {trailer.rows} in {trailer.payload_bytes}"
            )
        if trailer.digest != self._digest.digest():
            raise StreamCorrupted("decoding a stream: the trailer's digest is not that of the payloads")
        self.trailer = trailer
        return trailer


def _header(size: int, *, more: bool) -> bytes:
    length = bytes((size >> 7 * place) & 0x7F | (0x80 if place < 4 else 0) for place in range(5))
    return bytes((_MORE_TAG, more, _IPC_TAG)) + length


def _read_header(message: bytes) -> bool | None:
    """Read `more` of a frame that was written with our header; None for any other frame."""
    if len(message) < HEADER_BYTES or message[0] != _MORE_TAG or message[1] > 1 or message[2] != _IPC_TAG:
        return None
    if not all(message[place] & 0x80 for place in range(3, 7)) or message[7] & 0x80:
        return None
    size = sum((message[3 + place] & 0x7F) << 7 * place for place in range(5))
    return bool(message[1]) if size == len(message) - HEADER_BYTES else None

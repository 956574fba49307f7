"""What Prometheus is told about the streams of stages, by operation, in every service that serves them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from elute.v1 import stage_pb2
from elute_wire import metrics
from elute_wire.frames import FrameEncoder
from elute_wire.limits import ByteSemaphore
from elute_wire.streams import Tally

_OPERATION = ("operation",)
_DIRECTIONS = ("received", "sent")

STREAMS_OPEN = metrics.gauge("elute_stage_streams_open", "Streams that are open, by operation.", _OPERATION)
ROWS = metrics.counter(
    "elute_stage_rows_total",
    "Rows received from the stage before, and sent to the one after, by operation.",
    ("operation", "direction"),
)
BYTES = metrics.counter(
    "elute_stage_bytes_total",
    "Bytes of Arrow data received from the stage before, and sent to the one after, by operation.",
    ("operation", "direction"),
)
FILTERED_ROWS = metrics.counter(
    "elute_stage_filtered_rows_total", "Rows that a filter took out of streams that have ended whole.", _OPERATION
)
REJECTED_ROWS = metrics.counter(
    "elute_stage_rejected_rows_total", "Rows that were set aside in streams that have ended whole.", _OPERATION
)
BUSY_SECONDS = metrics.counter(
    "elute_stage_busy_seconds_total",
    "Seconds of processor time of the operation itself, in streams that have ended whole.",
    _OPERATION,
)
SECONDS = metrics.histogram(
    "elute_stage_seconds", "Time from the opening of a stream to its end, whole or not, by operation.", _OPERATION
)
LARGE_MESSAGE_BYTES = metrics.gauge(
    "elute_large_message_held_bytes", "Bytes held for messages that are larger than one frame."
)


def start_at_zero(operations: Collection[str], large_messages: ByteSemaphore) -> None:
    """Make the series of a service's operations exist, and show what its large messages hold."""
    for metric in (STREAMS_OPEN, FILTERED_ROWS, REJECTED_ROWS, BUSY_SECONDS, SECONDS):
        metrics.start_at_zero(metric, operation=operations)
    for metric in (ROWS, BYTES):
        metrics.start_at_zero(metric, operation=operations, direction=_DIRECTIONS)
    LARGE_MESSAGE_BYTES.set_function(lambda: large_messages.held_bytes)


class StageMeter:
    """Counts one stream while it flows."""

    def __init__(self, operation: str, upstream: Tally, encoder: FrameEncoder) -> None:
        """Count a stream of `operation`, as far as what it pulls from and what it encodes have come."""
        self._operation = operation
        self._upstream = upstream
        self._encoder = encoder
        self._told = (0, 0, 0, 0)

    @contextmanager
    def open(self) -> Iterator[None]:
        """Count the stream as open for the length of the block, and at its end what it came to."""
        with STREAMS_OPEN.labels(self._operation).track_inprogress(), SECONDS.labels(self._operation).time():
            try:
                yield
            finally:
                self.flowed()

    def flowed(self) -> None:
        """Count what has come and gone since the last time."""
        upstream, encoder = self._upstream, self._encoder
        seen = (upstream.rows, encoder.rows, upstream.payload_bytes, encoder.payload_bytes)
        rows_received, rows_sent, bytes_received, bytes_sent = (
            now - before for now, before in zip(seen, self._told, strict=True)
        )
        self._told = seen
        for metric, received, sent in ((ROWS, rows_received, rows_sent), (BYTES, bytes_received, bytes_sent)):
            metric.labels(self._operation, "received").inc(received)
            metric.labels(self._operation, "sent").inc(sent)

    def ended(self, counts: Sequence[stage_pb2.StageCount]) -> None:
        """Count what the stream's own stage, the last of `counts`, says of itself."""
        for count in counts[-1:]:
            FILTERED_ROWS.labels(self._operation).inc(count.rows_filtered)
            REJECTED_ROWS.labels(self._operation).inc(count.rows_rejected)
            BUSY_SECONDS.labels(self._operation).inc(count.busy_seconds)

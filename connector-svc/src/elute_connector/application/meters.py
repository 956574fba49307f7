"""What Prometheus is told about stores, snapshots and loads. Every series exists at 0 from the start."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from enum import StrEnum

from elute.v1 import connector_pb2
from elute_wire import metrics


class Outcome(StrEnum):
    """What became of a load."""

    COMMITTED = "committed"
    ALREADY_DONE = "already_done"
    FAILED = "failed"
    CANCELLED = "cancelled"


LOADS = metrics.counter("elute_loads_total", "Loads of a partition that have ended, by outcome.", ("outcome",))
LOAD_SECONDS = metrics.histogram(
    "elute_load_seconds", "Time from the start of a load to its end, by outcome.", ("outcome",)
)
LOADED_ROWS = metrics.counter("elute_load_rows_total", "Rows of partitions that were committed here.")
LOADED_BYTES = metrics.counter(
    "elute_load_bytes_total", "Bytes of Arrow data received for partitions that were committed here."
)
REJECTED_ROWS = metrics.counter(
    "elute_load_rejected_rows_total", "Rows that were set aside in partitions that were committed here."
)
SNAPSHOTS_HELD = metrics.gauge("elute_snapshots_held", "Snapshots that this process holds.")
SNAPSHOT_AGE = metrics.gauge("elute_snapshot_age_seconds", "Age of the oldest snapshot that this process holds.")
STORES_OPEN = metrics.gauge("elute_stores_open", "Stores that are open, one for each connection in use.")
SESSIONS = metrics.gauge(
    "elute_reading_sessions", "Sessions that read from stores: lent to a stream, or idle.", ("state",)
)
LENT, IDLE = SESSIONS.labels("lent"), SESSIONS.labels("idle")

metrics.start_at_zero(LOADS, outcome=Outcome)
metrics.start_at_zero(LOAD_SECONDS, outcome=Outcome)


async def measured(loading: Awaitable[bytes]) -> connector_pb2.LoadResult:
    """Wait for a load, count what it came to, and answer its result."""
    started, outcome = time.perf_counter(), Outcome.FAILED
    try:
        result = connector_pb2.LoadResult.FromString(await loading)
        outcome = Outcome.ALREADY_DONE if result.already_done else Outcome.COMMITTED
    except asyncio.CancelledError:
        outcome = Outcome.CANCELLED
        raise
    finally:
        LOADS.labels(outcome).inc()
        LOAD_SECONDS.labels(outcome).observe(time.perf_counter() - started)
    if not result.already_done:
        LOADED_ROWS.inc(sum(unit.rows_written for unit in result.units))
        LOADED_BYTES.inc(sum(unit.bytes for unit in result.units))
        REJECTED_ROWS.inc(sum(unit.rows_rejected for unit in result.units))
    return result

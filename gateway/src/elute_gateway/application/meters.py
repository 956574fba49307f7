"""What Prometheus is told about runs. Every series exists at 0 from the start."""

from __future__ import annotations

from elute_gateway.domain.run import RunState
from elute_wire import metrics
from elute_wire.errors import BY_CODE

STAGES = ("extract", "transform", "anonymize", "load")

RUNS_ACTIVE = metrics.gauge("elute_runs_active", "Runs that this gateway executes.")
RUNS_ENDED = metrics.counter("elute_runs_total", "Runs that have ended here, by outcome.", ["outcome"])
RUNS_FORGOTTEN = metrics.counter("elute_runs_forgotten_total", "Runs that ended long ago and were deleted here.")
ROWS = metrics.counter("elute_rows_total", "Rows that left each stage of finished partitions.", ["stage"])
LOADED_BYTES = metrics.counter("elute_loaded_bytes_total", "Bytes of Arrow data in finished partitions.")
PARTITIONS_QUEUED = metrics.gauge("elute_partitions_queued", "Partitions that wait to be claimed, in all runs.")
QUEUE_AGE = metrics.gauge(
    "elute_partitions_oldest_seconds", "How long the first partition that waits to be claimed has waited."
)
PARTITIONS_LOADING = metrics.gauge("elute_partitions_loading", "Partitions that this gateway has loading.")
CLAIMS = metrics.counter("elute_partition_claims_total", "Partitions that this gateway has claimed.")
ATTEMPTS = metrics.counter("elute_partition_attempts_total", "Attempts to load a partition, by outcome.", ["outcome"])
ERRORS = metrics.counter("elute_run_errors_total", "Errors that runs met, survived ones included.", ["code"])
SNAPSHOT_AGE = metrics.gauge("elute_run_snapshot_age_seconds", "Age of the oldest snapshot that runs here read under.")
CONNECTIONS_TO_RESEAL = metrics.gauge(
    "elute_connections_to_reseal", "Connections whose secret is not sealed to the key that this gateway was given."
)
LEADING = metrics.gauge("elute_gateway_leading", "1 while this gateway is the one that resumes others' runs.")

DONE, FAILED, CANCELLED = "done", "failed", "cancelled"

metrics.start_at_zero(RUNS_ENDED, outcome=[state for state in RunState if state.is_final])
metrics.start_at_zero(ROWS, stage=STAGES)
metrics.start_at_zero(ATTEMPTS, outcome=[DONE, FAILED, CANCELLED])
metrics.start_at_zero(ERRORS, code=BY_CODE)

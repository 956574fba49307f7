"""A run: one execution of a pipeline, and what it pins so that any gateway can continue it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from elute_gateway.domain.names import DatasetName


class RunState(StrEnum):
    """How far a run is."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing works on the run any more; `resume` may begin it again unless it has succeeded."""
        return self not in {RunState.QUEUED, RunState.RUNNING}


class Phase(StrEnum):
    """The steps of a run, in their order."""

    CHECK = "check"
    PLAN = "plan"
    PREPARE = "prepare"
    LOAD = "load"
    FINISH = "finish"
    VERIFY = "verify"
    SETTLE = "settle"


class EventKind(StrEnum):
    """What a run's event says."""

    STATE = "state"
    PHASE = "phase"
    SNAPSHOT = "snapshot"
    PROGRESS = "progress"
    FINISHING = "finishing"
    ATTEMPT_FAILED = "attempt-failed"
    REPAIRED = "repaired"


class ScrubMode(StrEnum):
    """Whether the sink insists on the anonymizer."""

    REQUIRED = "required"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run failed: an error of the one tree, reduced to what may be stored."""

    code: str
    message: str
    hint: str = ""
    dataset: str = ""
    partition: str = ""


@dataclass(frozen=True, slots=True)
class NewRun:
    """What is asked for: a run of a pinned pipeline.

    Attributes:
        pipeline_id: The pipeline.
        pipeline_version: Its version, counted from 1.
        parallel_partitions: The most partitions of it that load at a time.
        scrub: Whether rows are scrubbed.
        policy_id: The policy, or None with `ScrubMode.OFF`.
        policy_version: Its version.
        started_by: Who asked: the id of an API key.
    """

    pipeline_id: str
    pipeline_version: int
    parallel_partitions: int = 4
    scrub: ScrubMode = ScrubMode.REQUIRED
    policy_id: str | None = None
    policy_version: int | None = None
    started_by: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it stands.

    Attributes:
        id: Its id, of lower-case letters and digits; later ids sort after earlier ones.
        request: What was asked for.
        state: How far it is.
        phase: The step that it is in, or was in when it ended; None before the first.
        round: How often it was begun, counted from 1; `resume` begins a new round.
        epoch: How many gateways have taken it over; the last one alone may write.
        cancelling: Whether somebody asked to cancel it.
        created_at: When it was asked for, seconds since 1970.
        started_at: When its first step began.
        ended_at: When its last round ended.
        failure: Why it failed.
        report: What it came to, a JSON object; empty before the end.
    """

    id: str
    request: NewRun
    state: RunState
    phase: Phase | None
    round: int
    epoch: int
    cancelling: bool
    created_at: float
    started_at: float | None
    ended_at: float | None
    failure: Failure | None
    report: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a gateway learns about a run that it executes."""

    epoch: int
    cancelling: bool


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One thing that happened in a run; numbers are gapless from 1, data is a JSON object without any cell value."""

    number: int
    at: float
    kind: EventKind
    data: Mapping[str, object]


class LogLevel(StrEnum):
    """How much a line of a run's log weighs."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a run's log, in our own words; `code` is an error's or a problem's, if it is about one."""

    message: str
    level: LogLevel = LogLevel.INFO
    code: str = ""
    dataset: str = ""
    partition: str = ""
    number: int = 0
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class DatasetProgress:
    """What has become of a dataset's rows in a run.

    Attributes:
        name: The dataset.
        snapshot: The snapshot that its rows come from, in the source's notation; empty before the plan.
        partitions: In how many partitions it has units.
        partitions_done: How many of these are in.
        estimated_rows: Rows to be expected.
        estimated_bytes: Bytes to be expected.
        rows_read: Rows read at the source.
        rows_written: Rows in the target.
        rows_filtered: Rows that a filter took out.
        rows_rejected: Rows that were set aside.
        loaded_bytes: Bytes of Arrow data received by the sink.
    """

    name: DatasetName
    snapshot: str = ""
    partitions: int = 0
    partitions_done: int = 0
    estimated_rows: int = 0
    estimated_bytes: int = 0
    rows_read: int = 0
    rows_written: int = 0
    rows_filtered: int = 0
    rows_rejected: int = 0
    loaded_bytes: int = 0

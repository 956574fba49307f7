"""Runs as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from elute_gateway.api.models import Body, View, moment, shown
from elute_gateway.api.pages import Page
from elute_gateway.application.document_model import NAME
from elute_gateway.domain import ledger, run
from elute_gateway.domain.run import LogLevel, Phase, RunState, ScrubMode

_ID = "01kb0s0c2de4f6g8h0j2k4m6n8"
_RUN: dict[str, Any] = {
    "id": _ID,
    "pipeline": "shop-to-qa",
    "pipeline_version": 3,
    "policy_version": 2,
    "scrub": "required",
    "state": "running",
    "phase": "load",
    "round": 1,
    "cancelling": False,
    "parallel_partitions": 4,
    "started_by": "01kb0rk2hne3s9b4m6n8p0r2t4",
    "created_at": "2026-01-31T02:00:00Z",
    "started_at": "2026-01-31T02:00:00Z",
    "ended_at": None,
    "failure": None,
}


class NewRun(Body):
    """A run that is wanted."""

    model_config = shown("NewRun", {"pipeline": "shop-to-qa"})

    pipeline: str = Field(pattern=NAME, description="The pipeline.")
    version: int | None = Field(default=None, ge=1, description="Its version; absent for the last one.")
    parallel_partitions: int | None = Field(
        default=None, ge=1, le=64, description="Partitions that load at a time; absent for what the pipeline says."
    )


class RunFailure(View):
    """Why a run failed."""

    code: str
    message: str
    hint: str
    dataset: str
    partition: str


class Run(View):
    """A run as it stands."""

    model_config = shown("Run", _RUN)

    id: str
    pipeline: str
    pipeline_version: int
    policy_version: int | None
    scrub: ScrubMode = Field(description="`required`: no column arrives without a treatment; `off`: rows as they are.")
    state: RunState
    phase: Phase | None = Field(description="The step that it is in, or was in when it ended.")
    round: int = Field(description="How often it was begun; `resume` begins a new round.")
    cancelling: bool = Field(description="Whether somebody asked to cancel it.")
    parallel_partitions: int
    started_by: str = Field(description="The id of the API key that started it.")
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    failure: RunFailure | None


class RunPage(Page[Run]):
    """Some runs."""


class RunDataset(View):
    """What has become of a dataset's rows."""

    model_config = shown(
        "RunDataset",
        {
            "name": "public.orders",
            "snapshot": "10:20:",
            "partitions": 3,
            "partitions_done": 2,
            "estimated_rows": 120_000,
            "estimated_bytes": 14_680_064,
            "rows_read": 80_000,
            "rows_written": 80_000,
            "rows_filtered": 0,
            "rows_rejected": 0,
            "loaded_bytes": 9_800_000,
        },
    )

    name: str
    snapshot: str = Field(description="The snapshot that its rows come from, in the source's own notation.")
    partitions: int = Field(description="In how many partitions it has units.")
    partitions_done: int
    estimated_rows: int
    estimated_bytes: int
    rows_read: int
    rows_written: int
    rows_filtered: int
    rows_rejected: int
    loaded_bytes: int


class RunDatasetPage(Page[RunDataset]):
    """Some datasets of a run."""


class Partition(View):
    """What one call loads in one transaction."""

    model_config = shown(
        "Partition",
        {
            "id": "s1p000001",
            "state": "done",
            "datasets": ["public.orders"],
            "snapshot": 1,
            "attempt": 1,
            "estimated_rows": 40_000,
            "estimated_bytes": 4_900_000,
            "rows": 40_000,
            "loaded_bytes": 4_890_112,
            "error_code": None,
        },
    )

    id: str
    state: ledger.PartitionState
    datasets: list[str]
    snapshot: int = Field(description="The number of the run's snapshot that it is read under.")
    attempt: int = Field(description="How often it was begun.")
    estimated_rows: int
    estimated_bytes: int
    rows: int
    loaded_bytes: int
    error_code: str | None = Field(description="Why its last attempt failed.")


class PartitionPage(Page[Partition]):
    """Some partitions of a run."""


class LogLine(View):
    """A line of a run's log."""

    model_config = shown(
        "LogLine",
        {
            "number": 1,
            "at": "2026-01-31T02:00:01Z",
            "level": "info",
            "message": "loaded 3 of 3 partitions",
            "code": None,
            "dataset": None,
            "partition": None,
        },
    )

    number: int
    at: datetime
    level: LogLevel
    message: str
    code: str | None
    dataset: str | None
    partition: str | None


class LogPage(Page[LogLine]):
    """Some lines of a run's log."""


class Report(View):
    """What a run came to."""

    model_config = shown("RunReport", {"run": _ID, "state": "succeeded", "report": {"datasets": []}})

    run: str
    state: RunState
    report: dict[str, Any] = Field(description="Empty before the run has ended.")


def run_view(found: run.Run, pipeline: str) -> Run:
    """Show a run of a pipeline, by the pipeline's name."""
    failure = found.failure
    return Run(
        id=found.id,
        pipeline=pipeline,
        pipeline_version=found.request.pipeline_version,
        policy_version=found.request.policy_version,
        scrub=found.request.scrub,
        state=found.state,
        phase=found.phase,
        round=found.round,
        cancelling=found.cancelling,
        parallel_partitions=found.request.parallel_partitions,
        started_by=found.request.started_by,
        created_at=moment(found.created_at),
        started_at=moment(found.started_at),
        ended_at=moment(found.ended_at),
        failure=RunFailure(
            code=failure.code,
            message=failure.message,
            hint=failure.hint,
            dataset=failure.dataset,
            partition=failure.partition,
        )
        if failure
        else None,
    )


def dataset_view(found: run.DatasetProgress) -> RunDataset:
    """Show what has become of a dataset's rows."""
    return RunDataset(
        name=str(found.name),
        snapshot=found.snapshot,
        partitions=found.partitions,
        partitions_done=found.partitions_done,
        estimated_rows=found.estimated_rows,
        estimated_bytes=found.estimated_bytes,
        rows_read=found.rows_read,
        rows_written=found.rows_written,
        rows_filtered=found.rows_filtered,
        rows_rejected=found.rows_rejected,
        loaded_bytes=found.loaded_bytes,
    )


def partition_view(found: ledger.Partition) -> Partition:
    """Show a partition."""
    return Partition(
        id=found.id,
        state=found.state,
        datasets=[str(name) for name in found.datasets],
        snapshot=found.generation,
        attempt=found.attempt,
        estimated_rows=found.estimated_rows,
        estimated_bytes=found.estimated_bytes,
        rows=found.rows,
        loaded_bytes=found.loaded_bytes,
        error_code=found.error_code or None,
    )


def line_view(found: run.LogLine) -> LogLine:
    """Show a line of a run's log."""
    return LogLine(
        number=found.number,
        at=moment(found.at),
        level=found.level,
        message=found.message,
        code=found.code or None,
        dataset=found.dataset or None,
        partition=found.partition or None,
    )

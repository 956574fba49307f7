"""Runs: started, watched, cancelled, resumed, repaired."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Response

from elute_gateway.api.context import Gateway, UseCases, holding
from elute_gateway.api.pages import Cursor, Limit, page_of, position
from elute_gateway.api.run_views import (
    LogPage,
    NewRun,
    PartitionPage,
    Report,
    Run,
    RunDatasetPage,
    RunPage,
    dataset_view,
    line_view,
    partition_view,
    run_view,
)
from elute_gateway.domain import run
from elute_gateway.domain.access import Caller, Scope
from elute_gateway.domain.run import RunState
from elute_wire.errors import InvalidRequest, NotFound

router = APIRouter(prefix="/runs", tags=["runs"])

Id = Annotated[str, Path(alias="id", max_length=64, description="The run's id.")]


@router.post("", status_code=202)
async def start_run(
    new: NewRun,
    gateway: Gateway,
    response: Response,
    caller: Annotated[Caller, holding(Scope.RUNS_WRITE)],
    *,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=200,
            description="The same request with the same key is answered with the run that the first one has started, "
            "for as long as that is kept, a day at least. Another request with the key is refused.",
        ),
    ] = None,
) -> Run:
    """Start a run of a pipeline. The answer comes at once; `Location` says where to watch it.

    A pipeline that scrubs nothing needs the scope `data:export-raw` too.
    """
    started = await gateway.running.start(caller, new.pipeline, new.version, new.parallel_partitions, idempotency_key)
    response.headers["Location"] = f"/v1/runs/{started.id}"
    return await _view(gateway, started)


@router.get("")
async def list_runs(
    gateway: Gateway,
    _caller: Annotated[Caller, holding(Scope.RUNS_READ)],
    *,
    state: Annotated[list[RunState] | None, Query(description="Only runs in one of these states.")] = None,
    pipeline: Annotated[str, Query(max_length=63, description="Only runs of the pipeline of this name.")] = "",
    limit: Limit = 50,
    cursor: Cursor = "",
) -> RunPage:
    """List runs, newest first."""
    try:
        pipeline_id = (await gateway.pipelines.get(pipeline)).version.id if pipeline else ""
    except NotFound:
        return RunPage(items=[], next=None)
    found = await gateway.runs.page(position(cursor), limit + 1, state or (), pipeline_id)
    runs, after = page_of(found, limit, lambda one: one.id)
    return RunPage(items=[await _view(gateway, one) for one in runs], next=after)


@router.get("/{id}")
async def get_run(id_: Id, gateway: Gateway, _caller: Annotated[Caller, holding(Scope.RUNS_READ)]) -> Run:
    """Get a run."""
    return await _view(gateway, await gateway.runs.get(id_))


@router.post("/{id}/cancel", status_code=202)
async def cancel_run(
    id_: Id, gateway: Gateway, response: Response, caller: Annotated[Caller, holding(Scope.RUNS_WRITE)]
) -> Run:
    """Cancel a run. Its calls end at once; its target stays half-loaded, to be resumed or repaired."""
    return await _answered(gateway, response, await gateway.running.cancel(caller, id_))


@router.post("/{id}/resume", status_code=202)
async def resume_run(
    id_: Id, gateway: Gateway, response: Response, caller: Annotated[Caller, holding(Scope.RUNS_WRITE)]
) -> Run:
    """Resume a run that has failed or was cancelled, where it stood."""
    return await _answered(gateway, response, await gateway.running.resume(caller, id_))


@router.post("/{id}/repair", status_code=202)
async def repair_run(
    id_: Id, gateway: Gateway, response: Response, caller: Annotated[Caller, holding(Scope.RUNS_WRITE)]
) -> Run:
    """Repair the target of a run that has failed or was cancelled: its keys and triggers come back, no row moves."""
    return await _answered(gateway, response, await gateway.running.repair(caller, id_))


@router.get("/{id}/datasets")
async def list_run_datasets(
    id_: Id,
    gateway: Gateway,
    _caller: Annotated[Caller, holding(Scope.RUNS_READ)],
    limit: Limit = 50,
    cursor: Cursor = "",
) -> RunDatasetPage:
    """List what has become of each dataset's rows, by name."""
    after = position(cursor)
    found = [one for one in await gateway.runs.datasets(id_) if _place(one) > after]
    datasets, following = page_of(found, limit, _place)
    return RunDatasetPage(items=[dataset_view(one) for one in datasets], next=following)


@router.get("/{id}/partitions")
async def list_run_partitions(
    id_: Id,
    gateway: Gateway,
    _caller: Annotated[Caller, holding(Scope.RUNS_READ)],
    limit: Limit = 50,
    cursor: Cursor = "",
) -> PartitionPage:
    """List a run's partitions, by id."""
    found = await gateway.runs.partitions(id_, position(cursor), limit + 1)
    partitions, after = page_of(found, limit, lambda one: one.id)
    return PartitionPage(items=[partition_view(one) for one in partitions], next=after)


@router.get("/{id}/log")
async def get_run_log(
    id_: Id,
    gateway: Gateway,
    _caller: Annotated[Caller, holding(Scope.RUNS_READ)],
    limit: Limit = 50,
    cursor: Cursor = "",
) -> LogPage:
    """Read a run's log, oldest line first."""
    found = await gateway.runs.log(id_, _number(position(cursor)), limit + 1)
    lines, after = page_of(found, limit, lambda one: str(one.number))
    return LogPage(items=[line_view(one) for one in lines], next=after)


@router.get("/{id}/report")
async def get_run_report(id_: Id, gateway: Gateway, _caller: Annotated[Caller, holding(Scope.RUNS_READ)]) -> Report:
    """Get what a run came to: rows, snapshots and the comparison of both ends, for every dataset."""
    found = await gateway.runs.get(id_)
    return Report(run=found.id, state=found.state, report=dict(found.report))


def _number(text: str) -> int:
    if text and not (text.isascii() and text.isdigit()):
        raise InvalidRequest("reading the cursor: it is none that a page of this list gave", hint="begin without one")
    return int(text or 0)


def _place(dataset: run.DatasetProgress) -> str:
    return f"{dataset.name.schema} {dataset.name.name}"


async def _answered(gateway: UseCases, response: Response, found: run.Run) -> Run:
    response.headers["Location"] = f"/v1/runs/{found.id}"
    return await _view(gateway, found)


async def _view(gateway: UseCases, found: run.Run) -> Run:
    return run_view(found, await gateway.pipelines.name_of(found.request.pipeline_id))

"""PrepareTarget: makes a target ready for the rows of a run."""

from __future__ import annotations

from elute_connector.connectors.postgresql.catalog import Connection
from elute_connector.connectors.postgresql.errors import mapped
from elute_connector.connectors.postgresql.target import create, fence, keep, marker, relations, work
from elute_connector.connectors.postgresql.target.access import Access
from elute_connector.connectors.postgresql.target.change import Change
from elute_connector.connectors.postgresql.target.identity import refuse_same_database
from elute_connector.domain.target import Fence, Preparation, Prepared, RunState, Structure
from elute_wire.errors import InvalidRequest, Problem, StoreBusy


async def prepare(source: Access, target: Access, request: Preparation) -> Prepared:
    """Make a target ready: its schema or its emptied tables, its fence, and the mark that it is half-loaded.

    All of it happens in one transaction, so that after a failure the target is as it was; only a change of more
    tables than the server has locks for takes several, and a failure between them leaves the mark. A repeated call
    goes on from there, or changes nothing. With `restarted`, those datasets are emptied and their partitions are
    replaced, in one transaction; loaders that still work on the former ones are ended.

    Args:
        source: The source, with the snapshot that the run reads under.
        target: The target; its session is in no transaction.
        request: What the run asks for.

    Raises:
        PlanRefused: The target is the source, is half-loaded by another run, or something that the pipeline does not
            select stands in the way.
        SnapshotLost: The source's snapshot is gone.
        StoreError: One of both servers, or the way to it, failed.
    """
    run_fence = fence.fence_of(request.run_id)
    with mapped(f"preparing the target {target.config.database}"):
        known = await marker.read(target.connection, request.run_id)
        if known is None or known.state is RunState.PREPARING:
            return Prepared(run_fence, await _begin(source, target, request, run_fence))
        if request.restarted:
            if known.state is not RunState.LOADING:
                raise InvalidRequest("restarting datasets: all rows of the run are in")
            await _restart(target.connection, request, run_fence)
    return Prepared(run_fence)


async def _begin(source: Access, target: Access, request: Preparation, run_fence: Fence) -> tuple[Problem, ...]:
    if request.restarted:
        raise InvalidRequest(f"restarting datasets: run {request.run_id} is not in this target")
    connection = target.connection
    await refuse_same_database(source.connection, connection)
    create.refuse(marker.overlaps(await marker.read_all(connection), request.datasets, run_id=request.run_id))
    change = await _change(source, target, request)
    last = len(change.steps) - 1
    for place, step in enumerate(change.steps):
        async with connection.transaction():
            if place == 0:
                await _mark(connection, request, run_fence)
            await step(connection)
            if place == last:
                await work.insert(connection, request.run_id, change.items)
                await fence.insert(connection, run_fence, request.partitions)
                await marker.set_loading(connection, request.run_id, change.sequences)
    return change.notes


async def _change(source: Access, target: Access, request: Preparation) -> Change:
    if request.structure is Structure.KEEP:
        return await keep.change(target.connection, request.run_id, request.datasets)
    blueprint = await create.draw(source, target, request.datasets, request.create)
    return await create.change(target.connection, blueprint, request.datasets)


async def _mark(connection: Connection, request: Preparation, run_fence: Fence) -> None:
    """Write the run's mark and make its tables, unless a former call did."""
    await marker.open_schema(connection)
    # Only now nobody else can begin.
    present = await marker.read_all(connection)
    create.refuse(marker.overlaps(present, request.datasets, run_id=request.run_id))
    states = {run.run_id: run.state for run in present}
    if request.run_id not in states:
        await marker.insert(connection, request.run_id, request.structure, request.datasets)
        await fence.create(connection, run_fence)
        await work.create(connection, request.run_id)
    elif states[request.run_id] is not RunState.PREPARING:
        raise StoreBusy(f"preparing run {request.run_id}: another call has prepared it meanwhile", hint="call it again")


async def _restart(connection: Connection, request: Preparation, run_fence: Fence) -> None:
    async with connection.transaction():
        await marker.open_schema(connection)
        if await fence.has_all(connection, run_fence, request.partitions):
            return
        # First the fence: from here to the end nobody can begin to load a table that is about to be emptied.
        await fence.retire(connection, run_fence, request.retired)
        chosen = [r for r in await relations.read(connection, request.restarted) if r.chosen]
        await keep.truncate(connection, chosen)
        await fence.insert(connection, run_fence, request.partitions)

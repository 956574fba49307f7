"""RepairTarget: brings a target whose run was abandoned half-way back to valid keys and triggers, loading nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence

from elute_connector.connectors.postgresql.catalog import Connection
from elute_connector.connectors.postgresql.errors import mapped
from elute_connector.connectors.postgresql.target import fence, marker, work
from elute_connector.connectors.postgresql.target.finish import ALREADY_WHOLE
from elute_connector.connectors.postgresql.target.work import Batch, Phase
from elute_connector.domain.target import FencePartition, FinishEvent, RunMarker, RunState
from elute_wire.errors import Problem, StoreDataRejected, StoreObjectMissing


async def repair(connection: Connection, run_id: str) -> AsyncIterator[FinishEvent]:
    """Do what is left of a run's work as far as the rows allow, and take its mark away.

    First the run is fenced off: its loaders are ended and no partition can be claimed any more. A constraint that the
    rows contradict comes back NOT VALID where PostgreSQL can have it so, and is told in any case; so is every dataset
    whose rows are not all in.

    Args:
        connection: A session of the target, in no transaction.
        run_id: The abandoned run.

    Raises:
        StoreError: The server or the way to it failed; call it again.
    """
    run_fence = fence.fence_of(run_id)
    with mapped("repairing the target"):
        run = await marker.read(connection, run_id)
        if run is None:
            yield FinishEvent("done", "", 0, 0, (ALREADY_WHOLE,))
            return
        missing = await fence.missing(connection, run_fence)
        async with connection.transaction():
            await fence.close(connection, run_fence)
        made, total = await work.progress(connection, run_id)
    for phase in Phase:
        with mapped(f"repairing the target: {phase.value}"):
            for batch in await work.pending(connection, run_id, phase):
                refused = await _attempt(connection, run_id, phase, batch)
                made += len(batch.ordinals) - len(refused)
                yield FinishEvent(phase.value, batch.objects[-1], made, total, tuple(refused))
    with mapped("repairing the target"):
        await marker.remove(connection, run_id)
    yield FinishEvent("done", "", made, total, tuple(_incomplete(run, missing)))


async def _attempt(connection: Connection, run_id: str, phase: Phase, batch: Batch) -> list[Problem]:
    """Run what of a batch can be run; answers the rest."""
    problems: list[Problem] = []
    for one in batch.single():
        try:
            await work.run(connection, run_id, one)
        except (StoreDataRejected, StoreObjectMissing):
            not_valid = phase is Phase.FOREIGN_KEY and await work.run_not_valid(connection, run_id, one)
            problems.append(_contradicted(phase, one.objects[0], not_valid=not_valid or phase is Phase.VALIDATION))
    return problems


def _contradicted(phase: Phase, name: str, *, not_valid: bool) -> Problem:
    state = "is back, NOT VALID" if not_valid else "is not back"
    return Problem(
        code="not-restored",
        message=f"{phase.value} {name} {state}: what it needs is missing, or rows contradict it",
        hint="load the target again; or mend its rows, and "
        + ("validate the constraint" if not_valid else "make it again by hand"),
    )


def _incomplete(run: RunMarker, missing: Sequence[FencePartition]) -> Iterator[Problem]:
    """Answer the datasets whose rows are not all in; all of them where the fence does not know."""
    known = {name for partition in missing for name in partition.datasets}
    unknown = run.state is RunState.PREPARING or any(not partition.datasets for partition in missing)
    for name in run.datasets:
        if unknown or name in known:
            yield Problem(
                code="incomplete",
                message=f"{name} is incomplete: the run that was to replace its rows did not end",
                hint="load it again",
                dataset=str(name),
            )

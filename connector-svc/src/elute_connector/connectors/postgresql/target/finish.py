"""FinishTarget: makes a loaded target whole, and takes the mark of its run away."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from elute_connector.connectors.postgresql.catalog import Connection
from elute_connector.connectors.postgresql.errors import mapped
from elute_connector.connectors.postgresql.identifiers import qualified
from elute_connector.connectors.postgresql.target import fence, marker, sequences, work
from elute_connector.connectors.postgresql.target.work import Phase
from elute_connector.domain.target import FinishEvent, RunState
from elute_wire.errors import InvalidRequest, Problem, Severity, StoreObjectMissing

_ANALYZE_CHUNK = 100

ALREADY_WHOLE = Problem(
    code="already-whole",
    message="the run has left no mark in the target: it was finished or repaired before",
    severity=Severity.NOTE,
)


async def finish(connections: Sequence[Connection], source: Connection, run_id: str) -> AsyncIterator[FinishEvent]:
    """Make a loaded target whole: keys, indexes, foreign keys, triggers, sequences, views, statistics.

    Safe to repeat after any failure: each statement was done with its mark, or not at all.

    Args:
        connections: Sessions of the target, in no transaction; indexes are built on all of them at once.
        source: A session of the source, for its sequences.
        run_id: The run.

    Raises:
        InvalidRequest: Partitions are missing.
        StoreError: A statement failed; the error names its object.
    """
    try:
        async for event in _finish(connections, source, run_id):
            yield event
    except StoreObjectMissing:
        # Another call of the same run, thought dead, may have come to the end meanwhile.
        if await marker.read(connections[0], run_id) is not None:
            raise
        yield FinishEvent("done", "", 0, 0, (ALREADY_WHOLE,))


async def _finish(connections: Sequence[Connection], source: Connection, run_id: str) -> AsyncIterator[FinishEvent]:
    first = connections[0]
    with mapped("finishing the target"):
        run = await marker.read(first, run_id)
        if run is None:
            yield FinishEvent("done", "", 0, 0, (ALREADY_WHOLE,))
            return
        if run.state is RunState.PREPARING:
            raise InvalidRequest(f"run {run_id} is not prepared", hint="prepare the target; or repair it")
        if run.state is RunState.LOADING:
            await _close(first, run_id)
        made, total = await work.progress(first, run_id)
    for phase in Phase:
        with mapped(f"finishing the target: {phase.value}"):
            async for batch in work.run_phase(connections, run_id, phase):
                made += len(batch.ordinals)
                yield FinishEvent(phase.value, batch.objects[-1], made, total)
    with mapped("finishing the target: sequence"):
        numbered, notes = await sequences.set_all(source, first, run.datasets, run.sequences)
        yield FinishEvent("sequence", str(numbered[-1]) if numbered else "", made, total, notes)
    for at in range(0, len(run.datasets), _ANALYZE_CHUNK):
        chunk = run.datasets[at : at + _ANALYZE_CHUNK]
        with mapped("finishing the target: analyze"):
            await first.execute(f"ANALYZE {', '.join(qualified(name) for name in chunk)}")
        yield FinishEvent("analyze", str(chunk[-1]), made, total)
    with mapped("finishing the target"):
        await marker.remove(first, run_id)
    yield FinishEvent("done", "", made, total)


async def _close(connection: Connection, run_id: str) -> None:
    """Say that all rows are in, after looking."""
    missing = await fence.missing(connection, fence.fence_of(run_id))
    if missing:
        raise InvalidRequest(
            f"{len(missing)} partitions of run {run_id} are not in", hint="load them first; or repair the target"
        )
    await marker.set_finishing(connection, run_id)

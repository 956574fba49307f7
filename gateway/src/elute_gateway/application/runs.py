"""What can be done with runs: start, watch, cancel, resume and repair them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass, field

from elute_gateway.application.ports import Books, DataPlane, DurableRuns
from elute_gateway.application.session import Stop
from elute_gateway.application.steps import RunSteps
from elute_gateway.application.telling import Teller
from elute_gateway.domain.canonical import sha256
from elute_gateway.domain.identifier import new_id
from elute_gateway.domain.ledger import Partition
from elute_gateway.domain.run import DatasetProgress, EventKind, LogLevel, LogLine, NewRun, Run, RunEvent, RunState
from elute_wire.errors import EluteError, InvalidRequest


@dataclass(frozen=True, slots=True)
class Request:
    """What makes a request the same one when it comes again.

    Attributes:
        key: Its Idempotency-Key; None for one that is never the same.
        asked: What it asks for, in its own words: a name still means the same request when it names something newer.
    """

    key: str | None = None
    asked: Mapping[str, object] = field(default_factory=dict)

    @property
    def digest(self) -> bytes:
        """SHA-256 of what it asks for."""
        return bytes.fromhex(sha256(dict(self.asked)))


@dataclass(frozen=True, slots=True)
class RunUseCases:
    """The runs of a workspace, as the API offers them."""

    books: Books
    plane: DataPlane
    durable: DurableRuns
    steps: RunSteps
    teller: Teller
    _repairs: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self, new: NewRun, request: Request | None = None) -> Run:
        """Start a run; asked again by the same request, answer the run that it started.

        Raises:
            AlreadyExists: The request's key was used for another one.
        """
        request = request or Request()
        run = await self.books.runs.insert(new_id(), new, request.key, request.digest)
        if run.state is RunState.QUEUED:
            await self.durable.begin(run.id, run.round)
        return run

    async def started_by(self, request: Request) -> Run | None:
        """Return the run that a request has started before, if it has a key.

        Raises:
            AlreadyExists: Its key was used for another one.
        """
        return await self.books.runs.asked(request.key, request.digest)

    async def get(self, run_id: str) -> Run:
        """Return a run.

        Raises:
            NotFound: There is none of that id.
        """
        return await self.books.runs.get(run_id)

    async def page(
        self, before: str = "", limit: int = 50, states: Collection[RunState] = (), pipeline_id: str = ""
    ) -> list[Run]:
        """Return runs, newest first, older than the run `before`; of one pipeline, if its id is given."""
        return await self.books.runs.page(before, limit, states, pipeline_id)

    async def datasets(self, run_id: str) -> list[DatasetProgress]:
        """Return what has become of each dataset's rows.

        Raises:
            NotFound: There is no such run.
        """
        return await self.books.runs.datasets((await self.get(run_id)).id)

    async def partitions(self, run_id: str, after: str = "", limit: int = 100) -> list[Partition]:
        """Return a run's partitions by id, from the one after id `after` on.

        Raises:
            NotFound: There is no such run.
        """
        return await self.books.ledger.partitions((await self.get(run_id)).id, after, limit)

    async def events(self, run_id: str, after: int = 0, limit: int = 1000) -> list[RunEvent]:
        """Return a run's events in their order, from the one after number `after` on.

        Raises:
            NotFound: There is no such run.
        """
        return await self.books.history.events((await self.get(run_id)).id, after, limit)

    def listening(self, run_id: str) -> AbstractContextManager[asyncio.Event]:
        """Give an event that is set whenever this gateway has told something of a run, while the block runs.

        What another gateway tells sets nothing: look now and then all the same.
        """
        return self.books.history.listening(run_id)

    async def log(self, run_id: str, after: int = 0, limit: int = 1000) -> list[LogLine]:
        """Return lines of a run's log in their order, from the one after number `after` on.

        Raises:
            NotFound: There is no such run.
        """
        return await self.books.history.log((await self.get(run_id)).id, after, limit)

    async def cancel(self, run_id: str) -> Run:
        """Cancel a run: its calls end at once if it is executed here, at the next heartbeat if elsewhere.

        Its target stays half-loaded: `repair` brings it back to valid keys, `resume` goes on.

        Raises:
            NotFound: There is no such run.
            InvalidRequest: It has ended.
        """
        run = await self.books.runs.request_cancel(run_id)
        if run.state.is_final:
            raise InvalidRequest(f"cancelling run {run_id}: it has ended, it is {run.state}")
        session = self.steps.sessions.get(run_id)
        if session:
            session.stop(Stop.CANCELLED)
        return run

    async def resume(self, run_id: str) -> Run:
        """Go on with a run that has failed or was cancelled, where it stood.

        Raises:
            NotFound: There is no such run.
            InvalidRequest: It has succeeded, or has not ended.
        """
        again = await self.books.runs.begin_again(run_id)
        if again is None:
            run = await self.get(run_id)
            raise InvalidRequest(f"resuming run {run_id}: it is {run.state}", hint="only an ended run can be resumed")
        await self.durable.begin(run_id, again.round)
        return again

    async def repair(self, run_id: str) -> Run:
        """Bring the target of a run that has failed or was cancelled back to valid keys; events tell how far it is.

        Raises:
            NotFound: There is no such run.
            InvalidRequest: It has succeeded, has not ended, or never reached its target.
        """
        run = await self.get(run_id)
        if run.state not in {RunState.FAILED, RunState.CANCELLED}:
            raise InvalidRequest(f"repairing the target of run {run_id}: the run is {run.state}")
        plan = await self.books.runs.plan(run_id)
        if plan is None:
            raise InvalidRequest(f"repairing the target of run {run_id}: the run ended before it reached its target")
        task = asyncio.create_task(self._repair(run_id, plan.target), name=f"repair {run_id}")
        self._repairs.add(task)
        task.add_done_callback(self._repairs.discard)
        return run

    async def _repair(self, run_id: str, target: str) -> None:
        try:
            connection = await self.books.connections.resolve(target)
            async with aclosing(self.plane.repair(run_id, connection)) as events:
                async for event in events:
                    await self.teller.note(run_id, event.notes)
                    data = {"phase": event.phase, "object": event.object, "made": event.made, "total": event.total}
                    await self.teller.tell(run_id, EventKind.FINISHING, data)
        except EluteError as error:
            await self.teller.log(run_id, [LogLine(error.message, LogLevel.ERROR, error.code, error.place.dataset)])
            await self.teller.tell(run_id, EventKind.REPAIRED, {"succeeded": False, "code": error.code})
        else:
            await self.teller.tell(run_id, EventKind.REPAIRED, {"succeeded": True})

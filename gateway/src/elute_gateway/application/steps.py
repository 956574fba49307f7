"""The steps of a run. Each may be repeated by any gateway, whatever an earlier attempt has left behind.

    check    what the pipeline pins still holds, and becomes the run's plan, once
    plan     a snapshot is held, and the ledger has the partitions that are read under it
    prepare  the target and its fence are ready for them
    load     they are in; or the snapshot ended first, and `plan` comes again
    finish   the target has its keys, indexes, triggers and sequences
    verify   source and target are compared
    settle   the snapshot is let go, and the run's end and report are written

A step answers with a small JSON object, which durable execution keeps: no id of a snapshot, no value, no foreign text.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing
from dataclasses import asdict
from typing import Any, TypeVar

from elute_gateway.application import meters
from elute_gateway.application.generation import Generations
from elute_gateway.application.loading import Loader
from elute_gateway.application.pace import GivenUp, Pace, patiently
from elute_gateway.application.ports import Books, DataPlane, RunPlanner
from elute_gateway.application.session import RunSession, Stop, Stopped
from elute_gateway.application.telling import Teller
from elute_gateway.application.verification import Verdict, Verification
from elute_gateway.domain.run import DatasetProgress, EventKind, Failure, LogLevel, LogLine, Phase, RunState
from elute_gateway.domain.transfer import Ends, Fence
from elute_wire.errors import EluteError, FenceLost, InternalFault, SnapshotLost, foreign_fault
from elute_wire.telemetry import about

T = TypeVar("T")

Answer = dict[str, Any]
"""What a step answers: with `END`, how the run ends; with `LOST`, that its snapshot has ended; else its own facts."""

END, FAILURE, LOST = "end", "failure", "lost"


class RunSteps:
    """Carries out the steps of the runs that this gateway has taken over."""

    def __init__(
        self,
        gateway_id: str,
        books: Books,
        plane: DataPlane,
        planner: RunPlanner,
        *,
        pace: Pace,
        loader: Loader,
        teller: Teller,
    ) -> None:
        self._gateway = gateway_id
        self._books = books
        self._plane = plane
        self._planner = planner
        self._pace = pace
        self._loader = loader
        self._teller = teller
        self.sessions: dict[str, RunSession] = {}
        self.idle = asyncio.Event()
        self.idle.set()

    @property
    def oldest_snapshot_seconds(self) -> float:
        """The age of the oldest snapshot that a run here reads under; 0 when there is none."""
        return max((session.keeper.age_seconds for session in self.sessions.values() if session.keeper), default=0.0)

    async def open(self, run_id: str) -> RunSession | None:
        """Take a run over, at the start of each of its executions; None when it has ended."""
        former = self.sessions.get(run_id)
        if former:
            former.stop(Stop.SUPERSEDED)
        lease = self._pace.lease_seconds
        run = await patiently(self._pace, lambda: self._books.runs.take_over(run_id, self._gateway, lease))
        if run is None:
            return None
        if run.epoch > 1:
            await patiently(self._pace, lambda: self._books.ledger.end_leases(run_id))
        session = RunSession(run)
        if run.cancelling:
            session.stop(Stop.CANCELLED)
        self.sessions[run_id] = session
        self.idle.clear()
        meters.RUNS_ACTIVE.set(len(self.sessions))
        return session

    async def close(self, run_id: str, session: RunSession) -> None:
        """Forget a run at the end of its execution here, however that came."""
        if self.sessions.get(run_id) is session:
            del self.sessions[run_id]
        meters.RUNS_ACTIVE.set(len(self.sessions))
        await session.close()
        if not self.sessions:
            self.idle.set()

    async def check(self, run_id: str) -> Answer:
        """Make the plan and pin it, unless the run has one from an earlier attempt."""

        async def work(session: RunSession) -> Answer:
            if await self._books.runs.plan(run_id) is None:
                plan = await self._planner.plan(session.run)
                await self._books.runs.pin(run_id, session.run.epoch, plan)
                await self._teller.note(run_id, plan.problems)
            return {}

        return await self._perform(run_id, Phase.CHECK, work)

    async def plan(self, run_id: str) -> Answer:
        """Hold a snapshot, the one that the run had if it still sees the same, and write what is read under it."""

        async def work(session: RunSession) -> Answer:
            snapshot = await (await self._generations(session)).current()
            data = {"generation": snapshot.generation, "visible": snapshot.visible}
            await self._teller.tell(run_id, EventKind.SNAPSHOT, data)
            return {"generation": snapshot.generation}

        return await self._perform(run_id, Phase.PLAN, work)

    async def prepare(self, run_id: str, generation: int) -> Answer:
        """Make the target ready; answers its fence."""

        async def work(session: RunSession) -> Answer:
            prepared = await (await self._generations(session)).prepare(generation)
            await self._teller.note(run_id, prepared.notes)
            return {"fence": [prepared.fence.schema, prepared.fence.table]}

        return await self._perform(run_id, Phase.PREPARE, work)

    async def load(self, run_id: str, generation: int, fence: list[str]) -> Answer:
        """Load every partition that is not in."""

        async def work(session: RunSession) -> Answer:
            await (await self._generations(session)).hold(generation)
            telling = asyncio.create_task(self._teller.keep_telling(run_id))
            try:
                await self._loader.load(session, Fence(*fence))
            except SnapshotLost:
                raise
            except EluteError as error:
                raise GivenUp(error) from error  # the loader has a patience of its own
            finally:
                telling.cancel()
                await asyncio.wait({telling})
            return {}

        return await self._perform(run_id, Phase.LOAD, work)

    async def finish(self, run_id: str, generation: int, fence: list[str]) -> Answer:
        """Make the loaded target whole. Every row is in: a snapshot that is gone by now is not needed any more."""

        async def work(session: RunSession) -> Answer:
            generations = await self._generations(session)
            plan, ends = generations.plan, generations.ends
            snapshot_id = await generations.id_if_alive(generation)
            async with aclosing(self._plane.finish(run_id, plan, ends, Fence(*fence), snapshot_id)) as events:
                async for event in events:
                    await self._teller.note(run_id, event.notes)
                    data = {"phase": event.phase, "object": event.object, "made": event.made, "total": event.total}
                    await self._teller.tell(run_id, EventKind.FINISHING, data)
            return {}

        return await self._perform(run_id, Phase.FINISH, work)

    async def verify(self, run_id: str, generation: int) -> Answer:
        """Compare source and target; answers the verdict on each dataset."""

        async def work(session: RunSession) -> Answer:
            generations = await self._generations(session)
            snapshot_id = await generations.id_if_alive(generation)
            snapshots = await self._books.generations.snapshots(run_id)
            verification = Verification(self._plane, generations.plan, generations.ends)
            progress = await self._books.runs.datasets(run_id)
            verdicts = await verification.verdicts(snapshot_id, snapshots[-1].visible, progress)
            different = sorted(str(name) for name, verdict in verdicts.items() if verdict is Verdict.DIFFERENT)
            if different:
                message = f"comparing source and target: {len(different)} datasets differ: {', '.join(different[:10])}"
                raise InternalFault(message, hint="keep the target for a look, and report this")
            return {"verdicts": {str(name): verdict for name, verdict in verdicts.items()}}

        return await self._perform(run_id, Phase.VERIFY, work)

    async def settle(self, run_id: str, answer: Answer) -> Answer:
        """Let the snapshot go and write how the run ends; patient without an end, for nothing else is left to do.

        Args:
            run_id: The run.
            answer: What the last step answered.
        """
        session = self.sessions[run_id]
        state = RunState(answer.get(END, RunState.SUCCEEDED))
        failure = Failure(**answer[FAILURE]) if FAILURE in answer else None
        if session.keeper:
            await session.keeper.release()

        if failure:
            await self._teller.log(run_id, [LogLine(failure.message, LogLevel.ERROR, failure.code, failure.dataset)])

        async def write() -> None:
            report = _report(await self._books.runs.datasets(run_id), answer.get("verdicts", {}))
            await self._books.runs.settle(run_id, session.run.epoch, state, failure, report)

        try:
            await self._owning(session, patiently(self._pace, write), settling=True)
        except EluteError as error:
            # Nobody could be told: leave the run as it is; who takes it over comes here again.
            raise asyncio.CancelledError from error
        meters.RUNS_ENDED.labels(state).inc()
        return {END: state}

    async def _perform(self, run_id: str, phase: Phase, work: Callable[[RunSession], Awaitable[Answer]]) -> Answer:
        """Do one step until it is done, can never be done, or the run is to stop."""
        session = self.sessions[run_id]

        async def once() -> Answer:
            return await work(session)

        async def survived(error: EluteError) -> None:
            meters.ERRORS.labels(error.code).inc()
            line = LogLine(error.message, LogLevel.WARNING, error.code, error.place.dataset, error.place.partition)
            await self._teller.log(run_id, [line])

        async def all_of_it() -> Answer:
            await patiently(self._pace, lambda: self._books.runs.enter(run_id, session.run.epoch, phase))
            return await patiently(self._pace, once, survived)

        with about(run=run_id):
            try:
                answer = await self._owning(session, all_of_it())
            except SnapshotLost:
                meters.ERRORS.labels(SnapshotLost.code).inc()
                return {LOST: True}
            except EluteError as error:
                return _failed(error)
            except GivenUp as hopeless:
                return _failed(hopeless.error)
            except Exception as error:  # noqa: BLE001  # its text may hold anything, and would be stored
                return _failed(foreign_fault(error, f"doing the step {phase} of a run"))
            return answer

    async def _owning(self, session: RunSession, work: Coroutine[Any, Any, T], *, settling: bool = False) -> T | Answer:
        """Do something while the run is this gateway's; a run that is another's by now ends here without a trace."""
        try:
            return await session.guard(work, settling=settling)
        except Stopped as stopped:
            if stopped.why is Stop.CANCELLED:
                return {END: RunState.CANCELLED}
            raise asyncio.CancelledError from stopped
        except FenceLost as lost:
            raise asyncio.CancelledError from lost

    async def _generations(self, session: RunSession) -> Generations:
        """Bring together what the later steps work with; the connections as they are now, their secrets resealed."""
        plan = session.plan = session.plan or await self._books.runs.plan(session.run.id)
        if plan is None:
            raise InternalFault("continuing a run: it has no plan")
        resolve = self._books.connections.resolve
        session.ends = Ends(await resolve(plan.source), await resolve(plan.target))
        return Generations(self._books, self._plane, self._pace, session, plan, session.ends)


def _failed(error: EluteError) -> Answer:
    meters.ERRORS.labels(error.code).inc()
    failure = Failure(error.code, error.message, error.hint, error.place.dataset, error.place.partition)
    return {END: RunState.FAILED, FAILURE: asdict(failure)}


def _report(datasets: list[DatasetProgress], verdicts: Mapping[str, str]) -> dict[str, object]:
    rows = [
        {
            "dataset": str(entry.name),
            "snapshot": entry.snapshot,
            "rows_read": entry.rows_read,
            "rows_written": entry.rows_written,
            "rows_filtered": entry.rows_filtered,
            "rows_rejected": entry.rows_rejected,
            "bytes": entry.loaded_bytes,
            "verified": verdicts.get(str(entry.name), "not asked"),
        }
        for entry in datasets
    ]
    return {"datasets": rows, "snapshots": sorted({entry.snapshot for entry in datasets})}

"""The runs: what was asked for, who executes it, and how it ended."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from elute_gateway.application.plan_json import plan_from_json, plan_to_json
from elute_gateway.domain.names import DatasetName
from elute_gateway.domain.plan import Plan
from elute_gateway.domain.run import DatasetProgress, EventKind, Failure, NewRun, Phase, Run, RunState, ScrubMode
from elute_gateway.store.codec import failure_from, failure_object
from elute_gateway.store.database import Database, uninterrupted
from elute_gateway.store.history import append
from elute_gateway.store.tables import now, pipeline, policy, run, run_dataset, run_snapshot
from elute_wire.errors import AlreadyExists, FenceLost, NotFound

_START_SECONDS = 10.0
"""How long a new run waits for the gateway that was asked for it, before the leader looks for another."""

_ACTIVE = run.c.state.in_([RunState.QUEUED, RunState.RUNNING])


@uninterrupted
@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of one workspace. A change of a run's state or phase is one transaction with the event that tells it."""

    database: Database
    workspace: str

    async def insert(self, run_id: str, new: NewRun, idempotency_key: str | None, request_digest: bytes) -> Run:
        """Write a run that is asked for, or find the one that this key has asked for before.

        Raises:
            AlreadyExists: The key was used for another request.
        """
        found = await self.asked(idempotency_key, request_digest)
        if found:
            return found
        try:
            async with self.database.writing() as connection:
                await connection.execute(
                    sa.insert(run).values(
                        created_at=now,
                        lease=now + _START_SECONDS,
                        **self._row(run_id, new, idempotency_key, request_digest),
                    )
                )
        except AlreadyExists:
            # Another request with this key has come first, between our look and our insert.
            found = await self.asked(idempotency_key, request_digest)
            if found is None:
                raise
            return found
        return await self.get(run_id)

    async def asked(self, idempotency_key: str | None, request_digest: bytes) -> Run | None:
        """Return the run that a request with this key has started, for as long as the run is kept.

        Raises:
            AlreadyExists: The key was used for another request.
        """
        if idempotency_key is None:
            return None
        query = sa.select(run).where(run.c.workspace_id == self.workspace, run.c.idempotency_key == idempotency_key)
        async with self.database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is not None and row.request_digest != request_digest:
            message = "starting a run: this Idempotency-Key was used for another request"
            raise AlreadyExists(message, hint="use a new key for a new request")
        return _run(row) if row else None

    async def get(self, run_id: str) -> Run:
        """Return a run.

        Raises:
            NotFound: There is none of that id.
        """
        async with self.database.reading() as connection:
            row = (await connection.execute(sa.select(run).where(*self._is(run_id)))).one_or_none()
        if row is None:
            raise NotFound(f"finding run {run_id}: there is none")
        return _run(row)

    async def page(
        self, before: str = "", limit: int = 50, states: Collection[RunState] = (), pipeline_id: str = ""
    ) -> list[Run]:
        """Return runs, newest first, older than the run `before`; in some states, of one pipeline, if given."""
        query = sa.select(run).where(run.c.workspace_id == self.workspace).order_by(run.c.id.desc()).limit(limit)
        if before:
            query = query.where(run.c.id < before)
        if states:
            query = query.where(run.c.state.in_(list(states)))
        if pipeline_id:
            query = query.where(run.c.pipeline_id == pipeline_id)
        async with self.database.reading() as connection:
            return [_run(row) for row in await connection.execute(query)]

    async def plan(self, run_id: str) -> Plan | None:
        """Return what a run does, or None before it was checked."""
        async with self.database.reading() as connection:
            text = await connection.scalar(sa.select(run.c.plan).where(*self._is(run_id)))
        return plan_from_json(text) if text else None

    async def datasets(self, run_id: str) -> list[DatasetProgress]:
        """Return what has become of each dataset's rows, by name."""
        query = (
            sa.select(run_dataset, run_snapshot.c.visible)
            .join(
                run_snapshot,
                sa.and_(
                    run_snapshot.c.run_id == run_dataset.c.run_id,
                    run_snapshot.c.generation == run_dataset.c.generation,
                ),
            )
            .where(run_dataset.c.run_id == run_id, run_dataset.c.workspace_id == self.workspace)
            .order_by(run_dataset.c.schema_name, run_dataset.c.dataset_name)
        )
        async with self.database.reading() as connection:
            return [_progress(row) for row in await connection.execute(query)]

    async def take_over(self, run_id: str, gateway: str, lease_seconds: float) -> Run | None:
        """Make a gateway the one that executes a run; the former one's writes are refused from now on.

        Returns:
            The run with its new epoch, or None when it has ended.
        """
        taken = (
            sa.update(run)
            .where(*self._is(run_id), _ACTIVE)
            .values(
                state=RunState.RUNNING,
                owner=gateway,
                epoch=run.c.epoch + 1,
                lease=now + lease_seconds,
                started_at=sa.func.coalesce(run.c.started_at, now),
            )
        )
        return await self._tell(taken, EventKind.STATE, {"state": RunState.RUNNING, "gateway": gateway})

    async def enter(self, run_id: str, epoch: int, phase: Phase) -> None:
        """Write which step a run is in.

        Raises:
            FenceLost: Another gateway has taken the run over, or it has ended.
        """
        mine = self._mine(run_id, epoch).values(phase=phase)
        self._require(run_id, await self._tell(mine, EventKind.PHASE, {"phase": phase}))

    async def pin(self, run_id: str, epoch: int, plan: Plan) -> None:
        """Write what a run does.

        Raises:
            FenceLost: Another gateway has taken the run over, or it has ended.
        """
        async with self.database.writing() as connection:
            pinned = self._mine(run_id, epoch).values(plan=plan_to_json(plan).decode()).returning(run)
            row = (await connection.execute(pinned)).one_or_none()
        self._require(run_id, row)

    async def settle(
        self, run_id: str, epoch: int, state: RunState, failure: Failure | None, report: Mapping[str, object]
    ) -> None:
        """Write how a run has ended.

        Raises:
            FenceLost: Another gateway has taken the run over, or it has ended.
        """
        told = failure_object(failure)
        end = {"state": state, "failure": told, "report": dict(report), "ended_at": now, "owner": "", "lease": 0}
        mine = self._mine(run_id, epoch).values(**end)
        self._require(run_id, await self._tell(mine, EventKind.STATE, {"state": state, "failure": told}))

    async def request_cancel(self, run_id: str) -> Run:
        """Ask that a run be cancelled; its gateway finds it at the next heartbeat.

        Raises:
            NotFound: There is none of that id.
        """
        async with self.database.writing() as connection:
            await connection.execute(sa.update(run).where(*self._is(run_id), _ACTIVE).values(cancelling=True))
        return await self.get(run_id)

    async def begin_again(self, run_id: str) -> Run | None:
        """Queue a run that has failed or was cancelled for another round; None when it is in no such state."""
        again = (
            sa.update(run)
            .where(*self._is(run_id), run.c.state.in_([RunState.FAILED, RunState.CANCELLED]))
            .values(
                state=RunState.QUEUED,
                round=run.c.round + 1,
                epoch=run.c.epoch + 1,
                cancelling=False,
                failure=None,
                ended_at=None,
                lease=now + _START_SECONDS,
            )
        )
        return await self._tell(again, EventKind.STATE, {"state": RunState.QUEUED})

    async def ended(self, older_than_seconds: float, limit: int) -> list[Run]:
        """Return runs that ended longer ago than that."""
        query = sa.select(run).where(
            run.c.workspace_id == self.workspace, ~_ACTIVE, run.c.ended_at < now - older_than_seconds
        )
        async with self.database.reading() as connection:
            return [_run(row) for row in await connection.execute(query.order_by(run.c.ended_at).limit(limit))]

    async def delete(self, run_ids: Sequence[str]) -> None:
        """Delete ended runs with all that belongs to them, and the deleted documents that only they told of."""
        gone = sa.delete(run).where(run.c.workspace_id == self.workspace, run.c.id.in_(run_ids), ~_ACTIVE)
        async with self.database.writing() as connection:
            await connection.execute(gone)
            for document, key in ((pipeline, run.c.pipeline_id), (policy, run.c.policy_id)):
                told = sa.exists().where(key == document.c.id)
                await connection.execute(sa.delete(document).where(document.c.former_name.is_not(None), ~told))

    def _is(self, run_id: str) -> tuple[sa.ColumnElement[bool], ...]:
        return (run.c.id == run_id, run.c.workspace_id == self.workspace)

    def _row(self, run_id: str, new: NewRun, key: str | None, digest: bytes) -> dict[str, object]:
        return {
            "id": run_id,
            "workspace_id": self.workspace,
            "pipeline_id": new.pipeline_id,
            "pipeline_version": new.pipeline_version,
            "policy_id": new.policy_id,
            "policy_version": new.policy_version,
            "scrub": new.scrub,
            "parallel_partitions": new.parallel_partitions,
            "started_by": new.started_by,
            "idempotency_key": key,
            "request_digest": digest,
            "state": RunState.QUEUED,
            "round": 1,
            "owner": "",
            "epoch": 0,
            "cancelling": False,
            "report": {},
            "last_event": 0,
            "last_log": 0,
        }

    def _mine(self, run_id: str, epoch: int) -> sa.Update:
        return sa.update(run).where(*self._is(run_id), run.c.epoch == epoch, run.c.state == RunState.RUNNING)

    async def _tell(self, change: sa.Update, kind: EventKind, data: Mapping[str, object]) -> Run | None:
        """Change a run and append the event that tells of it, both or neither; None when nothing was changed."""
        counted = change.values(last_event=run.c.last_event + 1).returning(run)
        async with self.database.writing() as connection:
            row = (await connection.execute(counted)).one_or_none()
            if row is None:
                return None
            await append(connection, row, kind, data)
        self.database.news.tell(row.id)
        return _run(row)

    @staticmethod
    def _require(run_id: str, changed: object | None) -> None:
        if changed is None:
            raise FenceLost(f"continuing run {run_id}: another gateway has taken it over, or it has ended")


def _run(row: sa.Row[Any]) -> Run:
    return Run(
        id=row.id,
        request=NewRun(
            pipeline_id=row.pipeline_id,
            pipeline_version=row.pipeline_version,
            parallel_partitions=row.parallel_partitions,
            scrub=ScrubMode(row.scrub),
            policy_id=row.policy_id,
            policy_version=row.policy_version,
            started_by=row.started_by,
        ),
        state=RunState(row.state),
        phase=Phase(row.phase) if row.phase else None,
        round=row.round,
        epoch=row.epoch,
        cancelling=row.cancelling,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        failure=failure_from(row.failure),
        report=row.report,
    )


def _progress(row: sa.Row[Any]) -> DatasetProgress:
    return DatasetProgress(
        name=DatasetName(row.schema_name, row.dataset_name),
        snapshot=row.visible,
        partitions=row.partitions,
        partitions_done=row.partitions_done,
        estimated_rows=row.estimated_rows,
        estimated_bytes=row.estimated_bytes,
        rows_read=row.rows_read,
        rows_written=row.rows_written,
        rows_filtered=row.rows_filtered,
        rows_rejected=row.rows_rejected,
        loaded_bytes=row.bytes,
    )

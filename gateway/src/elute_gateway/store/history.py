"""What a run tells: events for whoever watches it, and a log for whoever reads it later.

Both only grow, and their numbers are gapless in each run and committed in their order: the counter is a column of the
run, whose row lock a writer holds until its commit. A reader that has seen number n misses nothing by asking for n + 1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from elute_gateway.domain.run import EventKind, LogLevel, LogLine, RunEvent
from elute_gateway.store.database import Database, uninterrupted
from elute_gateway.store.tables import now, run, run_event, run_log


async def append(connection: AsyncConnection, row: sa.Row[Any], kind: EventKind, data: Mapping[str, object]) -> None:
    """Append the event that a run's row has just counted, in the transaction that changed the row.

    Args:
        connection: The transaction.
        row: The run, with its new `last_event`.
        kind: What the event says.
        data: More about it, a JSON object.
    """
    key = {"run_id": row.id, "number": row.last_event, "workspace_id": row.workspace_id}
    await connection.execute(sa.insert(run_event).values(at=now, kind=kind, data=dict(data), **key))


@uninterrupted
@dataclass(frozen=True, slots=True)
class History:
    """The events and logs of all runs."""

    database: Database

    async def tell(self, run_id: str, kind: EventKind, data: Mapping[str, object]) -> int:
        """Append an event; answers its number, or 0 when the run is gone."""
        counted = sa.update(run).where(run.c.id == run_id).values(last_event=run.c.last_event + 1)
        async with self.database.writing() as connection:
            row = (await connection.execute(counted.returning(run))).one_or_none()
            if row is None:
                return 0
            await append(connection, row, kind, data)
        self.database.news.tell(run_id)
        return int(row.last_event)

    def listening(self, run_id: str) -> AbstractContextManager[asyncio.Event]:
        """Give an event that is set whenever this gateway has told something of a run, while the block runs."""
        return self.database.news.listening(run_id)

    async def events(self, run_id: str, after: int = 0, limit: int = 1000) -> list[RunEvent]:
        """Return events in their order, from the one after number `after` on."""
        query = sa.select(run_event).where(run_event.c.run_id == run_id, run_event.c.number > after)
        async with self.database.reading() as connection:
            rows = await connection.execute(query.order_by(run_event.c.number).limit(limit))
            return [RunEvent(row.number, row.at, EventKind(row.kind), row.data) for row in rows]

    async def write(self, run_id: str, lines: Sequence[LogLine]) -> None:
        """Append lines to a run's log; their numbers and times are given here."""
        if not lines:
            return
        counted = sa.update(run).where(run.c.id == run_id).values(last_log=run.c.last_log + len(lines))
        async with self.database.writing() as connection:
            row = (await connection.execute(counted.returning(run.c.last_log, run.c.workspace_id))).one_or_none()
            if row is None:
                return
            last, workspace = row
            base = {"run_id": run_id, "workspace_id": workspace}
            rows = [
                {
                    **base,
                    "number": number,
                    "level": line.level,
                    "message": line.message,
                    "code": line.code,
                    "dataset": line.dataset,
                    "partition_id": line.partition,
                }
                for number, line in enumerate(lines, last - len(lines) + 1)
            ]
            await connection.execute(sa.insert(run_log).values(at=now), rows)

    async def log(self, run_id: str, after: int = 0, limit: int = 1000) -> list[LogLine]:
        """Return lines of a run's log in their order, from the one after number `after` on."""
        query = sa.select(run_log).where(run_log.c.run_id == run_id, run_log.c.number > after)
        async with self.database.reading() as connection:
            rows = await connection.execute(query.order_by(run_log.c.number).limit(limit))
            return [
                LogLine(row.message, LogLevel(row.level), row.code, row.dataset, row.partition_id, row.number, row.at)
                for row in rows
            ]

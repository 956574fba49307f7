"""The gateways and what they hold for a while: runs to execute, and the office of leader.

A lease, not a session lock: a gateway that is stopped, or cut off, keeps a lock and loses a lease.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from elute_gateway.domain.run import Heartbeat, RunState
from elute_gateway.store.database import IDLE_TRANSACTION_SECONDS, SESSION, Database, uninterrupted
from elute_gateway.store.tables import gateway, leader, now, partition, run

_ACTIVE = run.c.state.in_([RunState.QUEUED, RunState.RUNNING])
_SUCCESSION = "succession"
_FORGET_SECONDS = 3600.0

# The server's own limit on idle transactions does not see all: asyncpg sends a session's first statement of a kind in
# two parts, and between them the transaction of a stopped process counts as active.
_END_STOPPED = sa.text("""
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND application_name = :application
        AND state = 'active' AND wait_event = 'ClientRead' AND state_change < now() - make_interval(secs => :seconds)
""")


@uninterrupted
@dataclass(frozen=True, slots=True)
class Gateways:
    """The gateways of a workspace."""

    database: Database
    workspace: str

    async def enroll(self, gateway_id: str, name: str, lease_seconds: float) -> None:
        """Write that a gateway has started; one that was started before under the same name is gone.

        Its leases end now rather than in their time, so that its runs go on at once.
        """
        former = sa.select(gateway.c.id).where(gateway.c.workspace_id == self.workspace, gateway.c.name == name)
        row = {"id": gateway_id, "workspace_id": self.workspace, "name": name}
        async with self.database.writing() as connection:
            await connection.execute(sa.update(run).where(run.c.owner.in_(former)).values(lease=0))
            await connection.execute(sa.update(partition).where(partition.c.owner.in_(former)).values(lease=0))
            await connection.execute(sa.update(leader).where(leader.c.gateway_id.in_(former)).values(lease=0))
            await connection.execute(sa.delete(gateway).where(gateway.c.name == name))
            await connection.execute(sa.insert(gateway).values(started_at=now, lease=now + lease_seconds, **row))

    async def beat(self, gateway_id: str, runs: Collection[str], lease_seconds: float) -> dict[str, Heartbeat]:
        """Renew a gateway's lease and those on the runs that it executes.

        Returns:
            By run, what stands in the store; a run that is missing is another gateway's by now, or has ended.
        """
        alive = sa.update(gateway).where(gateway.c.id == gateway_id).values(lease=now + lease_seconds)
        held = (
            sa.update(run)
            .where(run.c.owner == gateway_id, run.c.id.in_(list(runs)), _ACTIVE)
            .values(lease=now + lease_seconds)
            .returning(run.c.id, run.c.epoch, run.c.cancelling)
        )
        async with self.database.writing() as connection:
            await connection.execute(alive)
            if not runs:
                return {}
            return {row.id: Heartbeat(row.epoch, row.cancelling) for row in await connection.execute(held)}

    async def end_stopped(self, after_seconds: float = IDLE_TRANSACTION_SECONDS) -> None:
        """End the sessions of gateways that stopped in the middle of a statement: others wait for their locks."""
        if not self.database.is_sqlite:
            values = {"application": SESSION["application_name"], "seconds": after_seconds}
            async with self.database.reading() as connection:
                await connection.execute(_END_STOPPED, values)

    async def lead(self, gateway_id: str, lease_seconds: float) -> bool:
        """Take or renew the office of leader; answers whether this gateway holds it."""
        insert = sqlite.insert(leader) if self.database.is_sqlite else postgresql.insert(leader)
        row = {"office": _SUCCESSION, "workspace_id": self.workspace, "gateway_id": gateway_id}
        values = {"gateway_id": gateway_id, "lease": now + lease_seconds}
        elected = (
            insert.values(lease=now + lease_seconds, **row)
            .on_conflict_do_update(
                index_elements=["office"],
                set_=values,
                where=sa.or_(leader.c.gateway_id == gateway_id, leader.c.lease < now),
            )
            .returning(leader.c.gateway_id)
        )
        async with self.database.writing() as connection:
            return (await connection.execute(elected)).first() is not None

    async def orphans(self, grace_seconds: float) -> list[tuple[str, int]]:
        """Find active runs whose gateway is gone, and keep them from being found again for a while.

        Returns:
            The id and the round of each.
        """
        found = (
            sa.update(run)
            .where(run.c.workspace_id == self.workspace, _ACTIVE, run.c.lease < now)
            .values(lease=now + grace_seconds)
            .returning(run.c.id, run.c.round)
        )
        forgotten = sa.delete(gateway).where(gateway.c.lease < now - _FORGET_SECONDS)
        async with self.database.writing() as connection:
            await connection.execute(forgotten)
            return [(row.id, row.round) for row in await connection.execute(found)]

    async def resign(self, gateway_id: str) -> None:
        """Write that a gateway stops: others may take its runs and its office at once."""
        async with self.database.writing() as connection:
            await connection.execute(sa.update(run).where(run.c.owner == gateway_id).values(lease=0))
            await connection.execute(sa.update(partition).where(partition.c.owner == gateway_id).values(lease=0))
            await connection.execute(sa.update(leader).where(leader.c.gateway_id == gateway_id).values(lease=0))
            await connection.execute(sa.delete(gateway).where(gateway.c.id == gateway_id))

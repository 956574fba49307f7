"""Who may enter, and what was done that somebody may ask about later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from elute_gateway.domain.access import AuditEvent, StoredKey
from elute_gateway.store.database import Database, uninterrupted
from elute_gateway.store.tables import api_key, audit_event, now, workspace
from elute_wire.errors import AlreadyExists


async def found_workspace(database: Database, workspace_id: str) -> None:
    """Make a workspace unless it exists."""
    async with database.writing() as connection:
        if await connection.scalar(sa.select(workspace.c.id).where(workspace.c.id == workspace_id)):
            return
        await connection.execute(sa.insert(workspace).values(id=workspace_id, name=workspace_id, created_at=now))


@uninterrupted
@dataclass(frozen=True, slots=True)
class ApiKeys:
    """The API keys of a workspace."""

    database: Database
    workspace: str

    async def insert(self, key: StoredKey) -> None:
        """Write a new key.

        Raises:
            AlreadyExists: Its name or prefix is taken.
        """
        row: dict[str, object] = {"id": key.id, "workspace_id": self.workspace, "name": key.name}
        row |= {"prefix": key.prefix, "hash": key.hash, "scopes": list(key.scopes), "expires_at": key.expires_at}
        async with self.database.writing() as connection:
            await connection.execute(sa.insert(api_key).values(created_at=now, **row))

    async def usable(self, prefix: str) -> StoredKey | None:
        """Find a key that has neither expired nor been revoked, by the database's clock."""
        query = sa.select(api_key).where(
            api_key.c.workspace_id == self.workspace,
            api_key.c.prefix == prefix,
            api_key.c.revoked_at.is_(None),
            sa.or_(api_key.c.expires_at.is_(None), api_key.c.expires_at > now),
        )
        async with self.database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return _key(row) if row else None

    async def page(self, after: str = "", limit: int = 50) -> list[StoredKey]:
        """Return keys by name, from the one after name `after` on."""
        query = sa.select(api_key).where(api_key.c.workspace_id == self.workspace, api_key.c.name > after)
        async with self.database.reading() as connection:
            return [_key(row) for row in await connection.execute(query.order_by(api_key.c.name).limit(limit))]

    async def revoke(self, key_id: str) -> bool:
        """Revoke a key; answers whether there is one of that id."""
        return await self._stamp(key_id, {"revoked_at": sa.func.coalesce(api_key.c.revoked_at, now)})

    async def touch(self, key_id: str) -> None:
        """Note that a key was used."""
        await self._stamp(key_id, {"last_used_at": now})

    async def _stamp(self, key_id: str, values: Mapping[str, object]) -> bool:
        same = (api_key.c.id == key_id, api_key.c.workspace_id == self.workspace)
        async with self.database.writing() as connection:
            return (await connection.execute(sa.update(api_key).where(*same).values(**values))).rowcount > 0


@uninterrupted
@dataclass(frozen=True, slots=True)
class Audit:
    """The audit trail of a workspace; it only grows."""

    database: Database
    workspace: str

    async def note(self, event: AuditEvent) -> None:
        """Append an event; its time is given here. Safe to repeat with the same id."""
        row: dict[str, object] = {"id": event.id, "workspace_id": self.workspace, "actor": event.actor}
        row |= {"action": event.action, "subject": event.subject, "detail": dict(event.detail)}
        try:
            async with self.database.writing() as connection:
                await connection.execute(sa.insert(audit_event).values(at=now, **row))
        except AlreadyExists:
            return

    async def page(self, before: str = "", limit: int = 50) -> Sequence[AuditEvent]:
        """Return events by id, newest first, older than the event `before`."""
        query = sa.select(audit_event).where(audit_event.c.workspace_id == self.workspace)
        if before:
            query = query.where(audit_event.c.id < before)
        async with self.database.reading() as connection:
            rows = await connection.execute(query.order_by(audit_event.c.id.desc()).limit(limit))
            return [AuditEvent(row.id, row.actor, row.action, row.subject, row.detail, row.at) for row in rows]


def _key(row: sa.Row[Any]) -> StoredKey:
    return StoredKey(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        hash=row.hash,
        scopes=tuple(row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )

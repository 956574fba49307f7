"""The connections that people have made. Their secrets are sealed: this store passes them on and cannot read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from elute_gateway.domain.connection import Connection, SealedSecret, StoredConnection
from elute_gateway.store.database import Database, uninterrupted
from elute_gateway.store.tables import connection as table
from elute_gateway.store.tables import now
from elute_wire.errors import AlreadyExists, NotFound


@uninterrupted
@dataclass(frozen=True, slots=True)
class Connections:
    """The connections of a workspace."""

    database: Database
    workspace: str

    async def insert(self, new: StoredConnection) -> StoredConnection:
        """Write a new connection.

        Raises:
            AlreadyExists: Its name is taken.
        """
        values = {**_values(new), "id": new.connection.id, "workspace_id": self.workspace, "revision": 1}
        async with self.database.writing() as opened:
            await opened.execute(sa.insert(table).values(created_at=now, **values))
        return await self.get(new.connection.id)

    async def get(self, id_or_name: str) -> StoredConnection:
        """Return a connection by its id or name.

        Raises:
            NotFound: There is none.
        """
        query = sa.select(table).where(
            table.c.workspace_id == self.workspace, sa.or_(table.c.id == id_or_name, table.c.name == id_or_name)
        )
        async with self.database.reading() as opened:
            # An id wins over a name that looks like it.
            rows = (await opened.execute(query)).all()
        for row in sorted(rows, key=lambda row: row.id != id_or_name):
            return _stored(row)
        raise NotFound(f"finding connection {id_or_name}: there is none")

    async def resolve(self, connection_id: str) -> Connection:
        """Return what services need to reach a connection's store.

        Raises:
            NotFound: There is no such connection.
        """
        return (await self.get(connection_id)).connection

    async def page(self, after: str = "", limit: int = 50) -> list[StoredConnection]:
        """Return connections by name, from the one after name `after` on."""
        query = sa.select(table).where(table.c.workspace_id == self.workspace, table.c.name > after)
        async with self.database.reading() as opened:
            return [_stored(row) for row in await opened.execute(query.order_by(table.c.name).limit(limit))]

    async def sealed_otherwise(self, key_id: str) -> list[StoredConnection]:
        """Return the connections whose secret is sealed to another key than this one."""
        query = sa.select(table).where(table.c.workspace_id == self.workspace, table.c.secret_key_id != key_id)
        async with self.database.reading() as opened:
            return [_stored(row) for row in await opened.execute(query.order_by(table.c.name))]

    async def update(self, changed: StoredConnection) -> StoredConnection:
        """Write a connection that was read at `changed.revision`.

        Raises:
            AlreadyExists: Somebody has changed it since, or its new name is taken.
        """
        same = (table.c.id == changed.connection.id, table.c.workspace_id == self.workspace)
        values = {**_values(changed), "revision": changed.revision + 1}
        async with self.database.writing() as opened:
            written = sa.update(table).where(*same, table.c.revision == changed.revision).values(**values)
            if (await opened.execute(written)).rowcount == 0:
                message = f"changing connection {changed.name}: somebody has changed or deleted it since it was read"
                raise AlreadyExists(message, hint="read it again")
        return await self.get(changed.connection.id)

    async def delete(self, connection_id: str) -> None:
        """Delete a connection; runs that used it keep its id."""
        same = (table.c.id == connection_id, table.c.workspace_id == self.workspace)
        async with self.database.writing() as opened:
            await opened.execute(sa.delete(table).where(*same))


def _values(stored: StoredConnection) -> dict[str, object]:
    secret = stored.connection.secret
    return {
        "name": stored.name,
        "system": stored.connection.system,
        "settings": stored.connection.settings,
        "secret_key_id": secret.key_id if secret else None,
        "secret_public_key": secret.ephemeral_public_key if secret else None,
        "secret_ciphertext": secret.ciphertext if secret else None,
        "parallel_partitions": stored.parallel_partitions,
    }


def _stored(row: sa.Row[Any]) -> StoredConnection:
    secret = (
        SealedSecret(row.secret_key_id, row.secret_public_key, row.secret_ciphertext) if row.secret_key_id else None
    )
    return StoredConnection(
        name=row.name,
        connection=Connection(row.id, row.system, row.settings, secret),
        parallel_partitions=row.parallel_partitions,
        revision=row.revision,
        created_at=row.created_at,
    )

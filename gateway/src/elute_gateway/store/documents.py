"""What people declare, version by version: pipelines and policies. A version never changes."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from elute_gateway.domain.document import Version
from elute_gateway.domain.run import RunState
from elute_gateway.store import tables
from elute_gateway.store.database import Database, uninterrupted
from elute_gateway.store.tables import now, run
from elute_wire.errors import InUse, NotFound

ACTIVE = (RunState.QUEUED, RunState.RUNNING)


@uninterrupted
class Documents:
    """The versioned documents of one kind in a workspace."""

    def __init__(self, database: Database, workspace: str, documents: sa.Table, versions: sa.Table) -> None:
        self._database = database
        self._workspace = workspace
        self._documents = documents
        self._versions = versions
        self._key = versions.c[f"{documents.name}_id"]

    async def save(self, new_id: str, name: str, text: str, digest: bytes, created_by: str) -> Version:
        """Declare a document; one that means the same as its last version makes no new one.

        Args:
            new_id: Its id if the name is new.
            name: Its name.
            text: What is declared.
            digest: SHA-256 of what it means.
            created_by: Who declares it.
        """
        async with self._database.writing() as connection:
            named = (self._documents.c.workspace_id == self._workspace, self._documents.c.name == name)
            found = await connection.scalar(sa.select(self._documents.c.id).where(*named).with_for_update())
            if found is None:
                row = {"id": new_id, "workspace_id": self._workspace, "name": name}
                await connection.execute(sa.insert(self._documents).values(created_at=now, **row))
            id_ = found or new_id
            last = (
                await connection.execute(
                    sa.select(self._versions.c.version, self._versions.c.digest)
                    .where(self._key == id_)
                    .order_by(self._versions.c.version.desc())
                    .limit(1)
                )
            ).one_or_none()
            if last is None or last.digest != digest:
                values = {
                    self._key.name: id_,
                    "workspace_id": self._workspace,
                    "version": (last.version if last else 0) + 1,
                }
                values |= {"document": text, "digest": digest, "created_by": created_by}
                await connection.execute(sa.insert(self._versions).values(created_at=now, **values))
        return await self.get(id_)

    async def get(self, id_or_name: str, number: int | None = None) -> Version:
        """Return a version of a document, the last one unless another is asked for.

        Raises:
            NotFound: There is no such document, or version of it.
        """
        wanted = sa.or_(self._documents.c.id == id_or_name, self._documents.c.name == id_or_name)
        return await self._find(id_or_name, number, wanted, self._documents.c.former_name.is_(None))

    async def recall(self, id_: str, number: int | None = None) -> Version:
        """Return a version of a document that a run tells of, even of one that was deleted since.

        Raises:
            NotFound: There is no such document, or version of it.
        """
        return await self._find(id_, number, self._documents.c.id == id_)

    async def delete(self, id_: str) -> None:
        """Delete a document. One that runs tell of gives up its name, and goes with the last of them.

        Raises:
            InUse: A run that has not ended uses it.
        """
        mine = (self._documents.c.id == id_, self._documents.c.workspace_id == self._workspace)
        using = run.c[self._key.name] == id_
        gone = {"former_name": self._documents.c.name, "name": self._documents.c.id}
        async with self._database.writing() as connection:
            active = await connection.scalar(sa.select(run.c.id).where(using, run.c.state.in_(ACTIVE)).limit(1))
            if active is not None:
                raise InUse(f"run {active} uses it", hint="cancel the run, or wait for it")
            if await connection.scalar(sa.select(run.c.id).where(using).limit(1)) is None:
                await connection.execute(sa.delete(self._documents).where(*mine))
            else:
                kept = (*mine, self._documents.c.former_name.is_(None))
                await connection.execute(sa.update(self._documents).where(*kept).values(gone))

    async def page(self, after: str = "", limit: int = 50) -> list[Version]:
        """Return the last versions by name, from the one after name `after` on."""
        every = self._versions.alias()
        newest = (
            sa.select(sa.func.max(every.c.version))
            .where(every.c[self._key.name] == self._documents.c.id)
            .correlate(self._documents)
            .scalar_subquery()
        )
        present = (self._documents.c.former_name.is_(None), self._versions.c.version == newest)
        query = self._select().where(self._documents.c.name > after, *present)
        async with self._database.reading() as connection:
            rows = await connection.execute(query.order_by(self._documents.c.name).limit(limit))
            return [_version(row) for row in rows]

    async def versions(self, id_: str) -> list[Version]:
        """Return all versions of a document, newest first."""
        query = self._select().where(self._documents.c.id == id_).order_by(self._versions.c.version.desc())
        async with self._database.reading() as connection:
            return [_version(row) for row in await connection.execute(query)]

    async def _find(self, id_or_name: str, number: int | None, *wanted: sa.ColumnElement[bool]) -> Version:
        query = self._select().where(*wanted)
        if number is not None:
            query = query.where(self._versions.c.version == number)
        # An id wins over a name that looks like it.
        order = (self._documents.c.id != id_or_name, self._versions.c.version.desc())
        async with self._database.reading() as connection:
            row = (await connection.execute(query.order_by(*order).limit(1))).one_or_none()
        if row is None:
            which = f"{self._documents.name} {id_or_name}" + (f", version {number}" if number is not None else "")
            raise NotFound(f"finding {which}: there is none")
        return _version(row)

    def _select(self) -> sa.Select[Any]:
        name = sa.func.coalesce(self._documents.c.former_name, self._documents.c.name).label("name")
        return (
            sa.select(self._documents.c.id, name, self._versions)
            .join_from(self._documents, self._versions, self._key == self._documents.c.id)
            .where(self._documents.c.workspace_id == self._workspace)
        )


def policies(database: Database, workspace: str) -> Documents:
    """Open the policies of a workspace."""
    return Documents(database, workspace, tables.policy, tables.policy_version)


def pipelines(database: Database, workspace: str) -> Documents:
    """Open the pipelines of a workspace."""
    return Documents(database, workspace, tables.pipeline, tables.pipeline_version)


def _version(row: sa.Row[Any]) -> Version:
    return Version(row.id, row.name, row.version, row.document, row.digest, row.created_by, row.created_at)

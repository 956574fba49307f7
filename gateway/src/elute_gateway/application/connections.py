"""Connections: made, changed, tried, looked into. Their secrets go in sealed and never come out."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from elute_gateway.application.auditing import Auditing
from elute_gateway.application.planning_ports import Stores
from elute_gateway.application.ports import RunStore
from elute_gateway.domain.access import Action, Caller
from elute_gateway.domain.canonical import canonical_json
from elute_gateway.domain.catalog import Catalog
from elute_gateway.domain.connection import Connection, SealedSecret, StoredConnection
from elute_gateway.domain.identifier import new_id
from elute_gateway.domain.names import DatasetName
from elute_gateway.domain.run import RunState
from elute_wire.errors import AlreadyExists, InUse, InvalidRequest, Problem
from elute_wire.seal import PublicKey

_SECRET_WORDS = ("password", "passwd", "secret", "token", "credential", "private_key")
_ACTIVE = (RunState.QUEUED, RunState.RUNNING)

Settings = Mapping[str, object]


class Role(StrEnum):
    """What a connection is used for."""

    SOURCE = "source"
    TARGET = "target"


@dataclass(frozen=True, slots=True)
class Checked:
    """What a connection lacks; no error among the problems means that it can be used.

    Attributes:
        problems: The findings.
        server_version: The store's version; empty when it was not reached.
        encrypted: Whether the connection's transport is.
    """

    problems: tuple[Problem, ...]
    server_version: str
    encrypted: bool


class Checking(Protocol):
    """The connector service, as far as trying a connection needs it."""

    async def check(self, connection: Connection, role: Role, datasets: Sequence[DatasetName]) -> Checked:
        """Answer what a connection lacks for its role; without datasets, for all of them.

        Raises:
            InvalidRequest: Its settings are not what the connector takes.
            ServiceUnavailable: No connector answers.
        """
        ...


class ConnectionRecords(Protocol):
    """Where connections are kept; see `store.connections`."""

    async def insert(self, new: StoredConnection) -> StoredConnection:
        """Write a new connection."""
        ...

    async def get(self, id_or_name: str) -> StoredConnection:
        """Return a connection by its id or name."""
        ...

    async def page(self, after: str = "", limit: int = 50) -> list[StoredConnection]:
        """Return connections by name."""
        ...

    async def update(self, changed: StoredConnection) -> StoredConnection:
        """Write a connection that was read at `changed.revision`."""
        ...

    async def delete(self, connection_id: str) -> None:
        """Delete a connection."""
        ...


@dataclass(frozen=True, slots=True)
class ConnectionUseCases:
    """The connections of a workspace."""

    records: ConnectionRecords
    sealing: PublicKey
    checking: Checking
    stores: Stores
    runs: RunStore
    audit: Auditing

    async def create(
        self, caller: Caller, name: str, system: str, *, settings: Settings, secrets: Settings, parallel_partitions: int
    ) -> StoredConnection:
        """Make a connection; nothing is tried yet.

        Args:
            caller: Who wants it.
            name: Its name, unique.
            system: Which connector speaks to it.
            settings: The connector's settings.
            secrets: Its secret settings.
            parallel_partitions: The most partitions that load from or to it at a time, all runs together.

        Raises:
            InvalidRequest: A setting looks like a secret.
            AlreadyExists: The name is taken.
        """
        _require_open(settings)
        id_ = new_id()
        connection = Connection(id_, system, canonical_json(settings), self._sealed(id_, secrets))
        try:
            stored = await self.records.insert(StoredConnection(name, connection, parallel_partitions))
        except AlreadyExists as error:
            raise error.within(f"making connection {name}") from None
        await self.audit.note(caller, Action.CONNECTION_CREATED, f"connection {name}")
        return stored

    async def change(
        self, caller: Caller, read: StoredConnection, settings: Settings, secrets: Settings, parallel_partitions: int
    ) -> StoredConnection:
        """Change a connection as it was read.

        Other settings need the secrets anew: else whoever may change a host could have a secret sent to their own.

        Raises:
            InvalidRequest: A setting looks like a secret, or the secrets are missing.
            AlreadyExists: Somebody has changed it since it was read.
        """
        _require_open(settings)
        former = read.connection
        if canonical_json(settings) != former.settings and former.secret and not secrets:
            raise InvalidRequest(
                f"changing connection {read.name}: other settings need the secrets again",
                hint="send `secrets` too: they are never sent to another place than the one that they were given for",
            )
        secret = self._sealed(former.id, secrets) if secrets else former.secret
        connection = replace(former, settings=canonical_json(settings), secret=secret)
        changed = replace(read, connection=connection, parallel_partitions=parallel_partitions)
        stored = await self.records.update(changed)
        await self.audit.note(caller, Action.CONNECTION_CHANGED, f"connection {read.name}")
        return stored

    async def get(self, name: str) -> StoredConnection:
        """Return a connection by its name or id.

        Raises:
            NotFound: There is none.
        """
        return await self.records.get(name)

    async def page(self, after: str, limit: int) -> list[StoredConnection]:
        """Return connections by name, from the one after name `after` on."""
        return await self.records.page(after, limit)

    async def delete(self, caller: Caller, name: str) -> None:
        """Delete a connection.

        Raises:
            NotFound: There is none.
            InUse: A run uses it.
        """
        stored = await self.get(name)
        for run in await self.runs.page(states=_ACTIVE, limit=1000):
            plan = await self.runs.plan(run.id)
            if plan and stored.name in {plan.source, plan.target}:
                raise InUse(
                    f"deleting connection {stored.name}: run {run.id} uses it", hint="cancel the run, or wait for it"
                )
        await self.records.delete(stored.connection.id)
        await self.audit.note(caller, Action.CONNECTION_DELETED, f"connection {stored.name}")

    async def check(self, name: str, role: Role, datasets: Collection[DatasetName]) -> Checked:
        """Have a connector try a connection.

        Raises:
            NotFound: There is none.
            InvalidRequest: Its settings are not what the connector takes.
        """
        return await self.checking.check((await self.get(name)).connection, role, tuple(datasets))

    async def discover(self, name: str) -> Catalog:
        """Find out what a connection's store holds.

        Raises:
            NotFound: There is no such connection.
            StoreError: It cannot be reached or read.
        """
        return await self.stores.discover((await self.get(name)).connection)

    def _sealed(self, id_: str, secrets: Settings) -> SealedSecret | None:
        if not secrets:
            return None
        sealed = self.sealing.seal(json.dumps(dict(secrets)).encode(), id_.encode())
        return SealedSecret(sealed.key_id, sealed.ephemeral_public_key, sealed.ciphertext)


def _require_open(settings: Settings) -> None:
    """Refuse a secret among the settings that anyone may read."""
    hidden = sorted(name for name in settings if any(word in name.lower() for word in _SECRET_WORDS))
    if hidden:
        raise InvalidRequest(
            f"reading the settings: {', '.join(hidden)} looks like a secret, and settings can be read by others",
            hint="put it into `secrets`",
        )

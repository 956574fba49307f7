"""The open stores of this process: one per connection, shared by all calls; of many, the longest unused are closed."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from elute_connector.domain.connector import ConnectorDefinition, Role, Source, Store, Target
from elute_wire.errors import InvalidRequest, PlanRefused, Problem
from elute_wire.seal import Sealed, SealingKeys

_MOST_OPEN = 32


@dataclass(frozen=True, slots=True)
class ConnectionSpec:
    """A connection as a request carries it.

    Attributes:
        id: Its stable id, the associated data of its secret.
        system: Which connector speaks to it.
        settings: The connector's settings, a JSON object.
        secret: The connector's secrets, a JSON object, sealed; None when it has none.
    """

    id: str
    system: str
    settings: str
    secret: Sealed | None

    @property
    def digest(self) -> str:
        """What tells it from the same connection with other settings or another secret."""
        sealed = self.secret.pack() if self.secret else b""
        parts = (self.id.encode(), self.system.encode(), self.settings.encode(), sealed)
        return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).hexdigest()


@dataclass
class _Open:
    store: Store
    users: int = 0


class Stores:
    """Opens stores and keeps them for the next call."""

    def __init__(self, connectors: Mapping[str, ConnectorDefinition], keys: SealingKeys, executor: Executor) -> None:
        self._connectors = connectors
        self._keys = keys
        self._executor = executor
        self._open: OrderedDict[str, _Open] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def definition(self, system: str) -> ConnectorDefinition:
        """Find a connector.

        Raises:
            InvalidRequest: There is none of that name.
        """
        if system not in self._connectors:
            raise InvalidRequest(
                f"opening a connection: there is no connector {system!r}",
                hint=f"there are: {', '.join(self._connectors)}",
            )
        return self._connectors[system]

    def source(self, spec: ConnectionSpec) -> AbstractAsyncContextManager[Source]:
        """Use a connection's store to read; see `using`."""
        return self.using(spec, Role.SOURCE)

    def target(self, spec: ConnectionSpec) -> AbstractAsyncContextManager[Target]:
        """Use a connection's store to write; see `using`."""
        return self.using(spec, Role.TARGET)

    @asynccontextmanager
    async def using(self, spec: ConnectionSpec, role: Role | None = None) -> AsyncIterator[Any]:
        """Use a connection's store for the length of the block, as what its connector says that it can be.

        Raises:
            PlanRefused: Stores of its kind cannot be used in that role.
            InvalidRequest: Its settings are not what the connector takes.
            SecretUnreadable: Its secret is not sealed to this service, or belongs to another connection.
        """
        if role and role not in self.definition(spec.system).roles:
            raise PlanRefused(f"using connection {spec.id} as a {role}: connector {spec.system} cannot do that")
        entry = self._open.get(spec.digest)
        if entry is None:
            entry = self._open[spec.digest] = _Open(self._opened(spec))
        self._open.move_to_end(spec.digest)
        entry.users += 1
        try:
            yield entry.store
        finally:
            entry.users -= 1
            await self._trim()

    async def close(self) -> None:
        """Close all stores."""
        while self._open:
            await self._open.popitem()[1].store.close()

    def _opened(self, spec: ConnectionSpec) -> Store:
        definition = self.definition(spec.system)
        secret = self._keys.open(spec.secret, spec.id.encode()) if spec.secret else b"{}"
        try:
            config = definition.config.model_validate_json(spec.settings)
            secrets = definition.secrets.model_validate_json(secret)
        except ValidationError as error:
            raise _refused(spec, error) from None
        return definition.open(config, secrets, self._executor)

    async def _trim(self) -> None:
        while len(self._open) > _MOST_OPEN:
            unused = next((digest for digest, entry in self._open.items() if not entry.users), None)
            if unused is None:
                return
            await self._open.pop(unused).store.close()


def _refused(spec: ConnectionSpec, error: ValidationError) -> InvalidRequest:
    problems = tuple(
        Problem(
            "connection-setting",
            f"setting {'.'.join(map(str, entry['loc'])) or '(all)'}: {entry['type'].replace('_', ' ')}",
            pointer="/settings/" + "/".join(map(str, entry["loc"])),
        )
        for entry in error.errors(include_input=False, include_url=False, include_context=False)
    )
    return InvalidRequest(
        f"opening connection {spec.id}: {'; '.join(problem.message for problem in problems)}", problems=problems
    )

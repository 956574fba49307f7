"""Follows the connectors to their next key: secrets that are sealed to another one are sealed anew, by the connectors.

The gateway can open neither form. It finds the secrets that are not sealed to the public key that it was given, and
stores what the connectors answer, until there is none left: then the former private key can go.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Protocol

from elute_gateway.application import meters
from elute_gateway.domain.connection import Connection, SealedSecret, StoredConnection
from elute_wire.errors import AlreadyExists, EluteError, SecretUnreadable
from elute_wire.seal import PublicKey
from elute_wire.telemetry import logger

_EVERY_SECONDS = 15.0

_log = logger(__name__)


class Sealing(Protocol):
    """The connector service, as far as sealing goes."""

    async def reseal(self, connection: Connection) -> SealedSecret:
        """Seal a connection's secret to the connectors' current key.

        Raises:
            SecretUnreadable: They cannot open it.
            ServiceUnavailable: No connector answers.
        """
        ...


class SealedRecords(Protocol):
    """Where connections are kept; see `store.connections`."""

    async def sealed_otherwise(self, key_id: str) -> list[StoredConnection]:
        """Return the connections whose secret is sealed to another key."""
        ...

    async def update(self, changed: StoredConnection) -> StoredConnection:
        """Write a connection that was read at `changed.revision`."""
        ...


@dataclass(frozen=True, slots=True)
class Resealing:
    """The secrets of a workspace, and the key that they are to be sealed to."""

    records: SealedRecords
    sealing: Sealing
    key: PublicKey

    async def keep_resealing(self) -> None:
        """Reseal what is left of it again and again; a store or a connector that is away is survived."""
        while True:
            try:
                meters.CONNECTIONS_TO_RESEAL.set(await self.reseal())
            except EluteError as error:
                _log.warning("secrets could not be sealed anew", code=error.code)
            await asyncio.sleep(_EVERY_SECONDS)

    async def reseal(self) -> int:
        """Have every secret sealed anew that is sealed to another key; answers how many are left.

        Raises:
            EluteError: The store or the connectors cannot be asked.
        """
        found = await self.records.sealed_otherwise(self.key.key_id)
        return len(found) - sum([await self._resealed(stored) for stored in found])

    async def _resealed(self, stored: StoredConnection) -> bool:
        """Have one secret sealed anew; answers whether it is sealed to the key now."""
        try:
            secret = await self.sealing.reseal(stored.connection)
        except SecretUnreadable:
            _log.warning("no connector can open the secret of a connection", connection=stored.name)
            return False
        if secret.key_id != self.key.key_id:
            return False  # the connectors have not been told of the key yet, or have one that this gateway has not
        try:
            await self.records.update(replace(stored, connection=replace(stored.connection, secret=secret)))
        except AlreadyExists:
            return False  # somebody has changed the connection meanwhile: the next round sees it as it is
        _log.info("a secret was sealed anew", connection=stored.name)
        return True

"""The gateway has secrets follow the connectors to their next key, and can open none of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
import sqlalchemy as sa

from elute_gateway.application.resealing import Resealing
from elute_gateway.clients.sealing import ConnectorSealing
from elute_gateway.domain.connection import Connection, SealedSecret, StoredConnection
from elute_gateway.domain.identifier import new_id
from elute_gateway.store.connections import Connections
from elute_gateway.store.database import Database as Store
from elute_gateway.store.tables import connection as table
from elute_wire import metrics
from elute_wire.channel import ServiceChannel
from elute_wire.seal import PublicKey, Sealed, SealingKeys, create_sealing_key
from tests.support.gateway import WORKSPACE
from tests.support.services import System

SECRET = "correct horse battery staple"


@dataclass(frozen=True)
class Rotation:
    """A store with two secrets under the connector's first key, and the key that comes next."""

    system: System
    store: Store
    channel: ServiceChannel
    next_key: PublicKey

    @property
    def first_key(self) -> PublicKey:
        return SealingKeys.read(self.system.folder / "sealing.pem").public

    @property
    def records(self) -> Connections:
        return Connections(self.store, WORKSPACE)

    def resealing(self, key: PublicKey) -> Resealing:
        return Resealing(self.records, ConnectorSealing(self.channel), key)

    async def add(self, name: str, key: PublicKey) -> None:
        sealed = key.seal(json.dumps({"password": SECRET}).encode(), (id_ := new_id()).encode())
        secret = SealedSecret(sealed.key_id, sealed.ephemeral_public_key, sealed.ciphertext)
        await self.records.insert(StoredConnection(name, Connection(id_, "postgresql", secret=secret)))

    async def keys(self) -> set[str]:
        """The ids of the keys that secrets are sealed to."""
        async with self.store.reading() as opened:
            query = sa.select(table.c.secret_key_id).where(table.c.secret_key_id.is_not(None))
            return set((await opened.execute(query)).scalars())

    async def start_connector(self, current: str, *former: str) -> None:
        """Start the connector anew with some of the keys."""
        connector = self.system.connector
        connector.environment["ELUTE_SEALING_KEY_FILE"] = str(self.system.folder / current)
        files = [str(self.system.folder / name) for name in former]
        connector.environment["ELUTE_FORMER_SEALING_KEY_FILES"] = json.dumps(files)
        connector.stop()
        connector.start()
        await connector.ready()


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
async def rotation(own_connector: System, store: Store) -> AsyncIterator[Rotation]:
    next_key = create_sealing_key(own_connector.folder / "next.pem")
    async with own_connector.connector.channel() as channel:
        rotation = Rotation(own_connector, store, channel, next_key)
        for stored in await rotation.records.page():
            await rotation.records.delete(stored.connection.id)
        for name in ("one", "two"):
            await rotation.add(name, rotation.first_key)
        yield rotation


async def test_secrets_follow_the_connectors_key_and_the_former_one_can_go(rotation: Rotation) -> None:
    await rotation.start_connector("next.pem", "sealing.pem")
    assert await rotation.resealing(rotation.next_key).reseal() == 0
    assert await rotation.keys() == {rotation.next_key.key_id}
    await rotation.start_connector("next.pem")
    (rotation.system.folder / "sealing.pem").unlink()
    keys = SealingKeys.read(rotation.system.folder / "next.pem")
    for name in ("one", "two"):
        connection = (await rotation.records.get(name)).connection
        assert connection.secret
        sealed = Sealed(connection.secret.key_id, connection.secret.ephemeral_public_key, connection.secret.ciphertext)
        assert json.loads(keys.open(sealed, connection.id.encode())) == {"password": SECRET}
        # The connector that has the new key alone opens it as well.
        assert (await ConnectorSealing(rotation.channel).reseal(connection)).key_id == rotation.next_key.key_id
    assert SECRET not in rotation.system.logs()


async def test_nothing_is_written_before_the_connectors_have_the_key(rotation: Rotation) -> None:
    assert await rotation.resealing(rotation.next_key).reseal() == 2
    assert await rotation.keys() == {rotation.first_key.key_id}
    assert (await rotation.records.get("one")).revision == 1


async def test_a_gateway_that_still_has_the_former_key_takes_nothing_back(rotation: Rotation) -> None:
    await rotation.start_connector("next.pem", "sealing.pem")
    await rotation.resealing(rotation.next_key).reseal()
    assert await rotation.resealing(rotation.first_key).reseal() == 2
    assert await rotation.keys() == {rotation.next_key.key_id}
    assert (await rotation.records.get("one")).revision == 2


async def test_a_secret_that_nobody_can_open_keeps_no_other_back(rotation: Rotation) -> None:
    lost = create_sealing_key(rotation.system.folder / "lost.pem")
    await rotation.add("a-lost-one", lost)
    await rotation.start_connector("next.pem", "sealing.pem")
    assert await rotation.resealing(rotation.next_key).reseal() == 1
    assert await rotation.keys() == {rotation.next_key.key_id, lost.key_id}


async def test_a_change_of_a_connection_meanwhile_is_not_undone(rotation: Rotation) -> None:
    await rotation.start_connector("next.pem", "sealing.pem")

    class Meanwhile(ConnectorSealing):
        async def reseal(self, connection: Connection) -> SealedSecret:
            read = await rotation.records.get(connection.id)
            changed = replace(read.connection, settings='{"host": "elsewhere"}')
            await rotation.records.update(replace(read, connection=changed))
            return await super().reseal(connection)

    changing = Resealing(rotation.records, Meanwhile(rotation.channel), rotation.next_key)
    assert await changing.reseal() == 2
    assert (await rotation.records.get("one")).connection.settings == '{"host": "elsewhere"}'
    assert await rotation.resealing(rotation.next_key).reseal() == 0
    assert (await rotation.records.get("one")).connection.settings == '{"host": "elsewhere"}'


async def test_a_connector_that_is_away_is_asked_again(rotation: Rotation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elute_gateway.application.resealing._EVERY_SECONDS", 0.05)
    rotation.system.connector.stop()
    task = asyncio.create_task(rotation.resealing(rotation.next_key).keep_resealing())
    try:
        await asyncio.sleep(0.2)
        await rotation.start_connector("next.pem", "sealing.pem")
        async with asyncio.timeout(20):
            while await rotation.keys() != {rotation.next_key.key_id}:
                await asyncio.sleep(0.05)
            while metrics.REGISTRY.get_sample_value("elute_connections_to_reseal") != 0:
                await asyncio.sleep(0.05)
    finally:
        task.cancel()
        await asyncio.wait({task})

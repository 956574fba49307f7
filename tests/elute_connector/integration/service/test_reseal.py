"""Secrets are sealed to the connectors: they are sealed anew when the key rotates, and open nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

import grpc
import pytest

from elute.v1 import connector_pb2, connector_pb2_grpc, stage_pb2
from elute_wire.errors import SecretUnreadable
from elute_wire.seal import Sealed, SealingKeys, create_sealing_key
from elute_wire.status import from_rpc
from tests.elute_connector.integration.service.copying import copier, fingerprint
from tests.support.postgresql import Database
from tests.support.services import System

SECRET = "correct horse battery staple"
Stub: TypeAlias = "connector_pb2_grpc.ConnectorServiceAsyncStub"  # a class for type checkers only


@asynccontextmanager
async def stub_of(system: System) -> AsyncIterator[Stub]:
    async with system.connector.channel() as channel:
        yield connector_pb2_grpc.ConnectorServiceStub(channel)


async def rotate(system: System, current: str, former: str = "") -> None:
    """Start the connector anew, with one key or two."""
    environment = system.connector.environment
    environment["ELUTE_SEALING_KEY_FILE"] = str(system.folder / current)
    environment["ELUTE_FORMER_SEALING_KEY_FILES"] = f'["{system.folder / former}"]' if former else "[]"
    system.connector.stop()
    system.connector.start()
    await system.connector.ready()


async def discover(stub: Stub, connection: stage_pb2.Connection) -> None:
    await stub.Discover(connector_pb2.DiscoverRequest(connection=connection))


async def resealed(stub: Stub, connection: stage_pb2.Connection) -> stage_pb2.Connection:
    (secret,) = (await stub.Reseal(connector_pb2.ResealRequest(connections=[connection]))).secrets
    return stage_pb2.Connection(id=connection.id, system=connection.system, settings=connection.settings, secret=secret)


async def unreadable(stub: Stub, connection: stage_pb2.Connection) -> bool:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await discover(stub, connection)
    return isinstance(from_rpc(caught.value, "discovering", "connector"), SecretUnreadable)


def opened_by(keys: SealingKeys, connection: stage_pb2.Connection) -> bytes:
    secret = connection.secret
    sealed = Sealed(secret.key_id, secret.ephemeral_public_key, secret.ciphertext)
    return keys.open(sealed, connection.id.encode())


async def test_a_secret_is_read_through_a_rotation_of_the_key_and_no_longer_with_the_old_one(
    own_connector: System, source: Database
) -> None:
    system = own_connector
    old = system.connection("shop", source, {"password": SECRET})
    current = create_sealing_key(system.folder / "current.pem")
    await rotate(system, "current.pem", former="sealing.pem")
    async with stub_of(system) as stub:
        await discover(stub, old)
        new = await resealed(stub, old)
        assert (old.secret.key_id != current.key_id, new.secret.key_id) == (True, current.key_id)
        await discover(stub, new)
    await rotate(system, "current.pem")
    async with stub_of(system) as stub:
        await discover(stub, new)
        assert await unreadable(stub, old)
    assert SECRET.encode() in opened_by(SealingKeys.read(system.folder / "current.pem"), new)
    assert SECRET not in system.logs()


async def test_slices_that_were_planned_before_a_rotation_are_read_after_it(
    own_connector: System, source: Database, target: Database
) -> None:
    source.run("""CREATE TABLE people (id bigint, name text);
        INSERT INTO people SELECT g, 'name ' || g FROM generate_series(1, 20000) g;
        CREATE VIEW seen AS SELECT id, name FROM people""")
    target.run("CREATE TABLE seen (id bigint, name text)")
    async with copier(own_connector, source, target) as copy:
        planned = await copy.slices("seen", target_bytes=64 * 1024)
        # The bounds are values of keys: they are sealed as secrets are.
        assert all(cut.slice.keys.bounds for cut in planned)
        create_sealing_key(own_connector.folder / "current.pem")
        await rotate(own_connector, "current.pem", former="sealing.pem")
        for place, cut in enumerate(planned):
            await copy.load(copy.request(f"p{place}", copy.unit("seen", copy.stage("seen", cut.slice))))
    assert len(planned) > 1
    assert await fingerprint(target, "seen") == await fingerprint(source, "seen")


async def test_who_has_the_public_key_and_a_sealed_secret_reads_nothing(services: System, source: Database) -> None:
    connection = services.connection("shop", source, {"password": SECRET})
    create_sealing_key(services.folder / "foreign.pem")
    foreign = SealingKeys.read(services.folder / "foreign.pem")
    async with stub_of(services) as stub:
        await discover(stub, connection)
        # What the connector answers is sealed again, whoever asks for it.
        for sealed in (connection, await resealed(stub, connection)):
            assert SECRET.encode() not in sealed.SerializeToString()
            with pytest.raises(SecretUnreadable):
                opened_by(foreign, sealed)
        # Under the name of another connection, with a server of the caller's choice, it does not open.
        connection.id = "mine"
        assert await unreadable(stub, connection)
        connection.id, changed = "shop", bytearray(connection.secret.ciphertext)
        changed[0] ^= 1
        connection.secret.ciphertext = bytes(changed)
        assert await unreadable(stub, connection)

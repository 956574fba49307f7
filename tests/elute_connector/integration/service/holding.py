"""Holds snapshots as a gateway would: a stream of signs of life, from whichever connector."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import grpc
import grpc.aio
import pytest

from elute.v1 import connector_pb2, connector_pb2_grpc
from elute_wire.errors import EluteError
from elute_wire.status import from_rpc
from tests.elute_connector.integration.service.copying import Copier
from tests.support.postgresql import Database
from tests.support.services import ServiceProcess

HOLDER = "application_name = 'elute snapshot holder' AND datname = current_database()"


@dataclass
class Held:
    """A snapshot and its stream."""

    call: grpc.aio.UnaryStreamCall[Any, connector_pb2.HoldSnapshotResponse]
    first: connector_pb2.HoldSnapshotResponse

    async def next(self, seconds: float = 20) -> connector_pb2.HoldSnapshotResponse | None:
        """The next sign of life; None when the stream has ended."""
        async with asyncio.timeout(seconds):
            answer = await self.call.read()
        return answer if isinstance(answer, connector_pb2.HoldSnapshotResponse) else None

    async def error(self) -> EluteError:
        """The error that the stream ends with."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            while await self.next() is not None:
                continue
        return from_rpc(caught.value, "holding", "connector")


async def held(copy: Copier, *names: str, handle: str = "held", lock_timeout_seconds: int = 2, **more: Any) -> Held:
    """Attach to a snapshot of datasets, in the state that discovery found them."""
    datasets = [copy.catalogs["source"][name] for name in names]
    call = copy.stub.HoldSnapshot(
        connector_pb2.HoldSnapshotRequest(
            handle=handle,
            connection=copy.source,
            datasets=[dataset.name for dataset in datasets],
            dataset_fingerprints=[dataset.fingerprint for dataset in datasets],
            lock_timeout_seconds=lock_timeout_seconds,
            **{"lease_seconds": 30, **more},
        )
    )
    async with asyncio.timeout(20):
        first = await call.read()
    assert isinstance(first, connector_pb2.HoldSnapshotResponse)
    return Held(call, first)


async def refused(copy: Copier, *names: str, **more: Any) -> EluteError:
    """The error that a snapshot is refused with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await held(copy, *names, **more)
    return from_rpc(caught.value, "holding", "connector")


@asynccontextmanager
async def through(copy: Copier, connector: ServiceProcess) -> AsyncIterator[Copier]:
    """The same run through another connector."""
    async with connector.channel() as channel:
        yield replace(copy, stub=connector_pb2_grpc.ConnectorServiceStub(channel))


async def until(database: Database, condition: str, seconds: float = 20) -> None:
    """Wait until a condition on the server holds."""
    connection = await database.connect()
    try:
        async with asyncio.timeout(seconds):
            while not await connection.fetchval(f"SELECT {condition}"):
                await asyncio.sleep(0.02)
    finally:
        await connection.close()


async def until_free(database: Database, table: str) -> None:
    """Wait until nobody but vacuum has a lock on a table."""
    await until(database, f"NOT EXISTS (SELECT FROM pg_locks WHERE relation = '{table}'::regclass)")

"""One channel a peer, found again as soon as the peer is back."""

from __future__ import annotations

import asyncio
import time

import pytest

from elute.v1 import connector_pb2
from elute_wire import errors, status
from elute_wire.channel import Peers
from elute_wire.errors import InvalidRequest
from elute_wire.identity import ServiceName
from elute_wire.settings import ServiceSettings
from tests.support.wire import Client, Connect, Serve


async def test_peers_are_called_by_one_channel_each(serve: Serve) -> None:
    async with serve(listen_address="127.0.0.1:0") as server:
        settings = ServiceSettings.model_validate(
            {"listen_address": "unix:x", "connector_address": f"localhost:{server.address.port}"}
        )
        async with Peers(settings) as peers:
            channel = peers.channel(ServiceName.CONNECTOR)
            assert peers.channel(ServiceName.CONNECTOR) is channel
            assert (await Client(channel).check()).server_version == "18.4"
            with pytest.raises(InvalidRequest, match="finding the transform service") as caught:
                peers.channel(ServiceName.TRANSFORM)
            assert caught.value.hint == "set ELUTE_TRANSFORM_ADDRESS"


async def test_a_service_that_comes_back_is_found_within_two_seconds(serve: Serve, connect: Connect) -> None:
    async with serve() as server, connect(server) as client:
        await client.check()
        await server.stop()
        for _ in range(20):
            with pytest.raises(errors.ServiceUnavailable), status.calling("connector", "asking"):
                await client.check()
            await asyncio.sleep(0.05)
        async with serve():
            back = time.perf_counter()
            await client.connector.Check(connector_pb2.CheckRequest(), wait_for_ready=True, timeout=5)
            assert time.perf_counter() - back < 2

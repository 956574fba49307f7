"""The connector service's process."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import grpc.aio

from elute.v1 import connector_pb2, connector_pb2_grpc, stage_pb2
from elute_connector import connectors
from elute_connector.application import meters
from elute_connector.application.leases import Leases
from elute_connector.application.stores import Stores
from elute_connector.domain.connector import ConnectorDefinition
from elute_connector.grpc_api.extract import ExtractOperation
from elute_connector.grpc_api.service import ConnectorServicer
from elute_connector.settings import ConnectorSettings
from elute_wire import memory, registry, server
from elute_wire.channel import Peers
from elute_wire.identity import ServiceName
from elute_wire.limits import ByteSemaphore
from elute_wire.seal import SealingKeys
from elute_wire.stage_service import StageServicer
from elute_wire.threads import WorkerThreads

CONTRACTS = (
    connector_pb2.DESCRIPTOR.services_by_name["ConnectorService"],
    stage_pb2.DESCRIPTOR.services_by_name["StageService"],
)


class ConnectorService:
    """What the runner hosts: control, Load, and the Extract stage."""

    def __init__(self, control: ConnectorServicer, stages: StageServicer, leases: Leases) -> None:
        self._control = control
        self._stages = stages
        self._leases = leases

    def register(self, host: grpc.aio.Server) -> None:
        """Add the servicers."""
        connector_pb2_grpc.add_ConnectorServiceServicer_to_server(self._control, host)
        host.add_generic_rpc_handlers((self._stages.handler(),))

    async def ready(self) -> None:
        """A connector that has started can answer: stores are reached call by call."""

    async def drain(self) -> None:
        """Tell those who wait at a snapshot that another connector should adopt it."""
        self._leases.draining.set()


@asynccontextmanager
async def opened(settings: ConnectorSettings) -> AsyncIterator[ConnectorService]:
    """Open the service with all that it needs, and close it again."""
    keys = SealingKeys.read(settings.sealing_key_file, settings.former_sealing_key_files)
    async with AsyncExitStack() as stack:
        peers = await stack.enter_async_context(Peers(settings))
        executor = stack.enter_context(WorkerThreads("store", settings.store_threads))
        stores = Stores(registry.load(connectors.__name__, ConnectorDefinition), keys, executor)
        stack.push_async_callback(stores.close)
        leases = Leases()
        stack.push_async_callback(leases.close)
        meters.STORES_OPEN.set_function(lambda: len(stores))
        meters.SNAPSHOTS_HELD.set_function(lambda: len(leases))
        meters.SNAPSHOT_AGE.set_function(lambda: leases.oldest_age_seconds)
        stages = StageServicer(
            {"extract": ExtractOperation(stores, keys)},
            peers,
            large_messages=ByteSemaphore(settings.large_message_bytes),
        )
        if settings.connector_address is None:
            peers.own_stages = stages.openers()
        yield ConnectorService(ConnectorServicer(stores, leases, keys, peers), stages, leases)


def main() -> int:
    """Run the service until it is told to stop."""
    memory.keep_few_heaps()
    return server.run(ServiceName.CONNECTOR, ConnectorSettings, CONTRACTS, opened)


if __name__ == "__main__":
    sys.exit(main())

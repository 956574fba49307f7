"""The gateway's process: the REST API, and the engine that executes runs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import grpc.aio
import uvicorn
from fastapi import FastAPI

from elute_gateway.api.app import create_app
from elute_gateway.api.composition import Neighbours, open_pipelines, open_use_cases
from elute_gateway.api.context import UseCases
from elute_gateway.application.pace import Pace
from elute_gateway.application.planning import Planner
from elute_gateway.application.resealing import Resealing
from elute_gateway.clients.inspection import ConnectorInspection
from elute_gateway.clients.planning import AnonymizerPlanning, ConnectorPlanning, TransformPlanning
from elute_gateway.clients.runtime import ConnectorPlane
from elute_gateway.clients.sealing import ConnectorSealing
from elute_gateway.clients.spreading import SpreadChannel
from elute_gateway.engine.execution import Place, executing
from elute_gateway.settings import GatewaySettings
from elute_gateway.store import schema
from elute_gateway.store.access import found_workspace
from elute_gateway.store.connections import Connections
from elute_gateway.store.database import Database
from elute_gateway.store.meters import watch
from elute_wire import garbage, telemetry
from elute_wire.channel import Peers
from elute_wire.endpoint import serving_endpoint
from elute_wire.errors import EluteError, InvalidRequest
from elute_wire.exits import Exit
from elute_wire.identity import ServiceName
from elute_wire.seal import PublicKey
from elute_wire.secret_file import read_secret_file

_HOLDERS = 2
"""How many connectors hold a snapshot: either may end, and the other goes on."""

log = telemetry.logger(__name__)


@asynccontextmanager
async def opened(settings: GatewaySettings) -> AsyncIterator[tuple[FastAPI, UseCases]]:
    """Open the application with its store, its engine and its channels to the other services."""
    async with AsyncExitStack() as stack:
        database = Database.at(settings.store_url.get_secret_value())
        stack.push_async_callback(database.close)
        watch(database)
        await schema.upgrade(database)
        await found_workspace(database, settings.workspace)
        peers = await stack.enter_async_context(Peers(settings))
        connector, holders = _connectors(peers, settings)
        planner = Planner(
            ConnectorPlanning(connector),
            TransformPlanning(peers.channel(ServiceName.TRANSFORM)),
            AnonymizerPlanning(peers.channel(ServiceName.ANONYMIZER)),
        )
        inspection = ConnectorInspection(connector)
        neighbours = Neighbours(planner, inspection, inspection)
        pipelines = open_pipelines(database, settings.workspace, neighbours)
        place = Place(settings.store_url.get_secret_value(), settings.workspace, settings.gateway_name)
        pace = Pace(keep_runs_seconds=settings.run_retention_seconds)
        runs = await stack.enter_async_context(
            executing(database, place, ConnectorPlane(connector, holders), pipelines, pace)
        )
        sealing = PublicKey.read(settings.sealing_public_key_file)
        await stack.enter_async_context(_resealing(Connections(database, settings.workspace), connector, sealing))
        use_cases = open_use_cases(database, settings.workspace, sealing, neighbours, pipelines=pipelines, runs=runs)
        if settings.first_api_key_file is not None:
            key = read_secret_file(settings.first_api_key_file).decode("ascii", "replace").strip()
            await use_cases.api_keys.install(key, "first")
        yield create_app(use_cases), use_cases


def _connectors(peers: Peers, settings: GatewaySettings) -> tuple[grpc.aio.Channel, Sequence[grpc.aio.Channel]]:
    """Open the channel to the connectors, whichever answers, and those to the ones that hold snapshots."""
    each = [peers.channel_to(address) for address in settings.connector_addresses]
    return (SpreadChannel(each), each[:_HOLDERS]) if each else (peers.channel(ServiceName.CONNECTOR), ())


@asynccontextmanager
async def _resealing(records: Connections, connector: grpc.aio.Channel, key: PublicKey) -> AsyncIterator[None]:
    """Have secrets follow the connectors' key while the block runs."""
    task = asyncio.create_task(Resealing(records, ConnectorSealing(connector), key).keep_resealing(), name="resealing")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def serve(settings: GatewaySettings) -> Exit:
    """Serve until told to stop; a second signal ends the process at once."""
    address = settings.listen_address
    async with opened(settings) as (app, use_cases):
        config = uvicorn.Config(
            app,
            host=address.host or "127.0.0.1",
            port=address.port or 0,
            uds=str(address.socket) if address.socket else None,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=round(settings.drain_seconds) or None,
            ssl_certfile=settings.tls_certificate_file,
            ssl_keyfile=settings.tls_key_file,
        )
        server = _Server(config, use_cases)
        async with AsyncExitStack() as stack:
            if settings.metrics_address is not None:
                ready = serving_endpoint(settings.metrics_address, lambda: server.started and not server.should_exit)
                await stack.enter_async_context(ready)
            log.info("listening", address=str(address))
            garbage.leave_alone_what_stays()
            await server.serve()
    return Exit.STOPPED


class _Server(uvicorn.Server):
    """Ends streams of events as soon as it is told to stop: they would last as long as their runs."""

    def __init__(self, config: uvicorn.Config, use_cases: UseCases) -> None:
        super().__init__(config)
        self._use_cases = use_cases

    def handle_exit(self, sig: int, frame: object) -> None:
        self._use_cases.leaving.set()
        super().handle_exit(sig, frame)  # type: ignore[arg-type] # a frame, or None


def main() -> int:
    """Run the gateway until it is told to stop, and answer its exit code."""
    try:
        settings = GatewaySettings.read()
    except EluteError as error:
        sys.stderr.write(f"gateway: {error}\n")
        return Exit.MISCONFIGURED
    telemetry.configure(ServiceName.GATEWAY, settings.log_level, settings.log_format)
    try:
        return asyncio.run(serve(settings))
    except EluteError as error:
        log.exception("the gateway failed", hint=error.hint)
        return Exit.MISCONFIGURED if isinstance(error, InvalidRequest) else Exit.FAILED
    except Exception:
        log.exception("the gateway failed by a defect")
        return Exit.FAILED


if __name__ == "__main__":
    sys.exit(main())

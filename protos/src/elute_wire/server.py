"""The one runner of all services: settings, logs, health, metrics, calls, and a stop that loses nothing.

    run ── settings ── telemetry ── Server.start ── … SIGTERM … ── Server.drain ── Server.stop

A service that is told to stop first says so (health NOT_SERVING, `/readyz` 503) while it still takes calls, so that
balancers look elsewhere; then refuses new streams, lets its `drain` hand over what it holds, waits for the running
streams, and stops. Told a second time, it stops at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import grpc.aio
from google.protobuf.descriptor import ServiceDescriptor

from elute_wire import garbage, interceptors, telemetry
from elute_wire.address import Address
from elute_wire.channel import TRANSPORT_OPTIONS
from elute_wire.endpoint import serving_endpoint
from elute_wire.errors import EluteError, InvalidRequest
from elute_wire.exits import Exit
from elute_wire.identity import ServiceName, methods, require_callers
from elute_wire.readiness import Readiness
from elute_wire.settings import ServiceSettings
from elute_wire.threads import WorkerThreads
from elute_wire.tls import Certificates

log = telemetry.logger(__name__)

_STOP_GRACE_SECONDS = 2.0

_Settings = TypeVar("_Settings", bound=ServiceSettings)


class Service(Protocol):
    """What the runner hosts."""

    def register(self, server: grpc.aio.Server) -> None:
        """Add the servicers of every contract."""

    async def ready(self) -> None:
        """Return if calls can be answered now.

        Raises:
            EluteError: They cannot.
        """

    async def drain(self) -> None:
        """Hand over what outlives a call, such as a snapshot; new streams are refused already."""


class Server:
    """A running gRPC server with health and metrics around a service."""

    def __init__(
        self, name: ServiceName, settings: ServiceSettings, contracts: Sequence[ServiceDescriptor], service: Service
    ) -> None:
        require_callers(name, contracts)
        self._name, self._settings, self._service = name, settings, service
        self._contracts = contracts
        self._running = interceptors.Running()
        self._readiness = Readiness(service.ready, [contract.full_name for contract in contracts])
        self.address = settings.listen_address
        """Where calls are answered; once started, with its actual port."""
        self.metrics_address: Address | None = None
        """Where metrics are answered, once started."""
        self._closing = AsyncExitStack()
        self._grpc: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Answer calls, first of all those for health.

        Raises:
            InvalidRequest: An address is taken, or not this machine's.
        """
        certificates = None if self.address.socket else Certificates.read(self._settings)
        chain = interceptors.chain(self._name, self._running, secured=certificates is not None)
        interceptors.start_metrics_at_zero(methods(self._contracts))
        server = grpc.aio.server(interceptors=[chain], options=self._options())
        self._service.register(server)
        await self._readiness.serve(server)
        self.address = _bind(server, self.address, certificates)
        if self._settings.metrics_address is not None:
            endpoint = serving_endpoint(self._settings.metrics_address, lambda: self._readiness.is_ready)
            try:
                self.metrics_address = await self._closing.enter_async_context(endpoint)
            except OSError:
                raise InvalidRequest(f"listening for metrics at {self._settings.metrics_address}: taken") from None
        await server.start()
        self._grpc = server
        await self._readiness.ask()
        await self._closing.enter_async_context(_background(self._readiness.keep_asking()))
        log.info("listening", address=str(self.address), metrics=str(self.metrics_address or ""))

    async def drain(self) -> None:
        """Say that the service leaves, refuse new streams, and wait for the running ones."""
        await self._readiness.leave()
        log.info("leaving", endpoint_wait_seconds=self._settings.endpoint_wait_seconds)
        await asyncio.sleep(self._settings.endpoint_wait_seconds)
        self._running.refuse()
        try:
            async with asyncio.timeout(self._settings.drain_seconds):
                await self._hand_over()
                await self._running.finished()
        except TimeoutError:
            log.warning("running streams are cut off", after_seconds=self._settings.drain_seconds)

    async def _hand_over(self) -> None:
        try:
            await self._service.drain()
        except Exception:
            # What was not handed over is lost with this process; the running streams need not be.
            log.exception("handing over failed")

    async def stop(self, grace: float | None = None) -> None:
        """End every call, the metrics endpoint and the health loop; safe to repeat.

        Args:
            grace: Seconds that unary calls may still take; None for none.
        """
        await self._closing.aclose()
        if self._grpc is not None:
            await self._grpc.stop(grace)

    def _options(self) -> list[tuple[str, int]]:
        options = [
            *TRANSPORT_OPTIONS,
            ("grpc.so_reuseport", 0),  # a second process on the same port must fail, not share it
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ]
        if self.address.socket is None:
            # A stream never moves to another replica, and a balancer's client only looks for new ones when it connects.
            age, grace = self._settings.max_connection_age_seconds, self._settings.max_connection_age_grace_seconds
            options.append(("grpc.max_connection_age_ms", round(age * 1000)))
            options.append(("grpc.max_connection_age_grace_ms", round(grace * 1000)))
        return options


def run(
    name: ServiceName,
    settings: type[_Settings],
    contracts: Sequence[ServiceDescriptor],
    open_service: Callable[[_Settings], AbstractAsyncContextManager[Service]],
) -> int:
    """Run a service until it is told to stop, and return its process' exit code.

    Args:
        name: The service.
        settings: What it is told from outside.
        contracts: The gRPC services that it serves, as described by the generated modules.
        open_service: Opens the service, and closes it at the end of its block.
    """
    try:
        told = settings.read()
    except EluteError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return Exit.MISCONFIGURED
    telemetry.configure(name, told.log_level, told.log_format)
    try:
        return asyncio.run(_host(name, told, contracts, open_service))
    except EluteError as error:
        log.exception("the service failed", hint=error.hint)
        return Exit.MISCONFIGURED if isinstance(error, InvalidRequest) else Exit.FAILED
    except Exception:
        log.exception("the service failed by a defect")
        return Exit.FAILED


async def _host(
    name: ServiceName,
    settings: _Settings,
    contracts: Sequence[ServiceDescriptor],
    open_service: Callable[[_Settings], AbstractAsyncContextManager[Service]],
) -> Exit:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(WorkerThreads("general", settings.threads))
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _tell, told)
    async with _background(told.wait()) as leaving, open_service(settings) as service:
        server = Server(name, settings, contracts, service)
        try:
            await server.start()
            garbage.leave_alone_what_stays()
            await leaving
            await server.drain()
            await server.stop(_STOP_GRACE_SECONDS)
        finally:
            await server.stop()
    return Exit.STOPPED


def _tell(told: asyncio.Event) -> None:
    if told.is_set():
        # At once, past threads that block too: everything here is made to survive the death of a process.
        os._exit(Exit.KILLED)
    told.set()


@asynccontextmanager
async def _background(work: Coroutine[Any, Any, object]) -> AsyncIterator[asyncio.Task[object]]:
    """Run a coroutine beside the block, and cancel it at the block's end."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait((task,))


def _bind(server: grpc.aio.Server, address: Address, certificates: Certificates | None) -> Address:
    """Listen at an address, and return it with its actual port."""
    if address.socket is not None:
        _require_stale(address.socket)
    mask = os.umask(0o177)  # a socket is its owner's alone from its first moment
    try:
        if certificates is None:
            port = server.add_insecure_port(str(address))
        else:
            port = server.add_secure_port(str(address), certificates.for_server())
    except RuntimeError:
        raise InvalidRequest(f"listening at {address}: it is taken, or not this machine's") from None
    finally:
        os.umask(mask)
    return address if address.socket is not None else address.with_port(port)


def _require_stale(path: Path) -> None:
    """Check that nobody answers at a socket: gRPC would take it away from whoever does."""
    with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
        probe.connect(str(path))
        raise InvalidRequest(f"listening at unix:{path}: another process does")

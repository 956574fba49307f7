"""Whether a service can take calls: asked of the service itself, told by gRPC's health protocol.

Balancers watch it, `/readyz` repeats it. A service that leaves is not ready for good.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from elute_wire.errors import EluteError
from elute_wire.telemetry import logger

log = logger(__name__)

EVERY_SECONDS = 1.0
_WITHIN_SECONDS = 5.0

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Readiness:
    """The health of a server's gRPC services, which is one and the same."""

    def __init__(self, check: Callable[[], Awaitable[None]], services: Iterable[str]) -> None:
        """Start as not ready.

        Args:
            check: Returns if calls can be answered now, else raises.
            services: The full names of the gRPC services.
        """
        self._check = check
        self._names = ("", *services)
        self._servicer = health.aio.HealthServicer()
        self._is_leaving = False
        self.is_ready = False
        """What was last told."""

    async def serve(self, server: grpc.aio.Server) -> None:
        """Add the health protocol to a server."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)
        await self._tell(_NOT_SERVING)

    async def ask(self) -> None:
        """Ask the service, and tell what has changed; a check that breaks or hangs is a service that is not ready."""
        reason = ""
        try:
            async with asyncio.timeout(_WITHIN_SECONDS):
                await self._check()
        except EluteError as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer is no
            reason = type(error).__name__
        is_ready = not reason
        if not self._is_leaving and is_ready != self.is_ready:
            self.is_ready = is_ready
            await self._tell(_SERVING if is_ready else _NOT_SERVING)
            log.info("ready" if is_ready else "not ready", reason=reason)

    async def keep_asking(self) -> None:
        """Ask again and again, for ever."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            await self.ask()

    async def leave(self) -> None:
        """Tell that the service is not ready, for good."""
        self._is_leaving = True
        self.is_ready = False
        await self._tell(_NOT_SERVING)

    async def _tell(self, answer: int) -> None:
        for name in self._names:
            await self._servicer.set(name, answer)

"""The faults: what is killed, stopped or cut off, and when each of them is over."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from elute_gateway.embedded.supervisor import Child
from elute_wire.address import Address
from elute_wire.channel import ServiceChannel
from elute_wire.identity import ServiceName
from tests.bench.system import Elute
from tests.chaos.databases import Server

HOLDER = "elute snapshot holder"
_READY_POLL_SECONDS = 0.05
_READY_SECONDS = 60.0
_DATABASE_DOWN_SECONDS = 1.0

Fault = Callable[[], Awaitable[None]]
"""Does something bad, and returns when it is over: process ready, continued, database accepting."""


@dataclass(frozen=True, slots=True)
class Injected:
    """One fault that was injected.

    Attributes:
        name: What it was.
        began: When, seconds since 1970.
        ended: When it was over.
        in_open_load: Whether a load transaction was open when it began.
    """

    name: str
    began: float
    ended: float
    in_open_load: bool


def faults(elute: Elute, source: Server, target: Server, stop_seconds: float) -> Mapping[str, Fault]:
    """Name every fault there is."""
    killed = {f"kill {child.name}": partial(_kill, elute, child) for child in elute.local.children}
    stopped = {
        f"stop {child.name}": partial(_stop, child, stop_seconds)
        for child in elute.local.children
        if child.name in {ServiceName.CONNECTOR, ServiceName.GATEWAY}
    }
    return {
        **killed,
        **stopped,
        "kill source": partial(source.kill, _DATABASE_DOWN_SECONDS),
        "kill target": partial(target.kill, _DATABASE_DOWN_SECONDS),
        "terminate holder": partial(_terminate, source),
    }


async def inject(name: str, fault: Fault, target: Server) -> Injected:
    """Inject a fault and wait until it is over."""
    is_open = await target.loads_open()
    began = time.time()
    await fault()
    return Injected(name, began, time.time(), is_open)


async def _kill(elute: Elute, child: Child) -> None:
    pid = child.pid
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(_READY_SECONDS):
        while child.pid in {pid, None} or not await _serves(elute, child):
            await asyncio.sleep(_READY_POLL_SECONDS)


async def _stop(child: Child, seconds: float) -> None:
    pid = child.pid
    if pid is None:
        return
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(seconds)
    os.kill(pid, signal.SIGCONT)


async def _terminate(source: Server) -> None:
    await source.terminate(HOLDER)


async def _serves(elute: Elute, child: Child) -> bool:
    if child.name == ServiceName.GATEWAY:
        return await elute.answers()
    async with ServiceChannel(Address.parse(child.environment["ELUTE_LISTEN_ADDRESS"]), None) as channel:
        try:
            answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=2)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

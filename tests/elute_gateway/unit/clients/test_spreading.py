"""Calls are spread over the processes of a service, by how many each has open; one that is away is passed over."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import grpc.aio
import pytest

from elute_gateway.clients.spreading import SpreadChannel
from elute_wire.address import Address
from elute_wire.channel import ServiceChannel


class Process:
    """A service of one process: tells its name, and holds streams open until it is let go."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name.encode()
        self.address = Address.parse(f"unix:{folder}/{name}")
        self.may_end = asyncio.Event()
        self.refuses = False
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        self._server = grpc.aio.server()
        methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            "Name": grpc.unary_unary_rpc_method_handler(self._tell),
            "Names": grpc.unary_stream_rpc_method_handler(self._tell_on),
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test", methods),))
        self._server.add_insecure_port(str(self.address))
        await self._server.start()

    async def stop(self) -> None:
        assert self._server is not None
        await self._server.stop(None)

    async def _tell(self, _request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        if self.refuses:
            await context.abort(grpc.StatusCode.UNAVAILABLE)
        return self.name

    async def _tell_on(self, request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> AsyncIterator[bytes]:
        yield await self._tell(request, context)
        await self.may_end.wait()


class Service:
    """Three processes, and a channel over them."""

    def __init__(self, processes: list[Process], channel: SpreadChannel) -> None:
        self.processes = processes
        self._name = channel.unary_unary("/test/Name")
        self._names = channel.unary_stream("/test/Names")

    async def ask(self) -> str:
        answer: bytes = await self._name(b"")
        return answer.decode()

    async def ask_until_answered(self) -> str:
        while True:
            try:
                return await self.ask()
            except grpc.aio.AioRpcError:
                continue

    async def open(self) -> str:
        """Begin a stream that stays open."""
        call = self._names(b"")
        answer: bytes = await call.read()
        return answer.decode()


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with AsyncExitStack() as stack:
        processes = [Process(tmp_path, name) for name in ("a", "b", "c")]
        for process in processes:
            await process.start()
            stack.push_async_callback(process.stop)
        channels = [await stack.enter_async_context(ServiceChannel(one.address, None)) for one in processes]
        yield Service(processes, SpreadChannel(channels))
        for process in processes:
            process.may_end.set()


async def test_calls_that_stay_open_are_spread_evenly(service: Service) -> None:
    opened = Counter([await service.open() for _ in range(9)])
    assert opened == {"a": 3, "b": 3, "c": 3}


async def test_the_next_call_goes_where_one_has_ended(service: Service) -> None:
    for _ in range(6):
        await service.open()
    service.processes[1].may_end.set()
    await asyncio.sleep(0.1)
    assert [await service.open() for _ in range(2)] == ["b", "b"]


async def test_short_calls_take_turns(service: Service) -> None:
    assert [await service.ask() for _ in range(6)] == ["a", "b", "c", "a", "b", "c"]


async def test_a_process_that_is_gone_is_passed_over_and_found_again(service: Service) -> None:
    assert {await service.ask() for _ in range(3)} == {"a", "b", "c"}
    await service.processes[0].stop()
    await service.ask_until_answered()
    assert {await service.ask() for _ in range(8)} == {"b", "c"}
    await service.processes[0].start()
    async with asyncio.timeout(10):
        while await service.ask_until_answered() != "a":
            await asyncio.sleep(0.05)


async def test_a_process_that_takes_no_calls_rests_for_a_while(service: Service) -> None:
    service.processes[2].refuses = True
    for _ in range(3):
        await service.ask_until_answered()
    assert {await service.ask() for _ in range(8)} == {"a", "b"}


async def test_where_all_are_away_the_caller_learns_it(service: Service) -> None:
    for process in service.processes:
        process.refuses = True
    for _ in range(4):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await service.ask()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE

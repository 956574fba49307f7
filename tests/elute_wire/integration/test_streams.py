"""A stage that was read to its end leaves in order; one that is left early is cancelled: one's own too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc.aio
import pyarrow as pa
import pytest

from elute.v1 import stage_pb2
from elute_wire.address import Address
from elute_wire.channel import ServiceChannel, StageOpener
from elute_wire.identity import ServiceName
from elute_wire.limits import ByteSemaphore
from elute_wire.stage_service import StageServicer
from elute_wire.streams import Item, Stream, opened

BATCH = pa.record_batch({"id": pa.array(range(1000))})


@dataclass
class Slow:
    """A service of one stage that takes its time to leave."""

    left: list[str] = field(default_factory=list)
    address: Address | None = None
    own: Mapping[str, StageOpener] = field(default_factory=dict)

    @asynccontextmanager
    async def operation(
        self, _stage: stage_pb2.Stage, _context: stage_pb2.StreamContext, _upstream: Stream | None
    ) -> AsyncIterator[Stream]:
        async def items() -> AsyncIterator[Item]:
            for _ in range(100):
                yield BATCH

        stream = Stream(BATCH.schema, items())
        try:
            yield stream
            await asyncio.sleep(0.1)
            self.left.append("in order")
        except BaseException:
            self.left.append("cancelled")
            raise

    def channel(self, _: ServiceName) -> grpc.aio.Channel:
        assert self.address is not None
        return ServiceChannel(self.address, None)

    def opener(self, operation: str) -> StageOpener | None:
        return self.own.get(operation)


@pytest.fixture(params=["called", "own"])
async def slow(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Slow]:
    service = Slow()
    servicer = StageServicer({"extract": service.operation}, service, large_messages=ByteSemaphore(1 << 20))
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((servicer.handler(),))
    server.add_insecure_port(f"unix:{tmp_path}/slow")
    service.address = Address.parse(f"unix:{tmp_path}/slow")
    await server.start()
    if request.param == "own":
        service.own = servicer.openers()
    yield service
    await server.stop(None)


STAGE = stage_pb2.Stage(extract=stage_pb2.Extract())


async def test_a_stage_that_was_read_to_its_end_leaves_in_order(slow: Slow) -> None:
    async with opened(STAGE, stage_pb2.StreamContext(), slow) as stream:
        assert len([item async for item in stream.items]) == 100
    assert slow.left == ["in order"]


async def test_a_stage_that_is_left_early_is_cancelled(slow: Slow) -> None:
    async with opened(STAGE, stage_pb2.StreamContext(), slow) as stream:
        assert await anext(stream.items) == BATCH
    async with asyncio.timeout(5):
        while not slow.left:
            await asyncio.sleep(0.01)
    assert slow.left == ["cancelled"]

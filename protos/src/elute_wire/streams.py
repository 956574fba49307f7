"""Streams between stages: opening one at the service that owns it, and working on one.

A `Stream` is pulled: nothing is read before somebody asks, and each part holds no more than a few batches.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import grpc
import pyarrow as pa

from elute.v1 import stage_pb2
from elute_wire.channel import Messages, StageOpener
from elute_wire.errors import EluteError, InvalidRequest, StreamCorrupted, StreamTruncated
from elute_wire.frames import FrameDecoder
from elute_wire.identity import ServiceName
from elute_wire.schema import POLICY_KEY
from elute_wire.status import from_rpc, from_stream

OWNERS: Mapping[str, ServiceName] = {
    "extract": ServiceName.CONNECTOR,
    "transform": ServiceName.TRANSFORM,
    "anonymize": ServiceName.ANONYMIZER,
}
"""Which service owns which operation."""

OPEN_METHOD = "/elute.v1.StageService/Open"

_LEAVING_SECONDS = 5.0

Item = pa.RecordBatch | stage_pb2.Rejected


@dataclass
class Tally:
    """What has come out of a stream.

    Attributes:
        counts: What each stage did, source first; filled when the stream has ended.
        rows: Rows of batches so far; 0 for a stream made in this process.
        payload_bytes: Bytes of Arrow data so far; 0 for a stream made in this process.
        digest: The transport digest, 16 bytes, when the stream has ended; empty for a stream made in this process.
    """

    counts: list[stage_pb2.StageCount] = field(default_factory=list)
    rows: int = 0
    payload_bytes: int = 0
    digest: bytes = b""


@dataclass
class Stream:
    """An open stage.

    Attributes:
        schema: The schema of its batches.
        items: Batches of that schema, and rows that a stage set aside, in the order of the source.
        policy_digest: SHA-256 of the pinned policy version, 32 bytes; empty when no anonymizer took part.
        tally: What has come so far.
    """

    schema: pa.Schema
    items: AsyncIterator[Item]
    policy_digest: bytes = b""
    tally: Tally = field(default_factory=Tally)


class Channels(Protocol):
    """Where the services of this system are."""

    def channel(self, service: ServiceName) -> grpc.aio.Channel:
        """Return the channel to a service."""
        ...

    def opener(self, operation: str) -> StageOpener | None:
        """Return what opens an operation's stages in this process; None for one that another service owns."""
        ...


@asynccontextmanager
async def opened(stage: stage_pb2.Stage, context: stage_pb2.StreamContext, channels: Channels) -> AsyncIterator[Stream]:
    """Open a stage at the service that owns it; leaving the block ends the call, there and further up.

    Raises:
        EluteError: What the stage, or one that feeds it, raised.
        StreamTruncated: The stream ended without its trailer; also out of `Stream.items`.
        StreamCorrupted: The frames and the trailer do not agree; also out of `Stream.items`.
    """
    kind = stage.WhichOneof("operation") or "nothing"
    if kind not in OWNERS:
        raise InvalidRequest(f"opening a stage: no service opens {kind}")
    request = stage_pb2.OpenRequest(stage=stage, context=context)
    opener = channels.opener(kind)
    # A stage of this process needs no way over the network, only the frames and their proof.
    pulling = opener(request) if opener else _called(channels.channel(OWNERS[kind]), request, kind)
    async with aclosing(pulling) as messages:
        decoder = FrameDecoder()
        while decoder.schema is None:
            decoder.feed(await _next(messages, kind))
        policy_digest = (decoder.schema.metadata or {}).get(POLICY_KEY, b"")
        tally = Tally()
        async with aclosing(_received(messages, decoder, tally, policy_digest, kind)) as items:
            yield Stream(decoder.schema, items, policy_digest, tally)


async def _called(channel: grpc.aio.Channel, request: stage_pb2.OpenRequest, kind: str) -> Messages:
    call: grpc.aio.UnaryStreamCall[Any, Any] = channel.unary_stream(
        OPEN_METHOD, request_serializer=stage_pb2.OpenRequest.SerializeToString, response_deserializer=None
    )(request)
    failure = from_rpc
    try:
        while True:
            try:
                message = await call.read()
            except grpc.aio.AioRpcError as error:
                raise failure(error, f"pulling from {kind}", OWNERS[kind]) from None
            if not isinstance(message, bytes):
                return
            yield message
            failure = from_stream
    finally:
        call.cancel()


async def _next(messages: Messages, kind: str) -> bytes:
    message = await anext(messages, None)
    if message is None:
        raise StreamTruncated(f"pulling from {kind}: the stream ended without its trailer")
    return message


async def _received(
    messages: Messages,
    decoder: FrameDecoder,
    tally: Tally,
    policy_digest: bytes,
    kind: str,
) -> AsyncGenerator[Item, None]:
    while decoder.trailer is None:
        item = decoder.feed(await _next(messages, kind))
        tally.rows, tally.payload_bytes = decoder.rows, decoder.payload_bytes
        if isinstance(item, pa.RecordBatch | stage_pb2.Rejected):
            yield item
    trailer = decoder.trailer
    tally.digest = trailer.digest
    tally.counts.extend(trailer.stages)
    if trailer.policy_digest != policy_digest:
        raise StreamCorrupted(f"pulling from {kind}: the trailer names another policy than the schema")
    await _left(messages)


async def _left(messages: Messages) -> None:
    """Let the stage leave in order: cancelled after its trailer, it would throw away what it means to use again."""
    with suppress(EluteError, TimeoutError):
        async with asyncio.timeout(_LEAVING_SECONDS):
            await anext(messages, None)


class Processor(Protocol):
    """What a stage in the middle does to batches."""

    @property
    def schema(self) -> pa.Schema:
        """The schema of what it makes."""
        ...

    def process(self, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, Sequence[stage_pb2.Rejected]]:
        """Work on n rows; called in a worker thread, one batch after the other."""
        ...


def processed(
    upstream: Stream, processor: Processor, *, operation: str, executor: Executor, policy_digest: bytes = b""
) -> Stream:
    """Put a processor behind a stream.

    Args:
        upstream: The stage's input.
        processor: What is done to each batch.
        operation: The stage's name in the counts.
        executor: Where the work is done.
        policy_digest: What the stream says of its policy from here on; by default what the input says.
    """
    count = stage_pb2.StageCount(operation=operation)

    async def items() -> AsyncGenerator[Item, None]:
        loop = asyncio.get_running_loop()
        async for item in upstream.items:
            if isinstance(item, stage_pb2.Rejected):
                yield item
                continue
            made, rejected, seconds = await loop.run_in_executor(executor, _timed, processor, item)
            count.rows_in += item.num_rows
            count.rows_out += made.num_rows
            count.rows_rejected += len(rejected)
            count.rows_filtered += item.num_rows - made.num_rows - len(rejected)
            count.busy_seconds += seconds
            for row in rejected:
                yield row
            if made.num_rows:
                yield made
        tally.counts.extend([*upstream.tally.counts, count])

    tally = Tally()
    return Stream(processor.schema, items(), policy_digest or upstream.policy_digest, tally)


def _timed(processor: Processor, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, Sequence[stage_pb2.Rejected], float]:
    started = time.thread_time()
    made, rejected = processor.process(batch)
    return made, rejected, time.thread_time() - started

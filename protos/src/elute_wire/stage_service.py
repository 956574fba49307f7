"""Serves `StageService`: frames a service's streams, a few items ahead of the reader."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any

import grpc
import pyarrow as pa

from elute.v1 import stage_pb2
from elute_wire.ahead import made_ahead
from elute_wire.channel import Messages, StageOpener
from elute_wire.errors import EluteError, InvalidRequest, Place
from elute_wire.frames import MAX_PAYLOAD_BYTES, FrameEncoder
from elute_wire.limits import ByteSemaphore
from elute_wire.schema import POLICY_KEY
from elute_wire.stage_meters import StageMeter, start_at_zero
from elute_wire.streams import OPEN_METHOD, Channels, Item, Stream, Tally, opened

Operation = Callable[[stage_pb2.Stage, stage_pb2.StreamContext, Stream | None], AbstractAsyncContextManager[Stream]]
"""What a service does for one kind of stage: given the stage, its context and its open input, it opens a stream."""


class StageServicer:
    """Serves `StageService` with the operations of one service."""

    def __init__(
        self, operations: Mapping[str, Operation], channels: Channels, *, large_messages: ByteSemaphore, ahead: int = 2
    ) -> None:
        """Serve `operations`, by the names of the fields of `Stage.operation`.

        Args:
            operations: What this service does.
            channels: Where the inputs' services are.
            large_messages: The bytes that messages larger than one frame may hold in this process.
            ahead: Items that are made while the one before is still being sent.
        """
        self._operations = operations
        self._channels = channels
        self._large_messages = large_messages
        self._ahead = ahead
        start_at_zero(operations, large_messages)

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the handler to add to a server; responses are the frames' own bytes."""
        method: grpc.RpcMethodHandler[Any, Any] = grpc.unary_stream_rpc_method_handler(
            self.open, request_deserializer=stage_pb2.OpenRequest.FromString, response_serializer=None
        )
        service, name = OPEN_METHOD[1:].split("/")
        return grpc.method_handlers_generic_handler(service, {name: method})

    def openers(self) -> dict[str, StageOpener]:
        """Return what opens the stages of this service for callers in this process, by operation."""
        return {operation: lambda request: self.open(request, None) for operation in self._operations}

    async def open(self, request: stage_pb2.OpenRequest, _: object) -> Messages:
        """Open a stage and yield its frames, the trailer last."""
        stage, context = request.stage, request.context
        try:
            operation = self._operation(stage)
            async with self._input(stage, context) as upstream, operation(stage, context, upstream) as stream:
                encoder = FrameEncoder()
                meter = StageMeter(_kind(stage), upstream.tally if upstream else Tally(), encoder)
                with meter.open():
                    async with aclosing(self._encoded(stream, encoder)) as frames:
                        async for frame in frames:
                            yield frame
                            meter.flowed()
                meter.ended(stream.tally.counts)
        except EluteError as error:
            raise error.at(Place(partition=context.partition_id)) from None

    def _operation(self, stage: stage_pb2.Stage) -> Operation:
        kind = _kind(stage)
        if kind not in self._operations:
            raise InvalidRequest(f"opening a stage: this service opens {', '.join(self._operations)}, not {kind}")
        return self._operations[kind]

    @asynccontextmanager
    async def _input(self, stage: stage_pb2.Stage, context: stage_pb2.StreamContext) -> AsyncIterator[Stream | None]:
        if not stage.HasField("input"):
            yield None
            return
        async with opened(stage.input, context, self._channels) as upstream:
            yield upstream

    async def _encoded(self, stream: Stream, encoder: FrameEncoder) -> AsyncGenerator[bytes, None]:
        for frame in encoder.schema(_with_policy(stream)):
            yield frame
        async with made_ahead(stream.items, self._ahead) as items:
            async for item in items:
                async for frame in self._frames(item, encoder):
                    yield frame
        yield encoder.trailer(stream.tally.counts, stream.policy_digest)

    async def _frames(self, item: Item, encoder: FrameEncoder) -> AsyncIterator[bytes]:
        if isinstance(item, stage_pb2.Rejected):
            yield encoder.rejected(item)
        elif item.nbytes <= MAX_PAYLOAD_BYTES // 2:
            for frame in encoder.batch(item):
                yield frame
        else:
            async with self._large_messages.holding(item.nbytes):
                for frame in encoder.batch(item):
                    yield frame


def _kind(stage: stage_pb2.Stage) -> str:
    return stage.WhichOneof("operation") or "nothing"


def _with_policy(stream: Stream) -> pa.Schema:
    metadata = {key: value for key, value in (stream.schema.metadata or {}).items() if key != POLICY_KEY}
    if stream.policy_digest:
        metadata[POLICY_KEY] = stream.policy_digest
    return stream.schema.with_metadata(metadata)

"""Serves `StageService`: frames a service's streams, a few items ahead of the reader."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import pyarrow as pa

from elute.v1 import stage_pb2
from elute_wire.ahead import made_ahead
from elute_wire.errors import EluteError, InvalidRequest, Place
from elute_wire.frames import MAX_PAYLOAD_BYTES, FrameEncoder
from elute_wire.limits import ByteSemaphore
from elute_wire.schema import POLICY_KEY
from elute_wire.streams import OPEN_METHOD, Channels, Item, Stream, opened

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

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the handler to add to a server; responses are the frames' own bytes."""
        method: grpc.RpcMethodHandler[Any, Any] = grpc.unary_stream_rpc_method_handler(
            self.open, request_deserializer=stage_pb2.OpenRequest.FromString, response_serializer=None
        )
        service, name = OPEN_METHOD[1:].split("/")
        return grpc.method_handlers_generic_handler(service, {name: method})

    async def open(self, request: stage_pb2.OpenRequest, _: object) -> AsyncIterator[bytes]:
        """Open a stage and yield its frames, the trailer last."""
        place = Place(partition=request.context.partition_id)
        try:
            async with self._stream(request.stage, request.context) as stream:
                encoder = FrameEncoder()
                for frame in encoder.schema(_with_policy(stream)):
                    yield frame
                async with made_ahead(stream.items, self._ahead) as items:
                    async for item in items:
                        async for frame in self._frames(item, encoder):
                            yield frame
                yield encoder.trailer(stream.tally.counts, stream.policy_digest)
        except EluteError as error:
            raise error.at(place) from None

    @asynccontextmanager
    async def _stream(self, stage: stage_pb2.Stage, context: stage_pb2.StreamContext) -> AsyncIterator[Stream]:
        kind = stage.WhichOneof("operation") or "nothing"
        operation = self._operations.get(kind)
        if operation is None:
            raise InvalidRequest(f"opening a stage: this service opens {', '.join(self._operations)}, not {kind}")
        async with AsyncExitStack() as stack:
            upstream = None
            if stage.HasField("input"):
                upstream = await stack.enter_async_context(opened(stage.input, context, self._channels))
            yield await stack.enter_async_context(operation(stage, context, upstream))

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


def _with_policy(stream: Stream) -> pa.Schema:
    metadata = {key: value for key, value in (stream.schema.metadata or {}).items() if key != POLICY_KEY}
    if stream.policy_digest:
        metadata[POLICY_KEY] = stream.policy_digest
    return stream.schema.with_metadata(metadata)

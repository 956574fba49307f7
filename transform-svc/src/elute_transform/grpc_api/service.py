"""Serves `TransformService`, and the transform stage of `StageService`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager

import grpc.aio
import pyarrow as pa

from elute.v1 import stage_pb2, transform_pb2, transform_pb2_grpc
from elute_transform.application.cleaner import Cleaner, compile_steps
from elute_transform.application.pipeline import Definitions, validate
from elute_transform.domain.step import Definition
from elute_transform.grpc_api.messages import columns_of, dataset_of, outcome_message, steps_of
from elute_wire.channel import Peers
from elute_wire.errors import CellTooLarge, InvalidRequest
from elute_wire.limits import ByteSemaphore, check_cells
from elute_wire.registry import load
from elute_wire.settings import ServiceSettings
from elute_wire.stage_service import StageServicer
from elute_wire.streams import Channels, Stream, processed
from elute_wire.threads import WorkerThreads

_LARGE_MESSAGE_BYTES = 64 * 1024 * 1024

CONTRACTS = (
    transform_pb2.DESCRIPTOR.services_by_name["TransformService"],
    stage_pb2.DESCRIPTOR.services_by_name["StageService"],
)
"""The gRPC services that this service serves."""


class TransformServicer(transform_pb2_grpc.TransformServiceServicer):
    """Answers what steps make of columns."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions

    async def ValidateTransform(
        self,
        request: transform_pb2.ValidateTransformRequest,
        context: grpc.aio.ServicerContext[
            transform_pb2.ValidateTransformRequest, transform_pb2.ValidateTransformResponse
        ],
    ) -> transform_pb2.ValidateTransformResponse:
        """Judge the steps of every dataset."""
        del context
        return await asyncio.to_thread(self._judge, request)

    def _judge(self, request: transform_pb2.ValidateTransformRequest) -> transform_pb2.ValidateTransformResponse:
        outcomes = []
        for plan in request.plans:
            dataset = plan.transform.dataset
            outcome = validate(dataset_of(dataset), steps_of(plan.transform), columns_of(plan), self._definitions)
            outcomes.append(outcome_message(dataset, outcome))
        return transform_pb2.ValidateTransformResponse(outcomes=outcomes)


class Cleaning:
    """A cleaner as a stage in the middle of a chain."""

    def __init__(self, cleaner: Cleaner, dataset: str, max_cell_bytes: int) -> None:
        self._cleaner = cleaner
        self._dataset = dataset
        self._max_cell_bytes = max_cell_bytes
        self._rows = 0

    @property
    def schema(self) -> pa.Schema:
        """The schema of what it makes."""
        return self._cleaner.schema

    def process(self, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, Sequence[stage_pb2.Rejected]]:
        """Clean n rows; none is set aside.

        Raises:
            ValueRejected: A step cannot take a value.
            CellTooLarge: A step made a cell over the limit.
        """
        made = self._cleaner.clean(batch)
        try:
            check_cells(made, max_cell_bytes=self._max_cell_bytes, first_ordinal=self._rows, dataset=self._dataset)
        except CellTooLarge as error:
            raise error.within(f"cleaning dataset {self._dataset}") from None
        self._rows += made.num_rows
        return made, ()


class TransformService:
    """What the runner hosts."""

    def __init__(self, definitions: Definitions, channels: Channels, executor: Executor) -> None:
        """Serve steps.

        Args:
            definitions: The known steps.
            channels: Where the services are that feed a stage.
            executor: Where batches are cleaned.
        """
        self._definitions = definitions
        self._channels = channels
        self._executor = executor

    def register(self, server: grpc.aio.Server) -> None:
        """Add both servicers."""
        transform_pb2_grpc.add_TransformServiceServicer_to_server(TransformServicer(self._definitions), server)
        large_messages = ByteSemaphore(_LARGE_MESSAGE_BYTES)
        stages = StageServicer({"transform": self._open}, self._channels, large_messages=large_messages)
        server.add_generic_rpc_handlers((stages.handler(),))

    async def ready(self) -> None:
        """Return at once: the steps are compiled into the service, and what feeds a stage is looked for by the call."""

    async def drain(self) -> None:
        """Hand over nothing: this service holds nothing beyond its streams."""

    @asynccontextmanager
    async def _open(
        self, stage: stage_pb2.Stage, context: stage_pb2.StreamContext, upstream: Stream | None
    ) -> AsyncIterator[Stream]:
        dataset = dataset_of(stage.transform.dataset)
        if upstream is None:
            raise InvalidRequest(f"cleaning dataset {dataset}: no stage feeds the steps")
        cleaner = compile_steps(dataset, steps_of(stage.transform), upstream.schema, self._definitions)
        cleaning = Cleaning(cleaner, dataset, context.max_cell_bytes)
        yield processed(upstream, cleaning, operation="transform", executor=self._executor)


@asynccontextmanager
async def open_service(settings: ServiceSettings) -> AsyncIterator[TransformService]:
    """Open the service with the steps of this package.

    Raises:
        RegistryError: A step's module breaks the convention.
    """
    definitions: Definitions = load("elute_transform.steps", Definition)
    with WorkerThreads("clean", settings.threads) as executor:
        async with Peers(settings) as peers:
            yield TransformService(definitions, peers, executor)

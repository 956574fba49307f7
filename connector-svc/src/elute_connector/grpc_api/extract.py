"""The Extract stage: opens the store that a stage names, and reads a slice of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from elute.v1 import stage_pb2
from elute_connector.application.stores import Stores
from elute_connector.grpc_api.service import spec_of
from elute_connector.grpc_api.stage_messages import from_extract
from elute_wire.errors import EluteError, InvalidRequest, Place
from elute_wire.seal import SealingKeys
from elute_wire.streams import Stream


class ExtractOperation:
    """Reads; see `elute_wire.stage_service.Operation`."""

    def __init__(self, stores: Stores, keys: SealingKeys) -> None:
        self._stores = stores
        self._keys = keys

    def __call__(
        self, stage: stage_pb2.Stage, context: stage_pb2.StreamContext, upstream: Stream | None
    ) -> AbstractAsyncContextManager[Stream]:
        """Open a stream over the slice that the stage names.

        Raises:
            InvalidRequest: The stage has an input: nothing can be before the source.
        """
        if upstream is not None:
            raise InvalidRequest("opening an extract stage: it has an input, and can have none")
        return self._opened(stage.extract, context)

    @asynccontextmanager
    async def _opened(self, extract: stage_pb2.Extract, context: stage_pb2.StreamContext) -> AsyncIterator[Stream]:
        extraction = from_extract(extract, context, self._keys)
        name = str(extraction.dataset)
        try:
            async with self._stores.source(spec_of(extract.connection)) as store, store.extracted(extraction) as stream:
                yield stream
        except EluteError as error:
            raise error.within(f"reading dataset {name}", Place(dataset=name)) from None

"""ConnectorService: each method reads its request, asks an open store, and writes the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

from elute.v1 import connector_pb2, connector_pb2_grpc, stage_pb2
from elute_connector.application.leases import Lease, Leases
from elute_connector.application.meters import measured
from elute_connector.application.stores import ConnectionSpec, Stores
from elute_connector.domain.connector import Source, Target
from elute_connector.domain.load import Progress
from elute_connector.grpc_api.catalog_messages import from_name, to_catalog, to_name
from elute_connector.grpc_api.preview import previewed
from elute_connector.grpc_api.stage_messages import from_load, from_sealed, to_sealed, to_slice
from elute_connector.grpc_api.target_messages import (
    from_digest_selection,
    from_preparation,
    from_role,
    from_structure,
    from_target_dataset,
    to_check,
    to_digest,
    to_finish_event,
    to_prepared,
    to_target_plan,
)
from elute_wire.errors import InvalidRequest
from elute_wire.seal import SealingKeys
from elute_wire.streams import Channels, Stream, opened
from elute_wire.telemetry import about

_PROGRESS_SECONDS = 0.5
_LIFE_SIGN_SECONDS = 5.0
_MAX_LEASE_SECONDS = 3600


def spec_of(message: stage_pb2.Connection) -> ConnectionSpec:
    """Read a connection."""
    secret = from_sealed(message.secret) if message.HasField("secret") else None
    return ConnectionSpec(message.id, message.system, message.settings or "{}", secret)


class ConnectorServicer(connector_pb2_grpc.ConnectorServiceServicer):
    """Serves the control methods and Load."""

    def __init__(self, stores: Stores, leases: Leases, keys: SealingKeys, channels: Channels) -> None:
        self._stores = stores
        self._leases = leases
        self._keys = keys
        self._channels = channels

    def _source(self, connection: stage_pb2.Connection) -> AbstractAsyncContextManager[Source]:
        return self._stores.source(spec_of(connection))

    def _target(self, connection: stage_pb2.Connection) -> AbstractAsyncContextManager[Target]:
        return self._stores.target(spec_of(connection))

    async def Check(self, request: connector_pb2.CheckRequest, context: Any) -> connector_pb2.CheckResponse:
        """Answer what a connection lacks."""
        role = from_role(request.role)
        async with self._stores.using(spec_of(request.connection), role) as store:
            result = await store.check(role, [from_name(name) for name in request.datasets])
        return to_check(result)

    async def Discover(self, request: connector_pb2.DiscoverRequest, context: Any) -> connector_pb2.DiscoverResponse:
        """Answer what a store holds."""
        types = self._stores.definition(request.connection.system).types
        async with self._stores.using(spec_of(request.connection)) as store:
            catalog = await store.discover(request.snapshot_id)
        return connector_pb2.DiscoverResponse(catalog=to_catalog(catalog, types))

    async def HoldSnapshot(
        self, request: connector_pb2.HoldSnapshotRequest, context: Any
    ) -> AsyncIterator[connector_pb2.HoldSnapshotResponse]:
        """Hold a snapshot while the stream lives, and for the lease beyond."""
        names = [from_name(name) for name in request.datasets]
        fingerprints = list(request.dataset_fingerprints) or [""] * len(names)
        if not request.handle or len(fingerprints) != len(names):
            raise InvalidRequest("holding a snapshot: the handle, or a dataset's fingerprint, is missing")
        datasets = dict(zip(names, fingerprints, strict=True))
        async with self._source(request.connection) as store:
            attached = self._leases.attached(
                request.handle,
                request.connection.id,
                min(request.lease_seconds, _MAX_LEASE_SECONDS),
                lambda: store.hold_snapshot(datasets, request.adopt_snapshot_id, request.lock_timeout_seconds or 30),
            )
            async with attached as lease:
                async for response in self._life_signs(lease):
                    yield response

    async def _life_signs(self, lease: Lease) -> AsyncIterator[connector_pb2.HoldSnapshotResponse]:
        ended = asyncio.ensure_future(lease.snapshot.ended())
        draining = asyncio.ensure_future(self._leases.draining.wait())
        try:
            while not ended.done():
                yield connector_pb2.HoldSnapshotResponse(
                    snapshot_id=lease.snapshot.snapshot_id,
                    visible=lease.snapshot.visible,
                    age_seconds=lease.age_seconds,
                    handing_over=draining.done(),
                )
                waiting = [ended] if draining.done() else [ended, draining]
                await asyncio.wait(waiting, timeout=_LIFE_SIGN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
            draining.cancel()
        await self._leases.refuse_lost(lease)

    async def ReleaseSnapshot(
        self, request: connector_pb2.ReleaseSnapshotRequest, context: Any
    ) -> connector_pb2.ReleaseSnapshotResponse:
        """Let a snapshot go."""
        return connector_pb2.ReleaseSnapshotResponse(released=await self._leases.release(request.handle))

    async def PlanPartitions(
        self, request: connector_pb2.PlanPartitionsRequest, context: Any
    ) -> connector_pb2.PlanPartitionsResponse:
        """Cut datasets into slices."""
        if not request.target_bytes:
            raise InvalidRequest("planning partitions: the size of a slice is not said")
        async with self._source(request.connection) as store:
            names = [from_name(name) for name in request.datasets]
            slices = await store.plan_partitions(request.snapshot_id, names, request.target_bytes)
        return connector_pb2.PlanPartitionsResponse(
            slices=[
                connector_pb2.PlannedSlice(
                    dataset=to_name(planned.dataset),
                    slice=to_slice(planned.slice, self._keys),
                    estimated_rows=planned.estimated_rows,
                    estimated_bytes=planned.estimated_bytes,
                )
                for planned in slices
            ]
        )

    async def PlanTarget(
        self, request: connector_pb2.PlanTargetRequest, context: Any
    ) -> connector_pb2.PlanTargetResponse:
        """Answer how columns would reach the target."""
        datasets = [from_target_dataset(dataset) for dataset in request.datasets]
        async with self._source(request.source) as source, self._target(request.target) as target:
            return to_target_plan(await target.plan_target(source, from_structure(request.structure), datasets))

    async def PrepareTarget(
        self, request: connector_pb2.PrepareTargetRequest, context: Any
    ) -> connector_pb2.PrepareTargetResponse:
        """Make the target ready."""
        with about(run=request.run_id):
            async with self._source(request.source) as source, self._target(request.target) as target:
                prepared = await target.prepare_target(from_preparation(request), source, request.snapshot_id)
        return to_prepared(prepared)

    async def Load(self, request: connector_pb2.LoadRequest, context: Any) -> AsyncIterator[connector_pb2.LoadEvent]:
        """Load one partition, telling progress on the way."""
        load, progress = from_load(request), Progress()
        # Tells the caller at once that a worker has begun: one that dies before its first rows is then a death.
        await context.send_initial_metadata(())

        def open_unit(place: int) -> AbstractAsyncContextManager[Stream]:
            return opened(request.units[place].stage, request.context, self._channels)

        async with self._target(request.target) as store:
            loading = asyncio.ensure_future(measured(store.load(load, open_unit, progress)))
            try:
                async for told in _told(loading, progress):
                    yield told
                result = await loading
            finally:
                loading.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await loading
        yield connector_pb2.LoadEvent(committed=result)

    async def FinishTarget(
        self, request: connector_pb2.FinishTargetRequest, context: Any
    ) -> AsyncIterator[connector_pb2.FinishEvent]:
        """Make the loaded target whole."""
        names = [from_name(name) for name in request.datasets]
        async with self._source(request.source) as source, self._target(request.target) as target:
            async for event in target.finish_target(request.run_id, source, names):
                yield to_finish_event(event)

    async def RepairTarget(
        self, request: connector_pb2.RepairTargetRequest, context: Any
    ) -> AsyncIterator[connector_pb2.FinishEvent]:
        """Bring an abandoned target back to validity."""
        async with self._target(request.target) as target:
            async for event in target.repair_target(request.run_id):
                yield to_finish_event(event)

    async def Digest(self, request: connector_pb2.DigestRequest, context: Any) -> connector_pb2.DigestResponse:
        """Count rows and sum their content."""
        async with self._stores.using(spec_of(request.connection)) as store:
            selections = [from_digest_selection(selection) for selection in request.selections]
            digests = await store.digest(request.snapshot_id, selections)
        return connector_pb2.DigestResponse(digests=map(to_digest, digests))

    async def Preview(self, request: connector_pb2.PreviewRequest, context: Any) -> connector_pb2.PreviewResponse:
        """Answer a few rows of a stage as JSON."""
        return connector_pb2.PreviewResponse(rows=await previewed(request, self._channels))

    async def Reseal(self, request: connector_pb2.ResealRequest, context: Any) -> connector_pb2.ResealResponse:
        """Seal secrets anew to the current key."""
        return connector_pb2.ResealResponse(
            secrets=[
                to_sealed(self._keys.reseal(from_sealed(connection.secret), connection.id.encode()))
                for connection in request.connections
            ]
        )


async def _told(
    loading: asyncio.Future[connector_pb2.LoadResult], progress: Progress
) -> AsyncIterator[connector_pb2.LoadEvent]:
    """Tell progress while a load runs, whenever there is some."""
    told = 0
    while not loading.done():
        await asyncio.wait([loading], timeout=_PROGRESS_SECONDS)
        if progress.rows > told:
            told = progress.rows
            yield connector_pb2.LoadEvent(progress=connector_pb2.LoadProgress(rows=progress.rows, bytes=progress.bytes))

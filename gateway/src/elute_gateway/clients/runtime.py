"""The data plane of runs: `DataPlane`, done by the connector services."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Collection, Iterable, Mapping, Sequence

import grpc.aio

from elute.v1 import catalog_pb2, connector_pb2, connector_pb2_grpc, stage_pb2
from elute_gateway.application.ports import HoldOrder, LoadOrder
from elute_gateway.clients import messages, stages
from elute_gateway.domain.connection import Connection
from elute_gateway.domain.ledger import Unit, UnitResult
from elute_gateway.domain.names import DatasetName
from elute_gateway.domain.pipeline import Extra
from elute_gateway.domain.plan import Plan
from elute_gateway.domain.transfer import (
    DatasetDigest,
    DigestSelection,
    Ends,
    Fence,
    FinishProgress,
    HeldSnapshot,
    LoadProgress,
    LoadResult,
    Prepared,
)
from elute_wire.channel import ending
from elute_wire.errors import InternalFault
from elute_wire.identity import ServiceName
from elute_wire.status import calling, from_problem, from_stream

_BATCH_BYTES = 1024 * 1024
"""Larger batches cost a little less work per row, and memory in every service that they pass."""
_LOCK_SECONDS = 30


class ConnectorPlane:
    """Runs' calls to the connectors.

    A call goes to any connector but those about a snapshot, which go to the one that holds it: each of `holders` is a
    channel of its own.
    """

    def __init__(self, channel: grpc.aio.Channel, holders: Sequence[grpc.aio.Channel] = ()) -> None:
        """Use channels; they connect at the first call.

        Args:
            channel: To the connectors, whichever answers.
            holders: To one or two connectors that hold snapshots; none for `channel`.
        """
        self._stub = connector_pb2_grpc.ConnectorServiceStub(channel)
        self._holders = [connector_pb2_grpc.ConnectorServiceStub(holder) for holder in holders or [channel]]

    @property
    def holders(self) -> int:
        """How many connectors can hold a snapshot, each apart from the others."""
        return len(self._holders)

    async def hold(self, order: HoldOrder) -> AsyncGenerator[HeldSnapshot]:
        """Take a snapshot or re-attach to it, and hold it while the iterator is read."""
        request = connector_pb2.HoldSnapshotRequest(
            handle=order.handle,
            connection=messages.connection(order.source),
            datasets=_names(dataset.name for dataset in order.plan.datasets),
            dataset_fingerprints=[dataset.fingerprint for dataset in order.plan.datasets],
            adopt_snapshot_id=order.adopt,
            lease_seconds=round(order.lease_seconds),
            lock_timeout_seconds=_LOCK_SECONDS,
        )
        with (
            calling(ServiceName.CONNECTOR, f"holding a snapshot of connection {order.source.id}"),
            ending(self._holders[order.holder].HoldSnapshot(request)) as call,
        ):
            async for answer in call:
                yield HeldSnapshot(answer.snapshot_id, answer.visible, answer.age_seconds, answer.handing_over)

    async def release(self, holder: int, handle: str) -> None:
        """Let a snapshot go; safe to repeat."""
        with calling(ServiceName.CONNECTOR, "releasing a snapshot"):
            await self._holders[holder].ReleaseSnapshot(connector_pb2.ReleaseSnapshotRequest(handle=handle))

    async def cut(self, source: Connection, plan: Plan, snapshot_id: str, names: Sequence[DatasetName]) -> list[Unit]:
        """Cut datasets into slices that cover each once and whole."""
        request = connector_pb2.PlanPartitionsRequest(
            connection=messages.connection(source),
            snapshot_id=snapshot_id,
            datasets=_names(names),
            target_bytes=plan.limits.slice_bytes(sum(plan.dataset(name).size_bytes for name in names)),
        )
        with calling(ServiceName.CONNECTOR, f"cutting the datasets of connection {source.id}"):
            answer = await self._stub.PlanPartitions(request)
        return [
            Unit(
                messages.read_dataset_name(cut.dataset),
                cut.slice.SerializeToString(),
                cut.estimated_rows,
                cut.estimated_bytes,
            )
            for cut in answer.slices
        ]

    async def prepare(
        self,
        run_id: str,
        plan: Plan,
        ends: Ends,
        snapshot_id: str,
        partitions: Mapping[str, Collection[DatasetName]],
        *,
        restarted: Collection[DatasetName] = (),
        retired: Collection[str] = (),
    ) -> Prepared:
        """Make the target and its fence ready for partitions, given with their datasets; safe to repeat."""
        request = connector_pb2.PrepareTargetRequest(
            run_id=run_id,
            source=messages.connection(ends.source),
            snapshot_id=snapshot_id,
            target=messages.connection(ends.target),
            structure=messages.structure(plan.structure),
            datasets=_names(dataset.name for dataset in plan.datasets),
            partition_ids=partitions,
            partition_datasets=[
                connector_pb2.PartitionDatasets(datasets=_names(names)) for names in partitions.values()
            ],
            create=connector_pb2.CreateOptions(
                owners=Extra.OWNERS in plan.take_along,
                grants=Extra.GRANTS in plan.take_along,
                comments=Extra.COMMENTS in plan.take_along,
            ),
            restarted=_names(restarted),
            retired_partition_ids=retired,
            scrubbed=plan.policy is not None,
        )
        with calling(ServiceName.CONNECTOR, f"preparing the target {ends.target.id}"):
            answer = await self._stub.PrepareTarget(request)
        return Prepared(Fence(answer.fence.schema, answer.fence.table), tuple(map(from_problem, answer.notes)))

    async def load(self, order: LoadOrder) -> AsyncGenerator[LoadProgress | LoadResult]:
        """Load a partition; the last event is a `LoadResult`."""
        request = _load_request(order)
        doing = f"loading partition {order.claim.partition.id}"
        with ending(self._stub.Load(request)) as call:
            with calling(ServiceName.CONNECTOR, doing):
                await call.wait_for_connection()
            try:
                async for event in call:
                    if event.WhichOneof("event") == "committed":
                        yield _load_result(event.committed)
                        return
                    yield LoadProgress(event.progress.rows, event.progress.bytes)
            except grpc.aio.AioRpcError as error:
                # A worker that answers at all and then dies is counted; one that is not there is not.
                raise from_stream(error, doing, ServiceName.CONNECTOR) from None

    async def finish(
        self, run_id: str, plan: Plan, ends: Ends, fence: Fence, snapshot_id: str
    ) -> AsyncGenerator[FinishProgress]:
        """Make the loaded target whole; safe to repeat."""
        request = connector_pb2.FinishTargetRequest(
            run_id=run_id,
            target=messages.connection(ends.target),
            fence=connector_pb2.Fence(schema=fence.schema, table=fence.table),
            source=messages.connection(ends.source),
            snapshot_id=snapshot_id,
            datasets=_names(dataset.name for dataset in plan.datasets),
        )
        with (
            calling(ServiceName.CONNECTOR, f"finishing the target {ends.target.id}"),
            ending(self._stub.FinishTarget(request)) as call,
        ):
            async for progress in _finishing(call):
                yield progress

    async def repair(self, run_id: str, target: Connection) -> AsyncGenerator[FinishProgress]:
        """Bring the target of a run that has ended half-way back to valid keys and triggers; safe to repeat."""
        request = connector_pb2.RepairTargetRequest(run_id=run_id, target=messages.connection(target))
        with (
            calling(ServiceName.CONNECTOR, f"repairing the target {target.id}"),
            ending(self._stub.RepairTarget(request)) as call,
        ):
            async for progress in _finishing(call):
                yield progress

    async def digest(
        self, connection: Connection, snapshot_id: str, selections: Sequence[DigestSelection]
    ) -> list[DatasetDigest]:
        """Count and sum datasets, one answer per selection in order."""
        request = connector_pb2.DigestRequest(
            connection=messages.connection(connection),
            snapshot_id=snapshot_id,
            selections=[
                connector_pb2.DigestSelection(
                    dataset=messages.dataset_name(one.dataset), columns=one.columns, filter=one.filter
                )
                for one in selections
            ],
        )
        with calling(ServiceName.CONNECTOR, f"counting the datasets of connection {connection.id}"):
            answer = await self._stub.Digest(request)
        return [DatasetDigest(messages.read_dataset_name(one.dataset), one.rows, one.content) for one in answer.digests]


def _names(names: Iterable[DatasetName]) -> list[catalog_pb2.DatasetName]:
    return [messages.dataset_name(name) for name in names]


def _load_request(order: LoadOrder) -> connector_pb2.LoadRequest:
    reading = stages.Reading(order.ends.source, order.snapshot_id)
    datasets = {dataset.name: dataset for dataset in order.plan.datasets}
    units = [
        stages.unit_for(order.plan, datasets[unit.dataset], stage_pb2.Slice.FromString(unit.slice), reading)
        for unit in order.claim.partition.units
    ]
    writing = stages.Writing(
        run_id=order.claim.run_id,
        partition_id=order.claim.partition.id,
        target=order.ends.target,
        fence=connector_pb2.Fence(schema=order.fence.schema, table=order.fence.table),
        epoch=order.claim.epoch,
        batch_bytes=_BATCH_BYTES,
    )
    return stages.load_request(order.plan, units, writing)


def _load_result(message: connector_pb2.LoadResult) -> LoadResult:
    units = tuple(
        UnitResult(
            dataset=messages.read_dataset_name(unit.dataset),
            rows_read=unit.rows_read,
            rows_written=unit.rows_written,
            rows_filtered=unit.rows_filtered,
            rows_rejected=unit.rows_rejected,
            loaded_bytes=unit.bytes,
            digest=unit.digest,
            stages={stage.operation: stage.rows_out for stage in unit.stages},
        )
        for unit in message.units
    )
    if message.rejected:
        raise InternalFault("loading a partition: rows were set aside, and no limit allows that")
    return LoadResult(units, message.already_done)


async def _finishing(call: AsyncIterable[connector_pb2.FinishEvent]) -> AsyncIterator[FinishProgress]:
    async for event in call:
        notes = tuple(map(from_problem, event.notes))
        yield FinishProgress(event.phase, event.object, event.made, event.total, notes)

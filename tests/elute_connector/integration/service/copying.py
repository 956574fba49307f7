"""Copies datasets through the connector service as a gateway would, one partition after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from elute.v1 import catalog_pb2, connector_pb2, connector_pb2_grpc, stage_pb2
from elute_connector.connectors.postgresql.target import fence
from elute_connector.domain.dataset_name import DatasetName
from elute_connector.domain.target import Fence, FencePartition
from elute_wire.identity import ServiceName
from tests.support.postgresql import Database
from tests.support.services import System

FENCE = Fence("elute", "fence_test")


@dataclass
class Copier:
    """One run without a gateway: everything kept, scrubbing off."""

    services: System
    source: stage_pb2.Connection
    target: stage_pb2.Connection
    stub: connector_pb2_grpc.ConnectorServiceAsyncStub
    snapshot_id: str = ""
    catalogs: dict[str, dict[str, catalog_pb2.Dataset]] = field(default_factory=dict)

    async def discover(self) -> None:
        """Read both catalogs."""
        for name, connection in (("source", self.source), ("target", self.target)):
            response = await self.stub.Discover(connector_pb2.DiscoverRequest(connection=connection))
            self.catalogs[name] = {dataset.name.name: dataset for dataset in response.catalog.datasets}

    @asynccontextmanager
    async def snapshot(self, *names: str, handle: str = "copy", lease_seconds: int = 5) -> AsyncIterator[str]:
        """Hold a snapshot of datasets for the length of the block."""
        datasets = [self.catalogs["source"][name] for name in names]
        call = self.stub.HoldSnapshot(
            connector_pb2.HoldSnapshotRequest(
                handle=handle,
                connection=self.source,
                datasets=[dataset.name for dataset in datasets],
                dataset_fingerprints=[dataset.fingerprint for dataset in datasets],
                lease_seconds=lease_seconds,
                lock_timeout_seconds=2,
            )
        )
        held = await call.read()
        assert isinstance(held, connector_pb2.HoldSnapshotResponse)
        self.snapshot_id = held.snapshot_id
        try:
            yield held.snapshot_id
        finally:  # a failed test's snapshot would be in the next one's way
            call.cancel()
            await self.stub.ReleaseSnapshot(connector_pb2.ReleaseSnapshotRequest(handle=handle))

    async def slices(self, name: str, target_bytes: int = 64 * 1024 * 1024) -> Sequence[connector_pb2.PlannedSlice]:
        """Cut a dataset."""
        request = connector_pb2.PlanPartitionsRequest(
            connection=self.source,
            snapshot_id=self.snapshot_id,
            datasets=[self.catalogs["source"][name].name],
            target_bytes=target_bytes,
        )
        return (await self.stub.PlanPartitions(request)).slices

    def stage(self, name: str, slice_: stage_pb2.Slice | None = None, **extract: object) -> stage_pb2.Stage:
        """The stage that reads a slice of a dataset, every column in the wire lane."""
        dataset = self.catalogs["source"][name]
        columns = [
            stage_pb2.ColumnSelection(
                name=column.name, type=column.type, formatted_type=column.formatted_type, lane=stage_pb2.LANE_WIRE
            )
            for column in written(dataset)
        ]
        values = {"text_mode": dataset.text_mode, "snapshot_id": self.snapshot_id, **extract}
        return stage_pb2.Stage(
            extract=stage_pb2.Extract(
                connection=self.source,
                dataset=dataset.name,
                slice=slice_,
                columns=columns,
                **values,  # type: ignore[arg-type] # whatever the test says
            )
        )

    def unit(self, name: str, stage: stage_pb2.Stage) -> connector_pb2.Unit:
        """The unit that loads a stage's rows into the dataset of the same name."""
        source, target = self.catalogs["source"][name], self.catalogs["target"][name]
        return connector_pb2.Unit(
            target=target.name,
            dataset=target.name,
            stage=stage,
            text_mode=source.text_mode,
            fields=[
                connector_pb2.ExpectedField(name=column.name, formatted_type=column.formatted_type)
                for column in written(source)
            ],
            columns=[
                connector_pb2.ColumnBinding(
                    name=column.name,
                    lane=stage_pb2.LANE_WIRE,
                    target_type=column.type,
                    target_formatted=column.formatted_type,
                )
                for column in written(target)
            ],
        )

    def request(
        self, partition: str, *units: connector_pb2.Unit, epoch: int = 1, **more: object
    ) -> connector_pb2.LoadRequest:
        """The request that loads units as one partition."""
        return connector_pb2.LoadRequest(
            context=stage_pb2.StreamContext(run_id="test", partition_id=partition),
            target=self.target,
            fence=connector_pb2.Fence(schema=FENCE.schema, table=FENCE.table),
            epoch=epoch,
            units=units,
            **({"scrub": connector_pb2.SCRUB_MODE_OFF} | more),  # type: ignore[arg-type] # whatever the test says
        )

    async def load(self, request: connector_pb2.LoadRequest) -> connector_pb2.LoadResult:
        """Load a partition to its end."""
        async for event in self.stub.Load(request):
            if event.HasField("committed"):
                result: connector_pb2.LoadResult = event.committed
                return result
        raise AssertionError("the load ended without a result")

    async def copy(self, name: str, target_bytes: int = 64 * 1024 * 1024) -> list[connector_pb2.LoadResult]:
        """Copy a dataset, slice by slice."""
        slices = await self.slices(name, target_bytes)
        return [
            await self.load(self.request(f"p{place}", self.unit(name, self.stage(name, planned.slice))))
            for place, planned in enumerate(slices)
        ]


def written(dataset: catalog_pb2.Dataset) -> list[catalog_pb2.Column]:
    """The columns that are copied: all but the generated ones."""
    return [column for column in dataset.columns if not column.generation]


@asynccontextmanager
async def copier(services: System, source: Database, target: Database, partitions: int = 40) -> AsyncIterator[Copier]:
    """A copier between two databases, with a fence for some partitions in the target."""
    connection = await target.connect()
    try:
        await connection.execute("CREATE SCHEMA IF NOT EXISTS elute")
        await fence.create(connection, FENCE)
        names = [FencePartition(f"p{place}", (DatasetName("public", "any"),)) for place in range(partitions)]
        await fence.insert(connection, FENCE, names)
    finally:
        await connection.close()
    async with services.channel(ServiceName.CONNECTOR) as channel:
        made = Copier(
            services,
            services.connection("source", source),
            services.connection("target", target),
            connector_pb2_grpc.ConnectorServiceStub(channel),
        )
        await made.discover()
        yield made


async def fingerprint(database: Database, table: str) -> tuple[int, object]:
    """The rows of a table, counted and summed by their text."""
    connection = await database.connect()
    try:
        row = await connection.fetchrow(
            f"SELECT count(*) AS rows, sum(hashtextextended(t::text, 0)) AS content FROM {table} t"
        )
    finally:
        await connection.close()
    assert row is not None
    return row["rows"], row["content"]

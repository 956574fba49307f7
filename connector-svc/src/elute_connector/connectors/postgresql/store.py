"""One PostgreSQL, open: its pools, the catalogs that are known to hold, and all that the connector contract asks."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import asyncpg

from elute_connector.application.sessions import SessionPool
from elute_connector.connectors.postgresql import copy_binary
from elute_connector.connectors.postgresql.catalog import discover
from elute_connector.connectors.postgresql.check import check
from elute_connector.connectors.postgresql.client import Config, Secrets, connect
from elute_connector.connectors.postgresql.digest import digest
from elute_connector.connectors.postgresql.errors import foreign_mapped, mapped
from elute_connector.connectors.postgresql.partitions import plan_partitions
from elute_connector.connectors.postgresql.readers import Reader
from elute_connector.connectors.postgresql.sink import PartitionLoader
from elute_connector.connectors.postgresql.snapshot import PostgresSnapshot, adopted, hold
from elute_connector.connectors.postgresql.source import extracted
from elute_connector.connectors.postgresql.target.access import Access
from elute_connector.connectors.postgresql.target.finish import finish
from elute_connector.connectors.postgresql.target.plan import plan_target
from elute_connector.connectors.postgresql.target.prepare import prepare
from elute_connector.connectors.postgresql.target.repair import repair
from elute_connector.domain.catalog import Catalog
from elute_connector.domain.connector import CheckResult, PlannedSlice, Role, Source
from elute_connector.domain.dataset_name import DatasetName
from elute_connector.domain.extraction import Extraction
from elute_connector.domain.load import PartitionLoad, Progress
from elute_connector.domain.target import (
    DatasetDigest,
    DigestSelection,
    FinishEvent,
    Preparation,
    Prepared,
    Structure,
    TargetDataset,
    TargetPlan,
)
from elute_wire.errors import NotFound, PlanRefused
from elute_wire.streams import Stream

_CATALOGS_KEPT = 4
_FINISHING_SESSIONS = 2


class PostgresStore:
    """An open PostgreSQL; implements `elute_connector.domain.connector.Source` and `Target`."""

    def __init__(self, config: Config, secrets: Secrets, executor: Executor) -> None:
        self.config = config
        self.secrets = secrets
        self._executor = executor
        self._readers = SessionPool(lambda: Reader(config, secrets))
        self._catalogs = KnownCatalogs()
        # While somebody checks and plans: the first rows need not wait for it.
        executor.submit(copy_binary.make_ready)

    @asynccontextmanager
    async def session(self, purpose: str) -> AsyncIterator[asyncpg.Connection]:
        """Open a session for the length of the block; one that leaves by an exception is cut off."""
        connection = await connect(self.config, self.secrets, application_name=f"elute {purpose}")
        try:
            with foreign_mapped(f"using a session for {purpose}"):
                yield connection
                await connection.close()
        except BaseException:
            connection.terminate()
            raise

    async def check(self, role: Role, datasets: Sequence[DatasetName]) -> CheckResult:
        """Answer what the connection lacks for its role."""
        return await check(self.config, self.secrets, role, datasets)

    async def discover(self, snapshot_id: str = "") -> Catalog:
        """Read the catalog, under a snapshot or at present."""
        async with self.session("discovery") as connection, adopted(connection, snapshot_id):
            return await self._discovered(connection)

    async def hold_snapshot(
        self, datasets: Mapping[DatasetName, str], adopt_snapshot_id: str, lock_timeout_seconds: int
    ) -> PostgresSnapshot:
        """Lock datasets and take or adopt a snapshot."""
        held = await hold(
            self.config,
            self.secrets,
            datasets=datasets,
            adopt_snapshot_id=adopt_snapshot_id,
            lock_timeout_seconds=lock_timeout_seconds,
        )
        self._catalogs.know(held.snapshot_id, held.catalog)
        return held

    async def plan_partitions(
        self, snapshot_id: str, datasets: Sequence[DatasetName], target_bytes: int
    ) -> Sequence[PlannedSlice]:
        """Cut datasets into slices of about `target_bytes`.

        Raises:
            NotFound: A dataset is not there.
        """
        catalog = await self._catalogs.find(snapshot_id, lambda: self.discover(snapshot_id))
        found = {dataset.name: dataset for dataset in catalog.datasets}
        missing = [str(name) for name in datasets if name not in found]
        if missing:
            raise NotFound(f"planning partitions: there is no dataset {', '.join(missing)}")
        async with self.session("partition planning") as connection, adopted(connection, snapshot_id):
            with mapped("planning partitions"):
                return await plan_partitions(connection, [found[name] for name in datasets], target_bytes)

    @asynccontextmanager
    async def extracted(self, extraction: Extraction) -> AsyncIterator[Stream]:
        """Open a stream over one slice."""
        snapshot_id = extraction.snapshot_id
        catalog = await self._catalogs.find(snapshot_id, lambda: self.discover(snapshot_id))
        async with extracted(extraction, catalog, self._readers, self._executor) as stream:
            yield stream

    async def load(
        self,
        load: PartitionLoad,
        open_unit: Callable[[int], AbstractAsyncContextManager[Stream]],
        progress: Progress,
    ) -> bytes:
        """Load a partition in one transaction; answer the serialized `LoadResult`."""
        fence = f"{load.fence.schema}.{load.fence.table}"
        catalog = await self._catalogs.find(fence, self.discover)
        async with self.session(f"load {load.partition_id}"[:63]) as connection:
            result = await PartitionLoader(load, catalog, self._executor, progress).run(connection, open_unit)
        return result.SerializeToString()

    async def plan_target(self, source: Source, structure: Structure, datasets: Sequence[TargetDataset]) -> TargetPlan:
        """Answer how columns would reach this database, and every reason why they cannot."""
        reading_from = _postgres(source).access("planning")
        async with reading_from as reading, self.access("planning") as writing:
            return await plan_target(reading, writing, structure, datasets)

    async def prepare_target(self, preparation: Preparation, source: Source, snapshot_id: str) -> Prepared:
        """Make this database ready to be loaded."""
        reading_from = _postgres(source).access("preparation", snapshot_id)
        async with reading_from as reading, self.access("preparation") as writing:
            return await prepare(reading, writing, preparation)

    async def finish_target(self, run_id: str, source: Source, _: Sequence[DatasetName]) -> AsyncIterator[FinishEvent]:
        """Make the loaded database whole; the run's own marks say of which datasets."""
        async with AsyncExitStack() as stack:
            reading = await stack.enter_async_context(_postgres(source).session("finish"))
            writing = [await stack.enter_async_context(self.session("finish")) for _ in range(_FINISHING_SESSIONS)]
            async for event in finish(writing, reading, run_id):
                yield event

    async def repair_target(self, run_id: str) -> AsyncIterator[FinishEvent]:
        """Bring an abandoned target back to validity."""
        async with self.session("repair") as connection:
            async for event in repair(connection, run_id):
                yield event

    async def digest(self, snapshot_id: str, selections: Sequence[DigestSelection]) -> Sequence[DatasetDigest]:
        """Count rows and sum their content."""
        async with self.session("verification") as connection, adopted(connection, snapshot_id):
            return await digest(connection, selections)

    @asynccontextmanager
    async def access(self, purpose: str, snapshot_id: str = "") -> AsyncIterator[Access]:
        """Open a session together with what PostgreSQL's own programs need to open another."""
        async with self.session(purpose) as connection:
            yield Access(self.config, self.secrets, connection, snapshot_id)

    async def close(self) -> None:
        """Let go of all idle sessions."""
        await self._readers.close()

    async def _discovered(self, connection: asyncpg.Connection) -> Catalog:
        with mapped(f"discovering database {self.config.database}"):
            return await discover(connection)


def _postgres(source: Source) -> PostgresStore:
    if not isinstance(source, PostgresStore):
        raise PlanRefused(
            "using a source: a PostgreSQL target takes its schema and its types from a PostgreSQL source",
            hint="choose a source of the system postgresql",
        )
    return source


class KnownCatalogs:
    """The catalogs that locks or a run's fence keep as they are: read once, found by what keeps them."""

    def __init__(self) -> None:
        self._catalogs: OrderedDict[str, asyncio.Future[Catalog]] = OrderedDict()

    def know(self, key: str, catalog: Catalog) -> None:
        """Remember a catalog that was just read."""
        known: asyncio.Future[Catalog] = asyncio.get_running_loop().create_future()
        known.set_result(catalog)
        self._catalogs[key] = known
        self._trim()

    async def find(self, key: str, read: Callable[[], Awaitable[Catalog]]) -> Catalog:
        """Find a catalog, reading it when nobody has; an empty key is never remembered.

        Those who ask while it is being read wait for the same reading.
        """
        if not key:
            return await read()
        known = self._catalogs.get(key)
        if known is None:
            known = self._catalogs[key] = asyncio.ensure_future(read())
            known.add_done_callback(lambda done: self._forget_failed(key, done))
            self._trim()
        self._catalogs.move_to_end(key)
        return await asyncio.shield(known)

    def _forget_failed(self, key: str, done: asyncio.Future[Catalog]) -> None:
        if (done.cancelled() or done.exception()) and self._catalogs.get(key) is done:
            del self._catalogs[key]

    def _trim(self) -> None:
        while len(self._catalogs) > _CATALOGS_KEPT:
            self._catalogs.popitem(last=False)

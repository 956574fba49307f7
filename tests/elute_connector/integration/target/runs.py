"""Runs a whole run against two databases as the gateway does, with a plain COPY in place of the data plane."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from io import BytesIO

import asyncpg

from elute_connector.connectors.postgresql.client import Secrets
from elute_connector.connectors.postgresql.identifiers import qualified, quoted
from elute_connector.connectors.postgresql.target import fence, finish, prepare, relations, repair
from elute_connector.connectors.postgresql.target.access import Access
from elute_connector.domain.dataset_name import DatasetName
from elute_connector.domain.target import (
    CreateOptions,
    FencePartition,
    FinishEvent,
    Preparation,
    Prepared,
    Structure,
)
from elute_wire.errors import Problem
from tests.elute_connector.integration.target.conftest import Opener, config_of
from tests.support.postgresql import Database

RUN = "run-1"

_COLUMNS = """
    SELECT attname::text FROM pg_attribute
    WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
"""


def names(*tables: str) -> tuple[DatasetName, ...]:
    return tuple(DatasetName(*(table.split(".", 1) if "." in table else ("public", table))) for table in tables)


@dataclass
class Run:
    """One run: each dataset is a partition."""

    source: Database
    target: Database
    open_session: Opener
    datasets: tuple[DatasetName, ...]
    structure: Structure = Structure.CREATE
    options: CreateOptions = field(default_factory=CreateOptions)
    run_id: str = RUN

    async def access(self, database: Database) -> Access:
        return Access(config_of(database), Secrets(), await self.open_session(database))

    @property
    def fence(self) -> str:
        return fence.relation(fence.fence_of(self.run_id))

    def request(self) -> Preparation:
        partitions = tuple(FencePartition(f"p-{name}", (name,)) for name in self.datasets)
        return Preparation(self.run_id, self.structure, self.datasets, partitions, create=self.options)

    async def prepare(self, request: Preparation | None = None) -> Prepared:
        ends = await self.access(self.source), await self.access(self.target)
        return await prepare.prepare(*ends, request or self.request())

    async def load(self, *datasets: DatasetName) -> None:
        """Copy datasets as they are, and set their partitions done; all of them when none is named."""
        connection = await self.open_session(self.source)
        for name in datasets or self.datasets:
            for leaf in await relations.read(connection, [name]):
                if leaf.chosen and leaf.kind is not relations.RelationKind.PARTITIONED:
                    await self._copy(connection, leaf.name)
            self.target.run(f"UPDATE {self.fence} SET done = true, result = '' WHERE partition_id = 'p-{name}'")

    async def _copy(self, connection: asyncpg.Connection, name: DatasetName) -> None:
        columns = [row["attname"] for row in await connection.fetch(_COLUMNS, qualified(name))]
        rows = BytesIO()
        selected = ", ".join(map(quoted, columns))
        await connection.copy_from_query(f"SELECT {selected} FROM ONLY {qualified(name)}", output=rows)
        rows.seek(0)
        sink = await self.open_session(self.target)
        await sink.copy_to_table(name.name, schema_name=name.schema, columns=columns, source=rows)
        await sink.close()

    async def finish(self, until: Callable[[FinishEvent], bool] = lambda _: False) -> list[FinishEvent]:
        """Finish; or stop, as a killed connector does, at the first event that `until` accepts."""
        connections = [await self.open_session(self.target) for _ in range(2)]
        return await _gather(finish.finish(connections, await self.open_session(self.source), self.run_id), until)

    async def repair(self) -> list[FinishEvent]:
        return await _gather(repair.repair(await self.open_session(self.target), self.run_id), lambda _: False)

    async def whole(self) -> list[FinishEvent]:
        await self.prepare()
        await self.load()
        return await self.finish()


async def _gather(events: AsyncIterator[FinishEvent], until: Callable[[FinishEvent], bool]) -> list[FinishEvent]:
    gathered: list[FinishEvent] = []
    async for event in events:
        gathered.append(event)
        if until(event):
            break
    if hasattr(events, "aclose"):
        await events.aclose()
    return gathered


def notes(events: list[FinishEvent]) -> list[Problem]:
    return [note for event in events for note in event.notes]


def schema_of(database: Database) -> str:
    """Answer a database's schema as pg_dump writes it, without what differs from call to call."""
    done = subprocess.run(
        [str(database.server.programs / "pg_dump"), "--schema-only", "--no-comments", database.dsn],
        capture_output=True,
        check=True,
        text=True,
    )
    return "\n".join(line for line in done.stdout.splitlines() if "restrict " not in line)

"""Holds a PostgreSQL snapshot: one moment that many sessions read, and the locks that keep it one.

The order matters. `LOCK TABLE` takes no snapshot, so the holder first locks every relation, and only then lets the
transaction take its snapshot. A `CLUSTER`, a `TRUNCATE` or a rewriting `ALTER TABLE` between two `ctid` ranges would
otherwise lose and double rows while the counts agree; ACCESS SHARE makes it wait.

Source: https://www.postgresql.org/docs/current/sql-set-transaction.html (SET TRANSACTION SNAPSHOT) and
https://www.postgresql.org/docs/current/mvcc-caveats.html
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress

import asyncpg

from elute_connector.connectors.postgresql.catalog import discover
from elute_connector.connectors.postgresql.client import Config, Secrets, connect
from elute_connector.connectors.postgresql.errors import mapped
from elute_connector.connectors.postgresql.identifiers import qualified
from elute_connector.domain.catalog import Catalog
from elute_connector.domain.dataset_name import DatasetName
from elute_wire.errors import CatalogChanged, InvalidRequest, Problem

BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
"""The transaction of everybody who reads under a snapshot."""
_LIFE_SIGN_SECONDS = 2.0
_LOCKABLE = """
    SELECT n.nspname::text AS schema, c.relname::text AS name
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE (n.nspname, c.relname) IN (SELECT * FROM unnest($1::text[], $2::text[])) AND c.relkind IN ('r', 'p', 'v')
"""
_SNAPSHOT_ID = re.compile(r"[0-9A-Fa-f-]{1,64}")


class PostgresSnapshot:
    """A snapshot that a session of ours holds, with an ACCESS SHARE lock on all that will be read under it."""

    def __init__(self, connection: asyncpg.Connection, snapshot_id: str, visible: str, catalog: Catalog) -> None:
        self.snapshot_id = snapshot_id
        self.visible = visible
        self.catalog = catalog
        self._ended = asyncio.Event()
        self._connection = connection
        connection.add_termination_listener(lambda _: self._ended.set())
        self._watch = asyncio.create_task(self._watch_session())

    @property
    def lost(self) -> bool:
        """Whether the session is gone."""
        return self._ended.is_set()

    async def ended(self) -> None:
        """Wait until the session is gone."""
        await self._ended.wait()

    async def _watch_session(self) -> None:
        # A server that vanished without a word is found by asking it.
        while not self._ended.is_set():
            await asyncio.sleep(_LIFE_SIGN_SECONDS)
            try:
                await self._connection.execute("SELECT 1", timeout=5 * _LIFE_SIGN_SECONDS)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                self._ended.set()

    async def release(self) -> None:
        """End the session, its locks and its snapshot."""
        self._watch.cancel()
        with suppress(asyncio.CancelledError):
            await self._watch
        self._connection.terminate()
        self._ended.set()


async def hold(
    config: Config,
    secrets: Secrets,
    *,
    datasets: Mapping[DatasetName, str],
    adopt_snapshot_id: str = "",
    lock_timeout_seconds: int = 30,
) -> PostgresSnapshot:
    """Lock datasets, take a snapshot (or adopt one) and export it.

    Args:
        config: The server.
        secrets: The password.
        datasets: What will be read, with the fingerprints that the plan saw; an empty fingerprint is not compared.
        adopt_snapshot_id: A snapshot that another session holds; empty for a new one.
        lock_timeout_seconds: How long to wait for the locks.

    Raises:
        CatalogChanged: A dataset is gone, or its structure is not the one that the plan saw.
        SnapshotLost: The snapshot to adopt is gone.
        StoreBusy: The locks were not to be had in time.
        StoreError: Anything else that the server says.
    """
    adopting = adoption(adopt_snapshot_id) if adopt_snapshot_id else ""
    connection = await connect(config, secrets, application_name="elute snapshot holder")
    try:
        with mapped("taking a snapshot"):
            lockable = await _lockable(connection, datasets)
            await connection.execute(BEGIN)
            if adopting:
                await connection.execute(adopting)
            if lockable:
                await connection.execute(f"SET LOCAL lock_timeout = '{lock_timeout_seconds}s'")
                await connection.execute(f"LOCK TABLE {', '.join(lockable)} IN ACCESS SHARE MODE")
            # The first statement that takes a snapshot, now that the locks are there.
            snapshot_id = await connection.fetchval("SELECT pg_export_snapshot()")
            visible = await connection.fetchval("SELECT pg_current_snapshot()::text")
            catalog = await discover(connection)
        _refuse_changes(catalog, datasets)
    except BaseException:
        connection.terminate()
        raise
    return PostgresSnapshot(connection, snapshot_id, visible, catalog)


@asynccontextmanager
async def adopted(connection: asyncpg.Connection, snapshot_id: str) -> AsyncIterator[None]:
    """Read in one transaction, under a snapshot that another session holds unless the id is empty.

    Raises:
        SnapshotLost: The snapshot is gone.
    """
    with mapped("adopting a snapshot"):
        await connection.execute(BEGIN)
        if snapshot_id:
            await connection.execute(adoption(snapshot_id))
    yield
    with mapped("ending a read"):
        await connection.execute("ROLLBACK")


def adoption(snapshot_id: str) -> str:
    """Write the statement that makes a transaction read under a snapshot; its first one."""
    if not _SNAPSHOT_ID.fullmatch(snapshot_id):
        raise InvalidRequest("adopting a snapshot: its id is not of PostgreSQL's form")
    return f"SET TRANSACTION SNAPSHOT '{snapshot_id}'"


async def _lockable(connection: asyncpg.Connection, datasets: Iterable[DatasetName]) -> list[str]:
    """Quote the names of those datasets that LOCK TABLE takes: not materialized views, not foreign tables."""
    names = sorted(datasets)
    rows = await connection.fetch(_LOCKABLE, [name.schema for name in names], [name.name for name in names])
    return [qualified(DatasetName(row["schema"], row["name"])) for row in rows]


def _refuse_changes(catalog: Catalog, datasets: Mapping[DatasetName, str]) -> None:
    seen = {dataset.name: dataset.fingerprint for dataset in catalog.datasets}
    problems = [
        Problem(
            "catalog-changed",
            f"dataset {name} {'has changed' if name in seen else 'is gone'} since it was planned",
            hint="plan again, look at what is new, and accept it",
            dataset=str(name),
        )
        for name, fingerprint in datasets.items()
        if name not in seen or (fingerprint and seen[name] != fingerprint)
    ]
    if problems:
        raise CatalogChanged(
            f"taking a snapshot: {len(problems)} of {len(datasets)} datasets are not what the plan saw, "
            f"the first is {problems[0].dataset}",
            hint="plan again, look at what is new, and accept it",
            problems=problems,
        )

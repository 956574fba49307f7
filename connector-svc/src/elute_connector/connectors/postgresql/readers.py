"""Sessions that read: COPY binary straight into Arrow, by ADBC, under a snapshot that another session holds.

Opening one costs 50 to 200 ms (ADBC reads the server's types first), so they are pooled. A session that has adopted
a snapshot stays in its transaction for the next slice under the same snapshot.

Everything of a `Reader` blocks, and is called in worker threads, but `cancel`, which may be called beside it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar, TypeVarTuple

import adbc_driver_manager
import pyarrow as pa
from adbc_driver_postgresql import StatementOptions, dbapi

from elute_connector.connectors.postgresql.client import Config, Secrets, libpq_url
from elute_connector.connectors.postgresql.errors import mapped
from elute_connector.connectors.postgresql.snapshot import adoption

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

_IDLE_SECONDS = 60.0
_MOST_IDLE = 8
_CANCEL_AGAIN_SECONDS = 0.2


class Reader:
    """One session, in a read-only transaction under a snapshot, or outside of any."""

    def __init__(self, url: str) -> None:
        with mapped("opening a session to read"):
            self._connection = dbapi.connect(url, autocommit=True)
        self._cursor: dbapi.Cursor | None = None
        self.snapshot_id = ""
        self.idle_since = 0.0
        self.running: asyncio.Future[Any] | None = None

    def begin(self, snapshot_id: str) -> None:
        """Begin a read-only transaction, under a snapshot unless the id is empty.

        Raises:
            SnapshotLost: The snapshot is gone.
        """
        with mapped("adopting a snapshot"):
            self._execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            if snapshot_id:
                self._execute(adoption(snapshot_id))
        self.snapshot_id = snapshot_id

    def query(self, sql: str, batch_bytes: int) -> pa.RecordBatchReader:
        """Start a query; the reader that comes back yields batches of about `batch_bytes`."""
        self._cursor = self._connection.cursor()
        with mapped("starting a read"):
            self._cursor.adbc_statement.set_options(**{StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(batch_bytes)})
            self._cursor.execute(sql)
            batches: pa.RecordBatchReader = self._cursor.fetch_record_batch()
            return batches

    def done(self) -> None:
        """Let go of the last query, whose batches have all been read."""
        if self._cursor:
            self._cursor.close()
            self._cursor = None

    def end(self) -> None:
        """End the transaction."""
        with mapped("ending a read"):
            self._execute("ROLLBACK")
        self.snapshot_id = ""

    def cancel(self) -> None:
        """Make the running query fail, from another thread; does nothing when none is running."""
        if self._cursor:
            with suppress(adbc_driver_manager.Error):
                self._cursor.adbc_cancel()

    def close(self) -> None:
        """End the session."""
        with suppress(adbc_driver_manager.Error):
            self.done()
            self._connection.close()

    def _execute(self, sql: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)


class ReaderPool:
    """The reading sessions of one connection."""

    def __init__(self, config: Config, secrets: Secrets, executor: Executor) -> None:
        self._url = libpq_url(config, secrets, application_name="elute reader")
        self._executor = executor
        self._idle: list[Reader] = []
        self._open = 0

    @property
    def open(self) -> int:
        """How many sessions there are, in use or idle."""
        return self._open

    @property
    def idle(self) -> int:
        """How many of them are idle."""
        return len(self._idle)

    @asynccontextmanager
    async def reading(self, snapshot_id: str) -> AsyncIterator[Reader]:
        """Lend a session under a snapshot. One that leaves the block by an exception is cancelled and closed.

        Raises:
            SnapshotLost: The snapshot is gone.
            StoreError: The server does not answer, or refuses.
        """
        reader = await self._take(snapshot_id)
        async with self._kept(reader):
            yield reader

    @asynccontextmanager
    async def _kept(self, reader: Reader) -> AsyncIterator[None]:
        try:
            yield
        except BaseException:
            await asyncio.shield(self._discard(reader))
            raise
        reader.idle_since = time.monotonic()
        self._idle.append(reader)
        await self._trim()

    async def forget(self, snapshot_id: str) -> None:
        """End the idle transactions under a snapshot that nobody will read any more; their sessions stay."""
        held = [reader for reader in self._idle if snapshot_id and reader.snapshot_id == snapshot_id]
        for reader in held:
            self._idle.remove(reader)
            async with self._kept(reader):
                await self.run(reader, reader.end)

    async def close(self) -> None:
        """End all idle sessions."""
        readers, self._idle = self._idle, []
        for reader in readers:
            await self._discard(reader)

    async def _take(self, snapshot_id: str) -> Reader:
        for wanted in (snapshot_id, ""):
            reader = next((reader for reader in reversed(self._idle) if reader.snapshot_id == wanted), None)
            if reader is not None:
                self._idle.remove(reader)
                return reader if wanted else await self._begun(reader, snapshot_id)
        self._open += 1
        try:
            reader = await asyncio.get_running_loop().run_in_executor(self._executor, Reader, self._url)
        except BaseException:
            self._open -= 1
            raise
        return await self._begun(reader, snapshot_id)

    async def _begun(self, reader: Reader, snapshot_id: str) -> Reader:
        try:
            await self.run(reader, reader.begin, snapshot_id)
        except BaseException:
            await asyncio.shield(self._discard(reader))
            raise
        return reader

    async def _trim(self) -> None:
        now = time.monotonic()
        while self._idle and (len(self._idle) > _MOST_IDLE or now - self._idle[0].idle_since > _IDLE_SECONDS):
            await self._discard(self._idle.pop(0))

    async def _discard(self, reader: Reader) -> None:
        # Another thread may be inside the driver: it must come out before the session is closed. A cancel that came
        # before the server had begun is lost, so it is repeated.
        while reader.running and not reader.running.done():
            await asyncio.to_thread(reader.cancel)
            await asyncio.wait([reader.running], timeout=_CANCEL_AGAIN_SECONDS)
        self._open -= 1
        await asyncio.to_thread(reader.close)

    async def run(self, reader: Reader, function: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """Call something of a reader in a worker thread; a cancelled caller leaves, the thread goes on."""
        reader.running = asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)
        return await asyncio.shield(reader.running)

"""Sessions that read: COPY binary straight into Arrow, by ADBC, under a snapshot that another session holds.

Opening one costs 50 to 200 ms (ADBC reads the server's types first), so they are pooled. Everything here blocks, and
is called in worker threads, but `cancel`, which may be called beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

import adbc_driver_manager
import pyarrow as pa
from adbc_driver_postgresql import StatementOptions, dbapi

from elute_connector.connectors.postgresql.errors import mapped
from elute_connector.connectors.postgresql.identifiers import qualified
from elute_connector.connectors.postgresql.snapshot import BEGIN, adoption
from elute_connector.domain.dataset_name import DatasetName


class Reader:
    """One session; between `begin` and `end` it is in a read-only transaction."""

    def __init__(self, url: str, lock_timeout_seconds: int) -> None:
        self._url = url
        self._lock_timeout_seconds = lock_timeout_seconds
        self._connection: dbapi.Connection | None = None
        self._cursor: dbapi.Cursor | None = None

    def begin(self, snapshot_id: str, locked: DatasetName | None) -> None:
        """Begin a read-only transaction: first the lock, then the snapshot.

        A snapshot that can still be adopted has been held, with its locks, until this session had its own. So nothing
        has rewritten the relation since the snapshot was taken, even if its holder ends a moment later.

        Args:
            snapshot_id: The snapshot; empty for the present.
            locked: The relation that will be read; None for one that takes no lock.

        Raises:
            SnapshotLost: The snapshot is gone.
            StoreBusy: The lock was not to be had in time: an ALTER TABLE that waits for the holder's is before us.
            StoreError: The server does not answer, or refuses.
        """
        statements = [BEGIN, f"SET LOCAL lock_timeout = '{self._lock_timeout_seconds}s'"]
        if locked:
            statements.append(f"LOCK TABLE {qualified(locked)} IN ACCESS SHARE MODE")
        if snapshot_id:
            statements.append(adoption(snapshot_id))
        with mapped("beginning to read"):
            self._execute("; ".join(statements))

    def query(self, sql: str, batch_bytes: int) -> Iterator[pa.RecordBatch]:
        """Start a query; its batches have about `batch_bytes`, and raise what ADBC raises."""
        self._cursor = self._opened().cursor()
        with mapped("starting a read"):
            self._cursor.adbc_statement.set_options(**{StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(batch_bytes)})
            self._cursor.execute(sql)
            # `fetch_record_batch` takes the SQLSTATE off every error that comes later: an OSError without any is left.
            # https://github.com/apache/arrow-adbc/issues/1523
            batches: Iterable[pa.RecordBatch] = self._cursor._results.reader  # noqa: SLF001
            return iter(batches)

    def end(self) -> None:
        """End the transaction; the batches of its query have all been read."""
        self._let_go()
        with mapped("ending a read"):
            self._execute("ROLLBACK")

    def cancel(self) -> None:
        """Make the running query fail, from another thread; does nothing when none is running."""
        if self._cursor:
            with suppress(adbc_driver_manager.Error):
                self._cursor.adbc_cancel()

    def close(self) -> None:
        """End the session."""
        with suppress(adbc_driver_manager.Error):
            self._let_go()
            if self._connection:
                self._connection.close()

    def _opened(self) -> dbapi.Connection:
        if self._connection is None:
            with mapped("opening a session"):
                self._connection = dbapi.connect(self._url, autocommit=True)
        return self._connection

    def _execute(self, statements: str) -> None:
        with self._opened().cursor() as cursor:
            cursor.executescript(statements)

    def _let_go(self) -> None:
        if self._cursor:
            self._cursor.close()
            self._cursor = None

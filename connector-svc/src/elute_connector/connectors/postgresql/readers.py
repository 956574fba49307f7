"""Sessions that read: what COPY sends, piece by piece, under a snapshot that another session holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import asyncpg

from elute_connector.connectors.postgresql.client import Config, Secrets, connect, unless_lost
from elute_connector.connectors.postgresql.errors import mapped
from elute_connector.connectors.postgresql.identifiers import qualified
from elute_connector.connectors.postgresql.snapshot import BEGIN, adoption
from elute_connector.domain.dataset_name import DatasetName
from elute_wire.ahead import pushed

_ENDING_SECONDS = 1.0
_SMALL_BYTES = 128 * 1024
_FILLING_SECONDS = 0.0005
"""How long the server may fill the socket's buffer behind a small piece: fewer and larger pieces are half the work."""


class Reader:
    """One session; between `begin` and `end` it is in a read-only transaction."""

    def __init__(self, config: Config, secrets: Secrets) -> None:
        self._config = config
        self._secrets = secrets
        self._connection: asyncpg.Connection | None = None

    async def begin(self, snapshot_id: str, locked: DatasetName | None) -> None:
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
        statements = [BEGIN]
        if locked:
            statements.append(f"LOCK TABLE {qualified(locked)} IN ACCESS SHARE MODE")
        if snapshot_id:
            statements.append(adoption(snapshot_id))
        connection = await self._opened()
        with mapped("beginning to read"):
            await connection.execute("; ".join(statements))

    @asynccontextmanager
    async def copied(self, query: str, piece_bytes: int) -> AsyncIterator[AsyncIterator[list[bytes]]]:
        """Copy the rows of a query out in COPY's binary format, as lists of about `piece_bytes` together.

        Raises:
            StoreError: The server refuses or breaks; out of the iterator.
        """
        connection = await self._opened()

        async def produce(put: Callable[[list[bytes]], Awaitable[None]]) -> None:
            pieces: list[bytes] = []
            size = 0

            async def take(piece: bytes) -> None:
                nonlocal pieces, size
                pieces.append(piece)
                size += len(piece)
                if size >= piece_bytes:
                    full, pieces, size = pieces, [], 0
                    await put(full)
                elif len(piece) < _SMALL_BYTES < size:
                    await asyncio.sleep(_FILLING_SECONDS)

            with mapped("reading rows"):
                await unless_lost(connection, connection.copy_from_query(query, output=take, format="binary"))
            await put(pieces)

        async with pushed(produce, depth=1) as lists:
            yield lists

    async def end(self) -> None:
        """End the transaction; the rows of its query have all been read."""
        connection = await self._opened()
        with mapped("ending a read"):
            await connection.execute("ROLLBACK")

    async def discard(self) -> None:
        """End the session; a statement that still runs is cancelled at the server."""
        if self._connection:
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                await self._connection.close(timeout=_ENDING_SECONDS)
            self._connection.terminate()

    async def _opened(self) -> asyncpg.Connection:
        if self._connection is None:
            self._connection = await connect(self._config, self._secrets, application_name="elute reader")
        return self._connection

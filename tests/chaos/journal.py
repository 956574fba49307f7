"""What was ever in the source: every row before the writers began, and every change with its transaction id.

From a snapshot's text alone (`xmin:xmax:xip,…`) the journal answers which rows it sees, without asking the source:
a judge that shares nothing with what is judged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

import asyncpg

from tests.chaos.databases import DIGEST, FIND_TRANSACTION, TABLES
from tests.support.postgresql import Database

WRITER = "chaos writer"
"""The application name of those that change the source."""


class Fate(Enum):
    """What became of a transaction."""

    COMMITTED = "committed"
    ABORTED = "aborted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Row:
    """What a row holds: the digest of its kept columns, and the value that is scrubbed."""

    digest: bytes
    email: str


@dataclass(frozen=True, slots=True)
class Change:
    """A row's new content; None when it was deleted."""

    table: str
    key: int
    row: Row | None


@dataclass(slots=True)
class Transaction:
    """Changes that were committed together, or not at all; the token is left in the source by their commit."""

    token: str
    xid: int
    changes: list[Change]
    fate: Fate = Fate.UNKNOWN


@dataclass(frozen=True)
class Snapshot:
    """Which transactions a snapshot sees.

    Source:
        https://www.postgresql.org/docs/current/functions-info.html, the textual form of pg_snapshot.
    """

    xmax: int
    running: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> Snapshot:
        """Read `xmin:xmax:xip,…`."""
        _, xmax, running = text.split(":")
        return cls(int(xmax), frozenset(int(xid) for xid in running.split(",") if xid))

    def sees(self, xid: int) -> bool:
        """Whether the changes of a committed transaction are visible."""
        return xid < self.xmax and xid not in self.running


@dataclass
class Journal:
    """The rows of the beginning, and all transactions since, in the order of their writers."""

    base: dict[str, dict[int, Row]] = field(default_factory=lambda: {table: {} for table in TABLES})
    transactions: list[Transaction] = field(default_factory=list)

    async def begin(self, database: Database) -> None:
        """Read what is there before anybody writes."""
        connection = await database.connect()
        try:
            for table in TABLES:
                for key, row in await rows_of(connection, table):
                    assert key not in self.base[table]
                    self.base[table][key] = row
        finally:
            await connection.close()

    async def settle(self, database: Database) -> None:
        """Find the fate of transactions whose commit was never answered; their writers have stopped."""
        connection = await database.connect()
        try:
            await _until_alone(connection)
            for transaction in self.transactions:
                if transaction.fate is Fate.UNKNOWN:
                    committed = await connection.fetchval(FIND_TRANSACTION, transaction.token)
                    transaction.fate = Fate.COMMITTED if committed else Fate.ABORTED
        finally:
            await connection.close()

    def visible(self, table: str, snapshot: Snapshot) -> dict[int, Row]:
        """Answer the rows of a table that a snapshot sees.

        Writers own disjoint keys and write one transaction after the other, so the last visible change of a key is
        its content.
        """
        rows = dict(self.base[table])
        for change in self._seen(table, snapshot):
            if change.row is None:
                rows.pop(change.key, None)
            else:
                rows[change.key] = change.row
        return rows

    def history(self, table: str, key: int) -> list[str]:
        """Tell what became of a key, one line per change, its transaction and that one's fate."""
        lines = [f"in the beginning {_said(self.base[table].get(key))}"]
        lines += [
            f"{transaction.xid} {transaction.fate.value}: {_said(change.row)}"
            for transaction in self.transactions
            for change in transaction.changes
            if (change.table, change.key) == (table, key)
        ]
        return lines

    def _seen(self, table: str, snapshot: Snapshot) -> Iterator[Change]:
        for transaction in self.transactions:
            if transaction.fate is Fate.COMMITTED and snapshot.sees(transaction.xid):
                yield from (change for change in transaction.changes if change.table == table)


async def _until_alone(connection: asyncpg.Connection) -> None:
    """Wait until the sessions of writers that have stopped have noticed that their clients are gone."""
    sql = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = $1)"
    while await connection.fetchval(sql, WRITER):
        await asyncio.sleep(0.05)


def _said(row: Row | None) -> str:
    return f"{row.digest.hex()[:12]} {row.email}" if row else "not there"


async def rows_of(connection: asyncpg.Connection, table: str) -> list[tuple[int, Row]]:
    """Read every row of a table, doubled ones too."""
    async with connection.transaction():
        records = await connection.fetch(f"SELECT id, {DIGEST} AS digest, email FROM {table}")
    return [(record["id"], Row(record["digest"], record["email"])) for record in records]

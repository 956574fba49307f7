"""Changes the source while it is copied, and journals each change before its commit is sent."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

import asyncpg

from tests.chaos.databases import DIGEST, NOTE_TRANSACTION
from tests.chaos.journal import WRITER, Change, Fate, Journal, Row, Transaction
from tests.support.postgresql import Database

_CHANGED = f"RETURNING id, {DIGEST} AS digest, email"
_UPDATE = "UPDATE {table} SET note = md5(random()::text), balance = balance + 1, changed = now() WHERE id = $1 "
_MOVE = "UPDATE {table} SET email = $2, changed = now() WHERE id = $1 "
_INSERT = "INSERT INTO {table} VALUES ($1, $2, md5(random()::text), random()::numeric, now()) "
_DELETE = "DELETE FROM {table} WHERE id = $1 RETURNING id"


@dataclass
class Writer:
    """One of several; its keys are those with its remainder, so that no two change the same row.

    Attributes:
        place: Its number, from 0.
        count: How many writers there are.
        rows: The keys that there were in the beginning.
        pause_seconds: The longest pause between two transactions, and inside of one.
    """

    database: Database
    journal: Journal
    random: random.Random
    place: int
    count: int
    rows: int
    pause_seconds: float = 0.05

    def __post_init__(self) -> None:
        self._next_key = (self.rows // self.count + 1) * self.count + self.place

    async def write(self) -> None:
        """Write until cancelled; a server that is away is waited for."""
        while True:
            try:
                connection = await asyncpg.connect(self.database.dsn, server_settings={"application_name": WRITER})
                try:
                    while True:
                        await self._transact(connection)
                        await asyncio.sleep(self.random.uniform(0, self.pause_seconds))
                finally:
                    connection.terminate()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(0.1)

    async def _transact(self, connection: asyncpg.Connection) -> None:
        transaction = connection.transaction()
        await transaction.start()
        changes = [change for _ in range(self.random.randint(1, 5)) for change in await self._change(connection)]
        xid = int(await connection.fetchval("SELECT pg_current_xact_id()::text"))
        # An open transaction is what makes a snapshot's list of running ones.
        await asyncio.sleep(self.random.uniform(0, self.pause_seconds))
        token = f"{self.random.getrandbits(128):032x}"
        await connection.execute(NOTE_TRANSACTION, token)
        entry = Transaction(token, xid, changes)
        self.journal.transactions.append(entry)
        if self.random.random() < 0.1:
            await transaction.rollback()
            entry.fate = Fate.ABORTED
        else:
            await transaction.commit()
            entry.fate = Fate.COMMITTED

    async def _change(self, connection: asyncpg.Connection) -> list[Change]:
        table = self.random.choice(("accounts", "movements"))
        key = self.random.randrange(self.rows // self.count) * self.count + self.place
        match self.random.choice(("update", "update", "move", "insert", "delete")):
            case "update":
                found = await connection.fetch(_UPDATE.format(table=table) + _CHANGED, key)
            case "move":
                found = await connection.fetch(_MOVE.format(table=table) + _CHANGED, key, self._email())
            case "insert":
                key, self._next_key = self._next_key, self._next_key + self.count
                found = await connection.fetch(_INSERT.format(table=table) + _CHANGED, key, self._email())
            case _:
                gone = await connection.fetch(_DELETE.format(table=table), key)
                return [Change(table, row["id"], None) for row in gone]
        return [Change(table, row["id"], Row(row["digest"], row["email"])) for row in found]

    def _email(self) -> str:
        return f"moved{self.random.randrange(1 << 40)}@example.org"

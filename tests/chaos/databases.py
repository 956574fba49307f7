"""Two PostgreSQL servers that can be killed, and the tables that are copied from one to the other."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

import asyncpg

from elute_gateway.embedded.postgresql import PostgresServer
from tests.support.postgresql import DEFAULT_VERSION, Database, discard, new_server

# A commit that was acknowledged survives SIGKILL without fsync, but not without being written at all.
_SETTINGS = {"synchronous_commit": "on", "full_page_writes": "on", "shared_buffers": "256MB", "autovacuum": "on"}

TABLES = ("accounts", "movements", "notes")
"""What is copied; `movements` and `notes` have no key that could hide a doubled row."""

_SCHEMA = """
    CREATE SCHEMA judge;
    CREATE TABLE judge.transactions (token text PRIMARY KEY);
    CREATE TABLE accounts (
        id bigint PRIMARY KEY, email text NOT NULL, note text NOT NULL, balance numeric NOT NULL,
        changed timestamptz NOT NULL);
    CREATE TABLE movements (
        id bigint NOT NULL, email text NOT NULL, note text NOT NULL, balance numeric NOT NULL,
        changed timestamptz NOT NULL);
    CREATE INDEX movements_id ON movements (id);
    CREATE TABLE notes (
        id bigint NOT NULL, email text NOT NULL, note text NOT NULL, balance numeric NOT NULL,
        changed timestamptz NOT NULL);
    CREATE INDEX notes_id ON notes (id);
"""
_ROWS = """
    INSERT INTO {table}
    SELECT g, 'person' || g || '@example.org', repeat(md5(g::text), 8), g * 1.5,
           timestamptz '2024-01-01 00:00:00+00' + g * interval '1 second'
    FROM generate_series(1, {rows}) g
"""

NOTE_TRANSACTION = "INSERT INTO judge.transactions VALUES ($1)"
"""Leaves a trace of a transaction that only its commit makes: after a crash its id may be given to another one."""
FIND_TRANSACTION = "SELECT EXISTS (SELECT FROM judge.transactions WHERE token = $1)"

DIGEST = "decode(md5(concat_ws('|', id, note, balance, extract(epoch FROM changed))), 'hex')"
"""The digest of the columns that are kept."""


@dataclass
class Server:
    """A server, one database in it, and its restarts."""

    postgres: PostgresServer
    database: Database

    async def kill(self, down_seconds: float) -> None:
        """Kill the server, leave it down for a while, and return when it accepts again."""
        await asyncio.to_thread(self.postgres.kill)
        await asyncio.sleep(down_seconds)
        await asyncio.to_thread(self.postgres.start)

    async def terminate(self, application: str) -> int:
        """End the sessions of an application; answers how many there were."""
        sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1"
        connection = await self.database.connect()
        try:
            return int(await connection.fetchval(sql, application))
        finally:
            await connection.close()

    async def loads_open(self) -> bool:
        """Whether a transaction that loads a partition is open here."""
        sql = """SELECT EXISTS (SELECT FROM pg_stat_activity
                 WHERE application_name LIKE 'elute load %' AND xact_start IS NOT NULL AND query LIKE 'COPY %')"""
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection = await self.database.connect()
            try:
                return bool(await connection.fetchval(sql))
            finally:
                await connection.close()
        return False

    def discard(self) -> None:
        """Stop the server and remove its files."""
        discard(self.postgres)


def started() -> Server:
    """Make and start a server with one empty database."""
    postgres = new_server(DEFAULT_VERSION, _SETTINGS)
    postgres.initialize()
    postgres.start()
    Database(postgres, "postgres", DEFAULT_VERSION).run("CREATE DATABASE chaos")
    return Server(postgres, Database(postgres, "chaos", DEFAULT_VERSION))


def fill(database: Database, rows: int) -> None:
    """Make the tables: two large ones, and one of a thousand rows."""
    database.run(_SCHEMA)
    for table in TABLES:
        database.run(_ROWS.format(table=table, rows=1000 if table == "notes" else rows))
    database.run("VACUUM (ANALYZE)")

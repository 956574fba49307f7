"""Sessions with pinned settings, closed at the end of a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import asyncpg
import pytest

from elute_connector.connectors.postgresql.client import Config, Secrets, connect
from elute_gateway.embedded.postgresql import SUPERUSER
from tests.support.postgresql import Database

Opener = Callable[[Database], Awaitable[asyncpg.Connection]]


@dataclass(frozen=True)
class Login(Database):
    """A database as a role of its own reaches it; `run` stays the superuser's."""

    role: str = SUPERUSER


def as_role(database: Database, role: str) -> Login:
    return Login(database.server, database.name, database.version, role)


def config_of(database: Database) -> Config:
    server = database.server
    return Config(
        host=str(server.socket_directory),
        port=server.port,
        database=database.name,
        user=database.role if isinstance(database, Login) else SUPERUSER,
        lock_timeout_seconds=5,
        tools_folder=str(server.programs),
    )


@pytest.fixture
async def open_session() -> AsyncIterator[Opener]:
    opened: list[asyncpg.Connection] = []

    async def open_one(database: Database) -> asyncpg.Connection:
        opened.append(await connect(config_of(database), Secrets(), application_name="test"))
        return opened[-1]

    yield open_one
    for connection in opened:
        connection.terminate()

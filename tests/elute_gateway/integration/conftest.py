"""The gateway's store over both databases that it runs on: migrated once, and copied for each test."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from dbos import DBOS

from elute_gateway.engine.execution import engine_url
from elute_gateway.store import schema
from elute_gateway.store.access import found_workspace
from elute_gateway.store.database import Database as Store
from tests.support.gateway import WORKSPACE, declare
from tests.support.postgresql import DEFAULT_VERSION, Database, PostgresFleet

SQLITE, POSTGRESQL = "sqlite", "postgresql"


def sqlite_address(folder: Path) -> str:
    return f"sqlite:///{folder / 'gateway.db'}"


def migrate(url: str) -> None:
    """Bring a store to this release, with the tables of workflows that the engine would make at its start."""

    async def upgrade() -> None:
        store = Store.at(url)
        await schema.upgrade(store)
        await store.close()

    # A loop of our own making leaves the tests' current one as it is.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(upgrade())
    DBOS.migrate(engine_url(url))


@pytest.fixture(scope="session")
def migrated_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of a migrated store."""
    folder = tmp_path_factory.mktemp("migrated")
    migrate(sqlite_address(folder))
    return folder


@pytest.fixture(scope="session")
def migrated_database(postgresql: PostgresFleet) -> Iterator[Database]:
    with postgresql.database(DEFAULT_VERSION) as database:
        migrate(database.loopback_dsn)
        yield database


@pytest.fixture
def sqlite_url(migrated_files: Path, tmp_path: Path) -> str:
    """The address of a migrated store over SQLite, for tests to which the store makes no difference."""
    shutil.copytree(migrated_files, tmp_path, dirs_exist_ok=True)
    return sqlite_address(tmp_path)


@pytest.fixture(params=[SQLITE, POSTGRESQL])
def store_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store_url(store_kind: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a migrated store that holds nothing yet."""
    if store_kind == SQLITE:
        yield request.getfixturevalue("sqlite_url")
        return
    fleet: PostgresFleet = request.getfixturevalue("postgresql")
    migrated: Database = request.getfixturevalue("migrated_database")
    with fleet.database(DEFAULT_VERSION, template=migrated.name) as database:
        yield database.loopback_dsn


@pytest.fixture
def empty_store_url(store_kind: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a store without a schema."""
    if store_kind == SQLITE:
        yield sqlite_address(request.getfixturevalue("tmp_path"))
        return
    fleet: PostgresFleet = request.getfixturevalue("postgresql")
    with fleet.database(DEFAULT_VERSION) as database:
        yield database.loopback_dsn


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """A store of this release with one workspace, two connections and a pinned pipeline."""
    store = Store.at(store_url)
    await found_workspace(store, WORKSPACE)
    await declare(store)
    yield store
    await store.close()

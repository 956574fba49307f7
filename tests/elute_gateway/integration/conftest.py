"""The gateway's store over both databases that it runs on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from elute_gateway.store import schema
from elute_gateway.store.access import found_workspace
from elute_gateway.store.database import Database as Store
from tests.support.gateway import WORKSPACE, declare
from tests.support.postgresql import DEFAULT_VERSION, PostgresFleet


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_store_url(request: pytest.FixtureRequest, tmp_path: Path) -> object:
    """The address of a store without a schema."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'gateway.db'}"
        return
    fleet: PostgresFleet = request.getfixturevalue("postgresql")
    with fleet.database(DEFAULT_VERSION) as database:
        yield database.loopback_dsn


@pytest.fixture
async def store(empty_store_url: str) -> AsyncIterator[Store]:
    """A store of this release with one workspace, two connections and a pinned pipeline."""
    store = Store.at(empty_store_url)
    await schema.upgrade(store)
    await found_workspace(store, WORKSPACE)
    await declare(store)
    yield store
    await store.close()

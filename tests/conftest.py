"""Fixtures that every package's tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import hypothesis
import pytest

from elute_gateway.embedded.postgresql import PostgresServer
from elute_wire.identity import ServiceName
from tests.support.memory import use_memory_for_temporary_files
from tests.support.postgresql import DEFAULT_VERSION, Database, PostgresFleet, discard, new_server
from tests.support.services import System, running_system

# How long one example takes says more about the machine than about the code.
hypothesis.settings.register_profile("elute", deadline=None)
hypothesis.settings.load_profile("elute")


def pytest_configure() -> None:
    use_memory_for_temporary_files()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresFleet]:
    """Running PostgreSQL servers by version, shared by the whole session."""
    fleet = PostgresFleet()
    yield fleet
    fleet.stop()


@pytest.fixture
def version() -> int:
    return DEFAULT_VERSION


@pytest.fixture
def source_version() -> int:
    return DEFAULT_VERSION


@pytest.fixture
def target_version() -> int:
    return DEFAULT_VERSION


@pytest.fixture
def database(postgresql: PostgresFleet, version: int) -> Iterator[Database]:
    with postgresql.database(version) as fresh:
        yield fresh


@pytest.fixture
def source(postgresql: PostgresFleet, source_version: int) -> Iterator[Database]:
    with postgresql.database(source_version) as fresh:
        yield fresh


@pytest.fixture
def target(postgresql: PostgresFleet, target_version: int) -> Iterator[Database]:
    with postgresql.database(target_version) as fresh:
        yield fresh


@pytest.fixture
def own_server(version: int) -> Iterator[PostgresServer]:
    """A running server of this test's own, to kill and restart."""
    with ExitStack() as cleaning:
        server = new_server(version)
        cleaning.callback(discard, server)
        server.initialize()
        server.start()
        yield server


@pytest.fixture(scope="session")
def _services() -> Iterator[System]:
    with running_system() as system:
        yield system


@pytest.fixture
async def services(_services: System) -> System:
    """The data plane's services, shared by the whole session: leave them as they are."""
    await _services.ready()
    return _services


@pytest.fixture
async def own_services() -> AsyncIterator[System]:
    """The data plane's services, for one test alone: yours to kill."""
    with running_system() as system:
        await system.ready()
        yield system


@pytest.fixture
async def own_connector() -> AsyncIterator[System]:
    """A connector service alone, for one test alone: yours to kill."""
    with running_system(ServiceName.CONNECTOR) as system:
        await system.ready()
        yield system

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.support.api import TestGateway, make_connections, open_gateway


@pytest.fixture
async def gateway(store_url: str, tmp_path: Path) -> AsyncIterator[TestGateway]:
    """A gateway over each of both stores, which executes no run."""
    async with open_gateway(store_url, tmp_path, executes=False) as opened:
        yield opened


@pytest.fixture
async def quick_gateway(sqlite_url: str, tmp_path: Path) -> AsyncIterator[TestGateway]:
    """A gateway over SQLite, where the store makes no difference."""
    async with open_gateway(sqlite_url, tmp_path, executes=False) as opened:
        yield opened


@pytest.fixture
async def client(gateway: TestGateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client with every scope, of a gateway with two connections."""
    async with gateway.client() as opened:
        await make_connections(opened)
        yield opened


@pytest.fixture
async def quick_client(quick_gateway: TestGateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client with every scope, of a gateway over SQLite with two connections."""
    async with quick_gateway.client() as opened:
        await make_connections(opened)
        yield opened


@pytest.fixture
async def working_gateway(sqlite_url: str, tmp_path: Path) -> AsyncIterator[TestGateway]:
    """A gateway over SQLite that executes runs; that runs end alike over both stores is the engine's own test."""
    async with open_gateway(sqlite_url, tmp_path) as opened:
        yield opened


@pytest.fixture
async def working_client(working_gateway: TestGateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client with every scope, of a gateway with two connections that executes runs."""
    async with working_gateway.client() as opened:
        await make_connections(opened)
        yield opened

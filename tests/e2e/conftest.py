"""One running system for all tests of the product; each test has databases and names of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.e2e.product import Api, Pipe, Product, running_product
from tests.support.postgresql import Database


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    with running_product() as running:
        yield running


@pytest.fixture
async def api(product: Product) -> AsyncIterator[Api]:
    async with product.client() as client:
        yield client


@pytest.fixture
async def pipe(api: Api, source: Database, target: Database) -> Pipe:
    """The way from `source` to `target`."""
    return await api.pipe(source, target)

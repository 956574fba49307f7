"""PostgreSQL keeps the contract of a source that every connector is held to."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from elute_connector.connectors.postgresql.client import Config, Secrets
from elute_connector.connectors.postgresql.definition import DEFINITION
from elute_connector.connectors.postgresql.store import PostgresStore
from elute_connector.domain.dataset_name import DatasetName
from elute_gateway.embedded.postgresql import SUPERUSER
from tests.support.postgresql import Database
from tests.support.sources import read_whole

PEOPLE = DatasetName("public", "people")


@pytest.mark.parametrize("target_bytes", [8192, 10**9])
async def test_all_rows_arrive_once_in_slices_of_any_size(database: Database, target_bytes: int) -> None:
    database.run("CREATE TABLE people (id bigint PRIMARY KEY, name text, balance numeric(12,2), born date)")
    made = "SELECT n, 'name ' || n, n * 1.5, date '2000-01-01' + n FROM generate_series(1, 5000) n"
    database.run(f"INSERT INTO people {made}")
    database.run("ANALYZE people")
    with ThreadPoolExecutor(2) as executor:
        config = Config(
            host=str(database.server.socket_directory),
            port=database.server.port,
            database=database.name,
            user=SUPERUSER,
        )
        store = PostgresStore(config, Secrets(), executor)
        read = await read_whole(store, DEFINITION.types, PEOPLE, target_bytes=target_bytes)
        await store.close()
    assert read["id"].to_pylist() == list(range(1, 5001))
    assert read["balance"][0].as_py() == "1.50"

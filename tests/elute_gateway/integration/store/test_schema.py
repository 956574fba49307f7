from __future__ import annotations

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from elute_gateway.domain.access import AuditEvent, StoredKey
from elute_gateway.domain.run import EventKind, LogLine, RunState
from elute_gateway.store import schema
from elute_gateway.store.access import ApiKeys, Audit, found_workspace
from elute_gateway.store.database import Database
from elute_gateway.store.documents import pipelines, policies
from elute_gateway.store.gateways import Gateways
from elute_gateway.store.history import History
from elute_gateway.store.runs import Runs
from elute_gateway.store.tables import metadata
from tests.support.gateway import WORKSPACE, declare, running


async def fill(store: Database) -> None:
    await found_workspace(store, WORKSPACE)
    await declare(store)
    await running(store, "r1", "g1", 2)
    history = History(store)
    await history.tell("r1", EventKind.STATE, {"state": "running"})
    await history.write("r1", [LogLine("reading")])
    gateways = Gateways(store, WORKSPACE)
    await gateways.enroll("g1", "here", 10)
    await gateways.lead("g1", 10)
    await ApiKeys(store, WORKSPACE).insert(StoredKey("k1", "first", "el_abc", b"h" * 32, ("runs:read",)))
    await Audit(store, WORKSPACE).note(AuditEvent("a1", "k1", "run.start", "r1", {}))


async def counts(store: Database) -> dict[str, int]:
    async with store.reading() as connection:
        return {
            table.name: await connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for table in metadata.sorted_tables
        }


async def test_a_filled_store_goes_down_to_nothing_and_up_again(empty_store_url: str) -> None:
    store = Database.at(empty_store_url)
    await schema.upgrade(store)
    await fill(store)
    filled = await counts(store)
    assert all(filled.values()), "every table holds rows when the migration runs"
    await schema.upgrade(store)
    assert await counts(store) == filled, "the schema of this release is there already"

    await schema.downgrade(store, schema.EMPTY)
    async with store.reading() as connection:
        left = await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names())
    assert set(left) <= {"alembic_version"}

    await schema.upgrade(store)
    await fill(store)
    assert await counts(store) == filled
    await store.close()


async def test_going_down_forgets_what_was_deleted_and_the_runs_that_told_of_it(empty_store_url: str) -> None:
    store = Database.at(empty_store_url)
    await schema.upgrade(store)
    await fill(store)
    await Runs(store, WORKSPACE).settle("r1", 1, RunState.SUCCEEDED, None, {})
    await pipelines(store, WORKSPACE).delete("pip-1")
    await policies(store, WORKSPACE).delete("pol-1")
    assert (await pipelines(store, WORKSPACE).recall("pip-1")).name == "shop-to-qa"
    await schema.downgrade(store, "0001")
    async with store.reading() as connection:
        for table in ("run", "pipeline", "pipeline_version", "policy", "policy_version", "partition"):
            query = sa.select(sa.func.count()).select_from(sa.table(table))
            assert await connection.scalar(query) == 0, table
    await schema.upgrade(store)
    await store.close()


async def test_the_migrations_make_the_tables_that_the_code_uses(store: Database) -> None:
    def differences(connection: sa.Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async with store.reading() as connection:
        assert await connection.run_sync(differences) == []


def test_every_table_belongs_to_a_workspace() -> None:
    without = [table.name for table in metadata.sorted_tables if "workspace_id" not in table.c]
    assert without == ["workspace"]

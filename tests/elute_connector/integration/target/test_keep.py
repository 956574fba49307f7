from __future__ import annotations

import pytest

from elute_connector.connectors.postgresql.target import fence
from elute_connector.domain.target import FencePartition, Preparation, Structure
from elute_wire.errors import FenceLost, InvalidRequest, PlanRefused, StoreDataRejected
from tests.elute_connector.integration.target.conftest import Opener
from tests.elute_connector.integration.target.runs import Run, names, notes, schema_of
from tests.support.postgresql import Database, PostgresFleet, every_version

SCHEMA = """
CREATE TABLE countries (code text PRIMARY KEY);
CREATE TABLE customers (
    id serial PRIMARY KEY, name text, country text REFERENCES countries, referrer int REFERENCES customers,
    favourite int);
CREATE TABLE orders (
    id int PRIMARY KEY, customer int CONSTRAINT buyer REFERENCES customers ON DELETE CASCADE
        DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE customers ADD FOREIGN KEY (favourite) REFERENCES orders;
ALTER TABLE orders ADD CONSTRAINT unchecked FOREIGN KEY (customer) REFERENCES customers NOT VALID;
CREATE TABLE parts (id int, customer int REFERENCES customers, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (100) TO (200);
CREATE TABLE parent (id int); CREATE TABLE child () INHERITS (parent);
CREATE INDEX ON orders (customer);
COMMENT ON CONSTRAINT buyer ON orders IS 'who buys';
CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'fired'; END$$;
"""
TRIGGERS = """
CREATE TRIGGER a BEFORE INSERT ON customers FOR EACH ROW EXECUTE FUNCTION forbid();
CREATE TRIGGER b BEFORE INSERT ON customers FOR EACH ROW EXECUTE FUNCTION forbid();
CREATE TRIGGER c BEFORE INSERT ON customers FOR EACH ROW EXECUTE FUNCTION forbid();
CREATE TRIGGER d AFTER INSERT ON parts FOR EACH ROW EXECUTE FUNCTION forbid();
ALTER TABLE customers DISABLE TRIGGER b; ALTER TABLE customers ENABLE ALWAYS TRIGGER c;
"""
ROWS = """
INSERT INTO countries VALUES ('de'), ('fr');
INSERT INTO customers (name, country, referrer) SELECT 'c' || i, 'de', greatest(1, i - 1) FROM generate_series(1, 30) i;
INSERT INTO orders SELECT i, i FROM generate_series(1, 20) i;
UPDATE customers SET favourite = 2 WHERE id = 7;
INSERT INTO parts SELECT i * 10, i FROM generate_series(1, 15) i;
INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2);
"""
TABLES = names("customers", "orders", "parts", "parent")


@pytest.fixture
def run(source: Database, target: Database, open_session: Opener) -> Run:
    source.run(SCHEMA + ROWS)
    target.run(SCHEMA + ROWS + "UPDATE customers SET name = 'old';" + TRIGGERS)
    return Run(source, target, open_session, TABLES, structure=Structure.KEEP)


def triggers_of(database: Database) -> str:
    return database.run(
        "SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2"
    )


def keys_of(database: Database) -> str:
    return database.run(
        "SELECT conrelid::regclass, conname, convalidated, pg_get_constraintdef(oid), obj_description(oid) "
        "FROM pg_constraint WHERE contype = 'f' ORDER BY 1, 2"
    )


@every_version
async def test_kept_tables_hold_the_sources_rows_and_are_otherwise_as_they_were(
    version: int, postgresql: PostgresFleet, open_session: Opener
) -> None:
    with postgresql.database(version) as source, postgresql.database(version) as target:
        source.run(SCHEMA + ROWS)
        target.run(SCHEMA + ROWS + "UPDATE customers SET name = 'old';" + TRIGGERS)
        before, triggers, keys = schema_of(target), triggers_of(target), keys_of(target)
        await Run(source, target, open_session, TABLES, structure=Structure.KEEP).whole()
        assert schema_of(target) == before
        assert (triggers_of(target), keys_of(target)) == (triggers, keys)
        for table in ("customers", "orders", "parts", "ONLY parent"):
            query = f"SELECT count(*), sum(hashtext(t::text)) FROM {table} t"
            assert target.run(query) == source.run(query)
        assert target.run("SELECT count(*) FROM child") == "1"
        assert target.run("SELECT nextval('customers_id_seq')") == "31"


async def test_rows_may_arrive_in_any_order_and_fire_nothing(run: Run) -> None:
    await run.prepare()
    await run.load(*reversed(TABLES))
    assert run.target.run("SELECT count(*) FROM customers") == "30"
    await run.finish()
    with pytest.raises(AssertionError, match="fired"):
        run.target.run("INSERT INTO customers (name) VALUES ('x')")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("CREATE TABLE invoices (customer int REFERENCES customers)", "invoices"),
        ("DROP TABLE orders CASCADE", "no table public.orders"),
        ("DROP TABLE parent CASCADE; CREATE VIEW parent AS SELECT 1 AS id", "parent is no table"),
    ],
)
async def test_a_target_that_cannot_be_emptied_is_refused_and_stays(run: Run, change: str, named: str) -> None:
    run.target.run(change)
    before = schema_of(run.target)
    with pytest.raises(PlanRefused, match=named):
        await run.prepare()
    assert schema_of(run.target) == before
    assert run.target.run("SELECT count(*) FROM customers WHERE name = 'old'") == "30"


async def test_a_target_that_is_the_source_is_refused(run: Run) -> None:
    itself = Run(run.source, run.source, run.open_session, TABLES, structure=Structure.KEEP)
    with pytest.raises(PlanRefused, match="the target is the source"):
        await itself.prepare()
    assert run.source.run("SELECT count(*) FROM customers") == "30"


async def test_preparing_again_changes_nothing(run: Run) -> None:
    first = await run.prepare()
    await run.load()
    assert await run.prepare() == first
    assert run.target.run("SELECT count(*) FROM customers") == "30"
    assert run.target.run(f"SELECT count(*) FROM {run.fence} WHERE done") == "4"


async def test_a_half_loaded_target_is_recognizable_and_kept_from_other_runs(run: Run) -> None:
    await run.prepare()
    assert run.target.run("SELECT run_id, state FROM elute.run") == "run-1|loading"
    other = Run(run.source, run.target, run.open_session, names("orders"), Structure.KEEP, run_id="run-2")
    with pytest.raises(PlanRefused, match=r"public\.orders is half-loaded by run run-1"):
        await other.prepare()


async def test_runs_on_different_tables_share_a_target(run: Run) -> None:
    await run.prepare()
    run.target.run("CREATE TABLE lone (i int)")
    run.source.run("CREATE TABLE lone (i int); INSERT INTO lone VALUES (1)")
    other = Run(run.source, run.target, run.open_session, names("lone"), Structure.KEEP, run_id="run-2")
    await other.whole()
    await run.load()
    await run.finish()
    assert run.target.run("SELECT to_regnamespace('elute')") == ""


async def test_a_schema_that_a_person_made_stays(run: Run) -> None:
    run.target.run("CREATE SCHEMA elute")
    await run.whole()
    assert run.target.run("SELECT to_regnamespace('elute')") == "elute"


async def test_a_target_is_not_finished_before_all_rows_are_in(run: Run) -> None:
    await run.prepare()
    await run.load(*TABLES[:2])
    with pytest.raises(InvalidRequest, match="2 partitions"):
        await run.finish()


async def test_finishing_again_after_the_end_says_so(run: Run) -> None:
    await run.whole()
    assert [note.code for note in notes(await run.finish())] == ["already-whole"]


async def test_rows_that_break_a_foreign_key_fail_the_finish_and_name_it(run: Run) -> None:
    await run.prepare()
    await run.load()
    run.target.run("DELETE FROM customers WHERE id = 20")
    with pytest.raises(StoreDataRejected, match="customers_referrer_fkey"):
        await run.finish()
    run.target.run("INSERT INTO customers (id, name) VALUES (20, 'c20')")
    await run.finish()


async def test_restarted_datasets_begin_empty_with_new_partitions(run: Run, open_session: Opener) -> None:
    await run.prepare()
    await run.load()
    zombie = await open_session(run.target)
    run.target.run(f"UPDATE {run.fence} SET done = false WHERE partition_id = 'p-public.orders'")
    await fence.claim(zombie, fence.fence_of(run.run_id), "p-public.orders", 1)
    await zombie.execute("BEGIN")
    await fence.lock(zombie, fence.fence_of(run.run_id), "p-public.orders", 1)
    await zombie.execute("INSERT INTO public.orders VALUES (999, 1)")
    orders = names("orders")
    request = Preparation(
        run.run_id, Structure.KEEP, TABLES, (FencePartition("new", orders),), restarted=orders,
        retired=("p-public.orders",),
    )  # fmt: skip
    for _ in range(2):
        await run.prepare(request)
    assert run.target.run("SELECT count(*) FROM orders") == "0"
    assert run.target.run("SELECT count(*) FROM customers") == "30"
    assert run.target.run(f"SELECT partition_id FROM {run.fence} WHERE NOT done") == "new"
    with pytest.raises(FenceLost):
        await fence.claim(await open_session(run.target), fence.fence_of(run.run_id), "p-public.orders", 2)

from __future__ import annotations

import pytest

from elute_connector.domain.target import CreateOptions
from elute_wire.errors import PlanRefused
from tests.elute_connector.integration.target.conftest import Opener, as_role
from tests.elute_connector.integration.target.runs import Run, names, schema_of
from tests.support.postgresql import Database, PostgresFleet, every_version

LONG = "é" * 31 + "x"

RICH = f"""
CREATE SCHEMA shop;
CREATE TYPE shop.mood AS ENUM ('sad', 'happy');
CREATE TYPE shop.point3 AS (x int, y int, z int);
CREATE DOMAIN shop.positive AS int CHECK (VALUE > 0);
CREATE FUNCTION shop.helper(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
CREATE FUNCTION shop.stamp() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN NEW.note := NEW.note || shop.helper(1)::text; RETURN NEW; END';
CREATE TABLE shop.customers (
    id serial PRIMARY KEY, mood shop.mood, place shop.point3, age shop.positive, note text DEFAULT 'it''s; "x"',
    doubled int GENERATED ALWAYS AS (shop.helper(id)) STORED, referrer int REFERENCES shop.customers,
    favourite int, UNIQUE (note, id));
CREATE TABLE shop."{LONG}" (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer int NOT NULL REFERENCES shop.customers
        ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, EXCLUDE USING btree (customer WITH =));
ALTER TABLE shop.customers ADD FOREIGN KEY (favourite) REFERENCES shop."{LONG}" (id);
CREATE TABLE public.events (id int, at date, kind text, PRIMARY KEY (id, at, kind)) PARTITION BY RANGE (at);
CREATE TABLE public.events_1 PARTITION OF public.events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')
    PARTITION BY LIST (kind);
CREATE TABLE public.events_1_a PARTITION OF public.events_1 FOR VALUES IN ('a');
CREATE TABLE public.events_1_d PARTITION OF public.events_1 DEFAULT;
CREATE TABLE public.events_2 PARTITION OF public.events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE INDEX ON public.events (kind);
CREATE TABLE public.seen (event int, at date, kind text, FOREIGN KEY (event, at, kind) REFERENCES public.events);
CREATE TABLE public.base (id int PRIMARY KEY, a text);
CREATE TABLE public.child (b text) INHERITS (public.base);
CREATE INDEX lower_a ON public.base (lower(a)) WHERE a <> '';
CREATE STATISTICS public.stats ON id, a FROM public.base;
CREATE VIEW public.sums AS SELECT c.*, count(*) FROM shop.customers c GROUP BY c.id;
CREATE MATERIALIZED VIEW public.moods AS SELECT mood, count(*) AS n FROM public.sums GROUP BY mood;
CREATE UNIQUE INDEX ON public.moods (mood);
CREATE MATERIALIZED VIEW public.happy AS SELECT * FROM public.moods WHERE mood = 'happy';
CREATE MATERIALIZED VIEW public.never AS SELECT 1 AS one WITH NO DATA;
CREATE SEQUENCE public.free START 100;
CREATE SEQUENCE public.reset;
CREATE TRIGGER stamped BEFORE INSERT ON shop.customers FOR EACH ROW EXECUTE FUNCTION shop.stamp();
CREATE TRIGGER quiet AFTER INSERT ON shop.customers FOR EACH ROW EXECUTE FUNCTION shop.stamp();
ALTER TABLE shop.customers DISABLE TRIGGER quiet;
CREATE RULE nothing AS ON DELETE TO public.base DO ALSO NOTHING;
ALTER TABLE public.base ADD CHECK (id > 0) NOT VALID;
ALTER TABLE public.base REPLICA IDENTITY FULL;
ALTER TABLE public.base ENABLE ROW LEVEL SECURITY;
CREATE POLICY everyone ON public.base USING (true);
ALTER TABLE shop.customers CLUSTER ON customers_pkey;

INSERT INTO shop.customers (mood, place, age, note, referrer)
    SELECT CASE i % 2 WHEN 0 THEN 'sad'::shop.mood ELSE 'happy' END, (i, i, i)::shop.point3, i, 'n' || i,
           greatest(1, i - 1)
    FROM generate_series(1, 40) i;
INSERT INTO shop."{LONG}" (customer) SELECT generate_series(1, 20);
UPDATE shop.customers SET favourite = 3 WHERE id = 5;
INSERT INTO events SELECT i, '2024-03-01'::date + i * 10, CASE i % 3 WHEN 0 THEN 'a' ELSE 'b' END
    FROM generate_series(1, 60) i;
INSERT INTO seen SELECT id, at, kind FROM events LIMIT 10;
INSERT INTO base VALUES (1, 'x'); INSERT INTO child VALUES (2, 'y', 'z');
SELECT nextval('free'); SELECT nextval('free'); SELECT setval('reset', 7, false);
REFRESH MATERIALIZED VIEW moods; REFRESH MATERIALIZED VIEW happy;
"""
TABLES = names("shop.customers", f"shop.{LONG}", "events", "seen", "base", "child")


@every_version
async def test_the_target_is_the_same_database_again(
    version: int, postgresql: PostgresFleet, open_session: Opener
) -> None:
    with postgresql.database(version) as source, postgresql.database(version) as target:
        source.run(RICH)
        events = await Run(source, target, open_session, TABLES).whole()
        assert schema_of(target) == schema_of(source)
        assert events[-1].phase == "done"
        assert events[-1].made == events[-1].total > 0
        for query in (
            "SELECT count(*), sum(hashtext(c::text)) FROM shop.customers c",
            "SELECT mood, n FROM moods ORDER BY 1",
            "SELECT * FROM happy",
            "SELECT tableoid::regclass, count(*) FROM events GROUP BY 1 ORDER BY 1",
            "SELECT last_value, is_called FROM free",
            "SELECT last_value, is_called FROM reset",
            "SELECT count(*) FROM pg_constraint WHERE NOT convalidated",
            "SELECT relname FROM pg_class WHERE relkind = 'm' AND NOT relispopulated",
        ):
            assert target.run(query) == source.run(query)
        assert target.run("SELECT nextval('shop.customers_id_seq')") == "41"
        assert target.run("SELECT to_regnamespace('elute')") == ""


@pytest.mark.parametrize(("source_version", "target_version"), [(15, 18), (18, 15), (16, 18), (18, 16)])
async def test_the_schema_arrives_in_another_version_and_is_replaced_there(
    source: Database, target: Database, open_session: Opener
) -> None:
    source.run(RICH)
    for run_id in ("run-1", "run-2"):
        await Run(source, target, open_session, TABLES, run_id=run_id).whole()
    of_ours = "IN ('public', 'shop')"
    counts = (
        "SELECT (SELECT count(*) FROM pg_constraint WHERE contype IN ('p', 'f', 'u', 'c', 'x') "
        f"AND connamespace::regnamespace::text {of_ours}), "
        f"(SELECT count(*) FROM pg_indexes WHERE schemaname {of_ours}), "
        f"(SELECT count(*) FROM pg_views WHERE schemaname {of_ours}), "
        "(SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal), (SELECT count(*) FROM pg_policies)"
    )
    assert target.run(counts) == source.run(counts)
    assert target.run("SELECT count(*) FROM shop.customers") == "40"


async def test_the_same_run_again_replaces_what_it_made(
    source: Database, target: Database, open_session: Opener
) -> None:
    source.run(RICH)
    await Run(source, target, open_session, TABLES).whole()
    source.run("DELETE FROM shop.customers WHERE id = 40; ALTER TABLE seen ADD extra int; CREATE INDEX ON seen (extra)")
    await Run(source, target, open_session, TABLES, run_id="run-2").whole()
    assert schema_of(target) == schema_of(source)
    assert target.run("SELECT count(*) FROM shop.customers") == "39"


async def test_only_the_selected_and_what_it_needs_comes(
    source: Database, target: Database, open_session: Opener
) -> None:
    source.run(RICH)
    run = Run(source, target, open_session, names("shop.customers"))
    prepared = await run.prepare()
    await run.load()
    await run.finish()
    relations = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S') AND relnamespace IN "
    schemas = "('public'::regnamespace, 'shop'::regnamespace) ORDER BY 1"
    assert target.run(relations + schemas).split() == ["customers", "customers_id_seq", "happy", "moods", "sums"]
    functions = "SELECT proname FROM pg_proc WHERE pronamespace = 'shop'::regnamespace ORDER BY 1"
    assert target.run(functions).split() == ["helper", "stamp"]
    left_out = [note.message for note in prepared.notes if note.code == "left-out"]
    assert any("customers_favourite_fkey" in message for message in left_out)
    assert target.run("SELECT conname FROM pg_constraint WHERE contype = 'f'") == "customers_referrer_fkey"


async def test_a_table_that_needs_an_unselected_one_is_refused(
    source: Database, target: Database, open_session: Opener
) -> None:
    source.run(RICH)
    before = schema_of(target)
    with pytest.raises(PlanRefused, match=r"public\.child depends on table public\.base"):
        await Run(source, target, open_session, names("child")).prepare()
    assert schema_of(target) == before


@pytest.mark.parametrize(
    ("made", "named"),
    [
        ("CREATE TABLE orders (item int REFERENCES base)", "orders"),
        ("CREATE VIEW mine AS SELECT * FROM base", "mine"),
        ("CREATE TABLE heir () INHERITS (base)", "heir"),
        ("CREATE FUNCTION one() RETURNS SETOF base LANGUAGE sql AS 'SELECT * FROM base'", "one"),
        ("CREATE TABLE pairs (b base)", "pairs"),
        ("CREATE TABLE log (i int); CREATE RULE spread AS ON INSERT TO log DO ALSO DELETE FROM base", "spread"),
        ("CREATE TABLE guarded (i int); CREATE POLICY p ON guarded USING (i IN (SELECT id FROM base))", "p"),
    ],
)
async def test_what_the_pipeline_does_not_select_is_never_dropped(
    made: str, named: str, source: Database, target: Database, open_session: Opener
) -> None:
    source.run("CREATE TABLE base (id int PRIMARY KEY)")
    target.run(f"CREATE TABLE base (id int PRIMARY KEY); INSERT INTO base VALUES (1); {made}")
    before = schema_of(target)
    with pytest.raises(PlanRefused, match=named):
        await Run(source, target, open_session, names("base")).prepare()
    assert schema_of(target) == before
    assert target.run("SELECT count(*) FROM base") == "1"


async def test_what_exists_equally_is_reused_and_what_differs_is_refused(
    source: Database, target: Database, open_session: Opener
) -> None:
    source.run("CREATE TYPE mood AS ENUM ('a', 'b'); CREATE TABLE t (m mood)")
    target.run("CREATE TYPE mood AS ENUM ('a', 'b'); CREATE TABLE other (m mood)")
    await Run(source, target, open_session, names("t")).whole()
    target.run("ALTER TYPE mood ADD VALUE 'c'")
    with pytest.raises(PlanRefused, match=r"type public\.mood exists in the target differently"):
        await Run(source, target, open_session, names("t"), run_id="run-2").prepare()


async def test_a_view_under_the_name_of_a_table_is_refused(
    source: Database, target: Database, open_session: Opener
) -> None:
    source.run("CREATE TABLE t (i int)")
    target.run("CREATE VIEW t AS SELECT 1 AS i")
    with pytest.raises(PlanRefused, match=r"view public\.t exists in the target|table public\.t exists"):
        await Run(source, target, open_session, names("t")).prepare()


async def test_extensions_come_along(postgresql: PostgresFleet, open_session: Opener) -> None:
    with postgresql.database(15) as source, postgresql.database(15) as target:
        source.run(
            "CREATE SCHEMA x; CREATE EXTENSION citext SCHEMA x; CREATE EXTENSION hstore;"
            "CREATE TABLE t (name x.citext UNIQUE)"
        )
        await Run(source, target, open_session, names("t")).whole()
        source.run("CREATE TABLE unselected (i int)")
        assert target.run("SELECT extname FROM pg_extension ORDER BY 1").split() == ["citext", "hstore", "plpgsql"]


async def test_roles_without_superuser_are_enough(source: Database, target: Database, open_session: Opener) -> None:
    source.run(
        "CREATE ROLE elute_reader LOGIN; CREATE ROLE elute_writer LOGIN; "
        "CREATE TABLE t (id serial PRIMARY KEY, a text); INSERT INTO t (a) VALUES ('x');"
        "CREATE TABLE hidden (i int); CREATE VIEW v AS SELECT * FROM t;"
        "CREATE VIEW both_of AS SELECT * FROM t, hidden; GRANT SELECT ON t, t_id_seq TO elute_reader"
    )
    target.run(f"ALTER DATABASE {target.name} OWNER TO elute_writer")
    try:
        ends = as_role(source, "elute_reader"), as_role(target, "elute_writer")
        run = Run(*ends, open_session, names("t"))
        for run.run_id in ("run-1", "run-2"):
            await run.whole()
        assert target.run("SELECT nextval('t_id_seq'), count(*) FROM v") == "2|1"
        assert target.run("SELECT to_regclass('hidden'), to_regclass('both_of'), to_regnamespace('elute')") == "||"
    finally:
        target.run(f"ALTER DATABASE {target.name} OWNER TO postgres; DROP OWNED BY elute_writer")
        source.run("DROP OWNED BY elute_reader; DROP ROLE elute_reader; DROP ROLE elute_writer")


async def test_owners_and_grants_come_only_when_asked(source: Database, target: Database, open_session: Opener) -> None:
    source.run(
        "CREATE ROLE elute_reader; CREATE TABLE t (i int); GRANT SELECT ON t TO elute_reader;"
        "COMMENT ON TABLE t IS 'secret'"
    )
    try:
        await Run(source, target, open_session, names("t")).whole()
        assert (
            target.run("SELECT relacl IS NULL, obj_description(oid) IS NULL FROM pg_class WHERE relname = 't'") == "t|t"
        )
        options = CreateOptions(owners=True, grants=True, comments=True)
        await Run(source, target, open_session, names("t"), options=options, run_id="run-2").whole()
        assert target.run("SELECT has_table_privilege('elute_reader', 't', 'SELECT')") == "t"
        assert target.run("SELECT obj_description('t'::regclass)") == "secret"
    finally:
        for database in (source, target):
            database.run("DROP TABLE IF EXISTS t")
        source.run("DROP ROLE elute_reader")


MANY = """
DO $$BEGIN FOR i IN 1..200 LOOP
    EXECUTE format('CREATE TABLE t%s (id serial PRIMARY KEY, a text, b int)', i);
    EXECUTE format('CREATE INDEX ON t%s (b)', i);
    IF i > 1 THEN EXECUTE format('ALTER TABLE t%s ADD FOREIGN KEY (b) REFERENCES t%s', i, i - 1); END IF;
END LOOP; END$$
"""


async def test_a_role_that_the_target_lacks_is_refused_when_grants_are_asked_for(
    postgresql: PostgresFleet, open_session: Opener
) -> None:
    with postgresql.database(16) as source, postgresql.database(18) as target:
        source.run('CREATE TABLE t (i int); CREATE ROLE "elute ""x"; GRANT SELECT ON t TO "elute ""x", PUBLIC')
        try:
            with pytest.raises(PlanRefused, match='no role elute "x,'):
                await Run(source, target, open_session, names("t"), options=CreateOptions(grants=True)).prepare()
            await Run(source, target, open_session, names("t")).whole()
        finally:
            source.run('DROP OWNED BY "elute ""x"; DROP ROLE "elute ""x"')


async def test_hundreds_of_tables_are_made_and_finished_in_few_round_trips(
    source: Database, target: Database, open_session: Opener
) -> None:
    source.run(MANY)
    run = Run(source, target, open_session, names(*(f"t{i}" for i in range(1, 201))))
    await run.prepare()
    target.run(f"UPDATE {run.fence} SET done = true, result = ''")
    events = await run.finish()
    assert events[-1].made == 599
    # 200 primary keys, 200 indexes and 199 foreign keys, some fifty in a transaction.
    assert len([event for event in events if event.phase in {"index", "foreign key"}]) < 20
    assert target.run("SELECT count(*) FROM pg_constraint WHERE contype = 'f'") == "199"

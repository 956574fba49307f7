"""Discover names all that a database holds, and nothing of its rows."""

from __future__ import annotations

import pytest

from elute_connector.connectors.postgresql.catalog import discover
from elute_connector.domain.catalog import (
    Catalog,
    DatasetKind,
    Generated,
    Identity,
    LiteralKind,
    PartitionStrategy,
    reference_cycles,
)
from elute_connector.domain.constraint import KeyKind, MatchKind, ReferentialAction
from elute_connector.domain.dataset_name import DatasetName
from elute_connector.domain.datatype import TypeKind
from tests.support.carrying import session
from tests.support.postgresql import CONTRIB_VERSION, Database, every_version

SCRIPT = """
CREATE SCHEMA "Sales ""x"" y";
CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN positive AS int CHECK (value > 41);
CREATE TYPE pair AS (a int, b mood[]);
CREATE TABLE customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, number serial, email varchar(40) NOT NULL UNIQUE,
    name text COLLATE "C" DEFAULT 'Canary One', feeling mood DEFAULT 'ok', score positive, p pair,
    amounts numeric(10,2)[],
    boss bigint REFERENCES customers DEFERRABLE INITIALLY DEFERRED, favourite int,
    upper_name text GENERATED ALWAYS AS (upper(name) || 'canary two') STORED,
    dropped int, created timestamptz DEFAULT now(), active bool DEFAULT true,
    CONSTRAINT plausible CHECK (score < 1000), UNIQUE NULLS NOT DISTINCT (number, score) DEFERRABLE);
ALTER TABLE customers DROP dropped;
CREATE UNIQUE INDEX by_lower ON customers (lower(email), number) WHERE name <> 'canary three';
CREATE INDEX not_unique ON customers (name);
COMMENT ON TABLE customers IS 'canary four'; COMMENT ON COLUMN customers.score IS 'canary five';
CREATE TABLE orders (customer bigint, line int, PRIMARY KEY (customer, line));
CREATE TABLE items (customer bigint, line int, positive_place positive);
ALTER TABLE items ADD CONSTRAINT of_order FOREIGN KEY (customer, line) REFERENCES orders (customer, line) MATCH FULL
    ON UPDATE CASCADE ON DELETE SET NULL NOT VALID;
ALTER TABLE customers ADD FOREIGN KEY (boss, favourite) REFERENCES orders;
ALTER TABLE orders ADD FOREIGN KEY (customer) REFERENCES customers;
CREATE TABLE bookings (room int4range, at tsrange, note text, EXCLUDE USING gist (at WITH &&));
CREATE TABLE events (id int, at date, kind mood, PRIMARY KEY (id, at, kind)) PARTITION BY RANGE (at);
CREATE TABLE events_old PARTITION OF events FOR VALUES FROM ('1999-12-31') TO ('2020-01-01') PARTITION BY HASH (kind);
CREATE TABLE events_old_0 PARTITION OF events_old FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE TABLE events_rest PARTITION OF events DEFAULT;
CREATE TABLE visits (id int, at date, kind mood, FOREIGN KEY (id, at, kind) REFERENCES events);
CREATE TABLE by_expression (a int, b text) PARTITION BY LIST (lower(b));
CREATE TABLE parent (a int); CREATE TABLE child (b int) INHERITS (parent);
CREATE VIEW seen AS SELECT id, 'canary six' AS x FROM customers;
CREATE MATERIALIZED VIEW summary AS SELECT count(*) AS n FROM customers;
CREATE TABLE "Sales ""x"" y"."Odd ""Näme" ("a ""b" int); CREATE SEQUENCE lonely;
ALTER TABLE orders ENABLE ROW LEVEL SECURITY; CREATE TEMP TABLE passing (a int);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN new.name := 'canary seven'; RETURN new; END$$;
CREATE FUNCTION plain() RETURNS void LANGUAGE sql AS 'SELECT';
CREATE TRIGGER touching BEFORE UPDATE ON customers FOR EACH ROW WHEN (old.name = 'canary eight')
    EXECUTE FUNCTION touch();
"""


async def _discovered(database: Database) -> Catalog:
    connection = await session(database)
    try:
        return await discover(connection)
    finally:
        await connection.close()


def _public(name: str) -> DatasetName:
    return DatasetName("public", name)


@every_version
async def test_a_database_is_described_whole(database: Database) -> None:
    database.run(SCRIPT)
    catalog = await _discovered(database)
    names = [str(dataset.name) for dataset in catalog.datasets]
    assert names == [
        'Sales "x" y.Odd "Näme', "public.bookings", "public.by_expression", "public.child", "public.customers",
        "public.events", "public.items", "public.orders", "public.parent", "public.seen", "public.summary",
        "public.visits",
    ]  # fmt: skip
    customers = catalog.dataset(_public("customers"))
    assert customers
    columns = {column.name: column for column in customers.columns}
    assert "dropped" not in columns
    assert (columns["id"].identity, columns["id"].nullable) == (Identity.ALWAYS, False)
    assert columns["upper_name"].generated is Generated.STORED
    assert [name for name, column in columns.items() if column.has_default] == [
        "number", "name", "feeling", "created", "active",
    ]  # fmt: skip
    assert (columns["email"].type.formatted, columns["email"].type.typmod) == ("character varying(40)", 44)
    collation = columns["name"].collation
    assert collation
    assert (collation.name, collation.deterministic) == ("C", True)
    assert columns["feeling"].type.labels == ("sad", "ok")
    assert (columns["score"].type.kind, columns["score"].type.base.name) == (TypeKind.DOMAIN, "int4")
    assert columns["score"].type.constrained
    parts = [part.formatted for part in columns["p"].type.parts]
    assert parts == ["public.pair", "integer", "public.mood[]", "public.mood"]
    assert columns["amounts"].type.formatted == "numeric(10,2)[]"
    assert columns["amounts"].type.element == columns["amounts"].type.base.element
    assert [(type_.kind, type_.name) for type_ in catalog.types] == [
        (TypeKind.ENUM, "mood"), (TypeKind.COMPOSITE, "pair"), (TypeKind.DOMAIN, "positive"),
    ]  # fmt: skip
    assert [extension.name for extension in catalog.extensions] == ["plpgsql"]
    assert catalog.encoding == "UTF8"


@every_version
async def test_keys_and_constraints_are_told_apart(database: Database) -> None:
    database.run(SCRIPT)
    catalog = await _discovered(database)
    customers, items = catalog.dataset(_public("customers")), catalog.dataset(_public("items"))
    assert customers
    assert items
    keys = {key.name: key for key in customers.keys}
    assert customers.primary_key == keys["customers_pkey"]
    assert keys["customers_email_key"].kind is KeyKind.CONSTRAINT
    assert keys["customers_number_score_key"].nulls_not_distinct
    assert keys["customers_number_score_key"].deferrable
    by_lower = keys["by_lower"]
    assert (by_lower.kind, by_lower.partial, by_lower.expression) == (KeyKind.INDEX, True, True)
    assert (by_lower.columns, by_lower.read_columns) == (("number",), ("email", "name", "number"))
    assert len(keys) == 4
    (of_order,) = items.foreign_keys
    assert (of_order.columns, of_order.target, of_order.target_columns) == (
        ("customer", "line"), _public("orders"), ("customer", "line"),
    )  # fmt: skip
    assert (of_order.match, of_order.on_update, of_order.on_delete, of_order.validated) == (
        MatchKind.FULL, ReferentialAction.CASCADE, ReferentialAction.SET_NULL, False,
    )  # fmt: skip
    assert [key.deferrable for key in customers.foreign_keys] == [False, True]
    assert [(check.name, check.columns) for check in customers.checks] == [("plausible", ("score",))]
    bookings, visits = catalog.dataset(_public("bookings")), catalog.dataset(_public("visits"))
    assert bookings
    assert [exclusion.columns for exclusion in bookings.exclusions] == [("at",)]
    assert visits
    assert [key.target.name for key in visits.foreign_keys] == ["events"]
    assert reference_cycles(catalog.datasets) == ((_public("customers"), _public("orders")),)


@every_version
async def test_partitions_inheritance_sequences_and_policies_are_known(database: Database) -> None:
    database.run(SCRIPT)
    catalog = await _discovered(database)
    datasets = {dataset.name.name: dataset for dataset in catalog.datasets}
    events = datasets["events"].partitioning
    assert events
    assert (events.strategy, events.key_columns, events.key_expression) == (PartitionStrategy.RANGE, ("at",), False)
    assert [(leaf.name.name, leaf.key_columns, leaf.hashes_user_type) for leaf in events.leaves] == [
        ("events_old_0", ("at", "kind"), True), ("events_rest", ("at",), False),
    ]  # fmt: skip
    by_expression = datasets["by_expression"].partitioning
    assert by_expression
    assert (by_expression.key_columns, by_expression.key_expression, by_expression.leaves) == (("b",), True, ())
    assert datasets["child"].parents == (_public("parent"),)
    assert datasets["parent"].children == (_public("child"),)
    kinds = {name: dataset.kind for name, dataset in datasets.items() if dataset.kind is not DatasetKind.TABLE}
    assert kinds == {
        "events": DatasetKind.PARTITIONED, "by_expression": DatasetKind.PARTITIONED,
        "seen": DatasetKind.VIEW, "summary": DatasetKind.MATERIALIZED_VIEW,
    }  # fmt: skip
    assert [name for name, dataset in datasets.items() if dataset.row_security] == ["orders"]
    assert datasets["customers"].owned_sequences == (_public("customers_id_seq"), _public("customers_number_seq"))
    assert {sequence.name.name: sequence.owner_column for sequence in catalog.sequences} == {
        "customers_id_seq": "id", "customers_number_seq": "number", "lonely": None,
    }  # fmt: skip


@every_version
async def test_places_of_literals_are_listed_and_their_text_is_not(database: Database) -> None:
    database.run(SCRIPT)
    catalog = await _discovered(database)
    customers, events, seen = (catalog.dataset(_public(name)) for name in ("customers", "events", "seen"))
    assert customers
    assert events
    assert seen
    assert {(place.kind, place.name) for place in customers.literals} == {
        (LiteralKind.DEFAULT, "name"), (LiteralKind.DEFAULT, "feeling"), (LiteralKind.GENERATED, "upper_name"),
        (LiteralKind.CHECK, "plausible"), (LiteralKind.INDEX, "by_lower"), (LiteralKind.COMMENT, ""),
        (LiteralKind.COMMENT, "score"), (LiteralKind.TRIGGER, "touching"),
    }  # fmt: skip
    assert [(place.kind, place.name) for place in events.literals] == [(LiteralKind.BOUND, "public.events_old")]
    assert [place.kind for place in seen.literals] == [LiteralKind.VIEW]
    assert [place.name for place in catalog.literals] == ["public.touch"]
    assert "canary" not in repr(catalog).lower()


async def test_a_virtual_column_is_told_from_a_stored_one(database: Database) -> None:
    database.run("CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a) STORED, c int GENERATED ALWAYS AS (a) VIRTUAL)")
    dataset = (await _discovered(database)).dataset(_public("t"))
    assert dataset
    assert [column.generated for column in dataset.columns] == [Generated.NONE, Generated.STORED, Generated.VIRTUAL]


async def test_a_key_without_overlaps_is_an_exclusion(database: Database) -> None:
    database.run("CREATE TABLE t (a int4range, b tsrange, PRIMARY KEY (a, b WITHOUT OVERLAPS))")
    dataset = (await _discovered(database)).dataset(_public("t"))
    assert dataset
    assert (dataset.keys, [item.columns for item in dataset.exclusions]) == ((), [("a", "b")])


@pytest.mark.parametrize("version", [CONTRIB_VERSION])
async def test_types_of_extensions_are_theirs_and_their_tables_no_datasets(database: Database) -> None:
    database.run("CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext; CREATE TABLE t (a ext.citext, b ext.citext[])")
    catalog = await _discovered(database)
    (dataset,) = catalog.datasets
    assert [column.type.extension for column in dataset.columns] == ["citext", "citext"]
    assert [column.type.formatted for column in dataset.columns] == ["ext.citext", "ext.citext[]"]
    assert catalog.types == ()


@pytest.mark.parametrize("version", [CONTRIB_VERSION])
async def test_loose_collations_are_seen_on_columns_and_keys(database: Database) -> None:
    database.run("CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    database.run("CREATE TABLE t (a text COLLATE loose UNIQUE, b text UNIQUE)")
    dataset = (await _discovered(database)).dataset(_public("t"))
    assert dataset
    assert [(key.columns, key.deterministic) for key in dataset.keys] == [(("a",), False), (("b",), True)]
    collation = dataset.columns[0].collation
    assert collation
    assert not collation.deterministic


async def test_the_fingerprint_follows_structure_and_not_rows_or_numbers(source: Database, target: Database) -> None:
    source.run(SCRIPT)
    target.run("CREATE TYPE shift AS ENUM ('a'); DROP TYPE shift;" + SCRIPT)
    first = await _discovered(source)
    assert (await _discovered(target)).fingerprint == first.fingerprint
    source.run("INSERT INTO parent SELECT generate_series(1, 10000); ANALYZE")
    grown = await _discovered(source)
    parent = grown.dataset(_public("parent"))
    assert parent
    assert (parent.rows, parent.pages > 10) == (10000, True)
    assert grown.fingerprint == first.fingerprint
    seen = {first.fingerprint}
    for change in (
        "ALTER TABLE parent ALTER a TYPE bigint", "ALTER TABLE parent ALTER a SET NOT NULL",
        "ALTER TYPE mood ADD VALUE 'new'", "CREATE UNIQUE INDEX ON parent (a)",
        "ALTER TABLE items DROP CONSTRAINT of_order",
        "CREATE TABLE events_new PARTITION OF events FOR VALUES FROM ('2030-01-01') TO ('2031-01-01')",
        "ALTER TABLE parent ENABLE ROW LEVEL SECURITY", "ALTER TABLE parent RENAME a TO z",
    ):  # fmt: skip
        source.run(change)
        changed = (await _discovered(source)).fingerprint
        assert changed not in seen, change
        seen.add(changed)


async def test_two_thousand_tables_take_as_many_queries_as_none(database: Database) -> None:
    async def queries() -> tuple[int, int]:
        connection = await session(database)
        asked: list[object] = []
        connection.add_query_logger(asked.append)
        catalog = await discover(connection)
        await connection.close()
        return len(catalog.datasets), len(asked)

    _, few = await queries()
    columns = "a int PRIMARY KEY, b int, c int, d int, e int, f date, g bool, h text, i uuid, j jsonb"
    make = f"EXECUTE format('CREATE UNLOGGED TABLE t%s ({columns})', i); IF i % 500 = 0 THEN COMMIT; END IF;"
    database.run(f"DO $$ BEGIN FOR i IN 1..2000 LOOP {make} END LOOP; END $$")
    assert await queries() == (2000, few)

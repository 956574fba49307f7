"""Planning against running services and a real source and target."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from elute_connector.connectors.postgresql import filters
from elute_gateway.application.document import parse_yaml
from elute_gateway.application.filters import FilterError, columns_read
from elute_gateway.application.planning import Pinning, Planner
from elute_gateway.clients.planning import AnonymizerPlanning, ConnectorPlanning, TransformPlanning
from elute_gateway.domain.connection import Connection, SealedSecret
from elute_gateway.domain.names import DatasetName
from elute_gateway.domain.plan import Lane, Plan
from elute_gateway.domain.policy import PolicyVersion
from elute_wire.errors import InvalidRequest
from elute_wire.identity import ServiceName
from tests.support.planning import document_text, policy
from tests.support.postgresql import Database
from tests.support.services import System

SHOP = """
CREATE TYPE status AS ENUM ('new', 'paid');
CREATE TABLE customers (
  id bigint PRIMARY KEY, email varchar(80) NOT NULL UNIQUE, born date, notes text, place point,
  search text GENERATED ALWAYS AS (lower(email)) STORED, CHECK (length(notes) < 1000));
CREATE TABLE staff (id int PRIMARY KEY, boss int REFERENCES staff, name text DEFAULT 'nobody');
CREATE TABLE orders (
  id bigint, customer_id bigint NOT NULL REFERENCES customers, status status, placed date,
  total numeric(10,2), PRIMARY KEY (id, placed)) PARTITION BY RANGE (placed);
CREATE TABLE orders_2024 PARTITION OF orders FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE VIEW totals AS SELECT sum(total) FROM orders;
"""
KEEP = '["*.orders.{id,status,placed,total}", "*.customers.place", "*.staff.id", "*.staff.boss"]'
RULES = (
    '{columns: ["*.customers.id"], technique: permute_int}',
    '{columns: ["*.customers.email"], technique: {fake: {kind: email, form: unique}}}',
    '{columns: ["*.customers.born"], technique: {date_shift: {days: 30}}, subject: id}',
    '{columns: ["*.customers.notes"], technique: redact, trusts: [customers_notes_check]}',
    '{columns: ["*.staff.name"], technique: null}',
)


@dataclass
class Planning:
    """A planner with the services and databases of a test."""

    planner: Planner
    source: Connection
    target: Connection

    async def plan(self, text: str, pinned: PolicyVersion | None = None, pinning: Pinning = Pinning.REVISE) -> Plan:
        document = parse_yaml(text)
        assert document.pipeline, document.problems
        return await self.planner.plan(document.pipeline, self.source, self.target, pinned=pinned, pinning=pinning)


def connection(services: System, name: str, database: Database) -> Connection:
    message = services.connection(name, database)
    secret = message.secret
    sealed = SealedSecret(secret.key_id, secret.ephemeral_public_key, secret.ciphertext)
    return Connection(message.id, message.system, message.settings, sealed)


@pytest.fixture
async def planning(services: System, source: Database, target: Database) -> AsyncIterator[Planning]:
    async with AsyncExitStack() as stack:
        channels = {
            name: await stack.enter_async_context(services.channel(name))
            for name in (ServiceName.CONNECTOR, ServiceName.TRANSFORM, ServiceName.ANONYMIZER)
        }
        planner = Planner(
            ConnectorPlanning(channels[ServiceName.CONNECTOR]),
            TransformPlanning(channels[ServiceName.TRANSFORM]),
            AnonymizerPlanning(channels[ServiceName.ANONYMIZER]),
        )
        source.run(SHOP)
        yield Planning(planner, connection(services, "shop", source), connection(services, "shop-qa", target))


def shop(*rules: str, keep: str = KEEP, **parts: str) -> str:
    return document_text(policy(*(rules or RULES), keep=keep).replace("key_ring: shop", "key_ring: test"), **parts)


def told(plan: Plan) -> set[tuple[str, str]]:
    return {(problem.code, problem.column) for problem in plan.problems}


async def test_a_shop_is_planned_column_by_column(planning: Planning) -> None:
    plan = await planning.plan(shop())
    assert plan.runnable, plan.problems
    assert plan.key_version == 1
    customers = plan.dataset(DatasetName("public", "customers"))
    assert [(c.name, c.technique, c.lane, c.binding and c.binding.formatted) for c in customers.columns] == [
        ("id", "permute_int", Lane.TYPED, "bigint"),
        ("email", "fake", Lane.TYPED, "character varying(80)"),
        ("born", "date_shift", Lane.TYPED, "date"),
        ("notes", "redact", customers.columns[3].lane, "text"),
        ("place", "keep", Lane.WIRE, "point"),
    ]
    orders = plan.dataset(DatasetName("public", "orders"))
    inherited = next(column for column in orders.columns if column.name == "customer_id")
    assert (inherited.treatment, inherited.inherited) == ("/scrub/rules/0", "public.customers.id")
    assert ("constraint-trusted", "notes") in told(plan)
    assert ("view-not-copied", "") in told(plan)


async def test_all_problems_come_at_once(planning: Planning) -> None:
    plan = await planning.plan(
        shop(
            '{columns: ["*.customers.email"], technique: mask}',
            '{columns: ["*.customers.born"], technique: {fake: {kind: email}}}',
            '{columns: ["*.customers.notes"], technique: {redact: {wiht: "-"}}}',
            '{columns: ["*.customers.search", "*.staff.nmae"], technique: null}',
            '{columns: ["*.orders.placed"], technique: {generalize_date: {to: year}}}',
            keep='["*.orders.{id,status}", "*.customers.{id,place}", "*.staff.{id,boss}", "nothing.*.*"]',
        )
    )
    assert {
        ("uniqueness-lost", "email"),
        ("type-not-accepted", "born"),
        ("invalid-option", ""),
        ("constraint-reads", "notes"),
        ("generated-column", "search"),
        ("unknown-column", ""),
        ("uncovered-column", "name"),
        ("uncovered-column", "customer_id"),
        ("uncovered-column", "total"),
        ("no-match", ""),
        ("partition-key", "placed"),
    } <= told(plan)


async def test_steps_change_what_must_be_covered(planning: Planning) -> None:
    steps = '{public.staff: [{derive: {column: nick, type: text, expression: "lower(name)"}}]}'
    uncovered = await planning.plan(shop(clean=steps))
    assert ("uncovered-column", "nick") in told(uncovered), uncovered.problems
    lanes = {c.name: c.lane for c in uncovered.dataset(DatasetName("public", "staff")).extracted}
    assert lanes == {"id": Lane.WIRE, "boss": Lane.WIRE, "name": Lane.TYPED}


async def test_a_column_that_appears_under_a_kept_pattern_stops_the_run(planning: Planning, source: Database) -> None:
    text = document_text(policy(keep='["*.*.*"]').replace("key_ring: shop", "key_ring: test"))
    first = await planning.plan(text)
    assert first.runnable, first.problems
    assert (await planning.plan(text, first.policy, Pinning.EXACT)).runnable
    source.run("ALTER TABLE customers ADD national_id text")
    source.run("ALTER TYPE status ADD VALUE 'lost'")
    stopped = await planning.plan(text, first.policy, Pinning.EXACT)
    assert {("column-added", "national_id"), ("column-retyped", "status")} <= told(stopped)
    assert not stopped.runnable


async def test_another_key_ring_is_a_problem_among_the_others(planning: Planning) -> None:
    plan = await planning.plan(shop(keep="[]").replace("key_ring: test", "key_ring: other"))
    assert {("key-unavailable", ""), ("uncovered-column", "place")} <= told(plan)


async def test_the_targets_own_types_decide_how_columns_travel(planning: Planning, target: Database) -> None:
    target.run("CREATE TABLE staff (id bigint PRIMARY KEY, boss smallint, name text)")
    text = document_text(
        policy(keep='["*.*.*"]').replace("key_ring: shop", "key_ring: test"),
        source='datasets: ["public.staff"]',
        target="{connection: shop-qa, structure: keep}",
        verify="rows",
    )
    plan = await planning.plan(text)
    (staff,) = plan.datasets
    widened = staff.columns[0]
    assert (widened.lane, staff.extracted[0].lane) == (Lane.TYPED, Lane.TYPED)
    assert widened.binding
    assert widened.binding.cast == "integer → bigint"
    assert ("not-comparable", "") in told(plan)
    target.run("ALTER TABLE staff ALTER boss TYPE timestamptz USING now()")
    refused = await planning.plan(text)
    assert not refused.runnable
    assert "boss" in {problem.column for problem in refused.problems}


async def test_raw_copies_need_no_anonymizer(planning: Planning) -> None:
    plan = await planning.plan(document_text("off"))
    assert plan.runnable, plan.problems
    assert plan.policy is None


@pytest.mark.parametrize(
    "expression",
    [
        "Total > 0 AND status IN ('new', 'paid')",
        "placed >= DATE '2024-01-01' OR placed IS NULL",
        "placed BETWEEN '2024-01-01'::date AND '2024-02-01'::date",
        "lower(name) LIKE 'a%'",
        "now() > placed",
        "id IN (SELECT 1)",
        "t.id = 1",
        "id; id",
        "id =",
        "random() > 0.5",
        "name ~ 'x'",
    ],
)
def test_both_ends_agree_on_what_a_filter_may_be(expression: str) -> None:
    def gateway() -> bool:
        try:
            return bool(columns_read(expression))
        except FilterError:
            return False

    def connector() -> bool:
        try:
            return bool(filters.rendered(expression, ["id", "total", "status", "placed", "name"]))
        except InvalidRequest:
            return False

    assert gateway() == connector()

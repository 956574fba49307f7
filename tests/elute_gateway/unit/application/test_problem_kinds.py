"""Each kind of problem, provoked: nothing is listed that cannot happen, and nothing happens that is not listed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from elute_gateway.application.document import parse_yaml
from elute_gateway.application.planning import Pinning
from elute_gateway.domain.catalog import (
    Catalog,
    Column,
    Constraint,
    ConstraintKind,
    DatasetKind,
    Literal,
    UniqueKey,
)
from elute_gateway.domain.policy import PolicyVersion
from elute_gateway.domain.problems import Kind
from elute_gateway.domain.stream import MadeField, Stream, cleaned, unchanged
from elute_wire.errors import Problem
from tests.support.planning import (
    QA,
    SHOP,
    Services,
    catalog,
    data_type,
    document_text,
    name,
    pipeline,
    policy,
    references,
    table,
)

CUSTOMERS = table("customers", "id bigint", "email", Column("search", data_type("text"), generated=True))
ORDERS = table("orders", "id bigint", "customer_id bigint", foreign_keys=references("customer_id -> customers.id"))
HELD = catalog(CUSTOMERS, ORDERS)
KEEP_ALL = '["*.*.*"]'
EMAIL = '{columns: ["*.*.email"], technique: token}'


async def problems(
    scrub: str = policy(keep=KEEP_ALL),
    held: Catalog = HELD,
    *,
    pinned: PolicyVersion | None = None,
    pinning: Pinning = Pinning.REVISE,
    after: Stream | None = None,
    **parts: str,
) -> tuple[Problem, ...]:
    document = parse_yaml(document_text(scrub, **parts))
    if document.pipeline is None:
        return document.problems
    services = Services(held, {after.dataset.name: after} if after else {})
    plan = await services.planner.plan(document.pipeline, SHOP, QA, pinned=pinned, pinning=pinning)
    return plan.problems


async def pinned(scrub: str, held: Catalog = HELD) -> PolicyVersion:
    version = (await Services(held).planner.plan(pipeline(scrub), SHOP, QA)).policy
    assert version
    return version


def customers(**facts: object) -> Catalog:
    return catalog(replace(table("customers", "id bigint", "email"), **facts))  # type: ignore[arg-type]


def check(kind: ConstraintKind = ConstraintKind.CHECK) -> Catalog:
    return customers(constraints=(Constraint("has_at", kind, ("email",)),))


EMAIL_ONLY = policy(EMAIL, keep='["*.*.id"]')
TRUSTING = policy('{columns: ["*.*.email"], technique: token, trusts: [has_at]}', keep='["*.*.id"]')
TWO_EMAILS = policy(
    '{columns: ["*.customers.email"], technique: {fake: {kind: email}}}',
    '{columns: ["*.customers.old"], technique: {fake: {kind: email, locale: de}}}',
    keep='["*.*.id"]',
)


async def provoked(kind: Kind) -> tuple[Problem, ...]:  # noqa: C901, PLR0911, PLR0912 - one case for each kind
    match kind:
        case Kind.MALFORMED_DOCUMENT:
            return parse_yaml("{").problems
        case Kind.DUPLICATE_KEY:
            return parse_yaml("{version: 1, version: 1}").problems
        case Kind.UNKNOWN_FIELD:
            return await problems(limit="{}")
        case Kind.INVALID_FIELD:
            return await problems(verify="maybe")
        case Kind.INVALID_PATTERN:
            return await problems(policy(keep='["a.b"]'))
        case Kind.INVALID_FILTER:
            return await problems(source='datasets: ["*.*"], where: {public.orders: "1 + 1"}')
        case Kind.NO_MATCH:
            return await problems(policy(keep='["*.*.*", "public.nothing.*"]'))
        case Kind.NOTHING_SELECTED:
            return await problems(source='datasets: ["nothing.*"]')
        case Kind.UNKNOWN_COLUMN:
            return await problems(policy(keep='["*.*.*", "public.orders.totl"]'))
        case Kind.TWO_FILTERS:
            return await problems(source='datasets: ["*.*"], where: {public.orders: "id > 0", "*.orders": "id < 9"}')
        case Kind.VIEW_NOT_COPIED:
            return await problems(held=catalog(CUSTOMERS, table("v", "id bigint", kind=DatasetKind.VIEW)))
        case Kind.PARENT_NOT_SELECTED:
            return await problems(held=customers(parents=(name("people"),)))
        case Kind.REFERENCE_LEAVES:
            return await problems(source='datasets: ["public.orders"]')
        case Kind.FILTER_ORPHANS:
            return await problems(source='datasets: ["*.*"], where: {public.customers: "id > 0"}')
        case Kind.UNCOVERED_COLUMN:
            return await problems(policy(keep='["*.*.*id"]'))
        case Kind.TWO_RULES:
            return await problems(policy(EMAIL, EMAIL, keep='["*.*.*id"]'))
        case Kind.RULE_AND_KEEP:
            return await problems(policy(EMAIL, keep=KEEP_ALL))
        case Kind.GENERATED_COLUMN:
            return await problems(policy('{columns: ["*.*.search"], technique: null}', keep=KEEP_ALL))
        case Kind.FOREIGN_KEY_DIVERGES:
            return await problems(
                policy('{columns: ["*.customers.id"], technique: token}', keep='["*.orders.*", "*.*.email"]')
            )
        case Kind.FOREIGN_KEY_TYPES:
            orders = table("orders", "customer_id integer", foreign_keys=references("customer_id -> customers.id"))
            return await problems(
                policy('{columns: ["*.*.id"], technique: token}', keep='["*.*.email"]'), catalog(CUSTOMERS, orders)
            )
        case Kind.DOMAIN_CONFLICT:
            return await problems(TWO_EMAILS, catalog(table("customers", "id bigint", "email", "old")))
        case Kind.INDEX_EQUALITY:
            return await problems(
                EMAIL_ONLY, customers(unique_keys=(UniqueKey("lower_email", ("email",), expression=True),))
            )
        case Kind.CONSTRAINT_READS:
            return await problems(EMAIL_ONLY, check())
        case Kind.CONSTRAINT_TRUSTED:
            return await problems(TRUSTING, check())
        case Kind.UNKNOWN_CONSTRAINT:
            return await problems(TRUSTING, customers())
        case Kind.PARTIAL_INDEX:
            return await problems(EMAIL_ONLY, check(ConstraintKind.PARTIAL_INDEX))
        case Kind.PARTITION_KEY:
            return await problems(EMAIL_ONLY, customers(partition_columns=("email",)))
        case Kind.STEP_CHANGES_KEY:
            stream = replace(unchanged(ORDERS), changed=frozenset({"customer_id"}))
            return await problems(clean="{public.orders: [clean]}", after=stream)
        case Kind.LITERAL_IN_METADATA:
            return await problems(EMAIL_ONLY, customers(literals=(Literal("default", "public.customers.email"),)))
        case Kind.RAW_COPY:
            return await problems("off")
        case Kind.NOT_COMPARABLE:
            rules = policy('{columns: ["*.*.*"], technique: null}')
            return await problems(rules, catalog(table("customers", "email")), verify="rows")
        case Kind.DATASET_ADDED:
            version = await pinned(policy(keep=KEEP_ALL), customers())
            return await problems(pinned=version)
        case Kind.DATASET_REMOVED:
            version = await pinned(policy(keep=KEEP_ALL))
            return await problems(held=catalog(CUSTOMERS), pinned=version)
        case Kind.COLUMN_ADDED | Kind.COLUMN_REMOVED | Kind.COLUMN_RETYPED:
            columns = {
                Kind.COLUMN_ADDED: ("id bigint", "email", "national_id"),
                Kind.COLUMN_REMOVED: ("id bigint",),
                Kind.COLUMN_RETYPED: ("id integer", "email"),
            }[kind]
            version = await pinned(policy(keep=KEEP_ALL), customers())
            return await problems(held=catalog(table("customers", *columns)), pinned=version)
        case Kind.POLICY_CHANGED:
            version = await pinned(EMAIL_ONLY, customers())
            return await problems(held=customers(), pinned=version, pinning=Pinning.EXACT)
        case Kind.DOMAIN_CHANGED:
            version = await pinned(EMAIL_ONLY, customers())
            moved = EMAIL_ONLY.replace("technique: token", "technique: token, domain: other")
            return await problems(moved, customers(), pinned=version)


@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.code)
async def test_a_problem_of_each_kind_can_happen(kind: Kind) -> None:
    found = {problem.code: problem for problem in await provoked(kind)}
    assert kind.code in found
    assert found[kind.code].severity is kind.severity
    assert found[kind.code].message


async def test_a_constraint_is_trusted_by_name_alone() -> None:
    (problem,) = await problems(EMAIL_ONLY, check())
    assert problem.hint.endswith("add `trusts: [has_at]`")
    assert (problem.pointer, problem.dataset, problem.column) == (
        "/scrub/rules/0/columns/0",
        "public.customers",
        "email",
    )
    assert [p.code for p in await problems(TRUSTING, check())] == ["constraint-trusted"]


async def test_ends_of_different_types_are_accepted_where_a_person_vouches_for_them() -> None:
    orders = table("orders", "customer_id integer", foreign_keys=references("customer_id -> customers.id"))
    rule = '{columns: ["*.*.id", "*.orders.customer_id"], technique: token, trusts: [fk_customer_id]}'
    assert await problems(policy(rule, keep='["*.*.email"]'), catalog(CUSTOMERS, orders)) == ()


async def test_constraints_follow_a_column_that_a_step_renames() -> None:
    held = check()
    stream = unchanged(held.datasets[name("customers")])
    fields = [MadeField(f.name.replace("email", "mail"), f.type, f.logical, f.nullable, f.name) for f in stream.fields]
    renamed = cleaned(stream, tuple(fields), frozenset(), frozenset())
    rules = policy('{columns: ["*.*.mail"], technique: token}', keep='["*.*.id"]')
    found = await problems(rules, held, after=renamed, clean="{public.customers: [rename]}")
    assert [problem.code for problem in found] == ["constraint-reads"]


async def test_a_type_with_checks_is_a_constraint_by_its_own_name() -> None:
    email = Column("email", data_type("mail_address", constrained=True))
    (problem,) = await problems(EMAIL_ONLY, catalog(table("customers", "id bigint", email)))
    assert (problem.code, problem.hint.endswith("`trusts: [mail_address]`")) == ("constraint-reads", True)


async def test_options_conflict_only_where_the_key_matters() -> None:
    rules = policy(
        '{columns: ["*.*.email"], technique: {redact: {with: "-"}}}',
        '{columns: ["*.*.old"], technique: {redact: {with: "?"}}}',
        keep='["*.*.id"]',
    )
    assert await problems(rules, catalog(table("customers", "id bigint", "email", "old"))) == ()
    (conflict,) = await problems(TWO_EMAILS, catalog(table("customers", "id bigint", "email", "old")))
    assert conflict.pointer == "/scrub/rules/1"


async def test_what_is_kept_violates_nothing() -> None:
    assert await problems(policy(keep=KEEP_ALL), check()) == ()


def test_every_kind_has_its_own_code_and_a_sentence() -> None:
    assert len({kind.code for kind in Kind}) == len(Kind)
    assert all(kind.meaning.endswith(".") for kind in Kind)

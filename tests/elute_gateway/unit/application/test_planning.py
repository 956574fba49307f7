"""Planning, end to end, with the three services answering from memory."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from elute_gateway.application.plan_json import plan_from_json, plan_to_json, policy_from_json, policy_to_json
from elute_gateway.application.planning import Pinning
from elute_gateway.domain.catalog import Column, UniqueKey
from elute_gateway.domain.names import ColumnName
from elute_gateway.domain.pipeline import Pipeline
from elute_gateway.domain.plan import Binding, Lane, Plan
from elute_gateway.domain.policy import PolicyVersion
from elute_gateway.domain.stream import MadeField, cleaned, unchanged
from elute_wire.errors import KeyUnavailable, Problem, Severity
from tests.support.planning import (
    QA,
    SHOP,
    Services,
    catalog,
    data_type,
    name,
    pipeline,
    policy,
    references,
    table,
)
from tests.support.speed import untraced

CUSTOMERS = table("customers", "id bigint", "email", "born date", Column("search", data_type("text"), generated=True))
ORDERS = table("orders", "id bigint", "customer_id bigint", foreign_keys=references("customer_id -> customers.id"))
HELD = catalog(CUSTOMERS, ORDERS)
SCRUB = policy(
    '{columns: ["public.customers.id"], technique: permute_int}',
    '{columns: ["public.*.email"], technique: {fake: {kind: email}}}',
    '{columns: ["public.*.born"], technique: null}',
    keep='["public.orders.id"]',
)


async def planned(
    services: Services, declared: Pipeline, pinned: PolicyVersion | None = None, pinning: Pinning = Pinning.REVISE
) -> Plan:
    return await services.planner.plan(declared, SHOP, QA, pinned=pinned, pinning=pinning)


def error_codes(plan: Plan) -> list[str]:
    return [problem.code for problem in plan.problems if problem.severity is Severity.ERROR]


async def test_a_plan_says_for_every_column_what_happens_to_it() -> None:
    plan = await planned(Services(HELD), pipeline(SCRUB))
    assert plan.runnable
    assert plan.key_version == 3
    customers = plan.dataset(name("customers"))
    assert [(c.name, c.technique, c.domain, c.lane, c.treatment) for c in customers.columns] == [
        ("id", "permute_int", "permute_int", Lane.TYPED, "/scrub/rules/0"),
        ("email", "fake", "email", Lane.TYPED, "/scrub/rules/1"),
        ("born", "null", "", Lane.WIRE, "/scrub/rules/2"),
    ]
    assert customers.generated == ("search",)
    (kept, inherited) = plan.dataset(name("orders")).columns
    assert (kept.treatment, kept.lane, kept.effect and kept.effect.summary) == ("keep", Lane.WIRE, "keep")
    assert (inherited.treatment, inherited.inherited) == ("/scrub/rules/0", "public.customers.id")
    assert inherited.binding


async def test_a_plan_is_restored_from_its_json() -> None:
    plan = await planned(Services(HELD), pipeline(SCRUB))
    assert plan.policy
    assert plan_from_json(plan_to_json(plan)) == plan
    restored = policy_from_json(policy_to_json(plan.policy))
    assert (restored, restored.digest) == (plan.policy, plan.policy.digest)


async def test_a_subject_is_read_and_so_travels_typed() -> None:
    rule = '{columns: ["public.*.born"], technique: {date_shift: {days: 30}}, subject: id}'
    plan = await planned(Services(catalog(CUSTOMERS)), pipeline(policy(rule, keep='["*.*.{id,email}"]')))
    lanes = {column.name: column.lane for column in plan.datasets[0].extracted}
    assert lanes == {"id": Lane.TYPED, "email": Lane.WIRE, "born": Lane.TYPED}


async def test_a_column_that_the_target_converts_travels_typed() -> None:
    services = Services(
        HELD, bindings={ColumnName(name("orders"), "id"): (Lane.TYPED, Binding("x", "numeric", "bigint → numeric"))}
    )
    orders = (await planned(services, pipeline(SCRUB))).dataset(name("orders"))
    assert orders.columns[0].lane is orders.extracted[0].lane is Lane.TYPED
    assert orders.columns[0].binding == Binding("x", "numeric", "bigint → numeric")


async def test_a_column_that_a_step_makes_needs_a_rule_or_a_keep() -> None:
    stream = unchanged(CUSTOMERS)
    fields = [MadeField(f.name, f.type, f.logical, f.nullable, f.name) for f in stream.fields if f.name != "born"]
    made = MadeField("age", "made by derive", stream.fields[0].logical, nullable=True, origin="")
    outcome = cleaned(stream, (*fields, made), frozenset({"born", "email"}), frozenset({"email"}))
    clean = "{public.customers: [{derive: {age: x}}]}"
    services = Services(catalog(CUSTOMERS), {CUSTOMERS.name: outcome})
    plan = await planned(services, pipeline(policy(keep='["*.*.{id,email}"]'), clean=clean))
    assert [(p.code, p.column) for p in plan.problems] == [("uncovered-column", "age")]
    dataset = (await planned(services, pipeline(policy(keep='["*.*.*"]'), clean=clean))).datasets[0]
    assert [(c.name, c.type != "", c.lane) for c in dataset.columns] == [
        ("id", True, Lane.WIRE),
        ("email", True, Lane.TYPED),
        ("age", False, Lane.TYPED),
    ]
    assert {c.name: c.lane for c in dataset.extracted}["born"] is Lane.TYPED
    assert dataset.comparable == ()


async def test_without_scrubbing_nothing_asks_the_anonymizer() -> None:
    plan = await planned(Services(HELD, missing_key=KeyUnavailable("asked")), pipeline("off"))
    assert plan.policy is None
    assert [problem.code for problem in plan.problems] == ["raw-copy"]
    assert plan.dataset(name("customers")).comparable == ("id", "email", "born")


async def test_problems_of_all_services_come_together_and_errors_first() -> None:
    note = Problem("target-note", "worth knowing", severity=Severity.NOTE)
    refused = Problem("target-refuses", "cannot be loaded", dataset="public.orders", column="id")
    services = Services(HELD, problems=(note, refused), missing_key=KeyUnavailable("opening key ring shop: not there"))
    plan = await planned(services, pipeline(policy(keep='["*.*.id", "nothing.at.all"]')))
    assert [problem.code for problem in plan.problems][-1] == "target-note"
    assert set(error_codes(plan)) == {"no-match", "uncovered-column", "key-unavailable", "target-refuses"}
    assert not plan.runnable
    (at_target,) = [problem for problem in plan.problems if problem.code == "target-refuses"]
    assert at_target.pointer == "/scrub/keep/0"


async def test_the_anonymizer_learns_which_columns_must_stay_apart() -> None:
    loose = replace(CUSTOMERS.columns[1], loose_equality=True)
    keys = (*CUSTOMERS.unique_keys, UniqueKey("lower_born", ("born",), expression=True))
    customers = replace(CUSTOMERS, columns=(CUSTOMERS.columns[0], loose, *CUSTOMERS.columns[2:]), unique_keys=keys)
    services = Services(catalog(customers, ORDERS))
    await planned(services, pipeline(SCRUB))
    facts = {fact.name: (fact.unique, fact.loose_equality) for columns in services.facts.values() for fact in columns}
    assert facts == {
        "id": (True, False),
        "email": (False, True),
        "born": (True, True),
        "customer_id": (True, False),
    }


# Pinned policies.


async def test_a_new_national_id_under_a_kept_pattern_stops_the_run() -> None:
    declared = pipeline(policy(keep='["*.*.{id,email,born}", "*.*.*_id"]'))
    first = await planned(Services(HELD), declared)
    grown = replace(CUSTOMERS, columns=(*CUSTOMERS.columns, Column("national_id", data_type("text"))))
    services = Services(catalog(grown, ORDERS))
    stopped = await planned(services, declared, first.policy, Pinning.EXACT)
    assert [(p.code, p.column) for p in stopped.problems] == [("column-added", "national_id")]
    assert not (await planned(services, declared, first.policy)).runnable
    accepted = await planned(services, declared, first.policy, Pinning.ACCEPT)
    assert accepted.runnable
    assert [change.column for change in accepted.changes] == ["national_id"]
    assert (await planned(services, declared, accepted.policy, Pinning.EXACT)).runnable


async def test_a_run_of_what_was_pinned_begins() -> None:
    first = await planned(Services(HELD), pipeline(SCRUB))
    again = await planned(Services(HELD), pipeline(SCRUB), first.policy, Pinning.EXACT)
    assert (again.runnable, again.changes) == (True, ())


async def test_a_document_may_be_revised_and_not_swapped_before_a_run() -> None:
    first = await planned(Services(HELD), pipeline(SCRUB))
    revised = pipeline(SCRUB.replace("technique: null", "technique: {constant: {value: 2000-01-01}}"))
    assert (await planned(Services(HELD), revised, first.policy)).runnable
    assert error_codes(await planned(Services(HELD), revised, first.policy, Pinning.EXACT)) == ["policy-changed"]
    assert error_codes(await planned(Services(HELD), pipeline("off"), first.policy, Pinning.EXACT)) == [
        "policy-changed"
    ]


async def test_leaving_a_domain_is_announced() -> None:
    first = await planned(Services(HELD), pipeline(SCRUB))
    moved = pipeline(SCRUB.replace("kind: email}}", "kind: email}}, domain: staff"))
    plan = await planned(Services(HELD), moved, first.policy)
    assert plan.runnable
    assert [(p.code, p.column) for p in plan.problems] == [("domain-changed", "email")]


async def test_a_plan_of_two_thousand_tables_takes_seconds() -> None:
    columns = [f"c{number}" for number in range(8)]
    tables = [
        table(
            f"t{number:04}",
            "id bigint",
            "parent_id bigint",
            *columns,
            foreign_keys=references(f"parent_id -> t{max(number - 1, 0):04}.id"),
        )
        for number in range(2_000)
    ]
    scrub = policy(
        '{columns: ["public.*.id"], technique: permute_int}',
        *(f'{{columns: ["public.*.c{number}"], technique: {{fake: {{kind: k{number}}}}}}}' for number in range(4)),
        keep='["*.*.c{4,5}", "public.t*.c6", "public.t*.c7"]',
    )
    held, declared = catalog(*tables), pipeline(scrub)
    with untraced():
        started = time.thread_time()
        plan = await planned(Services(held), declared)
        assert plan.policy
        assert plan.policy.digest
        seconds = time.thread_time() - started
    assert plan.problems == ()
    assert sum(len(dataset.columns) for dataset in plan.datasets) == 20_000
    assert seconds < 5.0  # 1.3 on a quiet machine


@pytest.mark.parametrize("pinning", list(Pinning))
async def test_without_a_pinned_policy_everything_is_new(pinning: Pinning) -> None:
    plan = await planned(Services(HELD), pipeline("off"), None, pinning)
    assert plan.runnable

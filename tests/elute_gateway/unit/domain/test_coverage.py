"""Fail closed: who treats which column, foreign keys included."""

from __future__ import annotations

from itertools import permutations

import pytest

from elute_gateway.domain.catalog import Column, Dataset
from elute_gateway.domain.coverage import Coverage, cover
from elute_gateway.domain.names import ColumnName
from elute_gateway.domain.stream import unchanged
from tests.support.planning import data_type, name, pipeline, policy, references, table

TOKEN = '{columns: ["%s"], technique: token}'
CUSTOMERS = table("customers", "id bigint", "email", "national_id")


def covering(scrub: str, *datasets: Dataset) -> Coverage:
    declared = pipeline(scrub).scrub
    assert declared
    return cover(declared, {dataset.name: unchanged(dataset) for dataset in datasets})


def treatments(coverage: Coverage) -> dict[str, str]:
    return {str(column): found.treatment for column, found in sorted(coverage.assignments.items())}


def codes(coverage: Coverage) -> list[tuple[str, str]]:
    return [(problem.code, problem.pointer) for problem in coverage.problems]


def column(text: str) -> ColumnName:
    dataset, _, last = text.rpartition(".")
    return ColumnName(name(dataset), last)


def test_every_column_has_the_treatment_of_its_pattern() -> None:
    coverage = covering(policy(TOKEN % "public.*.{email,national_id}", keep='["*.*.id"]'), CUSTOMERS)
    assert coverage.problems == ()
    assert treatments(coverage) == {
        "public.customers.email": "/scrub/rules/0",
        "public.customers.id": "keep",
        "public.customers.national_id": "/scrub/rules/0",
    }


def test_an_uncovered_column_is_refused_with_the_pattern_to_add() -> None:
    coverage = covering(policy(keep='["public.customers.{id,email}"]'), CUSTOMERS)
    (problem,) = coverage.problems
    assert (problem.code, problem.dataset, problem.column) == ("uncovered-column", "public.customers", "national_id")
    assert "public.customers.national_id" in problem.hint


def test_a_pattern_that_matches_no_column_is_refused_with_the_nearest_one() -> None:
    coverage = covering(
        policy(TOKEN % "public.customers.emial", keep='["public.customers.*", "public.*.phone", "x.y.z"]'), CUSTOMERS
    )
    assert codes(coverage) == [
        ("unknown-column", "/scrub/keep/1"),
        ("no-match", "/scrub/keep/2"),
        ("unknown-column", "/scrub/rules/0/columns/0"),
    ]
    assert coverage.problems[2].hint == "did you mean public.customers.email?"


def test_two_rules_or_a_rule_and_a_keep_on_one_column_are_refused() -> None:
    coverage = covering(
        policy(TOKEN % "public.*.email", TOKEN % "*.customers.{email,id}", keep='["*.*.*id"]'), CUSTOMERS
    )
    assert codes(coverage) == [
        ("rule-and-keep", "/scrub/rules/1/columns/0"),
        ("two-rules", "/scrub/rules/1/columns/0"),
    ]


def test_two_patterns_of_one_rule_may_overlap() -> None:
    rule = '{columns: ["public.*.email", "*.customers.email"], technique: token}'
    assert codes(covering(policy(rule, keep='["*.*.*id"]'), CUSTOMERS)) == []


def test_a_generated_column_needs_no_rule_and_takes_none() -> None:
    people = table("people", "id bigint", "email", Column("search", data_type("text"), generated=True))
    keep = '["*.*.id"]'
    assert codes(covering(policy(TOKEN % "*.people.e*", keep=keep), people)) == []
    assert codes(covering(policy(TOKEN % "*.people.*", keep="[]"), people)) == []
    refused = covering(policy(TOKEN % "*.people.{email,search}", keep=keep), people)
    assert codes(refused) == [("generated-column", "/scrub/rules/0/columns/0")]


# Foreign keys.

ORDERS = table("orders", "id bigint", "customer_id bigint", foreign_keys=references("customer_id -> customers.id"))
ITEMS = table("items", "order_customer bigint", foreign_keys=references("order_customer -> orders.customer_id"))
SMALL = table("customers", "id bigint")


def test_a_foreign_key_takes_over_its_targets_rule_through_a_chain() -> None:
    coverage = covering(policy(TOKEN % "public.{customers,orders}.id"), SMALL, ORDERS, ITEMS)
    assert coverage.problems == ()
    inherited = coverage.assignments[column("items.order_customer")]
    assert (inherited.treatment, inherited.domain) == ("/scrub/rules/0", "token")
    assert inherited.inherited == column("customers.id")


def test_a_kept_target_is_not_inherited() -> None:
    coverage = covering(policy(keep='["public.*.id"]'), SMALL, ORDERS)
    (problem,) = coverage.problems
    assert (problem.code, problem.column) == ("uncovered-column", "customer_id")
    assert "public.customers.id, which is kept" in problem.hint


@pytest.mark.parametrize(
    ("rules", "keep"),
    [
        ((TOKEN % "public.*.id",), '["public.orders.customer_id"]'),
        ((TOKEN % "public.orders.customer_id",), '["public.*.id"]'),
        ((TOKEN % "public.*.id", '{columns: ["*.*.customer_id"], technique: {token: {as: uuid}}}'), "[]"),
        ((TOKEN % "public.*.id", '{columns: ["*.*.customer_id"], technique: token, domain: other}'), "[]"),
    ],
)
def test_a_foreign_key_whose_ends_diverge_is_refused(rules: tuple[str, ...], keep: str) -> None:
    coverage = covering(policy(*rules, keep=keep), SMALL, ORDERS)
    assert [problem.code for problem in coverage.problems] == ["foreign-key-diverges"]
    assert coverage.problems[0].column == "customer_id"


def test_a_foreign_key_with_the_same_technique_takes_its_targets_domain() -> None:
    named = '{columns: ["public.*.id"], technique: token, domain: people}'
    coverage = covering(policy(named, TOKEN % "*.*.customer_id"), SMALL, ORDERS)
    assert coverage.problems == ()
    assert coverage.assignments[column("orders.customer_id")].domain == "people"


def test_a_foreign_key_may_be_nulled() -> None:
    nulled = '{columns: ["*.*.customer_id"], technique: null}'
    assert covering(policy(nulled, keep='["*.*.id"]'), SMALL, ORDERS).problems == ()


def test_a_subject_on_a_foreign_key_cannot_join() -> None:
    rule = '{columns: ["public.*.id"], technique: date_shift, subject: id}'
    assert [problem.code for problem in covering(policy(rule), SMALL, ORDERS).problems] == ["foreign-key-diverges"]


def test_ends_of_different_types_are_told() -> None:
    orders = table("orders", "customer_id integer", foreign_keys=references("customer_id -> customers.id"))
    assert [p.code for p in covering(policy(TOKEN % "*.*.id"), SMALL, orders).problems] == ["foreign-key-types"]


def test_a_table_that_refers_to_itself_inherits_its_own_rule() -> None:
    staff = table("staff", "id bigint", "boss bigint", foreign_keys=references("boss -> staff.id"))
    coverage = covering(policy(TOKEN % "*.*.id"), staff)
    assert coverage.problems == ()
    assert coverage.assignments[column("staff.boss")].inherited == column("staff.id")


def test_every_column_of_a_composite_foreign_key_inherits_its_own_target() -> None:
    target = table("places", "country", "city")
    visits = table("visits", "land", "town", foreign_keys=references("land,town -> places.country,city"))
    rules = (TOKEN % "*.places.country", '{columns: ["*.places.city"], technique: {fake: {kind: city}}}')
    assert treatments(covering(policy(*rules), target, visits)) == {
        "public.places.city": "/scrub/rules/1",
        "public.places.country": "/scrub/rules/0",
        "public.visits.land": "/scrub/rules/0",
        "public.visits.town": "/scrub/rules/1",
    }


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_cycle_inherits_from_the_one_member_that_has_a_rule(order: tuple[int, ...]) -> None:
    ring = [
        table("a", "k bigint", foreign_keys=references("k -> b.k")),
        table("b", "k bigint", foreign_keys=references("k -> c.k")),
        table("c", "k bigint", foreign_keys=references("k -> a.k")),
    ]
    coverage = covering(policy(TOKEN % "public.b.k"), *(ring[number] for number in order))
    assert coverage.problems == ()
    assert {found.treatment for found in coverage.assignments.values()} == {"/scrub/rules/0"}


def test_a_cycle_without_any_rule_is_uncovered() -> None:
    ring = [
        table("a", "k bigint", foreign_keys=references("k -> b.k")),
        table("b", "k bigint", foreign_keys=references("k -> a.k")),
    ]
    coverage = covering(policy(), *ring)
    assert [problem.code for problem in coverage.problems] == ["uncovered-column", "uncovered-column"]


def test_a_cycle_of_equal_rules_shares_the_named_domain() -> None:
    ring = [
        table("a", "k bigint", foreign_keys=references("k -> b.k")),
        table("b", "k bigint", foreign_keys=references("k -> a.k")),
    ]
    rules = (TOKEN % "public.a.k", '{columns: ["public.b.k"], technique: token, domain: ring}')
    coverage = covering(policy(*rules), *ring)
    assert coverage.assignments[column("a.k")].domain == "ring"
    assert coverage.problems == ()


def test_two_targets_with_different_rules_are_refused() -> None:
    link = table("link", "k bigint", foreign_keys=references("k -> a.k", "k -> b.k"))
    rules = (TOKEN % "*.a.k", '{columns: ["*.b.k"], technique: token, domain: other}')
    coverage = covering(policy(*rules), table("a", "k bigint"), table("b", "k bigint"), link)
    assert [problem.code for problem in coverage.problems] == ["foreign-key-diverges"]


@pytest.mark.parametrize(
    ("technique", "domain"),
    [
        ("{fake: {kind: email}}", "email"),
        ("{fpe: {format: card}}", "card"),
        ("{fpe: {alphabet: digits}}", "fpe"),
        ("token", "token"),
    ],
)
def test_the_default_domain_is_the_kind_of_value(technique: str, domain: str) -> None:
    coverage = covering(policy(f'{{columns: ["*.*.*"], technique: {technique}}}'), table("t", "c"))
    assert coverage.assignments[column("t.c")].domain == domain

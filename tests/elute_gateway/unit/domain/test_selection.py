"""Which datasets a source selects, and what the selection cuts off."""

from __future__ import annotations

from elute_gateway.domain.catalog import DatasetKind
from elute_gateway.domain.pipeline import Source
from elute_gateway.domain.selection import select
from elute_wire.errors import Problem
from tests.support.planning import catalog, name, pipeline, references, table

HELD = catalog(
    table("customers", "id bigint", "email"),
    table("orders", "id bigint", "customer_id bigint", foreign_keys=references("customer_id -> customers.id")),
    table("audit_log", "id bigint"),
    table("totals", "id bigint", kind=DatasetKind.VIEW),
    table("other.customers", "id bigint"),
    table("children", "id bigint", parents=(name("customers"),)),
)


def source(text: str) -> Source:
    return pipeline(source=text).source


def found(problems: tuple[Problem, ...]) -> list[tuple[str, str, str]]:
    return [(problem.code, problem.pointer, problem.dataset) for problem in problems]


def test_a_selection_is_what_is_included_and_not_excluded() -> None:
    chosen = select(source('datasets: ["public.*"], except: ["*.audit_*", "public.children"]'), HELD)
    assert list(chosen.datasets) == [name("customers"), name("orders")]
    assert chosen.views == (name("totals"),)
    assert found(chosen.problems) == [("view-not-copied", "", "public.totals")]


def test_a_pattern_that_matches_nothing_names_the_nearest_dataset() -> None:
    chosen = select(source('datasets: ["public.customer", "pulbic.*", "public.customers"], except: ["x.y"]'), HELD)
    assert [(p.pointer, p.hint) for p in chosen.problems] == [
        ("/source/datasets/0", "did you mean public.customers?"),
        ("/source/datasets/1", "did you mean the schema public?"),
        ("/source/except/0", ""),
    ]


def test_a_selection_of_views_alone_copies_nothing() -> None:
    chosen = select(source('datasets: ["public.totals"]'), HELD)
    assert ("nothing-selected", "/source/datasets", "") in found(chosen.problems)


def test_references_and_parents_outside_of_the_selection_are_told() -> None:
    chosen = select(source('datasets: ["public.orders", "public.children"]'), HELD)
    assert found(chosen.problems) == [
        ("parent-not-selected", "", "public.children"),
        ("reference-leaves", "", "public.orders"),
    ]


def test_a_filter_must_match_and_read_columns_that_exist() -> None:
    chosen = select(
        source('datasets: ["public.orders"], where: {public.order: "id > 0", public.orders: "nothing > 0"}'), HELD
    )
    assert [code for code, _, _ in found(chosen.problems)] == ["no-match", "unknown-column", "reference-leaves"]
    assert chosen.problems[1].pointer == "/source/where/public.orders"


def test_two_filters_on_one_dataset_are_refused() -> None:
    chosen = select(source('datasets: ["*.customers"], where: {public.*: "id > 0", "*.customers": "id < 9"}'), HELD)
    assert found(chosen.problems) == [("two-filters", "/source/where/*.customers", "public.customers")]


def test_a_filter_that_may_leave_references_without_their_row_is_told() -> None:
    chosen = select(source('datasets: ["public.{orders,customers}"], where: {public.customers: "id > 0"}'), HELD)
    assert found(chosen.problems) == [("filter-orphans", "/source/where/public.customers", "public.orders")]

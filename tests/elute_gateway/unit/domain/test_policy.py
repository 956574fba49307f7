"""Pinned policies: their digest, what has changed since, and what an accepted change looks like."""

from __future__ import annotations

from dataclasses import replace

import pytest

from elute_gateway.domain.catalog import Catalog, Column
from elute_gateway.domain.coverage import cover
from elute_gateway.domain.policy import Change, ChangeKind, PolicyVersion, compare, pin, treatment_changes
from elute_gateway.domain.selection import select
from elute_gateway.domain.stream import unchanged
from tests.support.planning import catalog, data_type, name, pipeline, policy, table

CUSTOMERS = table("customers", "id bigint", "email", "tax_id")
ORDERS = table("orders", "id bigint", "total_id integer")
HELD = catalog(CUSTOMERS, ORDERS)
KEEP_IDS = policy('{columns: ["*.*.email"], technique: token}', keep='["*.*.id", "*.*.*_id"]')


def pinned(held: Catalog = HELD, scrub: str = KEEP_IDS, source: str = 'datasets: ["public.*"]') -> PolicyVersion:
    declared = pipeline(scrub, source=source)
    assert declared.scrub
    streams = {name: unchanged(dataset) for name, dataset in select(declared.source, held).datasets.items()}
    version = pin(declared, streams, cover(declared.scrub, streams).assignments)
    assert version
    return version


def test_a_policy_holds_what_its_patterns_expanded_to() -> None:
    (customers, _) = pinned().datasets
    assert [(column.name, column.type, column.treatment, column.domain) for column in customers.columns] == [
        ("email", "text", "/scrub/rules/0", "token"),
        ("id", "bigint", "keep", ""),
        ("tax_id", "text", "keep", ""),
    ]


def test_the_digest_does_not_depend_on_any_order() -> None:
    turned = catalog(
        replace(ORDERS, columns=ORDERS.columns[::-1]),
        replace(CUSTOMERS, columns=CUSTOMERS.columns[::-1]),
    )
    turned = replace(turned, datasets=dict(reversed(tuple(turned.datasets.items()))))
    assert pinned(turned).digest == pinned().digest


def test_the_digest_is_this_one_for_ever() -> None:
    # Stored beside runs and in backups: another value for the same policy is a breaking change.
    assert pinned().digest == "ad84f4bcd22e43d4e31f8ec7500c0cb027b748e454022f812745dbc1ee14d271"


@pytest.mark.parametrize(
    "scrub",
    [
        KEEP_IDS.replace("key_ring: shop", "key_ring: other"),
        KEEP_IDS.replace("technique: token", "technique: {token: {as: uuid}}"),
        KEEP_IDS.replace("technique: token", "technique: token, domain: email"),
        KEEP_IDS.replace("key_ring: shop", "key_ring: shop, key_version: 2"),
    ],
)
def test_another_treatment_is_another_digest(scrub: str) -> None:
    assert pinned(scrub=scrub).digest != pinned().digest


def test_patterns_written_otherwise_are_the_same_policy() -> None:
    spelled = KEEP_IDS.replace('"*.*.*_id"', '"public.customers.tax_id", "public.orders.total_id"')
    assert pinned(scrub=spelled).digest == pinned().digest


def test_nothing_has_changed_in_an_unchanged_source() -> None:
    assert compare(pinned(), HELD) == []


def test_a_column_that_appears_under_a_kept_pattern_is_a_change() -> None:
    grown = catalog(replace(CUSTOMERS, columns=(*CUSTOMERS.columns, Column("national_id", data_type("text")))), ORDERS)
    assert compare(pinned(), grown) == [Change(ChangeKind.COLUMN_ADDED, name("customers"), "national_id", after="text")]


def test_a_column_that_goes_or_changes_its_type_is_a_change() -> None:
    shrunk = table("customers", "id bigint", Column("email", data_type("text"), generated=True))
    retyped = table("orders", "id bigint", "total_id bigint")
    assert compare(pinned(), catalog(shrunk, retyped)) == [
        Change(ChangeKind.COLUMN_RETYPED, name("customers"), "email", "text", "text generated"),
        Change(ChangeKind.COLUMN_REMOVED, name("customers"), "tax_id", before="text"),
        Change(ChangeKind.COLUMN_RETYPED, name("orders"), "total_id", "integer", "bigint"),
    ]


def test_a_type_that_changes_under_its_name_is_a_change() -> None:
    other = replace(data_type("text"), fingerprint="another")
    held = catalog(replace(CUSTOMERS, columns=(*CUSTOMERS.columns[:2], Column("tax_id", other))), ORDERS)
    assert [change.kind for change in compare(pinned(), held)] == [ChangeKind.COLUMN_RETYPED]


def test_a_dataset_that_appears_or_goes_is_a_change() -> None:
    assert compare(pinned(), catalog(CUSTOMERS, table("payments", "id bigint"))) == [
        Change(ChangeKind.DATASET_REMOVED, name("orders")),
        Change(ChangeKind.DATASET_ADDED, name("payments")),
    ]


def test_what_the_pinned_patterns_never_selected_is_no_change() -> None:
    version = pinned(source='datasets: ["public.*"], except: ["public.orders"]')
    assert (
        compare(version, catalog(CUSTOMERS, table("orders", "id bigint", "new"), table("other.x", "id bigint"))) == []
    )


def test_a_rule_that_only_moves_in_its_list_changes_no_treatment() -> None:
    more = '{columns: ["public.orders.total_id"], technique: token, domain: total}'
    before = pinned(scrub=policy('{columns: ["*.*.email"], technique: token}', more, keep='["*.*.{id,tax_id}"]'))
    after = pinned(scrub=policy(more, '{columns: ["*.*.email"], technique: token}', keep='["*.*.{id,tax_id}"]'))
    assert treatment_changes(before, after) == []


def test_another_technique_and_another_domain_are_told_apart() -> None:
    nulled = pinned(scrub=KEEP_IDS.replace("technique: token", "technique: null"))
    moved = pinned(scrub=KEEP_IDS.replace("technique: token", "technique: token, domain: email"))
    assert treatment_changes(pinned(), nulled) == [
        Change(ChangeKind.TREATMENT_CHANGED, name("customers"), "email", "token", "null")
    ]
    assert treatment_changes(pinned(), moved) == [
        Change(ChangeKind.DOMAIN_CHANGED, name("customers"), "email", "token", "email")
    ]

"""Row filters: which expressions a document may have."""

from __future__ import annotations

import pytest

from elute_gateway.application.filters import FilterError, columns_read


def test_the_columns_of_a_filter_are_folded_as_the_server_folds_them() -> None:
    assert columns_read("""CreatedAt >= '2024-01-01'::date AND ("Odd" IS NULL OR lower(name) LIKE '%x')""") == (
        "Odd",
        "createdat",
        "name",
    )


@pytest.mark.parametrize(
    "expression",
    [
        "active",
        "NOT active",
        "total BETWEEN 1 AND 2",
        "status IN ('a', 'b')",
        "(a + 1) % 2 = 0",
        "coalesce(a, b) IS NULL",
    ],
)
def test_boolean_expressions_pass(expression: str) -> None:
    assert columns_read(expression)


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("a; b", "not one"),
        ("", "not one"),
        ("a =", "not a SQL expression"),
        ("id IN (SELECT 1)", "subquery"),
        ("pg_sleep(1) IS NULL", "anonymous"),
        ("now() > a", "currenttimestamp"),
        ("true UNION SELECT 1", "union"),
        ("DROP TABLE a", "drop"),
        ("t.a = 1", "without their table"),
        ("a + 1", "neither true nor false"),
        ("'text'", "neither true nor false"),
        ("a = $1", "parameter"),
        ("a" * 10_001, "at most"),
    ],
)
def test_other_sql_is_refused_without_repeating_its_literals(expression: str, complaint: str) -> None:
    with pytest.raises(FilterError, match=complaint):
        columns_read(expression)

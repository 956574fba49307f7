"""Whatever words come together, an expression is refused or makes each row's value out of that row alone."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elute_transform.application.cleaner import compile_steps
from elute_transform.domain.expression.words import FUNCTIONS
from elute_transform.domain.sample import SAMPLE
from elute_wire.errors import PlanRefused, ValueRejected
from elute_wire.schema import DATE_INFINITY, TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY
from tests.elute_transform.batches import DATASET, DEFINITIONS, batch, steps

ROWS: dict[str, list[object]] = {
    "id": [2**62, -5, None, 0],
    "first_name": ["Ana", None, "", "1"],
    "last_name": ["Lee", "x y", None, "2020-01-01"],
    "birth_date": [0, DATE_INFINITY, None, 12_000],
    "created_at": [0, TIMESTAMP_INFINITY, None, 10**15],
    "seen_at": [10**12, TIMESTAMP_MINUS_INFINITY, None, 5],
    "opens_at": [0, 1, None, 86_399_999_999],
    "is_active": [True, False, None, True],
    "orders": [2**31 - 1, 7, None, -1],
    "balance": ["12.50", "NaN", None, "1" * 50],
    "score": [1.5, float("inf"), None, float("nan")],
    "external_id": ["00000000-0000-0000-0000-000000000001", None, None, None],
    "photo": [b"\xff", None, b"", b"a"],
}
BATCH = batch(SAMPLE, ROWS)
OPERATORS = ["+", "-", "*", "/", "%", "||", "=", "<>", "<", ">=", "AND", "OR", "LIKE", "~"]
TYPES = ["INT", "BIGINT", "DOUBLE", "VARCHAR", "DATE", "TIMESTAMP", "BOOLEAN", "DECIMAL(10, 2)"]
LITERALS = ["1", "0", "2.5", "'x'", "''", "'%Y'", "NULL", "TRUE", "DATE '2020-01-31'", "INTERVAL '3 days'"]


def _wider(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds(lambda a, op, b: f"({a} {op} {b})", inner, st.sampled_from(OPERATORS), inner),
        st.builds(
            lambda name, given: f"{name}({', '.join(given)})",
            st.sampled_from(sorted(FUNCTIONS - {"concat", "concat_ws"})),
            st.lists(inner, max_size=3),
        ),
        st.builds(lambda a, b, c: f"CASE WHEN {a} THEN {b} ELSE {c} END", inner, inner, inner),
        st.builds(lambda a, to: f"CAST({a} AS {to})", inner, st.sampled_from(TYPES)),
        st.builds(lambda a: f"{a} IS NULL", inner),
    )


EXPRESSIONS = st.recursive(st.sampled_from([*ROWS, *LITERALS]), _wider, max_leaves=4)


@settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(expression=EXPRESSIONS, type_=st.sampled_from(["text", "boolean", "int64", "float64", "date", "timestamp"]))
def test_an_expression_is_refused_or_a_row_s_own(expression: str, type_: str) -> None:
    try:
        whole = made(BATCH, expression, type_)
    except PlanRefused:
        return
    except ValueRejected as error:
        ordinal = error.place.ordinal
        assert ordinal is not None
        assert isinstance(made_or_none(BATCH.slice(ordinal, 1), expression, type_), ValueRejected)
        return
    rows = [made(BATCH.slice(row, 1), expression, type_) for row in range(BATCH.num_rows)]
    assert repr([value for row in rows for value in row]) == repr(whole)


def made(incoming: pa.RecordBatch, expression: str, type_: str) -> list[Any]:
    derive = steps(("derive", {"column": "made", "expression": expression, "type": type_}))
    column = compile_steps(DATASET, derive, incoming.schema, DEFINITIONS).clean(incoming).column("made")
    if pa.types.is_temporal(column.type):
        column = column.cast(pa.int32() if pa.types.is_date32(column.type) else pa.int64())
    return list(column.to_pylist())


def made_or_none(incoming: pa.RecordBatch, expression: str, type_: str) -> ValueRejected | None:
    try:
        made(incoming, expression, type_)
    except ValueRejected as error:
        return error
    return None

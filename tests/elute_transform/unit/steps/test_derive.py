"""A column is made of the others by an expression."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest

from elute_transform.domain.column import Column
from elute_transform.domain.sample import SAMPLE
from elute_wire.errors import ValueRejected
from elute_wire.schema import DATE_INFINITY, DATE_MINUS_INFINITY, TIMESTAMP_INFINITY, Lane, LogicalType, field_facts
from tests.elute_transform.batches import batch, cleaned, judge

ROWS: dict[str, list[object]] = {
    "id": [2**62, 2, None],
    "first_name": ["Ana", None, "Bo"],
    "last_name": ["Lee", "Ray", None],
    "birth_date": [0, DATE_INFINITY, None],
    "created_at": [0, TIMESTAMP_INFINITY, None],
    "seen_at": [86_400_000_000, 1, None],
    "opens_at": [3_600_000_000, 0, None],
    "is_active": [True, False, None],
    "orders": [2**31 - 1, 7, None],
    "level": [3, -3, None],
    "balance": ["12.50", "NaN", None],
    "score": [1.5, float("inf"), None],
    "external_id": ["00000000-0000-0000-0000-000000000001", None, "00000000-0000-0000-0000-00000000000a"],
    "settings": ["{}", None, "[]"],
    "photo": [b"\x01", None, b""],
}


def derive(expression: str, type_: str, column: str = "made") -> list[Any]:
    made = cleaned(batch(SAMPLE, ROWS), ("derive", {"column": column, "expression": expression, "type": type_}))
    return list(made.column(column).to_pylist())


@pytest.mark.parametrize(
    ("expression", "type_", "values"),
    [
        ("first_name || ' ' || last_name", "text", ["Ana Lee", None, None]),
        ("CONCAT(first_name, '-', last_name)", "text", ["Ana-Lee", "-Ray", "Bo-"]),
        ("COALESCE(first_name, 'nobody')", "text", ["Ana", "nobody", "Bo"]),
        ("CASE WHEN is_active THEN 'yes' WHEN NOT is_active THEN 'no' END", "text", ["yes", "no", None]),
        ("is_active AND orders > 10", "boolean", [True, False, None]),
        ("first_name IS NULL", "boolean", [False, True, False]),
        ("first_name = 'Ana'", "boolean", [True, None, False]),
        ("first_name IN ('Ana', 'Bo')", "boolean", [True, None, True]),
        ("first_name LIKE 'A%'", "boolean", [True, None, False]),
        ("'fixed'", "text", ["fixed", "fixed", "fixed"]),
        ("NULL", "text", [None, None, None]),
        ("orders + 1", "int64", [2**31, 8, None]),
        ("id * 1", "int64", [2**62, 2, None]),
        ("orders * id > 0", "boolean", [True, True, None]),
        ("LENGTH(first_name) - 4", "int32", [-1, None, -2]),
        ("level % 2", "int16", [1, -1, None]),
        ("level / 2", "float64", [1.5, -1.5, None]),
        ("orders", "decimal", ["2147483647", "7", None]),
        ("balance", "decimal", ["12.50", "NaN", None]),
        ("level * CAST('1.25' AS DECIMAL(10, 2))", "decimal", ["3.75", "-3.75", None]),
        ("CAST(balance AS DOUBLE) > 10", "boolean", [True, True, None]),
        ("balance IS NULL", "boolean", [False, False, True]),
        ("birth_date > DATE '2000-01-01'", "boolean", [False, True, None]),
        ("COALESCE(birth_date, DATE '2000-01-01')", "date", [0, DATE_INFINITY, 10957]),
        ("CASE WHEN level > 0 THEN birth_date END", "date", [0, None, None]),
        ("created_at", "timestamp_tz", [0, TIMESTAMP_INFINITY, None]),
        ("EXTRACT(YEAR FROM seen_at) * 1000000", "int64", [1970 * 10**6, 1970 * 10**6, None]),
        ("seen_at + INTERVAL '2 days'", "timestamp", [3 * 86_400_000_000, 2 * 86_400_000_000 + 1, None]),
        ("opens_at", "time", [dt.time(1), dt.time(0), None]),
        ("STRPTIME('2020-02-03', '%Y-%m-%d')", "timestamp", [1580688000000000] * 3),
        ("external_id", "uuid", ROWS["external_id"]),
        ("external_id = '00000000-0000-0000-0000-00000000000a'", "boolean", [False, None, True]),
        ("settings", "json", ROWS["settings"]),
        ("photo", "binary", ROWS["photo"]),
        ("UPPER(LEFT(last_name, 1))", "text", ["L", "R", None]),
        ("REPLACE(last_name, 'e', '')", "text", ["L", "Ray", None]),
    ],
)
def test_an_expression_makes_a_column(expression: str, type_: str, values: list[object]) -> None:
    made = cleaned(batch(SAMPLE, ROWS), ("derive", {"column": "made", "expression": expression, "type": type_}))
    column = made.column("made")
    if pa.types.is_date32(column.type):
        column = column.cast(pa.int32())
    elif pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    assert column.to_pylist() == values
    assert made.column("created_at").cast(pa.int64()).to_pylist() == ROWS["created_at"]


def test_a_new_column_goes_to_the_end_and_is_said_to_be_made() -> None:
    outcome = judge(SAMPLE, ("derive", {"column": "made", "expression": "level + 1", "type": "int16"}))
    assert list(outcome.columns) == [*SAMPLE, "made"]
    assert outcome.columns["made"] == Column("made by derive", LogicalType.INT16)
    assert outcome.origins["made"] is None
    assert outcome.touched == {"level"}
    assert outcome.changed == {"made"}


def test_a_column_that_exists_keeps_its_place_and_is_made_anew() -> None:
    outcome = judge(SAMPLE, ("derive", {"column": "email", "expression": "LOWER(email)", "type": "text"}))
    assert list(outcome.columns) == list(SAMPLE)
    assert outcome.origins["email"] is None
    assert derive("UPPER(first_name)", "text", "first_name") == ["ANA", None, "BO"]


def test_a_column_of_the_wire_lane_may_be_made_anew_but_not_read() -> None:
    columns = {"w": Column("text[]", LogicalType.TEXT, lane=Lane.WIRE)}
    anew = judge(columns, ("derive", {"column": "w", "expression": "'x'", "type": "text"}))
    assert anew.errors == ()
    assert anew.columns["w"].lane is Lane.TYPED
    [problem] = judge(columns, ("derive", {"column": "v", "expression": "w", "type": "text"})).errors
    assert problem.code == "wire-lane"


@pytest.mark.parametrize(
    ("expression", "type_", "column", "ordinal"),
    [
        ("orders + 1", "int32", "made", 0),
        ("orders * orders * orders * orders", "int64", "made", 0),
        ("id * 4", "int64", "made", 0),
        ("CAST(first_name AS INT)", "int32", "made", 0),
        ("CAST(balance AS DECIMAL(10, 2))", "decimal", "made", 1),
        ("CAST(score AS BIGINT)", "int64", "made", 1),
        ("first_name", "uuid", "made", 0),
        ("last_name", "decimal", "made", 0),
        ("EXTRACT(YEAR FROM birth_date)", "int16", "birth_date", 1),
        ("birth_date + INTERVAL '1 day'", "date", "birth_date", 1),
        ("CAST(birth_date AS VARCHAR)", "text", "birth_date", 1),
        ("STRFTIME(created_at, '%Y')", "text", "created_at", 1),
        ("created_at - created_at > INTERVAL '1 day'", "boolean", "created_at", 1),
        ("CAST(created_at AS DATE)", "date", "created_at", 1),
        ("STRPTIME(last_name, '%Y')", "timestamp", "made", 0),
    ],
)
def test_a_value_that_an_expression_cannot_take_is_rejected_with_its_place(
    expression: str, type_: str, column: str, ordinal: int
) -> None:
    with pytest.raises(ValueRejected) as caught:
        derive(expression, type_)
    assert (caught.value.place.column, caught.value.place.ordinal) == (column, ordinal)
    assert "/clean/0" in caught.value.message


def test_midnight_at_the_end_of_a_day_is_not_lost() -> None:
    incoming = batch(SAMPLE, {"opens_at": [0, 86_400_000_000]})
    assert cleaned(incoming, ("rename", {"columns": {"opens_at": "o"}})).column("o") == incoming.column("opens_at")
    with pytest.raises(ValueRejected) as caught:
        cleaned(incoming, ("derive", {"column": "made", "expression": "opens_at", "type": "time"}))
    assert (caught.value.place.column, caught.value.place.ordinal) == ("opens_at", 1)


def test_infinite_dates_survive_beside_an_expression() -> None:
    incoming = batch(SAMPLE, {"birth_date": [DATE_INFINITY, DATE_MINUS_INFINITY], "level": [1, 2]})
    made = cleaned(incoming, ("derive", {"column": "made", "expression": "level + 1", "type": "int16"}))
    assert made.column("birth_date").cast(pa.int32()).to_pylist() == [DATE_INFINITY, DATE_MINUS_INFINITY]
    assert field_facts(made.schema.field("made")).source_type == "made by derive"

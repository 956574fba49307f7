"""Columns get other names, all at once, whatever travels in them."""

from __future__ import annotations

import pytest

from elute_transform.domain.column import Column
from elute_transform.domain.sample import SAMPLE
from elute_wire.schema import Lane, LogicalType
from tests.elute_transform.batches import batch, cleaned, judge

A, B, WIRE = (
    Column("text", LogicalType.TEXT),
    Column("integer", LogicalType.INT32),
    Column("numeric", LogicalType.DECIMAL, lane=Lane.WIRE),
)
COLUMNS = {"a": A, "b": B, "w": WIRE}


def test_a_renamed_column_keeps_its_place_type_and_values() -> None:
    incoming = batch(COLUMNS, {"a": ["x", None], "b": [1, 2], "w": [b"\x01", None]})
    made = cleaned(incoming, ("rename", {"columns": {"a": "z"}}))
    assert made.to_pydict() == {"z": ["x", None], "b": [1, 2], "w": [b"\x01", None]}
    assert judge(COLUMNS, ("rename", {"columns": {"a": "z"}})).columns["z"] == A


def test_two_columns_swap_their_names() -> None:
    incoming = batch(COLUMNS, {"a": ["x"], "b": [1]})
    made = cleaned(incoming, ("rename", {"columns": {"a": "b", "b": "a"}}))
    assert made.to_pydict() == {"b": ["x"], "a": [1]}


def test_a_column_of_the_wire_lane_is_renamed_unread() -> None:
    outcome = judge(COLUMNS, ("rename", {"columns": {"w": "v"}}))
    assert outcome.errors == ()
    assert outcome.columns["v"].lane is Lane.WIRE
    assert not outcome.touched
    assert not outcome.changed
    assert outcome.origins["v"] == "w"


@pytest.mark.parametrize(
    ("renames", "found"),
    [
        ({"a": "b"}, [("name-taken", "/columns/a")]),
        ({"a": "z", "b": "z"}, [("name-taken", "/columns/a"), ("name-taken", "/columns/b")]),
        ({"a": "a"}, [("same-name", "/columns/a")]),
        ({"no/where": "z"}, [("unknown-column", "/columns/no~1where")]),
        ({"first_nam": "z", "a": "b"}, [("unknown-column", "/columns/first_nam"), ("name-taken", "/columns/a")]),
        ({"a": "b", "b": "c"}, []),
    ],
)
def test_names_that_are_missing_or_taken_are_problems(renames: dict[str, str], found: list[tuple[str, str]]) -> None:
    outcome = judge(COLUMNS, ("rename", {"columns": renames}))
    assert [(problem.code, problem.pointer) for problem in outcome.errors] == [
        (code, f"/clean/0{pointer}") for code, pointer in found
    ]


def test_a_missing_column_is_answered_with_the_nearest_names() -> None:
    [problem] = judge(SAMPLE, ("rename", {"columns": {"frist_name": "given_name"}})).problems
    assert problem.hint.startswith("did you mean first_name")


def test_a_later_step_reads_the_column_by_its_new_name() -> None:
    incoming = batch(COLUMNS, {"a": ["x "], "b": [1]})
    made = cleaned(
        incoming,
        ("rename", {"columns": {"a": "b", "b": "a"}}),
        ("clean_text", {"columns": ["b"], "trim": True}),
        ("rename", {"columns": {"b": "c"}}),
        ("derive", {"column": "b", "expression": "c || CAST(a AS VARCHAR)", "type": "text"}),
    )
    assert made.to_pydict() == {"c": ["x"], "a": [1], "b": ["x1"]}

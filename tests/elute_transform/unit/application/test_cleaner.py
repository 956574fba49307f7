"""Steps at work on batches: exact, in order, and silent about values."""

from __future__ import annotations

import traceback

import polars as pl
import pyarrow as pa
import pytest

from elute_transform.application.cleaner import Cleaner
from elute_transform.application.pipeline import Step, Work
from elute_transform.domain.column import Column
from elute_transform.domain.sample import SAMPLE
from elute_transform.domain.step import Change, Made, Rejection
from elute_wire.errors import EluteError, InternalFault, InvalidRequest, PlanRefused, ValueRejected
from elute_wire.schema import FieldFacts, Lane, LogicalType, arrow_field
from tests.elute_transform.batches import batch, cleaned, cleaner, judge, text

CANARY = "canary4711"


def test_ordinals_count_over_the_batches_of_a_stream() -> None:
    number = {"column": "n", "expression": "CAST(t AS BIGINT)", "type": "int64"}
    working = cleaner(text("t", []).schema, ("derive", number))
    for values in (["1", "2"], [], ["3"]):
        working.clean(text("t", values))
    with pytest.raises(ValueRejected) as caught:
        working.clean(text("t", ["4", None, "5", "six", "seven"]))
    assert caught.value.place.ordinal == 6
    assert (caught.value.place.dataset, caught.value.place.column) == ("shop.customers", "n")


def test_a_batch_without_rows_and_a_derivation_without_columns_work() -> None:
    fixed = ("derive", {"column": "f", "expression": "'x'", "type": "text"})
    assert cleaned(text("t", []), fixed).num_rows == 0
    assert cleaned(text("t", ["a", None]), fixed).column("f").to_pylist() == ["x", "x"]


def test_columns_of_the_wire_lane_pass_as_the_same_memory() -> None:
    columns = {"w": Column("numeric", LogicalType.DECIMAL, lane=Lane.WIRE), "t": Column("text", LogicalType.TEXT)}
    incoming = batch(columns, {"w": [b"\x00\x01", None], "t": [" a", "b "]})
    made = cleaned(incoming, ("clean_text", {"columns": ["t"], "trim": True}), ("rename", {"columns": {"w": "v"}}))
    assert made.column("t").to_pylist() == ["a", "b"]
    assert [b and b.address for b in made.column("v").buffers()] == [
        b and b.address for b in incoming.column("w").buffers()
    ]


def test_the_metadata_of_the_stream_stays_and_made_columns_are_untreated() -> None:
    incoming = text("t", ["a"]).replace_schema_metadata({"elute.policy": "x"})
    made = cleaned(incoming, ("derive", {"column": "f", "expression": "t", "type": "text"}))
    assert made.schema.metadata == {b"elute.policy": b"x"}
    assert made.schema.field("f").metadata == {
        b"elute.type": b"made by derive",
        b"elute.lane": b"typed",
        b"elute.logical": b"text",
    }


def test_a_column_that_came_scrubbed_is_refused() -> None:
    scrubbed = pa.schema([arrow_field(FieldFacts("t", "text", Lane.TYPED, LogicalType.TEXT, "/scrub/rules/0"))])
    with pytest.raises(PlanRefused, match="t came scrubbed already"):
        cleaner(scrubbed)


def test_a_schema_that_is_not_ours_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="lacks the metadata"):
        cleaner(pa.schema([("t", pa.string())]))


def test_steps_with_errors_do_not_run() -> None:
    with pytest.raises(PlanRefused) as caught:
        cleaner(text("t", []).schema, ("clean_text", {"columns": ["u"], "trim": True}))
    assert [problem.code for problem in caught.value.problems] == ["unknown-column"]


def test_a_step_that_reads_the_wire_lane_does_not_run() -> None:
    wire = {"t": Column("text", LogicalType.TEXT, lane=Lane.WIRE)}
    with pytest.raises(PlanRefused) as caught:
        cleaner(batch(wire, {"t": []}).schema, ("clean_text", {"columns": ["t"], "trim": True}))
    assert [problem.code for problem in caught.value.problems] == ["wire-lane"]


@pytest.mark.parametrize(
    ("expression", "type_"),
    [
        ("CAST(t AS BIGINT)", "int64"),
        ("CAST(t AS DOUBLE)", "float64"),
        ("CAST(t AS DECIMAL(10, 2))", "decimal"),
        ("CAST(t AS BOOLEAN)", "boolean"),
        ("STRPTIME(t, '%Y-%m-%d')", "timestamp"),
        ("DATE(t, '%Y')", "date"),
        ("t", "uuid"),
        ("t", "decimal"),
        ("t || t", "uuid"),
        ("CASE WHEN t LIKE 'c%' THEN CAST(t AS INT) ELSE 1 END", "int32"),
    ],
)
def test_no_failure_tells_a_value(
    expression: str, type_: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(EluteError) as caught:
        cleaned(text("t", ["1", CANARY]), ("derive", {"column": "n", "expression": expression, "type": type_}))
    assert isinstance(caught.value, ValueRejected)
    assert caught.value.__context__ is None
    told = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value)) + caplog.text
    assert CANARY not in told + "".join(capfd.readouterr())


def test_a_failure_that_no_row_explains_is_a_defect_of_ours() -> None:
    broken = Change(makes={"t": Made(pl.col("t").unique(), SAMPLE["email"])})
    with pytest.raises(InternalFault, match="unexpected ShapeError"):
        _cleaner(broken).clean(text("t", ["a", "b", "a"]))


def test_a_step_that_renames_and_makes_at_once_reads_what_came_in() -> None:
    change = Change(
        renames={"t": "old"},
        makes={"t": Made(pl.col("t").str.to_uppercase(), SAMPLE["email"])},
        rejects=(Rejection("t", "is bad", pl.col("t") == "bad"),),
    )
    assert list(change.outgoing(text_columns())) == ["old", "t"]
    made = _cleaner(change, {"old": "t"}).clean(text("t", ["a", None]))
    assert made.to_pydict() == {"old": ["a", None], "t": ["A", None]}
    with pytest.raises(ValueRejected, match="column t is bad"):
        _cleaner(change, {"old": "t"}).clean(text("t", ["a", "bad"]))


def text_columns() -> dict[str, Column]:
    return {"t": SAMPLE["email"]}


def _cleaner(change: Change, carried: dict[str, str] | None = None) -> Cleaner:
    before = judge(text_columns())
    outcome = type(before)(
        columns=change.outgoing(text_columns()),
        origins={},
        carried=carried or {},
        touched=frozenset({"t"}),
        changed=frozenset(),
        works=(Work(Step("broken", "{}", "/clean/0"), change),),
        problems=(),
    )
    return Cleaner("shop.customers", outcome, text("t", []).schema)

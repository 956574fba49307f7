"""Batches of the sample dataset, and short ways to put steps to work on some columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from elute_transform.application.cleaner import Cleaner, compile_steps
from elute_transform.application.pipeline import Definitions, Outcome, Step, validate
from elute_transform.domain.column import Column, Columns
from elute_transform.domain.sample import SAMPLE
from elute_transform.domain.step import Definition
from elute_wire.registry import load
from elute_wire.schema import (
    DATE_INFINITY,
    DATE_MINUS_INFINITY,
    TIMESTAMP_INFINITY,
    TIMESTAMP_MINUS_INFINITY,
    Lane,
    LogicalType,
    arrow_field,
)

DEFINITIONS: Definitions = load("elute_transform.steps", Definition)
DATASET = "shop.customers"

TEXTS = st.text(max_size=12) | st.sampled_from(
    ["", " ", "\u00a0a\u2003 b\t", "e\u0301", "\ufb01n", "a\x00b", "ǆ ΐ", "İ"]
)
_INSTANTS = st.integers(-(10**15), 10**15) | st.sampled_from([TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY])
_VALUES: Mapping[LogicalType, st.SearchStrategy[Any]] = {
    LogicalType.TEXT: TEXTS,
    LogicalType.BOOLEAN: st.booleans(),
    LogicalType.INT16: st.integers(-(2**15), 2**15 - 1),
    LogicalType.INT32: st.integers(-(2**31), 2**31 - 1),
    LogicalType.INT64: st.integers(-(2**63), 2**63 - 1),
    LogicalType.FLOAT32: st.floats(width=32),
    LogicalType.FLOAT64: st.floats(),
    LogicalType.DECIMAL: st.decimals(places=2).map(str) | st.sampled_from(["NaN", "-Infinity", "1" * 1000]),
    LogicalType.DATE: st.integers(-100_000, 100_000) | st.sampled_from([DATE_INFINITY, DATE_MINUS_INFINITY]),
    LogicalType.TIME: st.integers(0, 86_399_999_999),
    LogicalType.TIMESTAMP: _INSTANTS,
    LogicalType.TIMESTAMP_TZ: _INSTANTS,
    LogicalType.UUID: st.uuids().map(str),
    LogicalType.JSON: st.sampled_from(["{}", '{"a": 1}', "null"]),
    LogicalType.BINARY: st.binary(max_size=8),
    LogicalType.OPAQUE: st.binary(max_size=8),
}


def array(column: Column, values: Sequence[object]) -> pa.Array[Any]:
    """Make an Arrow array of a column; dates and times are given as numbers."""
    wanted = column.facts("").arrow_type
    if pa.types.is_temporal(wanted) and all(value is None or isinstance(value, int) for value in values):
        return pa.array(values, pa.int32() if pa.types.is_date32(wanted) else pa.int64()).cast(wanted)
    return pa.array(values, wanted)


def batch(columns: Columns, values: Mapping[str, Sequence[object]]) -> pa.RecordBatch:
    """Make a batch of the columns that have values."""
    fields = [arrow_field(columns[name].facts(name)) for name in values]
    return pa.RecordBatch.from_arrays(
        [array(columns[name], given) for name, given in values.items()], schema=pa.schema(fields)
    )


@st.composite
def sample_batches(draw: st.DrawFn) -> pa.RecordBatch:
    """Draw a batch of the sample dataset, nulls everywhere."""
    rows = draw(st.integers(0, 8))
    return batch(
        SAMPLE,
        {
            name: draw(st.lists(st.none() | _values(column), min_size=rows, max_size=rows))
            for name, column in SAMPLE.items()
        },
    )


def _values(column: Column) -> st.SearchStrategy[Any]:
    return st.binary(max_size=8) if column.lane is Lane.WIRE else _VALUES[column.logical]


def steps(*given: tuple[str, Mapping[str, object]]) -> list[Step]:
    """Write steps as a pipeline hands them on."""
    return [Step(name, json.dumps(config), f"/clean/{place}") for place, (name, config) in enumerate(given)]


def judge(columns: Columns, *given: tuple[str, Mapping[str, object]]) -> Outcome:
    """Validate steps on columns."""
    return validate(DATASET, steps(*given), columns, DEFINITIONS)


def cleaner(incoming: pa.Schema, *given: tuple[str, Mapping[str, object]]) -> Cleaner:
    """Compile steps for a schema."""
    return compile_steps(DATASET, steps(*given), incoming, DEFINITIONS)


def cleaned(incoming: pa.RecordBatch, *given: tuple[str, Mapping[str, object]]) -> pa.RecordBatch:
    """Take a batch through steps."""
    return cleaner(incoming.schema, *given).clean(incoming)


def text(name: str, values: Sequence[str | None]) -> pa.RecordBatch:
    """Make a batch of one column of text."""
    return batch({name: Column("text", LogicalType.TEXT)}, {name: values})

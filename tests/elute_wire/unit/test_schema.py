"""Schemas of streams: every column says what it is, in a packed stream too."""

from __future__ import annotations

import pyarrow as pa
import pytest

from elute_wire.schema import (
    PACKED_KEY,
    FieldFacts,
    Lane,
    LogicalType,
    arrow_field,
    is_packed,
    packed_schema,
    stream_facts,
)

COLUMNS = [
    FieldFacts("id", "bigint", Lane.WIRE, LogicalType.INT64, "keep"),
    FieldFacts('a "name", quoted', "text", Lane.WIRE, LogicalType.TEXT),
]


def test_a_stream_tells_the_facts_of_its_columns_packed_or_not() -> None:
    apart, packed = pa.schema(map(arrow_field, COLUMNS)), packed_schema(COLUMNS)
    assert stream_facts(apart) == stream_facts(packed) == COLUMNS
    assert (is_packed(apart), is_packed(packed)) == (False, True)


def test_a_column_that_is_called_rows_makes_no_packed_stream() -> None:
    assert not is_packed(pa.schema([arrow_field(FieldFacts("rows", "bytea", Lane.WIRE, LogicalType.BINARY))]))


@pytest.mark.parametrize("described", [b"", b"{", b"[1]", b'[{"name": "a"}]', b'[{"name": "a", "lane": "air"}]'])
def test_a_packed_stream_that_does_not_describe_its_columns_is_refused(described: bytes) -> None:
    schema = pa.schema([pa.field("rows", pa.binary(), metadata={PACKED_KEY: described})])
    with pytest.raises(ValueError, match="does not describe"):
        stream_facts(schema)

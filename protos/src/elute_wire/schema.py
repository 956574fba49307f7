"""The columns of a stream: logical types, lanes, and the metadata that every Arrow field carries.

A column travels in one of two lanes. In the *wire lane* it is opaque `binary`: the bytes of the source's own
binary format, which only the sink reads. In the *typed lane* it is one of the `LogicalType`s below, and steps
and techniques may touch it.

Where every column of a dataset is kept, nobody needs them apart: such a stream may be *packed*. Its only field holds
whole rows, as the bytes that the sink writes, and describes the columns in them as fields of their own would.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import pyarrow as pa

TYPE_KEY = b"elute.type"
LANE_KEY = b"elute.lane"
LOGICAL_KEY = b"elute.logical"
TREATMENT_KEY = b"elute.treatment"
POLICY_KEY = b"elute.policy"
PACKED_KEY = b"elute.packed"

KEPT = "keep"
"""The treatment of a column that the policy keeps as it is; any other treatment is a rule's JSON pointer."""

DATE_INFINITY, DATE_MINUS_INFINITY = 2**31 - 1, -(2**31)
"""Days that stand for `infinity` and `-infinity` in a `LogicalType.DATE` column."""

TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY = 2**63 - 1, -(2**63)
"""Microseconds that stand for `infinity` and `-infinity` in a timestamp column."""


class Lane(StrEnum):
    """How a column's values are carried."""

    WIRE = "wire"
    TYPED = "typed"


class LogicalType(StrEnum):
    """What a value means, independent of the engine that stores it."""

    TEXT = "text"
    BOOLEAN = "boolean"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    DECIMAL = "decimal"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    TIMESTAMP_TZ = "timestamp_tz"
    UUID = "uuid"
    JSON = "json"
    BINARY = "binary"
    OPAQUE = "opaque"


ARROW_TYPES: Mapping[LogicalType, pa.DataType] = {
    LogicalType.TEXT: pa.string(),
    LogicalType.BOOLEAN: pa.bool_(),
    LogicalType.INT16: pa.int16(),
    LogicalType.INT32: pa.int32(),
    LogicalType.INT64: pa.int64(),
    LogicalType.FLOAT32: pa.float32(),
    LogicalType.FLOAT64: pa.float64(),
    # Canonical decimal text ("-12.50", "NaN", "Infinity"): no Arrow decimal holds 1,000 digits.
    LogicalType.DECIMAL: pa.string(),
    LogicalType.DATE: pa.date32(),
    LogicalType.TIME: pa.time64("us"),
    LogicalType.TIMESTAMP: pa.timestamp("us"),
    LogicalType.TIMESTAMP_TZ: pa.timestamp("us", "UTC"),
    # Lower case, 36 characters: the canonical form that pseudonyms depend on.
    LogicalType.UUID: pa.string(),
    LogicalType.JSON: pa.string(),
    LogicalType.BINARY: pa.binary(),
    # A source type that no step and no technique reads; carried as the source's own bytes.
    LogicalType.OPAQUE: pa.binary(),
}
"""The Arrow type that carries each logical type in the typed lane."""


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """One column of a stream, as its field metadata says it.

    Attributes:
        name: The column's name.
        source_type: The source's own name of the type, for example `numeric(10,2)`.
        lane: How the values are carried.
        logical: What the values mean; the Arrow type follows from it and the lane.
        treatment: `KEPT`, the JSON pointer of the rule that scrubbed the column, or None when no anonymizer
            has seen it.
    """

    name: str
    source_type: str
    lane: Lane
    logical: LogicalType
    treatment: str | None = None

    @property
    def arrow_type(self) -> pa.DataType:
        """The Arrow type of the column: `binary` in the wire lane."""
        return pa.binary() if self.lane is Lane.WIRE else ARROW_TYPES[self.logical]


def arrow_field(facts: FieldFacts) -> pa.Field[Any]:
    """Build the Arrow field that carries a column and its metadata."""
    metadata = {
        TYPE_KEY: facts.source_type.encode(),
        LANE_KEY: facts.lane.value.encode(),
        LOGICAL_KEY: facts.logical.value.encode(),
    }
    if facts.treatment is not None:
        metadata[TREATMENT_KEY] = facts.treatment.encode()
    return pa.field(facts.name, facts.arrow_type, nullable=True, metadata=metadata)


def field_facts(field: pa.Field[Any]) -> FieldFacts:
    """Read a column's facts from its Arrow field.

    Raises:
        ValueError: The field lacks Elute's metadata, or its Arrow type is not the one that its metadata names.
    """
    metadata = field.metadata or {}
    try:
        facts = FieldFacts(
            name=field.name,
            source_type=metadata[TYPE_KEY].decode(),
            lane=Lane(metadata[LANE_KEY].decode()),
            logical=LogicalType(metadata[LOGICAL_KEY].decode()),
            treatment=metadata[TREATMENT_KEY].decode() if TREATMENT_KEY in metadata else None,
        )
    except KeyError as error:
        raise ValueError(f"field {field.name!r} lacks the metadata {error.args[0].decode()}") from None
    if field.type != facts.arrow_type:
        raise ValueError(f"field {field.name!r} is {field.type}, its metadata says {facts.arrow_type}")
    return facts


def packed_schema(columns: Sequence[FieldFacts]) -> pa.Schema:
    """Build the schema of a packed stream.

    Args:
        columns: The facts of the columns that its rows hold, all in the wire lane, in their order.
    """
    described = json.dumps([asdict(facts) for facts in columns])
    return pa.schema([pa.field("rows", pa.binary(), metadata={PACKED_KEY: described.encode()})])


def is_packed(schema: pa.Schema) -> bool:
    """Whether a stream of this schema is packed."""
    return len(schema) == 1 and PACKED_KEY in (schema.field(0).metadata or {})


def stream_facts(schema: pa.Schema) -> list[FieldFacts]:
    """Read the facts of a stream's columns, packed or not.

    Raises:
        ValueError: A field lacks Elute's metadata, or its Arrow type is not the one that its metadata names.
    """
    if not is_packed(schema):
        return [field_facts(field) for field in schema]
    try:
        return [
            FieldFacts(**{**facts, "lane": Lane(facts["lane"]), "logical": LogicalType(facts["logical"])})
            for facts in json.loads((schema.field(0).metadata or {})[PACKED_KEY])
        ]
    except (KeyError, TypeError, ValueError):
        raise ValueError("the field of a packed stream does not describe its columns") from None

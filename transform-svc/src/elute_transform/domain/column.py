"""Columns as steps see them, and how Polars holds their values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import polars as pl

from elute_wire.schema import FieldFacts, Lane, LogicalType


@dataclass(frozen=True, slots=True)
class Column:
    """One column between two steps.

    Attributes:
        source_type: The source's own name of its type; for a column that a step made, `made by` and the step.
        logical: What its values mean.
        nullable: Whether NULL is possible.
        lane: How its values are carried; a step reads and makes values in the typed lane alone.
    """

    source_type: str
    logical: LogicalType
    nullable: bool = True
    lane: Lane = Lane.TYPED

    @classmethod
    def of(cls, facts: FieldFacts) -> Column:
        """Read a column from the facts of a stream's field."""
        return cls(facts.source_type, facts.logical, lane=facts.lane)

    def facts(self, name: str) -> FieldFacts:
        """Describe the column as a stream's field: untreated, because cleaning comes before scrubbing."""
        return FieldFacts(name, self.source_type, self.lane, self.logical)


Columns: TypeAlias = Mapping[str, Column]
"""Columns by name, in the order of the stream's fields."""

INTEGERS = frozenset({LogicalType.INT16, LogicalType.INT32, LogicalType.INT64})
INSTANTS = frozenset({LogicalType.DATE, LogicalType.TIMESTAMP, LogicalType.TIMESTAMP_TZ})

POLARS_TYPES: Mapping[LogicalType, pl.DataType] = {
    LogicalType.TEXT: pl.String(),
    LogicalType.BOOLEAN: pl.Boolean(),
    LogicalType.INT16: pl.Int16(),
    LogicalType.INT32: pl.Int32(),
    LogicalType.INT64: pl.Int64(),
    LogicalType.FLOAT32: pl.Float32(),
    LogicalType.FLOAT64: pl.Float64(),
    LogicalType.DECIMAL: pl.String(),
    LogicalType.DATE: pl.Date(),
    LogicalType.TIME: pl.Time(),
    LogicalType.TIMESTAMP: pl.Datetime("us"),
    LogicalType.TIMESTAMP_TZ: pl.Datetime("us", "UTC"),
    LogicalType.UUID: pl.String(),
    LogicalType.JSON: pl.String(),
    LogicalType.BINARY: pl.Binary(),
}
"""The Polars type of each logical type; a step reads no column of any other."""

"""The dataset that the examples of steps are about: a column of every type that a step may read, and a few more."""

from __future__ import annotations

from types import MappingProxyType

from elute_transform.domain.column import Column, Columns
from elute_wire.schema import Lane, LogicalType

SAMPLE: Columns = MappingProxyType(
    {
        "id": Column("bigint", LogicalType.INT64, nullable=False),
        "first_name": Column("character varying(40)", LogicalType.TEXT, nullable=False),
        "last_name": Column("text", LogicalType.TEXT),
        "email": Column("text", LogicalType.TEXT),
        "birth_date": Column("date", LogicalType.DATE),
        "opens_at": Column("time without time zone", LogicalType.TIME),
        "seen_at": Column("timestamp without time zone", LogicalType.TIMESTAMP),
        "created_at": Column("timestamp with time zone", LogicalType.TIMESTAMP_TZ, nullable=False),
        "is_active": Column("boolean", LogicalType.BOOLEAN),
        "orders": Column("integer", LogicalType.INT32),
        "level": Column("smallint", LogicalType.INT16),
        "balance": Column("numeric(12,2)", LogicalType.DECIMAL),
        "score": Column("double precision", LogicalType.FLOAT64),
        "weight": Column("real", LogicalType.FLOAT32),
        "external_id": Column("uuid", LogicalType.UUID),
        "settings": Column("jsonb", LogicalType.JSON),
        "photo": Column("bytea", LogicalType.BINARY),
        "position": Column("point", LogicalType.OPAQUE),
        "tags": Column("text[]", LogicalType.OPAQUE, lane=Lane.WIRE),
    }
)

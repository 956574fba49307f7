"""What a source holds, as far as a plan must know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from elute_gateway.domain.names import DatasetName


class LogicalType(StrEnum):
    """What a value means, independent of the store; the same words as on the wire."""

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


class TypeKind(StrEnum):
    """How a data type is made."""

    BASE = "base"
    ENUM = "enum"
    COMPOSITE = "composite"
    DOMAIN = "domain"
    ARRAY = "array"
    RANGE = "range"
    MULTIRANGE = "multirange"


@dataclass(frozen=True, slots=True)
class DataType:
    """A resolved data type.

    Attributes:
        fingerprint: SHA-256 of its structure, hexadecimal.
        formatted: The store's own name with its modifier, for example `numeric(10,2)`; unique in a catalog.
        kind: How it is made.
        logical: What its values mean.
        max_length: The most characters, if bounded.
        precision: Decimal digits in all, if bounded.
        scale: Decimal digits after the point, if bounded.
        labels: Those of an enum.
        element: The name of the underlying type, or empty.
        text_only: Whether values travel only as text.
        constrained: Whether the type's own CHECKs may refuse a value.
    """

    fingerprint: str
    formatted: str
    kind: TypeKind
    logical: LogicalType
    max_length: int | None = None
    precision: int | None = None
    scale: int | None = None
    labels: tuple[str, ...] = ()
    element: str = ""
    text_only: bool = False
    constrained: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `generated` ones are computed by the store and never written."""

    name: str
    type: DataType
    nullable: bool = True
    generated: bool = False
    loose_equality: bool = False


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """What holds rows apart; `columns` includes those that its expressions and its predicate read."""

    name: str
    columns: tuple[str, ...]
    primary: bool = False
    partial: bool = False
    expression: bool = False


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A reference; `columns` and `target_columns` pair up by position."""

    name: str
    columns: tuple[str, ...]
    target: DatasetName
    target_columns: tuple[str, ...]


class ConstraintKind(StrEnum):
    """What a constraint is that reads values and is no key."""

    CHECK = "check"
    EXCLUSION = "exclusion"
    PARTIAL_INDEX = "partial index"


@dataclass(frozen=True, slots=True)
class Constraint:
    """A constraint that reads values and is no key."""

    name: str
    kind: ConstraintKind
    columns: tuple[str, ...]


class DatasetKind(StrEnum):
    """What a dataset is in its store."""

    TABLE = "table"
    PARTITIONED_TABLE = "partitioned-table"
    VIEW = "view"
    MATERIALIZED_VIEW = "materialized-view"
    FOREIGN_TABLE = "foreign-table"


VIEWS = frozenset({DatasetKind.VIEW, DatasetKind.MATERIALIZED_VIEW})
"""The kinds without rows of their own."""


@dataclass(frozen=True, slots=True)
class Literal:
    """Where metadata holds a constant; never the constant."""

    holder: str
    object: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset.

    Attributes:
        name: Its name.
        kind: What it is.
        columns: Its columns, in their order.
        unique_keys: What holds its rows apart.
        foreign_keys: What it refers to.
        constraints: Its other constraints.
        partition_columns: What decides which leaf a row belongs to.
        leaves: Those of a partitioned table.
        parents: The tables that it inherits from, other than as a leaf.
        literals: Places of its metadata that hold constants.
        estimated_rows: -1 when the store does not know.
        size_bytes: On the store's disk, indexes not counted.
        text_mode: Whether its values travel as text because of a type in it.
        fingerprint: SHA-256 of its structure, hexadecimal.
    """

    name: DatasetName
    kind: DatasetKind
    columns: tuple[Column, ...]
    unique_keys: tuple[UniqueKey, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    partition_columns: tuple[str, ...] = ()
    leaves: tuple[DatasetName, ...] = ()
    parents: tuple[DatasetName, ...] = ()
    literals: tuple[Literal, ...] = ()
    estimated_rows: int = -1
    size_bytes: int = 0
    text_mode: bool = False
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Catalog:
    """All datasets by name, in the order of their names, and the types that their columns are made of."""

    datasets: Mapping[DatasetName, Dataset]
    types: tuple[DataType, ...]

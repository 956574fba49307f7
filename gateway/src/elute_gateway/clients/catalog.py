"""A source's catalog, read from the wire."""

from __future__ import annotations

from collections.abc import Mapping

from elute.v1 import catalog_pb2
from elute_gateway.clients.messages import logical_type, read_dataset_name, read_logical_type
from elute_gateway.domain.catalog import (
    Catalog,
    Column,
    Constraint,
    ConstraintKind,
    Dataset,
    DatasetKind,
    DataType,
    ForeignKey,
    Literal,
    TypeKind,
    UniqueKey,
)


def read_catalog(message: catalog_pb2.Catalog) -> Catalog:
    """Read a catalog; its datasets come in the order of their names.

    Raises:
        KeyError: A column's type is not among the types.
    """
    types = {one.formatted: _type(one) for one in message.types}
    datasets = sorted((_dataset(one, types) for one in message.datasets), key=lambda dataset: dataset.name)
    return Catalog({dataset.name: dataset for dataset in datasets}, tuple(types.values()))


def _dataset(message: catalog_pb2.Dataset, types: Mapping[str, DataType]) -> Dataset:
    return Dataset(
        name=read_dataset_name(message.name),
        kind=_DATASET_KINDS[message.kind],
        columns=tuple(_column(one, types) for one in message.columns),
        unique_keys=tuple(
            UniqueKey(one.name, tuple(one.columns), one.primary, one.partial, one.expression)
            for one in message.unique_keys
        ),
        foreign_keys=tuple(
            ForeignKey(one.name, tuple(one.columns), read_dataset_name(one.target), tuple(one.target_columns))
            for one in message.foreign_keys
        ),
        constraints=tuple(
            Constraint(one.name, _CONSTRAINT_KINDS[one.kind], tuple(one.columns)) for one in message.constraints
        ),
        partition_columns=tuple(message.partition_columns),
        leaves=tuple(read_dataset_name(one) for one in message.leaves),
        parents=tuple(read_dataset_name(one) for one in message.parents),
        literals=tuple(Literal(one.holder, one.object) for one in message.literals),
        estimated_rows=message.estimated_rows,
        size_bytes=message.size_bytes,
        text_mode=message.text_mode,
        fingerprint=message.fingerprint,
    )


def _column(message: catalog_pb2.Column, types: Mapping[str, DataType]) -> Column:
    return Column(
        name=message.name,
        type=types[message.formatted_type],
        nullable=message.nullable,
        generated=message.generation != catalog_pb2.GENERATION_UNSPECIFIED,
        loose_equality=message.loose_equality,
    )


def _type(message: catalog_pb2.DataType) -> DataType:
    return DataType(
        fingerprint=message.fingerprint,
        formatted=message.formatted,
        kind=_TYPE_KINDS[message.kind],
        logical=read_logical_type(message.logical),
        max_length=message.max_length if message.HasField("max_length") else None,
        precision=message.precision if message.HasField("precision") else None,
        scale=message.scale if message.HasField("scale") else None,
        labels=tuple(message.labels),
        element=message.element,
        text_only=message.text_only,
        constrained=message.constrained,
    )


def data_type(value: DataType) -> catalog_pb2.DataType:
    """Write a data type."""
    return catalog_pb2.DataType(
        fingerprint=value.fingerprint,
        formatted=value.formatted,
        kind=catalog_pb2.DataTypeKind.Value(f"DATA_TYPE_KIND_{value.kind.name}"),
        logical=logical_type(value.logical),
        max_length=value.max_length,
        precision=value.precision,
        scale=value.scale,
        labels=value.labels,
        element=value.element,
        text_only=value.text_only,
        constrained=value.constrained,
    )


_TYPE_KINDS = {catalog_pb2.DataTypeKind.Value(f"DATA_TYPE_KIND_{kind.name}"): kind for kind in TypeKind}
_DATASET_KINDS = {catalog_pb2.DatasetKind.Value(f"DATASET_KIND_{kind.name}"): kind for kind in DatasetKind}
_CONSTRAINT_KINDS = {catalog_pb2.ConstraintKind.Value(f"CONSTRAINT_KIND_{kind.name}"): kind for kind in ConstraintKind}

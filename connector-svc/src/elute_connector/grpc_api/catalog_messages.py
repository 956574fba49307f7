"""Catalogs as the wire contract writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from elute.v1 import catalog_pb2
from elute_connector.domain.catalog import (
    Catalog,
    Column,
    Dataset,
    DatasetKind,
    Generated,
    Identity,
    LiteralPlace,
)
from elute_connector.domain.connector import TypeFacts
from elute_connector.domain.constraint import Check, Exclusion, ForeignKey, KeyKind, UniqueKey
from elute_connector.domain.dataset_name import DatasetName
from elute_connector.domain.datatype import DataType, TypeKind
from elute_wire.schema_messages import to_logical

_KINDS: Mapping[DatasetKind, catalog_pb2.DatasetKind.ValueType] = {
    DatasetKind.TABLE: catalog_pb2.DATASET_KIND_TABLE,
    DatasetKind.PARTITIONED: catalog_pb2.DATASET_KIND_PARTITIONED_TABLE,
    DatasetKind.VIEW: catalog_pb2.DATASET_KIND_VIEW,
    DatasetKind.MATERIALIZED_VIEW: catalog_pb2.DATASET_KIND_MATERIALIZED_VIEW,
    DatasetKind.FOREIGN_TABLE: catalog_pb2.DATASET_KIND_FOREIGN_TABLE,
}
_TYPE_KINDS: Mapping[TypeKind, catalog_pb2.DataTypeKind.ValueType] = {
    TypeKind.BASE: catalog_pb2.DATA_TYPE_KIND_BASE,
    TypeKind.PSEUDO: catalog_pb2.DATA_TYPE_KIND_BASE,
    TypeKind.ENUM: catalog_pb2.DATA_TYPE_KIND_ENUM,
    TypeKind.COMPOSITE: catalog_pb2.DATA_TYPE_KIND_COMPOSITE,
    TypeKind.DOMAIN: catalog_pb2.DATA_TYPE_KIND_DOMAIN,
    TypeKind.ARRAY: catalog_pb2.DATA_TYPE_KIND_ARRAY,
    TypeKind.RANGE: catalog_pb2.DATA_TYPE_KIND_RANGE,
    TypeKind.MULTIRANGE: catalog_pb2.DATA_TYPE_KIND_MULTIRANGE,
}
_IDENTITIES: Mapping[Identity, catalog_pb2.Identity.ValueType] = {
    Identity.NONE: catalog_pb2.IDENTITY_UNSPECIFIED,
    Identity.BY_DEFAULT: catalog_pb2.IDENTITY_BY_DEFAULT,
    Identity.ALWAYS: catalog_pb2.IDENTITY_ALWAYS,
}
_GENERATIONS: Mapping[Generated, catalog_pb2.Generation.ValueType] = {
    Generated.NONE: catalog_pb2.GENERATION_UNSPECIFIED,
    Generated.STORED: catalog_pb2.GENERATION_STORED,
    Generated.VIRTUAL: catalog_pb2.GENERATION_VIRTUAL,
}


def to_name(name: DatasetName) -> catalog_pb2.DatasetName:
    """Make the wire message of a dataset's name."""
    return catalog_pb2.DatasetName(schema=name.schema, name=name.name)


def from_name(message: catalog_pb2.DatasetName) -> DatasetName:
    """Read a dataset's name."""
    return DatasetName(message.schema, message.name)


def to_catalog(catalog: Catalog, types: TypeFacts) -> catalog_pb2.Catalog:
    """Make the wire message of a catalog; its types are those of the columns and of their parts."""
    used = {part.formatted: part for part in _types(catalog.datasets)}
    return catalog_pb2.Catalog(
        datasets=[_dataset(dataset, types) for dataset in catalog.datasets],
        types=[_type(data_type, types) for data_type in used.values()],
        server_version=types.version(catalog.server_version),
        encoding=catalog.encoding,
        fingerprint=bytes.fromhex(catalog.fingerprint),
    )


def _types(datasets: Iterable[Dataset]) -> Iterable[DataType]:
    for dataset in datasets:
        for column in dataset.columns:
            yield from column.type.parts


def _dataset(dataset: Dataset, types: TypeFacts) -> catalog_pb2.Dataset:
    loose = {column for key in dataset.keys if not key.deterministic for column in key.columns}
    partitioning = dataset.partitioning
    return catalog_pb2.Dataset(
        name=to_name(dataset.name),
        kind=_KINDS[dataset.kind],
        columns=[_column(column, loose=column.name in loose) for column in dataset.columns],
        unique_keys=[_key(key) for key in dataset.keys],
        foreign_keys=[_foreign_key(key) for key in dataset.foreign_keys],
        constraints=[*map(_check, dataset.checks), *map(_exclusion, dataset.exclusions)],
        partition_columns=sorted({name for leaf in partitioning.leaves for name in leaf.key_columns})
        if partitioning
        else [],
        leaves=[to_name(leaf.name) for leaf in partitioning.leaves] if partitioning else [],
        parents=[to_name(parent) for parent in dataset.parents],
        estimated_rows=-1 if dataset.rows is None else dataset.rows,
        size_bytes=dataset.size_bytes,
        literals=[_literal(dataset.name, place) for place in dataset.literals],
        text_mode=types.text_mode([column.type for column in dataset.columns if column.generated is Generated.NONE]),
        fingerprint=dataset.fingerprint,
    )


def _column(column: Column, *, loose: bool) -> catalog_pb2.Column:
    collation = column.collation
    return catalog_pb2.Column(
        name=column.name,
        position=column.position,
        type=column.type.fingerprint,
        formatted_type=column.type.formatted,
        nullable=column.nullable,
        has_default=column.has_default,
        identity=_IDENTITIES[column.identity],
        generation=_GENERATIONS[column.generated],
        loose_equality=loose or (collation is not None and not collation.deterministic),
    )


def _key(key: UniqueKey) -> catalog_pb2.UniqueKey:
    return catalog_pb2.UniqueKey(
        name=key.name,
        primary=key.kind is KeyKind.PRIMARY,
        columns=[*key.columns, *(name for name in key.read_columns if name not in key.columns)],
        partial=key.partial,
        expression=key.expression,
    )


def _foreign_key(key: ForeignKey) -> catalog_pb2.ForeignKey:
    return catalog_pb2.ForeignKey(
        name=key.name,
        columns=key.columns,
        target=to_name(key.target),
        target_columns=key.target_columns,
        deferrable=key.deferrable,
    )


def _check(check: Check) -> catalog_pb2.Constraint:
    return catalog_pb2.Constraint(name=check.name, kind=catalog_pb2.CONSTRAINT_KIND_CHECK, columns=check.columns)


def _exclusion(exclusion: Exclusion) -> catalog_pb2.Constraint:
    return catalog_pb2.Constraint(
        name=exclusion.name, kind=catalog_pb2.CONSTRAINT_KIND_EXCLUSION, columns=exclusion.columns
    )


def _literal(dataset: DatasetName, place: LiteralPlace) -> catalog_pb2.Literal:
    return catalog_pb2.Literal(
        holder=place.kind.value, object=f"{dataset}.{place.name}" if place.name else str(dataset)
    )


def _type(data_type: DataType, types: TypeFacts) -> catalog_pb2.DataType:
    length, (precision, scale) = types.max_length(data_type), types.precision(data_type)
    return catalog_pb2.DataType(
        fingerprint=data_type.fingerprint,
        formatted=data_type.formatted,
        kind=_TYPE_KINDS[data_type.kind],
        logical=to_logical(types.logical(data_type)),
        max_length=length,
        precision=precision,
        scale=scale,
        labels=data_type.base.labels,
        element=data_type.element.formatted if data_type.element else "",
        text_only=types.text_mode([data_type]),
        constrained=any(part.constrained for part in data_type.parts),
    )

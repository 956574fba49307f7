"""Catalogs and words of the wire, read and written."""

from __future__ import annotations

import pytest

from elute.v1 import catalog_pb2, connector_pb2, stage_pb2
from elute_gateway.clients import messages
from elute_gateway.clients.catalog import data_type, read_catalog
from elute_gateway.domain.catalog import (
    Column,
    Constraint,
    ConstraintKind,
    Dataset,
    DatasetKind,
    DataType,
    ForeignKey,
    Literal,
    LogicalType,
    TypeKind,
    UniqueKey,
)
from elute_gateway.domain.names import DatasetName
from elute_gateway.domain.pipeline import Structure
from elute_gateway.domain.plan import Lane
from elute_wire import schema

MONEY = DataType(
    "f" * 64, "numeric(10,2)", TypeKind.DOMAIN, LogicalType.DECIMAL, None, 10, 2, (), "numeric", True, True
)
STATUS = DataType("e" * 64, "status", TypeKind.ENUM, LogicalType.TEXT, 4, labels=("new", "paid"))


def test_a_dataset_is_read_whole() -> None:
    there = catalog_pb2.DatasetName(schema="public", name="customers")
    message = catalog_pb2.Dataset(
        name=catalog_pb2.DatasetName(schema="public", name="orders"),
        kind=catalog_pb2.DATASET_KIND_PARTITIONED_TABLE,
        columns=[
            catalog_pb2.Column(name="total", type="f" * 64, formatted_type="numeric(10,2)", nullable=True),
            catalog_pb2.Column(
                name="status",
                formatted_type="status",
                generation=catalog_pb2.GENERATION_VIRTUAL,
                loose_equality=True,
            ),
        ],
        unique_keys=[catalog_pb2.UniqueKey(name="k", primary=True, columns=["total"], partial=True, expression=True)],
        foreign_keys=[
            catalog_pb2.ForeignKey(name="fk", columns=["total"], target=there, target_columns=["id"], deferrable=True)
        ],
        constraints=[catalog_pb2.Constraint(name="c", kind=catalog_pb2.CONSTRAINT_KIND_EXCLUSION, columns=["total"])],
        partition_columns=["total"],
        leaves=[there],
        parents=[there],
        estimated_rows=-1,
        size_bytes=7,
        literals=[catalog_pb2.Literal(holder="check", object="public.orders.c")],
        text_mode=True,
        fingerprint="abc",
    )
    catalog = read_catalog(catalog_pb2.Catalog(datasets=[message], types=[data_type(MONEY), data_type(STATUS)]))
    customers = DatasetName("public", "customers")
    assert catalog.types == (MONEY, STATUS)
    assert catalog.datasets == {
        DatasetName("public", "orders"): Dataset(
            name=DatasetName("public", "orders"),
            kind=DatasetKind.PARTITIONED_TABLE,
            columns=(
                Column("total", MONEY, nullable=True),
                Column("status", STATUS, nullable=False, generated=True, loose_equality=True),
            ),
            unique_keys=(UniqueKey("k", ("total",), primary=True, partial=True, expression=True),),
            foreign_keys=(ForeignKey("fk", ("total",), customers, ("id",)),),
            constraints=(Constraint("c", ConstraintKind.EXCLUSION, ("total",)),),
            partition_columns=("total",),
            leaves=(customers,),
            parents=(customers,),
            literals=(Literal("check", "public.orders.c"),),
            estimated_rows=-1,
            size_bytes=7,
            text_mode=True,
            fingerprint="abc",
        )
    }


@pytest.mark.parametrize("logical", list(LogicalType))
def test_logical_types_are_those_of_the_stream(logical: LogicalType) -> None:
    assert schema.LogicalType[logical.name].value == logical.value
    assert messages.read_logical_type(messages.logical_type(logical)) is logical


def test_no_word_of_the_stream_is_missing() -> None:
    assert [word.name for word in schema.LogicalType] == [word.name for word in LogicalType]
    assert [word.name for word in schema.Lane] == [word.name for word in Lane]


def test_lanes_and_structures_are_written() -> None:
    assert messages.lane(Lane.TYPED) == stage_pb2.LANE_TYPED
    assert messages.read_lane(stage_pb2.LANE_WIRE) is Lane.WIRE
    assert messages.structure(Structure.KEEP) == connector_pb2.STRUCTURE_KEEP


def test_a_word_that_says_nothing_is_refused() -> None:
    with pytest.raises(KeyError):
        messages.read_lane(stage_pb2.LANE_UNSPECIFIED)

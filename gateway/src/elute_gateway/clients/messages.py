"""Values of the wire contract and of the gateway's domain, one as the other."""

from __future__ import annotations

from elute.v1 import catalog_pb2, connector_pb2, stage_pb2
from elute_gateway.domain.catalog import LogicalType
from elute_gateway.domain.connection import Connection
from elute_gateway.domain.names import DatasetName
from elute_gateway.domain.pipeline import Structure
from elute_gateway.domain.plan import Lane


def dataset_name(name: DatasetName) -> catalog_pb2.DatasetName:
    """Write a dataset's name."""
    return catalog_pb2.DatasetName(schema=name.schema, name=name.name)


def read_dataset_name(message: catalog_pb2.DatasetName) -> DatasetName:
    """Read a dataset's name."""
    return DatasetName(message.schema, message.name)


def connection(value: Connection) -> stage_pb2.Connection:
    """Write how a store is reached."""
    message = stage_pb2.Connection(id=value.id, system=value.system, settings=value.settings)
    if value.secret:
        message.secret.key_id = value.secret.key_id
        message.secret.ephemeral_public_key = value.secret.ephemeral_public_key
        message.secret.ciphertext = value.secret.ciphertext
    return message


def logical_type(value: LogicalType) -> catalog_pb2.LogicalType.ValueType:
    """Write a logical type."""
    return catalog_pb2.LogicalType.Value(f"LOGICAL_TYPE_{value.name}")


def read_logical_type(message: catalog_pb2.LogicalType.ValueType) -> LogicalType:
    """Read a logical type."""
    return LogicalType[catalog_pb2.LogicalType.Name(message).removeprefix("LOGICAL_TYPE_")]


def lane(value: Lane) -> stage_pb2.Lane.ValueType:
    """Write a lane."""
    return stage_pb2.Lane.Value(f"LANE_{value.name}")


def read_lane(message: stage_pb2.Lane.ValueType) -> Lane:
    """Read a lane."""
    return Lane[stage_pb2.Lane.Name(message).removeprefix("LANE_")]


def structure(value: Structure) -> connector_pb2.Structure.ValueType:
    """Write where the target's schema comes from."""
    return connector_pb2.Structure.Value(f"STRUCTURE_{value.name}")

"""The logical types and lanes of `elute_wire.schema` as the wire contract writes them, and back; both total."""

from __future__ import annotations

from elute.v1 import catalog_pb2, stage_pb2
from elute_wire.errors import InvalidRequest
from elute_wire.schema import Lane, LogicalType

_LOGICAL_PREFIX, _LANE_PREFIX = "LOGICAL_TYPE_", "LANE_"


def to_logical(logical: LogicalType) -> catalog_pb2.LogicalType.ValueType:
    """Make the wire's value of a logical type."""
    return catalog_pb2.LogicalType.Value(_LOGICAL_PREFIX + logical.name)


def from_logical(value: catalog_pb2.LogicalType.ValueType) -> LogicalType:
    """Read a logical type.

    Raises:
        InvalidRequest: The value is not said, or not known to this version.
    """
    try:
        return LogicalType[catalog_pb2.LogicalType.Name(value).removeprefix(_LOGICAL_PREFIX)]
    except (KeyError, ValueError):
        raise InvalidRequest(f"reading a logical type: {int(value)} is none that this version knows") from None


def to_lane(lane: Lane) -> stage_pb2.Lane.ValueType:
    """Make the wire's value of a lane."""
    return stage_pb2.Lane.Value(_LANE_PREFIX + lane.name)


def from_lane(value: stage_pb2.Lane.ValueType) -> Lane:
    """Read a lane.

    Raises:
        InvalidRequest: The value is not said, or not known to this version.
    """
    try:
        return Lane[stage_pb2.Lane.Name(value).removeprefix(_LANE_PREFIX)]
    except (KeyError, ValueError):
        raise InvalidRequest(f"reading a lane: {int(value)} is none that this version knows") from None

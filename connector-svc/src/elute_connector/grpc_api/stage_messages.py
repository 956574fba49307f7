"""Slices, extractions and loads as the wire contract writes them. A key range's bounds are sealed to ourselves."""

from __future__ import annotations

from elute.v1 import connector_pb2, stage_pb2
from elute_connector.domain.extraction import Extraction, KeyRange, PageRange, PickedColumn, Slice
from elute_connector.domain.load import ExpectedField, PartitionLoad, UnitLoad
from elute_connector.domain.target import ColumnBinding, Fence
from elute_connector.grpc_api.catalog_messages import from_name, to_name
from elute_wire.errors import InvalidRequest
from elute_wire.schema_messages import from_lane
from elute_wire.seal import Sealed, SealingKeys

_BATCH_BYTES, _MAX_BATCH_BYTES = 1024 * 1024, 3 * 1024 * 1024
_KEY_RANGE = b"elute key range"


def to_sealed(sealed: Sealed) -> stage_pb2.SealedSecret:
    """Make the wire message of a sealed secret."""
    return stage_pb2.SealedSecret(
        key_id=sealed.key_id, ephemeral_public_key=sealed.ephemeral_public_key, ciphertext=sealed.ciphertext
    )


def from_sealed(message: stage_pb2.SealedSecret) -> Sealed:
    """Read a sealed secret."""
    return Sealed(message.key_id, message.ephemeral_public_key, message.ciphertext)


def to_slice(slice_: Slice, keys: SealingKeys) -> stage_pb2.Slice:
    """Make the wire message of a slice."""
    message = stage_pb2.Slice(leaf=to_name(slice_.leaf) if slice_.leaf else None)
    match slice_.range:
        case PageRange(first, end):
            message.pages.CopyFrom(stage_pb2.PageRange(first=first, end=end))
        case KeyRange(column, position):
            bounds = to_sealed(keys.public.seal(position, _KEY_RANGE))
            message.keys.CopyFrom(stage_pb2.KeyRange(column=column, bounds=bounds))
        case None:
            pass
    return message


def from_slice(message: stage_pb2.Slice, keys: SealingKeys) -> Slice:
    """Read a slice.

    Raises:
        SecretUnreadable: Its bounds were sealed to a key that this service has not.
    """
    leaf = from_name(message.leaf) if message.HasField("leaf") else None
    match message.WhichOneof("range"):
        case "pages":
            end = message.pages.end if message.pages.HasField("end") else None
            return Slice(leaf, PageRange(message.pages.first, end))
        case "keys":
            position = keys.open(from_sealed(message.keys.bounds), _KEY_RANGE)
            return Slice(leaf, KeyRange(message.keys.column, position))
        case _:
            return Slice(leaf)


def from_extract(message: stage_pb2.Extract, context: stage_pb2.StreamContext, keys: SealingKeys) -> Extraction:
    """Read what a source is asked for.

    Raises:
        InvalidRequest: Rows are to be packed of which a column is read on the way, or is text.
    """
    if message.packed and (message.text_mode or any(column.lane != stage_pb2.LANE_WIRE for column in message.columns)):
        raise InvalidRequest("reading packed rows: every column must be in the wire lane, and none of them text")
    return Extraction(
        dataset=from_name(message.dataset),
        slice=from_slice(message.slice, keys),
        columns=tuple(
            PickedColumn(column.name, column.type, column.formatted_type, from_lane(column.lane))
            for column in message.columns
        ),
        snapshot_id=message.snapshot_id,
        where=message.filter,
        limit_rows=message.limit_rows,
        text_mode=message.text_mode,
        packed=message.packed,
        max_cell_bytes=context.max_cell_bytes,
        batch_bytes=min(context.batch_bytes or _BATCH_BYTES, _MAX_BATCH_BYTES),
    )


def from_load(message: connector_pb2.LoadRequest) -> PartitionLoad:
    """Read a partition to load.

    Raises:
        InvalidRequest: It has no fence or no id, or its scrub mode and policy do not agree.
    """
    scrubbed = message.scrub != connector_pb2.SCRUB_MODE_OFF
    if not message.fence.table or not message.context.partition_id:
        raise InvalidRequest("loading a partition: the request names no fence or no partition")
    if scrubbed != bool(message.policy_digest):
        raise InvalidRequest("loading a partition: a policy digest goes with scrubbing, and only with it")
    return PartitionLoad(
        partition_id=message.context.partition_id,
        fence=Fence(message.fence.schema, message.fence.table),
        epoch=message.epoch,
        units=tuple(_unit(unit) for unit in message.units),
        policy_digest=message.policy_digest if scrubbed else None,
        max_rejected_rows=message.max_rejected_rows,
    )


def _unit(message: connector_pb2.Unit) -> UnitLoad:
    if len(message.fields) != len(message.columns):
        raise InvalidRequest("loading a partition: a unit expects other columns than it writes")
    return UnitLoad(
        dataset=from_name(message.dataset),
        target=from_name(message.target),
        fields=tuple(ExpectedField(field.name, field.formatted_type, field.treatment) for field in message.fields),
        columns=tuple(from_binding(column) for column in message.columns),
        text_mode=message.text_mode,
    )


def from_binding(message: connector_pb2.ColumnBinding) -> ColumnBinding:
    """Read how a column reaches the target."""
    return ColumnBinding(
        name=message.name,
        lane=from_lane(message.lane),
        target_type=message.target_type,
        target_formatted=message.target_formatted,
        cast=message.cast,
    )

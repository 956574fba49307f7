"""Targets as the wire contract writes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from elute.v1 import connector_pb2
from elute_connector.domain.connector import CheckResult, Role
from elute_connector.domain.target import (
    ColumnBinding,
    CreateOptions,
    DatasetBinding,
    DatasetDigest,
    DigestSelection,
    FencePartition,
    FinishEvent,
    Preparation,
    Prepared,
    Structure,
    TargetDataset,
    TargetField,
    TargetPlan,
)
from elute_connector.grpc_api.catalog_messages import from_name, to_name
from elute_wire.errors import InvalidRequest
from elute_wire.schema_messages import from_lane, from_logical, to_lane
from elute_wire.status import to_problem

_STRUCTURES: Mapping[connector_pb2.Structure.ValueType, Structure] = {
    connector_pb2.STRUCTURE_CREATE: Structure.CREATE,
    connector_pb2.STRUCTURE_KEEP: Structure.KEEP,
}
_ROLES: Mapping[connector_pb2.Role.ValueType, Role] = {
    connector_pb2.ROLE_SOURCE: Role.SOURCE,
    connector_pb2.ROLE_TARGET: Role.TARGET,
}


def from_structure(value: connector_pb2.Structure.ValueType) -> Structure:
    """Read where a target's schema comes from.

    Raises:
        InvalidRequest: It is not said, or not known to this version.
    """
    if value not in _STRUCTURES:
        raise InvalidRequest(f"reading a structure: {int(value)} is none that this version knows")
    return _STRUCTURES[value]


def from_role(value: connector_pb2.Role.ValueType) -> Role:
    """Read what a connection is used for.

    Raises:
        InvalidRequest: It is not said, or not known to this version.
    """
    if value not in _ROLES:
        raise InvalidRequest(f"reading a role: {int(value)} is none that this version knows")
    return _ROLES[value]


def to_check(result: CheckResult) -> connector_pb2.CheckResponse:
    """Make the wire message of what a connection lacks."""
    return connector_pb2.CheckResponse(
        problems=map(to_problem, result.problems), server_version=result.server_version, encrypted=result.encrypted
    )


def from_target_dataset(message: connector_pb2.TargetDataset) -> TargetDataset:
    """Read a dataset on its way to the target."""
    fields = tuple(
        TargetField(field.name, field.type, from_lane(field.lane), from_logical(field.logical), field.treatment)
        for field in message.fields
    )
    return TargetDataset(from_name(message.name), fields, message.text_mode)


def to_target_plan(plan: TargetPlan) -> connector_pb2.PlanTargetResponse:
    """Make the wire message of how datasets reach the target."""
    return connector_pb2.PlanTargetResponse(
        bindings=map(_dataset_binding, plan.bindings), problems=map(to_problem, plan.problems)
    )


def _dataset_binding(binding: DatasetBinding) -> connector_pb2.DatasetBinding:
    return connector_pb2.DatasetBinding(
        name=to_name(binding.name),
        columns=map(_column_binding, binding.columns),
        load_through_root=binding.load_through_root,
        text_mode=binding.text_mode,
    )


def _column_binding(binding: ColumnBinding) -> connector_pb2.ColumnBinding:
    return connector_pb2.ColumnBinding(
        name=binding.name,
        lane=to_lane(binding.lane),
        target_type=binding.target_type,
        target_formatted=binding.target_formatted,
        cast=binding.cast,
    )


def from_preparation(message: connector_pb2.PrepareTargetRequest) -> Preparation:
    """Read what a run asks of its target before it loads."""
    create = message.create
    return Preparation(
        run_id=message.run_id,
        structure=from_structure(message.structure),
        datasets=tuple(map(from_name, message.datasets)),
        partitions=tuple(_partitions(message)),
        create=CreateOptions(owners=create.owners, grants=create.grants, comments=create.comments),
        restarted=tuple(map(from_name, message.restarted)),
        retired=tuple(message.retired_partition_ids),
    )


def _partitions(message: connector_pb2.PrepareTargetRequest) -> Iterator[FencePartition]:
    datasets = [tuple(map(from_name, partition.datasets)) for partition in message.partition_datasets]
    if datasets and len(datasets) != len(message.partition_ids):
        raise InvalidRequest("preparing a target: the partitions' ids and datasets are not of one length")
    for place, partition_id in enumerate(message.partition_ids):
        yield FencePartition(partition_id, datasets[place] if datasets else ())


def to_prepared(prepared: Prepared) -> connector_pb2.PrepareTargetResponse:
    """Make the wire message of a target that is ready."""
    fence = connector_pb2.Fence(schema=prepared.fence.schema, table=prepared.fence.table)
    return connector_pb2.PrepareTargetResponse(fence=fence, notes=map(to_problem, prepared.notes))


def to_finish_event(event: FinishEvent) -> connector_pb2.FinishEvent:
    """Make the wire message of how far a target's finishing is."""
    return connector_pb2.FinishEvent(
        phase=event.phase,
        object=event.object,
        made=event.made,
        total=event.total,
        notes=map(to_problem, event.notes),
    )


def from_digest_selection(message: connector_pb2.DigestSelection) -> DigestSelection:
    """Read a dataset to sum; its filter is still the person's own text."""
    return DigestSelection(from_name(message.dataset), tuple(message.columns), message.filter)


def to_digest(digest: DatasetDigest) -> connector_pb2.DatasetDigest:
    """Make the wire message of a dataset's sums."""
    return connector_pb2.DatasetDigest(dataset=to_name(digest.dataset), rows=digest.rows, content=digest.content)

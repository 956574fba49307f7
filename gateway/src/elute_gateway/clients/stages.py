"""A plan, written as the stages and requests that carry it out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from elute.v1 import connector_pb2, stage_pb2
from elute_gateway.clients import messages
from elute_gateway.domain.assignment import KEEP
from elute_gateway.domain.connection import Connection
from elute_gateway.domain.names import DatasetName
from elute_gateway.domain.pipeline import Step
from elute_gateway.domain.plan import DatasetPlan, Plan


@dataclass(frozen=True, slots=True)
class Reading:
    """What a run reads from; `snapshot_id` is empty only for a preview of the present."""

    source: Connection
    snapshot_id: str


@dataclass(frozen=True, slots=True)
class Writing:
    """What a partition is written to, and by which claim."""

    run_id: str
    partition_id: str
    target: Connection
    fence: connector_pb2.Fence
    epoch: int
    batch_bytes: int


def stage_for(
    plan: Plan, dataset: DatasetPlan, slice_: stage_pb2.Slice | None, reading: Reading, *, limit_rows: int = 0
) -> stage_pb2.Stage:
    """Build the stages that read, clean and scrub a slice of a dataset.

    Args:
        plan: The plan.
        dataset: One of its datasets.
        slice_: The slice; None for the whole dataset.
        reading: Where from.
        limit_rows: The most rows to read; 0 for all.

    Returns:
        The outermost stage: the anonymizer, or without a policy what comes before it.
    """
    stage = _extract(dataset, slice_, reading, limit_rows)
    if dataset.steps:
        stage = stage_pb2.Stage(transform=transform(dataset.name, dataset.steps), input=stage)
    if plan.policy is not None:
        stage = stage_pb2.Stage(anonymize=anonymize(plan, dataset), input=stage)
    return stage


def _extract(
    dataset: DatasetPlan, slice_: stage_pb2.Slice | None, reading: Reading, limit_rows: int
) -> stage_pb2.Stage:
    columns = [
        stage_pb2.ColumnSelection(
            name=column.name, type=column.type, formatted_type=column.formatted, lane=messages.lane(column.lane)
        )
        for column in dataset.extracted
    ]
    return stage_pb2.Stage(
        extract=stage_pb2.Extract(
            connection=messages.connection(reading.source),
            snapshot_id=reading.snapshot_id,
            dataset=messages.dataset_name(dataset.name),
            slice=slice_,
            columns=columns,
            filter=dataset.filter,
            limit_rows=limit_rows,
            text_mode=dataset.text_mode,
            packed=dataset.carried_whole and not limit_rows,
        )
    )


def transform(dataset: DatasetName, steps: Iterable[Step]) -> stage_pb2.Transform:
    """Write the cleaning of a dataset."""
    written = [stage_pb2.Step(step=step.name, config=step.config, pointer=step.pointer) for step in steps]
    return stage_pb2.Transform(dataset=messages.dataset_name(dataset), steps=written)


def anonymize(plan: Plan, dataset: DatasetPlan) -> stage_pb2.Anonymize:
    """Write the scrubbing of a dataset.

    Raises:
        ValueError: The plan scrubs nothing.
    """
    if plan.policy is None:
        raise ValueError("a plan without policy has no anonymizer stage")
    types = {column.name: column.source_type for column in dataset.columns}
    rules = [
        stage_pb2.Rule(
            pointer=rule.pointer,
            columns=[stage_pb2.PinnedColumn(name=name, formatted_type=types[name]) for name in rule.columns],
            technique=rule.technique,
            config=rule.config,
            domain=rule.domain,
            subject=rule.subject,
        )
        for rule in dataset.rules
    ]
    kept = [
        stage_pb2.PinnedColumn(name=column.name, formatted_type=column.source_type)
        for column in dataset.columns
        if column.treatment == KEEP
    ]
    return stage_pb2.Anonymize(
        dataset=messages.dataset_name(dataset.name),
        key_ring=plan.policy.key_ring,
        key_version=plan.key_version,
        rules=rules,
        kept=kept,
        policy_digest=bytes.fromhex(plan.policy.digest),
    )


def expected_fields(dataset: DatasetPlan) -> list[connector_pb2.ExpectedField]:
    """Say what the fields of a dataset's stream must be when they reach the sink."""
    return [
        connector_pb2.ExpectedField(name=column.name, formatted_type=column.source_type, treatment=column.treatment)
        for column in dataset.columns
    ]


def column_bindings(dataset: DatasetPlan) -> list[connector_pb2.ColumnBinding]:
    """Say how the columns of a dataset are written; columns that the target has not bound are left out."""
    return [
        connector_pb2.ColumnBinding(
            name=column.name,
            lane=messages.lane(column.lane),
            target_type=column.binding.type,
            target_formatted=column.binding.formatted,
            cast=column.binding.cast,
        )
        for column in dataset.columns
        if column.binding
    ]


def unit_for(plan: Plan, dataset: DatasetPlan, slice_: stage_pb2.Slice, reading: Reading) -> connector_pb2.Unit:
    """Build the unit that moves a slice: a leaf is written directly unless rows may belong to another leaf now."""
    to_leaf = slice_.HasField("leaf") and not dataset.load_through_root
    return connector_pb2.Unit(
        target=slice_.leaf if to_leaf else messages.dataset_name(dataset.name),
        stage=stage_for(plan, dataset, slice_, reading),
        fields=expected_fields(dataset),
        columns=column_bindings(dataset),
        text_mode=dataset.text_mode,
        dataset=messages.dataset_name(dataset.name),
    )


def load_request(plan: Plan, units: Iterable[connector_pb2.Unit], writing: Writing) -> connector_pb2.LoadRequest:
    """Build the request that loads a partition; no row may be rejected."""
    return connector_pb2.LoadRequest(
        context=stage_pb2.StreamContext(
            run_id=writing.run_id,
            partition_id=writing.partition_id,
            max_cell_bytes=plan.limits.max_cell_bytes,
            batch_bytes=writing.batch_bytes,
        ),
        target=messages.connection(writing.target),
        fence=writing.fence,
        epoch=writing.epoch,
        units=units,
        scrub=scrub_mode(plan),
        policy_digest=bytes.fromhex(plan.policy.digest) if plan.policy else b"",
    )


def scrub_mode(plan: Plan) -> connector_pb2.ScrubMode.ValueType:
    """Say whether the sink insists on the anonymizer."""
    return connector_pb2.SCRUB_MODE_REQUIRED if plan.policy else connector_pb2.SCRUB_MODE_OFF


def target_dataset(dataset: DatasetPlan) -> connector_pb2.TargetDataset:
    """Describe a dataset's stream to the target, as far as it is planned."""
    fields = [
        connector_pb2.TargetField(
            name=column.name,
            type=column.type,
            lane=messages.lane(column.lane),
            logical=messages.logical_type(column.effect.logical if column.effect else column.logical),
            treatment=column.treatment,
        )
        for column in dataset.columns
    ]
    return connector_pb2.TargetDataset(
        name=messages.dataset_name(dataset.name), fields=fields, text_mode=dataset.text_mode
    )

"""The wire's words for steps and columns, and ours; the only module that knows both."""

from __future__ import annotations

from elute.v1 import catalog_pb2, stage_pb2, transform_pb2
from elute_transform.application.pipeline import Outcome, Step
from elute_transform.domain.column import Column, Columns
from elute_wire.errors import InvalidRequest
from elute_wire.schema_messages import from_logical, to_logical
from elute_wire.status import to_problem


def dataset_of(name: catalog_pb2.DatasetName) -> str:
    """Read a dataset's name as errors write it."""
    return f"{name.schema}.{name.name}"


def steps_of(transform: stage_pb2.Transform) -> list[Step]:
    """Read the steps of a dataset."""
    return [Step(step.step, step.config, step.pointer) for step in transform.steps]


def columns_of(plan: transform_pb2.TransformPlan) -> Columns:
    """Read the columns that come in.

    Raises:
        InvalidRequest: A column's type is not said, or two have one name.
    """
    columns = {
        field.name: Column(field.formatted_type, from_logical(field.logical), field.nullable) for field in plan.fields
    }
    if len(columns) < len(plan.fields):
        raise InvalidRequest(
            f"validating the steps of dataset {dataset_of(plan.transform.dataset)}: a column comes twice"
        )
    return columns


def outcome_message(dataset: catalog_pb2.DatasetName, outcome: Outcome) -> transform_pb2.TransformOutcome:
    """Write what the steps of a dataset make of its columns."""
    return transform_pb2.TransformOutcome(
        dataset=dataset,
        fields=[
            transform_pb2.FieldDescription(
                name=name,
                formatted_type=column.source_type,
                logical=to_logical(column.logical),
                nullable=column.nullable,
                origin=outcome.origins[name] or "",
            )
            for name, column in outcome.columns.items()
        ],
        touched=sorted(outcome.touched),
        changed=sorted(outcome.changed),
        problems=map(to_problem, outcome.problems),
    )

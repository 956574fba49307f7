"""The calls to the other services that planning needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import grpc.aio

from elute.v1 import (
    anonymizer_pb2,
    anonymizer_pb2_grpc,
    connector_pb2,
    connector_pb2_grpc,
    transform_pb2,
    transform_pb2_grpc,
)
from elute_gateway.application.planning_ports import (
    Cleaned,
    ColumnFacts,
    DatasetBinding,
    Judgement,
    TargetAnswer,
)
from elute_gateway.clients import messages, stages
from elute_gateway.clients.catalog import data_type, read_catalog
from elute_gateway.domain.catalog import Catalog, DataType
from elute_gateway.domain.connection import Connection
from elute_gateway.domain.names import ColumnName, DatasetName
from elute_gateway.domain.plan import Binding, Effect, Plan, Uniqueness
from elute_gateway.domain.stream import MadeField, Stream, cleaned
from elute_wire.identity import ServiceName
from elute_wire.status import calling, from_problem

_UNIQUENESS = {
    anonymizer_pb2.UNIQUENESS_COLLISION_RESISTANT: Uniqueness.COLLISION_RESISTANT,
    anonymizer_pb2.UNIQUENESS_BIJECTIVE: Uniqueness.BIJECTIVE,
}


class ConnectorPlanning:
    """`Stores`, answered by the connector service."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = connector_pb2_grpc.ConnectorServiceStub(channel)

    async def discover(self, connection: Connection) -> Catalog:
        """Answer what a store holds."""
        request = connector_pb2.DiscoverRequest(connection=messages.connection(connection))
        with calling(ServiceName.CONNECTOR, f"discovering connection {connection.id}"):
            answer = await self._stub.Discover(request)
        return read_catalog(answer.catalog)

    async def plan_target(
        self, plan: Plan, source: Connection, target: Connection, types: Iterable[DataType]
    ) -> TargetAnswer:
        """Answer how the columns of a plan would reach the target."""
        request = connector_pb2.PlanTargetRequest(
            source=messages.connection(source),
            target=messages.connection(target),
            structure=messages.structure(plan.structure),
            datasets=[stages.target_dataset(dataset) for dataset in plan.datasets],
            types=[data_type(value) for value in types],
        )
        with calling(ServiceName.CONNECTOR, f"planning the target {target.id}"):
            answer = await self._stub.PlanTarget(request)
        bindings = {messages.read_dataset_name(one.name): _binding(one) for one in answer.bindings}
        return TargetAnswer(bindings, tuple(map(from_problem, answer.problems)))


def _binding(message: connector_pb2.DatasetBinding) -> DatasetBinding:
    columns = {
        one.name: (messages.read_lane(one.lane), Binding(one.target_type, one.target_formatted, one.cast))
        for one in message.columns
    }
    return DatasetBinding(columns, message.load_through_root, message.text_mode)


class TransformPlanning:
    """`Cleaning`, answered by the transform service."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = transform_pb2_grpc.TransformServiceStub(channel)

    async def validate(self, streams: Sequence[Stream]) -> Sequence[Cleaned]:
        """Answer what their steps make of streams."""
        plans = [
            transform_pb2.TransformPlan(transform=stages.transform(one.dataset.name, one.steps), fields=_fields(one))
            for one in streams
        ]
        with calling(ServiceName.TRANSFORM, "validating the cleaning steps"):
            answer = await self._stub.ValidateTransform(transform_pb2.ValidateTransformRequest(plans=plans))
        return [_cleaned(stream, outcome) for stream, outcome in zip(streams, answer.outcomes, strict=True)]


def _fields(stream: Stream) -> list[transform_pb2.FieldDescription]:
    return [
        transform_pb2.FieldDescription(
            name=field.name,
            formatted_type=field.type,
            logical=messages.logical_type(field.logical),
            nullable=field.nullable,
        )
        for field in stream.fields
    ]


def _cleaned(stream: Stream, outcome: transform_pb2.TransformOutcome) -> Cleaned:
    fields = tuple(
        MadeField(one.name, one.formatted_type, messages.read_logical_type(one.logical), one.nullable, one.origin)
        for one in outcome.fields
    )
    after = cleaned(stream, fields, frozenset(outcome.touched), frozenset(outcome.changed))
    return Cleaned(after, tuple(map(from_problem, outcome.problems)))


class AnonymizerPlanning:
    """`Scrubbing`, answered by the anonymizer service."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = anonymizer_pb2_grpc.AnonymizerServiceStub(channel)

    async def validate(self, plan: Plan, facts: Mapping[DatasetName, Sequence[ColumnFacts]]) -> Judgement:
        """Answer what the rules of a plan make of columns."""
        plans = [
            anonymizer_pb2.AnonymizePlan(
                anonymize=stages.anonymize(plan, dataset), columns=[_facts(one) for one in facts[dataset.name]]
            )
            for dataset in plan.datasets
        ]
        with calling(ServiceName.ANONYMIZER, "validating the rules"):
            answer = await self._stub.ValidateAnonymize(anonymizer_pb2.ValidateAnonymizeRequest(plans=plans))
        effects: dict[ColumnName, Effect] = {}
        problems = []
        for dataset, outcome in zip(plan.datasets, answer.outcomes, strict=True):
            effects |= {ColumnName(dataset.name, one.column): _effect(one) for one in outcome.effects}
            problems += [from_problem(one) for one in outcome.problems]
        return Judgement(effects, answer.key_version, tuple(problems))


def _facts(facts: ColumnFacts) -> anonymizer_pb2.ColumnFacts:
    message = anonymizer_pb2.ColumnFacts(
        name=facts.name,
        formatted_type=facts.formatted,
        logical=messages.logical_type(facts.logical),
        nullable=facts.nullable,
        unique=facts.unique,
        loose_equality=facts.loose_equality,
    )
    if facts.type:
        message.labels.extend(facts.type.labels)
        for name in ("max_length", "precision", "scale"):
            if (bound := getattr(facts.type, name)) is not None:
                setattr(message, name, bound)
    return message


def _effect(message: anonymizer_pb2.ColumnEffect) -> Effect:
    return Effect(
        summary=message.summary,
        keeps=tuple(message.keeps),
        loses=tuple(message.loses),
        uniqueness=_UNIQUENESS.get(message.uniqueness, Uniqueness.LOSSY),
        reversible=message.reversible,
        reads_values=message.reads_values,
        keyed=message.keyed,
        logical=messages.read_logical_type(message.logical),
    )

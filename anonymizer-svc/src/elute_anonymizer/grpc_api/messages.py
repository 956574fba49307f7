"""Policies and effects as the wire contract writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from elute.v1 import anonymizer_pb2, catalog_pb2, stage_pb2
from elute_anonymizer.application.examination import Examination
from elute_anonymizer.application.policy import Effect, Pin, Policy, Rule
from elute_anonymizer.domain.technique import ColumnFacts, Equality, Uniqueness
from elute_wire.schema_messages import from_logical, to_logical
from elute_wire.status import to_problem

_UNIQUENESSES: Mapping[Uniqueness, anonymizer_pb2.Uniqueness.ValueType] = {
    Uniqueness.LOSSY: anonymizer_pb2.UNIQUENESS_LOSSY,
    Uniqueness.COLLISION_RESISTANT: anonymizer_pb2.UNIQUENESS_COLLISION_RESISTANT,
    Uniqueness.BIJECTIVE: anonymizer_pb2.UNIQUENESS_BIJECTIVE,
}


def policy_of(message: stage_pb2.Anonymize) -> Policy:
    """Read the policy of one dataset; key version 0 asks for the ring's current one."""
    return Policy(
        dataset=f"{message.dataset.schema}.{message.dataset.name}",
        rules=tuple(_rule(rule) for rule in message.rules),
        kept=tuple(_pins(message.kept)),
        key_version=message.key_version or None,
    )


def _rule(message: stage_pb2.Rule) -> Rule:
    return Rule(
        pointer=message.pointer,
        columns=tuple(_pins(message.columns)),
        technique=message.technique,
        config=message.config or "{}",
        domain=message.domain,
        subject=message.subject,
    )


def _pins(messages: Iterable[stage_pb2.PinnedColumn]) -> Iterable[Pin]:
    return (Pin(message.name, message.formatted_type) for message in messages)


def column_of(message: anonymizer_pb2.ColumnFacts) -> ColumnFacts:
    """Read what a plan knows of a column."""
    return ColumnFacts(
        name=message.name,
        source_type=message.formatted_type,
        logical=from_logical(message.logical),
        nullable=message.nullable,
        unique=message.unique,
        equality=Equality.LOOSE if message.loose_equality else Equality.EXACT,
        max_length=message.max_length if message.HasField("max_length") else None,
        precision=message.precision if message.HasField("precision") else None,
        scale=message.scale if message.HasField("scale") else None,
        labels=tuple(message.labels) or None,
        constraints=tuple(message.constraints),
    )


def outcome_message(dataset: catalog_pb2.DatasetName, examination: Examination) -> anonymizer_pb2.AnonymizeOutcome:
    """Write what a policy makes of a dataset's columns."""
    return anonymizer_pb2.AnonymizeOutcome(
        dataset=dataset,
        effects=map(_effect, examination.effects),
        problems=map(to_problem, examination.problems),
    )


def _effect(effect: Effect) -> anonymizer_pb2.ColumnEffect:
    return anonymizer_pb2.ColumnEffect(
        column=effect.column,
        treatment=effect.treatment,
        summary=effect.summary,
        keeps=sorted(effect.verdict.keeps),
        loses=sorted(effect.loses),
        uniqueness=_UNIQUENESSES[effect.verdict.uniqueness],
        reversible=effect.reversible,
        reads_values=effect.reads_values,
        keyed=effect.keyed,
        logical=to_logical(effect.logical),
    )

"""Compile a policy into the function that scrubs the batches of one stream."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pyarrow as pa

from elute_anonymizer.application.examination import Treatment, examine
from elute_anonymizer.application.policy import Policy
from elute_anonymizer.domain.canonical import canonical
from elute_anonymizer.domain.columns import Column
from elute_anonymizer.domain.keys import KeyRing
from elute_anonymizer.domain.technique import Cells, ColumnFacts, Technique
from elute_wire.errors import InternalFault, Place, PlanRefused, Problem, ValueRejected
from elute_wire.schema import (
    KEPT,
    FieldFacts,
    Lane,
    LogicalType,
    arrow_field,
    field_facts,
    is_packed,
    packed_schema,
    stream_facts,
)


@dataclass(frozen=True, slots=True)
class Lens:
    """How one column is scrubbed: its technique, and where its subject stands."""

    column: str
    logical: LogicalType
    technique: Technique
    subject: int | None


class Scrubber:
    """Scrubs the batches of one stream; safe to share between threads.

    Attributes:
        schema: The schema of what comes out, every field with its treatment.
    """

    def __init__(self, dataset: str, incoming: pa.Schema, schema: pa.Schema, lenses: Mapping[int, Lens]) -> None:
        self.schema = schema
        self._dataset = dataset
        self._incoming = incoming
        self._lenses = lenses
        self._subjects = {lens.subject for lens in lenses.values() if lens.subject is not None}

    def scrub(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Scrub a batch.

        Raises:
            PlanRefused: The batch has not the schema that the policy was compiled for.
            ValueRejected: A technique refuses a value.
        """
        if not batch.schema.equals(self._incoming):
            raise PlanRefused(f"scrubbing dataset {self._dataset}: a batch has another schema than the stream")
        subjects = {
            position: canonical(batch.column(position), field_facts(self._incoming.field(position)).logical)
            for position in self._subjects
        }
        columns: list[Column] = list(batch.columns)
        for position, lens in self._lenses.items():
            columns[position] = self._through(lens, batch.column(position), subjects)
        # Rows without any column are rows: made of no arrays, a batch would forget how many there are.
        return pa.RecordBatch.from_arrays(columns, schema=self.schema) if columns else batch

    def _through(self, lens: Lens, values: Column, subjects: Mapping[int, Column]) -> Column:
        subject = None if lens.subject is None else subjects[lens.subject]
        try:
            scrubbed = lens.technique.apply(Cells(values, lens.logical, subject))
        except ValueRejected as error:
            place = Place(dataset=self._dataset, column=lens.column)
            raise error.within(f"scrubbing column {lens.column} of dataset {self._dataset}", place) from None
        if len(scrubbed) != len(values) or scrubbed.type != values.type:
            raise InternalFault(
                f"scrubbing column {lens.column} of dataset {self._dataset}: the technique broke its contract"
            )
        return scrubbed


def compile_policy(policy: Policy, schema: pa.Schema, ring: KeyRing) -> Scrubber:
    """Compile a policy for the schema of an incoming stream.

    Args:
        policy: The policy.
        schema: The stream's schema, every field with Elute's metadata.
        ring: The key ring that the policy names.

    Raises:
        PlanRefused: The policy does not fit the schema; it carries every problem.
        KeyUnavailable: The ring lacks the policy's key version.
    """
    fields = _facts(policy, schema)
    examination = examine(policy, [_column(field) for field in fields])
    if examination.problems:
        raise PlanRefused(
            f"scrubbing dataset {policy.dataset}: {len(examination.problems)} problems with the policy",
            problems=examination.problems,
        )
    positions = {field.name: position for position, field in enumerate(fields)}
    lenses = {
        position: _lens(treatment, policy, ring, positions)
        for position, treatment in enumerate(examination.treatments)
        if treatment.pointer != KEPT
    }
    treated = [
        replace(field, treatment=treatment.pointer)
        for field, treatment in zip(fields, examination.treatments, strict=True)
    ]
    if is_packed(schema) and lenses:
        raise PlanRefused(f"scrubbing dataset {policy.dataset}: rows that came packed can only be kept")
    made = packed_schema(treated) if is_packed(schema) else pa.schema(map(arrow_field, treated))
    return Scrubber(policy.dataset, schema, made.with_metadata(schema.metadata), lenses)


def _facts(policy: Policy, schema: pa.Schema) -> list[FieldFacts]:
    try:
        columns = stream_facts(schema)
    except ValueError as error:
        raise PlanRefused(f"scrubbing dataset {policy.dataset}: {error}") from None
    for facts in columns:
        if facts.treatment is not None:
            message = f"column {facts.name} comes with a treatment, which only the anonymizer gives"
            problem = Problem("treated-before", message, dataset=policy.dataset, column=facts.name)
            raise PlanRefused(f"scrubbing dataset {policy.dataset}: {message}", problems=(problem,))
    return columns


def _column(field: FieldFacts) -> ColumnFacts:
    """See a field as a column: what travels in the wire lane can only be kept or nulled."""
    logical = LogicalType.OPAQUE if field.lane is Lane.WIRE else field.logical
    return ColumnFacts(field.name, field.source_type, logical)


def _lens(treatment: Treatment, policy: Policy, ring: KeyRing, positions: Mapping[str, int]) -> Lens:
    definition, options = treatment.definition, treatment.options
    # Options at their defaults are left out, so that writing one out, or adding an option, changes no pseudonym.
    written = options.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    key = ring.domain_key(
        treatment.domain, definition.name, json.dumps(written, sort_keys=True), version=policy.key_version
    )
    return Lens(
        column=treatment.column.name,
        logical=treatment.column.logical,
        technique=definition.build(options, treatment.column.logical, key),
        subject=positions[treatment.subject] if treatment.subject else None,
    )

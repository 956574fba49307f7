"""What holds for every step, checked for each that the registry finds; the sample dataset is the material."""

from __future__ import annotations

import importlib
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from elute_transform.application.options import Options
from elute_transform.domain.sample import SAMPLE
from elute_transform.domain.step import AnyDefinition
from elute_wire.schema import arrow_field, field_facts
from tests.elute_transform.batches import DEFINITIONS, cleaned, judge, sample_batches

every_step = pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=DEFINITIONS)
some = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_the_registry_finds_the_steps() -> None:
    assert {"rename", "clean_text", "derive"} <= DEFINITIONS.keys()


@every_step
def test_a_step_says_what_it_is(definition: AnyDefinition) -> None:
    module = importlib.import_module(f"elute_transform.steps.{definition.name}")
    assert (module.__doc__ or "").strip()
    assert module.Config.__doc__ != Options.__doc__, "a configuration says what it means"
    assert definition.effect.endswith(".")
    assert "\n" not in definition.effect


@every_step
def test_a_configuration_is_frozen_and_refuses_unknown_options(definition: AnyDefinition) -> None:
    assert issubclass(definition.config, Options)
    outcome = judge(SAMPLE, (definition.name, {**definition.example, "no_such_option": 1}))
    assert [problem.pointer for problem in outcome.errors] == ["/clean/0/no_such_option"]
    assert outcome.columns == SAMPLE


@every_step
def test_the_example_is_valid(definition: AnyDefinition) -> None:
    outcome = judge(SAMPLE, (definition.name, definition.example))
    assert outcome.errors == ()
    assert outcome.columns != SAMPLE or outcome.changed


@every_step
@some
@given(incoming=sample_batches())
def test_rows_keep_their_number_and_columns_get_their_declared_types(
    definition: AnyDefinition, incoming: pa.RecordBatch
) -> None:
    outcome = judge(SAMPLE, (definition.name, definition.example))
    made = cleaned(incoming, (definition.name, definition.example))
    made.validate(full=True)
    assert made.num_rows == incoming.num_rows
    assert made.schema == pa.schema([arrow_field(column.facts(name)) for name, column in outcome.columns.items()])
    assert all(field_facts(field).treatment is None for field in made.schema)


@every_step
@some
@given(incoming=sample_batches())
def test_columns_that_a_step_does_not_name_pass_without_a_copy(
    definition: AnyDefinition, incoming: pa.RecordBatch
) -> None:
    outcome = judge(SAMPLE, (definition.name, definition.example))
    made = cleaned(incoming, (definition.name, definition.example))
    assert outcome.carried
    for name, origin in outcome.carried.items():
        assert _addresses(made, name) == _addresses(incoming, origin)


@every_step
@some
@given(incoming=sample_batches())
def test_a_row_depends_on_itself_alone(definition: AnyDefinition, incoming: pa.RecordBatch) -> None:
    whole = cleaned(incoming, (definition.name, definition.example))
    pieces = [
        cleaned(incoming.slice(row, 1), (definition.name, definition.example)) for row in range(incoming.num_rows)
    ]
    together = pa.Table.from_batches(pieces, whole.schema)
    for name in whole.schema.names:
        assert _same(together.column(name).combine_chunks(), whole.column(name))


@every_step
@some
@given(incoming=sample_batches())
def test_a_step_reads_no_more_than_it_says(definition: AnyDefinition, incoming: pa.RecordBatch) -> None:
    outcome = judge(SAMPLE, (definition.name, definition.example))
    emptied = [
        incoming.column(field.name) if field.name in outcome.touched else pa.nulls(incoming.num_rows, field.type)
        for field in incoming.schema
    ]
    blind = cleaned(pa.RecordBatch.from_arrays(emptied, schema=incoming.schema), (definition.name, definition.example))
    full = cleaned(incoming, (definition.name, definition.example))
    for name in outcome.changed:
        assert blind.column(name).equals(full.column(name))


def _same(one: pa.Array[Any], other: pa.Array[Any]) -> bool:
    if pa.types.is_floating(one.type):
        return str(one.to_pylist()) == str(other.to_pylist())  # NaN is no NaN's equal
    return one.equals(other)


def _addresses(made: pa.RecordBatch, name: str) -> list[int | None]:
    return [buffer.address if buffer else None for buffer in made.column(name).buffers()]

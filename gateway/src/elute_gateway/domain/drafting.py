"""A plan grows in three steps: drafted from names alone, then with the anonymizer's answer, then with the target's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace

from elute_gateway.domain.assignment import KEEP, Assignment
from elute_gateway.domain.names import ColumnName, DatasetName
from elute_gateway.domain.pipeline import Pipeline
from elute_gateway.domain.plan import (
    Binding,
    ColumnPlan,
    DatasetPlan,
    Effect,
    ExtractedColumn,
    Lane,
    Plan,
    PlannedRule,
)
from elute_gateway.domain.policy import pin
from elute_gateway.domain.selection import Selection
from elute_gateway.domain.stream import Stream

Assignments = Mapping[ColumnName, Assignment]


def draft(
    pipeline: Pipeline,
    selection: Selection,
    streams: Mapping[DatasetName, Stream],
    assignments: Assignments,
) -> Plan:
    """Write down what is known before the anonymizer and the target are asked."""
    filters = selection.filters
    return Plan(
        pipeline=pipeline.name,
        source=pipeline.source.connection,
        target=pipeline.target.connection,
        structure=pipeline.target.structure,
        take_along=pipeline.target.take_along,
        verify=pipeline.verify,
        limits=pipeline.limits,
        key_version=pipeline.scrub.key_version if pipeline.scrub else 0,
        policy=pin(pipeline, streams, assignments),
        datasets=tuple(
            _dataset(stream, filters[name].expression if name in filters else "", assignments)
            for name, stream in streams.items()
        ),
        views=selection.views,
    )


def _dataset(stream: Stream, condition: str, assignments: Assignments) -> DatasetPlan:
    dataset = stream.dataset
    return DatasetPlan(
        name=dataset.name,
        kind=dataset.kind,
        filter=condition,
        extracted=tuple(
            ExtractedColumn(
                column.name,
                column.type.fingerprint,
                column.type.formatted,
                Lane.TYPED if column.name in stream.touched else Lane.WIRE,
            )
            for column in dataset.columns
            if not column.generated
        ),
        steps=stream.steps,
        rules=_rules(stream, assignments),
        columns=_columns(stream, assignments),
        generated=tuple(column.name for column in dataset.columns if column.generated),
        text_mode=dataset.text_mode,
        estimated_rows=dataset.estimated_rows,
        size_bytes=dataset.size_bytes,
        fingerprint=dataset.fingerprint,
        references=tuple(sorted({key.target for key in dataset.foreign_keys})),
    )


def _rules(stream: Stream, assignments: Assignments) -> tuple[PlannedRule, ...]:
    # A foreign key may take its target's domain, so that one rule has columns in two domains.
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    rules = {}
    for field in stream.fields:
        found = assignments.get(ColumnName(stream.dataset.name, field.name))
        if found and found.rule:
            groups[found.rule.pointer, found.domain].append(field.name)
            rules[found.rule.pointer] = found.rule
    return tuple(
        PlannedRule(pointer, rules[pointer].technique, rules[pointer].config, domain, rules[pointer].subject, (*names,))
        for (pointer, domain), names in sorted(groups.items())
    )


def _columns(stream: Stream, assignments: Assignments) -> tuple[ColumnPlan, ...]:
    name = stream.dataset.name
    columns = []
    for field in stream.fields:
        found = assignments.get(ColumnName(name, field.name))
        technique = found.rule.technique if found and found.rule else KEEP if found else ""
        typed = field.source is None or field.origin in stream.touched
        columns.append(
            ColumnPlan(
                name=field.name,
                source_type=field.type,
                type=field.source.type.fingerprint if field.source else "",
                logical=field.logical,
                changed=field.name in stream.changed,
                treatment=found.treatment if found else "",
                technique=technique,
                domain=found.domain if found else "",
                inherited=str(found.inherited) if found and found.inherited else "",
                lane=Lane.TYPED if typed else Lane.WIRE,
                origin=field.origin if field.source else "",
            )
        )
    return tuple(columns)


def with_effects(plan: Plan, effects: Mapping[ColumnName, Effect], key_version: int) -> Plan:
    """Add what the anonymizer says; what its techniques read travels typed, subjects included."""
    datasets = []
    for dataset in plan.datasets:
        found = {column.name: effects.get(ColumnName(dataset.name, column.name)) for column in dataset.columns}
        read = {rule.subject for rule in dataset.rules}
        read |= {name for name, effect in found.items() if effect and effect.reads_values}
        columns = tuple(_affected(column, found[column.name], read) for column in dataset.columns)
        datasets.append(_read_alike(replace(dataset, columns=columns)))
    return replace(plan, datasets=tuple(datasets), key_version=key_version)


def _affected(column: ColumnPlan, effect: Effect | None, read: Collection[str]) -> ColumnPlan:
    # What does not depend on the key has no domain worth telling.
    domain = "" if effect and not effect.keyed else column.domain
    return replace(column, effect=effect, domain=domain, lane=Lane.TYPED if column.name in read else column.lane)


def with_binding(
    dataset: DatasetPlan, columns: Mapping[str, tuple[Lane, Binding]], *, through_root: bool, as_text: bool
) -> DatasetPlan:
    """Add what the target says of a dataset; a column that it must convert travels typed."""
    bound = tuple(
        replace(column, lane=columns[column.name][0], binding=columns[column.name][1])
        if column.name in columns
        else column
        for column in dataset.columns
    )
    text_mode = dataset.text_mode or as_text
    return _read_alike(replace(dataset, columns=bound, load_through_root=through_root, text_mode=text_mode))


def _read_alike(dataset: DatasetPlan) -> DatasetPlan:
    """Read each column in the lane in which it is written, if it comes straight from the source."""
    lanes = {column.origin: column.lane for column in dataset.columns}
    extracted = tuple(
        column if lanes.get(column.name, column.lane) is column.lane else replace(column, lane=lanes[column.name])
        for column in dataset.extracted
    )
    return replace(dataset, extracted=extracted)

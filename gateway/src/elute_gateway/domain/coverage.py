"""Fail closed: every column that is on its way has exactly one treatment, or the plan is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from elute_gateway.domain.assignment import KEEP, Assignment
from elute_gateway.domain.matching import NameIndex
from elute_gateway.domain.names import ColumnName, DatasetName, quoted
from elute_gateway.domain.pattern import ColumnPattern
from elute_gateway.domain.pipeline import Rule, Scrub
from elute_gateway.domain.problems import Kind
from elute_gateway.domain.references import divergences, references, settle
from elute_gateway.domain.stream import Stream
from elute_wire.errors import Problem


@dataclass(frozen=True, slots=True)
class Coverage:
    """Who treats which column, and what is wrong with that."""

    assignments: Mapping[ColumnName, Assignment]
    problems: tuple[Problem, ...]


def cover(scrub: Scrub, streams: Mapping[DatasetName, Stream]) -> Coverage:
    """Expand the rules and keeps of a policy to columns."""
    expansion = _Expansion(streams)
    for pattern in scrub.keep:
        expansion.keep(pattern)
    for rule in scrub.rules:
        for pattern in rule.columns:
            expansion.rule(rule, pattern)
    pairs = references(streams.values())
    settled = settle(expansion.own, pairs)
    problems = [*expansion.problems, *divergences(settled, pairs, streams.values())]
    kept_targets = {
        pair.column: pair.target for pair in pairs if pair.target in settled and settled[pair.target].rule is None
    }
    for stream in streams.values():
        for field in stream.fields:
            name = ColumnName(stream.dataset.name, field.name)
            if name not in settled:
                problems.append(_uncovered(name, field.type, kept_targets.get(name)))
    return Coverage(settled, tuple(problems))


class _Expansion:
    """What the patterns say, taken one after the other."""

    def __init__(self, streams: Mapping[DatasetName, Stream]) -> None:
        self.own: dict[ColumnName, Assignment] = {}
        self.problems: list[Problem] = []
        self._index = NameIndex({name: [field.name for field in s.fields] for name, s in streams.items()})
        self._generated = NameIndex(
            {name: [c.name for c in s.dataset.columns if c.generated] for name, s in streams.items()}
        )

    def keep(self, pattern: ColumnPattern) -> None:
        found = self._index.columns(pattern)
        if not found and not self._generated.columns(pattern):
            self._no_match(pattern)
        for name in found:
            self.own[name] = Assignment(None, pointer=pattern.pointer)

    def rule(self, rule: Rule, pattern: ColumnPattern) -> None:
        found = self._index.columns(pattern)
        generated = self._generated.columns(pattern)
        if generated and (not found or pattern.column.literals):
            self._generated_columns(pattern, generated)
        elif not found:
            self._no_match(pattern)
        for name in found:
            present = self.own.get(name)
            if present is None:
                self.own[name] = Assignment(rule, pointer=pattern.pointer)
            elif present.rule is not rule:
                self._twice(name, present, pattern)

    def _no_match(self, pattern: ColumnPattern) -> None:
        hint = self._index.suggestion(pattern)
        datasets = self._index.datasets(pattern)
        if datasets and pattern.column.literals:
            message = f"pattern {pattern.text}: {datasets[0]} has no such column"
            kind = Kind.UNKNOWN_COLUMN if len(datasets) == 1 else Kind.NO_MATCH
        else:
            message, kind = f"pattern {pattern.text} matches no column of a selected dataset", Kind.NO_MATCH
        self.problems.append(kind.problem(message, pointer=pattern.pointer, hint=hint))

    def _generated_columns(self, pattern: ColumnPattern, generated: list[ColumnName]) -> None:
        self.problems += [
            Kind.GENERATED_COLUMN.problem(
                f"column {name} is generated: the target computes it from scrubbed values",
                hint="take it out of the rule",
                pointer=pattern.pointer,
                dataset=name.dataset,
                column=name.column,
            )
            for name in generated
        ]

    def _twice(self, name: ColumnName, present: Assignment, pattern: ColumnPattern) -> None:
        kind = Kind.RULE_AND_KEEP if present.treatment == KEEP else Kind.TWO_RULES
        message = f"column {name} is named by {pattern.text} and by {present.pointer}"
        hint = "narrow one of the two patterns"
        problem = kind.problem(message, hint=hint, pointer=pattern.pointer, dataset=name.dataset, column=name.column)
        self.problems.append(problem)


def _uncovered(name: ColumnName, type_name: str, kept_target: ColumnName | None) -> Problem:
    pattern = quoted(name.dataset.schema, name.dataset.name, name.column)
    hint = f"add {pattern} to a rule, or to `keep`"
    if kept_target:
        hint = f"it refers to {kept_target}, which is kept: add {pattern} to `keep` too"
    return Kind.UNCOVERED_COLUMN.problem(
        f"column {name} ({type_name}) has neither a rule nor a keep",
        hint=hint,
        pointer="/scrub",
        dataset=name.dataset,
        column=name.column,
    )

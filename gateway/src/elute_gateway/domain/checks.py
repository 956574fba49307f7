"""What the structure of a store means for scrubbed values, once it is known who treats which column."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from elute_gateway.domain.assignment import Assignment
from elute_gateway.domain.catalog import Constraint, ConstraintKind, Dataset
from elute_gateway.domain.names import ColumnName, DatasetName
from elute_gateway.domain.pipeline import Pipeline, Rule, Verify
from elute_gateway.domain.plan import Plan
from elute_gateway.domain.problems import Kind
from elute_gateway.domain.stream import Stream
from elute_wire.errors import Problem


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """A dataset and the columns of it that rules treat, under the names that its structure knows."""

    dataset: Dataset
    columns: Mapping[str, Assignment]

    def reading(self, columns: tuple[str, ...]) -> Iterator[tuple[str, Assignment, Rule]]:
        """Find the scrubbed ones among columns."""
        for name in columns:
            found = self.columns.get(name)
            if found and found.rule:
                yield name, found, found.rule


def check(
    pipeline: Pipeline,
    plan: Plan,
    streams: Mapping[DatasetName, Stream],
    assignments: Mapping[ColumnName, Assignment],
) -> list[Problem]:
    """Find everything that the structure of the source says about a plan."""
    problems = [] if pipeline.scrub else [_raw()]
    by_dataset: dict[DatasetName, dict[str, Assignment]] = {name: {} for name in streams}
    for name, stream in streams.items():
        for field in stream.fields:
            found = assignments.get(ColumnName(name, field.name))
            if found and found.rule:
                by_dataset[name][field.origin] = found
    everything = [Scrubbed(streams[name].dataset, columns) for name, columns in by_dataset.items()]
    for scrubbed in everything:
        if scrubbed.columns:
            for look in _LOOKS:
                problems += look(scrubbed)
    problems += _unknown_constraints(pipeline, everything)
    problems += _domain_conflicts(plan, assignments)
    for stream in streams.values():
        problems += _changed_keys(stream)
    if pipeline.verify is Verify.ROWS:
        problems += _not_comparable(plan)
    return problems


def _raw() -> Problem:
    return Kind.RAW_COPY.problem("rows are copied as they are, personal data included", pointer="/scrub")


def _all_constraints(dataset: Dataset) -> list[Constraint]:
    """Return the constraints of a dataset, and for each type with CHECKs one that bears the type's name."""
    of_types = (
        Constraint(column.type.formatted, ConstraintKind.CHECK, (column.name,))
        for column in dataset.columns
        if column.type.constrained
    )
    return [*dataset.constraints, *of_types]


def _constraints(scrubbed: Scrubbed) -> Iterator[Problem]:
    dataset = scrubbed.dataset
    for constraint in _all_constraints(dataset):
        for name, found, rule in scrubbed.reading(constraint.columns):
            kind, hint = _weight(constraint, rule)
            yield kind.problem(
                f"{constraint.kind} {constraint.name} reads {ColumnName(dataset.name, name)}, "
                f"which {rule.technique} scrubs",
                hint=hint,
                pointer=found.pointer,
                dataset=dataset.name,
                column=name,
            )


def _weight(constraint: Constraint, rule: Rule) -> tuple[Kind, str]:
    if constraint.kind is ConstraintKind.PARTIAL_INDEX:
        return Kind.PARTIAL_INDEX, ""
    if constraint.name in rule.trusts:
        return Kind.CONSTRAINT_TRUSTED, ""
    return Kind.CONSTRAINT_READS, f"if all that {rule.technique} makes satisfies it, add `trusts: [{constraint.name}]`"


def _partition_keys(scrubbed: Scrubbed) -> Iterator[Problem]:
    for name, found, _ in scrubbed.reading(scrubbed.dataset.partition_columns):
        yield Kind.PARTITION_KEY.problem(
            f"column {ColumnName(scrubbed.dataset.name, name)} decides which partition a row belongs to",
            hint="rows are loaded through the root: each scrubbed value needs a partition that takes it",
            pointer=found.pointer,
            dataset=scrubbed.dataset.name,
            column=name,
        )


def _indexes(scrubbed: Scrubbed) -> Iterator[Problem]:
    for key in scrubbed.dataset.unique_keys:
        if not (key.partial or key.expression):
            continue
        for name, found, rule in scrubbed.reading(key.columns):
            what = "compares expressions" if key.expression else "covers some rows only"
            yield Kind.INDEX_EQUALITY.problem(
                f"unique index {key.name} {what} and reads {ColumnName(scrubbed.dataset.name, name)}",
                hint=f"make sure that what {rule.technique} makes stays unique there, or the index cannot be made",
                pointer=found.pointer,
                dataset=scrubbed.dataset.name,
                column=name,
            )


def _literals(scrubbed: Scrubbed) -> Iterator[Problem]:
    for literal in scrubbed.dataset.literals:
        message = f"the {literal.holder} of {literal.object} holds a constant, which is copied as it is"
        yield Kind.LITERAL_IN_METADATA.problem(message, dataset=scrubbed.dataset.name)


_LOOKS: tuple[Callable[[Scrubbed], Iterator[Problem]], ...] = (_constraints, _partition_keys, _indexes, _literals)


def _unknown_constraints(pipeline: Pipeline, everything: list[Scrubbed]) -> Iterator[Problem]:
    read = {
        (rule.pointer, constraint.name)
        for scrubbed in everything
        for constraint in _all_constraints(scrubbed.dataset)
        for _, _, rule in scrubbed.reading(constraint.columns)
    }
    read |= {
        (rule.pointer, key.name)
        for scrubbed in everything
        for key in scrubbed.dataset.foreign_keys
        for _, _, rule in scrubbed.reading(key.columns)
    }
    for rule in pipeline.scrub.rules if pipeline.scrub else ():
        for number, name in enumerate(rule.trusts):
            if (rule.pointer, name) not in read:
                message = f"constraint {name} reads no column of this rule"
                yield Kind.UNKNOWN_CONSTRAINT.problem(message, pointer=f"{rule.pointer}/trusts/{number}")


def _domain_conflicts(plan: Plan, assignments: Mapping[ColumnName, Assignment]) -> Iterator[Problem]:
    first: dict[str, Rule] = {}
    told: set[tuple[str, str]] = set()
    for dataset in plan.datasets:
        for column in dataset.columns:
            found = assignments.get(ColumnName(dataset.name, column.name))
            if not (found and found.rule and column.effect and column.effect.keyed):
                continue
            rule, other = found.rule, first.setdefault(found.domain, found.rule)
            if (rule.technique, rule.config) == (other.technique, other.config):
                continue
            if (rule.pointer, found.domain) not in told:
                told.add((rule.pointer, found.domain))
                yield _conflict(found.domain, rule, other)


def _conflict(domain: str, rule: Rule, other: Rule) -> Problem:
    there = "other options of it" if rule.technique == other.technique else other.technique
    return Kind.DOMAIN_CONFLICT.problem(
        f"domain {domain!r} has {rule.technique} here and {there} at {other.pointer}",
        hint="give one of the two rules a `domain` of its own",
        pointer=rule.pointer,
    )


def _not_comparable(plan: Plan) -> Iterator[Problem]:
    for dataset in plan.datasets:
        if not dataset.comparable:
            message = f"rows of {dataset.name} are only counted: what is kept of them changes on the way, or nothing is"
            yield Kind.NOT_COMPARABLE.problem(message, pointer="/verify", dataset=dataset.name)


def _changed_keys(stream: Stream) -> Iterator[Problem]:
    dataset = stream.dataset
    keys = {column for key in dataset.unique_keys for column in key.columns}
    keys |= {column for key in dataset.foreign_keys for column in key.columns}
    changed = {field.origin for field in stream.fields if field.name in stream.changed}
    for name in sorted(keys & changed):
        yield Kind.STEP_CHANGES_KEY.problem(
            f"a step changes {ColumnName(dataset.name, name)}, which belongs to a key",
            hint="two values may become the same, or a foreign key may no longer find its row",
            pointer=stream.steps[0].pointer if stream.steps else "",
            dataset=dataset.name,
            column=name,
        )

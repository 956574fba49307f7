"""A policy, pinned: what its patterns expanded to when a person looked, and what has changed since."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TypeVar

from elute_gateway.domain.assignment import Assignment
from elute_gateway.domain.canonical import sha256
from elute_gateway.domain.catalog import VIEWS, Catalog, Dataset
from elute_gateway.domain.matching import NameIndex
from elute_gateway.domain.names import ColumnName, DatasetName
from elute_gateway.domain.pattern import DatasetPattern
from elute_gateway.domain.pipeline import Pipeline
from elute_gateway.domain.problems import Kind
from elute_gateway.domain.selection import selected_names
from elute_gateway.domain.stream import Stream
from elute_wire.errors import Problem


@dataclass(frozen=True, slots=True)
class PinnedSource:
    """A column as the source had it; `type` says also whether it is generated."""

    name: str
    type: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class PinnedColumn:
    """A column as it reaches the anonymizer, and who treats it: `keep`, or a rule's pointer in a domain."""

    name: str
    type: str
    treatment: str
    domain: str = ""


@dataclass(frozen=True, slots=True)
class PinnedDataset:
    """A dataset: its columns in the source, and those that leave its steps, each by name."""

    name: DatasetName
    source: tuple[PinnedSource, ...]
    columns: tuple[PinnedColumn, ...]


@dataclass(frozen=True, slots=True)
class PinnedRule:
    """What a treatment does; `config` is a canonical JSON object."""

    pointer: str
    technique: str
    config: str
    subject: str


@dataclass(frozen=True)
class PolicyVersion:
    """A policy, expanded.

    Attributes:
        key_ring: The key ring.
        key_version: The version that the document asks for; 0 for the ring's current one.
        selects: The patterns of the datasets that it was made for.
        excludes: The patterns of those that it leaves out.
        rules: The rules that treat at least one column, by pointer.
        datasets: The datasets, by name.
    """

    key_ring: str
    key_version: int
    selects: tuple[str, ...]
    excludes: tuple[str, ...]
    rules: tuple[PinnedRule, ...]
    datasets: tuple[PinnedDataset, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of its canonical JSON, hexadecimal: what every stage and the sink hold a stream against.

        The patterns do not count: what counts is what they expanded to.
        """
        return sha256(
            {
                "version": 1,
                "key_ring": self.key_ring,
                "key_version": self.key_version,
                "rules": {rule.pointer: [rule.technique, rule.config, rule.subject] for rule in self.rules},
                "datasets": [
                    [
                        [dataset.name.schema, dataset.name.name],
                        [[column.name, column.type, column.fingerprint] for column in dataset.source],
                        [[column.name, column.type, column.treatment, column.domain] for column in dataset.columns],
                    ]
                    for dataset in self.datasets
                ],
            }
        )


def pin(
    pipeline: Pipeline, streams: Mapping[DatasetName, Stream], assignments: Mapping[ColumnName, Assignment]
) -> PolicyVersion | None:
    """Pin what the patterns of a pipeline expand to; None when it scrubs nothing.

    A column without assignment is left out, and so is refused by the anonymizer and by the sink.
    """
    scrub = pipeline.scrub
    if scrub is None:
        return None
    used = {found.rule.pointer: found.rule for found in assignments.values() if found.rule}
    return PolicyVersion(
        key_ring=scrub.key_ring,
        key_version=scrub.key_version,
        selects=tuple(pattern.text for pattern in pipeline.source.datasets),
        excludes=tuple(pattern.text for pattern in pipeline.source.excluded),
        rules=tuple(
            PinnedRule(pointer, rule.technique, rule.config, rule.subject) for pointer, rule in sorted(used.items())
        ),
        datasets=tuple(_pinned(streams[name], assignments) for name in sorted(streams)),
    )


def _pinned(stream: Stream, assignments: Mapping[ColumnName, Assignment]) -> PinnedDataset:
    name = stream.dataset.name
    columns = (
        PinnedColumn(field.name, field.type, found.treatment, found.domain)
        for field in sorted(stream.fields, key=lambda field: field.name)
        if (found := assignments.get(ColumnName(name, field.name)))
    )
    return PinnedDataset(name, _sources(stream.dataset), tuple(columns))


def _sources(dataset: Dataset) -> tuple[PinnedSource, ...]:
    return tuple(
        PinnedSource(
            column.name,
            f"{column.type.formatted} generated" if column.generated else column.type.formatted,
            column.type.fingerprint,
        )
        for column in sorted(dataset.columns, key=lambda column: column.name)
    )


class ChangeKind(StrEnum):
    """What has changed between two versions of a policy, or between a policy and its source.

    Where a change is a problem too, that has the same name.
    """

    DATASET_ADDED = "dataset-added"
    DATASET_REMOVED = "dataset-removed"
    COLUMN_ADDED = "column-added"
    COLUMN_REMOVED = "column-removed"
    COLUMN_RETYPED = "column-retyped"
    TREATMENT_CHANGED = "treatment-changed"
    DOMAIN_CHANGED = "domain-changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One change; `before` and `after` are types, treatments or domains, empty where there was or is none."""

    kind: ChangeKind
    dataset: DatasetName
    column: str = ""
    before: str = ""
    after: str = ""


def compare(pinned: PolicyVersion, catalog: Catalog) -> list[Change]:
    """Find what has changed in the source since a policy was pinned, whatever today's patterns say."""
    index = NameIndex(dict.fromkeys(catalog.datasets, ()))
    names = selected_names(
        [DatasetPattern.parse(text) for text in pinned.selects],
        [DatasetPattern.parse(text) for text in pinned.excludes],
        index,
    )
    present = {name: _sources(catalog.datasets[name]) for name in names if catalog.datasets[name].kind not in VIEWS}
    return list(_source_changes({dataset.name: dataset.source for dataset in pinned.datasets}, present))


def _source_changes(
    before: Mapping[DatasetName, tuple[PinnedSource, ...]], after: Mapping[DatasetName, tuple[PinnedSource, ...]]
) -> Iterator[Change]:
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield Change(ChangeKind.DATASET_ADDED, name)
        elif name not in after:
            yield Change(ChangeKind.DATASET_REMOVED, name)
        elif before[name] != after[name]:
            yield from _column_changes(name, before[name], after[name])


def _column_changes(
    dataset: DatasetName, before: Iterable[PinnedSource], after: Iterable[PinnedSource]
) -> Iterator[Change]:
    old, new = _named(before), _named(after)
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            yield Change(ChangeKind.COLUMN_ADDED, dataset, name, after=new[name].type)
        elif name not in new:
            yield Change(ChangeKind.COLUMN_REMOVED, dataset, name, before=old[name].type)
        elif old[name] != new[name]:
            yield Change(ChangeKind.COLUMN_RETYPED, dataset, name, old[name].type, new[name].type)


C = TypeVar("C", PinnedSource, PinnedColumn)


def _named(columns: Iterable[C]) -> dict[str, C]:
    return {column.name: column for column in columns}


def treatment_changes(old: PolicyVersion, new: PolicyVersion) -> list[Change]:
    """Find the columns of both versions that another technique, other options or another domain treat now."""
    before, after = _treatments(old), _treatments(new)
    changes: list[Change] = []
    for name in sorted(before.keys() & after.keys()):
        (was, was_domain), (now, now_domain) = before[name], after[name]
        if was != now:
            changes.append(Change(ChangeKind.TREATMENT_CHANGED, name.dataset, name.column, was, now))
        elif was_domain != now_domain:
            changes.append(Change(ChangeKind.DOMAIN_CHANGED, name.dataset, name.column, was_domain, now_domain))
    return changes


def _treatments(version: PolicyVersion) -> dict[ColumnName, tuple[str, str]]:
    # By technique and options: the number of a rule in its list means nothing across two documents.
    rules = {rule.pointer: f"{rule.technique} {rule.config}".removesuffix(" {}") for rule in version.rules}
    return {
        ColumnName(dataset.name, column.name): (rules.get(column.treatment, column.treatment), column.domain)
        for dataset in version.datasets
        for column in dataset.columns
    }


_PROBLEMS: Mapping[ChangeKind, Kind] = {
    ChangeKind.DATASET_ADDED: Kind.DATASET_ADDED,
    ChangeKind.DATASET_REMOVED: Kind.DATASET_REMOVED,
    ChangeKind.COLUMN_ADDED: Kind.COLUMN_ADDED,
    ChangeKind.COLUMN_REMOVED: Kind.COLUMN_REMOVED,
    ChangeKind.COLUMN_RETYPED: Kind.COLUMN_RETYPED,
    ChangeKind.DOMAIN_CHANGED: Kind.DOMAIN_CHANGED,
}


def change_problem(change: Change) -> Problem | None:
    """Say what a change means for a run; None for one that a document may make freely."""
    kind = _PROBLEMS.get(change.kind)
    if kind is None:
        return None
    what = f"column {ColumnName(change.dataset, change.column)}" if change.column else f"dataset {change.dataset}"
    types = {
        ChangeKind.COLUMN_ADDED: f" ({change.after})",
        ChangeKind.COLUMN_RETYPED: f" from {change.before} to {change.after}",
        ChangeKind.DOMAIN_CHANGED: f" from {change.before!r} to {change.after!r}",
    }.get(change.kind, "")
    message = f"{what}: {kind.code.split('-')[1]} since the policy was pinned{types}"
    hint = "" if change.kind is ChangeKind.DOMAIN_CHANGED else "look at it, then pin it with `elute plan --accept`"
    return kind.problem(message, hint=hint, dataset=change.dataset, column=change.column)

"""Which datasets a pipeline copies, and which of their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from elute_gateway.domain.catalog import VIEWS, Catalog, Dataset
from elute_gateway.domain.matching import NameIndex
from elute_gateway.domain.names import DatasetName
from elute_gateway.domain.pattern import DatasetPattern
from elute_gateway.domain.pipeline import Filter, Source
from elute_gateway.domain.problems import Kind
from elute_wire.errors import Problem


@dataclass(frozen=True, slots=True)
class Selection:
    """What a pipeline copies.

    Attributes:
        datasets: Those whose rows are copied, by name, in the catalog's order.
        views: The selected views; they have no rows of their own.
        filters: The rows to copy, where not all.
        problems: What is wrong with the patterns and filters.
    """

    datasets: Mapping[DatasetName, Dataset]
    views: tuple[DatasetName, ...]
    filters: Mapping[DatasetName, Filter]
    problems: tuple[Problem, ...]


def select(source: Source, catalog: Catalog) -> Selection:
    """Find what the patterns of a source select."""
    index = NameIndex(dict.fromkeys(catalog.datasets, ()))
    problems = [
        no_match(pattern, index) for pattern in (*source.datasets, *source.excluded) if not index.datasets(pattern)
    ]
    names = selected_names(source.datasets, source.excluded, index)
    datasets = {name: catalog.datasets[name] for name in names if catalog.datasets[name].kind not in VIEWS}
    views = tuple(name for name in names if catalog.datasets[name].kind in VIEWS)
    problems += [Kind.VIEW_NOT_COPIED.problem(f"view {name} has no rows of its own", dataset=name) for name in views]
    if not datasets:
        message = "the source's patterns select no dataset with rows to copy"
        problems.append(Kind.NOTHING_SELECTED.problem(message, pointer="/source/datasets"))
    filters = _filters(source.filters, datasets, problems)
    problems += _neighbours(datasets, filters)
    return Selection(datasets, views, filters, tuple(problems))


def selected_names(
    datasets: Sequence[DatasetPattern], excluded: Sequence[DatasetPattern], index: NameIndex
) -> list[DatasetName]:
    """Find the names that some pattern includes and none excludes, in their order."""
    out = {name for pattern in excluded for name in index.datasets(pattern)}
    return sorted({name for pattern in datasets for name in index.datasets(pattern)} - out)


def no_match(pattern: DatasetPattern, index: NameIndex) -> Problem:
    """Say that a pattern over datasets matches nothing."""
    return Kind.NO_MATCH.problem(
        f"pattern {pattern.text} matches no dataset", pointer=pattern.pointer, hint=index.suggestion(pattern)
    )


def _filters(
    filters: Sequence[Filter], datasets: Mapping[DatasetName, Dataset], problems: list[Problem]
) -> dict[DatasetName, Filter]:
    index = NameIndex(dict.fromkeys(datasets, ()))
    chosen: dict[DatasetName, Filter] = {}
    for condition in filters:
        names = index.datasets(condition.pattern)
        if not names:
            problems.append(no_match(condition.pattern, index))
        for name in names:
            if name in chosen:
                message = f"dataset {name} already has the filter of {chosen[name].pattern.text}"
                problems.append(Kind.TWO_FILTERS.problem(message, pointer=condition.pointer, dataset=name))
            chosen[name] = condition
            known = {column.name for column in datasets[name].columns}
            problems += [
                Kind.UNKNOWN_COLUMN.problem(
                    f"the filter reads {missing}, which is no column of {name}",
                    pointer=condition.pointer,
                    dataset=name,
                    column=missing,
                )
                for missing in condition.columns
                if missing not in known
            ]
    return chosen


def _neighbours(datasets: Mapping[DatasetName, Dataset], filters: Mapping[DatasetName, Filter]) -> list[Problem]:
    """Find references and parents that the selection cuts off."""
    problems: list[Problem] = []
    for name, dataset in datasets.items():
        for key in dataset.foreign_keys:
            if key.target not in datasets:
                message = f"foreign key {key.name} refers to {key.target}, which is not selected"
                hint = "select it too; under `structure: create` the foreign key is left out otherwise"
                problems.append(Kind.REFERENCE_LEAVES.problem(message, hint=hint, dataset=name))
            elif key.target in filters and filters[key.target] is not filters.get(name):
                message = f"foreign key {key.name} refers to rows of {key.target} that its filter may leave out"
                hint = f"filter {name} alike, or the foreign key cannot be made"
                pointer = filters[key.target].pointer
                problems.append(Kind.FILTER_ORPHANS.problem(message, hint=hint, pointer=pointer, dataset=name))
        for parent in dataset.parents:
            if parent not in datasets:
                message = f"table {name} inherits from {parent}, which is not selected"
                problems.append(Kind.PARENT_NOT_SELECTED.problem(message, dataset=name))
    return problems

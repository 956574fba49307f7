"""Which datasets and columns a pattern stands for, and what a pattern that matches nothing may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from elute_gateway.domain.names import ColumnName, DatasetName, quoted
from elute_gateway.domain.pattern import ColumnPattern, DatasetPattern, Glob


class NameIndex:
    """The names that patterns are held against.

    A glob is held against distinct names, which are far fewer than columns.
    """

    def __init__(self, columns: Mapping[DatasetName, Iterable[str]]) -> None:
        """Index datasets and their columns, in the given order."""
        self._columns = {dataset: tuple(names) for dataset, names in columns.items()}
        self._schemas = frozenset(dataset.schema for dataset in self._columns)
        self._names = frozenset(dataset.name for dataset in self._columns)
        self._column_names = frozenset(name for names in self._columns.values() for name in names)

    def datasets(self, pattern: DatasetPattern | ColumnPattern) -> list[DatasetName]:
        """Find the datasets that a pattern, or its first two parts, stand for."""
        schemas, names = _matching(pattern.schema, self._schemas), _matching(pattern.dataset, self._names)
        return [found for found in self._columns if found.name in names and found.schema in schemas]

    def columns(self, pattern: ColumnPattern) -> list[ColumnName]:
        """Find the columns that a pattern stands for."""
        names = _matching(pattern.column, self._column_names)
        if not names:
            return []
        return [
            ColumnName(dataset, name)
            for dataset in self.datasets(pattern)
            for name in self._columns[dataset]
            if name in names
        ]

    def suggestion(self, pattern: DatasetPattern | ColumnPattern) -> str:
        """Say which existing name a pattern that matches nothing comes near to; empty when there is none."""
        schemas = _matching(pattern.schema, self._schemas)
        if not schemas:
            near = _nearest(pattern.schema, self._schemas)
            return f"did you mean the schema {quoted(near)}?" if near else ""
        here = {found.name: found for found in self._columns if found.schema in schemas}
        found = self.datasets(pattern)
        if not found:
            near = _nearest(pattern.dataset, here)
            return f"did you mean {quoted(here[near].schema, near)}?" if near else ""
        if isinstance(pattern, DatasetPattern):
            return ""
        columns = {name: dataset for dataset in found for name in self._columns[dataset]}
        near = _nearest(pattern.column, columns)
        return f"did you mean {quoted(columns[near].schema, columns[near].name, near)}?" if near else ""


def _matching(glob: Glob, names: frozenset[str]) -> frozenset[str]:
    if (literals := glob.literals) is not None:
        return names.intersection(literals)
    return frozenset(name for name in names if glob.matches(name))


def _nearest(glob: Glob, names: Iterable[str]) -> str:
    folded: dict[str, str] = {}
    for name in sorted(names):
        folded.setdefault(name.lower(), name)
    for chunks in glob.alternatives:
        near = difflib.get_close_matches("".join(chunks).lower(), folded, n=1, cutoff=0.7)
        if near:
            return folded[near[0]]
    return ""

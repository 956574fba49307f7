"""Decides how the columns of one dataset reach its table in the target; looks at nothing but catalogs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from elute_connector.connectors.postgresql.codecs.families import logical_of
from elute_connector.connectors.postgresql.lanes import (
    CopyFormat,
    Refused,
    Use,
    Wire,
    choose_lane,
    copy_format,
)
from elute_connector.domain.catalog import Column, Dataset, Generated, Identity
from elute_connector.domain.dataset_name import DatasetName
from elute_connector.domain.datatype import DataType, TypeKind
from elute_connector.domain.target import ColumnBinding, DatasetBinding, Structure, TargetDataset, TargetField
from elute_wire.errors import Problem, Severity
from elute_wire.schema import KEPT, Lane, LogicalType

_MADE = {
    LogicalType.TEXT: "text",
    LogicalType.BOOLEAN: "bool",
    LogicalType.INT16: "int2",
    LogicalType.INT32: "int4",
    LogicalType.INT64: "int8",
    LogicalType.FLOAT32: "float4",
    LogicalType.FLOAT64: "float8",
    LogicalType.DECIMAL: "numeric",
    LogicalType.DATE: "date",
    LogicalType.TIME: "time",
    LogicalType.TIMESTAMP: "timestamp",
    LogicalType.TIMESTAMP_TZ: "timestamptz",
    LogicalType.UUID: "uuid",
    LogicalType.JSON: "jsonb",
    LogicalType.BINARY: "bytea",
}
"""The type that a column counts as which a step has made."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A column of a dataset that something is to be said of."""

    dataset: DatasetName
    column: str

    def problem(self, code: str, says: str, hint: str, severity: Severity = Severity.ERROR) -> Problem:
        """Say it."""
        message = f"{self.dataset}.{self.column}: {says}"
        return Problem(code, message, hint, severity, dataset=str(self.dataset), column=self.column)


@dataclass(frozen=True, slots=True)
class Binder:
    """Binds datasets of one plan.

    Attributes:
        structure: Where the target's schema comes from.
        types: The source's types by their fingerprints.
    """

    structure: Structure
    types: Mapping[str, DataType]

    def bind(
        self, wanted: TargetDataset, source: Dataset, target: Dataset, *, same_leaves: bool
    ) -> tuple[DatasetBinding, tuple[Problem, ...]]:
        """Bind the columns of a dataset.

        Args:
            wanted: The dataset and its stream.
            source: What it is in the source.
            target: What it is in the target; with `Structure.CREATE`, what it will be: the same.
            same_leaves: Whether a row's leaf has the same name and bounds at both ends.

        Returns:
            The binding, which holds only the columns without an error, and every problem.
        """
        problems: list[Problem] = []
        columns: list[ColumnBinding] = []
        types: list[DataType] = []
        there = {column.name: column for column in target.columns}
        for field in wanted.fields:
            spot = Spot(wanted.name, field.name)
            found = self._bind_column(spot, field, there.get(field.name))
            if isinstance(found, Problem):
                problems.append(found)
                continue
            columns.append(found)
            types += [there[field.name].type, *([self.types[field.type]] if field.type in self.types else [])]
            problems += _warnings(spot, field, there[field.name])
        problems += self._unfilled(wanted, target)
        binding = DatasetBinding(
            name=wanted.name,
            columns=tuple(columns),
            load_through_root=_through_root(wanted, source, target, same_leaves=same_leaves),
            text_mode=wanted.text_mode or copy_format(types) is CopyFormat.TEXT,
        )
        return binding, tuple(problems)

    def _bind_column(self, spot: Spot, field: TargetField, target: Column | None) -> ColumnBinding | Problem:
        if target is None:
            hint = "make the column in the target"
            if self.structure is Structure.CREATE:
                hint = "structure `create` makes the source's columns only: make the table yourself and use `keep`"
            return spot.problem("no-such-column", "the target has no column of that name", hint)
        if target.generated is not Generated.NONE:
            return spot.problem(
                "generated-column", "the target computes it", "leave the column out: drop it with a step"
            )
        source = self._type_of(field)
        if source is None:
            return spot.problem("type-refused", "no type of the target takes its values", "keep it, or set it to NULL")
        use = Use.TOUCHED if field.lane is Lane.TYPED else Use.CARRIED
        choice = choose_lane(source, target.type, use)
        if isinstance(choice, Refused):
            return spot.problem("type-refused", choice.reason, choice.hint)
        lane, cast = (Lane.WIRE, "") if isinstance(choice, Wire) else (Lane.TYPED, choice.cast)
        return ColumnBinding(field.name, lane, target.type.fingerprint, target.type.formatted, cast)

    def _type_of(self, field: TargetField) -> DataType | None:
        """Find the type of a stream's column: the source's own while its values are of it, else by their meaning."""
        source = self.types.get(field.type)
        if source is not None and (field.lane is Lane.WIRE or logical_of(source) is field.logical):
            return source
        name = _MADE.get(field.logical)
        if name is None:
            return None
        return DataType(kind=TypeKind.BASE, schema="pg_catalog", name=name, formatted=name, plain=name)

    def _unfilled(self, wanted: TargetDataset, target: Dataset) -> Iterator[Problem]:
        filled = {field.name for field in wanted.fields}
        for column in target.columns:
            if column.name in filled or column.generated is not Generated.NONE or column.identity is not Identity.NONE:
                continue
            spot = Spot(wanted.name, column.name)
            if column.nullable or column.has_default:
                says = "the stream has no such column, so it takes its default or NULL"
                yield spot.problem("unfilled-column", says, "", Severity.WARNING)
            else:
                says = "the stream has no such column, and it takes no NULL"
                yield spot.problem("unfilled-column", says, "fill it with a step, or give it a default")


def _through_root(wanted: TargetDataset, source: Dataset, target: Dataset, *, same_leaves: bool) -> bool:
    """Whether a row may belong to another leaf in the target than in the source."""
    if source.partitioning is None:
        return False
    if target.partitioning is None or not same_leaves:
        return True
    leaves = (*source.partitioning.leaves, *target.partitioning.leaves)
    keys = {name for leaf in leaves for name in leaf.key_columns}
    changed = {field.name for field in wanted.fields if field.lane is Lane.TYPED or field.treatment not in {"", KEPT}}
    absent = keys - {field.name for field in wanted.fields}
    return bool(keys & changed or absent) or any(leaf.hashes_user_type for leaf in leaves)


def _warnings(spot: Spot, field: TargetField, target: Column) -> Iterator[Problem]:
    if target.type.constrained and field.lane is Lane.TYPED:
        yield spot.problem(
            "constrained-type",
            f"the domain {target.type.formatted} has constraints of its own, which a changed value may break",
            "choose a rule whose values satisfy them",
            Severity.WARNING,
        )

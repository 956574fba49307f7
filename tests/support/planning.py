"""Catalogs in a few words, pipelines from YAML, and the three services of planning without processes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from elute_gateway.application.document import parse_yaml
from elute_gateway.application.planning import Planner
from elute_gateway.application.planning_ports import (
    Cleaned,
    ColumnFacts,
    DatasetBinding,
    Judgement,
    TargetAnswer,
)
from elute_gateway.domain.catalog import (
    Catalog,
    Column,
    Dataset,
    DatasetKind,
    DataType,
    ForeignKey,
    LogicalType,
    TypeKind,
    UniqueKey,
)
from elute_gateway.domain.connection import Connection
from elute_gateway.domain.names import ColumnName, DatasetName
from elute_gateway.domain.pipeline import Pipeline
from elute_gateway.domain.plan import Binding, Effect, Lane, Plan, Uniqueness
from elute_gateway.domain.stream import Stream
from elute_wire.errors import EluteError, Problem

SHOP, QA = Connection("shop", "postgresql"), Connection("shop-qa", "postgresql")

_LOGICAL = {
    "bigint": LogicalType.INT64,
    "integer": LogicalType.INT32,
    "text": LogicalType.TEXT,
    "date": LogicalType.DATE,
    "point": LogicalType.OPAQUE,
}


def data_type(formatted: str, **facts: object) -> DataType:
    fingerprint = hashlib.sha256(formatted.encode()).hexdigest()
    logical = _LOGICAL.get(formatted, LogicalType.TEXT)
    return replace(DataType(fingerprint, formatted, TypeKind.BASE, logical), **facts)  # type: ignore[arg-type]


def name(text: str) -> DatasetName:
    schema, _, table = text.rpartition(".")
    return DatasetName(schema or "public", table)


def table(dataset: str, *columns: str | Column, **facts: object) -> Dataset:
    """Describe a table by columns like `id bigint`; the column `id` is its primary key."""
    made = tuple(column if isinstance(column, Column) else _column(column) for column in columns)
    keys = (UniqueKey(f"{dataset}_pkey", ("id",), primary=True),) if any(c.name == "id" for c in made) else ()
    base = Dataset(name(dataset), DatasetKind.TABLE, made, unique_keys=keys, fingerprint=dataset)
    return replace(base, **facts)  # type: ignore[arg-type]


def _column(text: str) -> Column:
    column, _, formatted = text.partition(" ")
    return Column(column, data_type(formatted or "text"))


def references(*pairs: str) -> tuple[ForeignKey, ...]:
    """Describe foreign keys like `customer_id -> customers.id`, several columns divided by commas."""
    keys = []
    for pair in pairs:
        columns, _, there = pair.partition(" -> ")
        target, _, target_columns = there.partition(".")
        keys.append(
            ForeignKey(f"fk_{columns}", tuple(columns.split(",")), name(target), tuple(target_columns.split(",")))
        )
    return tuple(keys)


def catalog(*datasets: Dataset) -> Catalog:
    types = {column.type.formatted: column.type for dataset in datasets for column in dataset.columns}
    ordered = sorted(datasets, key=lambda dataset: dataset.name)
    return Catalog({dataset.name: dataset for dataset in ordered}, tuple(types.values()))


def pipeline(scrub: str = "off", **parts: str) -> Pipeline:
    """Read a pipeline whose parts are given in YAML; it selects everything in `public` unless told otherwise."""
    document = parse_yaml(document_text(scrub, **parts))
    assert document.pipeline is not None, document.problems
    return document.pipeline


def document_text(scrub: str = "off", *, source: str = 'datasets: ["public.*"]', **parts: str) -> str:
    lines = [
        "version: 1",
        "pipeline: shop-to-qa",
        f"source: {{connection: shop, {source}}}",
        f"target: {parts.pop('target', '{connection: shop-qa}')}",
        *(f"{part}: {value}" for part, value in parts.items()),
        f"scrub: {scrub}",
    ]
    return "\n".join(lines)


def policy(*rules: str, keep: str = "[]", more: str = "") -> str:
    return f"{{key_ring: shop, keep: {keep}, rules: [{', '.join(rules)}]{more}}}"


@dataclass
class Services:
    """All three ports of planning, answering from memory; the last plan asked about is kept."""

    held: Catalog
    outcomes: Mapping[DatasetName, Stream] = field(default_factory=dict)
    bindings: Mapping[ColumnName, tuple[Lane, Binding]] = field(default_factory=dict)
    problems: Sequence[Problem] = ()
    missing_key: EluteError | None = None
    asked: Plan | None = None
    facts: Mapping[DatasetName, Sequence[ColumnFacts]] = field(default_factory=dict)

    @property
    def planner(self) -> Planner:
        return Planner(stores=self, cleaning=_Steps(self.outcomes), scrubbing=_Rules(self))

    async def discover(self, connection: Connection) -> Catalog:
        assert connection is SHOP
        return self.held

    async def plan_target(
        self, plan: Plan, source: Connection, target: Connection, types: Iterable[DataType]
    ) -> TargetAnswer:
        assert (source, target, tuple(types)) == (SHOP, QA, self.held.types)
        self.asked = plan
        bindings = {}
        for dataset in plan.datasets:
            columns = {
                column.name: self.bindings.get(
                    ColumnName(dataset.name, column.name), (column.lane, Binding(column.type, column.source_type, ""))
                )
                for column in dataset.columns
            }
            bindings[dataset.name] = DatasetBinding(columns, load_through_root=False, text_mode=False)
        return TargetAnswer(bindings, tuple(self.problems))


@dataclass
class _Steps:
    outcomes: Mapping[DatasetName, Stream]

    async def validate(self, streams: Sequence[Stream]) -> Sequence[Cleaned]:
        return [Cleaned(self.outcomes.get(stream.dataset.name, stream), ()) for stream in streams]


@dataclass
class _Rules:
    services: Services

    async def validate(self, plan: Plan, facts: Mapping[DatasetName, Sequence[ColumnFacts]]) -> Judgement:
        if self.services.missing_key:
            raise self.services.missing_key
        self.services.facts = facts
        effects = {
            ColumnName(dataset.name, column.name): effect(column.technique, column.logical)
            for dataset in plan.datasets
            for column in dataset.columns
            if column.technique
        }
        return Judgement(effects, 3, ())


def effect(technique: str, logical: LogicalType = LogicalType.TEXT) -> Effect:
    keyed = technique not in ("keep", "null", "redact", "constant")
    kept = technique == "keep"
    return Effect(
        summary=technique,
        keeps=("nulls", "equality") if keyed or kept else (),
        loses=() if kept else ("order",),
        uniqueness=Uniqueness.COLLISION_RESISTANT if keyed else Uniqueness.LOSSY,
        reversible=False,
        reads_values=keyed,
        keyed=keyed,
        logical=logical,
    )

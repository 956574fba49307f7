"""PlanPartitions: cut datasets into slices that together cover each once and whole.

What has pages of its own is cut by them: `ctid` ranges are read without an index and are exactly as large as asked
for. Views and foreign tables are cut by a column's values, where one of a suitable type exists.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import asyncpg

from elute_connector.connectors.postgresql.catalog import Connection
from elute_connector.connectors.postgresql.identifiers import qualified, quoted
from elute_connector.connectors.postgresql.selection import RELATION
from elute_connector.domain.catalog import Column, Dataset, DatasetKind
from elute_connector.domain.connector import PlannedSlice
from elute_connector.domain.dataset_name import DatasetName
from elute_connector.domain.datatype import DataType, TypeOrigin
from elute_connector.domain.extraction import KeyRange, PageRange, Slice
from elute_wire.errors import InvalidRequest

_SIZES = """
SELECT r.schema, r.name, c.reltuples::float8 AS tuples, c.relpages AS counted_pages,
       coalesce(pg_relation_size(c.oid), 0) / current_setting('block_size')::int AS pages,
       coalesce(pg_table_size(c.oid), 0) AS bytes
FROM unnest($1::text[], $2::text[]) r(schema, name)
JOIN pg_namespace n ON n.nspname = r.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = r.name
"""

_GUESSED_ROW_BYTES = 100
"""What a row is taken for where the server has never counted."""

_KEY_TYPES = ("int8", "int4", "int2", "timestamptz", "timestamp", "date", "uuid", "numeric")
"""The types whose order is the same whatever the collation, the best first; no other is put into a statement."""


@dataclass(frozen=True, slots=True)
class _Size:
    pages: int
    rows: int
    bytes: int


async def plan_partitions(
    connection: Connection, datasets: Sequence[Dataset], target_bytes: int
) -> tuple[PlannedSlice, ...]:
    """Cut datasets into slices of about `target_bytes` on disk.

    A small or empty dataset, or leaf, is one slice.

    Args:
        connection: A session under the run's snapshot, which must be older than the page counts read here: rows of
            later pages are in the last slice, whose end is open.
        datasets: The datasets, as discovered.
        target_bytes: Bytes of a slice to aim at.
    """
    stored = [name for dataset in datasets for name in _stored(dataset)]
    sizes = await _sizes(connection, stored)
    planned: list[PlannedSlice] = []
    for dataset in datasets:
        for name in _stored(dataset):
            leaf = name if dataset.partitioning else None
            planned += _by_pages(dataset.name, leaf, sizes[name], target_bytes)
        for name in _unstored(dataset):
            leaf = name if dataset.partitioning else None
            planned += await _by_keys(connection, dataset, leaf, target_bytes)
        if dataset.partitioning and not dataset.partitioning.leaves:
            planned.append(PlannedSlice(dataset.name, Slice(), 0, 0))
    return tuple(planned)


def key_condition(keys: KeyRange) -> str:
    """Write a key range as a condition in SQL; NULLs belong to the first range.

    Raises:
        InvalidRequest: The position is not one of ours.
    """
    position = json.loads(keys.position)
    kind, low, high = position["type"], position["low"], position["high"]
    if kind not in _KEY_TYPES:
        raise InvalidRequest("reading a key range: its position names an unknown type")
    column = f"{RELATION}.{quoted(keys.column)}"
    upper = "" if high is None else f"{column} < {_literal(high, kind)}"
    if low is not None:
        return f"{column} >= {_literal(low, kind)}" + (f" AND {upper}" if upper else "")
    return f"({upper} OR {column} IS NULL)" if upper else "true"


def _literal(text: str, kind: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'::pg_catalog.{kind}"


def _stored(dataset: Dataset) -> list[DatasetName]:
    """The relations of a dataset that have pages."""
    if dataset.partitioning:
        return [leaf.name for leaf in dataset.partitioning.leaves if leaf.kind is DatasetKind.TABLE]
    return [dataset.name] if dataset.kind in (DatasetKind.TABLE, DatasetKind.MATERIALIZED_VIEW) else []


def _unstored(dataset: Dataset) -> list[DatasetName]:
    """The relations of a dataset whose rows come from elsewhere."""
    if dataset.partitioning:
        return [leaf.name for leaf in dataset.partitioning.leaves if leaf.kind is not DatasetKind.TABLE]
    return [dataset.name] if dataset.kind in (DatasetKind.VIEW, DatasetKind.FOREIGN_TABLE) else []


async def _sizes(connection: Connection, names: Sequence[DatasetName]) -> Mapping[DatasetName, _Size]:
    rows = await connection.fetch(_SIZES, [name.schema for name in names], [name.name for name in names])
    return {DatasetName(row["schema"], row["name"]): _size(row) for row in rows}


def _size(row: asyncpg.Record) -> _Size:
    pages, counted = row["pages"], row["counted_pages"]
    known = row["tuples"] >= 0 and counted > 0
    rows = row["tuples"] / counted * pages if known else row["bytes"] / _GUESSED_ROW_BYTES
    return _Size(pages, round(rows) if pages else 0, row["bytes"] if pages else 0)


def _parts(size_bytes: int, target_bytes: int) -> int:
    return max(1, -(-size_bytes // target_bytes))


def _by_pages(dataset: DatasetName, leaf: DatasetName | None, size: _Size, target_bytes: int) -> Iterable[PlannedSlice]:
    parts = max(1, min(_parts(size.bytes, target_bytes), size.pages))
    rows, size_bytes = size.rows // parts, size.bytes // parts
    if parts == 1:
        return [PlannedSlice(dataset, Slice(leaf), rows, size_bytes)]
    bounds = [size.pages * part // parts for part in range(parts)]
    ranges = [PageRange(first, end) for first, end in zip(bounds, [*bounds[1:], None], strict=True)]
    return [PlannedSlice(dataset, Slice(leaf, pages), rows, size_bytes) for pages in ranges]


async def _by_keys(
    connection: Connection, dataset: Dataset, leaf: DatasetName | None, target_bytes: int
) -> Iterable[PlannedSlice]:
    """Cut what has no pages by a column's percentiles; the planner's estimate says into how many parts."""
    source = qualified(leaf or dataset.name)
    answer = await connection.fetchval(f"EXPLAIN (FORMAT JSON) SELECT * FROM {source}")  # noqa: S608 - quoted
    plan = json.loads(answer)[0]["Plan"]
    rows, size_bytes = plan["Plan Rows"], plan["Plan Rows"] * plan["Plan Width"]
    column = _key_column(dataset.columns)
    parts = _parts(size_bytes, target_bytes)
    bounds = await _bounds(connection, source, column, parts) if column and parts > 1 else []
    if not column or not bounds:
        return [PlannedSlice(dataset.name, Slice(leaf), rows, size_bytes)]
    edges = [None, *bounds, None]
    share = len(bounds) + 1
    return [
        PlannedSlice(dataset.name, Slice(leaf, _key_range(column, low, high)), rows // share, size_bytes // share)
        for low, high in pairwise(edges)
    ]


def _key_column(columns: Sequence[Column]) -> Column | None:
    suitable = [column for column in columns if _key_type(column.type) is not None]
    return min(suitable, key=lambda column: (_KEY_TYPES.index(column.type.base.name), column.position), default=None)


def _key_type(data_type: DataType) -> str | None:
    base = data_type.base
    return base.name if base.origin is TypeOrigin.BUILTIN and base.name in _KEY_TYPES else None


async def _bounds(connection: Connection, source: str, column: Column, parts: int) -> list[str]:
    fractions = [part / parts for part in range(1, parts)]
    key = f"{quoted(column.name)}::pg_catalog.{column.type.base.name}"
    # Both names are quoted, and the type is one of a fixed list.
    found = await connection.fetchval(
        f"SELECT percentile_disc($1::float8[]) WITHIN GROUP (ORDER BY {key})::text[] FROM {source}",  # noqa: S608
        fractions,
    )
    # A frequent value is several percentiles at once, and a column of NULLs has none.
    return list(dict.fromkeys(bound for bound in found or () if bound is not None))


def _key_range(column: Column, low: str | None, high: str | None) -> KeyRange:
    position = {"type": column.type.base.name, "low": low, "high": high}
    return KeyRange(column.name, json.dumps(position).encode())

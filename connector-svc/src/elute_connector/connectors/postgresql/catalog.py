"""Discover: read all that a database holds, in a fixed number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Sequence as Rows
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from elute_connector.connectors.postgresql import catalog_sql as sql
from elute_connector.connectors.postgresql.types import TypeResolver
from elute_connector.domain.catalog import (
    Catalog,
    Collation,
    Column,
    Dataset,
    DatasetKind,
    Extension,
    Generated,
    Identity,
    Leaf,
    LiteralKind,
    LiteralPlace,
    Partitioning,
    PartitionStrategy,
    Sequence,
)
from elute_connector.domain.constraint import (
    Check,
    Exclusion,
    ForeignKey,
    KeyKind,
    MatchKind,
    ReferentialAction,
    UniqueKey,
)
from elute_connector.domain.dataset_name import DatasetName

Connection: TypeAlias = "asyncpg.Connection | PoolConnectionProxy"
Row: TypeAlias = "asyncpg.Record"

_KINDS = {
    "r": DatasetKind.TABLE,
    "p": DatasetKind.PARTITIONED,
    "v": DatasetKind.VIEW,
    "m": DatasetKind.MATERIALIZED_VIEW,
    "f": DatasetKind.FOREIGN_TABLE,
}
_IDENTITIES = {"": Identity.NONE, "a": Identity.ALWAYS, "d": Identity.BY_DEFAULT}
_GENERATED = {"": Generated.NONE, "s": Generated.STORED, "v": Generated.VIRTUAL}
_STRATEGIES = {"r": PartitionStrategy.RANGE, "l": PartitionStrategy.LIST, "h": PartitionStrategy.HASH}
_ACTIONS = {
    "a": ReferentialAction.NO_ACTION,
    "r": ReferentialAction.RESTRICT,
    "c": ReferentialAction.CASCADE,
    "n": ReferentialAction.SET_NULL,
    "d": ReferentialAction.SET_DEFAULT,
}


async def discover(connection: Connection) -> Catalog:
    """Read the whole catalog under whatever transaction the caller has."""
    server = (await connection.fetch(sql.SERVER))[0]
    extensions = await connection.fetch(sql.EXTENSIONS)
    types = TypeResolver(await connection.fetch(sql.TYPES))
    relations = _Relations(
        relations=await connection.fetch(sql.RELATIONS),
        columns=await connection.fetch(sql.COLUMNS),
        keys=await connection.fetch(sql.UNIQUE_KEYS),
        constraints=await connection.fetch(sql.CONSTRAINTS),
        inheritance=await connection.fetch(sql.INHERITANCE),
        partition_keys=await connection.fetch(sql.PARTITION_KEYS),
        sequences=await connection.fetch(sql.SEQUENCES),
        literals=await connection.fetch(sql.LITERALS),
        types=types,
    )
    return Catalog(
        datasets=relations.datasets(),
        sequences=relations.all_sequences(),
        types=types.listed(),
        extensions=tuple(Extension(row["name"], row["version"], row["schema"]) for row in extensions),
        server_version=server["version"],
        encoding=server["encoding"],
        literals=relations.function_literals(),
    )


def _grouped(rows: Iterable[Row], key: str = "relation") -> dict[int, list[Row]]:
    groups: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    return groups


class _Relations:
    """The catalog's rows, put together to datasets; leaves fold into the root of their partition tree."""

    def __init__(
        self,
        *,
        relations: Rows[Row],
        columns: Rows[Row],
        keys: Rows[Row],
        constraints: Rows[Row],
        inheritance: Rows[Row],
        partition_keys: Rows[Row],
        sequences: Rows[Row],
        literals: Rows[Row],
        types: TypeResolver,
    ) -> None:
        self._rows: dict[int, Row] = {row["oid"]: row for row in relations}
        self._names = {oid: DatasetName(row["schema"], row["name"]) for oid, row in self._rows.items()}
        self._columns, self._keys, self._constraints = _grouped(columns), _grouped(keys), _grouped(constraints)
        self._partition_keys: dict[int, Row] = {row["relation"]: row for row in partition_keys}
        self._members = _grouped((row for row in inheritance if row["partition"]), "parent")
        self._children = _grouped((row for row in inheritance if not row["partition"]), "parent")
        self._parents = _grouped((row for row in inheritance if not row["partition"]), "child")
        self._root = {row["child"]: row["parent"] for row in inheritance if row["partition"]}
        self._sequences = sequences
        self._owned = _grouped((row for row in sequences if row["owner"]), "owner")
        self._literal_rows = literals
        self._literals = self._place_literals(literals)
        self._types = types

    def datasets(self) -> tuple[Dataset, ...]:
        """Build every dataset, ordered by name."""
        datasets = (self._dataset(oid, row) for oid, row in self._rows.items() if not row["partition"])
        return tuple(sorted(datasets, key=lambda dataset: dataset.name))

    def all_sequences(self) -> tuple[Sequence, ...]:
        """Build every sequence, ordered by name."""
        return tuple(
            Sequence(DatasetName(row["schema"], row["name"]), self._names.get(row["owner"]), row["owner_column"])
            for row in self._sequences
        )

    def function_literals(self) -> tuple[LiteralPlace, ...]:
        """The functions whose bodies hold constants."""
        rows = (row for row in self._literal_rows if row["kind"] == "function")
        return tuple(sorted(LiteralPlace(LiteralKind.FUNCTION, row["name"]) for row in rows))

    def _dataset(self, oid: int, row: Row) -> Dataset:
        leaves = self._leaves(oid, (), hashes_user_type=False)
        stored = [self._rows[leaf] for leaf, _ in leaves] or [row]
        counted = [item["tuples"] for item in stored]
        constraints = self._constraints[oid]
        return Dataset(
            name=self._names[oid],
            kind=_KINDS[row["kind"]],
            columns=tuple(self._column(item) for item in self._columns[oid]),
            keys=tuple(_unique_key(item) for item in self._keys[oid]),
            foreign_keys=tuple(_foreign_key(item) for item in constraints if item["kind"] == "f"),
            checks=tuple(
                Check(item["name"], tuple(item["columns"]), item["validated"])
                for item in constraints
                if item["kind"] == "c"
            ),
            exclusions=tuple(_exclusion(item) for item in constraints if item["kind"] in "xpu"),
            partitioning=self._partitioning(oid, tuple(leaf for _, leaf in leaves)),
            parents=tuple(self._names[item["parent"]] for item in self._parents[oid]),
            children=tuple(self._names[item["child"]] for item in self._children[oid]),
            literals=tuple(sorted(self._literals[oid])),
            row_security=row["row_security"],
            owned_sequences=tuple(DatasetName(item["schema"], item["name"]) for item in self._owned[oid]),
            rows=None if min(counted) < 0 else int(sum(counted)),
            size_bytes=sum(item["size_bytes"] for item in stored),
            pages=sum(item["pages"] for item in stored),
        )

    def _column(self, row: Row) -> Column:
        collation = (
            Collation(row["collation_schema"], row["collation"], row["deterministic"]) if row["collation"] else None
        )
        return Column(
            name=row["name"],
            position=row["position"],
            type=self._types.resolve(row["type_oid"], row["typmod"]),
            nullable=row["nullable"],
            has_default=row["has_default"] and row["generated"] == "",
            identity=_IDENTITIES[row["identity"]],
            generated=_GENERATED[row["generated"]],
            collation=collation,
        )

    def _partitioning(self, oid: int, leaves: tuple[Leaf, ...]) -> Partitioning | None:
        key = self._partition_keys.get(oid)
        if key is None:
            return None
        return Partitioning(_STRATEGIES[key["strategy"]], tuple(key["columns"]), key["expression"], leaves)

    def _leaves(self, oid: int, above: tuple[str, ...], *, hashes_user_type: bool) -> list[tuple[int, Leaf]]:
        """Walk a partition tree down to its leaves, gathering the key columns of every level."""
        key = self._partition_keys.get(oid)
        if key is None:
            return []
        columns = above + tuple(name for name in key["columns"] if name not in above)
        hashed = hashes_user_type or key["hashes_user_type"]
        found: list[tuple[int, Leaf]] = []
        for member in self._members[oid]:
            child = member["child"]
            if child in self._partition_keys:
                found += self._leaves(child, columns, hashes_user_type=hashed)
            else:
                found.append((child, Leaf(self._names[child], _KINDS[self._rows[child]["kind"]], columns, hashed)))
        return found

    def _place_literals(self, rows: Rows[Row]) -> dict[int, list[LiteralPlace]]:
        places: dict[int, list[LiteralPlace]] = defaultdict(list)
        for row in rows:
            oid = row["relation"]
            if oid is None:
                continue
            name = row["name"]
            if oid in self._root:
                name = ".".join(part for part in (str(self._names[oid]), name) if part)
            while oid in self._root:
                oid = self._root[oid]
            places[oid].append(LiteralPlace(LiteralKind(row["kind"]), name))
        return places


def _unique_key(row: Row) -> UniqueKey:
    kind = KeyKind.CONSTRAINT if row["is_constraint"] else KeyKind.INDEX
    return UniqueKey(
        name=row["name"],
        columns=tuple(row["columns"]),
        kind=KeyKind.PRIMARY if row["is_primary"] else kind,
        partial=row["partial"],
        expression=row["expression"],
        nulls_not_distinct=row["nulls_not_distinct"],
        deferrable=row["deferrable"],
        deterministic=row["deterministic"],
        read_columns=tuple(row["read_columns"]),
    )


def _foreign_key(row: Row) -> ForeignKey:
    return ForeignKey(
        name=row["name"],
        columns=tuple(row["columns"]),
        target=DatasetName(row["target_schema"], row["target_name"]),
        target_columns=tuple(row["target_columns"]),
        deferrable=row["deferrable"],
        validated=row["validated"],
        match=MatchKind.FULL if row["match"] == "f" else MatchKind.SIMPLE,
        on_update=_ACTIONS[row["on_update"]],
        on_delete=_ACTIONS[row["on_delete"]],
    )


def _exclusion(row: Row) -> Exclusion:
    columns = tuple(row["columns"])
    return Exclusion(row["name"], columns + tuple(name for name in row["read_columns"] if name not in columns))

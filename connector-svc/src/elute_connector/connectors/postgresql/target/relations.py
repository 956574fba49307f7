"""The relations of a database, and which of them belong to the selected datasets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from elute_connector.connectors.postgresql.catalog import Connection
from elute_connector.domain.dataset_name import DatasetName

_QUERY = r"""
WITH RECURSIVE named AS (
    SELECT c.oid, n.nspname, c.relname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE (n.nspname, c.relname) IN (SELECT * FROM unnest($1::text[], $2::text[]))
), chosen(oid) AS (
    SELECT oid FROM named
    UNION
    SELECT c.oid FROM chosen JOIN pg_inherits i ON i.inhparent = chosen.oid
    JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition
)
SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
       c.oid IN (SELECT oid FROM chosen) AS chosen, c.relispartition AS partition,
       has_table_privilege(c.oid, 'SELECT') AS readable
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND c.relpersistence <> 't'
  AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname
"""


class RelationKind(Enum):
    """What a relation is, by the letter of `pg_class.relkind`."""

    TABLE = "r"
    PARTITIONED = "p"
    FOREIGN = "f"
    VIEW = "v"
    MATERIALIZED_VIEW = "m"


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation of one database.

    Attributes:
        oid: Its row in `pg_class`.
        name: Its name.
        kind: What it is.
        chosen: Whether it is a selected dataset, or a partition of one.
        partition: Whether it is a partition of another.
        readable: Whether the role may read its rows.
    """

    oid: int
    name: DatasetName
    kind: RelationKind
    chosen: bool
    partition: bool
    readable: bool

    @property
    def lockable(self) -> bool:
        """Whether pg_dump locks it, for which its role must be able to read it."""
        return self.kind in {RelationKind.TABLE, RelationKind.PARTITIONED}

    @property
    def holds_rows(self) -> bool:
        """Whether rows are stored in it, or in its partitions, by the people who use it."""
        return self.kind in {RelationKind.TABLE, RelationKind.PARTITIONED, RelationKind.FOREIGN}


async def read(connection: Connection, datasets: Sequence[DatasetName]) -> tuple[Relation, ...]:
    """Answer all relations of a database, ordered by name, those of extensions and of the system left out."""
    rows = await connection.fetch(_QUERY, [name.schema for name in datasets], [name.name for name in datasets])
    return tuple(
        Relation(
            oid=row["oid"],
            name=DatasetName(row["schema"], row["name"]),
            kind=RelationKind(row["kind"]),
            chosen=row["chosen"],
            partition=row["partition"],
            readable=row["readable"],
        )
        for row in rows
    )

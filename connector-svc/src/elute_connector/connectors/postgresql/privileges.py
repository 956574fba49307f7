"""Check: which privileges the session's role lacks for reading or filling datasets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from elute_connector.connectors.postgresql.catalog import Connection
from elute_connector.domain.connector import Role
from elute_connector.domain.dataset_name import DatasetName


class Lack(StrEnum):
    """What a role cannot do with a dataset."""

    MISSING = "missing"
    """There is no such dataset."""
    USAGE = "usage"
    """Enter its schema."""
    SELECT = "select"
    """Read it, or a leaf of it: leaves are read by their own names."""
    INSERT = "insert"
    """Write rows into it."""
    OWNERSHIP = "ownership"
    """Empty it, and drop and restore its keys and triggers, which only its owner may."""
    EVERY_ROW = "every_row"
    """See all its rows: a row policy applies to the role."""


@dataclass(frozen=True, slots=True)
class PrivilegeFinding:
    """One thing that a role cannot do with one dataset."""

    dataset: DatasetName
    lack: Lack


# A role of a partition's leaves is asked for as well, each for itself.
_LACKS = """
WITH RECURSIVE wanted AS (
    SELECT r.place, r.schema, r.name, n.oid AS namespace, c.oid AS relation, c.relkind
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY r(schema, name, place)
    LEFT JOIN pg_namespace n ON n.nspname = r.schema
    LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = r.name),
member AS (
    SELECT place, relation, relkind FROM wanted WHERE relation IS NOT NULL
    UNION ALL
    SELECT m.place, c.oid, c.relkind FROM member m JOIN pg_inherits i ON i.inhparent = m.relation
    JOIN pg_class c ON c.oid = i.inhrelid WHERE m.relkind = 'p')
SELECT w.schema, w.name, lack.name AS lack
FROM wanted w CROSS JOIN LATERAL (
    SELECT 'missing' AS name WHERE w.relation IS NULL
    UNION ALL SELECT 'usage' WHERE NOT has_schema_privilege(w.namespace, 'USAGE')
    UNION ALL SELECT 'select' WHERE EXISTS (
        SELECT FROM member m WHERE m.place = w.place AND NOT has_table_privilege(m.relation, 'SELECT'))
    UNION ALL SELECT 'insert' WHERE $3 AND EXISTS (
        SELECT FROM member m WHERE m.place = w.place AND NOT has_table_privilege(m.relation, 'INSERT'))
    UNION ALL SELECT 'ownership' WHERE $3 AND EXISTS (
        SELECT FROM member m JOIN pg_class c ON c.oid = m.relation
        WHERE m.place = w.place AND NOT pg_has_role(c.relowner, 'USAGE'))
    UNION ALL SELECT 'every_row' WHERE EXISTS (
        SELECT FROM member m WHERE m.place = w.place AND row_security_active(m.relation))) lack
ORDER BY w.place
"""


async def privilege_findings(
    connection: Connection, role: Role, datasets: Sequence[DatasetName]
) -> tuple[PrivilegeFinding, ...]:
    """Answer all that the session's role cannot do with the datasets, in their order, in one query.

    Args:
        connection: A session of the role.
        role: What the datasets are for; a target's tables are emptied, filled, and lose their keys meanwhile.
        datasets: Their names.
    """
    schemas, names = [name.schema for name in datasets], [name.name for name in datasets]
    rows = await connection.fetch(_LACKS, schemas, names, role is Role.TARGET)
    return tuple(PrivilegeFinding(DatasetName(row["schema"], row["name"]), Lack(row["lack"])) for row in rows)

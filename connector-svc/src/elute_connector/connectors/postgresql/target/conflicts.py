"""What stands in the way of a schema that is to be made: what may go, what can stay, and what forbids it.

Selected tables that exist go, and with them what comes back from the source. Anything else that would go with them
forbids the run: nothing that the pipeline does not select is ever touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from elute_connector.connectors.postgresql.catalog import Connection
from elute_connector.connectors.postgresql.target.archive import Entry
from elute_connector.connectors.postgresql.target.relations import Relation
from elute_connector.domain.dataset_name import DatasetName
from elute_wire.errors import Problem

# What DROP … CASCADE would take along. `own` is what is part of a dropped table (automatic and internal
# dependencies); `other` is what depends on it and stands for itself. A view hangs on its query's rule.
_GONE = """
WITH RECURSIVE gone(classid, objid, own, other) AS (
    SELECT 'pg_class'::regclass::oid, dropped, true, false FROM unnest($1::oid[]) dropped
    UNION
    SELECT next.classid, next.objid, g.own AND next.part, NOT next.part
    FROM gone g CROSS JOIN LATERAL (
        SELECT CASE WHEN w.oid IS NULL THEN d.classid ELSE 'pg_class'::regclass::oid END AS classid,
               coalesce(w.ev_class, d.objid) AS objid, d.deptype IN ('a', 'i', 'P', 'S') AS part
        FROM pg_depend d
        LEFT JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid AND w.rulename = '_RETURN'
        WHERE d.refclassid = g.classid AND d.refobjid = g.objid
          AND (d.classid, d.objid) <> (g.classid, g.objid)) next)
SELECT classid, objid, bool_or(other) AND NOT bool_or(own) AS other,
       (pg_identify_object(classid, objid, 0)).type AS kind,
       (pg_identify_object(classid, objid, 0)).identity AS identity
FROM gone GROUP BY classid, objid
"""


_PG_CLASS = 1259
"""The catalog of relations, as the server's own headers number it."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a schema gets into a target.

    Attributes:
        dropped: The tables that go; with CASCADE, because all that it reaches comes back.
        locks_per_table: The locks that dropping one of them takes, on average.
        made: The entries to make, in order.
        reused: The entries that exist already, equal.
        problems: What forbids it; then nothing else counts.
    """

    dropped: tuple[DatasetName, ...]
    locks_per_table: int
    made: tuple[Entry, ...]
    reused: tuple[Entry, ...]
    problems: tuple[Problem, ...]


async def dependents(connection: Connection, tables: Sequence[Relation]) -> frozenset[tuple[int, int]]:
    """Answer all that hangs on tables, themselves included: catalog and row of each."""
    rows = await connection.fetch(_GONE, [relation.oid for relation in tables])
    return frozenset((row["classid"], row["objid"]) for row in rows)


async def clear(
    connection: Connection, kept: Sequence[Entry], existing: Sequence[Entry], standing: Sequence[Relation]
) -> Way:
    """Find the way for a schema into a target.

    Args:
        connection: A session of the target.
        kept: What is to be made.
        existing: The target's own schema.
        standing: The target's relations, those marked whose names the selection has, and their partitions.
    """
    dropped = [relation for relation in standing if relation.chosen and relation.holds_rows]
    keys = {entry.key for entry in kept}
    by_row = {(entry.catalog, entry.oid): entry for entry in existing if entry.oid}
    gone: set[tuple[int, int]] = set()
    problems: list[Problem] = []
    for row in await connection.fetch(_GONE, [relation.oid for relation in dropped]):
        entry = by_row.get((row["classid"], row["objid"]))
        gone.add((row["classid"], row["objid"]))
        if row["other"] and (entry is None or entry.key not in keys):
            problems.append(
                Problem(
                    code="unselected-dependent",
                    message=f"{row['kind']} {row['identity']} in the target depends on a table that is to be replaced",
                    hint="drop it in the target, or select its own table too",
                )
            )
    made, reused, differing = _compare(kept, _left(existing, gone))
    locks = sum(catalog == _PG_CLASS for catalog, _ in gone)
    return Way(
        dropped=tuple(relation.name for relation in dropped),
        locks_per_table=locks // max(1, len(dropped)) + 1,
        made=made,
        reused=reused,
        problems=(*problems, *differing),
    )


def _left(existing: Sequence[Entry], gone: set[tuple[int, int]]) -> list[Entry]:
    """Answer the entries that stay: not what goes, nor what depends on it."""
    lost: set[int] = set()
    for entry in existing:
        if (entry.catalog, entry.oid) in gone or not lost.isdisjoint(entry.depends):
            lost.add(entry.id)
    return [entry for entry in existing if entry.id not in lost]


def _compare(
    kept: Sequence[Entry], left: Sequence[Entry]
) -> tuple[tuple[Entry, ...], tuple[Entry, ...], tuple[Problem, ...]]:
    """Sort what is to be made into what must be, what is there already, and what is there otherwise."""
    by_key = {entry.key: entry for entry in left}
    # Tables, views, sequences and indexes share one space of names in each schema.
    kinds = {(entry.schema, entry.name): entry.kind for entry in left if entry.kind in _SHARED_NAMES}
    made: list[Entry] = []
    reused: list[Entry] = []
    problems: list[Problem] = []
    for entry in kept:
        there = by_key.get(entry.key)
        if there is not None and (there.sql == entry.sql or entry.kind == "SCHEMA"):
            reused.append(entry)
        elif there is not None:
            problems.append(_differs(entry, entry.kind, "differently"))
        elif entry.kind in _SHARED_NAMES and (entry.schema, entry.name) in kinds:
            problems.append(
                _differs(entry, kinds[entry.schema, entry.name], f"as a {entry.kind.lower()} is to be made")
            )
        else:
            made.append(entry)
    return tuple(made), tuple(reused), tuple(problems)


_SHARED_NAMES = frozenset({"TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE", "SEQUENCE", "INDEX"})


def _differs(entry: Entry, kind: str, how: str) -> Problem:
    return Problem(
        code="exists-differently",
        message=f"{kind.lower()} {entry.label} exists in the target {how}",
        hint="drop or rename it in the target, or make it equal to the source's",
    )

"""Structure `keep`: the target's own tables are emptied and filled.

Their indexes stay: they are the target's own, and a row that a unique index refuses is better known at once. Foreign
keys are dropped and triggers are disabled while rows arrive in any order. What brings them back is written into the
run's work in the same transaction, so that it survives any crash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import asyncpg

from elute_connector.connectors.postgresql.catalog import Connection
from elute_connector.connectors.postgresql.identifiers import qualified
from elute_connector.connectors.postgresql.target import relations, work
from elute_connector.connectors.postgresql.target.change import Change, lock_budget, packed
from elute_connector.connectors.postgresql.target.create import refuse
from elute_connector.connectors.postgresql.target.relations import Relation, RelationKind
from elute_connector.connectors.postgresql.target.work import Phase, WorkItem
from elute_connector.domain.dataset_name import DatasetName
from elute_wire.errors import Problem

# A foreign key of a partitioned table cannot be NOT VALID before version 18, and one that refers to a partitioned table
# then stays so towards its leaves; one that is not enforced, nor was valid, is not validated. The keys of partitions
# that have a parent come and go with it.
_FOREIGN_KEYS = """
SELECT c.conrelid AS oid, c.confrelid AS target, c.conname::text AS name, c.conrelid::regclass::text AS "table",
       'p' IN (t.relkind, r.relkind) AS partitioned, c.conrelid = ANY ($1) AS ours,
       c.convalidated AND coalesce((to_jsonb(c) ->> 'conenforced')::bool, true) AS validated,
       format('ALTER TABLE %s DROP CONSTRAINT %I;', c.conrelid::regclass, c.conname) AS drop,
       format('ALTER TABLE %s ADD CONSTRAINT %I %s', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid))
           AS add,
       format('ALTER TABLE %s VALIDATE CONSTRAINT %I;', c.conrelid::regclass, c.conname) AS validate,
       format(E'\\nCOMMENT ON CONSTRAINT %I ON %s IS %L;', c.conname, c.conrelid::regclass,
              obj_description(c.oid, 'pg_constraint')) AS comment,
       obj_description(c.oid, 'pg_constraint') IS NOT NULL AS commented
FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid JOIN pg_class r ON r.oid = c.confrelid
WHERE c.contype = 'f' AND c.conparentid = 0 AND (c.conrelid = ANY ($1) OR c.confrelid = ANY ($1))
ORDER BY 4, 3
"""

_INDEXES = "SELECT indrelid AS oid, count(*) AS indexes FROM pg_index WHERE indrelid = ANY ($1) GROUP BY 1"
# A table and its overflow table with an index; two tables and an index of a foreign key.
_TABLE_LOCKS, _OPENING_LOCKS = 3, 3

# The triggers that would fire; each copy of a partitioned table's trigger has a state of its own.
_TRIGGERS = """
SELECT t.tgname::text AS name, t.tgrelid::regclass::text AS "table",
       format('ALTER TABLE ONLY %s DISABLE TRIGGER %I;', t.tgrelid::regclass, t.tgname) AS disable,
       format('ALTER TABLE ONLY %s ENABLE %s TRIGGER %I;', t.tgrelid::regclass,
              CASE t.tgenabled WHEN 'A' THEN 'ALWAYS' ELSE '' END, t.tgname) AS enable
FROM pg_trigger t
WHERE t.tgrelid = ANY ($1) AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') ORDER BY 2, 1
"""


@dataclass(frozen=True, slots=True)
class Opening:
    """What is taken away for the time of the load, and what brings it back."""

    sql: str
    items: tuple[WorkItem, ...]


async def change(connection: Connection, run_id: str, datasets: Sequence[DatasetName]) -> Change:
    """Plan how the selected tables are emptied and rows let in; changes nothing yet.

    Raises:
        PlanRefused: A table is missing, or a table that is not selected references one that is.
    """
    chosen = [relation for relation in await relations.read(connection, datasets) if relation.chosen]
    refuse(await obstacles(connection, datasets, chosen))
    oids = [relation.oid for relation in chosen]
    openings = [_without_key(row) for row in await connection.fetch(_FOREIGN_KEYS, oids)]
    openings += [_without_trigger(row) for row in await connection.fetch(_TRIGGERS, oids)]
    indexes = {row["oid"]: row["indexes"] for row in await connection.fetch(_INDEXES, oids)}
    parts: list[tuple[int, Opening | Relation]] = [(_OPENING_LOCKS, opening) for opening in openings]
    parts += [(_TABLE_LOCKS + indexes.get(relation.oid, 0), relation) for relation in chosen]
    portions = packed(parts, await lock_budget(connection))
    return Change(tuple(partial(_empty, run_id=run_id, portion=portion) for portion in portions))


async def _empty(connection: Connection, *, run_id: str, portion: Sequence[Opening | Relation]) -> None:
    openings = [part for part in portion if isinstance(part, Opening)]
    await work.insert(connection, run_id, [item for opening in openings for item in opening.items])
    await truncate(
        connection,
        [part for part in portion if isinstance(part, Relation)],
        before=[opening.sql for opening in openings],
    )


def _without_key(row: asyncpg.Record) -> Opening:
    label, table, comment = f"{row['table']}.{row['name']}", row["table"], row["comment"] if row["commented"] else ""
    if not row["validated"] or row["partitioned"]:
        return Opening(row["drop"], (WorkItem(Phase.FOREIGN_KEY, label, f"{row['add']};{comment}", table),))
    adding = WorkItem(Phase.FOREIGN_KEY, label, f"{row['add']} NOT VALID;{comment}", table)
    return Opening(row["drop"], (adding, WorkItem(Phase.VALIDATION, label, row["validate"], table)))


def _without_trigger(row: asyncpg.Record) -> Opening:
    item = WorkItem(Phase.TRIGGER, f"{row['table']}.{row['name']}", row["enable"], row["table"])
    return Opening(row["disable"], (item,))


async def obstacles(
    connection: Connection, datasets: Sequence[DatasetName], chosen: Sequence[Relation]
) -> tuple[Problem, ...]:
    """Answer why tables cannot be emptied.

    Args:
        connection: A session of the target.
        datasets: The selected datasets.
        chosen: The target's relations that they are, with their partitions.
    """
    by_name = {relation.name: relation for relation in chosen}
    problems = [
        Problem(
            "no-such-target",
            f"the target has no table {name}",
            hint="make it, or use structure `create`",
            dataset=str(name),
        )
        for name in datasets
        if name not in by_name
    ]
    problems += [
        Problem("not-a-table", f"{relation.name} is no table in the target", dataset=str(relation.name))
        for relation in chosen
        if relation.kind not in {RelationKind.TABLE, RelationKind.PARTITIONED}
    ]
    problems += [
        Problem(
            "referenced",
            f"the table {row['table']}, which is not selected, references a selected one by {row['name']}",
            hint="select that table too, or drop its foreign key in the target",
        )
        for row in await connection.fetch(_FOREIGN_KEYS, [relation.oid for relation in chosen])
        if not row["ours"]
    ]
    return tuple(problems)


async def truncate(connection: Connection, chosen: Sequence[Relation], *, before: Sequence[str] = ()) -> None:
    """Empty tables by one statement that names them all, after statements that let it.

    Tables that inherit from one of them are datasets of their own, and stay as they are.
    """
    names = [
        qualified(relation.name) if relation.kind is RelationKind.PARTITIONED else f"ONLY {qualified(relation.name)}"
        for relation in chosen
    ]
    statements = [*before, f"TRUNCATE {', '.join(names)};"] if names else before
    if statements:
        await connection.execute("\n".join(statements))

"""Structure `keep`: the target's own tables are emptied and filled.

Their indexes stay: they are the target's own, and a row that a unique index refuses is better known at once. Foreign
keys are dropped and triggers are disabled while rows arrive in any order. What brings them back is written into the
run's work in the same transaction, so that it survives any crash.
"""

from __future__ import annotations

from collections.abc import Sequence

from elute_connector.connectors.postgresql.catalog import Connection
from elute_connector.connectors.postgresql.identifiers import qualified
from elute_connector.connectors.postgresql.target import relations
from elute_connector.connectors.postgresql.target.create import refuse
from elute_connector.connectors.postgresql.target.relations import Relation, RelationKind
from elute_connector.connectors.postgresql.target.work import Phase, WorkItem
from elute_connector.domain.dataset_name import DatasetName
from elute_wire.errors import Problem

# A foreign key of a partitioned table cannot be NOT VALID before version 18; one that is not enforced, nor was
# valid, is not validated. The keys of partitions that have a parent come and go with it.
_FOREIGN_KEYS = """
SELECT c.conrelid AS oid, c.confrelid AS target, c.conname::text AS name, c.conrelid::regclass::text AS "table",
       t.relkind = 'p' AS partitioned, c.conrelid = ANY ($1) AS ours,
       c.convalidated AND coalesce((to_jsonb(c) ->> 'conenforced')::bool, true) AS validated,
       format('ALTER TABLE %s DROP CONSTRAINT %I;', c.conrelid::regclass, c.conname) AS drop,
       format('ALTER TABLE %s ADD CONSTRAINT %I %s', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid))
           AS add,
       format('ALTER TABLE %s VALIDATE CONSTRAINT %I;', c.conrelid::regclass, c.conname) AS validate,
       format(E'\\nCOMMENT ON CONSTRAINT %I ON %s IS %L;', c.conname, c.conrelid::regclass,
              obj_description(c.oid, 'pg_constraint')) AS comment,
       obj_description(c.oid, 'pg_constraint') IS NOT NULL AS commented
FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
WHERE c.contype = 'f' AND c.conparentid = 0 AND (c.conrelid = ANY ($1) OR c.confrelid = ANY ($1))
ORDER BY 4, 3
"""

# The triggers that would fire; each copy of a partitioned table's trigger has a state of its own.
_TRIGGERS = """
SELECT t.tgname::text AS name, t.tgrelid::regclass::text AS "table",
       format('ALTER TABLE ONLY %s DISABLE TRIGGER %I;', t.tgrelid::regclass, t.tgname) AS disable,
       format('ALTER TABLE ONLY %s ENABLE %s TRIGGER %I;', t.tgrelid::regclass,
              CASE t.tgenabled WHEN 'A' THEN 'ALWAYS' ELSE '' END, t.tgname) AS enable
FROM pg_trigger t
WHERE t.tgrelid = ANY ($1) AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') ORDER BY 2, 1
"""


async def apply(connection: Connection, datasets: Sequence[DatasetName]) -> list[WorkItem]:
    """Empty the selected tables and let rows in, in the caller's transaction.

    Returns:
        What brings foreign keys and triggers back once the rows are in.

    Raises:
        PlanRefused: A table is missing, or a table that is not selected references one that is.
        StoreError: A statement failed.
    """
    chosen = [relation for relation in await relations.read(connection, datasets) if relation.chosen]
    refuse(await obstacles(connection, datasets, chosen))
    oids = [relation.oid for relation in chosen]
    keys = await connection.fetch(_FOREIGN_KEYS, oids)
    triggers = await connection.fetch(_TRIGGERS, oids)
    await truncate(connection, chosen, before=[*(row["drop"] for row in keys), *(row["disable"] for row in triggers)])
    items: list[WorkItem] = []
    for row in keys:
        label, table, comment = (
            f"{row['table']}.{row['name']}",
            row["table"],
            row["comment"] if row["commented"] else "",
        )
        later = row["validated"] and not row["partitioned"]
        items.append(
            WorkItem(Phase.FOREIGN_KEY, label, f"{row['add']}{' NOT VALID' if later else ''};{comment}", table)
        )
        if later:
            items.append(WorkItem(Phase.VALIDATION, label, row["validate"], table))
    return items + [
        WorkItem(Phase.TRIGGER, f"{row['table']}.{row['name']}", row["enable"], row["table"]) for row in triggers
    ]


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
    await connection.execute("\n".join([*before, f"TRUNCATE {', '.join(names)};"] if names else before))

"""The mark that a run leaves in its target while the target is not whole: a row of `elute.run`.

It makes a half-loaded target recognizable to people and to other runs, and keeps two runs off the same dataset. The
schema `elute` holds it, beside the fences; whoever made the schema, it goes again with its last table if we made it.
"""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from elute_connector.connectors.postgresql.catalog import Connection
from elute_connector.connectors.postgresql.target.fence import SCHEMA, fence_of, relation
from elute_connector.connectors.postgresql.target.work import work_table
from elute_connector.domain.dataset_name import DatasetName
from elute_connector.domain.target import RunMarker, RunState, Structure
from elute_wire.errors import Problem, StoreForbidden

_OURS = "made by Elute for the time of its runs"
# Any constant: all that changes what the schema holds waits for one another.
_ADVISORY_KEY = 0x656C757465
_TABLE = f"""
    CREATE TABLE IF NOT EXISTS {SCHEMA}.run (
        run_id text PRIMARY KEY,
        structure text NOT NULL,
        state text NOT NULL,
        started timestamptz NOT NULL DEFAULT now(),
        datasets text[][] NOT NULL,
        sequences text[][] NOT NULL DEFAULT '{{}}'
    )
"""


async def open_schema(connection: Connection) -> None:
    """Make the schema and the table of runs, where missing, and keep others from both until the transaction ends.

    Raises:
        StoreForbidden: The role may not make them.
    """
    await connection.execute(f"SELECT pg_advisory_xact_lock({_ADVISORY_KEY})")
    exists = await connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", SCHEMA)
    try:
        if not exists:
            await connection.execute(f"CREATE SCHEMA {SCHEMA}; COMMENT ON SCHEMA {SCHEMA} IS '{_OURS}'")
        await connection.execute(_TABLE)
    except asyncpg.InsufficientPrivilegeError:
        raise StoreForbidden(
            f"preparing the target: the role may not make the schema {SCHEMA}, or tables in it",
            hint=f"as an owner of the database: CREATE SCHEMA {SCHEMA}; GRANT USAGE, CREATE ON SCHEMA {SCHEMA} TO …",
        ) from None


async def insert(connection: Connection, run_id: str, structure: Structure, datasets: Sequence[DatasetName]) -> None:
    """Mark that a run has begun to change datasets."""
    await connection.execute(
        f"INSERT INTO {SCHEMA}.run (run_id, structure, state, datasets) VALUES ($1, $2, $3, $4)",  # noqa: S608
        run_id,
        structure.value,
        RunState.PREPARING.value,
        [[name.schema, name.name] for name in datasets],
    )


async def read_all(connection: Connection) -> tuple[RunMarker, ...]:
    """Answer every run that is in this target now, or was left in it."""
    if not await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{SCHEMA}.run"):
        return ()
    rows = await connection.fetch(f"SELECT * FROM {SCHEMA}.run ORDER BY started")  # noqa: S608
    return tuple(
        RunMarker(
            run_id=row["run_id"],
            structure=Structure(row["structure"]),
            state=RunState(row["state"]),
            started=row["started"],
            datasets=tuple(DatasetName(*name) for name in row["datasets"]),
            sequences=tuple(DatasetName(*name) for name in row["sequences"]),
        )
        for row in rows
    )


async def read(connection: Connection, run_id: str) -> RunMarker | None:
    """Answer the mark of a run; None when it has none."""
    return next((marker for marker in await read_all(connection) if marker.run_id == run_id), None)


def overlaps(markers: Sequence[RunMarker], datasets: Sequence[DatasetName], *, run_id: str = "") -> tuple[Problem, ...]:
    """Answer a problem for every dataset that another run has begun to load."""
    wanted = set(datasets)
    return tuple(
        Problem(
            code="half-loaded",
            message=f"{name} is half-loaded by run {marker.run_id} since {marker.started:%Y-%m-%d %H:%M:%S} UTC",
            hint=f"go on with `elute runs resume {marker.run_id}`, "
            f"or bring the target back to valid keys with `elute runs repair {marker.run_id}`",
            dataset=str(name),
        )
        for marker in markers
        if marker.run_id != run_id
        for name in marker.datasets
        if name in wanted
    )


async def set_loading(connection: Connection, run_id: str, sequences: Sequence[DatasetName]) -> None:
    """Mark that rows may come, and write down the sequences that the run made."""
    await connection.execute(
        f"UPDATE {SCHEMA}.run SET state = $2, sequences = $3 WHERE run_id = $1",  # noqa: S608
        run_id,
        RunState.LOADING.value,
        [[name.schema, name.name] for name in sequences],
    )


async def set_finishing(connection: Connection, run_id: str) -> None:
    """Mark that the rows of a run are in, and nothing may be loaded anew."""
    await connection.execute(
        f"UPDATE {SCHEMA}.run SET state = $2 WHERE run_id = $1",  # noqa: S608
        run_id,
        RunState.FINISHING.value,
    )


async def remove(connection: Connection, run_id: str) -> None:
    """Remove all that a run left here beside its rows, in one transaction; nothing when it is gone already."""
    async with connection.transaction():
        await open_schema(connection)
        await connection.execute(f"DROP TABLE IF EXISTS {relation(fence_of(run_id))}, {work_table(run_id)}")
        await connection.execute(f"DELETE FROM {SCHEMA}.run WHERE run_id = $1", run_id)  # noqa: S608
        if not await connection.fetchval(f"SELECT EXISTS (SELECT FROM {SCHEMA}.run)"):  # noqa: S608
            await connection.execute(f"DROP TABLE {SCHEMA}.run")
            await _drop_schema(connection)


async def _drop_schema(connection: Connection) -> None:
    """Drop the schema if it is ours and empty."""
    ours = await connection.fetchval(
        """SELECT pg_has_role(n.nspowner, 'USAGE') AND obj_description(n.oid, 'pg_namespace') = $2
                  AND NOT EXISTS (SELECT FROM pg_depend d
                                  WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid)
           FROM pg_namespace n WHERE n.nspname = $1""",
        SCHEMA,
        _OURS,
    )
    if ours:
        await connection.execute(f"DROP SCHEMA {SCHEMA}")

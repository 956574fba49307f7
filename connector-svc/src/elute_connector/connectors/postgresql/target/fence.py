"""The fence: the table of a run, in its target, that decides whose rows count.

It has one row per partition. A loader claims its partition with an epoch higher than any before, locks the row with
the first statement of its transaction, and sets it done in the transaction that writes the rows. It never inserts
here: once the run has ended and the table is gone, a loader that wakes up late finds nothing to lock.
"""

# ruff: noqa: S608 - names come from `relation`, which quotes them

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import asyncpg

from elute_connector.connectors.postgresql.catalog import Connection
from elute_connector.connectors.postgresql.errors import mapped
from elute_connector.connectors.postgresql.identifiers import quoted
from elute_connector.domain.dataset_name import DatasetName
from elute_connector.domain.target import Fence, FencePartition
from elute_wire.errors import FenceLost, InvalidRequest, Place

SCHEMA = "elute"
"""The schema in the target that holds what runs need there."""

_UNREACHABLE = 2**63 - 1
_TERMINATE_MILLISECONDS = 5000
_LOCK_MILLISECONDS = 5000
# What is left of PostgreSQL's 63 bytes beside the longest prefix.
_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,56}")


def fence_of(run_id: str) -> Fence:
    """Name the fence of a run.

    Raises:
        InvalidRequest: The run's id cannot be part of a table's name.
    """
    if not _RUN_ID.fullmatch(run_id):
        raise InvalidRequest("naming a fence: a run's id has 1 to 56 letters, digits, '-' or '_'")
    return Fence(SCHEMA, f"fence_{run_id}")


def relation(fence: Fence) -> str:
    """Write the fence's qualified name."""
    return f"{quoted(fence.schema)}.{quoted(fence.table)}"


async def create(connection: Connection, fence: Fence) -> None:
    """Make the fence's empty table."""
    await connection.execute(
        f"""CREATE TABLE {relation(fence)} (
            partition_id text PRIMARY KEY,
            datasets text[][] NOT NULL,
            epoch bigint NOT NULL DEFAULT 0,
            claimant_pid integer,
            claimant_start timestamptz,
            done boolean NOT NULL DEFAULT false,
            result bytea
        )"""
    )


async def insert(connection: Connection, fence: Fence, partitions: Sequence[FencePartition]) -> None:
    """Add the rows of partitions; only the preparation of a target does so."""
    rows = [(p.id, [[name.schema, name.name] for name in p.datasets]) for p in partitions]
    await connection.executemany(f"INSERT INTO {relation(fence)} (partition_id, datasets) VALUES ($1, $2)", rows)


async def retire(connection: Connection, fence: Fence, partition_ids: Sequence[str]) -> None:
    """Remove the rows of partitions, after the loaders that still work on them have been ended.

    Call it in a transaction: until its end the rows are locked, so nobody can begin to load them.

    Raises:
        StoreBusy: A loader does not end.
    """
    await end_claimants(connection, fence, partition_ids)
    await connection.execute(f"DELETE FROM {relation(fence)} WHERE partition_id = ANY ($1)", partition_ids)


async def close(connection: Connection, fence: Fence) -> None:
    """Let nobody load any more: end all loaders and put every open partition out of reach of later claims.

    Call it in a transaction.
    """
    await end_claimants(connection, fence)
    await connection.execute(f"UPDATE {relation(fence)} SET epoch = {_UNREACHABLE} WHERE NOT done")


async def claim(connection: Connection, fence: Fence, partition_id: str, epoch: int) -> bytes | None:
    """Make this session the only one that may load a partition, in a transaction of its own.

    The session of the former claimant is ended first: a paused one would hold the row for ever.

    Args:
        connection: The session that will load.
        fence: The run's fence.
        partition_id: The partition.
        epoch: The number of this claim, higher than that of every claim before.

    Returns:
        None when the partition is claimed; the result that was stored with it when its rows are in already.

    Raises:
        FenceLost: A later claim exists, the partition was retired, or the run has ended.
        StoreBusy: The former claimant does not end.
    """
    with _fenced("claiming", partition_id):
        await end_claimants(connection, fence, [partition_id], below=epoch)
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = {_LOCK_MILLISECONDS}")
            claimed = await connection.fetchval(
                f"""UPDATE {relation(fence)} SET epoch = $2, claimant_pid = pg_backend_pid(), claimant_start =
                        (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())
                    WHERE partition_id = $1 AND epoch < $2 AND NOT done RETURNING true""",
                partition_id,
                epoch,
            )
        return None if claimed else await _stored(connection, fence, partition_id)


async def lock(connection: Connection, fence: Fence, partition_id: str, epoch: int) -> None:
    """Lock a partition's row until the transaction ends: the first statement of a load.

    Raises:
        FenceLost: Another claimed the partition since, its rows are in, or the run has ended.
    """
    with _fenced("locking", partition_id):
        held = await connection.fetchval(
            f"SELECT true FROM {relation(fence)} WHERE partition_id = $1 AND epoch = $2 AND NOT done FOR UPDATE",
            partition_id,
            epoch,
        )
        if not held:
            raise FenceLost("another claimed it, or its rows are in")


async def mark_done(connection: Connection, fence: Fence, partition_id: str, epoch: int, result: bytes) -> None:
    """Say, in the transaction that wrote the rows, that they are in.

    Args:
        connection: The session that holds the lock on the row.
        fence: The run's fence.
        partition_id: The partition.
        epoch: The claim's number.
        result: What a repeated load answers instead of loading.

    Raises:
        FenceLost: The row is not this claimant's.
    """
    with _fenced("completing", partition_id):
        marked = await connection.fetchval(
            f"""UPDATE {relation(fence)} SET done = true, result = $3, claimant_pid = NULL, claimant_start = NULL
                WHERE partition_id = $1 AND epoch = $2 AND NOT done RETURNING true""",
            partition_id,
            epoch,
            result,
        )
        if not marked:
            raise FenceLost("another claimed it, or its rows are in")


async def read_result(connection: Connection, fence: Fence, partition_id: str) -> bytes | None:
    """Read what was stored with a partition whose rows are in; None while they are not.

    Raises:
        FenceLost: The partition was retired, or the run has ended.
    """
    with _fenced("reading the result of", partition_id):
        row = await connection.fetchrow(
            f"SELECT done, result FROM {relation(fence)} WHERE partition_id = $1", partition_id
        )
        if row is None:
            raise FenceLost("it is not part of the run any more")
        return bytes(row["result"]) if row["done"] else None


async def has_all(connection: Connection, fence: Fence, partitions: Sequence[FencePartition]) -> bool:
    """Whether every one of some partitions has a row."""
    ids = [partition.id for partition in partitions]
    found = await connection.fetchval(f"SELECT count(*) FROM {relation(fence)} WHERE partition_id = ANY ($1)", ids)
    return bool(found == len(set(ids)))


async def missing(connection: Connection, fence: Fence) -> tuple[FencePartition, ...]:
    """Answer the partitions whose rows are not in."""
    rows = await connection.fetch(
        f"SELECT partition_id, datasets FROM {relation(fence)} WHERE NOT done ORDER BY partition_id"
    )
    return tuple(
        FencePartition(row["partition_id"], tuple(DatasetName(*name) for name in row["datasets"])) for row in rows
    )


async def end_claimants(
    connection: Connection, fence: Fence, partition_ids: Sequence[str] | None = None, *, below: int | None = None
) -> None:
    """End the sessions that claimed partitions whose rows are not in, other than this one.

    A session that this role may not see or end is left; whoever then waits for its row gives up after seconds.

    Args:
        connection: A session of the target.
        fence: The run's fence.
        partition_ids: The partitions; None for all of the run.
        below: Only claims with a lower epoch; None for all.
    """
    await connection.fetch(
        f"""SELECT pg_terminate_backend(a.pid, {_TERMINATE_MILLISECONDS})
            FROM {relation(fence)} f
            JOIN pg_stat_activity a ON a.pid = f.claimant_pid AND a.backend_start = f.claimant_start
            WHERE NOT f.done AND a.pid <> pg_backend_pid() AND ($1::text[] IS NULL OR f.partition_id = ANY ($1))
              AND ($2::bigint IS NULL OR f.epoch < $2)""",
        partition_ids,
        below,
    )


async def _stored(connection: Connection, fence: Fence, partition_id: str) -> bytes:
    result = await read_result(connection, fence, partition_id)
    if result is None:
        raise FenceLost("another claimed it later")
    return result


@contextmanager
def _fenced(doing: str, partition_id: str) -> Iterator[None]:
    try:
        with mapped(f"{doing} partition {partition_id}"):
            try:
                yield
            except asyncpg.UndefinedTableError:
                raise FenceLost("its run has ended") from None
    except FenceLost as lost:
        raise lost.at(Place(partition=partition_id)) from None

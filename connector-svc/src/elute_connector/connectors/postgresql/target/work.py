"""What is left to do once the rows are in: statements in a table of the target, each with its mark.

They are written there in the transaction that made them necessary. Each runs in a transaction that also sets its
mark, so that a crash at any moment repeats nothing and loses nothing.
"""

# ruff: noqa: S608 - names come from `work_table`, which quotes them

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

import asyncpg

from elute_connector.connectors.postgresql.catalog import Connection
from elute_connector.connectors.postgresql.errors import mapped
from elute_connector.connectors.postgresql.identifiers import quoted
from elute_connector.connectors.postgresql.target.fence import SCHEMA, fence_of

_SMALL_BYTES = 8 * 2**20
_BATCH_STATEMENTS = 50


class Phase(StrEnum):
    """The order in which a target becomes whole; all of a phase is done before the next begins."""

    INDEX = "index"
    ATTACH = "attached index"
    OBJECT = "object"
    CONSTRAINT = "constraint"
    FOREIGN_KEY = "foreign key"
    VALIDATION = "validation"
    TRIGGER = "trigger"
    VIEW = "view"
    GRANT = "grant"

    @property
    def place(self) -> int:
        """Its place in the order."""
        return list(Phase).index(self)

    @property
    def parallel(self) -> bool:
        """Whether its statements may run beside each other, as long as those on one table do not."""
        return self in {Phase.INDEX, Phase.VALIDATION}


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One statement, or several that belong together.

    Attributes:
        phase: When it runs.
        object: What it makes, for people.
        sql: The statements.
        table: The table that it locks, as SQL writes its name; empty when that does not matter.
    """

    phase: Phase
    object: str
    sql: str
    table: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """Items that run in one transaction."""

    ordinals: tuple[int, ...]
    objects: tuple[str, ...]
    bytes: int

    def single(self) -> Iterator[Batch]:
        """Its items, each in a batch of its own."""
        for ordinal, name in zip(self.ordinals, self.objects, strict=True):
            yield Batch((ordinal,), (name,), self.bytes)


def work_table(run_id: str) -> str:
    """Write the qualified name of a run's table."""
    return f"{quoted(SCHEMA)}.{quoted(fence_of(run_id).table.replace('fence_', 'work_', 1))}"


async def create(connection: Connection, run_id: str) -> None:
    """Make a run's empty table."""
    await connection.execute(
        f"""CREATE TABLE {work_table(run_id)} (
            ordinal integer PRIMARY KEY,
            phase text NOT NULL,
            object text NOT NULL,
            sql text NOT NULL,
            "table" text NOT NULL,
            done boolean NOT NULL DEFAULT false
        )"""
    )


async def insert(connection: Connection, run_id: str, items: Iterable[WorkItem]) -> None:
    """Write down what is to be done, in order, behind what is written there already."""
    last = await connection.fetchval(f"SELECT coalesce(max(ordinal), 0) FROM {work_table(run_id)}")
    rows = [(number, i.phase.value, i.object, i.sql, i.table) for number, i in enumerate(items, last + 1)]
    await connection.executemany(
        f"""INSERT INTO {work_table(run_id)} (ordinal, phase, object, sql, "table") VALUES ($1, $2, $3, $4, $5)""", rows
    )


async def progress(connection: Connection, run_id: str) -> tuple[int, int]:
    """Answer how many items are done, and how many there are."""
    row = await connection.fetchrow(
        f"SELECT count(*) FILTER (WHERE done) AS made, count(*) AS total FROM {work_table(run_id)}"
    )
    return (row["made"], row["total"]) if row else (0, 0)


async def pending(connection: Connection, run_id: str, phase: Phase) -> tuple[Batch, ...]:
    """Answer what is left of a phase, in batches that are worth a transaction.

    Items on one small table come together in one batch, and each item on a large table alone, so that batches that
    run beside each other never wait for each other in a circle. The largest come first.
    """
    rows = await connection.fetch(
        f"""SELECT ordinal, object, "table", coalesce(pg_relation_size(to_regclass(nullif("table", ''))), 0) AS bytes
            FROM {work_table(run_id)} WHERE phase = $1 AND NOT done ORDER BY ordinal""",
        phase.value,
    )
    if not phase.parallel:
        return tuple(_batch(rows[at : at + _BATCH_STATEMENTS]) for at in range(0, len(rows), _BATCH_STATEMENTS))
    large = sorted((row for row in rows if row["bytes"] >= _SMALL_BYTES), key=lambda row: -int(row["bytes"]))
    by_table: dict[str, list[asyncpg.Record]] = defaultdict(list)
    for row in rows:
        if row["bytes"] < _SMALL_BYTES:
            by_table[row["table"]].append(row)
    gathered: list[list[asyncpg.Record]] = [[]]
    for group in by_table.values():
        if len(gathered[-1]) >= _BATCH_STATEMENTS:
            gathered.append([])
        gathered[-1] += group
    return (*(_batch([row]) for row in large), *(_batch(group) for group in gathered if group))


async def run(connection: Connection, run_id: str, batch: Batch) -> None:
    """Run what is left of a batch, and mark it, in one transaction.

    Another session that is at it already is waited for, and nothing is done twice.

    Raises:
        StoreError: A statement failed; the error names its object, and all before it in the batch are done.
    """
    try:
        await _run_together(connection, run_id, batch)
    except asyncpg.PostgresError:
        # One by one, so that only the one at fault is left, and named.
        for one in batch.single():
            with mapped(f"making {one.objects[0]}"):
                await _run_together(connection, run_id, one)


async def run_not_valid(connection: Connection, run_id: str, batch: Batch) -> bool:
    """Add the one foreign key of a batch without a look at the rows that are there; False where that is impossible."""
    try:
        async with connection.transaction():
            await connection.execute(
                f"UPDATE {work_table(run_id)} SET sql = rtrim(sql, E' \\n;') || ' NOT VALID;' WHERE ordinal = ANY ($1)",
                batch.ordinals,
            )
            await _run_together(connection, run_id, batch)
    except asyncpg.PostgresError:
        return False
    return True


async def run_phase(connections: Sequence[Connection], run_id: str, phase: Phase) -> AsyncIterator[Batch]:
    """Run all that is left of a phase, beside each other where the phase allows it; yields what is done.

    Args:
        connections: Sessions of the target, at least one.
        run_id: The run.
        phase: The phase.

    Raises:
        StoreError: A statement failed; those that had begun have ended.
    """
    waiting = list(reversed(await pending(connections[0], run_id, phase)))
    done: asyncio.Queue[Batch | None] = asyncio.Queue()

    async def work_off(connection: Connection) -> None:
        try:
            while waiting:
                batch = waiting.pop()
                await run(connection, run_id, batch)
                done.put_nowait(batch)
        finally:
            waiting.clear()
            done.put_nowait(None)

    used = connections if phase.parallel else connections[:1]
    workers = [asyncio.create_task(work_off(connection)) for connection in used]
    try:
        ended = 0
        while ended < len(workers):
            batch = await done.get()
            if batch is None:
                ended += 1
            else:
                yield batch
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        for worker in workers:
            with suppress(asyncio.CancelledError, Exception):
                await worker


async def _run_together(connection: Connection, run_id: str, batch: Batch) -> None:
    async with connection.transaction():
        rows = await connection.fetch(
            f"""SELECT ordinal, sql FROM {work_table(run_id)} WHERE ordinal = ANY ($1) AND NOT done
                ORDER BY ordinal FOR UPDATE""",
            batch.ordinals,
        )
        if rows:
            # A line each: a statement may end in a comment.
            await connection.execute("\n".join(row["sql"] for row in rows))
            await connection.execute(
                f"UPDATE {work_table(run_id)} SET done = true WHERE ordinal = ANY ($1)",
                [row["ordinal"] for row in rows],
            )


def _batch(rows: Sequence[asyncpg.Record]) -> Batch:
    return Batch(
        tuple(row["ordinal"] for row in rows),
        tuple(row["object"] for row in rows),
        max(row["bytes"] for row in rows),
    )

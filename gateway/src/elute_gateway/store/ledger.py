"""The ledger: who works on which partition. One statement decides, so that two gateways never both do."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from elute_gateway.domain.ledger import Backlog, Claim, NewPartition, Partition, PartitionState, UnitResult
from elute_gateway.domain.names import DatasetName
from elute_gateway.store.codec import units_from
from elute_gateway.store.database import Database, uninterrupted
from elute_gateway.store.tables import now, partition, run, run_dataset

_CLAIM_LOCK = 0x656C636C61696D

# Candidates are the first queued and expired of the claimer's runs, no more of each than there are slots: a claim costs
# the same in a run of ten partitions and of a hundred thousand. A run's own limit cuts first, and a partition one
# of whose connections is full is left out before connections are ranked: nobody waits behind one who cannot go.
# A partition needs a place on both of its connections; the first of those left always has both, so that some
# partition is claimed whenever one can be.
_CLAIM = sa.text(
    """
    WITH clock AS (SELECT epoch_now() AS at),
    live AS (
        SELECT p.run_id, p.source_id, p.target_id FROM partition p, clock
        WHERE p.state = 'running' AND p.lease > clock.at
    ),
    run_load AS (SELECT run_id, count(*) AS n FROM live GROUP BY run_id),
    connection_load AS (
        SELECT id, count(*) AS n FROM (
            SELECT source_id AS id FROM live UNION ALL SELECT target_id FROM live WHERE target_id <> source_id
        ) AS held GROUP BY id
    ),
    room AS (
        SELECT c.id, c.parallel_partitions - coalesce(l.n, 0) AS n
        FROM connection c LEFT JOIN connection_load l ON l.id = c.id
    ),
    mine AS MATERIALIZED (
        SELECT r.id, r.parallel_partitions, (
            SELECT max(ordinal) FROM (
                SELECT q.ordinal FROM partition q
                WHERE q.run_id = r.id AND q.state IN ('queued', 'running')
                  AND ((q.state = 'queued' AND q.not_before <= epoch_now())
                       OR (q.state = 'running' AND q.lease <= epoch_now()))
                ORDER BY q.ordinal LIMIT :slots
            ) AS first
        ) AS last
        FROM run r WHERE r.owner = :owner AND r.id IN :runs
    ),
    candidate AS (
        SELECT p.run_id, p.id, p.source_id, p.target_id, r.parallel_partitions,
               coalesce(l.n, 0) + row_number() OVER (PARTITION BY p.run_id ORDER BY p.ordinal) AS place
        FROM clock, mine r
        JOIN partition p ON p.run_id = r.id AND p.ordinal <= r.last
        LEFT JOIN run_load l ON l.run_id = r.id
        WHERE p.state IN ('queued', 'running')
          AND ((p.state = 'queued' AND p.not_before <= clock.at) OR (p.state = 'running' AND p.lease <= clock.at))
    ),
    fitting AS (
        SELECT c.run_id, c.id, c.source_id, c.target_id, c.place, s.n AS source_room, t.n AS target_room
        FROM candidate c JOIN room s ON s.id = c.source_id JOIN room t ON t.id = c.target_id
        WHERE c.place <= c.parallel_partitions AND s.n > 0 AND t.n > 0
    ),
    ranked AS (
        SELECT run_id, id, place,
               row_number() OVER (PARTITION BY connection_id ORDER BY place, run_id) - room AS excess
        FROM (
            SELECT run_id, id, place, source_id AS connection_id, source_room AS room FROM fitting
            UNION ALL
            SELECT run_id, id, place, target_id, target_room FROM fitting WHERE target_id <> source_id
        ) AS wanted
    ),
    chosen AS (
        SELECT run_id, id FROM ranked GROUP BY run_id, id, place HAVING max(excess) <= 0
        ORDER BY place, run_id LIMIT :slots
    )
    UPDATE partition SET state = 'running', attempt = attempt + 1, epoch = epoch + 1, owner = :owner,
                         lease = epoch_now() + :lease_seconds
    FROM chosen WHERE partition.run_id = chosen.run_id AND partition.id = chosen.id
    RETURNING partition.run_id, partition.id, partition.units, partition.generation, partition.epoch,
              partition.attempt, partition.deaths, partition.ordinal
    """
).bindparams(sa.bindparam("runs", expanding=True))

_DONE = (
    sa.update(partition)
    .where(
        partition.c.run_id == sa.bindparam("claimed_run"),
        partition.c.id == sa.bindparam("claimed_id"),
        partition.c.epoch == sa.bindparam("claimed_epoch"),
        partition.c.state == PartitionState.RUNNING,
    )
    .values(
        state=PartitionState.DONE,
        lease=0,
        deaths=0,
        error_code="",
        rows=sa.bindparam("new_rows"),
        bytes=sa.bindparam("new_bytes"),
        digest=sa.bindparam("new_digest"),
    )
)
_SUMMED = ("partitions_done", "rows_read", "rows_written", "rows_filtered", "rows_rejected", "bytes")
_ADD = (
    sa.update(run_dataset)
    .where(
        run_dataset.c.run_id == sa.bindparam("run"),
        run_dataset.c.schema_name == sa.bindparam("schema"),
        run_dataset.c.dataset_name == sa.bindparam("dataset"),
    )
    .values({column: run_dataset.c[column] + sa.bindparam(f"add_{column}") for column in _SUMMED})
)


@uninterrupted
@dataclass(frozen=True, slots=True)
class Ledger:
    """The partitions of all runs."""

    database: Database

    async def claim(self, gateway: str, runs: Collection[str], slots: int, lease_seconds: float) -> list[Claim]:
        """Take partitions within the limits of their runs and connections, each for the length of a lease.

        Args:
            gateway: The claimer; only runs that it owns count.
            runs: The runs whose partitions may be taken.
            slots: The most partitions to take.
            lease_seconds: How long they are the claimer's without a renewal.
        """
        values = {"owner": gateway, "runs": list(runs), "slots": slots, "lease_seconds": lease_seconds}
        async with self.database.writing() as connection:
            if not self.database.is_sqlite:
                await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_CLAIM_LOCK)))
            rows = (await connection.execute(_CLAIM, values)).all()
        return [
            Claim(
                row.run_id,
                NewPartition(row.id, units_from(row.units)),
                generation=row.generation,
                epoch=row.epoch,
                attempt=row.attempt,
                deaths=row.deaths,
            )
            for row in sorted(rows, key=lambda row: row.ordinal)
        ]

    async def renew(self, gateway: str, lease_seconds: float) -> dict[tuple[str, str], int]:
        """Renew the leases of all that a gateway has claimed; answers the epochs by run and partition."""
        renewed = (
            sa.update(partition)
            .where(partition.c.owner == gateway, partition.c.state == PartitionState.RUNNING)
            .values(lease=now + lease_seconds)
            .returning(partition.c.run_id, partition.c.id, partition.c.epoch)
        )
        async with self.database.writing() as connection:
            return {(row.run_id, row.id): row.epoch for row in await connection.execute(renewed)}

    async def finish(self, finished: Sequence[tuple[Claim, Sequence[UnitResult]]]) -> None:
        """Write what partitions came to; safe to repeat, and nothing for a claim that no longer holds."""
        sums: defaultdict[tuple[str, DatasetName], Counter[str]] = defaultdict(Counter)
        async with self.database.writing() as connection:
            for claim, results in finished:
                if (await connection.execute(_DONE, {**_claimed(claim), **_outcome(results)})).rowcount:
                    _add(sums, claim.run_id, results)
            if sums:
                await connection.execute(
                    _ADD, [{"run": run_id, **_pair(name), **total} for (run_id, name), total in sums.items()]
                )

    async def give_back(
        self, claim: Claim, *, after_seconds: float = 0.0, error_code: str = "", deaths: int = 0
    ) -> None:
        """Queue a claimed partition again.

        Args:
            claim: The claim; nothing happens if it is no longer the last one.
            after_seconds: How long nobody may claim it.
            error_code: Why it did not come in.
            deaths: How many workers in a row have now ended while they loaded it.
        """
        mine = (*_key(claim.run_id, claim.partition.id), partition.c.epoch == claim.epoch)
        back = (
            sa.update(partition)
            .where(*mine, partition.c.state == PartitionState.RUNNING)
            .values(
                state=PartitionState.QUEUED,
                lease=0,
                not_before=now + after_seconds,
                queued_at=now,
                error_code=error_code,
                deaths=deaths,
            )
        )
        async with self.database.writing() as connection:
            await connection.execute(back)

    async def end_leases(self, run_id: str) -> None:
        """End the leases on a run's partitions: its former gateway is gone, and the target's fence keeps it out.

        The deaths of workers start to count anew: a gateway that is lost may be why they seemed to die.
        """
        running = (partition.c.run_id == run_id, partition.c.state.in_([PartitionState.QUEUED, PartitionState.RUNNING]))
        async with self.database.writing() as connection:
            await connection.execute(sa.update(partition).where(*running).values(lease=0, deaths=0))

    async def partitions(self, run_id: str, after: str = "", limit: int = 1_000_000) -> list[Partition]:
        """Return a run's partitions by id, retired ones included."""
        query = sa.select(partition).where(partition.c.run_id == run_id, partition.c.id > after)
        async with self.database.reading() as connection:
            rows = await connection.execute(query.order_by(partition.c.id).limit(limit))
            return [_partition(row) for row in rows]

    async def open_count(self, run_id: str) -> int:
        """Count the partitions of a run that are not in."""
        open_ = partition.c.state.in_([PartitionState.QUEUED, PartitionState.RUNNING])
        async with self.database.reading() as connection:
            query = sa.select(sa.func.count()).select_from(partition).where(partition.c.run_id == run_id, open_)
            return await connection.scalar(query) or 0

    async def backlog(self) -> Backlog:
        """Measure what waits to be claimed."""
        waiting = (partition.c.state == PartitionState.QUEUED, run.c.state.in_(["queued", "running"]))
        query = sa.select(sa.func.count(), sa.func.coalesce(now - sa.func.min(partition.c.queued_at), 0.0))
        async with self.database.reading() as connection:
            row = await connection.execute(query.select_from(partition.join(run)).where(*waiting))
            return Backlog(*row.one())


def _key(run_id: str, partition_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (partition.c.run_id == run_id, partition.c.id == partition_id)


def _claimed(claim: Claim) -> dict[str, object]:
    return {"claimed_run": claim.run_id, "claimed_id": claim.partition.id, "claimed_epoch": claim.epoch}


def _outcome(results: Sequence[UnitResult]) -> dict[str, object]:
    return {
        "new_rows": sum(unit.rows_written for unit in results),
        "new_bytes": sum(unit.loaded_bytes for unit in results),
        "new_digest": b"".join(unit.digest for unit in results),
    }


def _add(sums: defaultdict[tuple[str, DatasetName], Counter[str]], run_id: str, results: Iterable[UnitResult]) -> None:
    """Add a partition's rows to those of its datasets."""
    for name in {unit.dataset for unit in results}:
        sums[run_id, name]["add_partitions_done"] += 1
    for unit in results:
        total = sums[run_id, unit.dataset]
        total["add_rows_read"] += unit.rows_read
        total["add_rows_written"] += unit.rows_written
        total["add_rows_filtered"] += unit.rows_filtered
        total["add_rows_rejected"] += unit.rows_rejected
        total["add_bytes"] += unit.loaded_bytes


def _pair(name: DatasetName) -> dict[str, str]:
    return {"schema": name.schema, "dataset": name.name}


def _partition(row: sa.Row[Any]) -> Partition:
    return Partition(
        id=row.id,
        state=PartitionState(row.state),
        generation=row.generation,
        datasets=tuple(sorted({unit.dataset for unit in units_from(row.units)})),
        attempt=row.attempt,
        epoch=row.epoch,
        owner=row.owner,
        estimated_rows=row.estimated_rows,
        estimated_bytes=row.estimated_bytes,
        rows=row.rows,
        loaded_bytes=row.bytes,
        error_code=row.error_code,
    )

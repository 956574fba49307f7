"""The generations of a run: its snapshots, and the partitions that are read under each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from elute_gateway.domain.ledger import NewPartition, PartitionState, Snapshot
from elute_gateway.domain.names import DatasetName
from elute_gateway.store.codec import units_from, units_text
from elute_gateway.store.database import Database, uninterrupted
from elute_gateway.store.tables import now, partition, run, run_dataset, run_snapshot
from elute_wire.errors import FenceLost


@uninterrupted
@dataclass(frozen=True, slots=True)
class Generations:
    """The snapshots of all runs."""

    database: Database

    async def begin(
        self,
        run_id: str,
        run_epoch: int,
        snapshot: Snapshot,
        partitions: Sequence[NewPartition],
        *,
        ends: tuple[str, str],
        again: Collection[DatasetName] = (),
    ) -> None:
        """Write the partitions of a run's snapshot, all or none; a generation that is written stays as it is.

        Args:
            run_id: The run.
            run_epoch: The caller's claim on the run.
            snapshot: The snapshot that they are read under.
            partitions: What is to be loaded, in the order of claims.
            ends: The ids of the source's and of the target's connection.
            again: The datasets that start again: their former partitions retire.

        Raises:
            FenceLost: Another gateway has taken the run over.
        """
        async with self.database.writing() as connection:
            workspace = await _lock_run(connection, run_id, run_epoch)
            same = (run_snapshot.c.run_id == run_id, run_snapshot.c.generation == snapshot.generation)
            if (await connection.execute(sa.select(run_snapshot.c.generation).where(*same))).first():
                return
            await _retire(connection, run_id, frozenset(again))
            base = {"workspace_id": workspace, "run_id": run_id, "generation": snapshot.generation}
            await connection.execute(sa.insert(run_snapshot).values(**base, visible=snapshot.visible, lost=False))
            rows = [{**base, **_row(number, new, ends)} for number, new in enumerate(partitions)]
            if rows:
                await connection.execute(sa.insert(partition).values(queued_at=now), rows)
                await connection.execute(sa.insert(run_dataset), [{**base, **total} for total in _totals(partitions)])

    async def lose(self, run_id: str, generation: int) -> None:
        """Note that a snapshot ended before its rows were in."""
        same = (run_snapshot.c.run_id == run_id, run_snapshot.c.generation == generation)
        async with self.database.writing() as connection:
            await connection.execute(sa.update(run_snapshot).where(*same).values(lost=True))

    async def snapshots(self, run_id: str) -> list[Snapshot]:
        """Return a run's snapshots, oldest first."""
        query = sa.select(run_snapshot.c.generation, run_snapshot.c.visible, run_snapshot.c.lost)
        async with self.database.reading() as connection:
            rows = await connection.execute(
                query.where(run_snapshot.c.run_id == run_id).order_by(run_snapshot.c.generation)
            )
            return [Snapshot(*row) for row in rows]


async def _lock_run(connection: AsyncConnection, run_id: str, epoch: int) -> str:
    query = sa.select(run.c.workspace_id).where(run.c.id == run_id, run.c.epoch == epoch).with_for_update()
    workspace = await connection.scalar(query)
    if workspace is None:
        raise FenceLost(f"planning run {run_id}: another gateway has taken it over")
    return str(workspace)


async def _retire(connection: AsyncConnection, run_id: str, again: frozenset[DatasetName]) -> None:
    if not again:
        return
    query = sa.select(partition.c.id, partition.c.units)
    rows = await connection.execute(
        query.where(partition.c.run_id == run_id, partition.c.state != PartitionState.RETIRED)
    )
    ids = [row.id for row in rows if any(unit.dataset in again for unit in units_from(row.units))]
    retired = sa.update(partition).where(partition.c.run_id == run_id, partition.c.id == sa.bindparam("retired"))
    if ids:
        values = {"state": PartitionState.RETIRED, "lease": 0}
        await connection.execute(retired.values(values), [{"retired": id_} for id_ in ids])
    for name in again:
        await connection.execute(
            sa.delete(run_dataset).where(
                run_dataset.c.run_id == run_id,
                run_dataset.c.schema_name == name.schema,
                run_dataset.c.dataset_name == name.name,
            )
        )


def _row(ordinal: int, new: NewPartition, ends: tuple[str, str]) -> dict[str, object]:
    source, target = ends
    return {
        "id": new.id,
        "ordinal": ordinal,
        "source_id": source,
        "target_id": target,
        "units": units_text(new.units),
        "state": PartitionState.QUEUED,
        "attempt": 0,
        "deaths": 0,
        "epoch": 0,
        "owner": "",
        "lease": 0.0,
        "not_before": 0.0,
        "estimated_rows": sum(unit.estimated_rows for unit in new.units),
        "estimated_bytes": new.estimated_bytes,
        "rows": 0,
        "bytes": 0,
        "error_code": "",
    }


def _totals(partitions: Iterable[NewPartition]) -> list[dict[str, object]]:
    rows: defaultdict[DatasetName, int] = defaultdict(int)
    size: defaultdict[DatasetName, int] = defaultdict(int)
    count: defaultdict[DatasetName, int] = defaultdict(int)
    for new in partitions:
        for unit in new.units:
            rows[unit.dataset] += unit.estimated_rows
            size[unit.dataset] += unit.estimated_bytes
        for name in new.datasets:
            count[name] += 1
    zero = dict.fromkeys(("partitions_done", "rows_read", "rows_written", "rows_filtered", "rows_rejected", "bytes"), 0)
    return [
        {
            "schema_name": name.schema,
            "dataset_name": name.name,
            "partitions": count[name],
            "estimated_rows": rows[name],
            "estimated_bytes": size[name],
            **zero,
        }
        for name in sorted(count)
    ]

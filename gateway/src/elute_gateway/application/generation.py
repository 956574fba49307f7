"""The generations of a run: a snapshot, and all that is read under it.

Most runs have one. When its snapshot ends before the rows are in, every dataset that is not yet whole starts again
under a new one, together with those that foreign keys or a shared partition tie to it; the others keep what they have.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from elute_gateway.application.pace import Pace
from elute_gateway.application.ports import Books, DataPlane
from elute_gateway.application.session import RunSession
from elute_gateway.application.snapshot import SnapshotKeeper
from elute_gateway.domain.ledger import Partition, PartitionState, Snapshot, partitions_of, starting_again
from elute_gateway.domain.names import DatasetName
from elute_gateway.domain.plan import Plan
from elute_gateway.domain.transfer import Ends, HeldSnapshot, Prepared
from elute_wire.errors import EluteError, SnapshotLost


@dataclass(frozen=True, slots=True)
class Generations:
    """The generations of one run, as its session works on them."""

    books: Books
    plane: DataPlane
    pace: Pace
    session: RunSession
    plan: Plan
    ends: Ends

    @property
    def _run_id(self) -> str:
        return self.session.run.id

    async def current(self) -> Snapshot:
        """Go on with the run's last generation if its snapshot can be held, else begin the next.

        Raises:
            SnapshotLost: The new snapshot ended before its partitions were written.
            EluteError: The source or the store said no.
        """
        known = await self.books.generations.snapshots(self._run_id)
        if known and not known[-1].lost:
            try:
                await self.hold(known[-1].generation)
            except SnapshotLost:
                await self.books.generations.lose(self._run_id, known[-1].generation)
            else:
                return known[-1]
        return await self._begin(known[-1].generation + 1 if known else 1)

    async def hold(self, number: int) -> str:
        """Hold the snapshot of a generation, re-attaching to it if need be; answers its id.

        Raises:
            SnapshotLost: What there is now sees other rows.
            EluteError: The source said no.
        """
        if self.session.keeper is None or self.session.generation != number:
            known = await self.books.generations.snapshots(self._run_id)
            (snapshot,) = (snapshot for snapshot in known if snapshot.generation == number)
            await self._keep(number, snapshot.visible)
        assert self.session.keeper is not None  # noqa: S101  # `_keep` has set it
        return await self.session.keeper.snapshot_id()

    async def id_if_alive(self, number: int) -> str:
        """Return the id of a generation's snapshot, or an empty text when it is gone."""
        try:
            return await self.hold(number)
        except SnapshotLost:
            return ""

    async def prepare(self, number: int) -> Prepared:
        """Make the target ready for all partitions, and empty the datasets that start again.

        Raises:
            SnapshotLost: The snapshot is gone.
            EluteError: The target cannot take the run.
        """
        snapshot_id = await self.hold(number)
        partitions = await self.books.ledger.partitions(self._run_id)
        valid = {row.id: row.datasets for row in partitions if row.state is not PartitionState.RETIRED}
        # Whether the target knows the run already is not known here: a gateway may have died in between.
        prepared = await self.plane.prepare(self._run_id, self.plan, self.ends, snapshot_id, valid)
        newest = {row.id: row.datasets for row in partitions if row.generation == number}
        if number > 1 and newest:
            await self.plane.prepare(
                self._run_id,
                self.plan,
                self.ends,
                snapshot_id,
                newest,
                restarted=sorted({name for names in newest.values() for name in names}),
                retired=[row.id for row in partitions if row.state is PartitionState.RETIRED],
            )
        return prepared

    async def _begin(self, number: int) -> Snapshot:
        held = await self._keep(number, "")
        again: Collection[DatasetName] = ()
        if number == 1:
            names: Collection[DatasetName] = [dataset.name for dataset in self.plan.datasets]
        else:
            names = again = self._unfinished(await self.books.ledger.partitions(self._run_id))
        units = await self.plane.cut(self.ends.source, self.plan, held.snapshot_id, sorted(names)) if names else []
        snapshot = Snapshot(number, held.visible)
        await self.books.generations.begin(
            self._run_id,
            self.session.run.epoch,
            snapshot,
            partitions_of(units, number, self.plan.limits.partition_bytes),
            ends=(self.ends.source.id, self.ends.target.id),
            again=again,
        )
        return snapshot

    def _unfinished(self, partitions: list[Partition]) -> frozenset[DatasetName]:
        valid = [row for row in partitions if row.state is not PartitionState.RETIRED]
        return starting_again(
            {name for row in valid if row.state is not PartitionState.DONE for name in row.datasets},
            {dataset.name: self._selected(dataset.references) for dataset in self.plan.datasets},
            [row.datasets for row in valid],
        )

    def _selected(self, names: Collection[DatasetName]) -> list[DatasetName]:
        selected = {dataset.name for dataset in self.plan.datasets}
        return [name for name in names if name in selected]

    async def _keep(self, number: int, visible: str) -> HeldSnapshot:
        if self.session.keeper:
            await self.session.keeper.stop()
        name = f"{self._run_id}-{number}"
        keeper = SnapshotKeeper(self.plane, self.pace, self.ends.source, self.plan, name=name, visible=visible)
        self.session.keeper, self.session.generation = keeper, number
        try:
            return await keeper.start()
        except EluteError:
            await keeper.stop()
            self.session.keeper = None
            raise

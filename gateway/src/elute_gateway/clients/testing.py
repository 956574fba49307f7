"""A data plane without databases, for tests of whatever drives one.

It keeps its source, its target and its fence in a SQLite file, so that it outlives the process that uses it: kill a
gateway, start another one, and look what has arrived how often. It promises what the real services promise, the fence
and the snapshot's lease above all, and lets a test take away what the real world takes away.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from elute_gateway.application.ports import HoldOrder, LoadOrder
from elute_gateway.domain.connection import Connection
from elute_gateway.domain.ledger import Unit, UnitResult
from elute_gateway.domain.names import DatasetName
from elute_gateway.domain.plan import Plan
from elute_gateway.domain.transfer import (
    DatasetDigest,
    DigestSelection,
    Ends,
    Fence,
    FinishProgress,
    HeldSnapshot,
    LoadProgress,
    LoadResult,
    Prepared,
)
from elute_wire.errors import FenceLost, InvalidRequest, SnapshotLost, StoreUnreachable

_TABLES = """
    CREATE TABLE IF NOT EXISTS source (dataset TEXT PRIMARY KEY, row_count INTEGER);
    CREATE TABLE IF NOT EXISTS world (moment INTEGER, away INTEGER, finished INTEGER);
    CREATE TABLE IF NOT EXISTS snapshot (handle TEXT PRIMARY KEY, id TEXT, visible TEXT, ends REAL);
    CREATE TABLE IF NOT EXISTS fence (partition TEXT PRIMARY KEY, epoch INTEGER, done INTEGER, result TEXT);
    CREATE TABLE IF NOT EXISTS target (dataset TEXT, partition TEXT, visible TEXT, row_count INTEGER);
    CREATE TABLE IF NOT EXISTS call (method TEXT, subject TEXT, at REAL);
    INSERT INTO world SELECT 1, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM world);
"""
_LIFE_SIGN_SECONDS = 0.02


class FakeDataPlane:
    """A data plane that copies row counts."""

    def __init__(
        self,
        file: Path,
        source: Mapping[DatasetName, int],
        *,
        rows_per_slice: int = 100,
        load_seconds: float = 0.0,
        holders: int = 1,
        observe: Callable[[str], None] | None = None,
    ) -> None:
        """Open a data plane, or make it.

        Args:
            file: Where it is kept.
            source: How many rows each dataset of the source has.
            rows_per_slice: Rows of a slice; each row counts 1,000 bytes.
            load_seconds: How long a `Load` call takes.
            holders: How many connectors hold snapshots.
            observe: Told of each call, as `load:before` and `load:after` its effect; may kill the process.
        """
        self._database = sqlite3.connect(file, isolation_level=None, timeout=10.0)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = OFF")  # processes are killed in tests, machines are not
        self._database.executescript(_TABLES)
        rows = [(str(name), count) for name, count in source.items()]
        self._database.executemany("INSERT OR IGNORE INTO source VALUES (?, ?)", rows)
        self._rows_per_slice = rows_per_slice
        self._load_seconds = load_seconds
        self._holders = holders
        self._observe = observe or (lambda _: None)

    # What a test does to the world, and sees of it.

    def change_source(self, dataset: DatasetName, rows: int) -> None:
        """Let somebody add rows to the source: later snapshots see them."""
        self._database.execute("UPDATE source SET row_count = row_count + ? WHERE dataset = ?", (rows, str(dataset)))
        self._database.execute("UPDATE world SET moment = moment + 1")

    def end_snapshots(self) -> None:
        """Let the sessions that hold snapshots end."""
        self._database.execute("DELETE FROM snapshot")

    def go_away(self) -> None:
        """Let both stores be away until `come_back`."""
        self._database.execute("UPDATE world SET away = 1")

    def come_back(self) -> None:
        """Let both stores answer again."""
        self._database.execute("UPDATE world SET away = 0")

    def arrived(self) -> dict[str, int]:
        """Count the rows in the target by dataset."""
        return dict(self._database.execute("SELECT dataset, sum(row_count) FROM target GROUP BY dataset"))

    def visible(self) -> dict[str, set[str]]:
        """Say which snapshots each dataset's rows in the target come from."""
        seen: dict[str, set[str]] = {}
        for dataset, visible in self._database.execute("SELECT DISTINCT dataset, visible FROM target"):
            seen.setdefault(dataset, set()).add(visible)
        return seen

    def loaded_twice(self) -> list[str]:
        """Name the partitions whose rows are in the target more than once."""
        query = "SELECT partition || ' ' || dataset FROM target GROUP BY partition, dataset HAVING count(*) > 1"
        return [row[0] for row in self._database.execute(query)]

    def calls(self, method: str) -> list[tuple[str, float]]:
        """Return the subjects and times of all calls of a method, in their order."""
        query = "SELECT subject, at FROM call WHERE method = ? ORDER BY rowid"
        return list(self._database.execute(query, (method,)))

    def held(self) -> list[str]:
        """Return the handles of all snapshots that are held or leased."""
        return [row[0] for row in self._database.execute("SELECT handle FROM snapshot WHERE ends > ?", (time.time(),))]

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    # The port.

    @property
    def holders(self) -> int:
        """How many connectors hold snapshots."""
        return self._holders

    async def hold(self, order: HoldOrder) -> AsyncGenerator[HeldSnapshot]:
        """Take a snapshot, adopt one, or re-attach."""
        with self._call("hold", order.handle):
            snapshot_id, visible = self._take(order)
        began = time.time()
        while True:
            self._refuse_if_away()
            ends = time.time() + order.lease_seconds
            mine = (ends, order.handle, snapshot_id)
            if self._database.execute("UPDATE snapshot SET ends = ? WHERE handle = ? AND id = ?", mine).rowcount == 0:
                raise SnapshotLost("holding a snapshot: the session that held it has ended")
            yield HeldSnapshot(snapshot_id, visible, time.time() - began)
            await asyncio.sleep(_LIFE_SIGN_SECONDS)

    async def release(self, holder: int, handle: str) -> None:
        """Let a snapshot go."""
        with self._call("release", f"{holder} {handle}"):
            self._database.execute("DELETE FROM snapshot WHERE handle = ?", (handle,))

    async def cut(self, source: Connection, plan: Plan, snapshot_id: str, names: Sequence[DatasetName]) -> list[Unit]:
        """Cut datasets into slices of equally many rows."""
        del source, plan
        with self._call("cut", ",".join(map(str, names))):
            self._visible(snapshot_id)
            return [
                Unit(name, str(min(self._rows_per_slice, rows - first)).encode(), self._rows_per_slice, 0)
                for name in names
                for rows in [self._rows(name)]
                for first in range(0, max(rows, 1), self._rows_per_slice)
            ]

    async def prepare(
        self,
        run_id: str,
        plan: Plan,
        ends: Ends,
        snapshot_id: str,
        partitions: Mapping[str, Collection[DatasetName]],
        *,
        restarted: Collection[DatasetName] = (),
        retired: Collection[str] = (),
    ) -> Prepared:
        """Make the target and its fence ready."""
        del plan, ends
        with self._call("prepare", ",".join(map(str, restarted))):
            self._visible(snapshot_id)
            known = {row[0] for row in self._database.execute("SELECT partition FROM fence")}
            if restarted and not known:
                raise InvalidRequest("restarting datasets: the run is not in this target")
            if not known or (restarted and not known >= partitions.keys()):
                self._database.execute("BEGIN IMMEDIATE")
                for name in restarted:
                    self._database.execute("DELETE FROM target WHERE dataset = ?", (str(name),))
                for id_ in retired:
                    self._database.execute("DELETE FROM fence WHERE partition = ?", (id_,))
                rows = [(id_,) for id_ in partitions]
                self._database.executemany("INSERT INTO fence VALUES (?, 0, 0, NULL)", rows)
                self._database.execute("COMMIT")
        return Prepared(Fence("elute", f"fence_{run_id}"))

    async def load(self, order: LoadOrder) -> AsyncGenerator[LoadProgress | LoadResult]:
        """Load a partition under its fence."""
        id_ = order.claim.partition.id
        with self._call("load", f"{id_} {order.claim.epoch}"):
            visible = self._visible(order.snapshot_id)
            done = self._enter(id_, order.claim.epoch)
            if done is not None:
                yield LoadResult(_units(done), already_done=True)
                return
            yield LoadProgress(0, 0)
            await asyncio.sleep(self._load_seconds)
            self._refuse_if_away()
            yield LoadProgress(1, 1_000)
            result = self._commit(id_, order.claim.epoch, visible, order.claim.partition.units)
        yield LoadResult(_units(json.dumps(result)))

    async def finish(
        self, run_id: str, plan: Plan, ends: Ends, fence: Fence, snapshot_id: str
    ) -> AsyncGenerator[FinishProgress]:
        """Make one index per dataset."""
        del ends, fence, snapshot_id
        with self._call("finish", run_id):
            for number, dataset in enumerate(plan.datasets, 1):
                yield FinishProgress("index", f"{dataset.name}_pkey", number, len(plan.datasets))
            self._database.execute("UPDATE world SET finished = 1")

    async def repair(self, run_id: str, target: Connection) -> AsyncGenerator[FinishProgress]:
        """Bring one constraint back."""
        del target
        with self._call("repair", run_id):
            yield FinishProgress("constraint", "orders_pkey", 1, 1)

    async def digest(
        self, connection: Connection, snapshot_id: str, selections: Sequence[DigestSelection]
    ) -> list[DatasetDigest]:
        """Count rows: of the source under a snapshot, of the target at present."""
        with self._call("digest", connection.id):
            arrived = self.arrived()
            return [
                DatasetDigest(
                    selection.dataset,
                    self._rows(selection.dataset) if snapshot_id else arrived.get(str(selection.dataset), 0),
                    "sum" if selection.columns else "",
                )
                for selection in selections
            ]

    @contextmanager
    def _call(self, method: str, subject: str) -> Iterator[None]:
        self._refuse_if_away()
        self._observe(f"{method}:before")
        self._database.execute("INSERT INTO call VALUES (?, ?, ?)", (method, subject, time.time()))
        yield
        self._observe(f"{method}:after")

    def _refuse_if_away(self) -> None:
        if self._database.execute("SELECT away FROM world").fetchone()[0]:
            raise StoreUnreachable("reaching a store: it is away")

    def _take(self, order: HoldOrder) -> tuple[str, str]:
        now = time.time()
        self._database.execute("DELETE FROM snapshot WHERE ends < ?", (now,))
        query = "SELECT id, visible FROM snapshot WHERE handle = ?"
        found = self._database.execute(query, (order.handle,)).fetchone()
        if found:
            return str(found[0]), str(found[1])
        (moment,) = self._database.execute("SELECT moment FROM world").fetchone()
        visible = f"{moment}:"
        if order.adopt:
            visible = self._visible(order.adopt)
        row = (order.handle, uuid.uuid4().hex, visible, now + order.lease_seconds)
        self._database.execute("INSERT INTO snapshot VALUES (?, ?, ?, ?)", row)
        return row[1], visible

    def _visible(self, snapshot_id: str) -> str:
        query = "SELECT visible FROM snapshot WHERE id = ? AND ends > ?"
        found = self._database.execute(query, (snapshot_id, time.time())).fetchone()
        if found is None:
            raise SnapshotLost("reading under a snapshot: it is gone")
        return str(found[0])

    def _rows(self, name: DatasetName) -> int:
        query = "SELECT row_count FROM source WHERE dataset = ?"
        return int(self._database.execute(query, (str(name),)).fetchone()[0])

    def _enter(self, id_: str, epoch: int) -> str | None:
        """Claim a partition's fence row; answers its result when it is done."""
        claim = "UPDATE fence SET epoch = ? WHERE partition = ? AND epoch < ? AND NOT done"
        if self._database.execute(claim, (epoch, id_, epoch)).rowcount:
            return None
        found = self._database.execute("SELECT done, result FROM fence WHERE partition = ?", (id_,)).fetchone()
        if found and found[0]:
            return str(found[1])
        raise FenceLost("claiming a partition: another claimant has it")

    def _commit(self, id_: str, epoch: int, visible: str, units: Sequence[Unit]) -> list[list[str | int]]:
        result: list[list[str | int]] = [[*_pair(unit.dataset), int(unit.slice)] for unit in units]
        done = "UPDATE fence SET done = 1, result = ? WHERE partition = ? AND epoch = ? AND NOT done"
        rows = [(f"{schema}.{name}", id_, visible, count) for schema, name, count in result]
        self._database.execute("BEGIN IMMEDIATE")
        won = self._database.execute(done, (json.dumps(result), id_, epoch)).rowcount
        if won:
            self._database.executemany("INSERT INTO target VALUES (?, ?, ?, ?)", rows)
        self._database.execute("COMMIT")
        if not won:
            raise FenceLost("loading a partition: another claimant has it")
        return result


def _pair(name: DatasetName) -> list[str]:
    return [name.schema, name.name]


def _units(result: str) -> tuple[UnitResult, ...]:
    return tuple(
        UnitResult(DatasetName(schema, name), rows, rows, 0, 0, rows * 1_000, b"\0" * 16, {"extract": rows})
        for schema, name, rows in json.loads(result)
    )

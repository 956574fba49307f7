"""A gateway that executes runs in a process of its own, over the fake data plane: to be killed, stopped and restarted.

Processes are forked from one that has everything imported, so that a dozen of them cost seconds.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

from elute_gateway.application.pace import Pace
from elute_gateway.application.runs import Request
from elute_gateway.clients.testing import FakeDataPlane
from elute_gateway.domain.names import DatasetName
from elute_gateway.domain.pipeline import Limits
from elute_gateway.domain.plan import Plan
from elute_gateway.domain.run import Run
from elute_gateway.engine.execution import Place, executing
from elute_gateway.store.database import Database
from tests.support.gateway import WORKSPACE, new_run, run_plan

QUICK = Pace(
    lease_seconds=1.5,
    beat_seconds=0.2,
    idle_beat_seconds=0.3,
    snapshot_lease_seconds=20.0,
    longest_wait_seconds=0.5,
    progress_seconds=0.1,
    poll_seconds=0.05,
)


@dataclass
class Planned:
    """Plans whatever is asked for as one plan."""

    plan_: Plan
    error: Exception | None = None

    async def plan(self, run: Run) -> Plan:
        del run
        if self.error:
            raise self.error
        return self.plan_


def small_partitions(*names: DatasetName, **values: object) -> Plan:
    """A plan whose every slice is a partition of its own."""
    return run_plan(*names, limits=Limits(partition_bytes=1), **values)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Scene:
    """What a gateway process is started with.

    `die_at` names calls of the data plane, as `load:after`; at the first of each, one process kills itself.
    """

    url: str
    plane_file: Path
    source: dict[DatasetName, int]
    name: str = "here"
    load_seconds: float = 0.02
    die_at: tuple[str, ...] = ()

    def plane(self) -> FakeDataPlane:
        return FakeDataPlane(
            self.plane_file, self.source, load_seconds=self.load_seconds, observe=_Death(self.plane_file, self.die_at)
        )


@dataclass
class _Death:
    file: Path
    points: tuple[str, ...]
    _died: sqlite3.Connection = field(init=False)

    def __post_init__(self) -> None:
        self._died = sqlite3.connect(self.file, isolation_level=None, timeout=10)
        self._died.execute("CREATE TABLE IF NOT EXISTS died (point TEXT PRIMARY KEY)")

    def __call__(self, point: str) -> None:
        if point in self.points and self._died.execute("INSERT OR IGNORE INTO died VALUES (?)", (point,)).rowcount:
            os.kill(os.getpid(), signal.SIGKILL)


def deaths(file: Path) -> set[str]:
    with sqlite3.connect(file) as connection:
        return {row[0] for row in connection.execute("SELECT point FROM died")}


def _serve(scene: Scene, start: str | None) -> None:
    asyncio.run(_execute(scene, start))


async def _execute(scene: Scene, start: str | None) -> None:
    store = Database.at(scene.url)
    place = Place(scene.url, WORKSPACE, scene.name)
    async with executing(store, place, scene.plane(), Planned(small_partitions(*scene.source)), QUICK) as runs:
        if start:
            await runs.start(new_run(), Request(start))
        await asyncio.Event().wait()


_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__])


@contextmanager
def gateway_process(scene: Scene, start: str | None = None) -> Iterator[BaseProcess]:
    """Run a gateway; with a key it starts a run, the same one each time.

    It is killed at the end of the block, a stopped one too: those that a failed test left behind would keep the
    session of tests from ending.
    """
    process = _FORKS.Process(target=_serve, args=(scene, start), daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def wait_until(condition: object, seconds: float = 20.0) -> None:
    """Wait for a condition, a callable without arguments."""
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)

"""Puts together what executes runs in one gateway process, and takes it apart again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from elute_gateway.application import meters
from elute_gateway.application.loading import Loader
from elute_gateway.application.pace import Pace
from elute_gateway.application.ports import Books, DataPlane, RunPlanner
from elute_gateway.application.pulse import Pulse
from elute_gateway.application.retention import Retention
from elute_gateway.application.runs import RunUseCases
from elute_gateway.application.session import Stop
from elute_gateway.application.steps import RunSteps
from elute_gateway.application.telling import Teller
from elute_gateway.domain.identifier import new_id
from elute_gateway.engine.durable import Engine
from elute_gateway.store.connections import Connections
from elute_gateway.store.database import Database
from elute_gateway.store.gateways import Gateways
from elute_gateway.store.generations import Generations
from elute_gateway.store.history import History
from elute_gateway.store.ledger import Ledger
from elute_gateway.store.runs import Runs


@dataclass(frozen=True, slots=True)
class Place:
    """Which gateway this is.

    Attributes:
        url: The store, `sqlite:///<absolute path>` or `postgresql://…`; its schema is that of this release.
        workspace: The workspace that it serves.
        name: What tells it from other gateways that live at the same time: a pod's or a machine's name. One that
            starts under the name of another says that the other is dead.
    """

    url: str
    workspace: str
    name: str


@asynccontextmanager
async def executing(
    database: Database, place: Place, plane: DataPlane, planner: RunPlanner, pace: Pace | None = None
) -> AsyncIterator[RunUseCases]:
    """Execute runs while the block runs; gives what can be done with them.

    At the end what is being done here stops at once, and other gateways may go on with it.
    """
    pace = pace or Pace()
    gateway_id = new_id()
    books = open_books(database, place.workspace)
    teller = Teller(books.history, pace)
    loader = Loader(gateway_id, books, plane, pace, teller)
    steps = RunSteps(gateway_id, books, plane, planner, pace=pace, loader=loader, teller=teller)
    meters.SNAPSHOT_AGE.set_function(lambda: steps.oldest_snapshot_seconds)
    engine = Engine(engine_url(place.url), gateway_id, pace.poll_seconds)
    await books.gateways.enroll(gateway_id, place.name, pace.lease_seconds)
    await engine.start(steps)
    pulse = Pulse(gateway_id, books, steps, loader, pace=pace, durable=engine)
    retention = Retention(books, engine, pace, lambda: pulse.leads)
    chores = {
        asyncio.create_task(pulse.beat_for_ever(), name="pulse"),
        asyncio.create_task(retention.sweep_for_ever(), name="retention"),
    }
    try:
        yield RunUseCases(books, plane, engine, steps, teller)
    finally:
        for chore in chores:
            chore.cancel()
        await asyncio.wait(chores)
        await _leave(steps)
        await engine.stop()
        await books.gateways.resign(gateway_id)


async def _leave(steps: RunSteps) -> None:
    for session in list(steps.sessions.values()):
        session.stop(Stop.LEAVING)
    await steps.idle.wait()


def open_books(database: Database, workspace: str) -> Books:
    """Open everything that runs keep in a store."""
    return Books(
        runs=Runs(database, workspace),
        generations=Generations(database),
        ledger=Ledger(database),
        history=History(database),
        gateways=Gateways(database, workspace),
        connections=Connections(database, workspace),
    )


def engine_url(store_url: str) -> str:
    """Say where workflows are kept: in a schema of the same PostgreSQL database, in a file beside the SQLite one.

    Not in the same file: SQLite has one writer, and the two would wait for each other.
    """
    url = sa.make_url(store_url)
    if url.get_backend_name() != "sqlite":
        return store_url
    file = Path(url.database or "")
    return f"sqlite:///{file.with_name(f'{file.stem}-runs{file.suffix}')}"

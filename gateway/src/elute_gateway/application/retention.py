"""Lets go of runs that ended long ago, with all that is kept about them. One gateway of all does it: the leader."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from elute_gateway.application import meters
from elute_gateway.application.pace import Pace
from elute_gateway.application.ports import Books, DurableRuns
from elute_wire.errors import EluteError
from elute_wire.telemetry import logger

_AT_ONCE = 100

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Retention:
    """Forgets what is older than `Pace.keep_runs_seconds`.

    Attributes:
        books: Where runs are kept.
        durable: What executes them, which keeps its own account of each.
        pace: How old a run may become, and how often to look.
        leads: Whether this gateway is the leader now.
    """

    books: Books
    durable: DurableRuns
    pace: Pace
    leads: Callable[[], bool]

    async def sweep_for_ever(self) -> None:
        """Sweep now and then while this gateway leads. A store that is away is survived."""
        while True:
            await asyncio.sleep(self.pace.sweep_seconds)
            if not self.leads():
                continue
            try:
                forgotten = await self.sweep()
            except EluteError as error:
                meters.ERRORS.labels(error.code).inc()
                _log.warning("runs that are over could not be forgotten", code=error.code)
                continue
            if forgotten:
                _log.info("runs that ended long ago are forgotten", runs=forgotten)

    async def sweep(self) -> int:
        """Delete the runs that ended too long ago, with all that is kept about them; answers how many."""
        count = 0
        while old := await self.books.runs.ended(self.pace.keep_runs_seconds, _AT_ONCE):
            for run in old:
                # First what only the run's row leads to.
                await self.durable.forget(run.id, run.round)
            await self.books.runs.delete([run.id for run in old])
            meters.RUNS_FORGOTTEN.inc(len(old))
            count += len(old)
        return count

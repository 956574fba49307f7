"""A gateway's pulse: says that it lives, learns what others want of its runs, and looks after the runs of the dead."""

from __future__ import annotations

import asyncio

from elute_gateway.application import meters
from elute_gateway.application.loading import Loader
from elute_gateway.application.pace import Pace
from elute_gateway.application.ports import Books, DurableRuns
from elute_gateway.application.session import Stop
from elute_gateway.application.steps import RunSteps
from elute_wire.errors import EluteError
from elute_wire.telemetry import logger

_log = logger(__name__)


class Pulse:
    """Beats until cancelled."""

    def __init__(
        self, gateway_id: str, books: Books, steps: RunSteps, loader: Loader, *, pace: Pace, durable: DurableRuns
    ) -> None:
        self._gateway = gateway_id
        self._books = books
        self._steps = steps
        self._loader = loader
        self._pace = pace
        self._durable = durable
        self._last_care = 0.0
        self._leads = False

    @property
    def leads(self) -> bool:
        """Whether this gateway was the leader when it last looked."""
        return self._leads

    async def beat_for_ever(self) -> None:
        """Beat, faster while there are runs here. A store that is away is survived."""
        loop = asyncio.get_running_loop()
        while True:
            busy = bool(self._steps.sessions)
            try:
                await self._beat()
                if loop.time() - self._last_care >= self._pace.idle_beat_seconds:
                    await self._care()
                    self._last_care = loop.time()
            except EluteError as error:
                meters.ERRORS.labels(error.code).inc()
                _log.warning("the gateway's store did not take a heartbeat", code=error.code)
            await asyncio.sleep(self._pace.beat_seconds if busy else self._pace.idle_beat_seconds)

    async def _beat(self) -> None:
        """Renew all leases first: a gateway that was stopped for a while goes on with what nobody has taken."""
        sessions = dict(self._steps.sessions)
        told = await self._books.gateways.beat(self._gateway, list(sessions), self._pace.lease_seconds)
        for run_id, session in sessions.items():
            beat = told.get(run_id)
            if beat is None or beat.epoch != session.run.epoch:
                session.stop(Stop.SUPERSEDED)
            elif beat.cancelling:
                session.stop(Stop.CANCELLED)
        await self._loader.renew()

    async def _care(self) -> None:
        await self._books.gateways.end_stopped()
        self._leads = await self._books.gateways.lead(self._gateway, self._pace.lease_seconds)
        meters.LEADING.set(self._leads)
        backlog = await self._books.ledger.backlog()
        meters.PARTITIONS_QUEUED.set(backlog.partitions)
        meters.QUEUE_AGE.set(backlog.oldest_seconds)
        if not self._leads:
            return
        for run_id, round_ in await self._books.gateways.orphans(self._pace.lease_seconds):
            _log.info("a run has no living gateway: it goes on at another", run=run_id)
            await self._durable.go_on(run_id, round_)

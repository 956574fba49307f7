"""Loads the partitions of all runs that this gateway executes: claims them, watches their `Load` calls, settles them.

One loop does all bookkeeping in rounds, so that a round writes what has come in since the last one, and claims for
whatever became free, in two transactions however many partitions there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from elute_gateway.application import meters
from elute_gateway.application.pace import TRANSIENT, Pace, Patience
from elute_gateway.application.places import Places
from elute_gateway.application.ports import Books, DataPlane, LoadOrder
from elute_gateway.application.session import RunSession
from elute_gateway.application.telling import Teller
from elute_gateway.domain.ledger import Claim, UnitResult, require_balance
from elute_gateway.domain.transfer import Fence, LoadResult
from elute_wire.errors import EluteError, FenceLost, SnapshotLost, StreamTruncated, foreign_fault
from elute_wire.telemetry import about

_ROUND_SECONDS = 1.0
"""How long a round waits for something to happen: a lease of another gateway that ends, a limit that is lifted."""

_ALONE_DEATHS = 2
"""After so many dead workers in a row a partition loads alone, so that it takes no other down with it."""


@dataclass(eq=False)
class _Loading:
    """A run whose partitions are being loaded."""

    session: RunSession
    fence: Fence
    patience: Patience
    done: asyncio.Future[None]
    calls: dict[str, asyncio.Task[None]] = field(default_factory=dict)


class Loader:
    """Loads partitions, as many at a time as the gateway, the runs and the connections allow."""

    def __init__(self, gateway_id: str, books: Books, plane: DataPlane, pace: Pace, teller: Teller) -> None:
        self._gateway = gateway_id
        self._books = books
        self._plane = plane
        self._pace = pace
        self._teller = teller
        self._loadings: dict[str, _Loading] = {}
        self._finished: list[tuple[Claim, Sequence[UnitResult]]] = []
        self._wake = asyncio.Event()
        self._places = Places(pace.slots)
        self._rounds: asyncio.Task[None] | None = None

    async def load(self, session: RunSession, fence: Fence) -> None:
        """Load all partitions of a run that are not in.

        Raises:
            SnapshotLost: The snapshot ended first.
            EluteError: A partition cannot be loaded.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        loading = _Loading(session, fence, Patience(self._pace), done)
        self._loadings[session.run.id] = loading
        self._wake.set()
        if self._rounds is None or self._rounds.done():
            self._rounds = asyncio.create_task(self._work(), name="loader")
        try:
            await done
        finally:
            self._loadings.pop(session.run.id, None)
            await self._end_calls(loading)

    async def renew(self) -> None:
        """Renew the leases of all that is being loaded, and end the calls whose claim is another's by now."""
        calls = {(run_id, id_) for run_id, loading in self._loadings.items() for id_ in loading.calls}
        if not calls:
            return
        renewed = await self._books.ledger.renew(self._gateway, self._pace.lease_seconds)
        for run_id, id_ in calls - renewed.keys():
            loading = self._loadings.get(run_id)
            # What has just come in is no longer running either: its call is over, and cancelling it does nothing.
            if loading and id_ in loading.calls and not self._is_finished(run_id, id_):
                loading.calls[id_].cancel()

    def _is_finished(self, run_id: str, partition_id: str) -> bool:
        return any(claim.run_id == run_id and claim.partition.id == partition_id for claim, _ in self._finished)

    async def _work(self) -> None:
        while self._loadings:
            try:
                await self._round()
            except EluteError as error:
                # The store is away, or busy. What has come in stays in memory, and the target's fence knows it too.
                meters.ERRORS.labels(error.code).inc()
                await asyncio.sleep(self._pace.first_wait_seconds)
                continue
            except Exception as error:  # noqa: BLE001  # runs that wait for this loop must not wait for ever
                for loading in self._loadings.values():
                    self._fail(loading, foreign_fault(error, "loading partitions"))
                return
            try:
                await asyncio.wait_for(self._wake.wait(), _ROUND_SECONDS)
            except TimeoutError:
                continue

    async def _round(self) -> None:
        self._wake.clear()
        if self._finished:
            batch = list(self._finished)
            await self._books.ledger.finish(batch)
            del self._finished[: len(batch)]
        slots = self._places.free
        if slots and self._loadings:
            claims = await self._books.ledger.claim(
                self._gateway, list(self._loadings), slots, self._pace.lease_seconds
            )
            meters.CLAIMS.inc(len(claims))
            for claim in claims:
                self._call(claim)
        for loading in list(self._loadings.values()):
            await self._end_if_all_in(loading)

    def _call(self, claim: Claim) -> None:
        loading = self._loadings.get(claim.run_id)
        if loading is None:
            return  # its run has stopped since the claim; the lease ends by itself
        task = asyncio.create_task(self._load_one(loading, claim), name=f"load {claim.run_id} {claim.partition.id}")
        loading.calls[claim.partition.id] = task
        meters.PARTITIONS_LOADING.inc()

        def ended(_: asyncio.Task[None]) -> None:
            if loading.calls.get(claim.partition.id) is task:
                del loading.calls[claim.partition.id]
            meters.PARTITIONS_LOADING.dec()
            self._wake.set()

        task.add_done_callback(ended)

    async def _end_if_all_in(self, loading: _Loading) -> None:
        if loading.done.done() or loading.calls or self._finished:
            return
        if await self._books.ledger.open_count(loading.session.run.id) == 0 and not loading.done.done():
            loading.done.set_result(None)

    async def _load_one(self, loading: _Loading, claim: Claim) -> None:
        """Load one claimed partition; every way out is written to the ledger or fails the run."""
        try:
            with about(run=claim.run_id, partition=claim.partition.id):
                async with self._places.taken(alone=claim.deaths >= _ALONE_DEATHS):
                    result = await self._stream(loading, claim)
                require_balance(claim.partition.id, result.units)
        except asyncio.CancelledError:
            meters.ATTEMPTS.labels(meters.CANCELLED).inc()
            await asyncio.shield(self._give_back(claim, 0.0, "cancelled", claim.deaths))
            raise
        except EluteError as error:
            await self._failed(loading, claim, error)
        except Exception as error:  # noqa: BLE001  # a defect of ours fails the run, in our own words
            self._fail(loading, foreign_fault(error, f"loading partition {claim.partition.id}"))
        else:
            loading.patience.progress()
            self._finished.append((claim, result.units))
            _count(result.units)
            self._teller.loaded(loading.session.run.id, claim, result)

    async def _stream(self, loading: _Loading, claim: Claim) -> LoadResult:
        session = loading.session
        assert session.keeper is not None  # noqa: S101  # a run is loaded under a snapshot
        assert session.plan is not None  # noqa: S101
        assert session.ends is not None  # noqa: S101
        snapshot_id = await session.keeper.snapshot_id()
        order = LoadOrder(claim, session.plan, session.ends, loading.fence, snapshot_id)
        rows = 0
        async with aclosing(self._plane.load(order)) as events:
            async for event in events:
                if isinstance(event, LoadResult):
                    return event
                if event.rows > rows:
                    rows = event.rows
                    loading.patience.progress()
                self._teller.loading(session.run.id, claim, event)
        raise StreamTruncated("loading a partition: the answer ended without its result")

    async def _failed(self, loading: _Loading, claim: Claim, error: EluteError) -> None:
        meters.ATTEMPTS.labels(meters.FAILED).inc()
        meters.ERRORS.labels(error.code).inc()
        self._teller.attempt_failed(loading.session.run.id, claim, error)
        wait = loading.patience.failure()
        # A service that was away has not died of this partition: only one that ended in the middle may have.
        deaths = claim.deaths + 1 if isinstance(error, StreamTruncated) else 0
        if isinstance(error, FenceLost | SnapshotLost):
            # Another claim came between, or the holder of the snapshot has just ended: the next claim finds out.
            fatal = loading.patience.is_over
        else:
            fatal = error.recovery not in TRANSIENT or loading.patience.is_over or deaths >= self._pace.deaths
        if fatal:
            self._fail(loading, error)
        await self._give_back(claim, wait, error.code, deaths)
        asyncio.get_running_loop().call_later(wait, self._wake.set)
        if isinstance(error, SnapshotLost) and loading.session.keeper:
            try:
                await loading.session.keeper.snapshot_id()
            except EluteError as lost:
                self._fail(loading, lost)

    def _fail(self, loading: _Loading, error: EluteError) -> None:
        if not loading.done.done():
            loading.done.set_exception(error)

    async def _give_back(self, claim: Claim, wait: float, code: str, deaths: int) -> None:
        try:
            await self._books.ledger.give_back(claim, after_seconds=wait, error_code=code, deaths=deaths)
        except EluteError:
            return  # the store is away: the lease ends by itself, and the next claim has a higher epoch

    async def _end_calls(self, loading: _Loading) -> None:
        calls = list(loading.calls.values())
        for task in calls:
            task.cancel()
        if calls:
            await asyncio.wait(calls)


def _count(units: Sequence[UnitResult]) -> None:
    meters.ATTEMPTS.labels(meters.DONE).inc()
    for unit in units:
        for stage, rows in unit.stages.items():
            meters.ROWS.labels(stage).inc(rows)
        meters.ROWS.labels("load").inc(unit.rows_written)
        meters.LOADED_BYTES.inc(unit.loaded_bytes)

# ruff: noqa: D102 — the methods of the store are documented where they are implemented
"""What a run needs from outside: the store, the data plane, a planner, and durable execution."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from elute_gateway.domain.connection import Connection
from elute_gateway.domain.ledger import Backlog, Claim, NewPartition, Partition, Snapshot, Unit, UnitResult
from elute_gateway.domain.names import DatasetName
from elute_gateway.domain.plan import Plan
from elute_gateway.domain.run import (
    DatasetProgress,
    EventKind,
    Failure,
    Heartbeat,
    LogLine,
    NewRun,
    Phase,
    Run,
    RunEvent,
    RunState,
)
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


class RunStore(Protocol):
    """The runs; see `store.runs`."""

    async def insert(self, run_id: str, new: NewRun, idempotency_key: str | None, request_digest: bytes) -> Run: ...
    async def asked(self, idempotency_key: str | None, request_digest: bytes) -> Run | None: ...
    async def get(self, run_id: str) -> Run: ...
    async def page(
        self, before: str = "", limit: int = 50, states: Collection[RunState] = (), pipeline_id: str = ""
    ) -> list[Run]: ...
    async def plan(self, run_id: str) -> Plan | None: ...
    async def datasets(self, run_id: str) -> list[DatasetProgress]: ...
    async def take_over(self, run_id: str, gateway: str, lease_seconds: float) -> Run | None: ...
    async def enter(self, run_id: str, epoch: int, phase: Phase) -> None: ...
    async def pin(self, run_id: str, epoch: int, plan: Plan) -> None: ...
    async def settle(
        self, run_id: str, epoch: int, state: RunState, failure: Failure | None, report: Mapping[str, object]
    ) -> None: ...
    async def request_cancel(self, run_id: str) -> Run: ...
    async def begin_again(self, run_id: str) -> Run | None: ...
    async def ended(self, older_than_seconds: float, limit: int) -> list[Run]: ...
    async def delete(self, run_ids: Sequence[str]) -> None: ...


class GenerationStore(Protocol):
    """The snapshots of runs; see `store.generations`."""

    async def begin(
        self,
        run_id: str,
        run_epoch: int,
        snapshot: Snapshot,
        partitions: Sequence[NewPartition],
        *,
        ends: tuple[str, str],
        again: Collection[DatasetName] = (),
    ) -> None: ...
    async def lose(self, run_id: str, generation: int) -> None: ...
    async def snapshots(self, run_id: str) -> list[Snapshot]: ...


class LedgerStore(Protocol):
    """Who works on which partition; see `store.ledger`."""

    async def claim(self, gateway: str, runs: Collection[str], slots: int, lease_seconds: float) -> list[Claim]: ...
    async def renew(self, gateway: str, lease_seconds: float) -> dict[tuple[str, str], int]: ...
    async def finish(self, finished: Sequence[tuple[Claim, Sequence[UnitResult]]]) -> None: ...
    async def give_back(
        self, claim: Claim, *, after_seconds: float = 0.0, error_code: str = "", deaths: int = 0
    ) -> None: ...
    async def end_leases(self, run_id: str) -> None: ...
    async def partitions(self, run_id: str, after: str = "", limit: int = 1_000_000) -> list[Partition]: ...
    async def open_count(self, run_id: str) -> int: ...
    async def backlog(self) -> Backlog: ...


class HistoryStore(Protocol):
    """What a run tells; see `store.history`."""

    async def tell(self, run_id: str, kind: EventKind, data: Mapping[str, object]) -> int: ...
    async def events(self, run_id: str, after: int = 0, limit: int = 1000) -> list[RunEvent]: ...
    def listening(self, run_id: str) -> AbstractContextManager[asyncio.Event]: ...
    async def write(self, run_id: str, lines: Sequence[LogLine]) -> None: ...
    async def log(self, run_id: str, after: int = 0, limit: int = 1000) -> list[LogLine]: ...


class GatewayStore(Protocol):
    """The gateways and their leases; see `store.gateways`."""

    async def enroll(self, gateway_id: str, name: str, lease_seconds: float) -> None: ...
    async def beat(self, gateway_id: str, runs: Collection[str], lease_seconds: float) -> dict[str, Heartbeat]: ...
    async def end_stopped(self) -> None: ...
    async def lead(self, gateway_id: str, lease_seconds: float) -> bool: ...
    async def orphans(self, grace_seconds: float) -> list[tuple[str, int]]: ...
    async def resign(self, gateway_id: str) -> None: ...


class ConnectionStore(Protocol):
    """The connections, as services need them."""

    async def resolve(self, connection_id: str) -> Connection: ...


@dataclass(frozen=True, slots=True)
class Books:
    """Everything that runs keep in the store."""

    runs: RunStore
    generations: GenerationStore
    ledger: LedgerStore
    history: HistoryStore
    gateways: GatewayStore
    connections: ConnectionStore


class RunPlanner(Protocol):
    """Turns what a run pins into what it does."""

    async def plan(self, run: Run) -> Plan:
        """Look at both stores and make the plan.

        Raises:
            PlanRefused: Something must be mended first; `CatalogChanged` where the source is no longer what the
                policy was pinned for.
            EluteError: A store or a service said no.
        """
        ...


@dataclass(frozen=True, slots=True)
class HoldOrder:
    """One `HoldSnapshot` call.

    Attributes:
        holder: Which of the connectors, counted from 0.
        handle: The name of the snapshot there; the same one re-attaches.
        source: The store.
        plan: Names the datasets, with the fingerprints that they must have.
        adopt: The snapshot to adopt; empty for a new one.
        lease_seconds: How long it outlives the call.
    """

    holder: int
    handle: str
    source: Connection
    plan: Plan
    adopt: str
    lease_seconds: float


@dataclass(frozen=True, slots=True)
class LoadOrder:
    """One `Load` call."""

    claim: Claim
    plan: Plan
    ends: Ends
    fence: Fence
    snapshot_id: str


class DataPlane(Protocol):
    """What the services do for a run. Every call may raise any `EluteError`; cancelling one ends it everywhere."""

    @property
    def holders(self) -> int:
        """How many connectors can hold a snapshot, each apart from the others: 1 or 2."""
        ...

    def hold(self, order: HoldOrder) -> AsyncGenerator[HeldSnapshot]:
        """Take a snapshot or re-attach to it, and hold it while the iterator is read."""
        ...

    async def release(self, holder: int, handle: str) -> None:
        """Let a snapshot go; safe to repeat."""
        ...

    async def cut(self, source: Connection, plan: Plan, snapshot_id: str, names: Sequence[DatasetName]) -> list[Unit]:
        """Cut datasets into slices that cover each once and whole."""
        ...

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
        """Make the target and its fence ready for partitions, given with their datasets; safe to repeat."""
        ...

    def load(self, order: LoadOrder) -> AsyncGenerator[LoadProgress | LoadResult]:
        """Load a partition; the last event is a `LoadResult`."""
        ...

    def finish(
        self, run_id: str, plan: Plan, ends: Ends, fence: Fence, snapshot_id: str
    ) -> AsyncGenerator[FinishProgress]:
        """Make the loaded target whole; safe to repeat."""
        ...

    def repair(self, run_id: str, target: Connection) -> AsyncGenerator[FinishProgress]:
        """Bring the target of a run that has ended half-way back to valid keys and triggers; safe to repeat."""
        ...

    async def digest(
        self, connection: Connection, snapshot_id: str, selections: Sequence[DigestSelection]
    ) -> list[DatasetDigest]:
        """Count and sum datasets, one answer per selection in order."""
        ...


class DurableRuns(Protocol):
    """Executes runs so that they survive the death of a gateway; see `engine.durable`."""

    async def begin(self, run_id: str, round_: int) -> None:
        """Begin a round of a run; nothing happens if it has begun."""
        ...

    async def go_on(self, run_id: str, round_: int) -> None:
        """Let some gateway go on with a round whose gateway is gone."""
        ...

    async def forget(self, run_id: str, rounds: int) -> None:
        """Delete what is kept about the rounds of a run that has ended."""
        ...

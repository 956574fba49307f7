"""Runs in one process, from the request to the report, over a data plane that can be taken away."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from elute_gateway.application import meters
from elute_gateway.application.ports import LoadOrder
from elute_gateway.application.runs import Request, RunUseCases
from elute_gateway.clients.testing import FakeDataPlane
from elute_gateway.domain.names import DatasetName
from elute_gateway.domain.plan import Plan
from elute_gateway.domain.run import EventKind, Run, RunState
from elute_gateway.domain.transfer import LoadProgress, LoadResult
from elute_gateway.engine.execution import Place, engine_url, executing
from elute_gateway.store.database import Database
from elute_gateway.store.gateways import Gateways
from elute_wire.errors import (
    CatalogChanged,
    EluteError,
    InvalidRequest,
    ServiceUnavailable,
    StoreDataRejected,
    StoreFailed,
    StreamTruncated,
)
from tests.support.gateway import ITEMS, NOTES, ORDERS, WORKSPACE, new_run
from tests.support.gateway_process import QUICK, Planned, small_partitions

Failure = Callable[[LoadOrder], EluteError | Exception | None]


class BreakingPlane(FakeDataPlane):
    """Fails `Load` calls as a test says, after the first sign of life."""

    failure: Failure | None = None

    async def load(self, order: LoadOrder) -> AsyncGenerator[LoadProgress | LoadResult]:
        error = self.failure(order) if self.failure else None
        if error:
            yield LoadProgress(0, 0)
            raise error
        async for event in super().load(order):
            yield event


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[BreakingPlane]:
    plane = BreakingPlane(tmp_path / "plane.db", {ORDERS: 600, ITEMS: 300, NOTES: 100}, load_seconds=0.02)
    yield plane
    plane.close()


Gateway = Callable[..., AbstractAsyncContextManager[RunUseCases]]


@pytest.fixture
def gateway(store: Database, store_url: str, plane: BreakingPlane) -> Gateway:
    """Opens a gateway over the store and the data plane."""

    @asynccontextmanager
    async def opened(
        plan: Plan | None = None, error: Exception | None = None, **pace: Any
    ) -> AsyncIterator[RunUseCases]:
        plan = plan or small_partitions(ORDERS, ITEMS, NOTES, references={ITEMS: [ORDERS]})
        place = Place(store_url, WORKSPACE, "here")
        async with executing(store, place, plane, Planned(plan, error), replace(QUICK, **pace)) as runs:
            yield runs

    return opened


async def ended(runs: RunUseCases, run_id: str, seconds: float = 20.0) -> Run:
    async with asyncio.timeout(seconds):
        while not (run := await runs.get(run_id)).state.is_final or run_id in runs.steps.sessions:
            await asyncio.sleep(0.02)
    return run


async def loading(plane: FakeDataPlane, count: int) -> None:
    """Wait until some partitions are in."""
    async with asyncio.timeout(10):
        while sum(plane.arrived().values()) < count * 100:
            await asyncio.sleep(0.005)


def whole(plane: FakeDataPlane, *names: DatasetName) -> None:
    """Every row of the source is in the target, once."""
    rows = {str(ORDERS): 600, str(ITEMS): 300, str(NOTES): 100}
    assert plane.arrived() == {str(name): rows[str(name)] for name in names or (ORDERS, ITEMS, NOTES)}
    assert plane.loaded_twice() == []


async def test_a_run_goes_through_its_steps_and_reports(gateway: Gateway, plane: BreakingPlane) -> None:
    async with gateway() as runs:
        run = await runs.start(new_run(), Request("key"))
        assert (await runs.start(new_run(), Request("key"))).id == run.id
        run = await ended(runs, run.id)
        assert (run.state, run.failure) == (RunState.SUCCEEDED, None)
        whole(plane)
        assert plane.held() == [], "the snapshot was let go"

        events = await runs.events(run.id)
        assert [event.number for event in events] == list(range(1, len(events) + 1))
        phases = [event.data["phase"] for event in events if event.kind is EventKind.PHASE]
        assert phases == ["check", "plan", "prepare", "load", "finish", "verify"]
        assert events[-1].data == {"state": "succeeded", "failure": None}
        (*_, progress) = [event.data["datasets"] for event in events if event.kind is EventKind.PROGRESS]
        assert {"dataset": "public.orders", "rows": 600, "bytes": 600_000} in progress  # type: ignore[operator]

        report = {row["dataset"]: row for row in run.report["datasets"]}  # type: ignore[attr-defined]
        assert report["public.orders"]["rows_written"] == 600
        assert report["public.orders"]["verified"] == "equal"
        assert {row["snapshot"] for row in report.values()} == {"1:"}
        assert len(await runs.partitions(run.id)) == 10


async def test_what_was_pinned_and_has_changed_stops_the_run_before_its_first_row(
    gateway: Gateway, plane: BreakingPlane
) -> None:
    refusal = CatalogChanged("planning: column public.orders.national_id has appeared", hint="accept it")
    async with gateway(error=refusal) as runs:
        run = await ended(runs, (await runs.start(new_run())).id)
        assert run.state is RunState.FAILED
        assert run.failure is not None
        assert (run.failure.code, run.failure.hint) == ("catalog-changed", "accept it")
        assert plane.calls("prepare") == plane.calls("load") == []


async def test_a_lost_snapshot_restarts_what_is_unfinished_with_all_that_refers_to_it(
    gateway: Gateway, plane: BreakingPlane
) -> None:
    # Notes are few and done first; orders and items refer to each other.
    plan = small_partitions(NOTES, ORDERS, ITEMS, references={ITEMS: [ORDERS]})
    async with gateway(plan) as runs:
        run = await runs.start(new_run(parallel_partitions=2))
        await loading(plane, 4)
        plane.change_source(ORDERS, 50)
        plane.end_snapshots()
        run = await ended(runs, run.id)
        assert run.state is RunState.SUCCEEDED, run.failure
        assert plane.arrived() == {"public.orders": 650, "public.items": 300, "public.notes": 100}
        assert plane.loaded_twice() == []
        seen = plane.visible()
        assert seen["public.orders"] == seen["public.items"] == {"2:"}
        report = {row["dataset"]: row for row in run.report["datasets"]}  # type: ignore[attr-defined]
        assert {name: {row["snapshot"]} for name, row in report.items()} == seen, "the report names each snapshot"
        assert run.report["snapshots"] == sorted({"2:"} | seen["public.notes"])


async def test_a_new_snapshot_that_sees_the_same_is_the_same(gateway: Gateway, plane: BreakingPlane) -> None:
    async with gateway() as runs:
        run = await runs.start(new_run(parallel_partitions=2))
        await loading(plane, 3)
        plane.end_snapshots()
        run = await ended(runs, run.id)
        assert run.state is RunState.SUCCEEDED
        assert len(plane.calls("prepare")) == 1, "nothing started again"
        whole(plane)


async def test_a_cancelled_run_ends_at_once_and_resumes_where_it_stood(gateway: Gateway, plane: BreakingPlane) -> None:
    async with gateway() as runs:
        run = await runs.start(new_run(parallel_partitions=2))
        await loading(plane, 3)
        asked = time.monotonic()
        await runs.cancel(run.id)
        assert (await ended(runs, run.id)).state is RunState.CANCELLED
        assert time.monotonic() - asked < 2
        calls = len(plane.calls("load"))
        await asyncio.sleep(0.3)
        assert len(plane.calls("load")) == calls, "nothing goes on behind its back"
        with pytest.raises(InvalidRequest):
            await runs.cancel(run.id)

        again = await runs.resume(run.id)
        assert again.round == 2
        assert (await ended(runs, run.id)).state is RunState.SUCCEEDED
        whole(plane)
        with pytest.raises(InvalidRequest):
            await runs.resume(run.id)


async def test_stores_that_are_away_for_a_while_do_not_fail_a_run(gateway: Gateway, plane: BreakingPlane) -> None:
    async with gateway() as runs:
        run = await runs.start(new_run(parallel_partitions=2))
        await loading(plane, 2)
        plane.go_away()
        await asyncio.sleep(3)
        assert not (await runs.get(run.id)).state.is_final
        plane.come_back()
        back = time.time()
        run = await ended(runs, run.id)
        assert run.state is RunState.SUCCEEDED
        whole(plane)
        assert min(at for _, at in plane.calls("load") if at > back) - back < 2
        codes = {event.data["code"] for event in await runs.events(run.id) if event.kind is EventKind.ATTEMPT_FAILED}
        assert codes <= {"store-unreachable"}


async def test_patience_has_an_end(gateway: Gateway, plane: BreakingPlane) -> None:
    async with gateway(patience_seconds=0.5) as runs:
        plane.go_away()
        run = await ended(runs, (await runs.start(new_run())).id)
        assert run.failure is not None
        assert run.failure.code == "store-unreachable"


async def test_an_error_that_no_retry_mends_fails_the_run_with_its_name(gateway: Gateway, plane: BreakingPlane) -> None:
    plane.failure = lambda order: StoreDataRejected("writing") if order.claim.partition.id == "s1p000003" else None
    async with gateway() as runs:
        run = await ended(runs, (await runs.start(new_run())).id)
        assert run.state is RunState.FAILED
        assert run.failure is not None
        assert run.failure.code == "store-data-rejected"
        assert plane.held() == []
        plane.failure = None
        await runs.resume(run.id)
        assert (await ended(runs, run.id)).state is RunState.SUCCEEDED
        whole(plane)


async def test_a_retriable_failure_is_tried_again_with_the_next_epoch(gateway: Gateway, plane: BreakingPlane) -> None:
    plane.failure = lambda order: StoreFailed("loading") if order.claim.attempt < 4 else None
    async with gateway() as runs:
        run = await ended(runs, (await runs.start(new_run())).id)
        assert run.state is RunState.SUCCEEDED
        assert {row.attempt for row in await runs.partitions(run.id)} == {4}
        whole(plane)


async def test_a_partition_that_kills_five_workers_in_a_row_fails_the_run(
    gateway: Gateway, plane: BreakingPlane
) -> None:
    poison = "s1p000002"
    plane.failure = lambda order: StreamTruncated("loading") if order.claim.partition.id == poison else None
    async with gateway() as runs:
        run = await ended(runs, (await runs.start(new_run())).id)
        assert run.failure is not None
        assert run.failure.code == "stream-truncated"
        attempts = {row.id: row.attempt for row in await runs.partitions(run.id)}
        assert attempts[poison] == 5


async def test_a_service_that_is_away_is_waited_for(gateway: Gateway, plane: BreakingPlane) -> None:
    plane.failure = lambda order: ServiceUnavailable("loading") if order.claim.attempt < 9 else None
    async with gateway() as runs:
        assert (await ended(runs, (await runs.start(new_run())).id)).state is RunState.SUCCEEDED


async def test_deaths_of_workers_do_not_count_across_another_loss(gateway: Gateway, plane: BreakingPlane) -> None:
    def failure(order: LoadOrder) -> EluteError | None:
        if order.claim.partition.id != "s1p000002" or order.claim.attempt > 9:
            return None
        return StoreFailed("the database was restarted") if order.claim.attempt == 5 else StreamTruncated("loading")

    plane.failure = failure
    async with gateway() as runs:
        assert (await ended(runs, (await runs.start(new_run())).id)).state is RunState.SUCCEEDED


async def test_rows_that_do_not_add_up_fail_the_run(gateway: Gateway, monkeypatch: Any) -> None:
    load = FakeDataPlane.load

    async def losing(self: FakeDataPlane, order: LoadOrder) -> AsyncGenerator[LoadProgress | LoadResult]:
        async for event in load(self, order):
            if isinstance(event, LoadResult):
                event = replace(event, units=tuple(replace(unit, rows_read=101) for unit in event.units))  # noqa: PLW2901
            yield event

    monkeypatch.setattr(FakeDataPlane, "load", losing)
    async with gateway() as runs:
        run = await ended(runs, (await runs.start(new_run())).id)
        assert run.failure is not None
        assert "101 read, but 100 written" in run.failure.message


async def test_content_that_differs_fails_the_run(gateway: Gateway, monkeypatch: Any) -> None:
    digest = FakeDataPlane.digest

    async def differing(self: FakeDataPlane, *args: Any) -> Any:
        answers = await digest(self, *args)
        return [replace(one, content=args[1] or "target") for one in answers]

    monkeypatch.setattr(FakeDataPlane, "digest", differing)
    async with gateway() as runs:
        run = await ended(runs, (await runs.start(new_run())).id)
        assert run.failure is not None
        assert "3 datasets differ" in run.failure.message


async def test_nothing_of_an_unexpected_error_but_its_class_is_kept_or_logged(
    gateway: Gateway, plane: BreakingPlane, store_url: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    plane.failure = lambda _: RuntimeError("canary-4711")
    with caplog.at_level(logging.DEBUG):
        async with gateway() as runs:
            run = await ended(runs, (await runs.start(new_run())).id)
            log = await runs.log(run.id)
            events = await runs.events(run.id)
    assert run.failure is not None
    assert run.failure.code == "internal-fault"
    assert "RuntimeError" in run.failure.message
    assert "canary" not in f"{run}{log}{events}{caplog.text}"
    if store_url.startswith("sqlite"):
        assert kept_in(tmp_path, b"internal-fault")
        assert not kept_in(tmp_path, b"canary")


async def test_a_target_is_repaired_after_its_run_has_failed(gateway: Gateway, plane: BreakingPlane) -> None:
    plane.failure = lambda _: StoreDataRejected("writing")
    async with gateway() as runs:
        run = await ended(runs, (await runs.start(new_run())).id)
        await runs.repair(run.id)
        async with asyncio.timeout(5):
            while not [event for event in await runs.events(run.id) if event.kind is EventKind.REPAIRED]:
                await asyncio.sleep(0.02)
        assert plane.calls("repair")


async def test_ended_runs_are_forgotten_by_the_leader_with_what_the_engine_keeps(
    gateway: Gateway, store: Database, store_url: str
) -> None:
    others = Gateways(store, WORKSPACE)
    assert await others.lead("another", 3600)
    before = forgotten()
    async with gateway(keep_runs_seconds=-60.0, sweep_seconds=0.05) as runs:
        run = await ended(runs, (await runs.start(new_run())).id)
        await asyncio.sleep(0.5)
        assert [one.id for one in await runs.page()] == [run.id], "the leader alone forgets"
        await others.resign("another")
        async with asyncio.timeout(5):
            while await runs.page():
                await asyncio.sleep(0.02)
        assert await workflows(store_url) == 0
        assert forgotten() == before + 1


async def test_runs_are_kept_for_as_long_as_is_said(gateway: Gateway) -> None:
    async with gateway(keep_runs_seconds=3600.0, sweep_seconds=0.02) as runs:
        run = await ended(runs, (await runs.start(new_run())).id)
        await asyncio.sleep(0.7)  # by then it leads, and has swept
        assert (await runs.get(run.id)).state is RunState.SUCCEEDED


def forgotten() -> float:
    """Count the runs that this process has let go of."""
    (family,) = meters.RUNS_FORGOTTEN.collect()
    return family.samples[0].value


def kept_in(folder: Path, word: bytes) -> bool:
    """Look for a word in the files of the store and of the engine."""
    return any(word in file.read_bytes() for file in folder.iterdir() if file.name.startswith("gateway"))


async def workflows(store_url: str) -> int:
    """Count what the engine keeps."""
    database = Database.at(engine_url(store_url))
    schema = "" if database.is_sqlite else "dbos."
    async with database.reading() as connection:
        counts = [
            await connection.scalar(sa.text(f"SELECT count(*) FROM {schema}{table}"))
            for table in ("workflow_status", "operation_outputs")
        ]
    await database.close()
    return sum(count or 0 for count in counts)

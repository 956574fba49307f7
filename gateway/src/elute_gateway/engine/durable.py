"""Durable execution by DBOS: the only module that knows it.

A round of a run is one workflow of few steps. What a step answers is kept, so that after the death of a gateway
another one goes on with the step that was being done. Whose turn it is, the run's own row decides (`RunSteps.open`):
DBOS would resume a workflow that is alive elsewhere.

What DBOS does by itself, and we do not want, is turned off here: pickled results, unbounded threads, logs with the
texts of exceptions, versions made of the source's hash.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID

from elute_gateway.application.steps import END, LOST, Answer, RunSteps
from elute_gateway.store.database import IDLE_TRANSACTION_SECONDS, SESSION, mapped

_NAME = "elute"
_ORDER_VERSION = "1"
"""The version of the steps' order below. Another order is another workflow beside this one, and never an edit of it:
a run that began in the old order is replayed in the old order."""

_WORKFLOW = f"run-{_ORDER_VERSION}"
_THREADS = 16
_POOL_SIZE = 4


class Engine:
    """Executes runs durably. One per process: DBOS is a global of its own."""

    def __init__(self, url: str, gateway_id: str, poll_seconds: float) -> None:
        """Describe the engine; `start` begins the work.

        Args:
            url: Where workflows are kept: `sqlite:///<absolute path>` or `postgresql://…`.
            gateway_id: Which gateway this is, unique per process.
            poll_seconds: How often DBOS looks for notifications; none of ours are sent that way.
        """
        self._url = sa.make_url(url)
        self._gateway = gateway_id
        self._poll_seconds = poll_seconds
        self._run: Callable[[str, int], Coroutine[Any, Any, str]] | None = None

    async def start(self, steps: RunSteps) -> None:
        """Begin to execute; rounds that dead gateways left come through `go_on`."""
        _silence()
        DBOS(config=self._config())
        self._run = _register(steps)
        # Launching migrates DBOS's tables and blocks for up to half a second; it also learns here which loop is ours.
        DBOS.launch()
        _silence()

    async def begin(self, run_id: str, round_: int) -> None:
        """Begin a round of a run; nothing happens if it has begun."""
        assert self._run is not None  # noqa: S101  # `start` has set it
        with SetWorkflowID(_workflow_id(run_id, round_)):
            await DBOS.start_workflow_async(self._run, run_id, round_)

    async def go_on(self, run_id: str, round_: int) -> None:
        """Let some gateway go on with a round whose gateway is gone, or that was never begun."""
        id_ = _workflow_id(run_id, round_)
        if await DBOS.get_workflow_status_async(id_) is None:
            await self.begin(run_id, round_)
        else:
            await DBOS.resume_workflow_async(id_)

    async def forget(self, run_id: str, rounds: int) -> None:
        """Delete what is kept about the rounds of a run that has ended.

        Raises:
            StoreError: The store is away, busy or broken.
        """
        for round_ in range(1, rounds + 1):
            id_ = _workflow_id(run_id, round_)
            with mapped():
                if await DBOS.get_workflow_status_async(id_) is not None:
                    await DBOS.delete_workflow_async(id_, delete_children=True)

    async def stop(self) -> None:
        """Stop executing. What is being done must have been stopped before: see `RunSession.stop`."""
        await asyncio.to_thread(DBOS.destroy, destroy_registry=True)
        self._run = None

    def _config(self) -> DBOSConfig:
        url = self._url
        if url.get_backend_name() == "sqlite":
            _write_ahead(Path(url.database or ""))
        else:
            options = f"-c synchronous_commit={SESSION['synchronous_commit']}"
            url = url.set(drivername="postgresql+psycopg").update_query_dict({"options": options})
        return {
            "name": _NAME,
            "system_database_url": url.render_as_string(hide_password=False),
            "application_version": _ORDER_VERSION,
            "executor_id": self._gateway,
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "WARNING",
            "enable_otlp": False,
            "max_executor_threads": _THREADS,
            "sys_db_pool_size": _POOL_SIZE,
            "sys_db_idle_transaction_timeout_sec": IDLE_TRANSACTION_SECONDS,
            "notification_listener_polling_interval_sec": self._poll_seconds,
            "scheduler_polling_interval_sec": 3600.0,
        }


def _workflow_id(run_id: str, round_: int) -> str:
    return f"{run_id}-{round_}"


def _register(steps: RunSteps) -> Callable[[str, int], Coroutine[Any, Any, str]]:
    """Make the workflow. Its order of steps is fixed for `_ORDER_VERSION`; what it decides by, DBOS replays."""

    @DBOS.workflow(name=_WORKFLOW, max_recovery_attempts=1_000_000)
    async def run_workflow(run_id: str, _round: int) -> str:
        session = await steps.open(run_id)
        if session is None:
            return "ended"
        try:
            answer = await _carry_out(steps, run_id)
            settled = await _step("settle", steps.settle, run_id, answer)
            return str(settled[END])
        finally:
            await steps.close(run_id, session)

    return run_workflow


async def _carry_out(steps: RunSteps, run_id: str) -> Answer:
    """Do the steps of a run up to its end; answers what the last one answered."""
    answer = await _step("check", steps.check, run_id)
    while END not in answer:
        planned = answer = await _step("plan", steps.plan, run_id)
        if END in answer or LOST in answer:
            continue
        prepared = answer = await _step("prepare", steps.prepare, run_id, planned["generation"])
        if END in answer or LOST in answer:
            continue
        generation, fence = planned["generation"], prepared["fence"]
        answer = await _step("load", steps.load, run_id, generation, fence)
        if END in answer or LOST in answer:
            continue
        answer = await _step("finish", steps.finish, run_id, generation, fence)
        if END not in answer:
            answer = await _step("verify", steps.verify, run_id, generation)
        return answer
    return answer


async def _step(name: str, work: Callable[..., Coroutine[Any, Any, Answer]], *args: object) -> Answer:
    answer: Answer = await DBOS.run_step_async({"name": name}, work, *args)
    return answer


def _write_ahead(file: Path) -> None:
    """Set WAL on the SQLite file first: DBOS opens it in the mode that it finds, and its own default blocks readers."""
    file.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(file)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


def _silence() -> None:
    """Keep DBOS from writing to the console; what it logs goes the way of all libraries' records, reduced."""
    log = logging.getLogger("dbos")
    log.handlers.clear()
    log.propagate = True

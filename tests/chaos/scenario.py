"""One run after the other under faults, while the source changes, each compared with what its snapshot saw."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.bench.system import Elute, document, running_system
from tests.chaos.comparison import Findings, Pseudonyms, compare
from tests.chaos.databases import TABLES, Server, fill, started
from tests.chaos.faults import Fault, Injected, faults, inject
from tests.chaos.journal import Journal
from tests.chaos.stalls import stalls
from tests.chaos.writer import Writer

WRITERS = 3
LOGS = Path("build/chaos/logs")
NAMED_POINTS = ("check", "plan", "prepare", "load", "finish", "verify")

_SCRUB = {
    "keep": ["public.*.{id,note,balance,changed}"],
    "rules": [{"columns": ["public.*.email"], "technique": {"fake": {"kind": "email"}}}],
}
_CLEAN = {f"public.{table}": [{"clean_text": {"columns": ["email"], "trim": True}}] for table in TABLES}
# Small partitions, few at a time: many moments at which a load is open, and much to lose track of.
_LIMITS = {"parallel_partitions": 2, "partition_bytes": 4 * 1024 * 1024}

_POLL_SECONDS = 0.03
_POINT_SECONDS = 30.0
_RUN_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How much chaos there is.

    Attributes:
        kills: Faults to inject in all.
        rows: Rows of each large table.
        stop_seconds: How long a stopped process stays so.
        seed: What faults and moments are drawn from.
        kills_per_run: Faults of one run, at most.
    """

    kills: int
    rows: int = 300_000
    stop_seconds: float = 30.0
    seed: int = 1
    kills_per_run: int = 8


@dataclass
class Chaos:
    """A system under faults, and what was seen."""

    settings: Settings
    elute: Elute
    source: Server
    target: Server
    journal: Journal
    random: random.Random
    injected: list[Injected] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    pseudonyms: Pseudonyms = field(default_factory=Pseudonyms)
    stalls: list[float] = field(default_factory=list)
    runs: int = 0

    def __post_init__(self) -> None:
        rows, database = self.settings.rows, self.source.database
        seeds = [random.Random(self.random.random()) for _ in range(WRITERS)]
        self._writers = [Writer(database, self.journal, seed, place, WRITERS, rows) for place, seed in enumerate(seeds)]
        self._deck: list[str] = []

    async def run_once(self) -> None:
        """Run the pipeline to its end under faults, and compare.

        Raises:
            RunFailed: The run did not succeed by itself.
        """
        structure = "keep" if self.runs % 2 else "create"
        pipeline = document(structure=structure, scrub=_SCRUB, clean=_CLEAN, limits=_LIMITS)
        await self.elute.save(pipeline)
        async with self._writing():
            run_id = await self.elute.start()
            already = len(self.injected)
            tormenting = asyncio.create_task(self._torment(run_id))
            try:
                async with asyncio.timeout(_RUN_SECONDS):
                    await self._ended(run_id)
            finally:
                tormenting.cancel()
                await asyncio.wait([tormenting])
            if not tormenting.cancelled() and (error := tormenting.exception()):
                raise error
        self.runs += 1
        await self.journal.settle(self.source.database)
        report = (await self.elute.report(run_id))["report"]
        await compare(self.target.database, self.journal, report, self.pseudonyms, self.findings)
        self.stalls += stalls(await self.elute.events(run_id), self.injected[already:])

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(writer.write()) for writer in self._writers]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _ended(self, run_id: str) -> None:
        while True:
            try:
                await self.elute.ended(run_id, poll_seconds=0.2)
            except httpx.TransportError:
                await asyncio.sleep(0.2)  # the gateway is being killed
            else:
                return

    async def _torment(self, run_id: str) -> None:
        """Inject faults, most of them while a load is open, some at named points, some at any moment."""
        every = faults(self.elute, self.source, self.target, self.settings.stop_seconds)
        for _ in range(self.settings.kills_per_run):
            if len(self.injected) >= self.settings.kills:
                return
            await self._moment(run_id)
            name = self._drawn(every)
            # Shielded: a fault that was begun is ended, also when the run ends first.
            work = asyncio.ensure_future(inject(name, every[name], self.target))
            try:
                self.injected.append(await asyncio.shield(work))
            except asyncio.CancelledError:
                self.injected.append(await work)
                raise

    async def _moment(self, run_id: str) -> None:
        draw = self.random.random()
        if draw < 0.7:
            await self._until(self.target.loads_open)
            await asyncio.sleep(self.random.uniform(0, 0.3))
        elif draw < 0.85:
            point = self.random.choice(NAMED_POINTS)
            await self._until(lambda: self._is_in(run_id, point))
        else:
            await asyncio.sleep(self.random.uniform(0, 4))

    async def _until(self, holds: Any) -> None:
        deadline = time.monotonic() + _POINT_SECONDS
        while time.monotonic() < deadline and not await holds():
            await asyncio.sleep(_POLL_SECONDS)

    async def _is_in(self, run_id: str, phase: str) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return bool((await self.elute.asked("GET", f"/v1/runs/{run_id}"))["phase"] == phase)
        return False

    def _drawn(self, every: Mapping[str, Fault]) -> str:
        """Draw a fault; each comes once before any comes again."""
        if not self._deck:
            self._deck = sorted(every)
            self.random.shuffle(self._deck)
        return self._deck.pop()


@asynccontextmanager
async def chaos(settings: Settings) -> AsyncIterator[Chaos]:
    """Make two servers, the tables and the system."""
    async with AsyncExitStack() as stack:
        ends = []
        for _ in range(2):
            server = await asyncio.to_thread(started)
            stack.callback(server.discard)
            ends.append(server)
        source, target = ends
        await asyncio.to_thread(fill, source.database, settings.rows)
        journal = Journal()
        await journal.begin(source.database)
        elute = await stack.enter_async_context(running_system(LOGS))
        await elute.connect(source.database, target.database)
        yield Chaos(settings, elute, source, target, journal, random.Random(settings.seed))

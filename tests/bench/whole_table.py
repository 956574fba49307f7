"""The main measures: one large table through the system, and by psql, in pairs that alternate."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from elute_gateway.embedded.postgresql import PostgresServer
from tests.bench import people, processes
from tests.bench.figures import LOGS, Measure, largest, of_pairs
from tests.bench.reference import copy_by_psql
from tests.bench.servers import fresh, running_server, settle
from tests.bench.system import Elute, document, running_system
from tests.support.postgresql import Database

RULES = {
    "keep": [f"public.people.{{{','.join(people.KEPT)}}}"],
    "rules": [
        {"columns": ["public.people.first_name"], "technique": {"fake": {"kind": "first_name"}}},
        {"columns": ["public.people.last_name"], "technique": {"fake": {"kind": "last_name"}}},
        {"columns": ["public.people.email"], "technique": {"fake": {"kind": "email"}}},
        {"columns": ["public.people.phone"], "technique": {"fpe": {"format": "phone"}}},
        {"columns": ["public.people.address"], "technique": {"fake": {"kind": "address"}}},
    ],
}
_CLEANING = {"public.people": [{"clean_text": {"columns": ["city", "comment"], "trim": True, "empty": "null"}}]}

DOCUMENTS: Mapping[str, dict[str, Any]] = {
    "keep_all": document(),
    "scrub_5_columns": document(scrub=RULES),
    "scrub_5_columns_clean_2": document(scrub=RULES, clean=_CLEANING),
}


@dataclass
class Stand:
    """A server with the table in its database `source`, and a running system."""

    server: PostgresServer
    source: Database
    elute: Elute
    rows: int

    async def ours(self, name: str) -> tuple[float, dict[str, int], str]:
        """Run a pipeline into an empty database; answers seconds, peak memory and the run's id."""
        target = fresh(self.server, "target")
        settle(self.server)
        processes.reset_peaks(self.elute.processes)
        started = time.perf_counter()
        await self.elute.save(DOCUMENTS[name])
        run_id = await self.elute.start()
        await self.elute.watched(run_id)
        seconds = time.perf_counter() - started
        peak = processes.peaks(self.elute.processes)
        written = int(target.run("SELECT count(*) FROM people"))
        assert written == self.rows, f"{written} of {self.rows} rows arrived"
        return seconds, peak, run_id

    def reference(self) -> float:
        """Copy by psql into an empty database; answers the seconds."""
        target = fresh(self.server, "reference")
        settle(self.server)
        return copy_by_psql(self.source, target)


@asynccontextmanager
async def standing(rows: int) -> AsyncIterator[Stand]:
    """Make the table, and run the system beside it."""
    with running_server() as server:
        source = fresh(server, "source")
        people.fill(source, rows)
        async with running_system(LOGS) as elute:
            await elute.connect(source, fresh(server, "target"))
            yield Stand(server, source, elute, rows)


async def measured(stand: Stand, name: str, pairs: int) -> Measure:
    """Take pairs of ours and the reference; every other pair begins with the reference."""
    await stand.ours(name)  # once before: pools are open and files cached, as on any day but the first
    taken, seen = [], []
    for number in range(pairs):
        reference = stand.reference() if number % 2 else 0.0
        seconds, peak, _ = await stand.ours(name)
        taken.append((seconds, reference or stand.reference()))
        seen.append(peak)
    return of_pairs(name, taken, largest(*seen), rows=stand.rows)


async def memory(rows: int) -> Measure:
    """Scrub a table of a size in a system that has done nothing before; what counts is the peak memory."""
    async with standing(rows) as stand:
        seconds, peak, _ = await stand.ours("scrub_5_columns_clean_2")
    return Measure(f"memory_{rows}_rows", seconds, peak_rss_bytes=peak)

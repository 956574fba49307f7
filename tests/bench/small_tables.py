"""Measures of what does not depend on the rows: a thousand small tables, and the time to the first row."""

from __future__ import annotations

import asyncio
import statistics
import time

import asyncpg

from tests.bench import processes
from tests.bench.figures import LOGS, Measure, largest
from tests.bench.servers import fresh, running_server, settle
from tests.bench.system import Elute, document, running_system
from tests.support.postgresql import Database

_TABLES = 1000
_ROWS = 10
_POLL_SECONDS = 0.002

_MAKE = f"""
    SELECT format('CREATE TABLE t%s (id int PRIMARY KEY, name text NOT NULL, made timestamptz DEFAULT now())', n),
           format('INSERT INTO t%s SELECT g, ''name '' || g FROM generate_series(1, {{rows}}) g', n)
    FROM generate_series(1, {_TABLES}) n \\gexec
"""


def _make(database: Database, rows: int) -> None:
    database.run(_MAKE.format(rows=rows))


async def many_tables(structure: str, times: int) -> Measure:
    """Copy a thousand tables of ten rows each; `keep` fills those that are there."""
    with running_server(max_locks_per_transaction="256") as server:
        source, target = fresh(server, "source"), fresh(server, "target")
        await asyncio.to_thread(_make, source, _ROWS)
        taken, seen = [], []
        async with running_system(LOGS) as elute:
            await elute.connect(source, target)
            for _ in range(times):
                target = fresh(server, "target")
                if structure == "keep":
                    await asyncio.to_thread(_make, target, 0)
                settle(server)
                processes.reset_peaks(elute.processes)
                started = time.perf_counter()
                await elute.save(document(structure=structure))
                await elute.watched(await elute.start())
                taken.append(time.perf_counter() - started)
                seen.append(processes.peaks(elute.processes))
                assert int(target.run(f"SELECT count(*) FROM t{_TABLES}")) == _ROWS
    return Measure(f"tables_1000_{structure}", statistics.median(taken), peak_rss_bytes=largest(*seen))


async def first_row(structure: str, times: int) -> Measure:
    """Start runs of a small table in a warm system, and see when the first row of each can be read in the target."""
    with running_server() as server:
        source, target = fresh(server, "source"), fresh(server, "target")
        source.run("CREATE TABLE small (id int PRIMARY KEY, turn int NOT NULL); INSERT INTO small VALUES (1, 0)")
        if structure == "keep":
            target.run("CREATE TABLE small (id int PRIMARY KEY, turn int NOT NULL)")
        async with running_system(LOGS) as elute:
            await elute.connect(source, target)
            await elute.save(document(structure=structure))
            watcher = await target.connect()
            try:
                seconds = [await _until_first_row(elute, source, watcher, turn) for turn in range(times + 1)]
            finally:
                await watcher.close()
    warm = seconds[1:]
    return Measure(f"first_row_{structure}", statistics.median(warm), notes={"runs": [round(s, 3) for s in warm]})


async def _until_first_row(elute: Elute, source: Database, watcher: asyncpg.Connection, turn: int) -> float:
    await asyncio.to_thread(source.run, f"UPDATE small SET turn = {turn}")
    started = time.perf_counter()
    run_id = await elute.start()
    while not await _arrived(watcher, turn):
        if time.perf_counter() - started > 60:
            raise TimeoutError("no row arrived within a minute")
        await asyncio.sleep(_POLL_SECONDS)
    seconds = time.perf_counter() - started
    await elute.watched(run_id)
    return seconds


async def _arrived(watcher: asyncpg.Connection, turn: int) -> bool:
    """Whether a row of this turn can be read; the table may not be there yet."""
    try:
        return bool(await watcher.fetchval(f"SELECT EXISTS (SELECT FROM small WHERE turn = {turn})"))
    except (asyncpg.UndefinedTableError, asyncpg.InternalServerError):
        return False

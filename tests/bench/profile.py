"""Where a run's time goes: `python -m tests.bench.profile [pipeline …]`.

Three readings that together are the whole: how long each step of a run took, how much processor time each service spent
on its event loop and in its worker threads, and how much each kind of database session. Written to
build/bench/profile.json; docs/explanation/performance.md says how to read it.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from tests.bench import whole_table
from tests.bench.whole_table import Stand

LATEST = Path("build/bench/profile.json")
_SAMPLE_SECONDS = 0.1


@dataclass
class Profile:
    """Where the time of one run went, seconds.

    Attributes:
        name: The pipeline.
        seconds: From the submission to the end.
        reference_seconds: What psql takes for the same.
        steps: How long each step of the run took.
        services: Processor time of each service: of its event loop, and of its worker threads.
        sessions: Processor time of the database server, by what its sessions were for.
    """

    name: str
    seconds: float
    reference_seconds: float
    steps: dict[str, float] = field(default_factory=dict)
    services: dict[str, dict[str, float]] = field(default_factory=dict)
    sessions: dict[str, float] = field(default_factory=dict)


class Sessions:
    """Samples the processor time of a server's sessions; what a session does after its last sample is missed."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self._used: dict[int, tuple[str, float]] = {}
        # Pooled sessions have worked before: what they had used by now is not this run's.
        self._before = {process.pid: _spent(process) for process in self._processes()}

    def _processes(self) -> list[psutil.Process]:
        return psutil.Process(self._stand.server.process_id).children()

    async def watch(self) -> None:
        """Sample until cancelled."""
        connection = await asyncpg.connect(self._stand.source.dsn, server_settings={"application_name": "profile"})
        try:
            while True:
                names = {row["pid"]: row["name"] for row in await connection.fetch(_SESSIONS)}
                for process in self._processes():
                    self._sample(process, names)
                await asyncio.sleep(_SAMPLE_SECONDS)
        finally:
            connection.terminate()

    def _sample(self, process: psutil.Process, names: Mapping[int, str]) -> None:
        name, seconds = self._used.get(process.pid, ("other", 0.0))
        spent = _spent(process) - self._before.get(process.pid, 0.0)
        self._used[process.pid] = (names.get(process.pid, name), max(seconds, spent))

    def totals(self) -> dict[str, float]:
        """Answer the seconds of each kind of session."""
        sums: dict[str, float] = defaultdict(float)
        for name, seconds in self._used.values():
            # `elute load s1p000003` and its siblings are one kind; so are parallel workers and their leader.
            sums[re.sub(r" s\d+p\d+$", "", name)] += seconds
        return {name: round(seconds, 2) for name, seconds in sorted(sums.items()) if seconds >= 0.01}


def _spent(process: psutil.Process) -> float:
    """Answer a process' processor time; 0 when it has ended by now."""
    try:
        return sum(process.cpu_times()[:2])
    except psutil.NoSuchProcess:
        return 0.0


_SESSIONS = """
    SELECT pid, CASE WHEN application_name <> '' AND backend_type IN ('client backend', 'parallel worker')
                     THEN application_name ELSE backend_type END AS name
    FROM pg_stat_activity
"""


async def profiled(stand: Stand, name: str) -> Profile:
    """Run a pipeline once for warmth and once to be profiled."""
    await stand.ours(name)
    before = _threads(stand)
    sessions = Sessions(stand)
    watching = asyncio.create_task(sessions.watch())
    try:
        seconds, _, run_id = await stand.ours(name)
    finally:
        watching.cancel()
        await asyncio.wait([watching])
    after = _threads(stand)
    services = {
        service: {part: round(spent - before[service][part], 2) for part, spent in parts.items()}
        for service, parts in after.items()
    }
    steps = _steps(await stand.elute.events(run_id))
    return Profile(name, seconds, stand.reference(), steps, services, sessions.totals())


def _threads(stand: Stand) -> dict[str, dict[str, float]]:
    """Processor time of each service's first thread, which has the event loop, and of all others."""
    found = {}
    for service, pid in stand.elute.processes.items():
        process = psutil.Process(pid)
        loop = sum(thread.user_time + thread.system_time for thread in process.threads() if thread.id == pid)
        # Of the whole process: threads that have ended count too.
        found[str(service)] = {"event loop": loop, "worker threads": sum(process.cpu_times()[:2]) - loop}
    return found


def _steps(events: list[dict[str, Any]]) -> dict[str, float]:
    marks = [
        (event["data"].get("phase") or event["data"]["state"], datetime.fromisoformat(event["at"]).timestamp())
        for event in events
        if event["kind"] in {"phase", "state"}
    ]
    return {name: round(end - begin, 2) for (name, begin), (_, end) in itertools.pairwise(marks)}


async def _profile(names: list[str], rows: int, path: Path) -> None:
    profiles = []
    async with whole_table.standing(rows) as stand:
        for name in names:
            profile = await profiled(stand, name)
            profiles.append(asdict(profile))
            print(json.dumps(profiles[-1], indent=2), flush=True)  # noqa: T201 - this is what the program is for
    await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
    await asyncio.to_thread(path.write_text, json.dumps(profiles, indent=2) + "\n")


def main() -> None:
    """Profile the pipelines that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.profile", description=__doc__)
    parser.add_argument("pipelines", nargs="*", choices=[[], *whole_table.DOCUMENTS], help="which; all by default")
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows of the table")
    options = parser.parse_args()
    asyncio.run(_profile(options.pipelines or list(whole_table.DOCUMENTS), options.rows, LATEST))


if __name__ == "__main__":
    main()

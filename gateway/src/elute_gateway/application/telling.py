"""Tells a run's watchers how far it is: at once what matters, and now and then how many rows have come."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from elute_gateway.application.pace import Pace
from elute_gateway.application.ports import HistoryStore
from elute_gateway.domain.ledger import Claim
from elute_gateway.domain.names import DatasetName
from elute_gateway.domain.run import EventKind, LogLevel, LogLine
from elute_gateway.domain.transfer import LoadProgress, LoadResult
from elute_wire.errors import EluteError, Problem, Severity

_LEVELS: Mapping[Severity, LogLevel] = {
    Severity.ERROR: LogLevel.ERROR,
    Severity.WARNING: LogLevel.WARNING,
    Severity.NOTE: LogLevel.INFO,
}


@dataclass(slots=True)
class _Progress:
    """Rows and bytes of one run since it began to load here: what is in by dataset, and what is on its way."""

    done: defaultdict[DatasetName, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    open: dict[str, tuple[DatasetName | None, int, int]] = field(default_factory=dict)
    failures: list[tuple[Claim, EluteError]] = field(default_factory=list)
    changed: bool = False


class Teller:
    """Writes events and log lines. Losing one while the store is away is better than stopping a run for it."""

    def __init__(self, history: HistoryStore, pace: Pace) -> None:
        self._history = history
        self._pace = pace
        self._runs: dict[str, _Progress] = {}

    async def tell(self, run_id: str, kind: EventKind, data: Mapping[str, object]) -> None:
        """Write an event at once."""
        try:
            await self._history.tell(run_id, kind, data)
        except EluteError:
            return

    async def note(self, run_id: str, problems: Sequence[Problem]) -> None:
        """Write what a person should know to the run's log."""
        lines = [
            LogLine(problem.message, _LEVELS[problem.severity], problem.code, problem.dataset) for problem in problems
        ]
        await self.log(run_id, lines)

    async def log(self, run_id: str, lines: Sequence[LogLine]) -> None:
        """Write lines to the run's log at once."""
        try:
            await self._history.write(run_id, lines)
        except EluteError:
            return

    def loading(self, run_id: str, claim: Claim, progress: LoadProgress) -> None:
        """Note how far a partition is. Which of several datasets its rows belong to shows when it is in."""
        names = claim.partition.datasets
        name = next(iter(names)) if len(names) == 1 else None
        run = self._runs.setdefault(run_id, _Progress())
        run.open[claim.partition.id] = (name, progress.rows, progress.loaded_bytes)
        run.changed = True

    def loaded(self, run_id: str, claim: Claim, result: LoadResult) -> None:
        """Note that a partition is in."""
        run = self._runs.setdefault(run_id, _Progress())
        run.open.pop(claim.partition.id, None)
        for unit in result.units:
            sums = run.done[unit.dataset]
            sums[0] += unit.rows_written
            sums[1] += unit.loaded_bytes
        run.changed = True

    def attempt_failed(self, run_id: str, claim: Claim, error: EluteError) -> None:
        """Note that an attempt to load a partition has failed."""
        run = self._runs.setdefault(run_id, _Progress())
        run.open.pop(claim.partition.id, None)
        run.failures.append((claim, error))
        run.changed = True

    async def keep_telling(self, run_id: str) -> None:
        """Write what was noted, again and again until cancelled; then once more, for the end."""
        try:
            while True:
                await asyncio.sleep(self._pace.progress_seconds)
                await self._flush(run_id)
        finally:
            await asyncio.shield(self._flush(run_id))
            self._runs.pop(run_id, None)

    async def _flush(self, run_id: str) -> None:
        run = self._runs.get(run_id)
        if run is None or not run.changed:
            return
        run.changed = False
        for claim, error in run.failures:
            data = {"partition": claim.partition.id, "attempt": claim.attempt, "code": error.code}
            await self.tell(run_id, EventKind.ATTEMPT_FAILED, data)
        await self.log(run_id, [_line(claim, error) for claim, error in run.failures])
        run.failures.clear()
        await self.tell(run_id, EventKind.PROGRESS, {"datasets": _totals(run)})


def _totals(run: _Progress) -> list[dict[str, object]]:
    totals = {name: list(sums) for name, sums in run.done.items()}
    for name, rows, size in run.open.values():
        if name is not None:
            sums = totals.setdefault(name, [0, 0])
            sums[0] += rows
            sums[1] += size
    return [{"dataset": str(name), "rows": rows, "bytes": size} for name, (rows, size) in sorted(totals.items())]


def _line(claim: Claim, error: EluteError) -> LogLine:
    message = f"attempt {claim.attempt} to load partition {claim.partition.id}: {error.message}"
    return LogLine(message, LogLevel.WARNING, error.code, error.place.dataset, claim.partition.id)

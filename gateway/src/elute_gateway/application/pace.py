"""How long things may take, and how the gateway waits for what is away."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from elute_wire.errors import EluteError, Recovery, SnapshotLost

T = TypeVar("T")

TRANSIENT = frozenset({Recovery.RETRY, Recovery.RECONNECT})
"""What the same request may survive later."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Times and counts that every gateway of a cluster shares.

    Attributes:
        lease_seconds: How long a run, a partition or the leader's office stays with a gateway that is silent.
        beat_seconds: How often a gateway that executes runs says that it lives.
        idle_beat_seconds: How often it does while it executes none.
        snapshot_lease_seconds: How long a snapshot outlives the stream that holds it.
        patience_seconds: How long a run goes on trying without any progress before it fails.
        first_wait_seconds: The wait after a first failure; doubled after each further one.
        longest_wait_seconds: The longest wait between two tries.
        progress_seconds: How often a run tells how far its datasets are.
        slots: The most partitions that a gateway loads at a time.
        deaths: How many workers in a row may end while they load the same partition.
        keep_runs_seconds: How long an ended run is kept.
        sweep_seconds: How often the leader looks for runs that were kept long enough.
        poll_seconds: How often durable execution looks whether it is told something; stopping waits that long.
    """

    lease_seconds: float = 6.0
    beat_seconds: float = 1.0
    idle_beat_seconds: float = 2.0
    snapshot_lease_seconds: float = 60.0
    patience_seconds: float = 3600.0
    first_wait_seconds: float = 0.1
    longest_wait_seconds: float = 4.0
    progress_seconds: float = 1.0
    slots: int = 32
    deaths: int = 5
    keep_runs_seconds: float = 90 * 86_400.0
    sweep_seconds: float = 600.0
    poll_seconds: float = 1.0

    def wait_seconds(self, failures: int) -> float:
        """Return how long to wait after failures in a row, with jitter so that not all come back at once."""
        longest = min(self.longest_wait_seconds, self.first_wait_seconds * 2.0 ** min(failures - 1, 16))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311  # no secret hangs on it


class GivenUp(Exception):
    """Something has been tried for as long as it should be: its error, whatever its recovery, is final."""

    def __init__(self, error: EluteError) -> None:
        super().__init__(error.code)
        self.error = error


class Patience:
    """Counts failures in a row and says when to give up: after a time without any progress."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._loop = asyncio.get_running_loop()
        self._failing_since: float | None = None
        self.failures = 0

    def progress(self) -> None:
        """Note that something has come further."""
        self._failing_since = None
        self.failures = 0

    def failure(self) -> float:
        """Note a failure; answers how long to wait, seconds."""
        self.failures += 1
        if self._failing_since is None:
            self._failing_since = self._loop.time()
        return self._pace.wait_seconds(self.failures)

    @property
    def is_over(self) -> bool:
        """Whether nothing has come further for too long."""
        since = self._failing_since
        return since is not None and self._loop.time() - since > self._pace.patience_seconds


async def patiently(
    pace: Pace, work: Callable[[], Awaitable[T]], failed: Callable[[EluteError], Awaitable[None]] | None = None
) -> T:
    """Do something that may be repeated, again and again while what it needs is away.

    Args:
        pace: How to wait.
        work: What to do.
        failed: Told of each failure that is survived.

    Raises:
        SnapshotLost: At once: the caller needs another snapshot, not another try.
        EluteError: It cannot succeed, or patience is over.
    """
    patience = Patience(pace)
    while True:
        try:
            return await work()
        except SnapshotLost:
            raise
        except EluteError as error:
            wait = patience.failure()
            if error.recovery not in TRANSIENT or patience.is_over:
                raise
            if failed:
                await failed(error)
            await asyncio.sleep(wait)

"""Worker threads whose work is measured: how much there is, how much waits, and for how long."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from elute_wire import metrics

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_POOL = ("pool",)

THREADS = metrics.gauge("elute_pool_threads", "Threads that a pool of workers may have.", _POOL)
RUNNING = metrics.gauge("elute_pool_calls_running", "Calls that the threads of a pool work on.", _POOL)
WAITING = metrics.gauge("elute_pool_calls_waiting", "Calls that wait for a thread of a pool.", _POOL)
WAIT_SECONDS = metrics.histogram("elute_pool_wait_seconds", "Time that calls waited for a thread of a pool.", _POOL)


class WorkerThreads(ThreadPoolExecutor):
    """A pool of threads that tells what it has to do."""

    def __init__(self, pool: str, threads: int) -> None:
        """Make a pool of at most `threads` threads, named `pool` in metrics and in the names of its threads."""
        super().__init__(threads, thread_name_prefix=pool)
        THREADS.labels(pool).set(threads)
        self._running, self._waiting = RUNNING.labels(pool), WAITING.labels(pool)
        self._wait_seconds = WAIT_SECONDS.labels(pool)

    def submit(
        self, fn: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[Result]:
        """Have a thread call something."""
        submitted = time.perf_counter()

        def measured() -> Result:
            self._waiting.dec()
            self._wait_seconds.observe(time.perf_counter() - submitted)
            with self._running.track_inprogress():
                return fn(*args, **kwargs)

        self._waiting.inc()
        future = super().submit(measured)
        future.add_done_callback(self._forget_cancelled)
        return future

    def _forget_cancelled(self, future: Future[Result]) -> None:
        if future.cancelled():
            self._waiting.dec()

"""A pool of threads tells what it works on, what waits, and for how long that has waited."""

from __future__ import annotations

import threading

import pytest

from elute_wire import metrics
from elute_wire.threads import WorkerThreads


def shown(name: str, pool: str) -> float | None:
    return metrics.REGISTRY.get_sample_value(name, {"pool": pool})


def test_work_is_shown_while_it_runs_and_while_it_waits() -> None:
    begun, end = threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        end.wait()
        return "done"

    with WorkerThreads("shown", 1) as threads:
        first, second, third = (threads.submit(work) for _ in range(3))
        begun.wait()
        assert shown("elute_pool_threads", "shown") == 1
        assert (shown("elute_pool_calls_running", "shown"), shown("elute_pool_calls_waiting", "shown")) == (1, 2)
        assert second.cancel()
        assert shown("elute_pool_calls_waiting", "shown") == 1
        end.set()
        assert (first.result(), third.result()) == ("done", "done")
    assert (shown("elute_pool_calls_running", "shown"), shown("elute_pool_calls_waiting", "shown")) == (0, 0)
    assert shown("elute_pool_wait_seconds_count", "shown") == 2


def test_what_fails_fails_as_without_measuring() -> None:
    with WorkerThreads("failing", 1) as threads:
        with pytest.raises(ValueError, match="no number"):
            threads.submit(_fail, "no number").result()
        assert threads.submit(int, "12", base=3).result() == 5
    assert shown("elute_pool_calls_running", "failing") == 0


def _fail(word: str) -> None:
    raise ValueError(word)


def test_every_series_is_there_before_the_first_call() -> None:
    WorkerThreads("idle", 3).shutdown()
    assert shown("elute_pool_threads", "idle") == 3
    for name in ("elute_pool_calls_running", "elute_pool_calls_waiting", "elute_pool_wait_seconds_count"):
        assert shown(name, "idle") == 0

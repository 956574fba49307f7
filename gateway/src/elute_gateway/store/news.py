"""Wakes those in this process who wait for something new of a run, as soon as it is committed.

What another gateway has written is found by looking now and then, and by nothing else.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class News:
    """Who waits for news of which run."""

    def __init__(self) -> None:
        self._listeners: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def tell(self, run_id: str) -> None:
        """Wake all who wait for news of a run."""
        for listener in self._listeners.get(run_id, ()):
            listener.set()

    @contextmanager
    def listening(self, run_id: str) -> Iterator[asyncio.Event]:
        """Give an event that is set at each news of a run while the block runs; the listener clears it."""
        listener = asyncio.Event()
        self._listeners[run_id].add(listener)
        try:
            yield listener
        finally:
            self._listeners[run_id].discard(listener)
            if not self._listeners[run_id]:
                del self._listeners[run_id]

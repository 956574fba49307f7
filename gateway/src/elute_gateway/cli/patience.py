"""Asks again, for a while, what failed for a passing reason; says on stderr what it waits for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from elute_gateway.cli.output import say_waiting
from elute_wire.errors import EluteError

T = TypeVar("T")

_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 4.0


class NotNow(Exception):
    """What was asked failed for a passing reason.

    Attributes:
        error: Why.
        after_seconds: When to ask again at the earliest.
        patience_seconds: How long to go on asking.
    """

    def __init__(self, error: EluteError, after_seconds: float, patience_seconds: float) -> None:
        super().__init__(error.code)
        self.error, self.after_seconds, self.patience_seconds = error, after_seconds, patience_seconds


class Patience:
    """Waits between tries, longer each time, until they have been in vain for too long."""

    def __init__(self) -> None:
        self._said: set[str] = set()
        self.progress()

    def progress(self) -> None:
        """Note that something has come."""
        self._began, self._pause = time.monotonic(), _FIRST_PAUSE_SECONDS

    def wait(self, why: NotNow) -> None:
        """Wait, and say for what.

        Raises:
            EluteError: It has been too long.
        """
        left = self._began + why.patience_seconds - time.monotonic()
        if left <= 0:
            raise why.error from None
        if why.error.message not in self._said:
            self._said.add(why.error.message)
            say_waiting(why.error, left)
        time.sleep(min(left, max(why.after_seconds, self._pause)))
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)


def patiently(ask: Callable[[], T]) -> T:
    """Ask until there is an answer.

    Raises:
        EluteError: It failed for good, or for too long.
    """
    patience = Patience()
    while True:
        try:
            return ask()
        except NotNow as why:
            patience.wait(why)

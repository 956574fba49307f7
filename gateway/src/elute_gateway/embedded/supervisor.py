"""Runs the processes of a system on one machine: a dead one comes back, with a pause that grows while it keeps dying.

The children's output goes to files, one each. When this process dies, however, its children are told to stop (Linux:
by their parent-death signal), so that a second system never meets the first one's orphans.
"""

from __future__ import annotations

import asyncio
import ctypes
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_STABLE_SECONDS = 30.0
"""After living so long, a process that dies is started again without a pause."""

_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class Child:
    """One supervised process.

    Attributes:
        name: What it is called, for people.
        command: The program and its arguments; no secret is in them.
        environment: All of its environment.
        log: The file that its output is appended to.
        stop_seconds: How long it may take to stop before it is ended.
        starts: How often it was started.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    stop_seconds: float = 15.0
    starts: int = 0
    process: asyncio.subprocess.Process | None = None
    _stopping: bool = field(default=False, repr=False)

    @property
    def pid(self) -> int | None:
        """The process' id; None while there is no process."""
        return self.process.pid if self.process is not None and self.process.returncode is None else None

    async def keep_running(self, on_death: Callable[[Child, int], None]) -> None:
        """Start the process, and again whenever it ends, until it is told to stop.

        Args:
            on_death: Told of the child and its exit code (negative: the signal that ended it).
        """
        pause = _FIRST_PAUSE_SECONDS
        while not self._stopping:
            started = time.monotonic()
            code = await self._run()
            if self._stopping:
                return
            on_death(self, code)
            stable = time.monotonic() - started > _STABLE_SECONDS
            pause = _FIRST_PAUSE_SECONDS if stable else pause
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def stop(self) -> None:
        """Ask the process to stop, and end it when it does not."""
        self._stopping = True
        if self.process is None or self.process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            async with asyncio.timeout(self.stop_seconds):
                await self.process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()

    async def _run(self) -> int:
        self.starts += 1
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command,
                env=dict(self.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A Ctrl-C at the terminal is for the supervisor, which stops its children in their order.
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        return await self.process.wait()


class Supervisor:
    """Keeps children running, in the order in which they were given; stops them in the reverse order."""

    def __init__(self, children: Sequence[Child], on_death: Callable[[Child, int], None]) -> None:
        self.children = tuple(children)
        self._on_death = on_death
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start all children, without waiting for them to be ready."""
        self._tasks = [asyncio.create_task(child.keep_running(self._on_death)) for child in self.children]

    async def stop(self) -> None:
        """Stop all children; safe to repeat."""
        for child in reversed(self.children):
            await child.stop()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._tasks = []


def _die_with_parent() -> None:
    # Between fork and exec: no more than a system call.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

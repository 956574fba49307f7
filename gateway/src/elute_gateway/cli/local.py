"""The system on this machine: run until it is told to stop, and the program that keeps its key ring."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from elute_gateway.cli.exits import ExitCode
from elute_gateway.embedded.supervisor import Child
from elute_gateway.embedded.system import LocalSystem
from elute_wire.errors import EluteError

_PROGRAM = "elute-keys"


def default_state() -> Path:
    """The system's folder when none is named.

    Source: https://specifications.freedesktop.org/basedir-spec/latest/ (XDG_STATE_HOME)
    """
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "elute"


def run_system(state: Path | None, port: int | None) -> ExitCode:
    """Run the four services until SIGINT or SIGTERM.

    Args:
        state: The system's folder; None for the default one.
        port: Where the API answers; None for the default port.
    """
    console = Console(highlight=False)
    try:
        asyncio.run(_run_system(console, state or default_state(), port))
    except EluteError as error:
        console.print(f"[red]{error.message}[/]\n{error.hint}")
        return ExitCode.FAILURE
    return ExitCode.SUCCESS


async def _run_system(console: Console, state: Path, port: int | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def died(child: Child, code: int) -> None:
        console.print(f"[yellow]{child.name} ended ({code}); it is started again.[/] See {child.log}")

    system = LocalSystem(state, port=port, on_death=died)
    console.print(f"Starting the system in {state} …")
    try:
        await system.start()
        console.print(
            f"[bold green]Elute is up.[/]\n"
            f"  API and its documentation  {system.url}/docs\n"
            f"  first API key              {system.api_key_file}\n"
            f"  logs                       {system.log_folder}\n"
            f"The [bold]elute[/] command finds this system by itself. Ctrl-C stops it."
        )
        await stop.wait()
        console.print("Stopping …")
    finally:
        await system.stop()


def run_keys(arguments: Sequence[str]) -> ExitCode:
    """Become the anonymizer's own program with some arguments; answers only when it is not here."""
    beside = Path(sys.executable).with_name(_PROGRAM)
    program = str(beside) if beside.exists() else shutil.which(_PROGRAM)
    if program is not None:
        os.execv(program, [program, *arguments])  # noqa: S606 - no shell
    Console(stderr=True).print(
        f"{_PROGRAM} is not installed here: run it where the anonymizer service and its ring are"
    )
    return ExitCode.FAILURE

"""`elute up` and `elute demo`: the whole system on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from elute_gateway.cli.client import state_folder

if TYPE_CHECKING:
    from elute_gateway.embedded.supervisor import Child


@click.command("up")
@click.option(
    "--state", type=click.Path(file_okay=False, path_type=Path), help="Its folder; default: ~/.local/state/elute."
)
@click.option("--port", type=click.IntRange(1, 65535), help="Where the API answers on 127.0.0.1.")
def up(state: Path | None, port: int | None) -> None:
    """Run the system on this machine until Ctrl-C: four processes, of which a dead one comes back."""
    import asyncio  # noqa: PLC0415 - only this command needs it

    folder = (state or state_folder()).absolute()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    asyncio.run(_up(folder, port))


@click.command("demo")
def demo() -> None:
    """Show a run from nothing: a shop is made, copied scrubbed, and looked at."""
    from elute_gateway.demo.show import main  # noqa: PLC0415 - only this command needs it

    raise click.exceptions.Exit(main())


async def _up(state: Path, port: int | None) -> None:
    import asyncio  # noqa: PLC0415
    import signal  # noqa: PLC0415

    from elute_gateway.embedded.system import LocalSystem  # noqa: PLC0415 - gRPC takes its time

    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    system = LocalSystem(state, port=port, on_death=_mourn)
    starting, leaving = asyncio.ensure_future(system.start()), asyncio.ensure_future(told.wait())
    try:
        await asyncio.wait({starting, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            _greet(system.url, state, system.api_key_file, system.log_folder)
            await leaving
        click.echo("stopping", err=True)
    finally:
        for task in (starting, leaving):
            task.cancel()
        await asyncio.wait({starting, leaving})
        await system.stop()


def _greet(url: str, state: Path, key_file: Path, logs: Path) -> None:
    click.echo(f"Elute runs at {url}, the API's documentation is at {url}/docs")
    click.echo(f"  state    {state}\n  API key  {key_file}\n  logs     {logs}")
    click.echo("  next     elute connect add NAME postgresql://user@host/database\nCtrl-C stops it.")


def _mourn(child: Child, code: int) -> None:
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    click.echo(f"the {child.name} ended ({how}) and is started again; its log: {child.log}", err=True)

"""`elute up` and `elute demo`: the whole system on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from elute_gateway.cli.client import state_folder

if TYPE_CHECKING:
    from elute_gateway.embedded.local_postgresql import LocalPostgresql
    from elute_gateway.embedded.supervisor import Child
    from elute_gateway.embedded.system import LocalSystem


@click.command("up")
@click.option(
    "--state", type=click.Path(file_okay=False, path_type=Path), help="Its folder; default: ~/.local/state/elute."
)
@click.option("--port", type=click.IntRange(1, 65535), help="Where the API answers on 127.0.0.1.")
@click.option(
    "--postgresql", "with_postgresql", is_flag=True, help="Run a PostgreSQL server too, with an empty database to fill."
)
def up(state: Path | None, port: int | None, *, with_postgresql: bool) -> None:
    """Run the system on this machine until Ctrl-C: four processes, of which a dead one comes back."""
    import asyncio  # noqa: PLC0415 - only this command needs it

    folder = (state or state_folder()).absolute()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    asyncio.run(_up(folder, port, with_postgresql=with_postgresql))


@click.command("demo")
def demo() -> None:
    """Show a run from nothing: a shop is made, copied scrubbed, and looked at."""
    from elute_gateway.demo.show import main  # noqa: PLC0415 - only this command needs it

    raise click.exceptions.Exit(main())


async def _up(state: Path, port: int | None, *, with_postgresql: bool) -> None:
    import asyncio  # noqa: PLC0415
    import signal  # noqa: PLC0415

    from elute_gateway.embedded.local_postgresql import LocalPostgresql  # noqa: PLC0415
    from elute_gateway.embedded.system import LocalSystem  # noqa: PLC0415 - gRPC takes its time

    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    system = LocalSystem(state, port=port, on_death=_mourn)
    server = LocalPostgresql(state / "postgresql", _mourn) if with_postgresql else None

    async def start() -> None:
        await system.start()  # which makes sure that nobody else runs this folder
        if server is not None:
            await server.start()

    starting, leaving = asyncio.ensure_future(start()), asyncio.ensure_future(told.wait())
    try:
        await asyncio.wait({starting, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            _greet(system, server)
            await leaving
        click.echo("stopping", err=True)
    finally:
        for task in (starting, leaving):
            task.cancel()
        await asyncio.wait({starting, leaving})
        await system.stop()
        if server is not None:
            await server.stop()


def _greet(system: LocalSystem, server: LocalPostgresql | None) -> None:
    click.echo(f"Elute runs at {system.url}, the API's documentation is at {system.url}/docs")
    click.echo(f"  state       {system.state}\n  API key     {system.api_key_file}\n  logs        {system.log_folder}")
    ports = ", ".join(f"{port} ({name})" for name, port in system.metrics_ports.items())
    click.echo(f"  metrics     http://127.0.0.1:PORT/metrics of {ports}")
    click.echo(f"              all of them for Prometheus' file_sd_configs: {system.metrics_file}")
    address = "postgresql://user@host/database"
    if server is not None:
        click.echo(f"  PostgreSQL  {server.address}, password in {server.password_file}")
        address = f"{server.address} --role target --password-file {server.password_file}"
    click.echo(f"  next        elute connect add NAME {address}\nCtrl-C stops it.")


def _mourn(dead: Child | LocalPostgresql, code: int) -> None:
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    click.echo(f"the {dead.name} ended ({how}) and is started again; its log: {dead.log}", err=True)

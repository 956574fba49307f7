"""The commands' names, options and help. Each imports what it needs when it is called: help is there at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from elute_gateway.cli.exits import ExitCode

app = typer.Typer(
    name="elute",
    help="Turn a production data store into a safe one: back it up, clean it, scrub it, restore it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

State = Annotated[Path | None, typer.Option(help="The system's folder.", show_default="~/.local/state/elute")]


@app.command()
def up(
    state: State = None,
    port: Annotated[int | None, typer.Option(help="Where the API answers on 127.0.0.1.", show_default="8642")] = None,
) -> None:
    """Run the whole system on this machine until it is told to stop."""
    from elute_gateway.cli.local import run_system  # noqa: PLC0415

    raise typer.Exit(run_system(state, port))


@app.command()
def demo() -> None:
    """Show the main job, from nothing: a shop is made, copied scrubbed, and looked at."""
    from elute_gateway.demo.show import main as show  # noqa: PLC0415

    raise typer.Exit(show())


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
def keys(context: typer.Context) -> None:
    """Make, rotate and list key rings: starts the program `elute-keys` where the ring lies."""
    from elute_gateway.cli.local import run_keys  # noqa: PLC0415

    raise typer.Exit(run_keys(context.args))


def main() -> int:
    """Run the command that the arguments name, and answer the exit code."""
    try:
        result = app(standalone_mode=False)
    except typer.Abort:
        return ExitCode.INTERRUPTED
    except Exception as error:
        shown = getattr(error, "show", None)
        if shown is None:
            raise
        shown()
        return ExitCode.USAGE
    return result if isinstance(result, int) else ExitCode.SUCCESS


if __name__ == "__main__":
    sys.exit(main())

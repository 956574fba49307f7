"""The commands, and how the program ends.

Built on click: Typer would load pydantic for the first parameter of a command, which alone takes longer than a
command may take to its first output.
"""

from __future__ import annotations

import os
import sys
from enum import IntEnum

import click

from elute_gateway.cli import connections, keys, pipelines, runs, system
from elute_gateway.cli.output import complain
from elute_wire.errors import EluteError


class Exit(IntEnum):
    """How the program ends."""

    DONE = 0
    FAILED = 1
    MISUSED = 2
    PARTIAL = 3
    INTERRUPTED = 130


EXIT_MEANINGS = {
    Exit.DONE: "It was done.",
    Exit.FAILED: "It failed, or something must be mended first.",
    Exit.MISUSED: "The command line is wrong.",
    Exit.PARTIAL: "The run succeeded, and some rows were set aside.",
    Exit.INTERRUPTED: "It was interrupted.",
}


class _InOrder(click.Group):
    """Lists commands in the order in which a person comes to need them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click declares it
        """Return the names of the commands."""
        return list(self.commands)


@click.group("elute", cls=_InOrder, context_settings={"help_option_names": ["--help", "-h"]})
def app() -> None:
    """Copy a database into another one, cleaned and scrubbed.

    The API is found by ELUTE_URL and ELUTE_API_KEY, or by the state folder of `elute up` (ELUTE_STATE).
    """


for command in (
    system.up,
    system.demo,
    connections.app,
    connections.discover,
    pipelines.plan,
    pipelines.app,
    runs.run,
    runs.app,
    keys.app,
    keys.key_rings,
    pipelines.schema,
):
    app.add_command(command)


def main() -> int:
    """Run the program, and answer its exit code."""
    # Where this process starts others, gRPC tells the terminal that it leaves their fork alone.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    try:
        return int(app.main(prog_name="elute", standalone_mode=False) or Exit.DONE)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except EluteError as error:
        complain(error)
        return Exit.FAILED
    except (KeyboardInterrupt, click.Abort):
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # Who read our output has seen enough; what is still buffered must not fail again at exit.
        sys.stderr.close()
        return Exit.FAILED

"""`elute api-keys …` and `elute keys`."""

from __future__ import annotations

import os
import shutil
import sys

import click

from elute_gateway.cli.client import Api, segment
from elute_gateway.cli.output import show_table
from elute_wire.errors import KeyUnavailable


@click.group("api-keys")
def app() -> None:
    """Say who may do what."""


@app.command("create")
@click.argument("name")
@click.option("--scope", required=True, multiple=True, help="What it allows, such as runs:read; repeatable.")
@click.option("--days", type=click.IntRange(1, 3650), help="When it expires; never unless given.")
def create(name: str, scope: tuple[str, ...], days: int | None) -> None:
    """Make the API key NAME, and print it: it cannot be shown again."""
    made = Api.find().post("/api-keys", {"name": name, "scopes": scope, "days": days})
    click.echo(f"made API key {made['id']}; it is not shown again:", err=True)
    click.echo(made["key"])


@app.command("ls")
def ls() -> None:
    """List API keys."""
    show_table(
        ("id", "name", "prefix", "scopes", "expires", "revoked", "last used"),
        (
            (
                key["id"],
                key["name"],
                key["prefix"],
                key["scopes"],
                key["expires_at"] or "never",
                key["revoked_at"],
                key["last_used_at"],
            )
            for key in Api.find().items("/api-keys")
        ),
    )


@app.command("revoke")
@click.argument("id_", metavar="ID")
def revoke(id_: str) -> None:
    """Revoke the API key ID, for good."""
    Api.find().delete(f"/api-keys/{segment(id_)}")
    click.echo(f"revoked API key {id_}")


@click.command("keys", context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def key_rings(arguments: tuple[str, ...]) -> None:
    """Make, rotate and list key rings: starts elute-keys, where the ring lies, with ARGUMENTS."""
    beside = os.path.join(os.path.dirname(sys.executable), "elute-keys")  # noqa: PTH118, PTH120
    program = shutil.which("elute-keys") or (beside if os.access(beside, os.X_OK) else None)
    if program is None:
        raise KeyUnavailable(
            "starting elute-keys: it is not installed here", hint="run it where the anonymizer's key ring lies"
        )
    sys.stdout.flush()
    os.execv(program, ["elute-keys", *arguments])  # noqa: S606 - no shell, and the arguments are the user's own

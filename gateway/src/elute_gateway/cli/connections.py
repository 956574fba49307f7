"""`elute connect …` and `elute discover`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import click

from elute_gateway.cli.client import Api, segment
from elute_gateway.cli.output import amount, show_json, show_problems, show_table
from elute_wire.errors import InvalidRequest

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
_name = click.argument("name")
_role = click.option(
    "--role", type=click.Choice(["source", "target"]), default="source", show_default=True, help="What it is used for."
)


@click.group("connect")
def app() -> None:
    """Say how data stores are reached."""


@app.command("add")
@_name
@click.argument("address", default="")
@click.option("--set", "setting", multiple=True, metavar="NAME=VALUE", help="A setting of the connector; repeatable.")
@click.option("--system", default="postgresql", show_default=True, help="Which connector speaks to it.")
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the password from a file.",
)
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin.")
@click.option("--no-password", is_flag=True, help="Ask for none.")
@click.option("--check/--no-check", "check_it", default=True, show_default=True, help="Try it afterwards.")
@_role
def add(
    name: str,
    address: str,
    *,
    setting: tuple[str, ...],
    system: str,
    password_file: Path | None,
    password_stdin: bool,
    no_password: bool,
    check_it: bool,
    role: str,
) -> None:
    """Add the connection NAME, which pipelines call so, to ADDRESS: postgresql://user@host:port/database.

    The password is asked for, or read from stdin or a file: never from the command line.
    """
    settings = {**_from_address(address), **dict(map(_pair, setting))}
    password = _password(password_file, from_stdin=password_stdin, ask=not no_password)
    body: dict[str, Any] = {"name": name, "system": system, "settings": settings}
    if password:
        body["secrets"] = {"password": password}
    api = Api.find()
    api.post("/connections", body)
    click.echo(f"added connection {name}")
    if check_it:
        _check(api, name, role)


@app.command("check")
@_name
@_role
def check(name: str, role: str) -> None:
    """Try the connection NAME, and tell everything that it lacks."""
    _check(Api.find(), name, role)


@app.command("ls")
@as_json
def ls(*, as_json: bool) -> None:
    """List connections."""
    found = Api.find().items("/connections")
    if as_json:
        for one in found:
            show_json(one)
        return
    show_table(
        ("name", "system", "where", "revision"),
        ((one["name"], one["system"], _where(one["settings"]), one["revision"]) for one in found),
    )


@app.command("rm")
@_name
def rm(name: str) -> None:
    """Delete the connection NAME and its secrets."""
    Api.find().delete(f"/connections/{segment(name)}")
    click.echo(f"deleted connection {name}")


@click.command("discover")
@_name
@click.option("--schema", default="", help="Only this schema.")
@click.option("--columns", is_flag=True, help="Show the columns too.")
@as_json
def discover(name: str, schema: str, *, columns: bool, as_json: bool) -> None:
    """List what the data store of the connection NAME holds."""
    found = Api.find().items(f"/connections/{segment(name)}/datasets", {"schema": schema})
    if as_json:
        for one in found:
            show_json(one)
        return
    if columns:
        show_table(
            ("column", "type", "null"),
            (
                (f"{one['name']}.{column['name']}", column["type"], "yes" if column["nullable"] else "no")
                for one in found
                for column in one["columns"]
            ),
        )
        return
    show_table(
        ("dataset", "kind", "rows", "size", "columns", "primary key"),
        (
            (
                one["name"],
                one["kind"],
                "?" if one["estimated_rows"] is None else f"~{one['estimated_rows']:,}",
                amount(one["size_bytes"]),
                len(one["columns"]),
                one["primary_key"],
            )
            for one in found
        ),
    )


def _check(api: Api, name: str, role: str) -> None:
    answer = api.post_again(f"/connections/{segment(name)}/check", {"role": role})
    show_problems(answer["problems"])
    if not answer["usable"]:
        raise click.exceptions.Exit(1)
    transport = "encrypted" if answer["encrypted"] else "not encrypted"
    click.echo(f"connection {name} can be used as a {role}: version {answer['server_version']}, {transport}")


def _from_address(address: str) -> dict[str, object]:
    if not address:
        return {}
    parts = urlsplit(address)
    if parts.password:
        raise InvalidRequest(
            "reading the address: it holds a password, which other users of this machine could see",
            hint="leave it out: it is asked for",
        )
    if parts.scheme not in {"postgresql", "postgres"} or not parts.hostname:
        raise InvalidRequest("reading the address: it is not postgresql://user@host:port/database")
    settings = {"host": unquote(parts.hostname), "port": parts.port, "database": unquote(parts.path.lstrip("/"))}
    settings["user"] = unquote(parts.username) if parts.username else None
    return {key: value for key, value in settings.items() if value}


def _pair(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidRequest(f"reading the setting {name}: it has no value", hint="write --set name=value")
    return name, json.loads(value) if value.isdigit() else value


def _password(file: Path | None, *, from_stdin: bool, ask: bool) -> str:
    if file is not None:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if ask and sys.stdin.isatty():
        answer: str = click.prompt("Password (empty for none)", default="", hide_input=True, show_default=False)
        return answer
    return ""


def _where(settings: dict[str, Any]) -> str:
    place = f"{settings.get('host', '')}:{settings.get('port', '')}".rstrip(":")
    return f"{settings.get('user', '')}@{place}/{settings.get('database', '')}"

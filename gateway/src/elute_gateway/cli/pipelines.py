"""`elute plan`, `elute pipelines …` and `elute schema`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from elute_gateway.cli.client import Api, segment
from elute_gateway.cli.connections import as_json
from elute_gateway.cli.output import show_json, show_problems, show_table
from elute_gateway.cli.plan_table import show_plan, show_wide_plan

file = click.option(
    "--file",
    "-f",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The pipeline's file, YAML or JSON.",
)
_name = click.argument("name")
accept = click.option("--accept", is_flag=True, help="Pin what has changed in the source, after you looked at it.")


@click.command("plan")
@file
@accept
@click.option("--wide", is_flag=True, help="Print everything that is known of each column, in a wide table.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def plan(file: Path, *, accept: bool, wide: bool, as_json: bool) -> None:
    """Tell everything that must be mended, or what happens to each column.

    Saves nothing unless --accept is given.
    """
    api = Api.find()
    found = api.post_document("/plans", file, {"accept": "true"} if accept else None)
    if as_json:
        show_json(found)
    else:
        _show(found, str(file), wide=wide)
    if not found["runnable"]:
        raise click.exceptions.Exit(1)
    if accept:
        saved = api.post_document("/pipelines", file, {"accept": "true"})["pipeline"]
        click.echo(f"saved pipeline {saved['name']}, version {saved['version']}", err=True)


@click.group("pipelines")
def app() -> None:
    """See and delete the pipelines that are saved; `elute run` saves them."""


@app.command("ls")
@as_json
def ls(*, as_json: bool) -> None:
    """List pipelines."""
    found = Api.find().items("/pipelines")
    if as_json:
        for one in found:
            show_json(one)
        return
    show_table(
        ("name", "version", "scrubs", "saved"),
        (
            (
                one["name"],
                one["version"],
                "no" if one["policy_version"] is None else f"by policy version {one['policy_version']}",
                one["created_at"][:19].replace("T", " "),
            )
            for one in found
        ),
    )


@app.command("show")
@_name
@click.option("--version", type=click.IntRange(1), help="Which one; the last one unless given.")
@as_json
def show(name: str, version: int | None, *, as_json: bool) -> None:
    """Print the document of the pipeline NAME, as it was saved."""
    found = Api.find().get(f"/pipelines/{segment(name)}", {"version": version})
    if as_json:
        show_json(found)
    else:
        click.echo(found["document"], nl=not found["document"].endswith("\n"))


@app.command("rm")
@_name
def rm(name: str) -> None:
    """Delete the pipeline NAME, all its versions and its policy; its runs stay listed."""
    Api.find().delete(f"/pipelines/{segment(name)}")
    click.echo(f"deleted pipeline {name}")


@click.command("schema")
def schema() -> None:
    """Print the JSON Schema of a pipeline's file, with every step, technique and option, for editors."""
    from importlib.resources import files  # noqa: PLC0415 - only this command needs it

    click.echo((files("elute_gateway.cli") / "pipeline.schema.json").read_text(encoding="utf-8"), nl=False)


def _show(found: dict[str, Any], file: str, *, wide: bool) -> None:
    if found["runnable"]:
        (show_wide_plan if wide else show_plan)(found, file)
    show_problems(found["problems"], file)
    wrong = sum(problem["severity"] == "error" for problem in found["problems"])
    if wrong:
        click.echo(f"\n{wrong} to mend before {file} can run", err=True)

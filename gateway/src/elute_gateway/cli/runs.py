"""`elute run` and `elute runs …`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from elute_gateway.cli.client import Api, segment
from elute_gateway.cli.connections import as_json
from elute_gateway.cli.output import amount, show_json, show_problems, show_table, span
from elute_gateway.cli.pipelines import accept, file

_id = click.argument("id_", metavar="ID")
_detach = click.option("--detach", is_flag=True, help="Do not wait for the run's end.")

_PARTIAL, _INTERRUPTED = 3, 130
_STATES = ("queued", "running", "succeeded", "failed", "cancelled")
_FINAL = ("succeeded", "failed", "cancelled")


@click.command("run")
@file
@accept
@_detach
def run(file: Path, *, accept: bool, detach: bool) -> None:
    """Save a pipeline and run it. Shows progress on a terminal, and prints events as JSON lines elsewhere."""
    import secrets  # noqa: PLC0415 - with it come hashes and random numbers

    api = Api.find()
    planned = api.post_document("/plans", file, {"accept": "true"} if accept else None)
    show_problems(planned["problems"], str(file))
    if not planned["runnable"]:
        raise click.exceptions.Exit(1)
    saved = api.post_document("/pipelines", file, {"accept": "true"} if accept else None)["pipeline"]
    order = {"pipeline": saved["name"], "version": saved["version"]}
    started = api.post_again("/runs", order, key=secrets.token_hex(16))
    if detach:
        click.echo(started["id"])
        return
    _follow(api, started["id"])


@click.group("runs")
def app() -> None:
    """Watch and steer runs."""


@app.command("ls")
@click.option("--state", multiple=True, type=click.Choice(_STATES), help="Only runs in this state; repeatable.")
@click.option("--pipeline", default="", help="Only runs of this pipeline.")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True, help="The most runs.")
@as_json
def ls(state: tuple[str, ...], pipeline: str, limit: int, *, as_json: bool) -> None:
    """List runs, newest first."""
    found = Api.find().get("/runs", {"limit": limit, "state": list(state), "pipeline": pipeline})["items"]
    if as_json:
        for one in found:
            show_json(one)
        return
    show_table(
        ("id", "pipeline", "version", "state", "phase", "created", "took"),
        (
            (
                one["id"],
                one["pipeline"],
                one["pipeline_version"],
                one["state"],
                one["phase"],
                one["created_at"][:19].replace("T", " "),
                _took(one),
            )
            for one in found
        ),
    )


@app.command("show")
@_id
@as_json
def show(id_: str, *, as_json: bool) -> None:
    """Show the run ID, what has become of its datasets, and its report."""
    api = Api.find()
    path = f"/runs/{segment(id_)}"
    found = api.get(path)
    datasets = list(api.items(f"{path}/datasets"))
    report = api.get(f"{path}/report")["report"]
    if as_json:
        show_json({**found, "datasets": datasets, "report": report})
        return
    click.echo(f"run {found['id']} of {found['pipeline']}, version {found['pipeline_version']}: {found['state']}")
    click.echo(f"phase {found['phase'] or '-'}, round {found['round']}, took {_took(found) or '-'}")
    _show_failure(found)
    show_table(
        ("dataset", "partitions", "read", "written", "filtered", "set aside", "bytes", "snapshot"),
        (
            (
                one["name"],
                f"{one['partitions_done']}/{one['partitions']}",
                one["rows_read"],
                one["rows_written"],
                one["rows_filtered"],
                one["rows_rejected"],
                amount(one["loaded_bytes"]),
                one["snapshot"],
            )
            for one in datasets
        ),
    )


@app.command("cancel")
@_id
def cancel(id_: str) -> None:
    """Cancel the run ID. Its target stays half-loaded: resume it, or repair the target."""
    Api.find().post(f"/runs/{segment(id_)}/cancel")
    click.echo(f"cancelling run {id_}")


@app.command("resume")
@_id
@_detach
def resume(id_: str, *, detach: bool) -> None:
    """Go on with the run ID, which has failed or was cancelled, where it stood."""
    api = Api.find()
    seen = _last_event(api, id_)
    api.post(f"/runs/{segment(id_)}/resume")
    if not detach:
        _follow(api, id_, seen)


@app.command("repair")
@_id
def repair(id_: str) -> None:
    """Bring the target of the run ID, which has failed or was cancelled back to valid keys; no row moves."""
    api = Api.find()
    seen = _last_event(api, id_)
    api.post(f"/runs/{segment(id_)}/repair")
    for event in api.events(f"/runs/{segment(id_)}/events", {"until": "repaired"}, seen):
        data = event["data"]
        if event["kind"] == "finishing":
            click.echo(f"{data['phase']} {data['object']} ({data['made']}/{data['total']})")
        if event["kind"] == "repaired" and not data["succeeded"]:
            click.echo(f"the target could not be repaired: {data['code']}; see elute runs logs {id_}", err=True)
            raise click.exceptions.Exit(1)
    click.echo("the target's keys and triggers are back")


@app.command("logs")
@_id
@click.option("--follow", is_flag=True, help="Go on until the run ends.")
def logs(id_: str, *, follow: bool) -> None:
    """Print the log of the run ID."""
    api = Api.find()
    path, printed = f"/runs/{segment(id_)}", 0
    while True:
        is_final = api.get(path)["state"] in _FINAL
        for line in api.items(f"{path}/log"):
            if line["number"] > printed:
                printed = line["number"]
                where = f" [{line['dataset'] or line['partition']}]" if line["dataset"] or line["partition"] else ""
                click.echo(f"{line['at'][:19]}Z {line['level']:<7} {line['message']}{where}")
        if is_final or not follow:
            return
        time.sleep(1.0)


def _follow(api: Api, id_: str, after: int = 0) -> None:
    """Watch a run to its end, and end as it does."""
    from elute_gateway.cli.progress import watch  # noqa: PLC0415 - rich takes its time

    try:
        watch(api, id_, after)
    except KeyboardInterrupt:
        if _wants_to_leave():
            click.echo(f"\nleft running: elute runs show {id_}", err=True)
        else:
            click.echo(f"\ncancelling run {id_}", err=True)
            api.post(f"/runs/{segment(id_)}/cancel")
        raise click.exceptions.Exit(_INTERRUPTED) from None
    found = api.get(f"/runs/{segment(id_)}")
    datasets = list(api.items(f"/runs/{segment(id_)}/datasets"))
    _show_end(found, datasets)
    if found["state"] != "succeeded":
        raise click.exceptions.Exit(1)
    if any(one["rows_rejected"] for one in datasets):
        raise click.exceptions.Exit(_PARTIAL)


def _wants_to_leave() -> bool:
    """Ask on a terminal; elsewhere Ctrl-C cancels."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    return not click.confirm("\nCancel the run? (no: it goes on without you)", default=True, err=True)


def _last_event(api: Api, id_: str) -> int:
    """Return the number of the last event of a run that has ended."""
    return max((event["number"] for event in api.events(f"/runs/{segment(id_)}/events")), default=0)


def _show_end(found: dict[str, Any], datasets: list[dict[str, Any]]) -> None:
    if not sys.stdout.isatty():
        show_json({"run": found, "datasets": datasets})
    if not sys.stderr.isatty() and not sys.stdout.isatty():
        return
    rows, size = (sum(one[field] for one in datasets) for field in ("rows_written", "loaded_bytes"))
    seconds = _seconds(found)
    rate = f", {amount(size / seconds)}/s" if seconds else ""
    click.echo(f"run {found['id']} {found['state']}: {rows:,} rows, {amount(size)}{rate}, {_took(found)}", err=True)
    _show_failure(found)


def _show_failure(found: dict[str, Any]) -> None:
    failure = found["failure"]
    if failure:
        click.echo(f"{failure['message']} [{failure['code']}]", err=True)
        if failure["hint"]:
            click.echo(f"  {failure['hint']}", err=True)


def _seconds(found: dict[str, Any]) -> float | None:
    from datetime import datetime  # noqa: PLC0415

    if not found["started_at"] or not found["ended_at"]:
        return None
    return (datetime.fromisoformat(found["ended_at"]) - datetime.fromisoformat(found["started_at"])).total_seconds()


def _took(found: dict[str, Any]) -> str:
    seconds = _seconds(found)
    return "" if seconds is None else span(seconds)

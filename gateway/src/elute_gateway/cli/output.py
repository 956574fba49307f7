"""What commands print: tables and JSON to stdout, what is wrong to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from elute_wire.errors import EluteError

_COLOURS = {"error": "red", "warning": "yellow", "note": "blue"}
_WIDEST = 60


def show_json(value: object) -> None:
    """Print a value as one line of JSON, at once."""
    click.echo(json.dumps(value, ensure_ascii=False))
    sys.stdout.flush()


def show_table(head: Sequence[str], rows: Iterable[Sequence[object]], widest: int | None = _WIDEST) -> None:
    """Print rows under their heading, each column as wide as its widest cell; longer cells than `widest` are cut."""
    cells = [[_cell(value, widest) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    click.secho(_line([name.upper() for name in head], widths), fg="bright_black")
    for row in cells:
        click.echo(_line(row, widths))


def show_problems(problems: Sequence[Mapping[str, Any]], file: str = "") -> None:
    """Print problems to stderr, each with its place and what to do.

    Args:
        problems: As the API tells them.
        file: The file that their lines are of.
    """
    for problem in problems:
        severity = problem["severity"]
        line = f":{problem['line']}" if problem.get("line") else ""
        place = f"{file}{line}: " if file else ""
        head = click.style(severity, fg=_COLOURS[severity], bold=True)
        click.echo(f"{place}{head}: {problem['message']} [{problem['code']}]", err=True)
        if problem.get("hint"):
            click.echo(f"    {problem['hint']}", err=True)


def complain(error: EluteError) -> None:
    """Print what failed, every problem that it names, and what to do."""
    click.echo(f"{click.style('elute', fg='red', bold=True)}: {error.message}", err=True)
    for problem in error.problems:
        click.echo(f"  - {problem.message} [{problem.code}]", err=True)
        if problem.hint:
            click.echo(f"      {problem.hint}", err=True)
    if error.hint:
        click.echo(f"  {error.hint}", err=True)


def say_waiting(error: EluteError, seconds: float) -> None:
    """Print to stderr what is waited for, and how long at most."""
    click.secho(f"waiting, for up to {span(seconds)}: {error.message}", fg="yellow", err=True)


def amount(size: float) -> str:
    """Write bytes in a few characters."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def span(seconds: float) -> str:
    """Write a length of time in a few characters."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    return f"{whole // 60}:{whole % 60:02} min" if whole < 3600 else f"{whole // 3600}:{whole % 3600 // 60:02} h"


def _cell(value: object, widest: int | None) -> str:
    text = "" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if widest is None or len(text) <= widest else text[: widest - 1] + "…"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()

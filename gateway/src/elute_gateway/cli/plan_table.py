"""A plan as people read it: dataset by dataset, a line for each column that changes, and one for all that are kept."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click

from elute_gateway.cli.output import amount, show_table

_WIDTH = 100
_MARGIN, _GAP = "  ", "  "

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Line:
    """A column that does not simply stay as it is, in four cells; the third may be folded."""

    column: str
    technique: str
    keeps: str
    by: str

    @property
    def cells(self) -> tuple[str, str, str, str]:
        return (self.column, self.technique, self.keeps, self.by)


def show_plan(plan: Json, file: str) -> None:
    """Print a plan on as many columns as the terminal has, 100 where there is none.

    Args:
        plan: As the API tells it.
        file: The file that its lines are of.
    """
    width = shutil.get_terminal_size((_WIDTH, 24)).columns
    lines = {dataset["name"]: [_line(one, file) for one in _treated(dataset)] for dataset in plan["datasets"]}
    widths = _widths([line for part in lines.values() for line in part], width)
    for dataset in plan["datasets"]:
        click.secho(f"{dataset['name']}{_size(dataset)}", bold=True)
        for line in lines[dataset["name"]]:
            click.echo("\n".join(_folded(line.cells, widths)))
        _show_kept(dataset, width)
        click.echo()
    if plan["views"]:
        _show_list("views, made again", plan["views"], width)
    _show_changes(plan["changes"])
    _show_legend(plan["datasets"], width)


def show_wide_plan(plan: Json, file: str) -> None:
    """Print a plan as one table with everything in it, however wide that is."""
    show_table(
        ("column", "type", "technique", "domain", "what happens", "keeps", "loses", "unique", "by"),
        (
            (
                f"{dataset['name']}.{column['name']}",
                column["type"],
                column["technique"],
                column["domain"],
                f"{column['summary'] or ''}{_cast(column)}",
                column["keeps"],
                column["loses"],
                column["uniqueness"],
                _by(column, file),
            )
            for dataset in plan["datasets"]
            for column in dataset["columns"]
        ),
        widest=None,
    )


def _treated(dataset: Json) -> list[Json]:
    return [column for column in dataset["columns"] if not _is_kept(column)]


def _is_kept(column: Json) -> bool:
    """Whether a column stays as it is; one that the target converts has a line of its own."""
    return column["technique"] in {"keep", ""} and not column["cast"]


def _line(column: Json, file: str) -> _Line:
    keeps = ", ".join(column["keeps"]) or "nothing"
    return _Line(column["name"], column["technique"], f"{keeps}{_cast(column)}", _by(column, file))


def _cast(column: Json) -> str:
    return f" (then {column['cast']})" if column["cast"] else ""


def _by(column: Json, file: str) -> str:
    if column["inherited_from"]:
        return f"as {column['inherited_from']}"
    return f"{file}:{column['line']}" if column["line"] else str(column["treatment"])


def _size(dataset: Json) -> str:
    rows = dataset["estimated_rows"]
    count = "" if rows is None else f"about {rows:,} rows, "
    condition = f", where {dataset['filter']}" if dataset["filter"] else ""
    return click.style(f"  {count}{amount(dataset['size_bytes'])}{condition}", bold=False, fg="bright_black")


def _widths(lines: Sequence[_Line], width: int) -> tuple[int, ...]:
    """Give each cell the room that it needs, and what is kept the rest."""
    needed = [max(map(len, cells)) for cells in zip(*(line.cells for line in lines), strict=True)] or [0] * 4
    others = needed[0] + needed[1] + needed[3] + len(_MARGIN) + len(_GAP) * 3 + len("keeps ")
    needed[2] = max(20, min(needed[2], width - others))
    return tuple(needed)


def _folded(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    column, technique, keeps, by = cells
    first, *more = textwrap.wrap(f"keeps {keeps}", widths[2] + len("keeps "), subsequent_indent=" " * len("keeps "))
    room = widths[2] + len("keeps ")
    head = f"{_MARGIN}{column:{widths[0]}}{_GAP}{technique:{widths[1]}}{_GAP}"
    yield f"{head}{first:{room}}{_GAP}{by}".rstrip()
    yield from (f"{'':{len(head)}}{line}" for line in more)


def _show_kept(dataset: Json, width: int) -> None:
    kept = [column["name"] for column in dataset["columns"] if _is_kept(column)]
    if kept:
        _show_list(f"{_MARGIN}kept", kept, width)


def _show_list(head: str, words: Sequence[str], width: int) -> None:
    start = f"{head}: "
    click.echo(
        textwrap.fill(start + ", ".join(words), width, subsequent_indent=" " * len(start), break_long_words=False)
    )


def _show_changes(changes: Sequence[Json]) -> None:
    """Print what the document itself has changed; what has changed in the source is told as a problem."""
    for change in changes:
        if change["kind"] == "treatment-changed":
            column = f"{change['dataset']}.{change['column']}"
            click.echo(f"changed since it was pinned: {column}: {change['before']} is now {change['after']}")


def _show_legend(datasets: Sequence[Json], width: int) -> None:
    """Say once what each technique does, and what there is to keep."""
    treated = [column for dataset in datasets for column in _treated(dataset)]
    summaries = {column["technique"]: column["summary"] for column in treated if column["summary"]}
    longest = max(map(len, summaries), default=0)
    for technique, summary in sorted(summaries.items()):
        indent = " " * (longest + len(_GAP))
        click.echo(textwrap.fill(f"{technique:{longest}}{_GAP}{summary}", width, subsequent_indent=indent))
    facts = sorted({fact for column in treated for fact in (*column["keeps"], *column["loses"])})
    if facts:
        told = f"What a column does not keep, it loses, of: {', '.join(facts)}."
        click.secho(textwrap.fill(told, width), fg="bright_black")

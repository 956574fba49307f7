"""Shows the demo on a terminal: a line that moves while it works, then what it came to."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from elute_gateway.demo.proof import Proof
from elute_gateway.demo.run import Outcome, demonstrate
from elute_wire.errors import EluteError

_STAGES = {
    "shop": "making a shop of 290,000 rows in an embedded PostgreSQL",
    "services": "starting connector, transform, anonymizer and gateway",
    "run": "planning and copying, scrubbed",
    "proof": "looking at both databases",
}
_BODY_WIDTH = 46


def main() -> int:
    """Run the demo and show it; answers the exit code."""
    console = Console(highlight=False)
    console.print("[bold]Elute[/] copies a database into another one, scrubbed. This is a run of it, from nothing.\n")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="elute-demo-") as folder, _progress(console) as progress:
        view = _View(progress)
        try:
            outcome = asyncio.run(demonstrate(Path(folder), view.told))
        except EluteError as error:
            progress.stop()
            console.print(f"[red]The demo failed:[/] {error.message}\n{error.hint}")
            for log in sorted(Path(folder).glob("log/*.log")):
                console.print(f"[dim]{log.name}:[/]\n{log.read_text(errors='replace')[-2000:]}", markup=False)
            return 1
    _show(console, outcome)
    console.print(f"\nAll of it took {time.monotonic() - started:.0f} seconds, and left nothing behind.")
    console.print(
        "Next: [bold]elute up[/] leaves the system running; [bold]docs/tutorial.md[/] connects your own database."
    )
    return 0 if outcome.proof.holds else 1


def _progress(console: Console) -> Progress:
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn()
    return Progress(*columns, console=console)


class _View:
    """One line per stage; the copying one with its rows."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._rows: dict[str, int] = {}

    def told(self, about: str, data: Mapping[str, Any]) -> None:
        if about in _STAGES:
            if self._task is not None:
                self._progress.update(self._task, total=1, completed=1)
            self._task = self._progress.add_task(_STAGES[about], total=None)
        elif about == "progress" and self._task is not None:
            for dataset in data.get("datasets", ()):
                self._rows[dataset["dataset"]] = dataset["rows"]
            description = f"{_STAGES['run']}: {sum(self._rows.values()):,} rows"
            self._progress.update(self._task, description=description)


def _show(console: Console, outcome: Outcome) -> None:
    proof = outcome.proof
    table = Table(title="The first row of each table, before and after", title_justify="left", title_style="bold")
    for heading in ("column", "source", "target"):
        table.add_column(heading, overflow="fold", max_width=_BODY_WIDTH)
    for name, column, before, after in proof.before_after:
        table.add_row(f"{name}.{column}", Text(before), Text(after))
    console.print()
    console.print(table)
    rows = sum(dataset["rows_written"] for dataset in outcome.datasets)
    loaded = sum(dataset["loaded_bytes"] for dataset in outcome.datasets)
    console.print("\n[bold]What was found in the target[/]")
    for holds, sentence in _findings(proof):
        console.print(f"  {'[green]✓[/]' if holds else '[red]✗[/]'} {sentence}")
    console.print(
        f"\n{rows:,} rows in {outcome.seconds:.1f} seconds from the request to the end "
        f"({loaded / 1e6 / outcome.seconds:.0f} MB/s), plan, keys, indexes and verification included."
    )


def _findings(proof: Proof) -> list[tuple[bool, str]]:
    tables = len(proof.rows)
    equal = sum(before == after for before, after in proof.rows.values())
    left = f"{proof.emails_left} of the source's {proof.emails:,} e-mail addresses"
    valid = f"{proof.foreign_keys} foreign keys, {proof.invalid_keys} not valid"
    return [
        (equal == tables, f"{equal} of {tables} tables have as many rows as in the source"),
        (not proof.invalid_keys and not proof.orphans, f"{valid}, {proof.orphans} rows that refer to nothing"),
        (True, f"{proof.unique_keys} primary and unique keys, built from the scrubbed rows"),
        (not proof.emails_left, f"{left}: every column was searched, free text too"),
    ]

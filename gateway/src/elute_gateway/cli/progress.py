"""A run's progress as it happens: lines that move on a terminal, JSON lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from elute_gateway.cli.client import Api, segment
from elute_gateway.cli.output import amount, show_json, span

_MOST_LINES = 12
_REFRESHES_A_SECOND = 4


def watch(api: Api, run_id: str, after: int = 0) -> None:
    """Show a run until it ends.

    Args:
        api: The API.
        run_id: The run.
        after: The number of the last event that was seen.
    """
    events = api.events(f"/runs/{segment(run_id)}/events", after=after)
    if not sys.stdout.isatty():
        for event in events:
            show_json(event)
        return
    view = View(run_id)
    with Live(console=Console(), get_renderable=view.render, refresh_per_second=_REFRESHES_A_SECOND) as live:
        for event in events:
            if event["kind"] == "phase" and event["data"]["phase"] == "load":
                view.expect(api.items(f"/runs/{segment(run_id)}/datasets"))
            view.tell(event)
        live.refresh()


@dataclass(slots=True)
class Line:
    """How far a dataset is; the clock runs from its first rows on."""

    rows: int = 0
    size: int = 0
    expected_rows: int = 0
    began: float = 0.0
    ended: float = 0.0

    @property
    def seconds(self) -> float:
        """How long its rows have been coming."""
        return (self.ended or time.monotonic()) - self.began if self.began else 0.0

    @property
    def left_seconds(self) -> float | None:
        """How long the rest will take at this speed; None while that is not known."""
        if not self.rows or self.ended or self.expected_rows <= self.rows:
            return None
        return self.seconds / self.rows * (self.expected_rows - self.rows)


@dataclass(slots=True)
class View:
    """What a terminal shows of a run."""

    run_id: str
    state: str = "queued"
    phase: str = ""
    making: str = ""
    lines: dict[str, Line] = field(default_factory=dict)

    def expect(self, datasets: Any) -> None:  # noqa: ANN401 - JSON
        """Learn how many rows will come; estimates, where the source knows no more."""
        for dataset in datasets:
            line = self.lines.setdefault(dataset["name"], Line())
            line.expected_rows = dataset["estimated_rows"]

    def tell(self, event: Mapping[str, Any]) -> None:
        """Take an event in."""
        data = event["data"]
        match event["kind"]:
            case "state":
                self.state = data["state"]
            case "phase":
                self.phase, self.making = data["phase"], ""
            case "finishing":
                self.making = f"{data['phase']} {data['object']} ({data['made']}/{data['total']})"
            case "progress":
                for told in data["datasets"]:
                    self._advance(told["dataset"], told["rows"], told["bytes"])

    def _advance(self, name: str, rows: int, size: int) -> None:
        line = self.lines.setdefault(name, Line())
        line.began = line.began or time.monotonic()
        line.rows, line.size = rows, size
        line.ended = time.monotonic() if line.expected_rows and rows >= line.expected_rows else 0.0

    def render(self) -> Group:
        """Draw the run: a heading, the datasets that move, and all of them together."""
        head = Text.assemble((f"run {self.run_id}", "bold"), f"  {self.state}  {self.phase}  ", (self.making, "dim"))
        moving = [(name, line) for name, line in self.lines.items() if line.began and not line.ended]
        others = [(name, line) for name, line in self.lines.items() if line.ended]
        shown = (moving + others[::-1])[:_MOST_LINES]
        table = Table.grid(padding=(0, 2))
        for name, line in shown:
            table.add_row(*_cells(name, line))
        if self.lines:
            table.add_row(*_cells(f"all {len(self.lines)} datasets", self._total()))
        return Group(head, table)

    def _total(self) -> Line:
        lines = self.lines.values()
        began = min((line.began for line in lines if line.began), default=0.0)
        return Line(
            rows=sum(line.rows for line in lines),
            size=sum(line.size for line in lines),
            expected_rows=sum(max(line.expected_rows, line.rows) for line in lines),
            began=began,
        )


def _cells(name: str, line: Line) -> tuple[RenderableType, ...]:
    share = min(1.0, line.rows / line.expected_rows) if line.expected_rows else 0.0
    left = line.left_seconds
    speed = f"{amount(line.size / line.seconds)}/s" if line.seconds > 0.2 else ""
    return (
        name,
        ProgressBar(total=1.0, completed=share, width=24),
        Text(f"{line.rows:,} rows", justify="right"),
        Text(speed, justify="right"),
        f"{span(left)} left" if left is not None else "",
    )

"""What a terminal shows of a run, and what numbers look like."""

from __future__ import annotations

from rich.console import Console

from elute_gateway.cli.output import amount, span
from elute_gateway.cli.progress import View


def shown(view: View) -> str:
    console = Console(width=120)
    with console.capture() as captured:
        console.print(view.render())
    return captured.get()


def test_a_view_shows_state_datasets_and_their_sum() -> None:
    view = View("r1")
    view.tell({"kind": "state", "data": {"state": "running"}})
    view.tell({"kind": "phase", "data": {"phase": "load"}})
    view.expect([{"name": "public.a", "estimated_rows": 100}, {"name": "public.b", "estimated_rows": 300}])
    view.tell({"kind": "progress", "data": {"datasets": [{"dataset": "public.b", "rows": 150, "bytes": 2_000_000}]}})
    text = shown(view)
    assert "run r1  running  load" in text
    assert "public.b" in text
    assert "150 rows" in text
    assert "public.a" not in text  # nothing of it has come yet
    assert "all 2 datasets" in text


def test_a_view_of_a_thousand_datasets_stays_a_screen_long() -> None:
    view = View("r1")
    told = [{"dataset": f"public.t{number}", "rows": 1, "bytes": 10} for number in range(1000)]
    view.tell({"kind": "progress", "data": {"datasets": told}})
    assert len(shown(view).splitlines()) < 20


def test_what_is_being_made_is_shown_while_finishing() -> None:
    view = View("r1")
    made = {"phase": "index", "object": "public.i", "made": 3, "total": 9}
    view.tell({"kind": "finishing", "data": made})
    assert "index public.i (3/9)" in shown(view)


def test_amounts_and_spans_are_short() -> None:
    assert [amount(size) for size in (0, 999, 1500, 2_500_000, 3e9, 4e12)] == [
        "0 B", "999 B", "1.5 kB", "2.5 MB", "3.0 GB", "4.0 TB",
    ]  # fmt: skip
    assert [span(seconds) for seconds in (0.25, 42, 125, 7260)] == ["0.2 s", "42 s", "2:05 min", "2:01 h"]

"""The judge of `make chaos` finds what it is there to find."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.chaos.comparison import Findings, Pseudonyms, compare_rows
from tests.chaos.faults import Injected
from tests.chaos.journal import Change, Fate, Journal, Row, Snapshot, Transaction
from tests.chaos.stalls import stalls


def row(content: str) -> Row:
    return Row(content.encode(), f"{content}@example.org")


def scrubbed(content: str) -> Row:
    return Row(content.encode(), f"p-{content}@example.com")


def journal() -> Journal:
    made = Journal()
    made.base["accounts"] = {1: row("a"), 2: row("b")}
    made.transactions = [
        Transaction("t10", 10, [Change("accounts", 1, row("A")), Change("movements", 1, row("x"))], Fate.COMMITTED),
        Transaction("t11", 11, [Change("accounts", 2, None)], Fate.ABORTED),
        Transaction("t12", 12, [Change("accounts", 3, row("c"))], Fate.COMMITTED),
        Transaction("t13", 13, [Change("accounts", 1, None)], Fate.COMMITTED),
    ]
    return made


@pytest.mark.parametrize(
    ("snapshot", "seen"),
    [
        ("10:10:", {1: "a", 2: "b"}),
        ("10:11:10", {1: "a", 2: "b"}),
        ("11:13:", {1: "A", 2: "b", 3: "c"}),
        ("12:13:12", {1: "A", 2: "b"}),
        ("14:14:", {2: "b", 3: "c"}),
    ],
)
def test_a_snapshot_sees_what_was_committed_before_it(snapshot: str, seen: Mapping[int, str]) -> None:
    visible = journal().visible("accounts", Snapshot.parse(snapshot))
    assert visible == {key: row(content) for key, content in seen.items()}


@pytest.mark.parametrize(
    ("found", "lost", "duplicated", "unexpected"),
    [
        ([(1, scrubbed("a")), (2, scrubbed("b"))], 0, 0, 0),
        ([(1, scrubbed("a"))], 1, 0, 0),
        ([(1, scrubbed("a")), (2, scrubbed("b")), (2, scrubbed("b"))], 0, 1, 0),
        ([(1, scrubbed("a")), (2, scrubbed("b")), (3, scrubbed("c"))], 0, 0, 1),
        ([(1, scrubbed("a")), (2, scrubbed("stale"))], 0, 0, 1),
        ([(1, scrubbed("a")), (2, Row(b"b", "b@example.org"))], 0, 0, 1),
        ([(1, scrubbed("a")), (2, Row(b"b", "p-a@example.com"))], 0, 0, 1),
    ],
)
def test_what_is_lost_doubled_or_wrong_is_counted(
    found: list[tuple[int, Row]], lost: int, duplicated: int, unexpected: int
) -> None:
    findings = Findings()
    compare_rows({1: row("a"), 2: row("b")}, found, Pseudonyms(), findings)
    assert (findings.lost, findings.duplicated, findings.unexpected) == (lost, duplicated, unexpected)


def test_one_value_has_one_pseudonym_in_all_runs() -> None:
    pseudonyms, findings = Pseudonyms(), Findings()
    compare_rows({1: row("a")}, [(1, scrubbed("a"))], pseudonyms, findings)
    compare_rows({1: row("a")}, [(1, Row(b"a", "p-other@example.com"))], pseudonyms, findings)
    assert findings.unexpected == 1


def event(second: int, kind: str, rows: int = 0) -> dict[str, object]:
    data = {"datasets": [{"dataset": "public.accounts", "rows": rows}]} if kind == "progress" else {}
    return {"at": f"1970-01-01T00:00:{second:02}+00:00", "kind": kind, "data": data}


def fault(began: float, ended: float) -> Injected:
    return Injected("kill connector", began, ended, in_open_load=True)


def test_a_stall_ends_with_more_rows_and_not_with_fewer() -> None:
    events = [event(1, "progress", 100), event(5, "attempt-failed"), event(6, "progress", 40), event(9, "progress", 50)]
    assert stalls(events, [fault(2, 3)]) == [6]


def test_a_fault_before_there_was_progress_starts_the_clock_anew() -> None:
    assert stalls([event(9, "phase")], [fault(1, 2), fault(4, 6)]) == [3]

"""How long a run stood still after a fault was over, judged by the run's own events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.chaos.faults import Injected

_ALWAYS = frozenset({"phase", "snapshot", "finishing", "state"})


def stalls(events: Sequence[Mapping[str, Any]], injected: Sequence[Injected]) -> list[float]:
    """Answer the seconds from the end of each fault to the next progress: more rows, or a finished step.

    A fault that begins before there was progress stops the clock of those before it: its own begins when it is over.
    """
    moments = list(_progress(events))
    found = []
    for fault in injected:
        end = max([fault.ended, *(other.ended for other in injected if other.began <= fault.ended)])
        following = next((moment for moment in moments if moment > end), None)
        interrupted = any(end < other.began < (following or other.began + 1) for other in injected)
        if following is not None and not interrupted:
            found.append(following - end)
    return found


def _progress(events: Sequence[Mapping[str, Any]]) -> Iterator[float]:
    rows: dict[str, int] = {}
    for event in events:
        at = datetime.fromisoformat(event["at"]).timestamp()
        if event["kind"] in _ALWAYS:
            yield at
        elif event["kind"] == "progress":
            now = {entry["dataset"]: entry["rows"] for entry in event["data"]["datasets"]}
            # Fewer rows than before are those of an attempt that has failed; only more are progress.
            if any(count > rows.get(dataset, 0) for dataset, count in now.items()):
                yield at
            rows = now

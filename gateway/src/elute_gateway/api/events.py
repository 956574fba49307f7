"""A run's events as they happen, by server-sent events: a watcher that comes back misses nothing.

Source: HTML Living Standard, Server-sent events; `Last-Event-ID` is the number of the last event that was seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import Field

from elute_gateway.api.context import Gateway, UseCases, holding
from elute_gateway.api.models import View, moment, shown
from elute_gateway.api.runs import Id
from elute_gateway.domain import run
from elute_gateway.domain.access import Caller, Scope
from elute_gateway.domain.run import EventKind

router = APIRouter(prefix="/runs", tags=["runs"])

POLL_SECONDS = 0.2
"""How often the store is asked for news: any gateway may execute the run, so the store is where news meet."""

END = "end"
"""The comment by which a stream says that nothing follows."""

_PAGE = 500


class Until(StrEnum):
    """When the stream ends by itself."""

    ENDED = "ended"
    """The run has ended, and every event was sent."""
    REPAIRED = "repaired"
    """Its target was repaired, or that has failed."""


class RunEvent(View):
    """One thing that happened in a run."""

    model_config = shown(
        "RunEvent",
        {
            "number": 7,
            "at": "2026-01-31T02:00:01Z",
            "kind": "progress",
            "data": {"datasets": [{"dataset": "public.orders", "rows": 80_000, "bytes": 9_800_000}]},
        },
    )

    number: int = Field(description="Gapless from 1; the event's id.")
    at: datetime
    kind: EventKind
    data: dict[str, Any] = Field(description="What is told, by kind; never a cell value.")


async def _existing(id_: Id, gateway: Gateway, _caller: Annotated[Caller, holding(Scope.RUNS_READ)]) -> run.Run:
    """Find the run before the stream begins: after its first byte no problem can be told."""
    return await gateway.runs.get(id_)


_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The run's events, as they happen.",
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "example": 'event: state\nid: 1\ndata: {"number": 1, "kind": "state", "data": {}}\n\n',
            }
        },
    }
}


@router.get("/{id}/events", response_class=EventSourceResponse, responses=_STREAM)
async def watch_run(
    found: Annotated[run.Run, Depends(_existing)],
    gateway: Gateway,
    *,
    until: Annotated[Until, Query(description="When the stream ends by itself.")] = Until.ENDED,
    last_event_id: Annotated[
        int, Header(ge=0, description="The number of the last event that was seen; 0 for all of them.")
    ] = 0,
) -> AsyncIterator[ServerSentEvent]:
    """Watch a run: its events so far, then each as it happens, until the run has ended.

    Each event's `id` is its number, `event` its kind, `data` a RunEvent as JSON. A stream that ends without the comment
    `: end` has broken off, or its gateway leaves: ask again with `Last-Event-ID`.
    """
    seen, was_final = last_event_id, False
    while not gateway.leaving.is_set():
        is_final = (await gateway.runs.get(found.id)).state.is_final
        events = await gateway.runs.events(found.id, seen, _PAGE)
        for event in events:
            seen = event.number
            yield _sent(event)
        if until is Until.REPAIRED:
            is_final = was_final = any(event.kind is EventKind.REPAIRED for event in events)
        # Twice: a run's end is written a moment before it is told.
        if is_final and was_final and len(events) < _PAGE:
            yield ServerSentEvent(comment=END)
            return
        was_final = is_final
        if len(events) < _PAGE:
            await _pause(gateway)


def _sent(event: run.RunEvent) -> ServerSentEvent:
    view = RunEvent(number=event.number, at=moment(event.at), kind=event.kind, data=dict(event.data))
    return ServerSentEvent(id=str(event.number), event=event.kind, data=view)


async def _pause(gateway: UseCases) -> None:
    try:
        async with asyncio.timeout(POLL_SECONDS):
            await gateway.leaving.wait()
    except TimeoutError:
        return

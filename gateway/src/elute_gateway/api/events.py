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

from elute_gateway.api.context import Gateway, holding
from elute_gateway.api.models import View, moment, shown
from elute_gateway.api.runs import Id
from elute_gateway.domain import run
from elute_gateway.domain.access import Caller, Scope
from elute_gateway.domain.run import EventKind, RunState

router = APIRouter(prefix="/runs", tags=["runs"])

POLL_SECONDS = 0.5
"""How often the store is asked for what another gateway may have told; what this one tells comes at once."""

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
    seen, is_over = last_event_id, until is Until.ENDED and found.state.is_final
    with gateway.runs.listening(found.id) as news:
        while not gateway.leaving.is_set():
            news.clear()
            events = await gateway.runs.events(found.id, seen, _PAGE)
            for event in events:
                seen = event.number
                is_over = _is_over(event, until, was_over=is_over)
                yield _sent(event)
            if len(events) == _PAGE:
                continue
            if is_over:
                yield ServerSentEvent(comment=END)
                return
            await _pause(news)


def _is_over(event: run.RunEvent, until: Until, *, was_over: bool) -> bool:
    """Say whether a stream may end with an event. An ended run can begin again, so its last state counts."""
    match until, event.kind:
        case (Until.ENDED, EventKind.STATE):
            return RunState(str(event.data["state"])).is_final
        case (Until.REPAIRED, EventKind.REPAIRED):
            return True
        case _:
            return was_over


def _sent(event: run.RunEvent) -> ServerSentEvent:
    view = RunEvent(number=event.number, at=moment(event.at), kind=event.kind, data=dict(event.data))
    return ServerSentEvent(id=str(event.number), event=event.kind, data=view)


async def _pause(news: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(POLL_SECONDS):
            await news.wait()
    except TimeoutError:
        return

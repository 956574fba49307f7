"""The audit trail."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from elute_gateway.api.context import Gateway, holding
from elute_gateway.api.models import View, moment, shown
from elute_gateway.api.pages import Cursor, Limit, Page, page_of, position
from elute_gateway.domain.access import Caller, Scope

router = APIRouter(prefix="/audit-events", tags=["audit"])


class AuditEvent(View):
    """Who did what to what, and when."""

    model_config = shown(
        "AuditEvent",
        {
            "id": "01kb0rt5mqx5v1c6n0p8t2w4y6",
            "at": "2026-01-31T02:00:00Z",
            "actor": "01kb0rk2hne3s9b4m6n8p0r2t4",
            "action": "run.started-raw",
            "subject": "pipeline shop-copy",
            "detail": {"version": 3},
        },
    )

    id: str
    at: datetime
    actor: str = Field(description="The id of the API key that was used.")
    action: str = Field(description="What was done.")
    subject: str = Field(description="What it was done to.")
    detail: dict[str, Any]


class AuditEventPage(Page[AuditEvent]):
    """Some audit events."""


@router.get("")
async def list_audit_events(
    gateway: Gateway, _caller: Annotated[Caller, holding(Scope.AUDIT_READ)], limit: Limit = 50, cursor: Cursor = ""
) -> AuditEventPage:
    """List what was done, newest first."""
    found = await gateway.audit.page(position(cursor), limit + 1)
    events, after = page_of(found, limit, lambda event: event.id)
    views = [
        AuditEvent(
            id=event.id,
            at=moment(event.at),
            actor=event.actor,
            action=event.action,
            subject=event.subject,
            detail=dict(event.detail),
        )
        for event in events
    ]
    return AuditEventPage(items=views, next=after)

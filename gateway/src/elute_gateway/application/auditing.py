"""What is written down about who did what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from elute_gateway.domain.access import Action, AuditEvent, Caller
from elute_gateway.domain.identifier import new_id


class AuditTrail(Protocol):
    """Where it is written down; it only grows."""

    async def note(self, event: AuditEvent) -> None:
        """Append an event; its time is given there."""
        ...

    async def page(self, before: str = "", limit: int = 50) -> Sequence[AuditEvent]:
        """Return events, newest first, older than the event `before`."""
        ...


@dataclass(frozen=True, slots=True)
class Auditing:
    """Writes down what callers do, and shows it."""

    trail: AuditTrail

    async def note(
        self, caller: Caller, action: Action, subject: str, detail: Mapping[str, object] | None = None
    ) -> None:
        """Write down what a caller does.

        Args:
            caller: Who does it.
            action: What is done.
            subject: What it is done to: a kind and a name or id, `connection shop`.
            detail: More about it; no secret, no cell value.
        """
        await self.trail.note(AuditEvent(new_id(), caller.id, action, subject, detail or {}))

    async def page(self, before: str, limit: int) -> Sequence[AuditEvent]:
        """Return events, newest first, older than the event `before`."""
        return await self.trail.page(before, limit)

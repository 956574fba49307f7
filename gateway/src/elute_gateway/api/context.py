"""What every operation gets: the gateway's use cases, and whoever asks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Security
from fastapi.security import HTTPBearer, SecurityScopes
from starlette.requests import Request

from elute_gateway.application.api_keys import ApiKeys
from elute_gateway.application.auditing import Auditing
from elute_gateway.application.connections import ConnectionUseCases
from elute_gateway.application.pipelines import PipelineUseCases
from elute_gateway.application.running import Running
from elute_gateway.application.runs import RunUseCases
from elute_gateway.domain.access import Caller, Scope


@dataclass(frozen=True, slots=True)
class UseCases:
    """What the API can do.

    Attributes:
        api_keys: Who may enter.
        audit: Who did what.
        connections: How stores are reached.
        pipelines: What is declared and planned.
        running: What is started.
        leaving: Set once the gateway is told to stop: streams then end.
    """

    api_keys: ApiKeys
    audit: Auditing
    connections: ConnectionUseCases
    pipelines: PipelineUseCases
    running: Running
    leaving: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def runs(self) -> RunUseCases:
        """What runs are and tell."""
        return self.running.runs


def _use_cases(request: Request) -> UseCases:
    found: UseCases = request.app.state.use_cases
    return found


Gateway = Annotated[UseCases, Depends(_use_cases)]

_bearer = HTTPBearer(
    scheme_name="apiKey",
    bearerFormat="elute_…",
    description="An API key. Each operation names the scopes that it needs.",
    auto_error=False,
)


def _authorize(request: Request, needed: SecurityScopes, _shown: Annotated[object, Depends(_bearer)]) -> Caller:
    """Check what `Gate` found out about the caller against what the operation needs."""
    caller: Caller = request.state.caller
    caller.require([Scope(word) for word in needed.scopes], "answering the request")
    return caller


def holding(*scopes: Scope) -> Any:  # noqa: ANN401 - FastAPI types its markers so
    """Need a caller with some scopes; the OpenAPI document says so too."""
    return Security(_authorize, scopes=[str(scope) for scope in scopes])

"""The application: operations, what is around them, and the documents about them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from elute_gateway.api import (
    api_keys,
    audit,
    connections,
    documentation,
    events,
    middleware,
    openapi,
    pipelines,
    refusals,
    runs,
)
from elute_gateway.api.context import UseCases
from elute_gateway.api.problems import STATUSES

BODY_BYTES = 2 * 1024 * 1024
"""The most bytes of a request's body: twice the largest pipeline document."""

_ROUTERS = (
    connections.router,
    pipelines.router,
    pipelines.policies,
    runs.router,
    events.router,
    api_keys.router,
    audit.router,
)


def create_app(use_cases: UseCases, *, body_bytes: int = BODY_BYTES) -> FastAPI:
    """Make the application.

    Args:
        use_cases: What it can do.
        body_bytes: The most bytes of a request's body.
    """
    app = _described()
    app.state.use_cases = use_cases
    refusals.install(app)
    app.add_middleware(middleware.BodyLimit, body_bytes=body_bytes)
    app.add_middleware(middleware.Gate, authenticate=use_cases.api_keys.authenticate)
    app.add_middleware(middleware.Conversation)
    # Not from the document: making that takes longer than all the rest.
    routes = (route for router in _ROUTERS for route in router.routes if isinstance(route, APIRoute))
    middleware.start_metrics_at_zero(map(openapi.operation_id, routes), [kind.code for kind in STATUSES])
    return app


def describe() -> dict[str, Any]:
    """Return the OpenAPI document."""
    return _described().openapi()


def _described() -> FastAPI:
    app = FastAPI(
        title=openapi.TITLE,
        version=openapi.VERSION,
        description=openapi.DESCRIPTION,
        docs_url=None,  # both of FastAPI's pages load programs from other people's servers
        redoc_url=None,
        openapi_url="/openapi.json",
        generate_unique_id_function=openapi.operation_id,
        redirect_slashes=False,
    )
    app.include_router(_v1())
    app.include_router(documentation.router)
    openapi.install(app)
    return app


def _v1() -> APIRouter:
    v1 = APIRouter(prefix="/v1")
    for router in _ROUTERS:
        v1.include_router(router)
    return v1

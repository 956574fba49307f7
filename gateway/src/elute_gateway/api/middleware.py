"""What happens around every request: its id, its measures, its security headers, its answer when all else fails.

    Conversation ── Gate ── BodyLimit ── the framework: routes, their own refusals

An error that an operation raises travels up to `Conversation`, the one place that answers it.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable

from fastapi.routing import APIRoute
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from elute_gateway.api.openapi import operation_id
from elute_gateway.api.problems import BodyTooLarge, ProblemResponse
from elute_gateway.application.api_keys import unauthenticated
from elute_gateway.domain.access import Caller
from elute_wire import errors, metrics
from elute_wire.errors import EluteError
from elute_wire.protocol import REQUEST_ID_KEY
from elute_wire.status import first_cause
from elute_wire.telemetry import about, logger

log = logger(__name__)

REQUESTS = metrics.counter(
    "elute_http_requests_total", "Requests answered, by operation and class of status.", ("operation", "status")
)
REQUEST_SECONDS = metrics.histogram(
    "elute_http_request_seconds", "Time from a request's start to the end of its answer, streams included.",
    ("operation",),
)  # fmt: skip
ERRORS = metrics.counter(
    "elute_http_problems_total", "Requests that ended in a problem, by the code of the error's class.", ("code",)
)

UNMATCHED = "unmatched"
"""What is not an operation of the document: its own pages, and paths that nothing answers."""

_STATUSES = ("2xx", "3xx", "4xx", "5xx")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""Sent with every answer that does not set them itself."""


def start_metrics_at_zero(operations: Iterable[str], codes: Iterable[str]) -> None:
    """Make the series of all operations and all problems exist."""
    names = [*operations, UNMATCHED]
    metrics.start_at_zero(REQUESTS, operation=names, status=_STATUSES)
    metrics.start_at_zero(REQUEST_SECONDS, operation=names)
    metrics.start_at_zero(ERRORS, code=codes)


class Conversation:
    """Names a request, measures it, and answers the errors that it raises."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID_KEY, "")
        request = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        started = time.perf_counter()
        status = 0

        async def send_dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _dress(MutableHeaders(scope=message), request)
            await send(message)

        with about(request=request):
            try:
                await self._app(scope, receive, send_dressed)
            except Exception as raised:
                error = _told(raised)
                if status == 0:
                    await ProblemResponse(error)(scope, receive, send_dressed)
                else:
                    log.exception("an answer broke off", code=error.code)
            finally:
                _measure(_operation(scope), status, time.perf_counter() - started)


def _dress(headers: MutableHeaders, request: str) -> None:
    headers[REQUEST_ID_KEY] = request
    for name, value in _SECURITY_HEADERS.items():
        headers.setdefault(name, value)


def _told(raised: Exception) -> EluteError:
    cause = first_cause(raised)
    error = cause if isinstance(cause, EluteError) else errors.foreign_fault(cause, "answering the request")
    ERRORS.labels(error.code).inc()
    if not isinstance(cause, EluteError):
        log.error("a request failed by a defect", exc_info=raised)
    elif not isinstance(error, errors.RequestError):
        log.warning("a request failed", code=error.code, error=error.message)
    return error


def _operation(scope: Scope) -> str:
    route = scope.get("route")
    return operation_id(route) if isinstance(route, APIRoute) and route.include_in_schema else UNMATCHED


def _measure(operation: str, status: int, seconds: float) -> None:
    REQUESTS.labels(operation, f"{status // 100}xx" if status else "5xx").inc()
    REQUEST_SECONDS.labels(operation).observe(seconds)


Authenticate = Callable[[str], Awaitable[Caller]]


class Gate:
    """Lets nobody without an API key see anything under `/v1`: not even which paths there are, or read a body."""

    def __init__(self, app: ASGIApp, authenticate: Authenticate) -> None:
        self._app = app
        self._authenticate = authenticate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Find out who asks, and go on.

        Raises:
            Unauthenticated: The request has no key, or none of ours.
        """
        if scope["type"] == "http" and (scope["path"] + "/").startswith("/v1/"):
            scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not key:
                raise unauthenticated()
            scope.setdefault("state", {})["caller"] = await self._authenticate(key.strip())
        await self._app(scope, receive, send)


class BodyLimit:
    """Refuses a body that is too large, at its announced length or at the byte that is too many.

    The framework's own limit answers by itself, and not with a problem document.
    """

    def __init__(self, app: ASGIApp, body_bytes: int) -> None:
        self._app = app
        self._bytes = body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Go on, counting.

        Raises:
            HTTPException: The body is too large; of this class, because the framework takes any other for a body that
                it could not parse.
        """
        length = Headers(scope=scope).get("content-length", "") if scope["type"] == "http" else ""
        left = self._bytes

        async def receive_counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413)
            return message

        if length.isascii() and length.isdigit() and int(length) > self._bytes:
            raise BodyTooLarge(f"reading the body: it has more than {self._bytes:,} bytes")
        await self._app(scope, receive_counted, send)

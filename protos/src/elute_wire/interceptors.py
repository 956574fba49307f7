"""What happens around every call of a server, one concern each, in the order of `chain`.

A concern is a coroutine around the rest of the call. It sees a call once, never a message: a handler's own frames go
to gRPC from one loop, however many concerns there are.
"""

from __future__ import annotations

import asyncio
import inspect
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, cast

import grpc
import grpc.aio

from elute_wire import errors, metrics, status
from elute_wire.errors import EluteError, Place, ServiceUnavailable
from elute_wire.identity import ServiceName, require_caller
from elute_wire.protocol import PROTOCOL_KEY, REQUEST_ID_KEY, SPOKEN, Versions
from elute_wire.telemetry import about, logger

log = logger(__name__)

HEALTH_PREFIX = "/grpc.health.v1.Health/"
"""Health checks come from balancers and probes, which know nothing of our contract: no concern looks at them."""

REQUESTS = metrics.counter(
    "elute_server_requests_total", "Calls answered, by method and gRPC status code.", ("method", "code")
)
REQUEST_SECONDS = metrics.histogram(
    "elute_server_request_seconds", "Time from a call's start to its end, streams included.", ("method",)
)
REQUESTS_IN_FLIGHT = metrics.gauge("elute_server_requests_in_flight", "Calls being answered.", ("method",))
ERRORS = metrics.counter("elute_errors_total", "Calls that failed, by the code of the error's class.", ("code",))

Proceed = Callable[[], Awaitable[object]]
# gRPC's classes are generic for type checkers only.
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_Behaviour: TypeAlias = "Callable[[object, _Context], Any]"


@dataclass(slots=True)
class Call:
    """One call as the concerns see it.

    Attributes:
        method: Its path.
        is_stream: Whether it answers a stream.
        metadata: What the caller sent along.
        request: Its request, as the method's deserializer made it.
        context: gRPC's view of it.
        code: The name of its gRPC status once it has ended.
    """

    method: str
    is_stream: bool
    metadata: dict[str, str | bytes]
    request: object
    context: _Context
    code: str = "CANCELLED"


Concern = Callable[[Call, Proceed], Awaitable[object]]


class Running:
    """Counts the running streams, and refuses new ones once the service drains.

    Unary calls are short and often help others to leave, so they are answered to the end.
    """

    def __init__(self) -> None:
        self._streams = 0
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def __call__(self, call: Call, proceed: Proceed) -> object:
        """Answer the call, or refuse it if it is a stream and the service drains."""
        if not call.is_stream:
            return await proceed()
        if self._draining:
            raise ServiceUnavailable("starting a stream: the service is stopping", hint="ask another replica")
        self._streams += 1
        self._idle.clear()
        try:
            return await proceed()
        finally:
            self._streams -= 1
            if self._streams == 0:
                self._idle.set()

    def refuse(self) -> None:
        """Refuse streams from now on."""
        self._draining = True

    async def finished(self) -> None:
        """Wait until no stream runs."""
        await self._idle.wait()


async def measure(call: Call, proceed: Proceed) -> object:
    """Count the call and its seconds."""
    started = time.perf_counter()
    in_flight = REQUESTS_IN_FLIGHT.labels(call.method)
    in_flight.inc()
    try:
        return await proceed()
    finally:
        in_flight.dec()
        REQUESTS.labels(call.method, call.code).inc()
        REQUEST_SECONDS.labels(call.method).observe(time.perf_counter() - started)


async def name(call: Call, proceed: Proceed) -> object:
    """Put the request's id, and the run and partition that it is for, on everything logged below."""
    given = call.metadata.get(REQUEST_ID_KEY)
    request = given if isinstance(given, str) and 0 < len(given) <= 64 and given.isascii() else uuid.uuid4().hex
    stream = getattr(call.request, "context", None)
    run = getattr(stream, "run_id", "") or getattr(call.request, "run_id", "")
    with about(request=request, run=run, partition=getattr(stream, "partition_id", "")):
        return await proceed()


async def answer_errors(service: ServiceName, call: Call, proceed: Proceed) -> object:
    """Answer what is raised below by status and detail, and log it: the caller may not live to tell."""
    try:
        result = await proceed()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Not this call was cancelled but something that it waited for; without a status the caller would hang.
        error: EluteError = ServiceUnavailable(f"answering {call.method}: the work was interrupted")
    except Exception as raised:  # noqa: BLE001 - the last frame of ours: whatever it is, it is told by class alone
        error = _answered(call.method, raised)
    else:
        call.code = "OK"
        return result
    error = error.at(Place(service=service))
    call.code = error.status
    ERRORS.labels(error.code).inc()
    return await status.abort(call.context, error)


def _answered(method: str, raised: Exception) -> EluteError:
    cause = status.first_cause(raised)
    if isinstance(cause, EluteError):
        log.info("request failed", method=method, code=cause.code, error=cause.message)
        return cause
    log.error("request failed by a defect", method=method, exc_info=raised)
    return errors.foreign_fault(cause, f"answering {method}")


async def check_protocol(call: Call, proceed: Proceed) -> object:
    """Refuse callers that speak no version of the contract that this end speaks."""
    spoken = call.metadata.get(PROTOCOL_KEY, "")
    SPOKEN.require_overlap(Versions.parse(spoken if isinstance(spoken, str) else ""))
    return await proceed()


async def check_caller(service: ServiceName, call: Call, proceed: Proceed) -> object:
    """Refuse callers that the method does not list."""
    require_caller(service, call.method, call.context.auth_context())
    return await proceed()


class Chain(grpc.aio.ServerInterceptor):
    """Runs concerns around every call, outermost first."""

    def __init__(self, concerns: Sequence[Concern]) -> None:
        self._concerns = tuple(reversed(concerns))

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler | None:
        """Return the method's handler with the concerns around it; none for a method that streams requests."""
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(HEALTH_PREFIX):
            return handler
        if handler.request_streaming:  # the contract has none
            return None
        behaviour: _Behaviour
        if handler.response_streaming:
            make, behaviour = grpc.unary_stream_rpc_method_handler, _streaming(cast("_Behaviour", handler.unary_stream))
        else:
            make, behaviour = grpc.unary_unary_rpc_method_handler, cast("_Behaviour", handler.unary_unary)
        around = partial(self._around, handler_call_details, handler.response_streaming, behaviour)

        async def answer(request: object, context: _Context) -> object:
            return await around(request, context)

        return make(answer, handler.request_deserializer, handler.response_serializer)

    async def _around(
        self,
        details: grpc.HandlerCallDetails,
        is_stream: bool,  # noqa: FBT001 - a fact about the method, always passed on
        behaviour: _Behaviour,
        request: object,
        context: _Context,
    ) -> object:
        metadata = dict(details.invocation_metadata)
        call = Call(details.method, is_stream, metadata, request, context)
        proceed: Proceed = partial(behaviour, request, context)
        for concern in self._concerns:
            proceed = partial(concern, call, proceed)
        return await proceed()


def _streaming(behaviour: _Behaviour) -> _Behaviour:
    """Return a coroutine that writes what a streaming handler yields; one that writes by itself stays as it is."""

    async def stream(request: object, context: _Context) -> object:
        answers = behaviour(request, context)
        if inspect.isawaitable(answers):
            return await answers
        # Closed here and now: a cancelled call must let go of its database at once, not at the next collection.
        async with aclosing(cast("AsyncIterator[Any]", answers)) as messages:  # type: ignore[type-var]
            async for message in messages:
                await context.write(message)
        return None

    return stream


def chain(service: ServiceName, running: Running, *, secured: bool) -> Chain:
    """Return the concerns of a server in their order.

    Args:
        service: The service.
        running: Its running streams.
        secured: Whether its callers come with certificates.
    """
    concerns: list[Concern] = [measure, name, partial(answer_errors, service), check_protocol]
    if secured:
        concerns.append(partial(check_caller, service))
    return Chain([*concerns, running])


def start_metrics_at_zero(paths: Iterable[str]) -> None:
    """Make the series of all methods and all classes of errors exist."""
    paths = list(paths)
    metrics.start_at_zero(REQUESTS, method=paths, code=[code.name for code in grpc.StatusCode])
    metrics.start_at_zero(REQUEST_SECONDS, method=paths)
    metrics.start_at_zero(REQUESTS_IN_FLIGHT, method=paths)
    metrics.start_at_zero(ERRORS, code=errors.BY_CODE)

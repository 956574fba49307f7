"""Errors as they cross the wire: `EluteError` to a gRPC status with typed details, and back.

Both directions are total. A server always answers with an `ErrorDetail` in the trailing metadata `elute-error-bin`; a
status without one was made by the transport, and only the name of its code is kept: its text is foreign.

`to_…` makes wire messages, `from_…` reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Never

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from elute.v1 import errors_pb2
from elute_wire import errors
from elute_wire.errors import EluteError, Foreign, Place, Problem, Recovery, Severity

DETAIL_KEY = "elute-error-bin"
"""The trailing metadata that holds an `ErrorDetail`."""

DETAIL_BYTES = 48 * 1024
"""The most bytes of an `ErrorDetail`; both ends accept metadata of twice that (base64 makes it a third longer)."""

_MESSAGE_CHARACTERS = 4_000
_STATUS_CHARACTERS = 1_000
_PROBLEM_CHARACTERS = 1_000

_RECOVERIES: Mapping[Recovery, errors_pb2.Recovery.ValueType] = {
    Recovery.NEVER: errors_pb2.RECOVERY_NEVER,
    Recovery.RETRY: errors_pb2.RECOVERY_RETRY,
    Recovery.RECONNECT: errors_pb2.RECOVERY_RECONNECT,
    Recovery.QUARANTINE: errors_pb2.RECOVERY_QUARANTINE,
}

_SEVERITIES: Mapping[Severity, errors_pb2.Severity.ValueType] = {
    Severity.ERROR: errors_pb2.SEVERITY_ERROR,
    Severity.WARNING: errors_pb2.SEVERITY_WARNING,
    Severity.NOTE: errors_pb2.SEVERITY_NOTE,
}
_SEVERITY_NAMES = {number: severity for severity, number in _SEVERITIES.items()}

# Statuses that come without our detail. UNKNOWN, INTERNAL, CANCELLED and the like are what a killed or stopping peer
# leaves behind (our own servers say what failed): to try again is right, and the engine counts the attempts.
# A call that this end cancelled raises asyncio.CancelledError and never gets here.
_TRANSPORT: Mapping[grpc.StatusCode, type[EluteError]] = {
    grpc.StatusCode.OK: errors.InternalFault,
    grpc.StatusCode.CANCELLED: errors.ServiceUnavailable,
    grpc.StatusCode.UNKNOWN: errors.ServiceUnavailable,
    grpc.StatusCode.INVALID_ARGUMENT: errors.InvalidRequest,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.ALREADY_EXISTS: errors.AlreadyExists,
    grpc.StatusCode.PERMISSION_DENIED: errors.Forbidden,
    grpc.StatusCode.UNAUTHENTICATED: errors.Unauthenticated,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.LimitExceeded,
    grpc.StatusCode.FAILED_PRECONDITION: errors.InternalFault,
    grpc.StatusCode.ABORTED: errors.ServiceUnavailable,
    grpc.StatusCode.OUT_OF_RANGE: errors.InternalFault,
    grpc.StatusCode.UNIMPLEMENTED: errors.ProtocolMismatch,
    grpc.StatusCode.INTERNAL: errors.ServiceUnavailable,
    grpc.StatusCode.UNAVAILABLE: errors.ServiceUnavailable,
    grpc.StatusCode.DATA_LOSS: errors.StreamCorrupted,
}


def to_problem(problem: Problem) -> errors_pb2.Problem:
    """Make the wire message of a problem."""
    return errors_pb2.Problem(
        code=problem.code,
        severity=_SEVERITIES[problem.severity],
        pointer=problem.pointer,
        message=problem.message,
        hint=problem.hint,
        dataset=problem.dataset,
        column=problem.column,
    )


def from_problem(message: errors_pb2.Problem) -> Problem:
    """Read a problem; a severity that is not said, or not known, counts as an error."""
    return Problem(
        code=message.code,
        message=message.message,
        hint=message.hint,
        severity=_SEVERITY_NAMES.get(message.severity, Severity.ERROR),
        pointer=message.pointer,
        dataset=message.dataset,
        column=message.column,
    )


def to_place(place: Place) -> errors_pb2.ErrorPlace:
    """Make the wire message of a place."""
    return errors_pb2.ErrorPlace(
        dataset=place.dataset,
        column=place.column,
        partition=place.partition,
        ordinal=place.ordinal,
        service=place.service,
    )


def from_place(message: errors_pb2.ErrorPlace) -> Place:
    """Read a place."""
    return Place(
        dataset=message.dataset,
        column=message.column,
        partition=message.partition,
        ordinal=message.ordinal if message.HasField("ordinal") else None,
        service=message.service,
    )


def to_foreign(foreign: Foreign) -> errors_pb2.ForeignError:
    """Make the wire message of a foreign error."""
    return errors_pb2.ForeignError(
        type=foreign.type,
        sqlstate=foreign.sqlstate,
        severity=foreign.severity,
        schema_name=foreign.schema_name,
        table_name=foreign.table_name,
        column_name=foreign.column_name,
        constraint_name=foreign.constraint_name,
        type_name=foreign.type_name,
    )


def from_foreign(message: errors_pb2.ForeignError) -> Foreign:
    """Read a foreign error."""
    return Foreign(
        type=message.type,
        sqlstate=message.sqlstate,
        severity=message.severity,
        schema_name=message.schema_name,
        table_name=message.table_name,
        column_name=message.column_name,
        constraint_name=message.constraint_name,
        type_name=message.type_name,
    )


def to_detail(error: EluteError) -> errors_pb2.ErrorDetail:
    """Make the wire message of an error, at most `DETAIL_BYTES` long.

    Problems that would not fit are left out from the end; a last problem, `more-problems`, then says how many.
    """
    detail = errors_pb2.ErrorDetail(
        code=error.code,
        message=error.message[:_MESSAGE_CHARACTERS],
        hint=error.hint[:_MESSAGE_CHARACTERS],
        recovery=_RECOVERIES[error.recovery],
        place=to_place(error.place),
        foreign=to_foreign(error.foreign) if error.foreign else None,
    )
    room = DETAIL_BYTES - detail.ByteSize() - _PROBLEM_CHARACTERS
    for told, problem in enumerate(error.problems):
        message = to_problem(problem)
        room -= message.ByteSize() + 6  # the field's tag and length
        if room < 0:
            left = len(error.problems) - told
            more = Problem("more-problems", f"{left} more problems", "mend these first, then ask again")
            detail.problems.append(to_problem(more))
            break
        detail.problems.append(message)
    return detail


def from_detail(detail: errors_pb2.ErrorDetail) -> EluteError:
    """Read an error; a code that this version does not know becomes the root class, with the same words."""
    return errors.BY_CODE.get(detail.code, EluteError)(
        message=detail.message,
        hint=detail.hint,
        place=from_place(detail.place),
        foreign=from_foreign(detail.foreign) if detail.HasField("foreign") else None,
        problems=tuple(from_problem(problem) for problem in detail.problems),
    )


def status_code(error: EluteError) -> grpc.StatusCode:
    """Return the gRPC status of an error's class."""
    return grpc.StatusCode[error.status]


async def abort(context: grpc.aio.ServicerContext[object, object], error: EluteError) -> Never:
    """End a call with an error: status, our own words, and the detail in the trailing metadata.

    Raises:
        grpc.aio.AbortError: Always; it is gRPC's own way out of a handler.
    """
    detail = to_detail(error).SerializeToString()
    await context.abort(status_code(error), error.message[:_STATUS_CHARACTERS], ((DETAIL_KEY, detail),))


def from_rpc(error: grpc.aio.AioRpcError, doing: str, service: str) -> EluteError:
    """Read the error of a failed call.

    Args:
        error: What the call raised.
        doing: What the caller was doing, a gerund: `loading partition 7`.
        service: The service that was called: `connector`, `transform` or `anonymizer`.
    """
    place = Place(service=service)
    for key, value in error.trailing_metadata() or ():
        if key == DETAIL_KEY and isinstance(value, bytes):
            try:
                return from_detail(errors_pb2.ErrorDetail.FromString(value)).within(doing, place)
            except DecodeError:
                break
    code = error.code()
    return _TRANSPORT[code](f"{doing}: calling the {service} service: {code.name}", place=place)


def from_stream(error: grpc.aio.AioRpcError, doing: str, service: str) -> EluteError:
    """Read the error of a stream that had begun to answer.

    One that no service speaks for has lost its server in the middle: the work itself may be what ends servers, which
    a service that is away says nothing about.

    Args:
        error: What the stream raised.
        doing: What the caller was doing, a gerund.
        service: The service that was called.
    """
    found = from_rpc(error, doing, service)
    spoken = any(key == DETAIL_KEY for key, _ in error.trailing_metadata() or ())
    if spoken or not isinstance(found, errors.ServiceUnavailable):
        return found
    return errors.StreamTruncated(f"{doing}: the {service} service ended in the middle", place=found.place)


@contextmanager
def calling(service: str, doing: str) -> Iterator[None]:
    """Turn what a failed call inside the block raises into an `EluteError`.

    Args:
        service: The service that is called.
        doing: What the caller is doing, a gerund.
    """
    try:
        yield
    except grpc.aio.AioRpcError as error:
        # Without its cause: gRPC's text is the peer's or the transport's, and may say anything.
        raise from_rpc(error, doing, service) from None


def first_cause(error: BaseException) -> BaseException:
    """Return the error that counts out of a group: the first `EluteError`, else the first of all.

    A task group raises groups, nested ones too; a caller wants the one thing that failed.
    """
    if not isinstance(error, BaseExceptionGroup):
        return error
    causes = [first_cause(inner) for inner in error.exceptions]
    return next((cause for cause in causes if isinstance(cause, EluteError)), causes[0])

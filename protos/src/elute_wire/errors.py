"""The one tree of errors.

A class says *what* failed; its `recovery` says what the caller does about it. Messages are chains of gerunds with
names, counts and positions ("reading dataset shop.orders: connecting to postgresql"), never a cell value, a
credential or a key; a `hint` says what to do. What a foreign library raised crosses a service as a `Foreign`: its
class, SQLSTATE, severity and the names of objects, never its own text.

    EluteError
    ├── RequestError            the request itself is wrong
    │   ├── InvalidRequest
    │   ├── ProtocolMismatch
    │   ├── NotFound
    │   ├── AlreadyExists
    │   ├── InUse
    │   ├── Unauthenticated
    │   └── Forbidden
    ├── PlanRefused             a pipeline, policy or target cannot work; carries every problem
    │   ├── CatalogChanged
    │   └── TreatmentMissing
    ├── StoreError              a data store said no
    │   ├── StoreUnreachable
    │   ├── StoreLoginRefused
    │   ├── StoreForbidden
    │   ├── StoreObjectMissing
    │   ├── StoreDataRejected
    │   ├── StoreBusy
    │   ├── StoreExhausted
    │   └── StoreFailed
    ├── SnapshotLost
    ├── FenceLost
    ├── StreamError             a stream between two stages broke
    │   ├── StreamTruncated
    │   ├── StreamCorrupted
    │   └── CellTooLarge
    ├── ValueRejected           a value that a step or technique cannot take
    ├── LimitExceeded
    ├── KeyUnavailable          no key ring, or not that version
    ├── SecretUnreadable        a sealed secret that this service's keys do not open
    ├── ServiceUnavailable      a service of ours is away, starting or draining
    ├── DeadlineExceeded
    ├── Cancelled
    └── InternalFault           a defect of ours
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from elute_wire.reports import Foreign as Foreign
from elute_wire.reports import Place as Place
from elute_wire.reports import Problem as Problem
from elute_wire.reports import Recovery as Recovery
from elute_wire.reports import Severity as Severity


@dataclass(eq=False)
class EluteError(Exception):
    """Anything that Elute reports as failed.

    Attributes:
        message: What failed.
        hint: What to do about it.
        place: Where.
        foreign: What a foreign system reported, reduced.
        problems: Every problem found, for errors that report several at once.
    """

    message: str
    hint: str = ""
    place: Place = field(default_factory=Place)
    foreign: Foreign | None = None
    problems: Sequence[Problem] = ()

    code: ClassVar[str] = "error"
    recovery: ClassVar[Recovery] = Recovery.NEVER
    status: ClassVar[str] = "UNKNOWN"
    """The name of the gRPC status code."""

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        return type(self), (self.message, self.hint, self.place, self.foreign, tuple(self.problems))

    def within(self, doing: str, place: Place | None = None) -> Self:
        """Return the same error, said from one level further out.

        Args:
            doing: What the caller was doing, a gerund: `reading dataset shop.orders`.
            place: What the caller knows of the place; fills only what is still empty.
        """
        outer = place or Place()
        return replace(self, message=f"{doing}: {self.message}", place=self.place.filled_from(outer))

    def at(self, place: Place) -> Self:
        """Return the same error with the empty parts of its place filled."""
        return replace(self, place=self.place.filled_from(place))


class RequestError(EluteError):
    """The request itself is wrong."""

    code = "request-error"
    status = "INVALID_ARGUMENT"


class InvalidRequest(RequestError):
    """A field of the request is missing, malformed or out of bounds."""

    code = "invalid-request"


class ProtocolMismatch(RequestError):
    """The two ends speak no common version of the wire contract."""

    code = "protocol-mismatch"
    status = "FAILED_PRECONDITION"


class NotFound(RequestError):
    """What the request names does not exist."""

    code = "not-found"
    status = "NOT_FOUND"


class AlreadyExists(RequestError):
    """What the request would make exists, differently."""

    code = "already-exists"
    status = "ALREADY_EXISTS"


class InUse(RequestError):
    """What the request would delete is in use."""

    code = "in-use"
    status = "FAILED_PRECONDITION"


class Unauthenticated(RequestError):
    """The caller did not say, or not prove, who it is."""

    code = "unauthenticated"
    status = "UNAUTHENTICATED"


class Forbidden(RequestError):
    """The caller may not do this."""

    code = "forbidden"
    status = "PERMISSION_DENIED"


class PlanRefused(EluteError):
    """A pipeline, a policy or a target cannot work as it is."""

    code = "plan-refused"
    status = "FAILED_PRECONDITION"


class CatalogChanged(PlanRefused):
    """The store's structure is not the one that the plan saw."""

    code = "catalog-changed"


class TreatmentMissing(PlanRefused):
    """A column reaches the sink untreated, or treated otherwise than the policy says."""

    code = "treatment-missing"


class StoreError(EluteError):
    """A data store said no."""

    code = "store-error"
    status = "FAILED_PRECONDITION"


class StoreUnreachable(StoreError):
    """The store does not answer, or the connection broke."""

    code = "store-unreachable"
    recovery = Recovery.RECONNECT
    status = "UNAVAILABLE"


class StoreLoginRefused(StoreError):
    """The store does not accept the credentials."""

    code = "store-login-refused"


class StoreForbidden(StoreError):
    """The role lacks a privilege."""

    code = "store-forbidden"


class StoreObjectMissing(StoreError):
    """A table, column, type or function is not there, or is another."""

    code = "store-object-missing"


class StoreDataRejected(StoreError):
    """The store does not take a row: a constraint, a type, a length."""

    code = "store-data-rejected"


class StoreBusy(StoreError):
    """A lock, a deadlock or a conflict with another transaction."""

    code = "store-busy"
    recovery = Recovery.RETRY
    status = "ABORTED"


class StoreExhausted(StoreError):
    """The store has no disk, memory or connection left."""

    code = "store-exhausted"
    recovery = Recovery.RETRY
    status = "RESOURCE_EXHAUSTED"


class StoreFailed(StoreError):
    """The store failed in a way that no other class names."""

    code = "store-failed"
    recovery = Recovery.RETRY
    status = "ABORTED"


class SnapshotLost(EluteError):
    """The snapshot that a read needs is gone."""

    code = "snapshot-lost"
    recovery = Recovery.RECONNECT
    status = "FAILED_PRECONDITION"


class FenceLost(EluteError):
    """Another claimant owns the partition, or its run has ended."""

    code = "fence-lost"
    status = "ABORTED"


class StreamError(EluteError):
    """A stream between two stages broke."""

    code = "stream-error"
    recovery = Recovery.RETRY
    status = "DATA_LOSS"


class StreamTruncated(StreamError):
    """A stream ended without its trailer."""

    code = "stream-truncated"


class StreamCorrupted(StreamError):
    """Frames are malformed, or the trailer does not agree with them."""

    code = "stream-corrupted"


class CellTooLarge(StreamError):
    """A cell has more bytes than the limit."""

    code = "cell-too-large"
    recovery = Recovery.NEVER
    status = "OUT_OF_RANGE"


class ValueRejected(EluteError):
    """A step or technique cannot take a value."""

    code = "value-rejected"
    recovery = Recovery.QUARANTINE
    status = "OUT_OF_RANGE"


class LimitExceeded(EluteError):
    """A limit of the run or of the service was reached."""

    code = "limit-exceeded"
    status = "RESOURCE_EXHAUSTED"


class KeyUnavailable(EluteError):
    """There is no such key ring, or it lacks the version."""

    code = "key-unavailable"
    status = "FAILED_PRECONDITION"


class SecretUnreadable(EluteError):
    """A sealed secret that this service's keys do not open."""

    code = "secret-unreadable"
    status = "FAILED_PRECONDITION"


class ServiceUnavailable(EluteError):
    """A service of ours is away, starting or draining."""

    code = "service-unavailable"
    recovery = Recovery.RETRY
    status = "UNAVAILABLE"


class DeadlineExceeded(EluteError):
    """The time for the request ran out."""

    code = "deadline-exceeded"
    recovery = Recovery.RETRY
    status = "DEADLINE_EXCEEDED"


class Cancelled(EluteError):
    """The caller, or its caller, gave up."""

    code = "cancelled"
    status = "CANCELLED"


class InternalFault(EluteError):
    """A defect of ours; the message names no more than the foreign exception's class."""

    code = "internal-fault"
    status = "INTERNAL"


def _tree(root: type[EluteError]) -> Iterator[type[EluteError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


BY_CODE: Mapping[str, type[EluteError]] = {error.code: error for error in _tree(EluteError)}
"""Every class of the tree by its code."""


def foreign_fault(error: BaseException, doing: str) -> InternalFault:
    """Describe an exception that nothing maps, by its class alone."""
    return InternalFault(f"{doing}: unexpected {type(error).__name__}", foreign=Foreign(type(error).__name__))

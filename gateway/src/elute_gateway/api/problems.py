"""Every failure as a problem document: one table from the tree of errors to HTTP, and our own words throughout.

Source: RFC 9457, Problem Details for HTTP APIs.
"""

from __future__ import annotations

from collections.abc import Mapping

from fastapi.encoders import jsonable_encoder
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from elute_wire import errors
from elute_wire.errors import EluteError
from elute_wire.reports import Problem as Finding
from elute_wire.reports import Recovery, Severity
from elute_wire.telemetry import request_id

MEDIA_TYPE = "application/problem+json"
_RETRY_SECONDS = 1
"""When a request that failed for a passing reason may come again."""


class MethodNotAllowed(errors.RequestError):
    """The resource is there, and does not take this method."""

    code = "method-not-allowed"


class BodyTooLarge(errors.RequestError):
    """The body has more bytes than the gateway takes."""

    code = "body-too-large"


class UnsupportedMediaType(errors.RequestError):
    """The body is of a kind that the operation does not read."""

    code = "unsupported-media-type"


class PreconditionFailed(errors.RequestError):
    """The resource has changed since it was read: `If-Match` names another version."""

    code = "precondition-failed"


STATUSES: Mapping[type[EluteError], int] = {
    EluteError: 500,
    errors.RequestError: 400,
    errors.InvalidRequest: 422,
    errors.ProtocolMismatch: 502,
    errors.NotFound: 404,
    errors.AlreadyExists: 409,
    errors.InUse: 409,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    MethodNotAllowed: 405,
    BodyTooLarge: 413,
    UnsupportedMediaType: 415,
    PreconditionFailed: 412,
    errors.PlanRefused: 422,
    errors.CatalogChanged: 409,
    errors.TreatmentMissing: 422,
    # 424: the request is right, and the data store that it is about says no. Not 401 or 403: those are about us.
    errors.StoreError: 424,
    errors.StoreUnreachable: 503,
    errors.StoreLoginRefused: 424,
    errors.StoreForbidden: 424,
    errors.StoreObjectMissing: 424,
    errors.StoreDataRejected: 424,
    errors.StoreBusy: 503,
    errors.StoreExhausted: 503,
    errors.StoreFailed: 503,
    errors.SnapshotLost: 503,
    errors.FenceLost: 409,
    errors.StreamError: 502,
    errors.StreamTruncated: 502,
    errors.StreamCorrupted: 502,
    errors.CellTooLarge: 424,
    errors.ValueRejected: 424,
    errors.LimitExceeded: 429,
    errors.KeyUnavailable: 424,
    errors.SecretUnreadable: 424,
    errors.ServiceUnavailable: 503,
    errors.DeadlineExceeded: 504,
    errors.Cancelled: 503,
    errors.InternalFault: 500,
}
"""The HTTP status of every class of error."""


class ProblemPlace(BaseModel):
    """Where it happened; fields that are unknown or do not apply are left out."""

    dataset: str | None = None
    column: str | None = None
    partition: str | None = None
    ordinal: int | None = None
    service: str | None = None


class ProblemItem(BaseModel):
    """One of several things that are wrong, or to know about."""

    code: str = Field(description="A stable name.", examples=["uncovered-column"])
    severity: Severity = Field(description="`error` must be mended first; the others are to know about.")
    message: str = Field(description="What is wrong.", examples=["column public.users.ssn has neither rule nor keep"])
    hint: str | None = Field(default=None, description="What to do about it.")
    pointer: str | None = Field(
        default=None, description="Where in the document: a JSON pointer (RFC 6901).", examples=["/scrub/rules/0"]
    )
    line: int | None = Field(default=None, description="The line of a YAML document, counted from 1.")
    dataset: str | None = Field(default=None, description="The dataset concerned, `schema.name`.")
    column: str | None = Field(default=None, description="The column concerned.")


class ProblemDocument(BaseModel):
    """What went wrong (RFC 9457). It never holds a cell value, a credential, or a foreign system's own text."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(description="The kind of problem; a page of the gateway explains it.")
    title: str = Field(description="What this kind of problem means.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What failed.")
    code: str = Field(description="The last part of `type`: a stable name.")
    hint: str | None = Field(default=None, description="What to do about it.")
    recovery: Recovery = Field(description="`retry`: the same request may succeed later; `never`: not unchanged.")
    request_id: str = Field(description="The request's id, as in the logs of every service that it reached.")
    place: ProblemPlace | None = None
    sqlstate: str | None = Field(default=None, description="What a data store reported, as its SQLSTATE.")
    problems: list[ProblemItem] = Field(default=[], description="Everything found, where several things are told.")


EXAMPLE = ProblemDocument(
    type="/problems/not-found",
    title="What the request names does not exist.",
    status=404,
    detail="finding connection shop: there is none",
    code="not-found",
    recovery=Recovery.NEVER,
    request_id="5f0c1b1e4d6a4be5",
).model_dump(mode="json", exclude_none=True)


def status_of(kind: type[EluteError]) -> int:
    """Return the HTTP status of a class of error."""
    return STATUSES[kind]


def title_of(kind: type[EluteError]) -> str:
    """Return what a class of error means, in a sentence."""
    return (kind.__doc__ or kind.code).strip().splitlines()[0]


def problem_item(finding: Finding, line: int | None = None) -> ProblemItem:
    """Show one thing that is wrong."""
    return ProblemItem(
        code=finding.code,
        severity=finding.severity,
        message=finding.message,
        hint=finding.hint or None,
        pointer=finding.pointer or None,
        line=line,
        dataset=finding.dataset or None,
        column=finding.column or None,
    )


def document_of(error: EluteError) -> ProblemDocument:
    """Show an error."""
    place = {key: value for key, value in jsonable_encoder(error.place).items() if value not in {"", None}}
    return ProblemDocument(
        type=f"/problems/{error.code}",
        title=title_of(type(error)),
        status=status_of(type(error)),
        detail=error.message,
        code=error.code,
        hint=error.hint or None,
        recovery=error.recovery,
        request_id=request_id(),
        place=ProblemPlace(**place) if place else None,
        sqlstate=error.foreign.sqlstate or None if error.foreign else None,
        problems=[problem_item(finding) for finding in error.problems],
    )


class ProblemResponse(JSONResponse):
    """An answer that tells a problem."""

    media_type = MEDIA_TYPE

    def __init__(self, error: EluteError) -> None:
        document = document_of(error)
        headers = {}
        if document.status == 401:
            headers["WWW-Authenticate"] = 'Bearer realm="elute"'
        if document.status in {429, 503}:
            headers["Retry-After"] = str(_RETRY_SECONDS)
        super().__init__(document.model_dump(mode="json", exclude_none=True), document.status, headers)

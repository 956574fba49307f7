"""What the framework refuses by itself, in our own words: its texts may repeat what the caller sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from elute_gateway.api.problems import BodyTooLarge, MethodNotAllowed, ProblemResponse
from elute_wire.errors import EluteError, InvalidRequest, NotFound, Problem, RequestError

_REASONS: Mapping[str, str] = {
    "missing": "is missing",
    "extra_forbidden": "is not a field here",
    "json_invalid": "is not JSON",
    "string_type": "must be text",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "int_type": "must be an integer",
    "int_parsing": "must be an integer",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "model_attributes_type": "must be an object",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "enum": "must be one of {expected}",
    "literal_error": "must be {expected}",
}
"""By pydantic's name of the kind of error: our words, with bounds from the declaration, never the input."""


def install(app: FastAPI) -> None:
    """Answer what the framework refuses with problem documents."""

    async def refuse(request: Request, error: Exception) -> ProblemResponse:
        if isinstance(error, RequestValidationError):
            return ProblemResponse(_invalid(error.errors()))
        if isinstance(error, HTTPException):
            response = ProblemResponse(_refused(request, error.status_code))
            if error.status_code == 405 and error.headers:
                response.headers["Allow"] = error.headers.get("Allow", "")
            return response
        raise error

    app.add_exception_handler(RequestValidationError, refuse)
    app.add_exception_handler(HTTPException, refuse)


def _refused(request: Request, status: int) -> EluteError:
    match status:
        case 404:
            return NotFound("finding the resource: there is none at this path", hint="the paths are listed at /docs")
        case 405:
            return MethodNotAllowed(f"asking by {request.method}: the resource does not take this method")
        case 413:
            return BodyTooLarge("reading the body: it has more bytes than the gateway takes")
        case _:
            return RequestError(f"reading the request: refused with status {status}")


def _invalid(found: Sequence[Any]) -> InvalidRequest:
    problems = tuple(_problem(entry) for entry in found)
    told = "; ".join(problem.message for problem in problems[:3])
    more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
    return InvalidRequest(f"reading the request: {told}{more}", problems=problems)


def _problem(entry: Mapping[str, Any]) -> Problem:
    part, *steps = entry["loc"]
    if entry["type"] == "json_invalid":
        steps = []
    reason = _REASONS.get(entry["type"], "is not valid").format_map(entry.get("ctx") or {})
    name = steps[-1] if steps else part
    kind = "field" if part == "body" and steps else f"{part} parameter" if steps else "the"
    pointer = "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)
    return Problem("invalid-field", f"{kind} {name} {reason}", pointer=pointer if part == "body" else "")

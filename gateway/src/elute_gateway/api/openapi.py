"""The OpenAPI document: what FastAPI knows, with our problems, and an example for every body.

A generated client is only as good as this document, so tests hold it to that: every operation has an id, a tag, a
summary, its scopes, its problems and examples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode

from elute_gateway.api.problems import EXAMPLE, MEDIA_TYPE, ProblemDocument
from elute_gateway.application.document_model import PipelinePart
from elute_gateway.domain.access import Scope

TITLE = "Elute"
VERSION = "1"
DESCRIPTION = (
    "Elute turns a production data store into a safe one: it copies, cleans and scrubs data. "
    "Every request needs an API key, `Authorization: Bearer elute_…`. "
    "Errors are problem documents (RFC 9457). Lists come in pages: `next` is the cursor of the next one."
)

TAGS: Mapping[str, str] = {
    "connections": "How data stores are reached. Secrets are sealed to the connectors: nobody can read them back.",
    "pipelines": "What is copied, from where to where, and what becomes of each column on the way.",
    "policies": "What the patterns of pipelines were expanded to and pinned as, version by version.",
    "runs": "Executions of pipelines.",
    "api-keys": "Who may do what.",
    "audit": "Who did what.",
}

_ALWAYS = {401: "Unauthenticated", 403: "Forbidden", 422: "Invalid", 500: "Fault", 503: "Unavailable"}
_WITH_BODY = {413: "TooLarge"}
_WITH_NAME = {404: "NotFound"}
_WITH_CHANGE = {409: "Conflict"}
_MEANINGS = {
    "Unauthenticated": "The request has no API key, or one that is unknown, expired or revoked.",
    "Forbidden": "The API key lacks a scope.",
    "NotFound": "There is no such thing.",
    "Conflict": "It exists, was changed meanwhile, or is in a state that does not allow this.",
    "TooLarge": "The body has too many bytes.",
    "Invalid": "Something in the request, or in the document that it holds, must be mended; `problems` lists it all.",
    "Fault": "A defect of the gateway.",
    "Unavailable": "A service or a data store is away; try again after `Retry-After` seconds.",
}


def install(app: FastAPI) -> None:
    """Make the application answer this document."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # the way that FastAPI documents


def operation_id(route: APIRoute) -> str:
    """Name an operation as generated clients will: `list_runs` becomes `listRuns`."""
    first, *rest = route.name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Return method, path and description of every operation of a document."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def scopes(operation: Mapping[str, Any]) -> list[str]:
    """Return the scopes that an operation needs."""
    return [scope for needed in operation.get("security", ()) for scope in needed.get("apiKey", ())]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes,
        tags=[{"name": name, "description": meaning} for name, meaning in TAGS.items()],
    )  # fmt: skip
    components = document["components"]
    schemas = components["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    _add(schemas, "Problem", ProblemDocument, "serialization")
    _add(schemas, "PipelineDocument", PipelinePart, "validation")
    components["responses"] = {name: _problem_response(meaning) for name, meaning in _MEANINGS.items()}
    for method, path, operation in operations(document):
        _tell_meaning(operation, schemas)
        _tell_problems(method, path, operation)
        _tell_scopes(operation)
        for body in _bodies(operation):
            _give_example(body, schemas)
    return document


def _add(schemas: dict[str, Any], name: str, kind: type[BaseModel], mode: JsonSchemaMode) -> None:
    """Add a kind that no operation's signature names."""
    schema = kind.model_json_schema(ref_template="#/components/schemas/{model}", mode=mode)
    schemas |= schema.pop("$defs", {})
    schemas[name] = schema


def _problem_response(meaning: str) -> dict[str, Any]:
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": EXAMPLE}
    return {"description": meaning, "content": {MEDIA_TYPE: content}}


def _tell_problems(method: str, path: str, operation: dict[str, Any]) -> None:
    told = dict(_ALWAYS)
    if "requestBody" in operation:
        told |= _WITH_BODY
    if "{" in path:
        told |= _WITH_NAME
    if method != "GET":
        told |= _WITH_CHANGE
    responses = operation["responses"]
    for status, name in sorted(told.items()):
        responses[str(status)] = {"$ref": f"#/components/responses/{name}"}


def _tell_meaning(operation: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    """Take the summary from the docstring, not from the function's name, and say what each answer is."""
    operation["summary"] = operation["description"].partition("\n")[0].partition(". ")[0].rstrip(".")
    for response in operation["responses"].values():
        if response.get("description") == "Successful Response":
            kinds = [body.get("schema", {}).get("$ref", "") for body in response.get("content", {}).values()]
            meanings = [schemas[kind.rpartition("/")[2]]["description"] for kind in kinds if kind]
            response["description"] = meanings[0] if meanings else "It is done."


def _tell_scopes(operation: dict[str, Any]) -> None:
    needed = ", ".join(f"`{scope}` ({Scope(scope).meaning.rstrip('.')})" for scope in scopes(operation))
    operation["description"] = f"{operation.get('description', '')}\n\nNeeds the scope {needed}.".strip()


def _bodies(operation: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for holder in (operation.get("requestBody", {}), *operation["responses"].values()):
        yield from holder.get("content", {}).values()


def _give_example(body: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    if "example" in body or "examples" in body:
        return
    example = _example(body.get("schema", {}), schemas)
    if example is not None:
        body["example"] = example


def _example(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Find the example of a kind; that of a page is a page of one example."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    if schema.get("examples"):
        return schema["examples"][0]
    items = schema.get("properties", {}).get("items", {}).get("items")
    if items is not None:
        return {"items": [_example(items, schemas)], "next": None}
    return None

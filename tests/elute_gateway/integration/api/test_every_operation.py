"""What holds for every operation, taken from the OpenAPI document itself."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from elute_gateway.api.openapi import operations, scopes
from elute_gateway.domain.access import Scope
from tests.support.api import TestGateway, open_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def quick_gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TestGateway]:
    """One gateway for all tests here: none of them changes what another one sees."""
    folder = tmp_path_factory.mktemp("gateway")
    async with open_gateway(f"sqlite:///{folder / 'gateway.db'}", folder, executes=False) as opened:
        yield opened


def _asked(gateway: TestGateway) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Give each operation as a request: method, path, arguments, description."""
    for method, path, operation in operations(gateway.app.openapi()):
        filled = path.replace("{version}", "1")
        filled = re.sub(r"{\w+}", "none", filled)
        content = operation.get("requestBody", {}).get("content", {})
        arguments: dict[str, Any] = {}
        if "application/json" in content:
            arguments["json"] = content["application/json"]["example"]
        yield method, filled, arguments, operation


async def test_each_needs_a_key(quick_gateway: TestGateway) -> None:
    for given in ("", "elute_000000000000_" + "A" * 43, "Bearer x", "elute_"):
        async with quick_gateway.client(given) as client:
            for method, path, arguments, operation in _asked(quick_gateway):
                answer = await client.request(method, path, **arguments)
                assert answer.status_code == 401, operation["operationId"]
                assert answer.json()["code"] == "unauthenticated"
                assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_each_needs_its_scope_and_is_let_in_with_it_alone(quick_gateway: TestGateway) -> None:
    for method, path, arguments, operation in _asked(quick_gateway):
        needed = [Scope(word) for word in scopes(operation)]
        assert needed, operation["operationId"]
        others = [scope for scope in Scope if scope not in needed]
        async with quick_gateway.client(await quick_gateway.key_with(*others)) as client:
            refused = await client.request(method, path, **arguments)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), operation["operationId"]
        assert all(scope in refused.json()["detail"] for scope in needed)
        async with quick_gateway.client(await quick_gateway.key_with(*needed)) as client:
            answer = await client.request(method, path, **arguments)
        # A key with one scope cannot make keys with others: that refusal is of another kind.
        assert answer.status_code not in {401, 403} or operation["operationId"] == "createApiKey"


def _words(part: object) -> Iterator[str]:
    """Give every word of every enumeration below a part of the document."""
    if isinstance(part, dict):
        yield from part.get("enum", ())
        for below in part.values():
            yield from _words(below)
    elif isinstance(part, list):
        for below in part:
            yield from _words(below)


async def test_every_word_of_an_enumeration_is_written_as_problem_codes_are(quick_gateway: TestGateway) -> None:
    words = set(_words(quick_gateway.app.openapi()))
    assert {"column-added", "materialized-view", "runs:read"} <= words
    assert [word for word in words if not re.fullmatch(r"[a-z]+([-:][a-z]+)*", word)] == []


async def test_each_is_good_for_a_generated_client(quick_gateway: TestGateway) -> None:
    document = quick_gateway.app.openapi()
    tags = {tag["name"] for tag in document["tags"]}
    seen = set()
    for method, path, operation in operations(document):
        id_ = operation["operationId"]
        assert re.fullmatch(r"[a-z][A-Za-z]+", id_)
        assert id_ not in seen
        seen.add(id_)
        assert set(operation["tags"]) <= tags
        assert operation["summary"]
        assert {"401", "403", "422", "500", "503"} <= operation["responses"].keys(), id_
        assert ("404" in operation["responses"]) == ("{" in path), id_
        assert ("413" in operation["responses"]) == ("requestBody" in operation), id_
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for body in bodies:
            for kind, content in body.get("content", {}).items():
                assert content.get("example"), (id_, kind)
        if method == "POST" and "/runs" in path:
            assert "202" in operation["responses"]
    assert document["components"]["securitySchemes"]["apiKey"]["scheme"] == "bearer"


async def test_every_reference_of_the_document_leads_somewhere(quick_gateway: TestGateway) -> None:
    document = quick_gateway.app.openapi()

    def references(node: object) -> Iterator[str]:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            for inner in node.values():
                yield from references(inner)
        elif isinstance(node, list):
            for inner in node:
                yield from references(inner)

    for reference in references(document):
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not-found"),
        ("GET", "/nothing", 404, "not-found"),
        ("PATCH", "/v1/runs", 405, "method-not-allowed"),
        ("GET", "/v1/runs/none", 404, "not-found"),
        ("GET", "/v1/runs?cursor=***", 422, "invalid-request"),
        ("GET", "/v1/runs?limit=1000", 422, "invalid-request"),
        ("GET", "/problems/none", 404, "not-found"),
    ],
)
async def test_what_is_refused_is_a_problem_document(
    quick_gateway: TestGateway, method: str, path: str, status: int, code: str
) -> None:
    async with quick_gateway.client(**{"elute-request-id": "test-7"}) as client:
        answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert (document["status"], document["code"], document["type"]) == (status, code, f"/problems/{code}")
    assert document["request_id"] == answer.headers["elute-request-id"] == "test-7"
    _require_security_headers(answer)


async def test_a_body_over_the_limit_is_refused_with_and_without_a_length(quick_gateway: TestGateway) -> None:
    async def endless() -> Any:
        for _ in range(300):
            yield b"x" * 1000

    async with quick_gateway.client(**{"Content-Type": "application/yaml"}) as client:
        for content in (b"x" * 200_000, endless()):
            answer = await client.post("/v1/plans", content=content)
            assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")


@pytest.mark.parametrize(
    ("body", "pointer", "told"),
    [
        ({"name": "a", "scopes": ["secret-canary"]}, "/scopes/0", "must be one of"),
        ({"name": "a", "scopes": ["runs:read"], "canary": 1}, "/canary", "is not a field here"),
        ({"scopes": ["runs:read"]}, "/name", "is missing"),
        ({"name": "a" * 200, "scopes": ["runs:read"]}, "/name", "at most 100 characters"),
        ({"name": "a", "scopes": ["runs:read"], "days": "canary"}, "/days", "must be an integer"),
    ],
)
async def test_a_wrong_field_is_pointed_at_and_its_value_not_repeated(
    quick_gateway: TestGateway, body: dict[str, Any], pointer: str, told: str
) -> None:
    async with quick_gateway.client() as client:
        answer = await client.post("/v1/api-keys", json=body)
    problem = answer.json()["problems"][0]
    assert (answer.status_code, problem["pointer"]) == (422, pointer)
    assert told in problem["message"]
    assert "secret-canary" not in answer.text


async def test_a_defect_tells_its_class_alone(quick_gateway: TestGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise KeyError("canary")

    monkeypatch.setattr(type(quick_gateway.use_cases.audit), "page", broken)
    async with quick_gateway.client() as client:
        answer = await client.get("/v1/audit-events")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal-fault")
    assert "canary" not in answer.text
    assert "KeyError" in answer.json()["detail"]


async def test_a_request_id_that_is_not_plain_is_replaced(quick_gateway: TestGateway) -> None:
    async with quick_gateway.client(**{"elute-request-id": "a b<script>"}) as client:
        answer = await client.get("/v1/runs")
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["elute-request-id"])


async def test_the_pages_load_nothing_from_elsewhere(quick_gateway: TestGateway) -> None:
    async with quick_gateway.client("") as client:
        page = await client.get("/docs")
        problem = await client.get("/problems/not-found")
        document = await client.get("/openapi.json")
    assert page.status_code == problem.status_code == document.status_code == 200
    assert "createConnection" in page.text
    assert not re.search(r'(src|href)="?(https?:)?//', page.text + problem.text)
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    _require_security_headers(page)


def _require_security_headers(answer: httpx.Response) -> None:
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]

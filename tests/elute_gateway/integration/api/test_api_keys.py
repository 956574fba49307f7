"""API keys: shown once, kept hashed, never stronger than their maker."""

from __future__ import annotations

import httpx

from elute_gateway.application.api_keys import BOOTSTRAP
from elute_gateway.domain.access import Scope
from tests.support.api import TestGateway


async def test_a_key_is_shown_once_works_and_is_revoked_for_good(
    gateway: TestGateway, client: httpx.AsyncClient
) -> None:
    made = (await client.post("/v1/api-keys", json={"name": "nightly", "scopes": ["runs:read"], "days": 1})).json()
    key = made["key"]
    assert key.startswith(made["prefix"] + "_")
    listed = await client.get("/v1/api-keys")
    assert {one["name"] for one in listed.json()["items"]} == {"first", "nightly"}
    assert key not in listed.text
    async with gateway.client(key) as other:
        assert (await other.get("/v1/runs")).status_code == 200
        assert (await client.delete(f"/v1/api-keys/{made['id']}")).status_code == 204
        assert (await other.get("/v1/runs")).status_code == 401
    assert (await client.delete("/v1/api-keys/none")).status_code == 404


async def test_a_key_cannot_make_a_stronger_one(gateway: TestGateway) -> None:
    key = await gateway.key_with(Scope.API_KEYS_WRITE, Scope.RUNS_READ)
    async with gateway.client(key) as client:
        weaker = await client.post("/v1/api-keys", json={"name": "weaker", "scopes": ["runs:read"]})
        stronger = await client.post("/v1/api-keys", json={"name": "stronger", "scopes": ["data:export-raw"]})
    assert (weaker.status_code, stronger.status_code) == (201, 403)


async def test_an_expired_key_is_refused(gateway: TestGateway) -> None:
    made = await gateway.use_cases.api_keys.create(BOOTSTRAP, "short", [Scope.RUNS_READ], -1.0)
    async with gateway.client(made.key) as client:
        assert (await client.get("/v1/runs")).status_code == 401


async def test_a_key_with_the_right_prefix_and_another_secret_is_refused(gateway: TestGateway) -> None:
    forged = gateway.key[:-1] + ("A" if gateway.key[-1] != "A" else "B")
    async with gateway.client(forged) as client:
        assert (await client.get("/v1/runs")).status_code == 401


async def test_the_first_key_may_be_installed_at_every_start(gateway: TestGateway) -> None:
    await gateway.use_cases.api_keys.install(gateway.key, "first")
    async with gateway.client() as client:
        assert (await client.get("/v1/runs")).status_code == 200


async def test_a_name_is_taken_once(client: httpx.AsyncClient) -> None:
    body = {"name": "nightly", "scopes": ["runs:read"]}
    assert (await client.post("/v1/api-keys", json=body)).status_code == 201
    assert (await client.post("/v1/api-keys", json=body)).status_code == 409

"""Connections through the API: their secrets go in and never come out."""

from __future__ import annotations

import json

import httpx

from elute_gateway.application.connections import Role
from elute_gateway.domain.names import DatasetName
from elute_wire.seal import Sealed
from tests.support.api import SECRET, TestGateway


async def test_a_secret_is_sealed_for_the_connector_alone(gateway: TestGateway, client: httpx.AsyncClient) -> None:
    answers = [await client.get("/v1/connections/shop"), await client.get("/v1/connections")]
    assert all(SECRET not in answer.text for answer in answers)
    assert answers[0].json()["has_secrets"] is True
    stored = (await gateway.use_cases.connections.get("shop")).connection
    assert stored.secret is not None
    sealed = Sealed(stored.secret.key_id, stored.secret.ephemeral_public_key, stored.secret.ciphertext)
    opened = gateway.sealing.open(sealed, stored.id.encode())
    assert json.loads(opened) == {"password": SECRET}


async def test_a_secret_among_the_settings_is_refused(client: httpx.AsyncClient) -> None:
    body = {"name": "other", "settings": {"host": "db", "Password": SECRET}}
    answer = await client.post("/v1/connections", json=body)
    assert answer.status_code == 422
    assert "secrets" in answer.json()["hint"]
    assert SECRET not in answer.text


async def test_a_secret_is_not_sent_to_another_place(client: httpx.AsyncClient) -> None:
    moved = await client.put("/v1/connections/shop", json={"settings": {"host": "evil"}})
    assert moved.status_code == 422
    again = await client.put("/v1/connections/shop", json={"settings": {"host": "db2"}, "secrets": {"password": "x"}})
    assert (again.status_code, again.json()["revision"], again.headers["etag"]) == (200, 2, '"2"')
    same = await client.put("/v1/connections/shop", json={"settings": {"host": "db2"}, "parallel_partitions": 2})
    assert (same.status_code, same.json()["has_secrets"]) == (200, True)


async def test_a_change_of_an_older_version_is_refused(client: httpx.AsyncClient) -> None:
    body = {"settings": {"host": "db3"}, "secrets": {"password": "x"}}
    changed = await client.put("/v1/connections/shop", json=body, headers={"If-Match": '"1"'})
    late = await client.put("/v1/connections/shop", json=body, headers={"If-Match": '"1"'})
    assert (changed.status_code, late.status_code, late.json()["code"]) == (200, 412, "precondition-failed")


async def test_connections_come_in_pages_by_name(client: httpx.AsyncClient) -> None:
    first = (await client.get("/v1/connections", params={"limit": 1})).json()
    second = (await client.get("/v1/connections", params={"limit": 1, "cursor": first["next"]})).json()
    assert [page["items"][0]["name"] for page in (first, second)] == ["shop", "shop-qa"]
    assert second["next"] is None


async def test_a_deleted_connection_is_gone_and_its_name_free(client: httpx.AsyncClient) -> None:
    assert (await client.delete("/v1/connections/shop")).status_code == 204
    assert (await client.get("/v1/connections/shop")).status_code == 404
    assert (await client.post("/v1/connections", json={"name": "shop", "settings": {}})).status_code == 201
    taken = await client.post("/v1/connections", json={"name": "shop", "settings": {}})
    assert (taken.status_code, taken.json()["code"]) == (409, "already-exists")


async def test_a_check_tells_every_finding(gateway: TestGateway, client: httpx.AsyncClient) -> None:
    body = {"role": "target", "datasets": ["public.orders"]}
    answer = (await client.post("/v1/connections/shop/check", json=body)).json()
    assert (answer["usable"], answer["server_version"]) == (True, "18.4")
    assert [problem["code"] for problem in answer["problems"]] == ["privilege"]
    _, role, datasets = gateway.inspection.checked[0]
    assert (role, datasets) == (Role.TARGET, (DatasetName("public", "orders"),))


async def test_datasets_come_in_pages(client: httpx.AsyncClient) -> None:
    first = (await client.get("/v1/connections/shop/datasets", params={"limit": 1})).json()
    rest = (await client.get("/v1/connections/shop/datasets", params={"cursor": first["next"]})).json()
    assert [one["name"] for one in first["items"] + rest["items"]] == ["public.customers", "public.orders"]
    assert first["items"][0]["primary_key"] == ["id"]
    assert (await client.get("/v1/connections/shop/datasets?schema=other")).json()["items"] == []

"""Pipelines and policies are deleted through the API: runs that work keep them, runs that have ended tell of them."""

from __future__ import annotations

from typing import Any

import httpx
import sqlalchemy as sa

from elute_gateway.domain.run import RunState
from elute_gateway.store import tables
from tests.support.api import SCRUB, TestGateway
from tests.support.planning import document_text

YAML = {"Content-Type": "application/yaml"}
KEPT = (tables.pipeline, tables.policy)
PIPELINE, POLICY = "/v1/pipelines/shop-to-qa", "/v1/policies/shop-to-qa"


async def save(client: httpx.AsyncClient, scrub: str = SCRUB) -> dict[str, Any]:
    answer = await client.post("/v1/pipelines", content=document_text(scrub), headers=YAML)
    assert answer.status_code == 201, answer.text
    saved: dict[str, Any] = answer.json()["pipeline"]
    return saved


async def end(gateway: TestGateway, run: str) -> None:
    """End a run that nobody executes."""
    taken = await gateway.use_cases.runs.books.runs.take_over(run, "somebody", 60)
    assert taken is not None
    await gateway.use_cases.runs.books.runs.settle(run, taken.epoch, RunState.FAILED, None, {})


async def test_a_pipeline_goes_with_its_policy_and_its_name_is_free(client: httpx.AsyncClient) -> None:
    first = await save(client)
    answer = await client.delete(PIPELINE)
    assert (answer.status_code, answer.content) == (204, b"")
    assert [(await client.get(path)).status_code for path in (PIPELINE, POLICY, PIPELINE)] == [404, 404, 404]
    assert (await client.get("/v1/pipelines")).json()["items"] == []
    assert (await client.delete(PIPELINE)).status_code == 404
    again = await save(client, SCRUB.replace("token", "'null'"))
    assert (again["version"], again["policy_version"]) == (1, 1), "nothing is left of the former one"
    assert again["id"] != first["id"]
    newest = (await client.get("/v1/audit-events", params={"limit": 2})).json()["items"]
    assert [event["action"] for event in newest] == ["pipeline.saved", "pipeline.deleted"]


async def test_a_pipeline_that_a_run_uses_stays(gateway: TestGateway, client: httpx.AsyncClient) -> None:
    await save(client)
    run = (await client.post("/v1/runs", json={"pipeline": "shop-to-qa"})).json()["id"]
    for path in (PIPELINE, POLICY):
        refused = await client.delete(path)
        assert (refused.status_code, refused.json()["code"]) == (409, "in-use")
        assert (await client.get(path)).status_code == 200
    assert f"run {run} uses it" in (await client.delete(PIPELINE)).json()["detail"]
    await end(gateway, run)
    assert (await client.delete(PIPELINE)).status_code == 204


async def test_runs_that_have_ended_tell_of_a_deleted_pipeline(gateway: TestGateway, client: httpx.AsyncClient) -> None:
    saved = await save(client)
    run = (await client.post("/v1/runs", json={"pipeline": "shop-to-qa"})).json()["id"]
    await end(gateway, run)
    assert (await client.delete(PIPELINE)).status_code == 204
    found = (await client.get(f"/v1/runs/{run}")).json()
    assert (found["pipeline"], found["pipeline_version"]) == ("shop-to-qa", 1)
    assert (await client.get(f"/v1/pipelines/{saved['id']}")).status_code == 404
    again = await save(client)
    assert again["id"] != saved["id"]
    assert (await client.get("/v1/runs", params={"pipeline": "shop-to-qa"})).json()["items"] == [], "it has not run yet"
    # It can still be gone on with: what it does was pinned.
    assert (await gateway.use_cases.pipelines.plan(await gateway.use_cases.runs.get(run))).runnable
    assert (await client.post(f"/v1/runs/{run}/resume")).status_code == 202


async def test_what_was_deleted_is_forgotten_with_the_last_run_that_tells_of_it(
    gateway: TestGateway, client: httpx.AsyncClient
) -> None:
    await save(client)
    runs = [(await client.post("/v1/runs", json={"pipeline": "shop-to-qa"})).json()["id"] for _ in range(2)]
    for run in runs:
        await end(gateway, run)
    await client.delete(PIPELINE)
    left = []
    for run in runs:
        await gateway.use_cases.runs.books.runs.delete([run])
        async with gateway.use_cases.runs.books.runs.database.reading() as connection:  # type: ignore[attr-defined]
            left.append([await connection.scalar(sa.select(sa.func.count()).select_from(table)) for table in KEPT])
    assert left == [[1, 1], [0, 0]]


async def test_a_policy_alone_goes_only_when_its_pipeline_scrubs_nothing_any_more(client: httpx.AsyncClient) -> None:
    await save(client)
    refused = await client.delete(POLICY)
    assert (refused.status_code, refused.json()["code"]) == (409, "in-use")
    assert "delete the pipeline" in refused.json()["hint"]
    await save(client, "off")
    assert (await client.delete(POLICY)).status_code == 204
    assert (await client.get(POLICY)).status_code == 404
    assert (await client.get(PIPELINE)).status_code == 200


async def test_a_repeated_request_is_answered_though_its_pipeline_is_gone(
    gateway: TestGateway, client: httpx.AsyncClient
) -> None:
    await save(client)
    headers, order = {"Idempotency-Key": "nightly-1"}, {"pipeline": "shop-to-qa"}
    run = (await client.post("/v1/runs", json=order, headers=headers)).json()["id"]
    await end(gateway, run)
    await client.delete(PIPELINE)
    assert (await client.post("/v1/runs", json=order, headers=headers)).json()["id"] == run

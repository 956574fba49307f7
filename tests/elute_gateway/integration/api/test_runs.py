"""Runs through the API, on a real engine over both stores."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from elute_gateway.api import events
from elute_gateway.domain.access import Scope
from elute_gateway.domain.run import RunState
from elute_gateway.store.database import Database as Store
from elute_gateway.store.runs import Runs
from tests.support.api import SCRUB, TestGateway, make_connections, open_gateway
from tests.support.gateway import WORKSPACE
from tests.support.planning import catalog, document_text, table

YAML = {"Content-Type": "application/yaml"}


async def save(client: httpx.AsyncClient, scrub: str = SCRUB) -> None:
    answer = await client.post("/v1/pipelines", content=document_text(scrub), headers=YAML)
    assert answer.status_code == 201, answer.text


async def watched(client: httpx.AsyncClient, run: str, **headers: str) -> list[dict[str, Any]]:
    answer = await client.get(f"/v1/runs/{run}/events", headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.endswith(": end\n\n")
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]


async def test_a_run_is_started_watched_to_its_end_and_reported(
    working_gateway: TestGateway, working_client: httpx.AsyncClient
) -> None:
    await save(working_client)
    answer = await working_client.post("/v1/runs", json={"pipeline": "shop-to-qa"})
    assert answer.status_code == 202
    place = answer.headers["location"]
    run = answer.json()["id"]
    assert place == f"/v1/runs/{run}"

    told = await watched(working_client, run)
    assert [event["number"] for event in told] == list(range(1, len(told) + 1))
    assert told[-1]["data"]["state"] == "succeeded"
    assert working_gateway.plane.arrived() == {"public.customers": 250, "public.orders": 250}

    found = (await working_client.get(place)).json()
    assert found["state"] == "succeeded"
    assert found["pipeline"] == "shop-to-qa"
    report = (await working_client.get(f"{place}/report")).json()
    assert report["state"] == "succeeded"
    assert report["report"]
    datasets = (await working_client.get(f"{place}/datasets")).json()["items"]
    assert [(one["name"], one["rows_written"]) for one in datasets] == [
        ("public.customers", 250),
        ("public.orders", 250),
    ]


async def test_a_watcher_that_comes_back_gets_only_what_it_has_not_seen(working_client: httpx.AsyncClient) -> None:
    await save(working_client)
    run = (await working_client.post("/v1/runs", json={"pipeline": "shop-to-qa"})).json()["id"]
    told = await watched(working_client, run)
    again = await watched(working_client, run, **{"Last-Event-ID": "2"})
    assert again == told[2:]


async def test_a_watcher_is_told_at_once_what_its_own_gateway_has_done(
    working_client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "POLL_SECONDS", 3600.0)  # nobody looks again: all of it must come by itself
    await save(working_client)
    async with asyncio.timeout(20):
        run = (await working_client.post("/v1/runs", json={"pipeline": "shop-to-qa"})).json()["id"]
        assert (await watched(working_client, run))[-1]["data"]["state"] == "succeeded"


async def test_a_watcher_finds_what_another_gateway_has_done(quick_gateway: TestGateway) -> None:
    async with quick_gateway.client() as client:
        await make_connections(client)
        await save(client)
        run = (await client.post("/v1/runs", json={"pipeline": "shop-to-qa"})).json()["id"]
        watching = asyncio.create_task(watched(client, run))
        await asyncio.sleep(0.1)
        elsewhere = Store.at(quick_gateway.url)
        taken = await Runs(elsewhere, WORKSPACE).take_over(run, "another", 60)
        assert taken is not None
        await Runs(elsewhere, WORKSPACE).settle(run, taken.epoch, RunState.FAILED, None, {})
        await elsewhere.close()
        assert [event["data"]["state"] for event in await watching] == ["running", "failed"]


async def test_partitions_come_in_pages_and_each_once(working_client: httpx.AsyncClient) -> None:
    await save(working_client)
    run = (await working_client.post("/v1/runs", json={"pipeline": "shop-to-qa"})).json()["id"]
    await watched(working_client, run)
    whole = (await working_client.get(f"/v1/runs/{run}/partitions")).json()
    assert whole["next"] is None
    seen, cursor = [], ""
    while cursor is not None:
        page = (await working_client.get(f"/v1/runs/{run}/partitions", params={"limit": 1, "cursor": cursor})).json()
        seen += page["items"]
        cursor = page["next"]
    assert seen == whole["items"]
    assert {one["state"] for one in seen} == {"done"}


async def test_runs_are_listed_by_pipeline_and_state(quick_client: httpx.AsyncClient) -> None:
    await save(quick_client)
    other = document_text(SCRUB).replace("shop-to-qa", "another")
    assert (await quick_client.post("/v1/pipelines", content=other, headers=YAML)).status_code == 201
    for name in ("shop-to-qa", "another", "shop-to-qa"):
        await quick_client.post("/v1/runs", json={"pipeline": name})

    async def listed(**query: str) -> list[str]:
        items = (await quick_client.get("/v1/runs", params=query)).json()["items"]
        return [run["pipeline"] for run in items]

    assert await listed() == ["shop-to-qa", "another", "shop-to-qa"]
    assert await listed(pipeline="another") == ["another"]
    assert await listed(pipeline="shop-to-qa", state="failed") == []
    assert await listed(pipeline="nothing") == []


async def test_the_same_idempotency_key_starts_one_run(working_client: httpx.AsyncClient) -> None:
    await save(working_client)
    headers = {"Idempotency-Key": "nightly-1"}
    first = await working_client.post("/v1/runs", json={"pipeline": "shop-to-qa"}, headers=headers)
    second = await working_client.post("/v1/runs", json={"pipeline": "shop-to-qa"}, headers=headers)
    other = await working_client.post(
        "/v1/runs", json={"pipeline": "shop-to-qa", "parallel_partitions": 2}, headers=headers
    )
    assert first.json()["id"] == second.json()["id"]
    assert (other.status_code, other.json()["code"]) == (409, "already-exists")
    await watched(working_client, first.json()["id"])


async def test_a_repeated_request_is_answered_with_its_run_after_the_pipeline_was_saved_anew(
    quick_client: httpx.AsyncClient,
) -> None:
    await save(quick_client)
    headers, order = {"Idempotency-Key": "nightly-1"}, {"pipeline": "shop-to-qa"}
    first = await quick_client.post("/v1/runs", json=order, headers=headers)
    await save(quick_client, SCRUB.replace("token", "'null'"))
    again = await quick_client.post("/v1/runs", json=order, headers=headers)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["location"] == first.headers["location"]
    named = await quick_client.post("/v1/runs", json={**order, "version": 2}, headers=headers)
    assert named.status_code == 409, "whoever names a version asks for something else"
    new = await quick_client.post("/v1/runs", json=order, headers={"Idempotency-Key": "nightly-2"})
    assert new.json()["pipeline_version"] == 2
    actions = [event["action"] for event in (await quick_client.get("/v1/audit-events")).json()["items"]]
    assert actions.count("run.started") == 2, "a repeated request starts nothing"


async def test_a_run_is_cancelled_resumed_and_succeeds(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'gateway.db'}"
    async with open_gateway(url, tmp_path, load_seconds=0.3) as gateway, gateway.client() as client:
        await make_connections(client)
        await save(client)
        run = (await client.post("/v1/runs", json={"pipeline": "shop-to-qa"})).json()["id"]
        assert (await client.post(f"/v1/runs/{run}/cancel")).status_code == 202
        assert (await watched(client, run))[-1]["data"]["state"] == "cancelled"
        again = await client.post(f"/v1/runs/{run}/cancel")
        assert (again.status_code, again.json()["code"]) == (422, "invalid-request")
        resumed = await client.post(f"/v1/runs/{run}/resume")
        assert (resumed.status_code, resumed.json()["round"]) == (202, 2)
        assert (await watched(client, run))[-1]["data"]["state"] == "succeeded"
        actions = [event["action"] for event in (await client.get("/v1/audit-events")).json()["items"]]
        assert actions[:3] == ["run.resumed", "run.cancelled", "run.started"]


async def test_rows_leave_unscrubbed_only_with_the_scope_for_it_and_that_is_written_down(
    working_gateway: TestGateway, working_client: httpx.AsyncClient
) -> None:
    await save(working_client, "off")
    ordinary = [scope for scope in Scope if scope is not Scope.DATA_EXPORT_RAW]
    async with working_gateway.client(await working_gateway.key_with(*ordinary)) as other:
        refused = await other.post("/v1/runs", json={"pipeline": "shop-to-qa"})
        hidden = await other.post("/v1/pipelines/shop-to-qa/preview", json={"dataset": "public.orders"})
    assert [answer.status_code for answer in (refused, hidden)] == [403, 403]
    assert "data:export-raw" in refused.json()["detail"]
    allowed = await working_client.post("/v1/runs", json={"pipeline": "shop-to-qa"})
    assert allowed.status_code == 202
    await watched(working_client, allowed.json()["id"])
    newest = (await working_client.get("/v1/audit-events", params={"limit": 1})).json()["items"][0]
    assert (newest["action"], newest["subject"]) == ("run.started-raw", "pipeline shop-to-qa")


async def test_a_run_stops_before_its_first_row_when_the_source_has_changed(
    working_gateway: TestGateway, working_client: httpx.AsyncClient
) -> None:
    await save(working_client)
    working_gateway.services.held = catalog(
        *working_gateway.services.held.datasets.values(), table("tokens", "id bigint")
    )
    run = (await working_client.post("/v1/runs", json={"pipeline": "shop-to-qa"})).json()["id"]
    assert (await watched(working_client, run))[-1]["data"]["state"] == "failed"
    failure = (await working_client.get(f"/v1/runs/{run}")).json()["failure"]
    assert failure["code"] == "catalog-changed"
    assert working_gateway.plane.arrived() == {}


@pytest.mark.parametrize("action", ["cancel", "resume", "repair"])
async def test_what_is_done_to_a_run_that_is_not_there_is_not_found(quick_gateway: TestGateway, action: str) -> None:
    async with quick_gateway.client() as client:
        answer = await client.post(f"/v1/runs/none/{action}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")

"""Pipelines through the API: planned with all their problems, saved and pinned, previewed."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.support.api import SCRUB, TestGateway
from tests.support.planning import catalog, document_text, policy, table

YAML = {"Content-Type": "application/yaml"}


async def test_a_plan_tells_what_happens_to_each_column_and_saves_nothing(quick_client: httpx.AsyncClient) -> None:
    answer = await quick_client.post("/v1/plans", content=document_text(SCRUB), headers=YAML)
    plan = answer.json()
    assert (answer.status_code, plan["runnable"], plan["pipeline"]) == (200, True, "shop-to-qa")
    columns = {column["name"]: column for column in plan["datasets"][0]["columns"]}
    assert columns["email"]["technique"] == "token"
    assert columns["email"]["keeps"] == ["nulls", "equality"]
    assert columns["id"]["treatment"] == "keep"
    assert (await quick_client.get("/v1/pipelines")).json()["items"] == []


async def test_every_problem_comes_at_once_with_its_line(quick_client: httpx.AsyncClient) -> None:
    text = document_text(policy('{columns: ["*.customers.nothing"], technique: token}', keep='["*.*.id", "x.y.z"]'))
    plan = (await quick_client.post("/v1/plans", content=text, headers=YAML)).json()
    assert plan["runnable"] is False
    codes = [problem["code"] for problem in plan["problems"]]
    assert {"no-match", "unknown-column", "uncovered-column"} <= set(codes)
    assert {problem["line"] for problem in plan["problems"] if problem["code"] == "no-match"} == {5}
    saved = await quick_client.post("/v1/pipelines", content=text, headers=YAML)
    assert (saved.status_code, saved.json()["code"]) == (422, "plan-refused")
    assert len(saved.json()["problems"]) == len(plan["problems"])


async def test_a_text_that_says_no_pipeline_is_a_plan_with_problems(quick_client: httpx.AsyncClient) -> None:
    plan = (await quick_client.post("/v1/plans", content="version: 1\npipelin: x\n", headers=YAML)).json()
    assert (plan["runnable"], plan["pipeline"]) == (False, None)
    assert any(problem.get("line") == 2 for problem in plan["problems"])


async def test_connections_that_do_not_exist_are_both_told(quick_client: httpx.AsyncClient) -> None:
    await quick_client.delete("/v1/connections/shop")
    await quick_client.delete("/v1/connections/shop-qa")
    plan = (await quick_client.post("/v1/plans", content=document_text(SCRUB), headers=YAML)).json()
    assert [problem["code"] for problem in plan["problems"]] == ["unknown-connection"] * 2


async def test_saving_pins_a_policy_and_the_same_again_makes_no_version(client: httpx.AsyncClient) -> None:
    first = (await client.post("/v1/pipelines", content=document_text(SCRUB), headers=YAML)).json()["pipeline"]
    again = (await client.post("/v1/pipelines", content=document_text(SCRUB), headers=YAML)).json()["pipeline"]
    assert (first["version"], first["policy_version"]) == (again["version"], again["policy_version"]) == (1, 1)
    pinned = (await client.get("/v1/policies/shop-to-qa/versions/1")).json()
    assert pinned["document"]["version"] == 1
    names = {column["name"] for dataset in pinned["document"]["datasets"] for column in dataset["columns"]}
    assert names == {"id", "email", "customer_id", "placed"}
    assert (await client.get("/v1/pipelines/shop-to-qa")).json()["document"] == document_text(SCRUB)
    assert (await client.get("/v1/pipelines/shop-to-qa?version=2")).status_code == 404


async def test_a_new_column_is_an_open_question_until_somebody_accepts_it(
    gateway: TestGateway, client: httpx.AsyncClient
) -> None:
    await client.post("/v1/pipelines", content=document_text(SCRUB), headers=YAML)
    customers, orders = gateway.services.held.datasets.values()
    wider = table("orders", *(f"{c.name} {c.type.formatted}" for c in orders.columns), "note text")
    gateway.services.held = catalog(customers, wider)
    refused = await client.post("/v1/pipelines", content=document_text(SCRUB), headers=YAML)
    assert [problem["code"] for problem in refused.json()["problems"]] == ["column-added"]
    accepted = await client.post("/v1/pipelines?accept=true", content=document_text(SCRUB), headers=YAML)
    assert accepted.status_code == 201
    assert accepted.json()["pipeline"]["policy_version"] == 2


async def test_json_is_the_same_document(quick_client: httpx.AsyncClient) -> None:
    document = {
        "version": 1,
        "pipeline": "shop-to-qa",
        "source": {"connection": "shop", "datasets": ["public.*"]},
        "target": {"connection": "shop-qa"},
        "scrub": {
            "key_ring": "shop",
            "keep": ["*.*.id", "*.orders.*"],
            "rules": [{"columns": ["*.customers.email"], "technique": "token"}],
        },
    }
    answer = await quick_client.post(
        "/v1/pipelines", content=json.dumps(document), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["pipeline"]["form"] == "json"


@pytest.mark.parametrize("media_type", ["text/plain", "multipart/form-data", ""])
async def test_another_kind_of_body_is_refused(quick_client: httpx.AsyncClient, media_type: str) -> None:
    answer = await quick_client.post("/v1/plans", content="version: 1", headers={"Content-Type": media_type})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


async def test_a_preview_shows_a_dataset_that_the_pipeline_copies(quick_client: httpx.AsyncClient) -> None:
    await quick_client.post("/v1/pipelines", content=document_text(SCRUB), headers=YAML)
    answer = await quick_client.post(
        "/v1/pipelines/shop-to-qa/preview", json={"dataset": "public.customers", "limit": 1}
    )
    assert answer.json() == {
        "dataset": "public.customers",
        "columns": ["id", "email"],
        "rows": [{"id": "<keep>", "email": "<token>"}],
    }
    other = await quick_client.post("/v1/pipelines/shop-to-qa/preview", json={"dataset": "public.secrets"})
    assert other.status_code == 404

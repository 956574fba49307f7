"""Nothing leaves unscrubbed by accident, and nothing is touched that was not asked for."""

from __future__ import annotations

from typing import Any

import pytest

from elute_gateway.embedded.system import KEY_RING
from tests.e2e.product import KEEP_ALL, Api, Pipe, Product, Refused
from tests.support.postgresql import Database

CANARY = "canary"
PEOPLE = """
    CREATE TABLE people (id int PRIMARY KEY, tax_id int NOT NULL, email text NOT NULL);
    INSERT INTO people SELECT i, i, 'canary' || i || '@mail.example' FROM generate_series(1, 50) AS i;
"""
POLICY: dict[str, Any] = {
    "key_ring": KEY_RING,
    "keep": ["*.*.id", "*.*.*_id"],
    "rules": [{"columns": ["*.people.email"], "technique": {"fake": {"kind": "email"}}}],
}
EXISTING = (
    "CREATE TABLE people (id int PRIMARY KEY, tax_id int, email text); INSERT INTO people VALUES (-1, -1, 'mine')"
)
MINE = "-1|-1|mine"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("ALTER TABLE people ADD national_id text DEFAULT 'canary'", "national_id"),
        ("ALTER TABLE people ADD nickname text DEFAULT 'canary'", "nickname"),
        ("ALTER TABLE people ALTER tax_id TYPE text", "tax_id"),
        ("ALTER TABLE people ALTER email TYPE varchar(100)", "email"),
        ("ALTER TABLE people RENAME tax_id TO other_id", "other_id"),
        ("CREATE TABLE secrets (id int, tax_id text)", "secrets"),
    ],
)
async def test_what_changed_since_the_policy_was_pinned_stops_the_run_before_a_row_moves(
    change: str, named: str, pipe: Pipe, source: Database, target: Database
) -> None:
    source.run(PEOPLE)
    target.run(EXISTING)
    document = pipe.document(POLICY, ["public.*"], structure="keep")
    await pipe.save(document)
    source.run(change)
    failure = await pipe.fails()
    assert named in failure["message"] + failure["hint"], failure
    assert target.run("SELECT * FROM people") == MINE
    assert "secrets" not in target.run("SELECT relname FROM pg_class WHERE relkind = 'r'")


async def test_what_changed_is_pinned_only_when_a_person_accepts_it(
    pipe: Pipe, source: Database, target: Database
) -> None:
    source.run(PEOPLE)
    document = pipe.document(POLICY)
    await pipe.run(document)
    source.run("ALTER TABLE people ADD national_id int DEFAULT 7")
    plan = await pipe.plan(document)
    assert not plan["runnable"]
    assert [(change["kind"], change["column"]) for change in plan["changes"]] == [("column-added", "national_id")]
    with pytest.raises(Refused) as refused:
        await pipe.save(document)
    assert "column-added" in refused.value.codes
    await pipe.save(document, accept=True)
    run = await pipe.api.ended(await pipe.start())
    assert run["state"] == "succeeded"
    assert target.run("SELECT count(*) FROM people WHERE national_id = 7") == "50"


async def test_a_column_without_rule_or_keep_is_no_plan(pipe: Pipe, source: Database) -> None:
    source.run(PEOPLE)
    document = pipe.document({"key_ring": KEY_RING, "keep": ["*.*.*id"]})
    plan = await pipe.plan(document)
    assert not plan["runnable"]
    (problem,) = [problem for problem in plan["problems"] if problem["severity"] == "error"]
    assert (problem["code"], problem["dataset"], problem["column"]) == ("uncovered-column", "public.people", "email")
    with pytest.raises(Refused) as refused:
        await pipe.save(document)
    assert (refused.value.status, refused.value.codes) == (422, {"uncovered-column"})


async def test_a_key_ring_that_is_not_there_is_no_plan(pipe: Pipe, source: Database) -> None:
    source.run(PEOPLE)
    with pytest.raises(Refused) as refused:
        await pipe.save(pipe.document({**POLICY, "key_ring": "elsewhere"}))
    assert refused.value.status == 422, refused.value.body


async def test_raw_rows_need_a_right_of_their_own_and_leave_a_trace(
    product: Product, api: Api, pipe: Pipe, source: Database, target: Database
) -> None:
    source.run(PEOPLE)
    scopes = ["pipelines:read", "pipelines:write", "pipelines:plan", "runs:read", "runs:write", "datasets:preview"]
    created = await api.ask("POST", "/v1/api-keys", json={"name": f"{pipe.name}-key", "scopes": scopes})
    document = pipe.document("off")
    await pipe.save(document)
    async with product.client(created["key"]) as narrow:
        for path, body in (
            ("/v1/runs", {"pipeline": pipe.name}),
            (f"/v1/pipelines/{pipe.name}/preview", {"dataset": "public.people"}),
        ):
            with pytest.raises(Refused) as refused:
                await narrow.ask("POST", path, json=body)
            assert refused.value.status == 403
    assert target.run("SELECT count(*) FROM pg_class WHERE relname = 'people'") == "0"
    await pipe.run(document)
    assert target.run("SELECT count(*) FROM people") == "50"
    events = (await api.ask("GET", "/v1/audit-events?limit=50"))["items"]
    assert any("raw" in str(event) for event in events), events


@pytest.mark.parametrize("structure", ["create", "keep"])
async def test_a_target_that_is_the_source_is_refused(structure: str, api: Api, source: Database) -> None:
    source.run(PEOPLE)
    pipe = await api.pipe(source, source)
    with pytest.raises(Refused) as refused:
        await pipe.save(pipe.document(POLICY, structure=structure))
    assert refused.value.status == 422
    assert "source" in str(refused.value.body["problems"])
    assert source.run("SELECT count(*) FROM people WHERE email LIKE 'canary%'") == "50"


@pytest.mark.parametrize("structure", ["create", "keep"])
async def test_only_what_is_selected_is_replaced(
    structure: str, pipe: Pipe, source: Database, target: Database
) -> None:
    source.run(PEOPLE)
    target.run(f"""
        {EXISTING}; CREATE TABLE other (i int); INSERT INTO other VALUES (1);
        CREATE SCHEMA kept; CREATE TABLE kept.people (i int); INSERT INTO kept.people VALUES (2);
    """)
    await pipe.run(pipe.document(POLICY, ["public.people"], structure=structure))
    assert target.run("SELECT (SELECT i FROM other), (SELECT i FROM kept.people), count(*) FROM people") == "1|2|50"


@pytest.mark.parametrize("structure", ["create", "keep"])
async def test_a_table_that_others_refer_to_is_not_emptied_under_them(
    structure: str, pipe: Pipe, source: Database, target: Database
) -> None:
    source.run(PEOPLE)
    target.run(f"{EXISTING}; CREATE TABLE orders (person int REFERENCES people); INSERT INTO orders VALUES (-1)")
    with pytest.raises(Refused) as refused:
        await pipe.save(pipe.document(POLICY, ["public.people"], structure=structure))
    assert "orders" in str(refused.value.body["problems"])
    assert target.run("SELECT * FROM people") == MINE


async def test_a_preview_shows_no_original(pipe: Pipe, source: Database) -> None:
    source.run(PEOPLE)
    await pipe.save(pipe.document(POLICY))
    path = f"/v1/pipelines/{pipe.name}/preview"
    shown = await pipe.api.ask("POST", path, json={"dataset": "public.people", "limit": 20})
    assert shown["columns"] == ["id", "tax_id", "email"]
    assert [(row["id"], row["tax_id"]) for row in shown["rows"]] == [(i, i) for i in range(1, 21)]
    assert all("@" in row["email"] for row in shown["rows"])
    assert CANARY not in str(shown)
    with pytest.raises(Refused) as too_many:
        await pipe.api.ask("POST", path, json={"dataset": "public.people", "limit": 101})
    assert too_many.value.status == 422
    source.run("ALTER TABLE people ADD national_id text DEFAULT 'canary'")
    with pytest.raises(Refused) as refused:
        await pipe.api.ask("POST", path, json={"dataset": "public.people"})
    assert CANARY not in str(refused.value.body)


async def test_keeping_everything_is_said_column_by_column(pipe: Pipe, source: Database) -> None:
    source.run(PEOPLE)
    saved = await pipe.save(pipe.document(KEEP_ALL))
    columns = saved["plan"]["datasets"][0]["columns"]
    assert {column["name"]: column["treatment"] for column in columns} == dict.fromkeys(
        ("id", "tax_id", "email"), "keep"
    )


async def test_no_value_is_in_what_a_failed_run_leaves_anywhere(
    product: Product, pipe: Pipe, source: Database, target: Database
) -> None:
    value = "Zq7w-81-in-the-rows"
    source.run(f"""CREATE TABLE twice (id int, name text); INSERT INTO twice VALUES (1, '{value}'), (2, '{value}');
        CREATE TABLE computed (id int, name text); INSERT INTO computed VALUES (1, '{value}')""")
    target.run("""CREATE TABLE twice (id int, name text UNIQUE);
        CREATE TABLE computed (id int, name text, made int GENERATED ALWAYS AS (name::int) STORED)""")
    said: dict[str, bytes] = {}
    for dataset in ("twice", "computed"):
        failure = await pipe.fails(pipe.document(KEEP_ALL, [f"public.{dataset}"], structure="keep"))
        assert failure["code"] == "store-data-rejected"
    runs = (await pipe.api.ask("GET", "/v1/runs", params={"state": "failed"}))["items"]
    for run in runs[:2]:
        for part in ("", "/datasets", "/partitions", "/log", "/events"):
            answer = await pipe.api.http.get(path := f"/v1/runs/{run['id']}{part}")
            assert answer.status_code == 200
            said[path] = answer.content
    said |= await product.said()
    assert any(b"store-data-rejected" in words for words in said.values())
    assert [place for place, words in said.items() if value.encode() in words] == []

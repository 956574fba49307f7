"""A run survives the death of every process without a command; a cancelled one ends at once and can be gone on with."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.e2e.product import KEEP_ALL, Body, Pipe, Product
from tests.support.postgresql import Database

ROWS = 80_000
LARGE = f"""
    CREATE TABLE parents (id int PRIMARY KEY);
    CREATE TABLE large (id int PRIMARY KEY, parent int REFERENCES parents, filler text);
    INSERT INTO parents SELECT generate_series(0, 99);
    INSERT INTO large SELECT i, i % 100, repeat(md5(i::text), 6) FROM generate_series(1, {ROWS}) AS i;
    ANALYZE;
"""
SUM = "SELECT count(*), sum(hashtext(t::text)::bigint), count(DISTINCT id) FROM large AS t"
COPYING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'copy %'"
KEPT = """
    CREATE TABLE parents (id int PRIMARY KEY);
    CREATE TABLE large (id int PRIMARY KEY, parent int REFERENCES parents, filler text);
"""


def document(pipe: Pipe, structure: str = "create") -> Body:
    limits = {"partition_bytes": 1024 * 1024, "parallel_partitions": 1}
    return pipe.document(KEEP_ALL, structure=structure, verify="rows", limits=limits)


async def under_way(pipe: Pipe, structure: str = "create") -> str:
    """Start a run, and answer its id once a part of the rows is in."""
    await pipe.save(document(pipe, structure))
    run_id = await pipe.start()
    await half_way(pipe, run_id)
    return run_id


async def half_way(pipe: Pipe, run_id: str) -> None:
    await pipe.api.rows_written(run_id, ROWS // 20)
    assert (await pipe.api.datasets(run_id))["public.large"]["rows_written"] < ROWS


async def assert_succeeds(pipe: Pipe, run_id: str, source: Database, target: Database) -> None:
    run = await pipe.api.ended(run_id)
    assert run["state"] == "succeeded", run["failure"]
    assert target.run(SUM) == source.run(SUM)
    assert target.run("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated") == "1"
    assert target.run("SELECT to_regnamespace('elute')") == ""


@pytest.mark.parametrize("service", ["connector", pytest.param("anonymizer", marks=pytest.mark.slow), "gateway"])
async def test_a_killed_process_costs_a_run_nothing(
    service: str, product: Product, pipe: Pipe, source: Database, target: Database
) -> None:
    source.run(LARGE)
    run_id = await under_way(pipe)
    product.kill(service)
    await assert_succeeds(pipe, run_id, source, target)


async def test_a_killed_transform_costs_a_cleaning_run_nothing(
    product: Product, pipe: Pipe, source: Database, target: Database
) -> None:
    source.run(LARGE)
    clean = {"public.large": [{"clean_text": {"columns": ["filler"], "trim": True}}]}
    await pipe.save({**document(pipe), "clean": clean})
    run_id = await pipe.start()
    await half_way(pipe, run_id)
    product.kill("transform")
    await assert_succeeds(pipe, run_id, source, target)


@pytest.mark.slow
async def test_all_processes_killed_one_after_the_other_cost_a_run_nothing(
    product: Product, pipe: Pipe, source: Database, target: Database
) -> None:
    source.run(LARGE)
    run_id = await under_way(pipe)
    for service in ("connector", "gateway", "anonymizer", "connector", "gateway"):
        product.kill(service)
        await asyncio.sleep(1)
    await assert_succeeds(pipe, run_id, source, target)


@pytest.mark.parametrize("structure", ["create", pytest.param("keep", marks=pytest.mark.slow)])
async def test_a_cancelled_run_ends_its_copies_and_is_gone_on_with(
    structure: str, pipe: Pipe, source: Database, target: Database
) -> None:
    source.run(LARGE)
    if structure == "keep":
        target.run(KEPT)
    run_id = await under_way(pipe, structure)
    started = time.monotonic()
    await pipe.api.ask("POST", f"/v1/runs/{run_id}/cancel")
    while any(database.run(COPYING) != "0" for database in (source, target)):
        assert time.monotonic() - started < 2
    assert (await pipe.api.ended(run_id))["state"] == "cancelled"
    # Half-loaded, and recognizable as such.
    assert 0 < int(target.run("SELECT count(*) FROM large")) < ROWS
    assert target.run("SELECT run_id, structure FROM elute.run") == f"{run_id}|{structure}"
    failure = await pipe.fails()
    assert "half-loaded" in failure["message"]
    assert run_id in failure["message"]
    assert f"elute runs resume {run_id}" in failure["hint"]
    assert f"elute runs repair {run_id}" in failure["hint"]

    await pipe.api.ask("POST", f"/v1/runs/{run_id}/resume")
    await assert_succeeds(pipe, run_id, source, target)


async def test_a_cancelled_run_is_repaired_to_valid_keys_and_replaced_by_another(
    pipe: Pipe, source: Database, target: Database
) -> None:
    # The rows that are in must not contradict the key: it may be that no parent is.
    source.run(LARGE.replace("i % 100", "NULL"))
    target.run(KEPT)
    run_id = await under_way(pipe, "keep")
    await pipe.api.ask("POST", f"/v1/runs/{run_id}/cancel")
    assert (await pipe.api.ended(run_id))["state"] == "cancelled"
    assert target.run("SELECT count(*) FROM pg_constraint WHERE contype = 'f'") == "0"
    await pipe.api.ask("POST", f"/v1/runs/{run_id}/repair")
    async with asyncio.timeout(60):
        while target.run("SELECT to_regnamespace('elute')") != "":
            await asyncio.sleep(0.1)
    assert target.run("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated") == "1"
    await assert_succeeds(pipe, await pipe.start(), source, target)

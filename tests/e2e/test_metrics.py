"""What Prometheus sees of a gateway: every series at 0 before a run, the run's own numbers after it."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from elute_gateway.embedded.postgresql import LOOPBACK
from elute_gateway.embedded.system import KEY_RING
from elute_wire.identity import ServiceName
from tests.e2e.product import Body, Pipe, Product
from tests.support.exposition import PROMTOOL, Exposition, listed
from tests.support.postgresql import Database

PEOPLE = """
    CREATE TABLE people (id int PRIMARY KEY, email text);
    INSERT INTO people SELECT i, 'p' || i || '@mail.example' FROM generate_series(1, 500) AS i;
"""
POLICY: Body = {
    "key_ring": KEY_RING,
    "keep": ["*.*.id"],
    "rules": [{"columns": ["*.people.email"], "technique": "token"}],
}
CLEAN: Body = {"public.people": [{"clean_text": {"columns": ["email"], "trim": True}}]}


async def scraped(product: Product) -> Exposition:
    place = f"http://{LOOPBACK}:{product.local.metrics_ports[ServiceName.GATEWAY]}/metrics"
    async with httpx.AsyncClient() as http:
        return Exposition((await http.get(place)).text)


async def restarted(product: Product) -> Exposition:
    """Kill the gateway, and scrape the one that comes back before anybody has asked it for anything."""
    former = product.child(ServiceName.GATEWAY).pid
    product.kill(ServiceName.GATEWAY)
    async with asyncio.timeout(30):
        while True:
            await asyncio.sleep(0.05)
            try:
                if product.child(ServiceName.GATEWAY).pid != former:
                    return await scraped(product)
            except httpx.TransportError:
                continue


async def test_a_fresh_gateway_shows_all_that_is_listed_at_zero(product: Product) -> None:
    fresh = await restarted(product)
    assert fresh.types == listed(ServiceName.GATEWAY)
    assert fresh.silent == set()
    # It is one gateway of one, with a store that it has read.
    resting = {"elute_gateway_leading", 'elute_store_sessions{state="idle"}', 'elute_store_sessions{state="lent"}'}
    assert fresh.begun.keys() <= resting
    assert {f'elute_runs_total{{outcome="{state}"}}' for state in ("succeeded", "failed", "cancelled")} <= set(
        fresh.series
    )


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed: Debian's package `prometheus` has it")
async def test_prometheus_finds_no_fault_with_the_names(product: Product) -> None:
    assert (await scraped(product)).complaints() == ""


async def test_a_run_is_counted_and_leaves_nothing_open(product: Product, pipe: Pipe, source: Database) -> None:
    source.run(PEOPLE)
    before = await scraped(product)
    await pipe.run(pipe.document(POLICY, clean=CLEAN))
    after = await scraped(product)
    counted = after.grown(before)
    for stage in ("extract", "transform", "anonymize", "load"):
        assert counted[f'elute_rows_total{{stage="{stage}"}}'] == 500
    assert counted['elute_runs_total{outcome="succeeded"}'] == 1
    assert counted["elute_partition_claims_total"] == 1
    assert counted['elute_partition_attempts_total{outcome="done"}'] == 1
    assert counted["elute_loaded_bytes_total"] > 500 * len("tokens")
    assert counted['elute_http_requests_total{operation="startRun",status="2xx"}'] == 1
    assert counted['elute_http_request_seconds_count{operation="startRun"}'] == 1
    assert counted['elute_http_requests_total{operation="unmatched",status="2xx"}'] == 0
    for gauge in ("elute_runs_active", "elute_partitions_loading", "elute_run_snapshot_age_seconds"):
        assert after.series[gauge] == 0, gauge


async def test_a_failure_is_counted_by_the_class_of_its_error(product: Product, pipe: Pipe, source: Database) -> None:
    source.run(PEOPLE)
    await pipe.save(pipe.document(POLICY))
    source.run("ALTER TABLE people ADD nickname text")
    before = await scraped(product)
    failure = await pipe.fails()
    counted = (await scraped(product)).grown(before)
    assert counted['elute_runs_total{outcome="failed"}'] == 1
    assert counted[f'elute_run_errors_total{{code="{failure["code"]}"}}'] == 1


async def test_an_open_run_is_shown(product: Product, pipe: Pipe, source: Database, target: Database) -> None:
    source.run("CREATE TABLE people AS SELECT i AS id, repeat('x', 1000) AS email FROM generate_series(1, 5000) AS i")
    # A target that takes ten seconds for all rows: what waits is counted every other second.
    target.run("""CREATE FUNCTION slow(id int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
            $f$ BEGIN PERFORM pg_sleep(0.002); RETURN id; END $f$;
        CREATE TABLE people (id int, email text, copied int GENERATED ALWAYS AS (public.slow(id)) STORED)""")
    limits = {"partition_bytes": 1024 * 1024, "parallel_partitions": 1}
    await pipe.save(pipe.document("off", structure="keep", limits=limits))
    run_id = await pipe.start()
    async with asyncio.timeout(60):
        while not (shown := (await scraped(product)).series)["elute_partitions_queued"]:
            await asyncio.sleep(0.05)
    assert shown["elute_runs_active"] == 1
    assert shown["elute_partitions_oldest_seconds"] >= 0
    assert shown["elute_run_snapshot_age_seconds"] > 0
    await pipe.api.ask("POST", f"/v1/runs/{run_id}/cancel")
    await pipe.api.ended(run_id)

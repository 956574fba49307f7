"""What Prometheus sees of a load: every series at 0 before it, the load's own numbers after it."""

from __future__ import annotations

import asyncio

import pytest

from elute.v1 import connector_pb2, stage_pb2
from elute_wire.identity import ServiceName
from elute_wire.streams import OPEN_METHOD
from tests.elute_connector.integration.service.copying import copier
from tests.elute_connector.integration.service.holding import held
from tests.elute_connector.integration.service.scrubbing import POLICY, scrubbed
from tests.elute_connector.integration.service.test_load import failed, prepared
from tests.support.exposition import PROMTOOL, listed
from tests.support.postgresql import Database
from tests.support.services import DATA_PLANE, System

OPERATIONS = {
    ServiceName.CONNECTOR: "extract",
    ServiceName.TRANSFORM: "transform",
    ServiceName.ANONYMIZER: "anonymize",
}
POOLS = {ServiceName.CONNECTOR: "store", ServiceName.TRANSFORM: "clean", ServiceName.ANONYMIZER: "scrub"}
LOADS = {
    f'elute_loads_total{{outcome="{outcome}"}}' for outcome in ("committed", "already_done", "failed", "cancelled")
}
SESSIONS = {f'elute_reading_sessions{{state="{state}"}}' for state in ("lent", "idle")}


def streams(operation: str) -> set[str]:
    """The series of a stage."""
    names = ("streams_open", "filtered_rows_total", "rejected_rows_total", "busy_seconds_total", "seconds_count")
    return {f'elute_stage_{name}{{operation="{operation}"}}' for name in names} | {
        f'elute_stage_{name}_total{{direction="{direction}",operation="{operation}"}}'
        for name in ("rows", "bytes")
        for direction in ("received", "sent")
    }


@pytest.mark.parametrize("service", DATA_PLANE)
async def test_a_fresh_service_shows_all_that_is_listed_at_zero(services: System, service: ServiceName) -> None:
    fresh = services.start_another(service)
    await fresh.ready()
    shown = await fresh.metrics()
    fresh.kill()
    assert shown.types == listed(service)
    assert shown.silent == set()
    assert shown.begun == {}
    expected = streams(OPERATIONS[service]) | {f'elute_pool_calls_waiting{{pool="{POOLS[service]}"}}'}
    assert expected <= shown.series.keys()
    assert service != ServiceName.CONNECTOR or shown.series.keys() >= LOADS | SESSIONS


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed: Debian's package `prometheus` has it")
@pytest.mark.parametrize("service", DATA_PLANE)
async def test_prometheus_finds_no_fault_with_the_names(services: System, service: ServiceName) -> None:
    process = {
        ServiceName.CONNECTOR: services.connector,
        ServiceName.TRANSFORM: services.transform,
        ServiceName.ANONYMIZER: services.anonymizer,
    }[service]
    assert (await process.metrics()).complaints() == ""


async def test_a_load_is_counted_at_every_stage(services: System, source: Database, target: Database) -> None:
    prepared(source, target)
    connector, anonymizer = services.connector, services.anonymizer
    before, before_anonymizer = await connector.metrics(), await anonymizer.metrics()
    async with copier(services, source, target) as copy, copy.snapshot("people"):
        unit = scrubbed(copy, "people", {"notes": ("token", "{}")})
        request = copy.request("p0", unit, scrub=connector_pb2.SCRUB_MODE_REQUIRED, policy_digest=POLICY)
        (loaded,) = (await copy.load(request)).units
        request.epoch = 2
        await copy.load(request)
        request.epoch = 1
        request.context.partition_id = "unknown"
        await failed(copy, request)
        counted = (await connector.metrics()).grown(before)
        passed = (await anonymizer.metrics()).grown(before_anonymizer)
    assert counted['elute_loads_total{outcome="committed"}'] == 1
    assert counted['elute_loads_total{outcome="already_done"}'] == 1
    assert counted['elute_loads_total{outcome="failed"}'] == 1
    assert counted['elute_load_seconds_count{outcome="committed"}'] == 1
    assert counted['elute_load_seconds_sum{outcome="committed"}'] > 0
    assert counted['elute_errors_total{code="fence-lost"}'] == 1
    assert (counted["elute_load_rows_total"], counted["elute_load_bytes_total"]) == (20_000, loaded.bytes)
    assert counted['elute_stage_rows_total{direction="sent",operation="extract"}'] == 20_000
    assert counted['elute_stage_busy_seconds_total{operation="extract"}'] > 0
    assert counted['elute_pool_wait_seconds_count{pool="store"}'] > 0
    for direction in ("received", "sent"):
        assert passed[f'elute_stage_rows_total{{direction="{direction}",operation="anonymize"}}'] == 20_000
    sent = counted['elute_stage_bytes_total{direction="sent",operation="extract"}']
    assert passed['elute_stage_bytes_total{direction="received",operation="anonymize"}'] == sent > 0
    assert passed['elute_stage_bytes_total{direction="sent",operation="anonymize"}'] == loaded.bytes
    assert passed['elute_stage_busy_seconds_total{operation="anonymize"}'] > 0
    assert passed['elute_stage_seconds_count{operation="anonymize"}'] == 1
    assert passed['elute_pool_wait_seconds_count{pool="scrub"}'] > 0


async def test_what_is_open_is_shown_while_it_is_open(
    own_connector: System, source: Database, target: Database
) -> None:
    prepared(source, target, rows="INSERT INTO people (notes) SELECT repeat('x', 1000) FROM generate_series(1, 60000)")
    process = own_connector.connector
    async with copier(own_connector, source, target) as copy:
        holding = await held(copy, "people")
        copy.snapshot_id = holding.first.snapshot_id
        async with process.channel() as channel:
            stream = channel.unary_stream(OPEN_METHOD, request_serializer=stage_pb2.OpenRequest.SerializeToString)(
                stage_pb2.OpenRequest(stage=copy.stage("people"))
            )
            await stream.read()
            shown = (await process.metrics()).series
            assert shown['elute_reading_sessions{state="lent"}'] == 1
            assert shown['elute_stage_streams_open{operation="extract"}'] == 1
            assert shown['elute_server_requests_in_flight{method="/elute.v1.StageService/Open"}'] == 1
            assert shown["elute_snapshots_held"] == 1
            assert shown["elute_snapshot_age_seconds"] > 0
            assert shown["elute_stores_open"] == 2
            while await stream.read():
                continue
        shown = (await process.metrics()).series
        assert shown['elute_reading_sessions{state="lent"}'] == 0
        assert shown['elute_reading_sessions{state="idle"}'] == 1
        assert shown['elute_stage_streams_open{operation="extract"}'] == 0
        await copy.stub.ReleaseSnapshot(connector_pb2.ReleaseSnapshotRequest(handle="held"))
        assert await holding.next() is None
        shown = (await process.metrics()).series
        assert (shown["elute_snapshots_held"], shown["elute_snapshot_age_seconds"]) == (0, 0)


async def test_a_load_that_is_given_up_is_counted_as_cancelled(
    services: System, source: Database, target: Database
) -> None:
    prepared(source, target)
    before = await services.connector.metrics()
    blocker = await target.connect()
    try:
        async with copier(services, source, target) as copy, copy.snapshot("people"):
            await blocker.execute("BEGIN; LOCK TABLE people")
            call = copy.stub.Load(copy.request("p0", copy.unit("people", copy.stage("people"))))
            await call.initial_metadata()
            call.cancel()
            async with asyncio.timeout(20):
                while not (await services.connector.metrics()).grown(before)['elute_loads_total{outcome="cancelled"}']:
                    await asyncio.sleep(0.02)
    finally:
        blocker.terminate()

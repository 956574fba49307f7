"""Rows that nobody needs apart travel packed: as exactly as others, and through the same doors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from elute.v1 import connector_pb2, stage_pb2
from elute_wire.errors import CellTooLarge, EluteError, InvalidRequest, PlanRefused, TreatmentMissing
from elute_wire.status import from_rpc
from tests.elute_connector.integration.service.copying import Copier, copier, fingerprint
from tests.elute_connector.integration.service.scrubbing import POLICY, scrubbed
from tests.support.postgresql import Database, every_pair
from tests.support.services import System

TABLE = "CREATE TABLE people (id bigint, name varchar(40), notes text, born date, tags text[])"
ROWS = """
    INSERT INTO people
    SELECT g, 'name ' || g, repeat('x', g % 50), nullif(date '2000-01-01' + g % 3, date '2000-01-01'), ARRAY['a', NULL]
    FROM generate_series(1, 20000) g
"""
REQUIRED = connector_pb2.SCRUB_MODE_REQUIRED


@asynccontextmanager
async def copying(services: System, source: Database, target: Database, rows: str = ROWS) -> AsyncIterator[Copier]:
    source.run(TABLE)
    source.run(rows)
    target.run(TABLE)
    async with copier(services, source, target) as copy, copy.snapshot("people"):
        yield copy


async def refused(copy: Copier, request: connector_pb2.LoadRequest, target: Database) -> EluteError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await copy.load(request)
    assert target.run("SELECT count(*) FROM people") == "0"
    return from_rpc(caught.value, "loading", "connector")


@every_pair
async def test_packed_rows_arrive_equal(services: System, source: Database, target: Database) -> None:
    async with copying(services, source, target) as copy:
        slices = await copy.slices("people", 100_000)
        assert len(slices) > 2
        for place, planned in enumerate(slices):
            stage = copy.stage("people", planned.slice, packed=True)
            request = copy.request(f"p{place}", copy.unit("people", stage))
            request.context.batch_bytes = 50_000
            result = await copy.load(request)
            assert result.units[0].rows_read == result.units[0].rows_written > 0
    assert await fingerprint(target, "people") == await fingerprint(source, "people")


async def test_the_anonymizer_passes_packed_rows_whose_columns_are_all_kept(
    services: System, source: Database, target: Database
) -> None:
    async with copying(services, source, target) as copy:
        unit = scrubbed(copy, "people", {}, packed=True)
        await copy.load(copy.request("p0", unit, scrub=REQUIRED, policy_digest=POLICY))
    assert await fingerprint(target, "people") == await fingerprint(source, "people")


async def test_packed_rows_with_a_rule_are_refused(services: System, source: Database, target: Database) -> None:
    async with copying(services, source, target) as copy:
        unit = scrubbed(copy, "people", {"notes": ("null", "{}")}, packed=True)
        for selected in unit.stage.input.extract.columns:
            selected.lane = stage_pb2.LANE_WIRE
        error = await refused(copy, copy.request("p0", unit, scrub=REQUIRED, policy_digest=POLICY), target)
    assert isinstance(error, PlanRefused)


async def test_a_step_on_packed_rows_is_refused(services: System, source: Database, target: Database) -> None:
    async with copying(services, source, target) as copy:
        unit = copy.unit("people", copy.stage("people", packed=True))
        step = stage_pb2.Step(step="rename", config='{"columns": {"name": "called"}}', pointer="/clean/0")
        transform = stage_pb2.Transform(dataset=unit.dataset, steps=[step])
        unit.stage.CopyFrom(stage_pb2.Stage(transform=transform, input=unit.stage))
        assert isinstance(await refused(copy, copy.request("p0", unit), target), InvalidRequest)


async def test_packed_rows_that_no_anonymizer_has_seen_are_not_written(
    services: System, source: Database, target: Database
) -> None:
    async with copying(services, source, target) as copy:
        unit = copy.unit("people", copy.stage("people", packed=True))
        for field in unit.fields:
            field.treatment = "keep"
        error = await refused(copy, copy.request("p0", unit, scrub=REQUIRED, policy_digest=POLICY), target)
    assert isinstance(error, TreatmentMissing)


async def test_rows_of_which_a_column_is_read_on_the_way_are_not_packed(
    services: System, source: Database, target: Database
) -> None:
    async with copying(services, source, target) as copy:
        unit = scrubbed(copy, "people", {"notes": ("redact", "{}")}, packed=True)
        error = await refused(copy, copy.request("p0", unit, scrub=REQUIRED, policy_digest=POLICY), target)
    assert isinstance(error, InvalidRequest)


async def test_a_huge_cell_in_packed_rows_is_named(services: System, source: Database, target: Database) -> None:
    rows = "INSERT INTO people (id, notes) VALUES (1, 'a'), (2, repeat('kestrel', 1000000))"
    async with copying(services, source, target, rows) as copy:
        request = copy.request("p0", copy.unit("people", copy.stage("people", packed=True)))
        request.context.max_cell_bytes = 1_000_000
        error = await refused(copy, request, target)
        assert isinstance(error, CellTooLarge)
        assert (error.place.dataset, error.place.column, error.place.ordinal) == ("public.people", "notes", 1)
        request.context.max_cell_bytes = 10_000_000
        request.epoch = 2
        await copy.load(request)
    assert await fingerprint(target, "people") == await fingerprint(source, "people")


async def test_cells_are_measured_and_packed_rows_are_not(services: System, source: Database, target: Database) -> None:
    rows = "INSERT INTO people (id, notes, tags) SELECT 1, body, ARRAY[body] FROM repeat('kestrel', 100000) body"
    async with copying(services, source, target, rows) as copy:
        request = copy.request("p0", copy.unit("people", copy.stage("people", packed=True)))
        request.context.max_cell_bytes = 1_000_000
        await copy.load(request)
    assert await fingerprint(target, "people") == await fingerprint(source, "people")

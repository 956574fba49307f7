"""A preview shows a few rows as they would be loaded, short enough to look at, and leaves nothing behind."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from elute.v1 import connector_pb2, stage_pb2
from elute_wire.errors import InvalidRequest, TreatmentMissing
from elute_wire.status import from_rpc
from tests.elute_connector.integration.service.copying import Copier, copier
from tests.elute_connector.integration.service.holding import until, until_free
from tests.elute_connector.integration.service.scrubbing import scrubbing_stage
from tests.support.postgresql import Database
from tests.support.services import System

TABLE = "CREATE TABLE people (id bigint, name text, born date, balance numeric, ratio float8, tags text[])"
ROWS = """INSERT INTO people SELECT g, 'Jane ' || g, date '2000-01-01' + g, g * 1.5, 'NaN', ARRAY['a']
          FROM generate_series(1, 500) g"""
MOMENTS = """CREATE TABLE moments (day date, hour time, naive timestamp, moment timestamptz, yes bool, raw bytea);
    INSERT INTO moments VALUES
        ('infinity', '24:00', '-infinity', 'infinity', true, '\\x0102'),
        ('0044-03-15 BC', '12:30', '12000-01-01', '2020-01-31 10:00+00', false, ''),
        (NULL, NULL, NULL, NULL, NULL, NULL)"""


@pytest.fixture
async def copy(services: System, source: Database, target: Database) -> AsyncIterator[Copier]:
    source.run(TABLE)
    source.run(ROWS)
    async with copier(services, source, target) as made:
        made.snapshot_id = ""
        yield made


def scrubbing(copy: Copier) -> stage_pb2.Stage:
    return scrubbing_stage(copy, "people", {"name": ("mask", '{"first": 1}')})


async def previewed(copy: Copier, stage: stage_pb2.Stage, limit: int = 3, **more: Any) -> list[dict[str, Any]]:
    request = connector_pb2.PreviewRequest(stage=stage, limit_rows=limit, **more)
    return [json.loads(row) for row in (await copy.stub.Preview(request)).rows]


async def test_a_preview_shows_scrubbed_rows_and_what_is_kept_as_its_store_writes_it(copy: Copier) -> None:
    rows = await previewed(copy, scrubbing(copy))
    assert len(rows) == 3
    assert rows[0] == {
        "id": 1,
        "name": "J*****",
        "born": "2000-01-02",
        "balance": "1.5",
        "ratio": "nan",
        "tags": "{a}",
    }


@pytest.mark.parametrize("lane", [stage_pb2.LANE_WIRE, stage_pb2.LANE_TYPED])
async def test_every_value_has_a_json_form_however_it_travels(
    copy: Copier, source: Database, lane: stage_pb2.Lane.ValueType
) -> None:
    source.run(MOMENTS)
    await copy.discover()
    stage = copy.stage("moments")
    for column in stage.extract.columns:
        column.lane = lane
    request = connector_pb2.PreviewRequest(stage=stage, limit_rows=3, scrub=connector_pb2.SCRUB_MODE_OFF)

    def refused(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    answer = await copy.stub.Preview(request)
    special, plain, missing = (list(json.loads(row, parse_constant=refused).values()) for row in answer.rows)
    typed = lane == stage_pb2.LANE_TYPED
    assert special[:5] == ["infinity", "24:00:00", "-infinity", "infinity", True]
    assert special[5] == ({"bytes": 2} if typed else "\\x0102")
    assert plain[4] is False
    assert all(
        str(shown).startswith(date) for shown, date in zip(plain[2:4], ("12000-01-01", "2020-01-31"), strict=True)
    )
    assert missing == [None] * 6


async def test_what_would_travel_as_whole_rows_is_shown_by_column(copy: Copier) -> None:
    stage = copy.stage("people", packed=True)
    rows = await previewed(copy, stage, 1, scrub=connector_pb2.SCRUB_MODE_OFF)
    assert rows[0]["name"] == "Jane 1"


async def test_long_texts_are_cut_so_that_a_hundred_rows_fit_into_an_answer(copy: Copier, source: Database) -> None:
    source.run("UPDATE people SET name = repeat('x', 50000)")
    stage = copy.stage("people")
    stage.extract.columns[1].lane = stage_pb2.LANE_TYPED
    rows = await previewed(copy, stage, 100, scrub=connector_pb2.SCRUB_MODE_OFF)
    assert len(rows) == 100
    assert {len(row["name"]) for row in rows} == {501}
    assert rows[0]["name"].endswith("x…")


async def test_a_preview_of_wide_rows_ends_early(copy: Copier, source: Database) -> None:
    columns = [f"c{number}" for number in range(200)]
    source.run(f"CREATE TABLE wide ({', '.join(f'{name} text' for name in columns)})")
    values = ", ".join("repeat('x', 1000)" for _ in columns)
    source.run(f"INSERT INTO wide SELECT {values} FROM generate_series(1, 100)")
    await copy.discover()
    rows = await previewed(copy, copy.stage("wide"), 100, scrub=connector_pb2.SCRUB_MODE_OFF)
    assert 1 < len(rows) < 100


async def test_nothing_untreated_is_shown_unless_scrubbing_is_off(copy: Copier) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await previewed(copy, copy.stage("people"))
    error = from_rpc(caught.value, "previewing", "connector")
    assert isinstance(error, TreatmentMissing)
    assert error.place.column == "id"
    assert len(await previewed(copy, copy.stage("people"), scrub=connector_pb2.SCRUB_MODE_OFF)) == 3


@pytest.mark.parametrize("limit", [0, 101])
async def test_from_1_to_100_rows_are_shown(copy: Copier, limit: int) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await previewed(copy, scrubbing(copy), limit)
    assert isinstance(from_rpc(caught.value, "previewing", "connector"), InvalidRequest)


async def test_every_preview_shows_the_present_and_holds_nothing_after(copy: Copier, source: Database) -> None:
    for name in ("first", "second"):
        source.run(f"UPDATE people SET name = '{name}'")
        stage = copy.stage("people", limit_rows=2)
        stage.extract.columns[1].lane = stage_pb2.LANE_TYPED
        rows = await previewed(copy, stage, scrub=connector_pb2.SCRUB_MODE_OFF)
        assert {row["name"] for row in rows} == {name}
        await until_free(source, "people")
    await until(source, "NOT EXISTS (SELECT FROM pg_stat_activity WHERE state LIKE 'idle in%')")

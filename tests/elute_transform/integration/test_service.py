"""The service over its sockets: judged before a run, and a stage in the middle of a chain."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from elute.v1 import catalog_pb2, stage_pb2, transform_pb2, transform_pb2_grpc
from elute_transform.domain.sample import SAMPLE
from elute_transform.grpc_api.service import CONTRACTS, TransformService
from elute_wire.address import Address
from elute_wire.channel import Peers, ServiceChannel
from elute_wire.errors import CellTooLarge, InvalidRequest, PlanRefused, StreamTruncated, ValueRejected
from elute_wire.frames import FrameEncoder
from elute_wire.identity import ServiceName
from elute_wire.schema_messages import to_logical
from elute_wire.server import Server
from elute_wire.settings import ServiceSettings
from elute_wire.status import calling
from elute_wire.streams import opened
from tests.elute_transform.batches import DEFINITIONS, text
from tests.support.wire import CONTRACTS as CONNECTOR_CONTRACTS
from tests.support.wire import Pretend

CUSTOMERS = catalog_pb2.DatasetName(schema="shop", name="customers")
TRIM = ("clean_text", {"columns": ["t"], "trim": True})


class Chain:
    """A pretend connector that streams given batches, and the transform service that pulls from it."""

    def __init__(self, folder: Path) -> None:
        self.batches: Sequence[pa.RecordBatch] = ()
        self.rejected: Sequence[stage_pb2.Rejected] = ()
        self.is_cut_off = False
        self._settings = ServiceSettings.model_validate(
            {
                "listen_address": f"unix:{folder}/transform.sock",
                "connector_address": f"unix:{folder}/connector.sock",
                "transform_address": f"unix:{folder}/transform.sock",
            }
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Peers]:
        connector_settings = self._settings.model_copy(update={"listen_address": self._settings.connector_address})
        with ThreadPoolExecutor(2) as executor:
            async with AsyncExitStack() as stack:
                peers = await stack.enter_async_context(Peers(self._settings))
                service = TransformService(DEFINITIONS, peers, executor)
                for name, settings, contracts, hosted in (
                    (ServiceName.CONNECTOR, connector_settings, CONNECTOR_CONTRACTS, Pretend(open=self._frames)),
                    (ServiceName.TRANSFORM, self._settings, CONTRACTS, service),
                ):
                    server = Server(name, settings, contracts, hosted)
                    stack.push_async_callback(server.stop)
                    await server.start()
                yield peers

    async def _frames(self, _: stage_pb2.OpenRequest) -> AsyncIterator[bytes]:
        encoder = FrameEncoder()
        for frame in encoder.schema(self.batches[0].schema):
            yield frame
        for row in self.rejected:
            yield encoder.rejected(row)
        for batch in self.batches:
            for frame in encoder.batch(batch):
                yield frame
        if not self.is_cut_off:
            rows = sum(batch.num_rows for batch in self.batches)
            yield encoder.trailer([stage_pb2.StageCount(operation="extract", rows_in=rows, rows_out=rows)], b"")


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[tuple[Chain, Peers]]:
    made = Chain(tmp_path)
    async with made.running() as peers:
        yield made, peers


def stage(*steps: tuple[str, Mapping[str, object]]) -> stage_pb2.Stage:
    written = [
        stage_pb2.Step(step=name, config=json.dumps(config), pointer=f"/clean/{place}")
        for place, (name, config) in enumerate(steps)
    ]
    transform = stage_pb2.Transform(dataset=CUSTOMERS, steps=written)
    return stage_pb2.Stage(transform=transform, input=stage_pb2.Stage(extract=stage_pb2.Extract(dataset=CUSTOMERS)))


async def pull(
    peers: Peers, asked: stage_pb2.Stage, max_cell_bytes: int = 0
) -> tuple[list[Any], list[stage_pb2.StageCount]]:
    context = stage_pb2.StreamContext(partition_id="7", max_cell_bytes=max_cell_bytes)
    async with opened(asked, context, peers) as stream:
        items = [item async for item in stream.items]
        return items, stream.tally.counts


async def test_batches_come_out_clean_and_counted(chain: tuple[Chain, Peers]) -> None:
    source, peers = chain
    source.batches = [text("t", [" a", None]), text("t", []), text("t", ["b "])]
    source.rejected = [stage_pb2.Rejected(pointer="/clean/9", reason="check", ordinal=1, sealed=b"x")]
    items, counts = await pull(peers, stage(TRIM))
    assert [item.column("t").to_pylist() for item in items[1:]] == [["a", None], ["b"]]
    assert items[0] == source.rejected[0], "a row that another stage set aside passes unread"
    assert [(count.operation, count.rows_in, count.rows_out) for count in counts] == [
        ("extract", 3, 3),
        ("transform", 3, 3),
    ]


async def test_a_value_that_no_step_takes_ends_the_stream_with_its_place(chain: tuple[Chain, Peers]) -> None:
    source, peers = chain
    source.batches = [text("t", ["1", "2"]), text("t", ["canary"])]
    number = ("derive", {"column": "n", "expression": "CAST(t AS INT)", "type": "int32"})
    with pytest.raises(ValueRejected) as caught:
        await pull(peers, stage(number))
    place = caught.value.place
    assert (place.dataset, place.column, place.ordinal, place.partition) == ("shop.customers", "n", 2, "7")
    assert "canary" not in str(vars(caught.value))


async def test_a_cell_that_a_step_made_too_large_ends_the_stream_with_its_place(chain: tuple[Chain, Peers]) -> None:
    source, peers = chain
    source.batches = [text("t", ["a", "b"]), text("t", ["c", "d" * 600])]
    twice = ("derive", {"column": "twice", "expression": "t || t", "type": "text"})
    assert len((await pull(peers, stage(twice), max_cell_bytes=1_200))[0]) == 2
    with pytest.raises(CellTooLarge) as caught:
        await pull(peers, stage(twice), max_cell_bytes=1_000)
    assert (caught.value.place.column, caught.value.place.ordinal) == ("twice", 3)
    assert "cleaning dataset shop.customers: a cell of column twice has" in str(caught.value)


async def test_steps_that_do_not_fit_the_stream_are_refused_before_the_first_row(chain: tuple[Chain, Peers]) -> None:
    source, peers = chain
    source.batches = [text("u", ["a"])]
    with pytest.raises(PlanRefused) as caught:
        await pull(peers, stage(TRIM))
    assert [(problem.code, problem.pointer) for problem in caught.value.problems] == [
        ("unknown-column", "/clean/0/columns/0")
    ]


async def test_a_source_that_is_cut_off_is_not_taken_for_an_end(chain: tuple[Chain, Peers]) -> None:
    source, peers = chain
    source.batches, source.is_cut_off = [text("t", ["a"])], True
    with pytest.raises(StreamTruncated):
        await pull(peers, stage(TRIM))


async def test_steps_without_an_input_are_refused(chain: tuple[Chain, Peers]) -> None:
    _, peers = chain
    alone = stage(TRIM)
    alone.ClearField("input")
    with pytest.raises(InvalidRequest, match="no stage feeds the steps"):
        await pull(peers, alone)


def plan(*fields: transform_pb2.FieldDescription) -> transform_pb2.TransformPlan:
    renamed = stage_pb2.Step(step="rename", config='{"columns": {"id": "key"}}', pointer="/clean/0")
    clean = stage_pb2.Step(step="clean_text", config='{"columns": ["email"], "empty": null}', pointer="/clean/1")
    wrong = stage_pb2.Step(step="derive", config='{"column": "d", "expression": "x"}', pointer="/clean/2")
    transform = stage_pb2.Transform(dataset=CUSTOMERS, steps=[renamed, clean, wrong])
    return transform_pb2.TransformPlan(transform=transform, fields=fields)


FIELDS = [
    transform_pb2.FieldDescription(
        name=name,
        formatted_type=column.source_type,
        logical=to_logical(column.logical),
        nullable=column.nullable,
    )
    for name, column in SAMPLE.items()
]


async def test_validate_answers_columns_and_every_problem(chain: tuple[Chain, Peers]) -> None:
    _, peers = chain
    stub = transform_pb2_grpc.TransformServiceStub(peers.channel(ServiceName.TRANSFORM))
    request = transform_pb2.ValidateTransformRequest(plans=[plan(*FIELDS), plan()])
    first, second = (await stub.ValidateTransform(request)).outcomes
    assert [field.name for field in first.fields] == ["key", *list(SAMPLE)[1:]]
    key, email = first.fields[0], first.fields[3]
    assert (key.origin, key.formatted_type, key.nullable) == ("id", "bigint", False)
    assert (email.origin, email.nullable) == ("email", True)
    assert (list(first.touched), list(first.changed)) == (["email"], ["email"])
    assert [(problem.code, problem.pointer) for problem in first.problems] == [("invalid-option", "/clean/2/type")]
    assert [problem.code for problem in second.problems] == ["unknown-column", "unknown-column", "invalid-option"]
    assert second.dataset == CUSTOMERS


async def test_a_column_that_comes_twice_or_without_a_type_is_refused(chain: tuple[Chain, Peers]) -> None:
    _, peers = chain
    stub = transform_pb2_grpc.TransformServiceStub(peers.channel(ServiceName.TRANSFORM))
    for fields in ([FIELDS[0], FIELDS[0]], [transform_pb2.FieldDescription(name="x")]):
        with pytest.raises(InvalidRequest), calling("transform", "validating"):
            await stub.ValidateTransform(transform_pb2.ValidateTransformRequest(plans=[plan(*fields)]))


async def test_the_process_serves_and_leaves_when_told(tmp_path: Path) -> None:
    address = Address.parse(f"unix:{tmp_path}/t.sock")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "elute_transform"), env={**os.environ, "ELUTE_LISTEN_ADDRESS": str(address)}
    )
    try:
        async with asyncio.timeout(15), ServiceChannel(address, None) as channel:
            await channel.channel_ready()
            answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

"""Around every call: who asks, in which version, under which id, how it ends, and that no foreign word gets out."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio
import pytest

from elute.v1 import connector_pb2, connector_pb2_grpc, stage_pb2
from elute_wire import errors, metrics, status
from elute_wire.channel import ending
from elute_wire.errors import EluteError, Foreign, Place
from elute_wire.protocol import PROTOCOL_KEY
from elute_wire.telemetry import about, request_id
from tests.support.wire import Client, Connect, Pretend, Serve, three_frames

CANARY = "jane.doe@example.com"
CHECK = "/elute.v1.ConnectorService/Check"
OPEN = "/elute.v1.StageService/Open"
Logged = Callable[[], list[dict[str, Any]]]


def failing(error: BaseException, *, after_frames: bool = False) -> Pretend:
    async def check(_request: connector_pb2.CheckRequest) -> connector_pb2.CheckResponse:
        raise error

    async def open_stage(request: stage_pb2.OpenRequest) -> AsyncIterator[bytes]:
        if after_frames:
            async for frame in three_frames(request):
                yield frame
        raise error

    return Pretend(check, open_stage)


async def failure(client: Client, method: str) -> EluteError:
    with pytest.raises(EluteError) as caught, status.calling("connector", "asking"):
        await (client.check() if method == CHECK else client.open("p7"))
    return caught.value


def series(name: str, **labels: str) -> float:
    value = metrics.REGISTRY.get_sample_value(name, labels)
    assert value is not None, f"{name}{labels} does not exist"
    return value


async def test_unary_answers_and_raw_streams_pass(serve: Serve, connect: Connect) -> None:
    async with serve() as server, connect(server) as client:
        assert (await client.check()).server_version == "18.4"
        assert [frame.ipc for frame in await client.open()] == [b"\0", b"\1", b"\2"]


async def test_a_handler_that_writes_by_itself_passes(serve: Serve, connect: Connect) -> None:
    async with serve() as server, connect(server) as client:
        call = client.connector.HoldSnapshot(connector_pb2.HoldSnapshotRequest(), timeout=10)
        assert [answer.snapshot_id async for answer in call] == ["1"]


async def test_a_method_that_streams_requests_is_not_served(serve: Serve, connect: Connect) -> None:
    async with serve() as server, connect(server) as client:
        with pytest.raises(errors.ProtocolMismatch), status.calling("connector", "loading"):
            async for _ in client.connector.Load(connector_pb2.LoadRequest(), timeout=10):
                pass


@pytest.mark.parametrize("method", [CHECK, OPEN])
@pytest.mark.parametrize("kind", [errors.PlanRefused, errors.SnapshotLost, errors.CellTooLarge, errors.FenceLost])
async def test_an_error_arrives_as_itself_with_its_place(
    serve: Serve, connect: Connect, kind: type[EluteError], method: str
) -> None:
    raised = kind("reading dataset a.b", "do that", Place(dataset="a.b"), Foreign("X", "23505"))
    async with serve(failing(raised, after_frames=True)) as server, connect(server) as client:
        error = await failure(client, method)
    assert type(error) is kind
    assert error.message == "asking: reading dataset a.b"
    assert error.hint == "do that"
    assert error.place == Place(dataset="a.b", service="connector")
    assert error.foreign == Foreign("X", "23505")


async def test_a_refusal_with_hundreds_of_problems_arrives(serve: Serve, connect: Connect) -> None:
    problems = [errors.Problem("uncovered-column", f"column c{n} é has no rule " * 5) for n in range(2_000)]
    async with serve(failing(errors.PlanRefused("planning", problems=problems))) as server, connect(server) as client:
        error = await failure(client, CHECK)
    assert isinstance(error, errors.PlanRefused)
    assert len(error.problems) > 100
    assert error.problems[-1].code == "more-problems"


@pytest.mark.parametrize("method", [CHECK, OPEN])
@pytest.mark.parametrize(
    "raised",
    [
        ValueError(CANARY),
        KeyError(CANARY),
        TimeoutError(CANARY),
        OSError(2, CANARY, CANARY),
        UnicodeDecodeError("utf-8", CANARY.encode(), 0, 1, CANARY),
        NotImplementedError(CANARY),
        StopIteration(CANARY),
        RuntimeError(CANARY, {CANARY: CANARY}),
        ExceptionGroup(CANARY, [ValueError(CANARY), ExceptionGroup(CANARY, [KeyError(CANARY)])]),
        type("Odd", (Exception,), {"__str__": lambda _self: 1 / 0, "__repr__": lambda _self: CANARY})(CANARY),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.rpartition("/")[2],
)
async def test_a_foreign_exception_leaves_its_class_and_nothing_else(
    serve: Serve, connect: Connect, logged: Logged, raised: Exception, method: str
) -> None:
    raised.__cause__ = ValueError(CANARY)
    raised.add_note(CANARY)
    async with serve(failing(raised, after_frames=True)) as server, connect(server) as client:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await (client.check() if method == CHECK else client.open())
    assert CANARY not in repr(caught.value)
    assert CANARY not in repr(caught.value.trailing_metadata())
    error = status.from_rpc(caught.value, "asking", "connector")
    assert isinstance(error, errors.InternalFault)
    assert error.message.startswith(f"asking: answering {method}: unexpected ")
    lines = logged()
    assert [line["event"] for line in lines if line["level"] == "error"] == ["request failed by a defect"]
    assert "test_interceptors.py:" in json.dumps(lines)  # where it came from
    assert CANARY not in json.dumps(lines)
    assert CANARY.encode() not in metrics.exposition()


async def test_our_error_inside_a_task_group_counts(serve: Serve, connect: Connect) -> None:
    group = ExceptionGroup("unhandled", [ValueError(CANARY), errors.StoreBusy("waiting for a lock")])
    async with serve(failing(group)) as server, connect(server) as client:
        assert isinstance(await failure(client, CHECK), errors.StoreBusy)


async def test_work_that_was_interrupted_inside_is_answered(serve: Serve, connect: Connect) -> None:
    async with serve(failing(asyncio.CancelledError(CANARY))) as server, connect(server) as client:
        for method in (CHECK, OPEN):
            error = await failure(client, method)
            assert isinstance(error, errors.ServiceUnavailable)
            assert error.message == f"asking: answering {method}: the work was interrupted"


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ((), "not of the form"),
        (((PROTOCOL_KEY, "7-9"),), "versions 1-1, the caller 7-9"),
        (((PROTOCOL_KEY, "x"),), "not"),
    ],
)
async def test_a_caller_of_another_or_no_version_is_refused(
    serve: Serve, metadata: tuple[tuple[str, str], ...], reason: str
) -> None:
    async with serve() as server, grpc.aio.insecure_channel(server.address.target) as channel:
        stub = connector_pb2_grpc.ConnectorServiceStub(channel)
        with pytest.raises(errors.ProtocolMismatch, match=reason), status.calling("connector", "asking"):
            await stub.Check(connector_pb2.CheckRequest(), metadata=metadata, timeout=10)


async def test_a_request_keeps_its_id_run_and_partition_in_logs_of_every_service(
    serve: Serve, connect: Connect, logged: Logged
) -> None:
    seen = []

    async def open_stage(_request: stage_pb2.OpenRequest) -> AsyncIterator[bytes]:
        seen.append(request_id())
        raise errors.FenceLost("loading")
        yield b""

    async with serve(Pretend(open=open_stage)) as server, connect(server) as client:
        with about(request="request-1"):
            await failure(client, OPEN)
        with about(request="x" * 65):
            await failure(client, OPEN)
        await failure(client, OPEN)
    assert seen[0] == "request-1"
    assert [len(made) for made in seen[1:]] == [32, 32]
    line = next(line for line in logged() if line["event"] == "request failed")
    assert (line["request"], line["run"], line["partition"]) == ("request-1", "run-1", "p7")
    assert (line["method"], line["code"], line["error"]) == (OPEN, "fence-lost", "loading")


async def test_calls_and_errors_are_counted_from_zero(serve: Serve, connect: Connect) -> None:
    async with serve(failing(errors.CellTooLarge("reading"))) as server, connect(server) as client:
        refused = series("elute_server_requests_total", method=CHECK, code="OUT_OF_RANGE")
        told = series("elute_errors_total", code="cell-too-large")
        took = series("elute_server_request_seconds_count", method=CHECK)
        await failure(client, CHECK)
        # The caller may know sooner than the server has counted.
        async with asyncio.timeout(5):
            while series("elute_server_requests_total", method=CHECK, code="OUT_OF_RANGE") == refused:
                await asyncio.sleep(0.005)
        assert series("elute_server_requests_total", method=CHECK, code="OUT_OF_RANGE") == refused + 1
        assert series("elute_errors_total", code="cell-too-large") == told + 1
        assert series("elute_server_request_seconds_count", method=CHECK) == took + 1
        assert series("elute_server_requests_in_flight", method=CHECK) == 0
    for code in grpc.StatusCode:
        series("elute_server_requests_total", method="/elute.v1.ConnectorService/Load", code=code.name)
    for error in errors.BY_CODE:
        series("elute_errors_total", code=error)


async def test_a_cancelled_call_lets_go_at_once(serve: Serve, connect: Connect) -> None:
    let_go = asyncio.Event()
    started = asyncio.Event()

    async def open_stage(_request: stage_pb2.OpenRequest) -> AsyncIterator[bytes]:
        try:
            while True:
                yield stage_pb2.Frame(ipc=bytes(100_000)).SerializeToString()
                started.set()
        finally:
            let_go.set()

    before = None
    async with serve(Pretend(open=open_stage)) as server, connect(server) as client:
        before = series("elute_server_requests_total", method=OPEN, code="CANCELLED")
        with ending(client.stage.Open(stage_pb2.OpenRequest())) as call:
            await call.read()
            await started.wait()
            assert series("elute_server_requests_in_flight", method=OPEN) == 1
        cancelled = time.perf_counter()
        await asyncio.wait_for(let_go.wait(), 1)
        assert time.perf_counter() - cancelled < 0.5
        await asyncio.sleep(0.05)
        assert series("elute_server_requests_total", method=OPEN, code="CANCELLED") == before + 1
        assert series("elute_server_requests_in_flight", method=OPEN) == 0


async def test_a_deadline_ends_the_work_on_both_sides(serve: Serve, connect: Connect) -> None:
    let_go = asyncio.Event()

    async def check(_request: connector_pb2.CheckRequest) -> connector_pb2.CheckResponse:
        try:
            await asyncio.sleep(60)
        finally:
            let_go.set()
        raise AssertionError

    async with serve(Pretend(check=check)) as server, connect(server) as client:
        with pytest.raises(errors.DeadlineExceeded), status.calling("connector", "asking"):
            await client.connector.Check(connector_pb2.CheckRequest(), timeout=0.2)
        await asyncio.wait_for(let_go.wait(), 1)

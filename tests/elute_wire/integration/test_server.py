"""A service says when it is ready, answers about itself, and leaves without losing a call."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from elute.v1 import stage_pb2
from elute_wire import errors, readiness, status
from elute_wire.address import Address
from elute_wire.errors import InvalidRequest
from tests.support.wire import Client, Connect, Pretend, Serve

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def health(client: Client, service: str = "elute.v1.StageService") -> int:
    stub = health_pb2_grpc.HealthStub(client.channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
    return int(answer.status)


async def ask(address: Address | None, request: bytes) -> tuple[str, bytes]:
    assert address is not None
    if address.socket:
        reader, writer = await asyncio.open_unix_connection(address.socket)
    else:
        reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0].decode(), body


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "EVERY_SECONDS", 0.02)


async def becomes(client: Client, answer: int) -> None:
    async with asyncio.timeout(3):
        while await health(client) != answer:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "why", [errors.KeyUnavailable("reading the key ring"), ValueError("x")], ids=["ours", "foreign"]
)
async def test_a_service_serves_once_it_is_ready_and_as_long_as_it_is(
    serve: Serve, connect: Connect, why: errors.EluteError | Exception
) -> None:
    service = Pretend(unready=why)
    async with serve(service, metrics_address="127.0.0.1:0") as served, connect(served) as client:
        assert await health(client) == NOT_SERVING
        assert (await ask(served.metrics_address, get("/readyz")))[0] == "HTTP/1.1 503 Service Unavailable"
        service.unready = None
        await becomes(client, SERVING)
        assert await health(client, "") == SERVING
        assert await ask(served.metrics_address, get("/readyz")) == ("HTTP/1.1 200 OK", b"ready\n")
        service.unready = why
        await becomes(client, NOT_SERVING)


@pytest.mark.parametrize("where", ["127.0.0.1:0", "unix:{}/metrics.sock"])
async def test_a_process_answers_about_itself_over_http(serve: Serve, tmp_path: Path, where: str) -> None:
    async with serve(metrics_address=where.format(tmp_path)) as served:
        status_line, body = await ask(served.metrics_address, get("/metrics"))
        assert status_line == "HTTP/1.1 200 OK"
        assert b'elute_server_requests_total{code="OK",method="/elute.v1.StageService/Open"}' in body
        assert await ask(served.metrics_address, get("/livez")) == ("HTTP/1.1 200 OK", b"alive\n")
        assert (await ask(served.metrics_address, get("/other")))[0] == "HTTP/1.1 404 Not Found"
        assert (await ask(served.metrics_address, b"POST /metrics HTTP/1.1\r\n\r\n"))[
            0
        ] == "HTTP/1.1 405 Method Not Allowed"
        assert await ask(served.metrics_address, b"x" * 70_000) == ("", b"")


async def test_a_service_that_leaves_refuses_streams_and_finishes_the_running(serve: Serve, connect: Connect) -> None:
    go_on = asyncio.Event()

    async def open_stage(_request: stage_pb2.OpenRequest) -> AsyncIterator[bytes]:
        yield stage_pb2.Frame(ipc=b"1").SerializeToString()
        await go_on.wait()
        yield stage_pb2.Frame(ipc=b"2").SerializeToString()

    service = Pretend(open=open_stage)
    async with serve(service, endpoint_wait_seconds=0.1) as served, connect(served) as client:
        running = aiter(client.stage.Open(stage_pb2.OpenRequest(), timeout=10))
        await anext(running)
        drained = asyncio.create_task(served.drain())
        await becomes(client, NOT_SERVING)
        late = aiter(client.stage.Open(stage_pb2.OpenRequest(), timeout=10))
        assert (await anext(late)).ipc == b"1"  # balancers do not know yet: still served
        await service.drained.wait()
        with pytest.raises(errors.ServiceUnavailable, match="stopping"), status.calling("connector", "pulling"):
            await client.open()
        assert (await client.check()).server_version == "18.4"
        assert not drained.done()
        go_on.set()
        await asyncio.wait_for(drained, 2)
        assert [frame.ipc async for frame in running] == [b"2"]
        assert [frame.ipc async for frame in late] == [b"2"]
        service.unready = None
        await asyncio.sleep(0.1)
        assert await health(client) == NOT_SERVING  # for good


async def test_a_hand_over_that_fails_costs_no_running_stream(serve: Serve, connect: Connect) -> None:
    go_on = asyncio.Event()

    async def open_stage(_request: stage_pb2.OpenRequest) -> AsyncIterator[bytes]:
        yield stage_pb2.Frame(ipc=b"1").SerializeToString()
        await go_on.wait()

    class Clumsy(Pretend):
        async def drain(self) -> None:
            await super().drain()
            raise OSError

    service = Clumsy(open=open_stage)
    async with serve(service) as served, connect(served) as client:
        running = aiter(client.stage.Open(stage_pb2.OpenRequest(), timeout=10))
        await anext(running)
        drained = asyncio.create_task(served.drain())
        await service.drained.wait()
        go_on.set()
        assert [frame async for frame in running] == []
        await asyncio.wait_for(drained, 2)


async def test_streams_that_do_not_end_in_time_are_cut_off(serve: Serve, connect: Connect) -> None:
    async def open_stage(_request: stage_pb2.OpenRequest) -> AsyncIterator[bytes]:
        yield stage_pb2.Frame(ipc=b"1").SerializeToString()
        await asyncio.Event().wait()

    async with serve(Pretend(open=open_stage), drain_seconds=0.1) as served, connect(served) as client:
        running = client.stage.Open(stage_pb2.OpenRequest())
        await running.read()
        await asyncio.wait_for(served.drain(), 1)
        await served.stop(0.1)
        with pytest.raises(errors.ServiceUnavailable), status.calling("connector", "pulling"):
            await running.read()


async def test_a_socket_that_nobody_answers_is_taken_over_and_private(serve: Serve, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s.sock"))
    async with serve() as served:
        assert served.address.socket is not None
        assert served.address.socket.stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "s.sock").exists()


async def test_an_address_that_another_answers_is_refused(serve: Serve) -> None:
    async with serve():
        with pytest.raises(InvalidRequest, match="another process does"):
            async with serve():
                pass
    async with serve(listen_address="127.0.0.1:0", metrics_address="127.0.0.1:0") as served:
        with pytest.raises(InvalidRequest, match="it is taken"):
            async with serve(listen_address=served.address):
                pass
        with pytest.raises(InvalidRequest, match="listening for metrics"):
            async with serve(listen_address="127.0.0.1:0", metrics_address=served.metrics_address):
                pass

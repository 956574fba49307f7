"""A small service with the real contracts, a client for it, and certificates."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

import grpc
import grpc.aio
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from elute.v1 import connector_pb2, connector_pb2_grpc, stage_pb2, stage_pb2_grpc
from elute_wire.errors import EluteError
from elute_wire.server import Server
from elute_wire.tls import Certificates

CONTRACTS = (
    connector_pb2.DESCRIPTOR.services_by_name["ConnectorService"],
    stage_pb2.DESCRIPTOR.services_by_name["StageService"],
)
Check = Callable[[connector_pb2.CheckRequest], Awaitable[connector_pb2.CheckResponse]]
Open = Callable[[stage_pb2.OpenRequest], AsyncIterator[bytes]]


async def checked(_request: connector_pb2.CheckRequest) -> connector_pb2.CheckResponse:
    return connector_pb2.CheckResponse(server_version="18.4")


async def three_frames(_request: stage_pb2.OpenRequest) -> AsyncIterator[bytes]:
    for number in range(3):
        yield stage_pb2.Frame(ipc=bytes([number])).SerializeToString()


@dataclass
class Pretend:
    """A service whose two methods, one unary and one of raw frames, a test gives."""

    check: Check = checked
    open: Open = three_frames
    unready: EluteError | Exception | None = None
    drained: asyncio.Event = field(default_factory=asyncio.Event)

    def register(self, server: grpc.aio.Server) -> None:
        async def check(request: connector_pb2.CheckRequest, _context: object) -> connector_pb2.CheckResponse:
            return await self.check(request)

        async def hold(_request: object, context: Any) -> None:
            await context.write(connector_pb2.HoldSnapshotResponse(snapshot_id="1"))

        def open_stage(request: stage_pb2.OpenRequest, _context: object) -> AsyncIterator[bytes]:
            return self.open(request)

        control: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Check": grpc.unary_unary_rpc_method_handler(
                check,
                connector_pb2.CheckRequest.FromString,
                connector_pb2.CheckResponse.SerializeToString,
            ),
            "HoldSnapshot": grpc.unary_stream_rpc_method_handler(
                hold,
                connector_pb2.HoldSnapshotRequest.FromString,
                connector_pb2.HoldSnapshotResponse.SerializeToString,
            ),
            "Load": grpc.stream_stream_rpc_method_handler(lambda _requests, _context: None),
        }
        raw: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Open": grpc.unary_stream_rpc_method_handler(open_stage, stage_pb2.OpenRequest.FromString)
        }
        server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler("elute.v1.ConnectorService", control),
                grpc.method_handlers_generic_handler("elute.v1.StageService", raw),
            )
        )

    async def ready(self) -> None:
        if self.unready is not None:
            raise self.unready

    async def drain(self) -> None:
        self.drained.set()


@dataclass
class Client:
    """Both stubs on one channel."""

    channel: grpc.aio.Channel

    def __post_init__(self) -> None:
        self.connector = connector_pb2_grpc.ConnectorServiceStub(self.channel)
        self.stage = stage_pb2_grpc.StageServiceStub(self.channel)

    async def check(self) -> connector_pb2.CheckResponse:
        return await self.connector.Check(connector_pb2.CheckRequest(), timeout=10)

    async def open(self, partition: str = "") -> list[stage_pb2.Frame]:
        context = stage_pb2.StreamContext(run_id="run-1", partition_id=partition)
        call = self.stage.Open(stage_pb2.OpenRequest(context=context), timeout=10)
        return [frame async for frame in call]


Serve = Callable[..., AbstractAsyncContextManager[Server]]
Connect = Callable[..., AbstractAsyncContextManager[Client]]


def issue(authority: trustme.CA, *uris: str) -> Certificates:
    """Issue a certificate for loopback with URI names, which trustme itself does not make."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    signer = load_pem_private_key(authority.private_key_pem.bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    now = dt.datetime.now(dt.UTC)
    names = [x509.IPAddress(ip_address("127.0.0.1")), *map(x509.UniformResourceIdentifier, uris)]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(minutes=5))
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
        .sign(signer, SHA256())
    )
    return Certificates(
        certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        authority.cert_pem.bytes(),
    )

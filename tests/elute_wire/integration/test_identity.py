"""With certificates configured, a service is called by its callers alone; without, only from its own machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio
import pytest
import trustme

from elute.v1 import connector_pb2, connector_pb2_grpc
from elute_wire import errors, status
from elute_wire.protocol import PROTOCOL_KEY
from elute_wire.server import Server
from elute_wire.tls import Certificates
from tests.support.wire import Connect, Serve, issue


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def secured(serve: Serve, authority: trustme.CA, tmp_path: Path) -> AsyncIterator[Server]:
    own = issue(authority, "spiffe://elute/connector")
    files = {"tls_certificate_file": own.chain, "tls_key_file": own.key, "tls_ca_file": own.authorities}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
    told = {name: tmp_path / name for name in files}
    async with serve(listen_address="127.0.0.1:0", **told) as server:
        yield server


async def test_the_gateway_controls_and_a_stage_pulls(secured: Server, connect: Connect, authority: trustme.CA) -> None:
    async with connect(secured, issue(authority, "spiffe://elute/gateway")) as gateway:
        assert (await gateway.check()).server_version == "18.4"
    async with connect(secured, issue(authority, "spiffe://elute/anonymizer")) as anonymizer:
        assert len(await anonymizer.open()) == 3


async def test_neither_does_the_other_s_work(secured: Server, connect: Connect, authority: trustme.CA) -> None:
    async with connect(secured, issue(authority, "spiffe://elute/gateway")) as gateway:
        with (
            pytest.raises(errors.Forbidden, match="the gateway service may not"),
            status.calling("connector", "pulling"),
        ):
            await gateway.open()
    async with connect(secured, issue(authority, "spiffe://elute/anonymizer")) as anonymizer:
        with pytest.raises(errors.Forbidden, match="Check"), status.calling("connector", "asking"):
            await anonymizer.check()


@pytest.mark.parametrize(
    "names", [(), ("spiffe://elute/stranger",), ("spiffe://elute/gateway", "spiffe://elute/connector")]
)
async def test_a_certificate_that_names_no_service_or_two_is_refused(
    secured: Server, connect: Connect, authority: trustme.CA, names: tuple[str, ...]
) -> None:
    async with connect(secured, issue(authority, *names)) as stranger:
        with pytest.raises(errors.Unauthenticated), status.calling("connector", "asking"):
            await stranger.check()


async def test_another_authority_s_certificate_is_refused(
    secured: Server, connect: Connect, authority: trustme.CA
) -> None:
    foreign = issue(trustme.CA(), "spiffe://elute/gateway")
    forged = Certificates(foreign.chain, foreign.key, authority.cert_pem.bytes())
    async with connect(secured, forged) as forger:
        with pytest.raises(errors.ServiceUnavailable), status.calling("connector", "asking"):
            await forger.check()


async def test_a_server_of_another_authority_is_not_trusted(secured: Server, connect: Connect) -> None:
    async with connect(secured, issue(trustme.CA(), "spiffe://elute/gateway")) as gateway:
        with pytest.raises(errors.ServiceUnavailable), status.calling("connector", "asking"):
            await gateway.check()


async def test_no_certificate_and_plaintext_are_refused(
    secured: Server, connect: Connect, authority: trustme.CA
) -> None:
    metadata = ((PROTOCOL_KEY, "1-1"),)
    bare = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
    async with grpc.aio.secure_channel(secured.address.target, bare) as channel:
        stub = connector_pb2_grpc.ConnectorServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Check(connector_pb2.CheckRequest(), metadata=metadata, timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    async with connect(secured) as plain:
        with pytest.raises(errors.ServiceUnavailable), status.calling("connector", "asking"):
            await plain.check()

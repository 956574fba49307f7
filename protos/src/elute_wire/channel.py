"""Channels to our other services: mutual TLS, quick reconnects, and the metadata that every call carries.

A channel here is gRPC's own with the metadata and a default deadline put on each call as it starts. It uses no client
interceptor: those put themselves between a stream and its reader, at a cost per message.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar

import grpc
import grpc.aio

from elute.v1 import stage_pb2
from elute_wire.address import Address
from elute_wire.errors import InvalidRequest
from elute_wire.identity import ServiceName
from elute_wire.protocol import MAX_MESSAGE_BYTES, PROTOCOL_KEY, REQUEST_ID_KEY, SPOKEN
from elute_wire.settings import ServiceSettings
from elute_wire.status import DETAIL_BYTES
from elute_wire.telemetry import request_id
from elute_wire.tls import Certificates

UNARY_SECONDS = 600.0
"""The deadline of a unary call that names none; streams have none, their liveness is the keepalive's."""

_KEEPALIVE_OPTIONS = (
    # A process that was stopped for half a minute keeps its calls; a dead host is found within a minute.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 25_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)

TRANSPORT_OPTIONS = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # Between the two, gRPC refuses at random: make them one.
    ("grpc.max_metadata_size", 2 * DETAIL_BYTES),
    ("grpc.absolute_max_metadata_size", 2 * DETAIL_BYTES),
    *_KEEPALIVE_OPTIONS,
)
"""What both ends of a connection set."""

_CHANNEL_OPTIONS = (
    *TRANSPORT_OPTIONS,
    # A service that comes back is found within a second, not after gRPC's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.dns_min_time_between_resolutions_ms", 5_000),
    ("grpc.enable_retries", 0),  # who may repeat what is decided by an error's recovery
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)

_ROUND_ROBIN = ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]}))

_AnyCall = TypeVar("_AnyCall", bound=grpc.aio.Call)

Messages: TypeAlias = AsyncGenerator[bytes, None]
"""The frames of an open stage, the trailer last; raises what the stage raises."""

StageOpener: TypeAlias = Callable[[stage_pb2.OpenRequest], Messages]
"""Opens a stage of this process."""


class ServiceChannel(grpc.aio.Channel):
    """A channel to one of our services."""

    def __init__(self, address: Address, certificates: Certificates | None) -> None:
        """Open a channel; it connects at the first call.

        Args:
            address: Where the service is.
            certificates: Ours; None, or a Unix socket, for plaintext.
        """
        options = (*_CHANNEL_OPTIONS, _ROUND_ROBIN) if address.is_name else _CHANNEL_OPTIONS
        if certificates is None or address.socket is not None:
            self._channel = grpc.aio.insecure_channel(address.target, options)
        else:
            self._channel = grpc.aio.secure_channel(address.target, certificates.for_channel(), options)

    # The methods of gRPC's interface, typed there; what they return is called by generated stubs alone.

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401, D102
        return _begun(self._channel.unary_unary(*args, **kwargs), UNARY_SECONDS)

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401, D102
        return _begun(self._channel.unary_stream(*args, **kwargs), None)

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401, D102
        return _begun(self._channel.stream_unary(*args, **kwargs), None)

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401, D102
        return _begun(self._channel.stream_stream(*args, **kwargs), None)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: D102, FBT001, FBT002
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:  # noqa: D102
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:  # noqa: D102
        await self._channel.channel_ready()

    async def close(self, grace: float | None = None) -> None:  # noqa: D102
        await self._channel.close(grace)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


class Peers:
    """The channels to the services that the settings name, one each, opened when first asked for.

    Attributes:
        own_stages: What opens the stages of this process, by operation; another process is called for all others.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._certificates = Certificates.read(settings)
        self._addresses = {
            ServiceName.CONNECTOR: settings.connector_address,
            ServiceName.TRANSFORM: settings.transform_address,
            ServiceName.ANONYMIZER: settings.anonymizer_address,
        }
        self._channels: dict[ServiceName | Address, ServiceChannel] = {}
        self.own_stages: Mapping[str, StageOpener] = {}

    def opener(self, operation: str) -> StageOpener | None:
        """Return what opens an operation's stages in this process; None for one that another service owns."""
        return self.own_stages.get(operation)

    def channel(self, service: ServiceName) -> grpc.aio.Channel:
        """Return the channel to a service.

        Raises:
            InvalidRequest: No setting says where it is.
        """
        if service not in self._channels:
            address = self._addresses.get(service)
            if address is None:
                raise InvalidRequest(
                    f"finding the {service} service: no address is set", hint=f"set ELUTE_{service.upper()}_ADDRESS"
                )
            self._channels[service] = ServiceChannel(address, self._certificates)
        return self._channels[service]

    def channel_to(self, address: Address) -> grpc.aio.Channel:
        """Return the channel to one process, of those that a service has several of."""
        if address not in self._channels:
            self._channels[address] = ServiceChannel(address, self._certificates)
        return self._channels[address]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for channel in self._channels.values():
            await channel.close()


@contextmanager
def ending(call: _AnyCall) -> Iterator[_AnyCall]:
    """Cancel a call at the end of the block, if it has not ended: a stream that is left early must not live on."""
    try:
        yield call
    finally:
        call.cancel()


def _begun(begin: Callable[..., Any], seconds: float | None) -> Callable[..., Any]:
    """Return a callable that starts a call with our metadata and, unless one is given, a deadline."""

    def start(*requests: object, timeout: float | None = None, metadata: Any = None, **more: Any) -> Any:  # noqa: ANN401
        own = ((PROTOCOL_KEY, str(SPOKEN)), (REQUEST_ID_KEY, request_id() or uuid.uuid4().hex))
        return begin(
            *requests, timeout=seconds if timeout is None else timeout, metadata=(*own, *(metadata or ())), **more
        )

    return start

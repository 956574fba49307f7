"""The call to the connector service by which secrets follow it to its next key."""

from __future__ import annotations

import grpc.aio

from elute.v1 import connector_pb2, connector_pb2_grpc
from elute_gateway.clients import messages
from elute_gateway.domain.connection import Connection, SealedSecret
from elute_wire.identity import ServiceName
from elute_wire.status import calling

_SECONDS = 10.0


class ConnectorSealing:
    """`Sealing`, answered by the connector service."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = connector_pb2_grpc.ConnectorServiceStub(channel)

    async def reseal(self, connection: Connection) -> SealedSecret:
        """Have a connection's secret sealed to the connectors' current key."""
        request = connector_pb2.ResealRequest(connections=[messages.connection(connection)])
        with calling(ServiceName.CONNECTOR, f"sealing the secret of connection {connection.id} anew"):
            (secret,) = (await self._stub.Reseal(request, timeout=_SECONDS)).secrets
        return SealedSecret(secret.key_id, secret.ephemeral_public_key, secret.ciphertext)

"""The calls to the connector service by which people look at a store: trying it, and previewing a few rows."""

from __future__ import annotations

import json
from collections.abc import Sequence

import grpc.aio

from elute.v1 import connector_pb2, connector_pb2_grpc
from elute_gateway.application.connections import Checked, Role
from elute_gateway.clients import messages, stages
from elute_gateway.clients.stages import Reading
from elute_gateway.domain.connection import Connection
from elute_gateway.domain.names import DatasetName
from elute_gateway.domain.plan import DatasetPlan, Plan
from elute_wire.identity import ServiceName
from elute_wire.status import calling, from_problem

_PREVIEW_SECONDS = 30.0
_ROLES = {Role.SOURCE: connector_pb2.ROLE_SOURCE, Role.TARGET: connector_pb2.ROLE_TARGET}


class ConnectorInspection:
    """`Checking` and `Previewing`, answered by the connector service."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = connector_pb2_grpc.ConnectorServiceStub(channel)

    async def check(self, connection: Connection, role: Role, datasets: Sequence[DatasetName]) -> Checked:
        """Answer what a connection lacks for its role."""
        request = connector_pb2.CheckRequest(
            connection=messages.connection(connection),
            role=_ROLES[role],
            datasets=[messages.dataset_name(name) for name in datasets],
        )
        with calling(ServiceName.CONNECTOR, "checking the connection"):
            answer = await self._stub.Check(request)
        return Checked(tuple(map(from_problem, answer.problems)), answer.server_version, answer.encrypted)

    async def preview(
        self, plan: Plan, dataset: DatasetPlan, source: Connection, limit_rows: int
    ) -> list[dict[str, object]]:
        """Answer a few rows of a dataset as its plan would write them."""
        request = connector_pb2.PreviewRequest(
            stage=stages.stage_for(plan, dataset, None, Reading(source, ""), limit_rows=limit_rows),
            limit_rows=limit_rows,
            scrub=stages.scrub_mode(plan),
        )
        with calling(ServiceName.CONNECTOR, f"previewing dataset {dataset.name}"):
            answer = await self._stub.Preview(request, timeout=_PREVIEW_SECONDS)
        return [json.loads(row) for row in answer.rows]
